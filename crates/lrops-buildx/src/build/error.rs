//! A `docker buildx build` that failed, and what to do about it.

use lrops_model::cancel::Cancelled;

use crate::docker::{BuilderPlace, DockerError};
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
    /// Returns the failure of a command that only asks, unless it was stopped.
    pub(super) fn of_question(error: DockerError, place: &BuilderPlace) -> Result<Self, Cancelled> {
        let (command, known) = (error.command().to_owned(), error.known());
        let (words, output, source) = match error {
            DockerError::Run {
                source: ProcessError::Cancelled(cancelled),
                ..
            } => return Err(cancelled),
            DockerError::Run { source, .. } => (source.to_string(), String::new(), Some(source)),
            DockerError::Failed { words, output, .. } => (words, output, None),
            DockerError::Answer { problem, .. } => (problem, String::new(), None),
        };
        Ok(Self {
            words,
            output,
            command,
            known,
            place: place.clone(),
            attempts: 1,
            pushes: false,
            does_all: true,
            source,
        })
    }

    /// Returns whether all retries were spent on a failure that a retry could mend.
    pub fn is_exhausted(&self) -> bool {
        self.known.is_some_and(KnownFailure::can_retry)
    }
}
