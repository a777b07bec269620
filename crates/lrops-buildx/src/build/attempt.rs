//! One command, tried as often as that may help.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::event::{BuildEvent, OnEvent, StepName, StepNumber, StepOutcome};

use super::invocation::BuildCommand;
use super::metadata::Metadata;
use crate::docker::{Docker, error_part, last_words};
use crate::known::{BOOT_MARK, KnownFailure};
use crate::process::{ProcessError, Run, pause};
use crate::progress::{FailedStep, ProgressForm, Reader};

use super::BuildxError;

/// How much of the output an error keeps.
const OUTPUT_LINES_MAX: usize = 30;

/// What an attempt needs besides its command.
pub(super) struct Attempts<'a> {
    pub(super) docker: &'a Docker,
    pub(super) progress: ProgressForm,
    /// The waits before each retry.
    pub(super) waits: &'a [Duration],
    /// Where buildx writes what it built.
    pub(super) metadata: &'a Path,
    pub(super) attests: bool,
    pub(super) pushes: bool,
    /// Whether the command does all that was asked.
    pub(super) does_all: bool,
    /// Stops the build.
    pub(super) cancel: &'a CancelToken,
    pub(super) on_event: OnEvent<'a>,
    /// The number of the next step; builds beside each other share it.
    pub(super) numbers: &'a AtomicU32,
}

/// Why a build by buildx is given up.
pub(super) enum GivenUp {
    /// A step of the Dockerfile failed.
    Step(Box<FailedStep>),
    /// Something else.
    Buildx(Box<BuildxError>),
    /// It was stopped.
    Cancelled(Cancelled),
}

impl From<Cancelled> for GivenUp {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}

impl Attempts<'_> {
    /// Runs a command until it succeeds, or a retry cannot help any more.
    pub(super) fn run(mut self, command: &BuildCommand, input: &[u8]) -> Result<Metadata, GivenUp> {
        let mut attempts = 1;
        loop {
            let mut error = match self.once(command, input) {
                Err(GivenUp::Buildx(error)) => error,
                other => return other,
            };
            error.attempts = attempts;
            let wait = self.waits.get(attempts - 1).copied();
            match wait.filter(|_| error.known.is_some_and(KnownFailure::can_retry)) {
                Some(wait) => self.wait(&error, attempts, wait)?,
                None => return Err(GivenUp::Buildx(error)),
            }
            attempts += 1;
        }
    }

    fn once(&mut self, command: &BuildCommand, input: &[u8]) -> Result<Metadata, GivenUp> {
        let _ = std::fs::remove_file(self.metadata);
        let run = Run {
            input,
            limit: None,
            cancel: self.cancel,
        };
        let mut reader = Reader::new(self.progress, self.numbers, self.on_event);
        let said = run.follow(&command.running(&self.flags()), &mut |piece| reader.take(piece));
        let told = reader.finish();
        let error = |words: String| BuildxError {
            output: end_of(&told.text),
            known: KnownFailure::recognise(error_part(&told.text)),
            ..self.error(command, words)
        };
        let error = match said {
            Err(ProcessError::Cancelled(cancelled)) => return Err(GivenUp::Cancelled(cancelled)),
            Err(source) => {
                let words = source.to_string();
                BuildxError {
                    known: source.is_missing().then_some(KnownFailure::DockerMissing),
                    source: Some(source),
                    ..self.error(command, words)
                }
            }
            Ok(said) if said.status.success() => {
                let metadata = Metadata::read(self.metadata);
                let _ = std::fs::remove_file(self.metadata);
                match metadata {
                    Ok(metadata) => return Ok(metadata),
                    Err(problem) => error(format!(
                        "buildx ended well, but did not say what it built: {problem}"
                    )),
                }
            }
            Ok(_) => match told.failed {
                Some(failed) if is_users(&failed) => return Err(GivenUp::Step(Box::new(failed))),
                Some(failed) if failed.boots() => BuildxError {
                    known: KnownFailure::recognise(&format!("{BOOT_MARK}\n{}", told.text)),
                    ..error(last_words(&told.text))
                },
                _ => error(last_words(&told.text)),
            },
        };
        Err(GivenUp::Buildx(Box::new(error)))
    }

    fn error(&self, command: &BuildCommand, words: String) -> BuildxError {
        BuildxError {
            words,
            output: String::new(),
            command: command.typed().to_string(),
            known: None,
            place: self.docker.place().clone(),
            attempts: 1,
            pushes: self.pushes,
            does_all: self.does_all,
            source: None,
        }
    }

    /// What is added to the command that a person would type.
    fn flags(&self) -> Vec<String> {
        let mut flags = vec![
            format!("--progress={}", self.progress.flag()),
            format!("--metadata-file={}", self.metadata.display()),
        ];
        if !self.attests {
            flags.push("--provenance=false".to_owned());
        }
        flags
    }

    /// Waits before the next attempt, and shows why.
    fn wait(&mut self, error: &BuildxError, number: usize, wait: Duration) -> Result<(), GivenUp> {
        let step = StepNumber(self.numbers.fetch_add(1, Ordering::Relaxed));
        let text = format!(
            "retry {number} of {} in {} s: {}",
            self.waits.len(),
            wait.as_secs_f64(),
            error.words
        );
        (self.on_event)(BuildEvent::Started {
            step,
            name: StepName::Activity(text),
        });
        let begun = Instant::now();
        let outcome = pause(self.cancel, wait);
        (self.on_event)(BuildEvent::Finished {
            step,
            outcome: match outcome {
                Ok(()) => StepOutcome::Done,
                Err(_) => StepOutcome::Cancelled,
            },
            seconds: begun.elapsed().as_secs_f64(),
        });
        Ok(outcome?)
    }
}

/// Returns the last lines of an output.
fn end_of(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(OUTPUT_LINES_MAX)..].join("\n")
}

/// Returns whether the user's own command failed, and not the builder around it.
fn is_users(failed: &FailedStep) -> bool {
    KnownFailure::is_of_command(&failed.error)
}
