//! Setting up a builder: from what is wished and what is there to the commands that are missing.
//!
//! The plan is a pure function, so that `--dry-run` shows what would be done and a second run does nothing.

use std::time::Duration;

use lrops_model::platform::Platform;

use crate::builders::BuilderFacts;
use crate::command_line::CommandLine;
use crate::daemon::context_endpoint;
use crate::docker::{BuilderPlace, Docker, DockerError};
use crate::known::KnownFailure;

/// How long a builder may take to start: its image comes over the network first.
const BOOTSTRAP_TIME_LIMIT: Duration = Duration::from_mins(10);

/// A builder that is wished for.
#[derive(Clone, Debug)]
pub struct BuilderSetup {
    /// The docker context, and the builder's name.
    pub place: BuilderPlace,
    /// The docker endpoint of the context, such as `ssh://gitlab`; for the driver `remote`, where `BuildKit` listens.
    pub host: Option<String>,
    /// The driver: `docker-container`, `kubernetes` or `remote`.
    pub driver: String,
    /// Options of the driver, `NAME=VALUE`.
    pub driver_options: Vec<String>,
    /// Contexts or endpoints of further nodes.
    pub nodes: Vec<String>,
    /// The file with `BuildKit`'s own configuration.
    pub buildkitd_config: Option<String>,
    /// Platforms whose programs run during the build, and which are not the builder's own.
    pub emulated: Vec<Platform>,
    /// Whether it is started.
    pub start: Start,
}

/// Whether a builder is started when it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Now, so that its platforms are known.
    Now,
    /// By the first build.
    Later,
}

/// What is there.
#[derive(Clone, Debug, Default)]
pub struct SetupFacts {
    /// The endpoint of the context, when it is defined.
    pub endpoint: Option<String>,
    /// The builder of the name, when there is one.
    pub builder: Option<BuilderFacts>,
}

/// Something that is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupStep {
    /// Why, as people are told.
    pub reason: String,
    /// The command.
    pub command: CommandLine,
    /// How long it may take.
    pub limit: Duration,
}

impl SetupFacts {
    /// Looks at what is there. Nothing is changed.
    ///
    /// # Errors
    /// When docker or buildx is missing, or does not answer.
    pub fn look(docker: &Docker) -> Result<Self, DockerError> {
        let unless = |failure: KnownFailure| move |error: &DockerError| error.known() == Some(failure);
        let endpoint = match docker.place().context {
            None => None,
            Some(_) => absent(context_endpoint(docker), unless(KnownFailure::ContextMissing))?,
        };
        let is_undefined = docker.place().context.is_some() && endpoint.is_none();
        let here = if is_undefined {
            docker.without_context()
        } else {
            docker.clone()
        };
        let builder = match docker.place().builder {
            None => None,
            Some(_) => absent(BuilderFacts::look(&here), unless(KnownFailure::BuilderMissing))?,
        };
        Ok(Self { endpoint, builder })
    }
}

fn absent<T>(
    found: Result<T, DockerError>,
    is_absence: impl Fn(&DockerError) -> bool,
) -> Result<Option<T>, DockerError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

impl BuilderSetup {
    /// Returns what is to be done, in its order; nothing when all is as wished.
    pub fn plan(&self, facts: &SetupFacts) -> Vec<SetupStep> {
        let mut steps = self.context_steps(facts);
        let conflict = facts.builder.as_ref().and_then(|builder| self.conflict(builder));
        let kept = facts.builder.as_ref().filter(|_| conflict.is_none());
        if let Some(conflict) = conflict {
            let command = self.buildx("rm").words(self.name());
            steps.push(step(
                format!("remove the builder that is there: {conflict}"),
                command,
            ));
        }
        if kept.is_none() {
            let reason = format!("create the builder with the driver {}", self.driver);
            let command = self.create().words(self.endpoint());
            steps.push(step(reason, command));
        }
        for node in &self.nodes {
            let has = |builder: &BuilderFacts| builder.nodes.iter().any(|own| own.endpoint == *node);
            if !kept.is_some_and(has) {
                let command = self.create().word("--append").word(node);
                steps.push(step(format!("add the node {node}"), command));
            }
        }
        steps.extend(self.emulation_steps(kept));
        let runs = |builder: &BuilderFacts| builder.nodes.iter().all(|node| node.status == "running");
        if self.start == Start::Now && !(kept.is_some_and(runs) && steps.is_empty()) {
            steps.push(SetupStep {
                limit: BOOTSTRAP_TIME_LIMIT,
                ..step(
                    "start the builder, and see its platforms".to_owned(),
                    self.buildx("inspect").word("--bootstrap").words(self.name()),
                )
            });
        }
        steps
    }

