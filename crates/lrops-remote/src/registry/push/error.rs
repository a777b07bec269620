//! Why a push ended early.

use lrops_model::cancel::Cancelled;
use lrops_model::digest::Digest;
use lrops_model::upload::JournalError;

use crate::http::{HttpProblem, is_passing};
use crate::registry::error::{RegistryError, RegistryProblem};

/// Why a push ended early. What arrived by then stays, and is not sent again.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The registry refused, or could not be reached.
    #[error(transparent)]
    Registry(Box<RegistryError>),
    /// What is pushed could not be read.
    #[error("failed to read {digest}, which is to be pushed")]
    Source {
        /// The blob.
        digest: Digest,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is pushed is not what its descriptor promises.
    #[error(
        "{digest}, which is to be pushed, is damaged: the registry refused its bytes, and they have another digest"
    )]
    Damaged {
        /// The blob.
        digest: Digest,
    },
    /// A tag names another image, and must not be taken from it.
    #[error("the tag {tag} names another image already ({there})")]
    Taken {
        /// The tag.
        tag: String,
        /// What it names.
        there: Digest,
    },
    /// Uploads cannot be remembered.
    #[error(transparent)]
    Journal(JournalError),
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl PushError {
    /// Returns what the user can do about it.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.advice(),
            Self::Damaged { .. } => {
                Some("build the image again; `lrops verify` says what else is damaged".to_owned())
            }
            Self::Taken { .. } => Some(
                "publish it as another version, or say --force to take this one from the image that has it"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// Returns whether the registry refuses whoever asks.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Registry(error) if error.is_refused())
    }

    /// Returns whether the same push may succeed when it is started again.
    pub fn can_go_on(&self) -> bool {
        matches!(self, Self::Registry(error) if passes(&error.problem))
    }
}

/// Returns whether a problem may be gone after a while.
fn passes(problem: &RegistryProblem) -> bool {
    match problem {
        RegistryProblem::Http(HttpProblem::Connection(_)) => true,
        RegistryProblem::Token { source, .. } => passes(source),
        problem => problem.status().is_some_and(is_passing),
    }
}

impl From<RegistryError> for PushError {
    fn from(error: RegistryError) -> Self {
        if error.is_cancelled() {
            return Self::Cancelled(Cancelled);
        }
        Self::Registry(Box::new(error))
    }
}

impl From<JournalError> for PushError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Cancelled(cancelled) => cancelled.into(),
            error @ JournalError::Memory { .. } => Self::Journal(error),
        }
    }
}
