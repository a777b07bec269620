//! The docker program: which daemon it talks to, and questions to it.

use std::sync::Arc;
use std::time::Duration;

use lrops_model::cancel::CancelToken;

use crate::command_line::{CommandLine, without_passwords};
use crate::known::KnownFailure;
use crate::process::{Captured, ProcessError, Run, pause};

/// How long a question to a daemon may take. A context over ssh to another continent takes seconds.
const QUESTION_TIME_LIMIT: Duration = Duration::from_mins(1);

/// Where a build is done: a docker context, and a builder of buildx there. What is absent is docker's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuilderPlace {
    /// The docker context.
    pub context: Option<String>,
    /// The builder.
    pub builder: Option<String>,
}

/// The docker program, talking to the daemon of one context.
#[derive(Clone)]
pub struct Docker {
    place: BuilderPlace,
    cancel: CancelToken,
    patience: Duration,
    waits: Vec<Duration>,
    on_notice: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Docker {
    /// Returns the docker program of this machine. Its own settings (`DOCKER_CONFIG`, `DOCKER_HOST`, `PATH`) are those
    /// that lrops was started with.
    pub fn new(place: BuilderPlace, cancel: CancelToken) -> Self {
        Self {
            place,
            cancel,
            patience: QUESTION_TIME_LIMIT,
            waits: Vec::new(),
            on_notice: Arc::new(|_| ()),
        }
    }

    /// Returns the same, which says what it is that takes its time.
    pub fn talkative(self, on_notice: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            on_notice: Arc::new(on_notice),
            ..self
        }
    }

    /// Returns the same, which asks again after these waits what failed for the moment only.
    pub fn persistent(self, waits: Vec<Duration>) -> Self {
        Self { waits, ..self }
    }

    /// Returns the same, which waits no longer than this for an answer.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Returns the same program, asked about another builder.
    pub fn at(&self, builder: &str) -> Self {
        let mut other = self.clone();
        other.place.builder = Some(builder.to_owned());
        other
    }

    /// Returns the same program, talking to the daemon of another context.
    pub fn in_context(&self, context: &str) -> Self {
        let mut other = self.clone();
        other.place = BuilderPlace {
            context: Some(context.to_owned()),
            builder: None,
        };
        other
    }

    /// Returns the same program, talking to docker's own default.
    pub fn without_context(&self) -> Self {
        let mut other = self.clone();
        other.place.context = None;
        other
    }

    /// Returns where it builds.
    pub fn place(&self) -> &BuilderPlace {
        &self.place
    }

    /// Begins a command: `docker`, with the context when there is one.
    pub fn command(&self) -> CommandLine {
        CommandLine::new("docker").flag("--context", self.place.context.as_deref())
    }

    /// Makes sure that the context is defined. Docker's own words for one that is not are about a builder.
    ///
    /// # Errors
    /// When it is not; when docker is missing.
    pub fn check_context(&self) -> Result<(), DockerError> {
        let Some(context) = &self.place.context else {
            return Ok(());
        };
        let command = CommandLine::new("docker")
            .words(["context", "inspect"])
            .word(context);
        self.ask(&command).map(drop)
    }

    /// Runs a command that answers soon, and returns its standard output.
    ///
    /// # Errors
    /// When it cannot be run, fails, or takes longer than a minute, or than the patience that was set.
    pub fn ask(&self, command: &CommandLine) -> Result<String, DockerError> {
        self.run(command, self.patience)
    }

    /// Runs a command that may take some time, and returns its standard output.
    ///
    /// # Errors
    /// As [`Self::ask`], with the given limit.
    pub fn run(&self, command: &CommandLine, limit: Duration) -> Result<String, DockerError> {
        self.feed(command, &[], limit)
    }

    /// As [`Self::run`], for a command that reads something from standard input.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(crate) fn feed(
        &self,
        command: &CommandLine,
        input: &[u8],
        limit: Duration,
    ) -> Result<String, DockerError> {
        let mut retries = 0;
        loop {
            let error = match self.feed_once(command, input, limit) {
                Err(error) if error.known().is_some_and(KnownFailure::can_retry) => error,
                other => return other,
            };
            let Some(wait) = self.waits.get(retries) else {
                return Err(error);
            };
            retries += 1;
            let of = self.waits.len();
            self.notice(&format!(
                "retry {retries} of {of} in {} s: {error}",
                wait.as_secs_f64()
            ));
            pause(&self.cancel, *wait).map_err(|cancelled| DockerError::run(command, cancelled.into()))?;
        }
    }

    /// Says what it is that takes its time.
    pub(crate) fn notice(&self, text: &str) {
        (self.on_notice)(text);
    }

    fn feed_once(&self, command: &CommandLine, input: &[u8], limit: Duration) -> Result<String, DockerError> {
        let asking = Run::asking(&self.cancel, limit);
        let said = Run { input, ..asking }.capture(command);
        let said = said.map_err(|source| DockerError::run(command, source))?;
        if said.status.success() {
            Ok(said.stdout)
        } else {
            Err(DockerError::failed(command, &said))
        }
    }
}