    /// Makes sure that the context is defined as wished, and answers.
    fn context_steps(&self, facts: &SetupFacts) -> Vec<SetupStep> {
        let Some(context) = &self.place.context else {
            return Vec::new();
        };
        let docker = |verb: &str| {
            let command = CommandLine::new("docker").words(["context", verb]).word(context);
            let host = self.host.clone().unwrap_or_else(|| format!("ssh://{context}"));
            command.flag("--docker", Some(format!("host={host}")))
        };
        let changed = match (&facts.endpoint, &self.host) {
            (None, _) => step(format!("define the docker context {context}"), docker("create")),
            (Some(is), Some(wished)) if is != wished && self.driver != "remote" => step(
                format!("the docker context {context} points to {is}, and not to {wished}"),
                docker("update"),
            ),
            _ => return Vec::new(),
        };
        let asked = CommandLine::new("docker")
            .flag("--context", Some(context))
            .word("version");
        let answers = step("see that a daemon answers there".to_owned(), asked);
        vec![changed, answers]
    }

    /// Returns why a builder of the name is not the one that is wished.
    fn conflict(&self, builder: &BuilderFacts) -> Option<String> {
        if builder.driver != self.driver {
            return Some(format!(
                "it has the driver {}, and not {}",
                builder.driver, self.driver
            ));
        }
        let endpoint = self.endpoint();
        let elsewhere = endpoint.filter(|wished| builder.nodes.iter().all(|node| node.endpoint != *wished));
        if let Some(wished) = elsewhere {
            let is: Vec<&str> = builder.nodes.iter().map(|node| node.endpoint.as_str()).collect();
            return Some(format!("it is on {}, and not on {wished}", is.join(", ")));
        }
        let lacks = |option: &&String| {
            builder
                .nodes
                .iter()
                .any(|node| !node.driver_options.contains(option))
        };
        let option = self.driver_options.iter().find(lacks)?;
        Some(format!("it lacks the driver option {option}"))
    }

    /// Emulators on the builder's host, only where lines of the Dockerfile need them.
    fn emulation_steps(&self, kept: Option<&BuilderFacts>) -> Vec<SetupStep> {
        let lists = |platform: &Platform| {
            kept.is_some_and(|builder| builder.platforms().any(|own| own.runs_natively(platform)))
        };
        let missing: Vec<String> = self
            .emulated
            .iter()
            .filter(|platform| !lists(platform))
            .map(Platform::to_string)
            .collect();
        if missing.is_empty() {
            return Vec::new();
        }
        let binfmt = self.docker().words(["run", "--privileged", "--rm"]);
        let install = SetupStep {
            limit: BOOTSTRAP_TIME_LIMIT,
            ..step(
                format!(
                    "the Dockerfile runs programs of {}, which are emulated",
                    missing.join(", ")
                ),
                binfmt.words(["tonistiigi/binfmt", "--install", "all"]),
            )
        };
        let stop = kept.map(|_| {
            let command = self.buildx("stop").words(self.name());
            step("a running builder sees them after a restart".to_owned(), command)
        });
        std::iter::once(install).chain(stop).collect()
    }

    fn docker(&self) -> CommandLine {
        CommandLine::new("docker").flag("--context", self.place.context.as_deref())
    }

    fn buildx(&self, verb: &str) -> CommandLine {
        self.docker().words(["buildx", verb])
    }

    fn name(&self) -> Option<&str> {
        self.place.builder.as_deref()
    }

    fn create(&self) -> CommandLine {
        let mut command = self
            .buildx("create")
            .flag("--name", self.name())
            .flag("--driver", Some(&self.driver));
        for option in &self.driver_options {
            command = command.flag("--driver-opt", Some(option));
        }
        // `--config` is the name that all versions know; newer ones call it `--buildkitd-config`, too.
        command.flag("--config", self.buildkitd_config.as_deref())
    }

    /// Returns where the builder is made: its context, or, for a `BuildKit` that runs already, its address.
    fn endpoint(&self) -> Option<&str> {
        match self.driver.as_str() {
            "remote" => self.host.as_deref(),
            "kubernetes" => None,
            _ => self.place.context.as_deref(),
        }
    }
}

fn step(reason: String, command: CommandLine) -> SetupStep {
    SetupStep {
        reason,
        command,
        limit: Duration::from_mins(1),
    }
}

#[cfg(test)]
mod tests;
