//! What can go wrong with a file of a tree.

use std::io;
use std::path::{Path, PathBuf};

/// A file operation beneath a root that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} {path}", path = path.display())]
pub struct TreeError {
    /// What was being done, as a verb.
    pub action: &'static str,
    /// To which path, inside the root.
    pub path: PathBuf,
    /// The cause.
    pub source: io::Error,
}

/// Names the action and the path of a failed system call.
pub(crate) trait During<T> {
    /// Turns the cause into a [`TreeError`].
    fn during(self, action: &'static str, path: &Path) -> Result<T, TreeError>;
}

impl<T, E: Into<io::Error>> During<T> for Result<T, E> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, TreeError> {
        self.map_err(|cause| TreeError {
            action,
            path: Path::new("/").join(path),
            source: cause.into(),
        })
    }
}
