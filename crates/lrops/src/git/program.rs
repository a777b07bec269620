//! The program: how it is started, and what it says.

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use lrops_model::cancel::CancelToken;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::descent;
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

/// What a server and its hooks may say.
const OUTPUT_SIZE_BYTES_MAX: usize = 1024 * 1024;

/// How much is read at a time.
const PIECE_SIZE_BYTES: usize = 8 * 1024;

/// How many pieces of an output are taken between two looks at the time: many times what a pipe holds.
const PIECES_AT_A_TIME_MAX: usize = 512;

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
    ///
    /// No thread is started for it: namespaces may have to be entered afterwards.
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
        let mut stdout = Ear::at(child.stdout.take().expect("standard output is a pipe"))?;
        let mut stderr = Ear::at(child.stderr.take().expect("standard error is a pipe"))?;
        let started = Instant::now();
        let status = loop {
            let ended = child.try_wait().map_err(GitError::Start)?;
            // What git said is in the pipes by then. A hook's own program that lives on may hold them open for ever.
            stdout.listen();
            stderr.listen();
            if let Some(status) = ended {
                break status;
            }
            if cancel.is_cancelled() {
                descent::stop(&mut child);
                cancel.check()?;
            }
            if limit.is_some_and(|limit| started.elapsed() > limit) {
                descent::stop(&mut child);
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
        succeeded(doing, status.success(), &stderr.heard)?;
        Ok(String::from_utf8_lossy(&stdout.heard).into_owned())
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

/// A pipe that git writes to, and what came by it.
struct Ear<P> {
    pipe: P,
    heard: Vec<u8>,
}

impl<P: Read + AsFd> Ear<P> {
    fn at(pipe: P) -> Result<Self, GitError> {
        let flags = fcntl_getfl(&pipe).and_then(|flags| fcntl_setfl(&pipe, flags | OFlags::NONBLOCK));
        flags.map_err(|error| GitError::Start(error.into()))?;
        Ok(Self {
            pipe,
            heard: Vec::new(),
        })
    }

    /// Takes what is in the pipe. Beyond the limit it is not kept, but taken all the same: git must not wait.
    fn listen(&mut self) {
        let mut piece = [0; PIECE_SIZE_BYTES];
        // Who writes without a pause is heard again after the next look at the time.
        for _ in 0..PIECES_AT_A_TIME_MAX {
            match self.pipe.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(length) => {
                    let room = OUTPUT_SIZE_BYTES_MAX - self.heard.len();
                    self.heard.extend_from_slice(&piece[..length.min(room)]);
                }
            }
        }
    }
}
