//! The state of the project that is built, as git calls it: asked for once, and only when somebody wants to know.

use std::cell::OnceCell;
use std::path::Path;

use crate::environment::Environment;
use crate::git::{GitError, Repository};
use crate::version::Version;

/// The state of a project.
pub(super) struct State<'a> {
    directory: &'a Path,
    environment: &'a Environment,
    version: OnceCell<Version>,
}

impl<'a> State<'a> {
    /// Returns the state of the project that a directory belongs to; `known` is what it is called, when that was found out
    /// before.
    pub(super) fn of(directory: &'a Path, known: Option<Version>, environment: &'a Environment) -> Self {
        Self {
            directory,
            environment,
            version: known.map(OnceCell::from).unwrap_or_default(),
        }
    }

    /// Returns what it is called.
    ///
    /// # Errors
    /// When git does not know the directory, or has no commit.
    pub(super) fn version(&self) -> Result<&Version, GitError> {
        if let Some(version) = self.version.get() {
            return Ok(version);
        }
        let version = Repository::open(self.directory, self.environment)?.describe()?;
        Ok(self.version.get_or_init(|| version))
    }
}
