//! The boundary to whatever carries out a request.

use std::path::PathBuf;

use crate::blob::{BlobError, BlobStore};
use crate::cancel::Cancelled;
use crate::digest::Digest;
use crate::event::OnEvent;
use crate::finding::Finding;
use crate::graph::StepLabel;
use crate::oci::Descriptor;
use crate::request::BuildRequest;

/// What carries out a request: the embedded engine, or buildx.
///
/// It stands above the graph, because buildx takes a Dockerfile. Verify, tag and push are written once, above it.
pub trait Engine {
    /// Carries out a request.
    ///
    /// # Errors
    /// [`BuildError`], after every started command has ended and the store is sound.
    fn build(
        &self,
        request: &BuildRequest,
        store: &dyn BlobStore,
        on_event: OnEvent<'_>,
    ) -> Result<Delivered, BuildError>;
}

/// Where the result of a build is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The root (an index) and every blob below it are in the store.
    Stored(Descriptor),
    /// A remote builder pushed it by itself; this is its digest in the registry.
    Pushed(Digest),
}

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The Dockerfile cannot be built as it is: one finding or several.
    #[error("{}", first_message(.findings))]
    Dockerfile {
        /// The Dockerfile's name for messages.
        name: String,
        /// Its text, for excerpts.
        text: String,
        /// What is wrong.
        findings: Vec<Finding>,
    },
    /// A step failed.
    #[error(transparent)]
    Step(Box<StepError>),
    /// The user's request cannot be carried out.
    #[error("{message}")]
    Request {
        /// What is wrong with it, and what to do.
        message: String,
    },
    /// The machine does not allow it.
    #[error("{message}")]
    Environment {
        /// What was being done.
        message: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another cause.
    #[error("{message}")]
    Other {
        /// What was being done.
        message: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store failed.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// It was interrupted.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

fn first_message(findings: &[Finding]) -> String {
    match findings {
        [] => "the Dockerfile cannot be built".to_owned(),
        [only] => only.message.clone(),
        [first, rest @ ..] => format!("{} (and {} more)", first.message, rest.len()),
    }
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct StepError {
    /// Which step.
    pub label: StepLabel,
    /// The Dockerfile that it stands in: name and text.
    pub dockerfile: Option<(String, String)>,
    /// What went wrong.
    pub cause: StepFailure,
    /// The end of the command's output.
    pub output_tail: Vec<String>,
    /// Where the whole output is.
    pub log: Option<PathBuf>,
}

/// How a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepFailure {
    /// Its command ended with another status than 0.
    #[error("process {command:?} did not complete successfully: exit code: {code}")]
    Exit {
        /// The command, as it stands in the Dockerfile.
        command: String,
        /// Its exit code.
        code: i32,
    },
    /// Its command was ended by a signal.
    #[error("process {command:?} was ended by signal {signal}")]
    Signal {
        /// The command.
        command: String,
        /// The signal's number.
        signal: i32,
    },
    /// The step asks for something that is not there, or not allowed.
    #[error("{message}")]
    User {
        /// What is wrong, and what to do.
        message: String,
    },
    /// lrops or the machine failed while doing it.
    #[error("{message}")]
    Internal {
        /// What was being done.
        message: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
