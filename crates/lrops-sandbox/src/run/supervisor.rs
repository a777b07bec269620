//! The side of a run that stays in the program: start, pass on the output, watch for cancellation.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use lrops_model::cancel::{CancelToken, Cancelled};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::error::{CommandError, RunError};
use super::init::CHILD_NAME;
use super::message::{self, Report, Request};
use super::mount_points::MountPoints;
use super::spec::{Exit, RunSpec, Stream};

/// How long cancellation may go unnoticed.
const CANCEL_POLL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 25_000_000,
};

/// How much output is passed on at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Runs a command to its end, and passes on what it prints while it prints.
///
/// The program must have called [`super::run_if_child`] at the start of its `main`. What the sandbox makes in the tree
/// for its own use is gone when this returns.
///
/// # Errors
/// When the sandbox cannot be made, the command cannot be started, or the token is cancelled; a command that fails is
/// an [`Exit`].
pub fn run(
    spec: &RunSpec,
    output: &mut dyn FnMut(Stream, &[u8]),
    cancel: &CancelToken,
) -> Result<Exit, RunError> {
    cancel.check()?;
    if spec.arguments.is_empty() {
        return Err(RunError::Command {
            program: PathBuf::new(),
            source: CommandError::Empty,
        });
    }
    let mount_points = MountPoints::make(spec)?;
    let report = Sandbox::start(spec).and_then(|sandbox| sandbox.watch(output, cancel));
    let removed = mount_points.remove();
    let report = report?;
    removed?;
    match report {
        Report::Ended(exit) => Ok(exit),
        Report::NotStarted(source) => Err(RunError::Command {
            program: PathBuf::from(&spec.arguments[0]),
            source,
        }),
        Report::Failed(failure) => {
            let (step, source) = failure.into_source();
            Err(RunError::Step { step, source })
        }
    }
}

/// A running sandbox. Dropped, all in it is killed and gone.
struct Sandbox {
    child: Child,
    channel: UnixStream,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
}

impl Sandbox {
    fn start(spec: &RunSpec) -> Result<Self, RunError> {
        let (channel, theirs) = UnixStream::pair().map_err(RunError::Start)?;
        let mut child = Command::new("/proc/self/exe")
            .arg0(CHILD_NAME)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(RunError::Start)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let sandbox = Self {
            child,
            channel,
            stdout,
            stderr,
        };
        let request = Request {
            supervisor: std::process::id(),
            spec: spec.clone(),
        };
        message::send(&sandbox.channel, &request).map_err(RunError::Start)?;
        Ok(sandbox)
    }

    /// Passes on the output until all is closed, and returns the report.
    fn watch(
        mut self,
        output: &mut dyn FnMut(Stream, &[u8]),
        cancel: &CancelToken,
    ) -> Result<Report, RunError> {
        let mut report = Vec::new();
        let mut report_open = true;
        let mut buffer = vec![0; CHUNK_BYTES];
        while report_open || self.stdout.is_some() || self.stderr.is_some() {
            if cancel.is_cancelled() {
                return Err(Cancelled.into());
            }
            let ready = self.wait_for_any(report_open).map_err(RunError::Start)?;
            if ready.stdout {
                read_chunk(&mut self.stdout, &mut buffer, |chunk| {
                    output(Stream::Stdout, chunk);
                });
            }
            if ready.stderr {
                read_chunk(&mut self.stderr, &mut buffer, |chunk| {
                    output(Stream::Stderr, chunk);
                });
            }
            if ready.channel {
                let mut channel = Some(&self.channel);
                read_chunk(&mut channel, &mut buffer, |chunk| report.extend_from_slice(chunk));
                report_open = channel.is_some();
            }
        }
        let status = self.child.wait().map_err(RunError::Start)?;
        let unexpected = || RunError::Vanished {
            status: status.to_string(),
        };
        message::first_report(&report).ok_or_else(unexpected)
    }

    fn wait_for_any(&self, channel_open: bool) -> io::Result<Ready> {
        let mut polled = Vec::with_capacity(3);
        let mut add = |descriptor| {
            polled.push(PollFd::from_borrowed_fd(descriptor, PollFlags::IN));
            polled.len() - 1
        };
        let stdout = self.stdout.as_ref().map(|pipe| add(pipe.as_fd()));
        let stderr = self.stderr.as_ref().map(|pipe| add(pipe.as_fd()));
        let channel = channel_open.then(|| add(self.channel.as_fd()));
        match poll(&mut polled, Some(&CANCEL_POLL)) {
            Err(rustix::io::Errno::INTR) => {}
            result => _ = result?,
        }
        let is_ready = |index: Option<usize>| index.is_some_and(|index| !polled[index].revents().is_empty());
        Ok(Ready {
            stdout: is_ready(stdout),
            stderr: is_ready(stderr),
            channel: is_ready(channel),
        })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // The child kills everything when its supervisor hangs up, and ends after the last process did. That it can
        // fail to hear is ruled out: it polls this socket from its first fork on, and reads from it before.
        let _ = self.channel.shutdown(Shutdown::Both);
        let _ = self.child.wait();
    }
}

struct Ready {
    stdout: bool,
    stderr: bool,
    channel: bool,
}

/// Reads once, and forgets a source that has ended.
fn read_chunk<R: Read>(source: &mut Option<R>, buffer: &mut [u8], mut take: impl FnMut(&[u8])) {
    let Some(reader) = source else { return };
    match reader.read(buffer) {
        Ok(0) => *source = None,
        Ok(len) => take(&buffer[..len]),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        // A pipe whose other end is gone has nothing more to say; how the run ended is in the report.
        Err(_) => *source = None,
    }
}
