//! Errors at the edge: what they mean for the exit code, and what a person can do next. [`crate::report`] shows them.

mod exit_code;

use std::error::Error;
use std::path::PathBuf;

use lrops_buildx::{BuilderPlace, BuildxError, DockerError, KnownFailure, ProcessError};
use lrops_model::engine::BuildError;
use lrops_remote::registry::{PushError, RegistryError};

use crate::configuration::ConfigurationError;
use crate::git::GitError;
use crate::publish::PublishError;

/// The cause of another error.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// Why a command did not do what it was asked to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was typed makes no sense.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        advice: Option<String>,
    },
    /// What was asked for is not there yet.
    #[error("{what} is not supported yet")]
    NotYet {
        /// What was asked for.
        what: String,
        /// What to do instead.
        advice: String,
    },
    /// The configuration file is wrong.
    #[error(transparent)]
    Configuration(Box<ConfigurationError>),
    /// The build failed.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A check found errors, which were shown.
    #[error("the check found {errors}")]
    Check {
        /// How many, in words.
        errors: String,
    },
    /// An image is not what it promises, which was shown.
    #[error("the image failed to verify: {problems}")]
    Verify {
        /// How many, in words.
        problems: String,
    },
    /// A registry refuses who asks.
    #[error("{message}")]
    Unauthorized {
        /// What was being done.
        message: String,
        /// What the registry said.
        source: Cause,
        /// What to do.
        advice: Option<String>,
    },
    /// A registry refused, or could not be asked.
    #[error(transparent)]
    Registry(Box<RegistryError>),
    /// An image is not published, or not under all its names.
    #[error("{source}")]
    Publish {
        /// Why.
        source: Box<PublishError>,
        /// The command that goes on where this one stopped.
        continuation: String,
    },
    /// Docker, buildx or a builder did not do what it was asked.
    #[error("{message}")]
    Farm {
        /// What was being done, or what is wrong.
        message: String,
        /// Which of the known failures it is.
        known: Option<KnownFailure>,
        /// Where it happened.
        place: BuilderPlace,
        /// The cause, if there is a further one.
        source: Option<Cause>,
    },
    /// Git did not do what it was asked.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The machine does not allow it.
    #[error("{message}")]
    Machine {
        /// What was being done.
        message: String,
        /// The cause.
        source: Cause,
    },
    /// Anything else that stopped the work.
    #[error("{message}")]
    Work {
        /// What was being done.
        message: String,
        /// The cause, if there is a further one.
        source: Option<Cause>,
        /// What to do.
        advice: Option<String>,
    },
    /// Something that the work needs is broken, which was shown.
    #[error("the work would fail: {broken}")]
    Unhealthy {
        /// What is broken, in words.
        broken: String,
    },
    /// Someone asked to stop.
    #[error("interrupted")]
    Cancelled,
}

