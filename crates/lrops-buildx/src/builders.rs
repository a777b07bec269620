//! Builders, as buildx describes them.

use lrops_model::platform::Platform;
use serde::{Deserialize, Serialize};

use crate::command_line::CommandLine;
use crate::docker::{Docker, DockerError};
use crate::version::BuildxVersion;

/// What is known of a builder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BuilderFacts {
    /// Its name.
    pub name: String,
    /// Its driver: `docker`, `docker-container`, `kubernetes`, `remote`, `cloud`.
    pub driver: String,
    /// Its nodes.
    pub nodes: Vec<NodeFacts>,
    /// Why it could not be looked at.
    pub error: Option<String>,
}

/// What is known of a node of a builder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// Where it is: a docker context, or an address.
    pub endpoint: String,
    /// `running`, `inactive`, `stopped`, or what else buildx says.
    pub status: String,
    /// Its version of BuildKit, when it runs.
    pub buildkit: Option<String>,
    /// The platforms that it can run programs of; the node's own comes first, unless others were chosen for it.
    pub platforms: Vec<Platform>,
    /// Options of the driver, `NAME=VALUE`.
    pub driver_options: Vec<String>,
    /// Why it could not be looked at.
    pub error: Option<String>,
}

impl BuilderFacts {
    /// Asks buildx for the builder of the place: the one that is named, or the context's own. One whose daemon does not
    /// answer is described as far as this machine knows it.
    ///
    /// # Errors
    /// When docker or buildx is missing, or the builder is not there.
    pub fn look(docker: &Docker) -> Result<Self, DockerError> {
        let command = inspect(docker);
        let answer = docker.ask(&command)?;
        Self::parse(&answer).ok_or_else(|| DockerError::Answer {
            command: command.to_string(),
            problem: "it names no builder".to_owned(),
        })
    }

    /// As [`Self::look`], for a builder that has to answer.
    ///
    /// # Errors
    /// Also when its daemon does not answer.
    pub fn ask(docker: &Docker) -> Result<Self, DockerError> {
        let builder = Self::look(docker)?;
        // buildx ends well even where it reached no daemon.
        let failed = builder
            .error
            .iter()
            .chain(builder.nodes.iter().flat_map(|node| &node.error))
            .next();
        match failed {
            Some(error) if builder.build_platform().is_none() => Err(DockerError::Failed {
                command: inspect(docker).to_string(),
                status: "it answered".to_owned(),
                words: error.clone(),
                output: error.clone(),
            }),
            _ => Ok(builder),
        }
    }

    /// Returns all builders, those of docker's contexts included.
    ///
    /// # Errors
    /// When docker or buildx is missing.
    pub fn list(docker: &Docker, version: BuildxVersion) -> Result<Vec<Self>, DockerError> {
        let command = docker.command().words(["buildx", "ls"]);
        if version >= BuildxVersion::RAW_JSON {
            let command = command.words(["--format", "json"]);
            return listed(&docker.ask(&command)?).map_err(|error| DockerError::Answer {
                command: command.to_string(),
                problem: error.to_string(),
            });
        }
        let answer = docker.ask(&command)?;
        let names = answer.lines().skip(1).filter(|line| !line.starts_with(' '));
        let names = names.filter_map(|line| line.split_whitespace().next());
        names
            .map(|name| Self::look(&docker.at(name.trim_end_matches('*'))))
            .collect()
    }

    /// Returns every platform that a node of it can run programs of.
    pub fn platforms(&self) -> impl Iterator<Item = &Platform> {
        self.nodes.iter().flat_map(|node| &node.platforms)
    }

    /// Returns the platform that its tools run on.
    pub fn build_platform(&self) -> Option<&Platform> {
        self.platforms().next()
    }

    /// Returns whether it is the daemon's own, whose image store decides what it can do.
    pub fn is_daemons_own(&self) -> bool {
        self.driver == "docker"
    }

    /// Reads the answer of `docker buildx inspect`: `Key: value` lines, first of the builder, then of each node, each of
    /// which begins with its name.
    pub(crate) fn parse(answer: &str) -> Option<Self> {
        let mut builder = Self::default();
        let mut in_nodes = false;
        for line in answer.lines() {
            if line.trim() == "Nodes:" {
                in_nodes = true;
                continue;
            }
            // Labels and other lists are indented; nothing here needs them.
            let pair = line.split_once(':').filter(|_| !line.starts_with(' '));
            let Some((key, value)) = pair.map(|(key, value)| (key.trim(), value.trim())) else {
                continue;
            };
            match (in_nodes, key) {
                (false, "Name") => value.clone_into(&mut builder.name),
                (false, "Driver") => value.clone_into(&mut builder.driver),
                (false, "Error") => builder.error = Some(value.to_owned()),
                (true, "Name") => builder.nodes.push(NodeFacts {
                    name: value.to_owned(),
                    ..NodeFacts::default()
                }),
                (true, key) => {
                    if let Some(node) = builder.nodes.last_mut() {
                        node.take(key, value);
                    }
                }
                _ => {}
            }
        }
        (!builder.name.is_empty()).then_some(builder)
    }
}

