//! Servers that end with the test, however it ends.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it answers. Usually it takes a second.
const START_LIMIT: Duration = Duration::from_mins(1);

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What all scripts begin with.
const KEEP: &str = include_str!("keep.sh");

/// A server run by a script, in namespaces of its own. Dropping this ends it and all that it started, as the death of
/// the test's process does.
pub(super) struct Kept {
    child: Child,
    /// The script cleans up when this is closed.
    input: Option<ChildStdin>,
    log: File,
}

impl Kept {
    /// Starts a script with `arguments`.
    ///
    /// # Panics
    /// For anybody but root.
    pub(super) fn start(script: &str, arguments: &[&OsStr], path: &OsStr) -> Self {
        let root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        assert!(
            root,
            "only root can start docker's daemon and sshd: run these tests as root"
        );
        let log = tempfile::tempfile().expect("a file for the server's log");
        let output = || log.try_clone().expect("the log can be shared");
        let mut child = Command::new("sh")
            .args(["-c", &format!("{KEEP}\n{script}"), "sh"])
            .args(arguments)
            .env("PATH", path)
            .stdin(Stdio::piped())
            .stdout(output())
            .stderr(output())
            // A key that ends the tests is not for the script, which has to clean up.
            .process_group(0)
            .spawn()
            .expect("sh starts");
        let input = child.stdin.take();
        Self { child, input, log }
    }

    /// Waits until the server answers.
    ///
    /// # Panics
    /// With the server's log, when it ends or does not answer in time.
    pub(super) fn wait(&mut self, name: &str, answers: impl Fn() -> bool) {
        let begun = Instant::now();
        while !answers() {
            let ended = self.child.try_wait().expect("the script can be waited for");
            assert!(
                ended.is_none() && begun.elapsed() < START_LIMIT,
                "{name} does not answer; its log:\n{}",
                self.log()
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Returns the process that all others of the server descend from.
    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }

    fn log(&self) -> String {
        let size = self.log.metadata().map_or(0, |log| log.len());
        let mut text = vec![0; usize::try_from(size).unwrap_or_default()];
        // The server writes at the same position, which reading like this does not move.
        let read = self.log.read_at(&mut text, 0).unwrap_or_default();
        String::from_utf8_lossy(&text[..read]).into_owned()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
