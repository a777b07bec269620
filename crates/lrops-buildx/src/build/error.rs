//! A `docker buildx build` that failed, and what to do about it.

use crate::docker::BuilderPlace;
use crate::known::KnownFailure;
use crate::process::ProcessError;

/// A `docker buildx build` that failed for another reason than a command of the Dockerfile.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub struct BuildxError {
    /// What buildx said, in one line.
    pub words: String,
    /// The end of all that it said.
    pub output: String,
    /// The command, for a shell.
    pub command: String,
    /// Which of the known failures it is.
    pub known: Option<KnownFailure>,
    /// Where it was built.
    pub place: BuilderPlace,
    /// How often it was tried.
    pub attempts: usize,
    /// Whether it was to push.
    pub pushes: bool,
    /// Whether the command does all that was asked: else lrops has to prove the image, and to publish it, afterwards.
    pub does_all: bool,
    /// Why the program could not be run to its end.
    #[source]
    pub source: Option<ProcessError>,
}

impl BuildxError {
    /// Returns whether all retries were spent on a failure that a retry could mend.
    pub fn is_exhausted(&self) -> bool {
        self.known.is_some_and(KnownFailure::can_retry)
    }
}
