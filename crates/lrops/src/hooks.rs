//! Hooks: lines of shell of `lrops.toml` that run before a release is built.
//!
//! They run as the user who started lrops, outside of its namespaces. What they say goes to standard error as it comes, for
//! standard output is data. They have a session of their own: all that they started ends with them, and what asks at a
//! terminal fails at once, instead of waiting in the background for ever.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use lrops_model::cancel::CancelToken;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::failure::Failure;
use crate::git;

/// How often a running hook is looked at for cancellation.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a hook may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// Where hooks run, and what they see.
pub(crate) struct HookPlace<'a> {
    /// The directory.
    pub(crate) directory: &'a Path,
    /// Variables besides those of lrops itself.
    pub(crate) variables: &'a [(&'static str, String)],
}

impl HookPlace<'_> {
    /// Runs a hook to its end.
    ///
    /// # Errors
    /// When it fails, or the work is stopped.
    pub(crate) fn run(&self, line: &str, cancel: &CancelToken) -> Result<(), Failure> {
        let failed = |source| Failure::work(format!("failed to run the hook `{line}`"), source);
        let status = self.start(line).and_then(|child| end(child, cancel));
        let status = status.map_err(failed)?;
        cancel.check().map_err(|_| Failure::Cancelled)?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::Work {
            message: format!("the hook `{line}` failed: {status}"),
            source: None,
            advice: Some("it is in [hooks] of lrops.toml; nothing was built or published".to_owned()),
        })
    }

    fn start(&self, line: &str) -> io::Result<Child> {
        let said = io::stderr().as_fd().try_clone_to_owned()?;
        let mut command = Command::new("setsid");
        git::without_repository(&mut command);
        command
            .args(["sh", "-c", line])
            .current_dir(self.directory)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(said)
            .spawn()
    }
}

/// Waits until a hook ends, by itself or because the work is stopped.
fn end(mut child: Child, cancel: &CancelToken) -> io::Result<ExitStatus> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let signal = |signal| {
        if let Some(group) = group {
            // It may have ended meanwhile.
            let _ = kill_process_group(group, signal);
        }
    };
    let mut asked: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            if asked.is_some() {
                signal(Signal::KILL);
            }
            return Ok(status);
        }
        match asked {
            None if cancel.is_cancelled() => {
                signal(Signal::TERM);
                asked = Some(Instant::now());
            }
            Some(since) if since.elapsed() > GRACE => signal(Signal::KILL),
            _ => {}
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_hook_sees_its_variables_and_its_end_is_told() {
        let variables = [("VERSION", "1.2.3".to_owned())];
        let place = HookPlace {
            directory: Path::new("/"),
            variables: &variables,
        };
        let cancel = CancelToken::new();
        place.run("test \"$VERSION $PWD\" = '1.2.3 /'", &cancel).unwrap();
        let failure = place.run("exit 3", &cancel).unwrap_err();
        assert!(failure.to_string().contains("exit status: 3"), "{failure}");
    }

    #[test]
    fn a_hook_that_asks_at_a_terminal_fails_at_once() {
        let place = HookPlace {
            directory: Path::new("/"),
            variables: &[],
        };
        place
            .run("read answer < /dev/tty", &CancelToken::new())
            .unwrap_err();
    }

    #[test]
    fn a_hook_that_is_stopped_ends_with_all_that_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let place = HookPlace {
            directory: directory.path(),
            variables: &[],
        };
        let cancel = CancelToken::new();
        // What the hook starts holds the pipe as long as it lives.
        let (mut lives, held) = io::pipe().unwrap();
        let begun = directory.path().join("begun");
        let line = format!(
            "exec 2>/proc/{}/fd/{}; sleep 600 & : > begun; wait",
            std::process::id(),
            held.as_raw_fd()
        );
        let stopped = std::thread::scope(|scope| {
            let running = scope.spawn(|| place.run(&line, &cancel));
            while !begun.exists() {
                std::thread::sleep(LOOK_EVERY);
            }
            cancel.cancel();
            running.join().unwrap()
        });
        assert!(matches!(stopped, Err(Failure::Cancelled)), "{stopped:?}");
        drop(held);
        assert_eq!(lives.read(&mut [0]).unwrap(), 0, "everybody let go of it");
    }
}
