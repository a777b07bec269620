//! The program: how it is started, and what it says.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use lrops_model::cancel::CancelToken;
use rustix::process::{Pid, Signal, kill_process};

use super::error::{GitError, Said};
use crate::environment::Environment;

/// Variables that say which repository is meant. Git sets them for hooks and for what they start; here the directory says
/// it.
const REPOSITORY_VARIABLES: [&str; 13] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// How often a waiting command is looked at for cancellation.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long git may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// What a server and its hooks may say.
const ERROR_OUTPUT_BYTES_MAX: u64 = 1024 * 1024;

/// Git, asked about one directory.
#[derive(Clone, Debug)]
pub(super) struct Git {
    path: PathBuf,
    search_path: Option<String>,
    /// Settings for every call, besides those of the machine and of the repository.
    settings: Vec<&'static str>,
}

impl Git {
    pub(super) fn at(path: &Path, environment: &Environment) -> Self {
        Self {
            path: path.to_owned(),
            search_path: environment.get("PATH").map(str::to_owned),
            settings: Vec::new(),
        }
    }

    /// Returns the same with one more setting, `name=value`.
    pub(super) fn with_setting(mut self, setting: &'static str) -> Self {
        self.settings.push(setting);
        self
    }

    /// Returns the same, asked about another directory.
    pub(super) fn elsewhere(&self, path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            ..self.clone()
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new("git");
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.arg("-C").arg(&self.path).args(arguments);
        without_repository(&mut command);
        if let Some(path) = &self.search_path {
            command.env("PATH", path);
        }
        // Some failures are known by their words. Looking at a work tree must not write its index.
        command.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0");
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command that ends soon.
    pub(super) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Output, GitError> {
        self.command(arguments).output().map_err(GitError::Start)
    }

    /// Runs a command that must succeed, and returns what it says.
    pub(super) fn ask<S: AsRef<OsStr>>(&self, doing: &str, arguments: &[S]) -> Result<String, GitError> {
        let output = self.run(arguments)?;
        succeeded(doing, output.status.success(), &output.stderr)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a command that may take as long as a network takes, until the work is stopped or the time is over. It stays
    /// in this process's group: git asks for passwords at the terminal, which other groups cannot read.
    pub(super) fn wait_for<S: AsRef<OsStr>>(
        &self,
        doing: &str,
        arguments: &[S],
        limit: Option<Duration>,
        cancel: &CancelToken,
    ) -> Result<String, GitError> {
        let mut command = self.command(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(GitError::Start)?;
        let stdout = follow(child.stdout.take().expect("standard output is a pipe"));
        let stderr = follow(child.stderr.take().expect("standard error is a pipe"));
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(GitError::Start)? {
                break status;
            }
            if cancel.is_cancelled() {
                stop(&mut child);
                cancel.check()?;
            }
            if limit.is_some_and(|limit| started.elapsed() > limit) {
                stop(&mut child);
                let said = Said::new(b"nothing within the time that it had");
                return Err(GitError::Failed {
                    doing: doing.to_owned(),
                    source: said,
                });
            }
            std::thread::sleep(LOOK_EVERY);
        };
        // Ctrl-C reaches git as well, which then fails by itself.
        cancel.check()?;
        succeeded(doing, status.success(), &all_of(&stderr))?;
        Ok(String::from_utf8_lossy(&all_of(&stdout)).into_owned())
    }
}

/// Lets a program find the repository by its directory.
pub(crate) fn without_repository(command: &mut Command) {
    for variable in REPOSITORY_VARIABLES {
        command.env_remove(variable);
    }
}

fn succeeded(doing: &str, success: bool, stderr: &[u8]) -> Result<(), GitError> {
    if success {
        return Ok(());
    }
    Err(GitError::Failed {
        doing: doing.to_owned(),
        source: Said::new(stderr),
    })
}

/// Reads a pipe to its end in a thread of its own.
fn follow(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is said all the same; git must never wait for a full pipe.
        let _ = pipe.by_ref().take(ERROR_OUTPUT_BYTES_MAX).read_to_end(&mut bytes);
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        let _ = sender.send(bytes);
    });
    receiver
}

/// What came by a pipe of a process that ended. A hook's own program that lives on may hold it open for ever.
fn all_of(pipe: &mpsc::Receiver<Vec<u8>>) -> Vec<u8> {
    pipe.recv_timeout(GRACE).unwrap_or_default()
}

/// Asks git to end, and what it started with it, and ends it when it does not.
fn stop(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended meanwhile.
        let _ = kill_process(pid, Signal::TERM);
    }
    let asked = Instant::now();
    while asked.elapsed() < GRACE {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let _ = child.kill();
    let _ = child.wait();
}
