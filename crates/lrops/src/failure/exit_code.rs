//! Exit codes, as the README documents them.

use lrops_buildx::KnownFailure;
use lrops_engine::IMAGE_ACCESS_DENIED;
use lrops_model::blob::BlobError;
use lrops_model::engine::{BuildError, StepFailure};

use lrops_remote::registry::PushError;

use super::{Failure, buildx_error, is_cancelled, is_refused};
use crate::publish::PublishError;

impl Failure {
    /// Returns the exit code, as the README documents it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } | Self::NotYet { .. } | Self::Configuration(_) => 2,
            Self::Check { .. } => 3,
            Self::Verify { .. } => 4,
            Self::Unauthorized { .. } => 6,
            Self::Farm { known, .. } => farm_exit_code(*known),
            Self::Git(error) => error.exit_code(),
            Self::Machine { .. } | Self::Unhealthy { .. } => 7,
            Self::Cancelled => 130,
            Self::Registry(error) if error.is_refused() => 6,
            Self::Publish { source, .. } => publish_exit_code(source),
            Self::Registry(_) | Self::Work { .. } => 1,
            Self::Build(error) => build_exit_code(error),
        }
    }
}

fn publish_exit_code(error: &PublishError) -> u8 {
    match error.push() {
        Some(PushError::Cancelled(_)) => 130,
        Some(push) if push.is_refused() || is_refused(push) => 6,
        _ if error.can_go_on() => 5,
        _ => 1,
    }
}

fn farm_exit_code(known: Option<KnownFailure>) -> u8 {
    match known {
        Some(KnownFailure::Unauthorized) => 6,
        Some(known) if known.is_environment() => 7,
        _ => 1,
    }
}

fn build_exit_code(error: &BuildError) -> u8 {
    if let Some(error) = buildx_error(error) {
        // What has arrived at the registry by way of the builder is not sent again by the command that is shown.
        let environment = error.known.is_some_and(KnownFailure::is_environment);
        let goes_on = error.pushes && error.is_exhausted() && !environment;
        return if goes_on { 5 } else { farm_exit_code(error.known) };
    }
    match error {
        BuildError::Request { .. } => 2,
        BuildError::Environment { .. } => 7,
        BuildError::Cancelled(_) | BuildError::Blob(BlobError::Cancelled(_)) => 130,
        BuildError::Step(step) => match &step.cause {
            StepFailure::Internal { source, .. } if is_cancelled(source.as_ref()) => 130,
            StepFailure::Internal { source, .. } if is_refused(source.as_ref()) => 6,
            _ => 1,
        },
        BuildError::Other { source, .. } if is_cancelled(source.as_ref()) => 130,
        BuildError::Other { source, .. } if is_refused(source.as_ref()) => 6,
        BuildError::Dockerfile { findings, .. }
            if findings.iter().any(|finding| finding.rule == IMAGE_ACCESS_DENIED) =>
        {
            6
        }
        BuildError::Dockerfile { .. } | BuildError::Blob(_) | BuildError::Other { .. } => 1,
    }
}

#[cfg(test)]
mod tests {
    use lrops_buildx::{BuilderPlace, BuildxError};
    use lrops_model::cancel::Cancelled;
    use lrops_model::engine::StepError;
    use lrops_model::graph::StepLabel;

    use super::*;

    fn step(cause: StepFailure) -> Failure {
        let label = StepLabel::default();
        Failure::Build(BuildError::Step(Box::new(StepError {
            label,
            dockerfile: None,
            cause,
            output_tail: vec![],
            log: None,
        })))
    }

    #[test]
    fn every_kind_of_failure_has_its_exit_code() {
        let codes = [
            (
                step(StepFailure::Exit {
                    command: "false".into(),
                    code: 77,
                }),
                1,
            ),
            (
                step(StepFailure::Internal {
                    message: "reading".into(),
                    source: Box::new(Cancelled),
                }),
                130,
            ),
            (
                Failure::Build(BuildError::Dockerfile {
                    name: String::new(),
                    text: String::new(),
                    findings: vec![],
                }),
                1,
            ),
            (
                Failure::Build(BuildError::Request {
                    message: String::new(),
                }),
                2,
            ),
            (Failure::usage("x"), 2),
            (Failure::not_yet("x", "y"), 2),
            (
                Failure::Check {
                    errors: String::new(),
                },
                3,
            ),
            (
                Failure::Verify {
                    problems: String::new(),
                },
                4,
            ),
            (Failure::unauthorized("x", "y", None), 6),
            (Failure::machine("x", "y"), 7),
            (
                Failure::Unhealthy {
                    broken: String::new(),
                },
                7,
            ),
            (
                Failure::Build(BuildError::Environment {
                    message: String::new(),
                    source: "x".into(),
                }),
                7,
            ),
            (Failure::Build(Cancelled.into()), 130),
            (Failure::Cancelled, 130),
        ];
        for (failure, code) in codes {
            assert_eq!(failure.exit_code(), code, "{failure:?}");
        }
    }

    /// Returns a build that buildx failed to carry out.
    fn farm(known: Option<KnownFailure>, pushes: bool) -> Failure {
        Failure::Build(BuildError::Other {
            message: String::new(),
            source: Box::new(BuildxError {
                words: String::new(),
                output: String::new(),
                command: String::new(),
                known,
                place: BuilderPlace::default(),
                attempts: 4,
                pushes,
                does_all: pushes,
                source: None,
            }),
        })
    }

    #[test]
    fn only_a_push_that_may_pass_later_goes_on() {
        for (known, pushes, code) in [
            (Some(KnownFailure::RegistryBusy), true, 5),
            (Some(KnownFailure::Network), true, 5),
            (Some(KnownFailure::Network), false, 1),
            (Some(KnownFailure::Unauthorized), true, 6),
            (Some(KnownFailure::BuilderImageMissing), true, 7),
            (Some(KnownFailure::DiskFull), false, 7),
            (Some(KnownFailure::MissingManifestDigest), true, 1),
            (None, true, 1),
        ] {
            assert_eq!(farm(known, pushes).exit_code(), code, "{known:?}, {pushes}");
        }
    }
}
