//! Why git did not do what it was asked.

use std::io;
use std::path::{Path, PathBuf};

use lrops_model::cancel::Cancelled;

use crate::table::harmless;

/// Why git did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// It is not there, or cannot be started.
    #[error("failed to start git")]
    Start(#[source] io::Error),
    /// A directory is in no repository.
    #[error("{} is not in a git repository", .0.display())]
    NoRepository(PathBuf),
    /// Git does not trust a repository of another user's.
    #[error("git refuses the repository at {}, because it belongs to another user", path.display())]
    Distrusted {
        /// The directory that was asked about.
        path: PathBuf,
        /// What git said.
        source: Said,
    },
    /// There is no commit.
    #[error("the repository at {} has no commit yet", .0.display())]
    NoCommit(PathBuf),
    /// It failed.
    #[error("failed to {doing}")]
    Failed {
        /// What was being done.
        doing: String,
        /// What git said.
        source: Said,
    },
    /// Its answer makes no sense.
    #[error("failed to {doing}: git answered {answer:?}")]
    Answer {
        /// What was being done.
        doing: String,
        /// The answer.
        answer: String,
    },
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// What git said of its failure.
#[derive(Debug, thiserror::Error)]
#[error("git said: {0}")]
pub(crate) struct Said(String);

impl Said {
    /// Returns what git wrote to standard error.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        // What a server writes over itself, as progress does, is not worth keeping.
        let lines = text.lines().map(|line| harmless(line).trim().to_owned());
        let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
        if lines.is_empty() {
            Self("nothing".to_owned())
        } else {
            Self(lines.join("\n"))
        }
    }

    /// Returns whether it contains some words.
    pub(super) fn contains(&self, words: &str) -> bool {
        self.0.contains(words)
    }
}

impl GitError {
    /// Returns what can be done.
    pub(crate) fn advice(&self) -> Option<String> {
        match self {
            Self::Start(error) if error.kind() == io::ErrorKind::NotFound => Some(
                "versions come from git: install it (on Debian, `apt-get install git`), or mend PATH"
                    .to_owned(),
            ),
            Self::NoRepository(_) => {
                Some("name the directory of a git checkout; `git init` makes one".to_owned())
            }
            Self::Distrusted { path, .. } => Some(format!(
                "if you trust it: git config --global --add safe.directory {}",
                trusted(path)
            )),
            Self::NoCommit(_) => Some("make the first commit: a version is that of a commit".to_owned()),
            Self::Failed { source, .. } if source.contains("Please tell me who you are") => {
                Some("a tag names who made it: set user.name and user.email, as git says".to_owned())
            }
            _ => None,
        }
    }

    /// Returns the exit code, as the README documents it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NoRepository(_) => 2,
            Self::Start(_) | Self::Distrusted { .. } => 7,
            Self::Cancelled(_) => 130,
            Self::NoCommit(_) | Self::Failed { .. } | Self::Answer { .. } => 1,
        }
    }
}

/// Git wants the top of the work tree; without it, whoever typed a directory below knows better.
fn trusted(path: &Path) -> String {
    let top = path.ancestors().find(|path| path.join(".git").exists());
    lrops_buildx::quoted(&top.unwrap_or(path).display().to_string())
}