impl Failure {
    /// Returns a mistake on the command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            advice: None,
        }
    }

    /// Returns a mistake on the command line, with advice.
    pub(crate) fn usage_advised(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            advice: Some(advice.into()),
        }
    }

    /// Returns that something is not there yet.
    pub(crate) fn not_yet(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::NotYet {
            what: what.into(),
            advice: advice.into(),
        }
    }

    /// Returns that the machine does not allow something.
    pub(crate) fn machine(message: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self::Machine {
            message: message.into(),
            source: source.into(),
        }
    }

    /// Returns that something failed, with its cause.
    pub(crate) fn work(message: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self::Work {
            message: message.into(),
            source: Some(source.into()),
            advice: None,
        }
    }

    /// Returns that something failed, with its cause and advice.
    pub(crate) fn work_advised(
        message: impl Into<String>,
        source: impl Into<Cause>,
        advice: Option<String>,
    ) -> Self {
        Self::Work {
            message: message.into(),
            source: Some(source.into()),
            advice,
        }
    }

    /// Returns that a registry refuses who asks.
    pub(crate) fn unauthorized(
        message: impl Into<String>,
        source: impl Into<Cause>,
        advice: Option<String>,
    ) -> Self {
        Self::Unauthorized {
            message: message.into(),
            source: source.into(),
            advice,
        }
    }

    /// Returns that something failed for a reason that the message says.
    pub(crate) fn because(message: impl Into<String>) -> Self {
        Self::Work {
            message: message.into(),
            source: None,
            advice: None,
        }
    }

    /// Returns that a docker command did not do what it was run for.
    pub(crate) fn docker(error: DockerError, place: &BuilderPlace) -> Self {
        if let DockerError::Run {
            source: ProcessError::Cancelled(_),
            ..
        } = error
        {
            return Self::Cancelled;
        }
        let known = error.known();
        let message = error.to_string();
        let source = match error {
            DockerError::Run { source, .. } => Some(Box::new(source) as Cause),
            DockerError::Failed { .. } | DockerError::Answer { .. } => None,
        };
        Self::Farm {
            message,
            known,
            place: place.clone(),
            source,
        }
    }

    /// Returns a failure of the build farm that is known, and was noticed before docker was asked.
    pub(crate) fn known(known: KnownFailure, place: &BuilderPlace, message: impl Into<String>) -> Self {
        Self::Farm {
            message: message.into(),
            known: Some(known),
            place: place.clone(),
            source: None,
        }
    }

    /// Returns that a file could not be written.
    pub(crate) fn write(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::work(format!("failed to write {}", path.into().display()), source)
    }

    /// Returns that a registry refused, or could not be asked.
    pub(crate) fn registry(error: RegistryError) -> Self {
        if error.is_cancelled() {
            Self::Cancelled
        } else {
            Self::Registry(Box::new(error))
        }
    }

    /// Returns that an image could not be read, wherever it is: a registry's refusal stays one, and who stopped it too.
    pub(crate) fn image(message: impl Into<String>, source: impl Into<Cause>) -> Self {
        let source = source.into();
        if is_cancelled(source.as_ref()) {
            return Self::Cancelled;
        }
        let advice = registry_error(source.as_ref()).and_then(RegistryError::advice);
        if is_refused(source.as_ref()) {
            Self::unauthorized(message, source, advice)
        } else {
            Self::work_advised(message, source, advice)
        }
    }

    /// Returns that an image is not published, and how to go on.
    pub(crate) fn publish(source: PublishError, continuation: &str) -> Self {
        // Which tags moved has to be said, whatever stopped the others.
        let some_moved = matches!(&source, PublishError::Tags { moved, .. } if !moved.is_empty());
        if matches!(source.push(), Some(PushError::Cancelled(_))) && !some_moved {
            return Self::Cancelled;
        }
        Self::Publish {
            source: Box::new(source),
            continuation: continuation.to_owned(),
        }
    }
}

/// Returns what `docker buildx` said of a build that it failed to carry out.
pub(crate) fn buildx_error(error: &BuildError) -> Option<&BuildxError> {
    match error {
        BuildError::Environment { source, .. } | BuildError::Other { source, .. } => source.downcast_ref(),
        _ => None,
    }
}

/// Returns an error with its causes in one line.
pub(crate) fn one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// Returns whether the end of a chain of causes is that someone asked to stop.
fn is_cancelled(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<lrops_model::cancel::Cancelled>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// Returns the registry's error among a chain of causes.
pub(crate) fn registry_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a RegistryError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<RegistryError>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Returns whether a registry's refusal is among a chain of causes.
fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let refused = error.downcast_ref::<RegistryError>();
        if refused.is_some_and(|error| error.problem.is_refused()) {
            return true;
        }
        next = error.source();
    }
    false
}

impl From<ConfigurationError> for Failure {
    fn from(error: ConfigurationError) -> Self {
        Self::Configuration(Box::new(error))
    }
}

impl From<lrops_model::cancel::Cancelled> for Failure {
    fn from(_: lrops_model::cancel::Cancelled) -> Self {
        Self::Cancelled
    }
}
