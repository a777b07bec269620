//! Setting up a builder: from what is wished and what is there to the commands that are missing.
//!
//! The plan is a pure function, so that `--dry-run` shows what would be done and a second run does nothing.

use std::time::Duration;

use lrops_model::platform::Platform;

use crate::builders::{BuilderFacts, NodeFacts, Removal, START_TIME_LIMIT};
use crate::command_line::CommandLine;
use crate::daemon::context_endpoint;
use crate::docker::{BuilderPlace, Docker, DockerError};
use crate::known::KnownFailure;

/// The context that docker has by itself. buildx keeps builders there by its address, not by its name.
const DEFAULT_CONTEXT: &str = "default";

/// The ports that docker adds to an address without one.
const DOCKER_PORTS: [&str; 2] = [":2375", ":2376"];

/// How long any other step may take.
const STEP_TIME_LIMIT: Duration = Duration::from_mins(1);

/// A builder that is wished for.
#[derive(Clone, Debug)]
pub struct BuilderSetup {
    /// The docker context, and the builder's name.
    pub place: BuilderPlace,
    /// The docker endpoint of the context, such as `ssh://gitlab`, or of the builder, without a context; for the driver
    /// `remote`, where `BuildKit` listens.
    pub host: Option<String>,
    /// The driver: `docker-container`, `kubernetes` or `remote`.
    pub driver: String,
    /// Options of the driver, `NAME=VALUE`; several may stand in one, parted by commas, as buildx takes them.
    pub driver_options: Vec<String>,
    /// Further nodes.
    pub nodes: Vec<NodeWish>,
    /// The file with `BuildKit`'s own configuration.
    pub buildkitd_config: Option<String>,
    /// Platforms whose programs run during the build, and which are not the builder's own.
    pub emulated: Vec<Platform>,
    /// Whether it is started.
    pub start: Start,
}

/// A further node that is wished for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeWish {
    /// Its context, or its endpoint.
    pub endpoint: String,
    /// The platforms that are built there; those that it names itself, when there are none.
    pub platforms: Vec<Platform>,
}

/// The wished name is that of a docker context, whose own builder is neither made nor removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the builder {name} is the own one of a docker context, and comes and goes with it")]
pub struct ContextsOwnError {
    /// The name.
    pub name: String,
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
    /// The endpoint of docker's own context, `default`.
    pub default_endpoint: Option<String>,
    /// The builder of the name, when there is one.
    pub builder: Option<BuilderFacts>,
}

/// Something that is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupStep {
    /// What is done.
    pub act: SetupAct,
    /// Why, as people are told.
    pub reason: String,
    /// The command.
    pub command: CommandLine,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupAct {
    /// Defines the docker context.
    DefineContext,
    /// Makes the docker context point elsewhere.
    CorrectContext,
    /// Sees that a daemon answers.
    AskDaemon,
    /// Removes the builder of the name.
    RemoveBuilder,
    /// Creates the builder.
    CreateBuilder,
    /// Adds a node to the builder.
    AppendNode,
    /// Names other platforms for a node.
    ChangeNode,
    /// Installs emulators on the builder's host.
    InstallEmulation,
    /// Stops the builder, which keeps its cache.
    StopBuilder,
    /// Starts the builder.
    StartBuilder,
}