impl NodeFacts {
    fn take(&mut self, key: &str, value: &str) {
        match key {
            "Endpoint" => value.clone_into(&mut self.endpoint),
            "Status" => value.clone_into(&mut self.status),
            "Buildkit" | "BuildKit" | "BuildKit version" => self.buildkit = Some(value.to_owned()),
            "Error" => self.error = Some(value.to_owned()),
            "Driver Options" => self.driver_options = driver_options(value),
            "Platforms" => self.platforms = platforms(value),
            _ => {}
        }
    }
}

fn inspect(docker: &Docker) -> CommandLine {
    let command = docker.command().words(["buildx", "inspect"]);
    command.words(docker.place().builder.as_deref())
}

/// Reads `docker buildx ls --format json`: a line for each builder, or for each of its nodes.
fn listed(answer: &str) -> Result<Vec<BuilderFacts>, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    #[derive(Default)]
    struct Builder {
        name: String,
        driver: String,
        err: Option<serde_json::Value>,
        nodes: Vec<Node>,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "PascalCase", default)]
    struct Node {
        name: String,
        endpoint: String,
        status: String,
        version: Option<String>,
        platforms: Vec<String>,
        driver_opts: std::collections::BTreeMap<String, String>,
        err: Option<serde_json::Value>,
    }
    let words = |error: Option<serde_json::Value>| {
        error.map(|error| error.as_str().map_or_else(|| error.to_string(), str::to_owned))
    };
    let mut builders: Vec<BuilderFacts> = Vec::new();
    for line in answer.lines().filter(|line| line.starts_with('{')) {
        let builder: Builder = serde_json::from_str(line)?;
        let nodes = builder.nodes.into_iter().map(|node| NodeFacts {
            name: node.name,
            endpoint: node.endpoint,
            status: node.status,
            buildkit: node.version,
            platforms: platforms(&node.platforms.join(",")),
            driver_options: node
                .driver_opts
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            error: words(node.err),
        });
        let facts = BuilderFacts {
            name: builder.name,
            driver: builder.driver,
            nodes: nodes.collect(),
            error: words(builder.err),
        };
        if !builders.iter().any(|known| known.name == facts.name) {
            builders.push(facts);
        }
    }
    Ok(builders)
}

/// Reads `linux/amd64*, linux/arm64, linux/amd64/v2`: a star marks what was chosen when the node was made.
fn platforms(text: &str) -> Vec<Platform> {
    let words = text.split(',').map(|word| word.trim().trim_end_matches('*'));
    words.filter_map(|word| word.parse().ok()).collect()
}

/// Reads `image="registry.example/buildkit:x" network="host"`.
fn driver_options(text: &str) -> Vec<String> {
    let mut options = Vec::new();
    let mut rest = text.trim();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        options.push(format!("{name}={value}"));
        rest = after.trim_start();
    }
    options
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(answer: &str, expected: Expect) {
        let builder = BuilderFacts::parse(answer).unwrap();
        let nodes = builder.nodes.iter().map(|node| {
            let platforms: Vec<String> = node.platforms.iter().map(ToString::to_string).collect();
            format!(
                "{} at {} {} {:?} {:?} {:?} {}\n",
                node.name,
                node.endpoint,
                node.status,
                node.buildkit,
                node.driver_options,
                node.error,
                platforms.join(",")
            )
        });
        let nodes: String = nodes.collect();
        expected.assert_eq(&format!("{} {}\n{nodes}", builder.name, builder.driver));
    }

    #[test]
    fn the_daemons_own_builder_is_read() {
        check(
            "Name:   default\nDriver: docker\n\nNodes:\nName:             default\nEndpoint:         default\n\
             Status:           running\nBuildKit version: v0.0.0+unknown\n\
             Platforms:        linux/amd64, linux/amd64/v2\nLabels:\n org.mobyproject.buildkit.worker.network: host\n",
            expect![[r#"
                default docker
                default at default running Some("v0.0.0+unknown") [] None linux/amd64,linux/amd64/v2
            "#]],
        );
    }

    #[test]
    fn a_builder_that_was_not_started_is_read() {
        check(
            "Name:          mb\nDriver:        docker-container\nLast Activity: 2026-11-25 07:34:05 +0000 UTC\n\nNodes:\n\
             Name:                  mb0\nEndpoint:              unix:///run/docker.sock\n\
             Driver Options:        image=\"127.0.0.1:1/buildkit:x\" network=\"host\"\n\
             Status:                inactive\n\
             BuildKit daemon flags: --allow-insecure-entitlement=network.host\n\
             Platforms:             linux/arm64*\n\n\
             Name:      mb1\nEndpoint:  gitlab\nError:     error during connect: Get \"http://docker.example.com/v1.45/x\"\n",
            expect![[r#"
                mb docker-container
                mb0 at unix:///run/docker.sock inactive None ["image=127.0.0.1:1/buildkit:x", "network=host"] None linux/arm64
                mb1 at gitlab  None [] Some("error during connect: Get \"http://docker.example.com/v1.45/x\"") 
            "#]],
        );
    }

    #[test]
    fn one_whose_daemon_does_not_answer_is_read() {
        let answer = "Name:          default\nDriver:        \nError:         Cannot connect to the Docker daemon at unix:///nowhere.\n";
        let builder = BuilderFacts::parse(answer).unwrap();
        assert_eq!(
            builder.error.as_deref(),
            Some("Cannot connect to the Docker daemon at unix:///nowhere.")
        );
    }

    #[test]
    fn something_else_is_no_builder() {
        assert_eq!(BuilderFacts::parse("hello: world"), None);
    }
}
