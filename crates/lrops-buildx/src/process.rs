//! Runs a command: the only place of this crate that starts processes.
//!
//! A command runs in a process group of its own, so that Ctrl-C reaches it through lrops alone, which asks it to stop
//! (buildx then cancels the build at the builder) and ends it when it does not.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lrops_model::cancel::{CancelToken, Cancelled};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::command_line::CommandLine;

/// How often a waiting command is looked at for cancellation and its time.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a command may take to end after it was asked to: buildx tells the builder first.
const GRACE: Duration = Duration::from_secs(10);

/// How long the rest of a command's output may take after its end, once it pauses.
const PIPE_GRACE: Duration = Duration::from_secs(1);

/// Commands that are asked for facts say a few kilobytes; a listing of many builders some hundred.
const OUTPUT_SIZE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a command that ended said.
#[derive(Clone, Debug)]
pub struct Captured {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// Its standard error, likewise.
    pub stderr: String,
}

/// Why a command did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program is not there, or cannot be started.
    #[error("failed to start {program}")]
    Start {
        /// The program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// It could not be talked to.
    #[error("failed to talk to {program}")]
    Talk {
        /// The program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// It took too long and was stopped.
    #[error("it did not end within {} seconds and was stopped", .0.as_secs())]
    TimeOut(Duration),
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl ProcessError {
    /// Returns whether the program is not there.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Start { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Waits, unless the work is stopped meanwhile.
pub(crate) fn pause(cancel: &CancelToken, wait: Duration) -> Result<(), Cancelled> {
    let begun = Instant::now();
    while begun.elapsed() < wait {
        cancel.check()?;
        std::thread::sleep(LOOK_EVERY.min(wait.saturating_sub(begun.elapsed())));
    }
    cancel.check()
}

/// What a command gets and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a> {
    /// What it reads from standard input.
    pub(crate) input: &'a [u8],
    /// How long it may take.
    pub(crate) limit: Option<Duration>,
    /// Stops it.
    pub(crate) cancel: &'a CancelToken,
}

impl<'a> Run<'a> {
    /// Nothing to read, and a time that a question to a daemon may take.
    pub(crate) fn asking(cancel: &'a CancelToken, limit: Duration) -> Self {
        Self {
            input: &[],
            limit: Some(limit),
            cancel,
        }
    }

    /// Runs a command to its end and returns what it said.
    pub(crate) fn capture(self, command: &CommandLine) -> Result<Captured, ProcessError> {
        self.follow(command, &mut |_| {})
    }

    /// Runs a command to its end; pieces of its standard error are handed over as they come.
    pub(crate) fn follow(
        self,
        command: &CommandLine,
        on_error_output: &mut dyn FnMut(&[u8]),
    ) -> Result<Captured, ProcessError> {
        let program = command.program();
        let talk = |source| ProcessError::Talk {
            program: program.to_owned(),
            source,
        };
        let mut child = Command::new(program)
            .args(command.arguments())
            .envs(command.variables().iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|source| ProcessError::Start {
                program: program.to_owned(),
                source,
            })?;
        let writer = write_all(&mut child, self.input);
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let (sender, pieces) = mpsc::channel();
        std::thread::spawn(move || read_pieces(stdout, &sender));
        let mut stderr = Vec::new();
        let ended = self.relay(&mut child, &mut |piece| {
            let room = OUTPUT_SIZE_BYTES_MAX.saturating_sub(stderr.len());
            stderr.extend_from_slice(&piece[..piece.len().min(room)]);
            on_error_output(piece);
        });
        let status = match ended {
            Ok(status) => status.map_err(talk)?,
            Err(error) => {
                stop(&mut child);
                return Err(error);
            }
        };
        // A program may end without having read all, and leave its input open in another's hands: nobody waits for it.
        drop(writer);
        let mut stdout = Vec::new();
        // One that lives on with the pipe, as a shared ssh connection may, has nothing to add.
        while let Ok(piece) = pieces.recv_timeout(PIPE_GRACE) {
            let room = OUTPUT_SIZE_BYTES_MAX.saturating_sub(stdout.len());
            stdout.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        Ok(Captured {
            status,
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }

    /// Hands over what comes from standard error until the command ends.
    fn relay(
        self,
        child: &mut Child,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<io::Result<ExitStatus>, ProcessError> {
        let stderr = child.stderr.take().expect("standard error is a pipe");
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || read_pieces(stderr, &sender));
        let started = Instant::now();
        let mut open = true;
        loop {
            if open {
                match receiver.recv_timeout(LOOK_EVERY) {
                    Ok(piece) => take(&piece),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => open = false,
                }
            }
            self.cancel.check()?;
            if let Some(limit) = self.limit.filter(|limit| started.elapsed() > *limit) {
                return Err(ProcessError::TimeOut(limit));
            }
            match child.try_wait() {
                Ok(Some(status)) => {
                    // What it wrote last. A program of its own that lives on may hold the pipe open for ever.
                    while let Ok(piece) = receiver.recv_timeout(PIPE_GRACE) {
                        take(&piece);
                    }
                    return Ok(Ok(status));
                }
                Ok(None) if open => {}
                Ok(None) => std::thread::sleep(LOOK_EVERY),
                Err(error) => return Ok(Err(error)),
            }
        }
    }
}

fn write_all(child: &mut Child, input: &[u8]) -> JoinHandle<io::Result<()>> {
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let input = input.to_vec();
    std::thread::spawn(move || stdin.write_all(&input))
}

/// Hands over what comes, until its end or until nobody listens.
fn read_pieces(mut from: impl Read, sender: &mpsc::Sender<Vec<u8>>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if sender.send(buffer[..length].to_vec()).is_err() {
            break;
        }
    }
}

/// Asks a command and all that it started to end, and ends them when they do not.
fn stop(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let signal = |signal| group.map(|group| kill_process_group(group, signal));
    signal(Signal::INT);
    let asked = Instant::now();
    while asked.elapsed() < GRACE {
        if !matches!(child.try_wait(), Ok(None)) {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    signal(Signal::KILL);
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> CommandLine {
        CommandLine::new("sh").words(["-c", script])
    }

    #[test]
    fn both_outputs_and_the_status_come_back() {
        let cancel = CancelToken::new();
        let run = Run {
            input: b"given",
            limit: None,
            cancel: &cancel,
        };
        let said = run.capture(&shell("cat; echo err >&2; exit 3")).unwrap();
        assert_eq!(
            (said.stdout.as_str(), said.stderr.as_str(), said.status.code()),
            ("given", "err\n", Some(3))
        );
    }

    #[test]
    fn a_command_that_takes_too_long_is_stopped_with_all_that_it_started() {
        let cancel = CancelToken::new();
        let limit = Duration::from_millis(200);
        let error = Run::asking(&cancel, limit)
            .capture(&shell("sleep 600 & wait"))
            .unwrap_err();
        assert!(matches!(error, ProcessError::TimeOut(found) if found == limit));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let cancel = CancelToken::new();
        let error = Run::asking(&cancel, Duration::from_secs(1))
            .capture(&CommandLine::new("no-such-program-anywhere"))
            .unwrap_err();
        assert_eq!(error.to_string(), "failed to start no-such-program-anywhere");
    }

    #[test]
    fn one_that_lives_on_with_the_pipe_does_not_hold_its_parent() {
        let cancel = CancelToken::new();
        let script = "sleep 600 >/dev/null 2>&2 & echo $! >&2";
        let said = Run::asking(&cancel, Duration::from_mins(1))
            .capture(&shell(script))
            .unwrap();
        let left: i32 = said.stderr.trim().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(left).unwrap(), Signal::KILL).unwrap();
    }
}