/// A docker command that did not do what it was run for.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// It could not be run to its end.
    #[error("failed to run `{command}`")]
    Run {
        /// The command.
        command: String,
        /// The cause.
        source: ProcessError,
    },
    /// It failed.
    #[error("`{command}` failed ({status}): {words}")]
    Failed {
        /// The command.
        command: String,
        /// How it ended, for people.
        status: String,
        /// What it said, in one line.
        words: String,
        /// All that it said.
        output: String,
    },
    /// Its answer is not what this version of lrops reads.
    #[error("`{command}` answered something that lrops cannot read: {problem}")]
    Answer {
        /// The command.
        command: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl DockerError {
    pub(crate) fn run(command: &CommandLine, source: ProcessError) -> Self {
        Self::Run {
            command: command.to_string(),
            source,
        }
    }

    pub(crate) fn failed(command: &CommandLine, said: &Captured) -> Self {
        let output = if said.stderr.trim().is_empty() {
            &said.stdout
        } else {
            &said.stderr
        };
        Self::Failed {
            command: command.to_string(),
            status: said.status.to_string(),
            words: without_passwords(&last_words(output)),
            output: without_passwords(output),
        }
    }

    /// Returns the command, for a shell.
    pub fn command(&self) -> &str {
        match self {
            Self::Run { command, .. } | Self::Failed { command, .. } | Self::Answer { command, .. } => {
                command
            }
        }
    }

    /// Returns which of the known failures it is.
    pub fn known(&self) -> Option<KnownFailure> {
        match self {
            Self::Run { source, .. } if source.is_missing() => Some(KnownFailure::DockerMissing),
            Self::Run {
                source: ProcessError::TimeOut(_),
                ..
            } => Some(KnownFailure::TimeOut),
            Self::Failed { output, .. } => KnownFailure::recognise(output),
            Self::Run { .. } | Self::Answer { .. } => None,
        }
    }
}

/// Returns what is said of the failure itself: from the last line that begins with `ERROR:` on, else all. Before it, an
/// excerpt of the Dockerfile may hold any words.
pub(crate) fn error_part(output: &str) -> &str {
    let starts = output.match_indices("ERROR:").map(|(index, _)| index);
    let begins_line = |index: &usize| *index == 0 || output.as_bytes()[index - 1] == b'\n';
    starts
        .filter(begins_line)
        .last()
        .map_or(output, |index| &output[index..])
}

/// Returns the line that says most: the last one that begins with `ERROR:` or `error`, else the last.
pub(crate) fn last_words(output: &str) -> String {
    let lines = || output.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_error = |line: &&str| {
        line.get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case("error"))
    };
    // The end of `buildx rm`, whose line before says which and why.
    let says_why = |line: &&str| !line.ends_with("failed to remove one or more builders");
    let line = lines()
        .rfind(|line| is_error(line) && says_why(line))
        .or_else(|| lines().rfind(says_why));
    let line = line.unwrap_or("it said nothing");
    line.strip_prefix("ERROR: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_not_what_failed() {
        let output = " 2 | # retry on \"connection refused\"\n 3 | >>> COPY nofile /\nERROR: failed to solve: \"/nofile\": not found\n";
        assert_eq!(
            error_part(output),
            "ERROR: failed to solve: \"/nofile\": not found\n"
        );
        assert_eq!(error_part("unknown flag: --x\n"), "unknown flag: --x\n");
    }

    #[test]
    fn the_line_that_says_most_is_found() {
        let table = [
            (
                "#1 booting\nERROR: no builder \"x\" found\n",
                "no builder \"x\" found",
            ),
            (
                "failed to remove m1: Cannot connect to the Docker daemon\nERROR: failed to remove one or more builders\n",
                "failed to remove m1: Cannot connect to the Docker daemon",
            ),
            ("\n\n", "it said nothing"),
        ];
        for (output, words) in table {
            assert_eq!(last_words(output), words);
        }
    }
}