impl SetupStep {
    /// Runs the command. Returns what people should know although it is done.
    ///
    /// # Errors
    /// When it is not done.
    pub fn carry_out(&self, docker: &Docker) -> Result<Option<String>, DockerError> {
        let limit = match self.act {
            SetupAct::RemoveBuilder => {
                return Ok(match BuilderFacts::remove(docker, &self.command)? {
                    Removal::Whole => None,
                    Removal::Forgotten { reason } => Some(reason),
                });
            }
            SetupAct::InstallEmulation | SetupAct::StartBuilder => START_TIME_LIMIT,
            _ => STEP_TIME_LIMIT,
        };
        docker.run(&self.command, limit).map(|_| None)
    }
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
        let own = docker.in_context(DEFAULT_CONTEXT);
        let default_endpoint = absent(context_endpoint(&own), unless(KnownFailure::ContextMissing))?;
        Ok(Self {
            endpoint,
            default_endpoint,
            builder,
        })
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
    ///
    /// # Errors
    /// When the name is that of a docker context.
    pub fn plan(&self, facts: &SetupFacts) -> Result<Vec<SetupStep>, ContextsOwnError> {
        self.check_name(facts)?;
        let mut steps = self.context_steps(facts);
        let conflict = facts
            .builder
            .as_ref()
            .and_then(|builder| self.conflict(builder, facts));
        let kept = facts.builder.as_ref().filter(|_| conflict.is_none());
        if let Some(conflict) = conflict {
            steps.push(SetupStep {
                act: SetupAct::RemoveBuilder,
                reason: format!("remove the builder that is there: {conflict}"),
                command: self.buildx("rm").words(self.name()),
            });
        }
        if kept.is_none() {
            steps.push(SetupStep {
                act: SetupAct::CreateBuilder,
                reason: format!("create the builder with the driver {}", self.driver),
                command: self.create().words(self.endpoint()),
            });
        }
        let nodes = self.nodes.iter();
        steps.extend(nodes.filter_map(|node| self.node_step(node, kept, facts)));
        steps.extend(self.emulation_steps(kept));
        let runs = |builder: &BuilderFacts| builder.nodes.iter().all(|node| node.status == "running");
        if self.start == Start::Now && !(kept.is_some_and(runs) && steps.is_empty()) {
            steps.push(SetupStep {
                act: SetupAct::StartBuilder,
                reason: "start the builder, and see its platforms".to_owned(),
                command: self.buildx("inspect").word("--bootstrap").words(self.name()),
            });
        }
        Ok(steps)
    }

    fn check_name(&self, facts: &SetupFacts) -> Result<(), ContextsOwnError> {
        let Some(name) = self.name() else {
            return Ok(());
        };
        let is_there = facts.builder.as_ref().is_some_and(BuilderFacts::is_contexts_own);
        if is_there || name == DEFAULT_CONTEXT || self.place.context.as_deref() == Some(name) {
            return Err(ContextsOwnError {
                name: name.to_owned(),
            });
        }
        Ok(())
    }

    /// Adds a node, or names its platforms, where that is not so.
    fn node_step(
        &self,
        node: &NodeWish,
        kept: Option<&BuilderFacts>,
        facts: &SetupFacts,
    ) -> Option<SetupStep> {
        let endpoint = &node.endpoint;
        let names: Vec<String> = node.platforms.iter().map(Platform::to_string).collect();
        let names = (!names.is_empty()).then(|| names.join(","));
        let own = kept.and_then(|builder| {
            let mut nodes = builder.nodes.iter();
            nodes.find(|own| is_at(own, endpoint, facts))
        });
        match (own, names) {
            (None, names) => Some(SetupStep {
                act: SetupAct::AppendNode,
                reason: format!("add the node {endpoint}"),
                command: self
                    .create()
                    .flag("--platform", names)
                    .word("--append")
                    .word(endpoint),
            }),
            (Some(own), Some(names)) if !node.platforms.iter().all(|one| own.platforms.contains(one)) => {
                Some(SetupStep {
                    act: SetupAct::ChangeNode,
                    reason: format!("let the node {endpoint} build for {names}"),
                    command: self
                        .create()
                        .flag("--node", Some(&own.name))
                        .flag("--platform", Some(names))
                        // buildx asks for the address again, where it is not a daemon's.
                        .words((self.driver == "remote").then_some(endpoint)),
                })
            }
            _ => None,
        }
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
            (None, _) => SetupStep {
                act: SetupAct::DefineContext,
                reason: format!("define the docker context {context}"),
                command: docker("create"),
            },
            (Some(is), Some(wished)) if is != wished && self.driver != "remote" => SetupStep {
                act: SetupAct::CorrectContext,
                reason: format!("the docker context {context} points to {is}, and not to {wished}"),
                command: docker("update"),
            },
            _ => return Vec::new(),
        };
        let answers = SetupStep {
            act: SetupAct::AskDaemon,
            reason: "see that a daemon answers there".to_owned(),
            command: self.docker().word("version"),
        };
        vec![changed, answers]
    }

    /// Returns why a builder of the name is not the one that is wished.
    fn conflict(&self, builder: &BuilderFacts, facts: &SetupFacts) -> Option<String> {
        if builder.driver != self.driver {
            return Some(format!(
                "it has the driver {}, and not {}",
                builder.driver, self.driver
            ));
        }
        let endpoint = self.endpoint();
        let elsewhere =
            endpoint.filter(|wished| !builder.nodes.iter().any(|node| is_at(node, wished, facts)));
        if let Some(wished) = elsewhere {
            let is: Vec<&str> = builder.nodes.iter().map(|node| node.endpoint.as_str()).collect();
            return Some(format!("it is on {}, and not on {wished}", is.join(", ")));
        }
        let lacks = |option: &String| {
            let mut nodes = builder.nodes.iter();
            nodes.any(|node| !node.driver_options.contains(option))
        };
        let mut options = self.driver_options.iter().flat_map(|options| fields(options));
        let option = options.find(lacks)?;
        Some(format!("it lacks the driver option {option}"))
    }

    /// Emulators on the builder's host, only where lines of the Dockerfile need them.
    fn emulation_steps(&self, kept: Option<&BuilderFacts>) -> Vec<SetupStep> {
        let lists = |platform: &Platform| {
            kept.is_some_and(|builder| builder.platforms().any(|own| own.runs_natively(platform)))
        };
        // A node is made for a platform because its machine is of it.
        let has_node = |platform: &Platform| self.nodes.iter().any(|node| node.platforms.contains(platform));
        let missing: Vec<String> = self
            .emulated
            .iter()
            .filter(|platform| !lists(platform) && !has_node(platform))
            .map(Platform::to_string)
            .collect();
        if missing.is_empty() {
            return Vec::new();
        }
        let binfmt = self.docker().words(["run", "--privileged", "--rm"]);
        let install = SetupStep {
            act: SetupAct::InstallEmulation,
            reason: format!(
                "the Dockerfile runs programs of {}, which are emulated",
                missing.join(", ")
            ),
            command: binfmt.words(["tonistiigi/binfmt", "--install", "all"]),
        };
        let stop = kept.map(|_| SetupStep {
            act: SetupAct::StopBuilder,
            reason: "a running builder sees them after a restart".to_owned(),
            command: self.buildx("stop").words(self.name()),
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

    /// Returns where the builder is made: its context or the docker host, or, for a `BuildKit` that runs already, its
    /// address. Kubernetes has no place for one.
    fn endpoint(&self) -> Option<&str> {
        match self.driver.as_str() {
            "remote" => self.host.as_deref(),
            "kubernetes" => None,
            _ => self.place.context.as_deref().or(self.host.as_deref()),
        }
    }
}

/// Returns whether a node is where it is wished, although buildx may have noted that in other words.
fn is_at(node: &NodeFacts, wished: &str, facts: &SetupFacts) -> bool {
    let is = node.endpoint.as_str();
    let is_default = wished == DEFAULT_CONTEXT && facts.default_endpoint.as_deref() == Some(is);
    let port = is.strip_prefix(wished).filter(|_| wished.starts_with("tcp://"));
    is == wished || is_default || port.is_some_and(|port| DOCKER_PORTS.contains(&port))
}

/// Reads the fields of a line of comma-separated values, as buildx reads options.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars().peekable();
    let mut is_quoted = false;
    while let Some(character) = characters.next() {
        let field = fields.last_mut().expect("there is a field from the beginning on");
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => field.extend(characters.next()),
            '"' if is_quoted || field.is_empty() => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    fields
}

#[cfg(test)]
mod tests;
