//! Builders, as buildx describes them.

use std::time::Duration;

use lrops_model::platform::Platform;
use serde::{Deserialize, Serialize};

use crate::command_line::CommandLine;
use crate::docker::{Docker, DockerError};
use crate::known::KnownFailure;
use crate::setup::Start;
use crate::version::BuildxVersion;

/// How long a builder may take to start: its image comes over the network first.
pub(crate) const START_TIME_LIMIT: Duration = Duration::from_mins(10);

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
    /// The platforms that it can run programs of, natively or not; those that were chosen for it come first.
    pub platforms: Vec<Platform>,
    /// Those of them that were chosen when the node was made: `--platform`.
    pub chosen: Vec<Platform>,
    /// Options of the driver, `NAME=VALUE`.
    pub driver_options: Vec<String>,
    /// Why it could not be looked at.
    pub error: Option<String>,
}

/// How a builder was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// With all that it kept.
    Whole,
    /// buildx has forgotten it, but could not clean up after it.
    Forgotten {
        /// What buildx said.
        reason: String,
    },
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
            Some(error) if builder.platforms().next().is_none() => Err(DockerError::Failed {
                command: inspect(docker).to_string(),
                status: "although it ended well".to_owned(),
                words: error.clone(),
                output: error.clone(),
            }),
            _ => Ok(builder),
        }
    }

    /// As [`Self::ask`], for a builder that is to build. It has to run before it is known which node builds what, and what
    /// its machines would emulate: it is started, if that is wanted.
    ///
    /// # Errors
    /// As [`Self::ask`], and when it does not start.
    pub fn ready(docker: &Docker, start: Start) -> Result<Self, DockerError> {
        let builder = Self::ask(docker)?;
        if builder.nodes.iter().all(NodeFacts::runs) || start == Start::Later {
            return Ok(builder);
        }
        let command = docker.command().words(["buildx", "inspect", "--bootstrap"]);
        docker.run(
            &command.words(docker.place().builder.as_deref()),
            START_TIME_LIMIT,
        )?;
        Self::ask(docker)
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

    /// Removes the builder of the place with this command. buildx fails when a node's daemon does not answer, and has
    /// forgotten the builder nevertheless.
    ///
    /// # Errors
    /// When docker or buildx is missing; when the builder is still there.
    pub fn remove(docker: &Docker, command: &CommandLine) -> Result<Removal, DockerError> {
        let Err(error) = docker.ask(command) else {
            return Ok(Removal::Whole);
        };
        let DockerError::Failed { words, .. } = &error else {
            return Err(error);
        };
        match Self::look(docker) {
            Err(look) if look.known() == Some(KnownFailure::BuilderMissing) => Ok(Removal::Forgotten {
                reason: words.clone(),
            }),
            _ => Err(error),
        }
    }

    /// Returns every platform that a node of it can run programs of.
    pub fn platforms(&self) -> impl Iterator<Item = &Platform> {
        self.nodes.iter().flat_map(|node| &node.platforms)
    }

    /// Returns whether it is the daemon's own, whose image store decides what it can do.
    pub fn is_daemons_own(&self) -> bool {
        self.driver == "docker"
    }

    /// Returns whether it stands for a docker context, and so comes and goes with it. buildx makes no others with the
    /// driver `docker`, and names no driver where the context's daemon does not answer.
    pub fn is_contexts_own(&self) -> bool {
        self.is_daemons_own() || self.driver.is_empty()
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
            "Platforms" => (self.platforms, self.chosen) = platforms(value),
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
        // buildx lists a nameless node where a context's daemon does not answer.
        let nodes = builder.nodes.into_iter().filter(|node| !node.name.is_empty());
        let nodes = nodes.map(|node| {
            let (platforms, chosen) = platforms(&node.platforms.join(","));
            let options = node.driver_opts.into_iter();
            NodeFacts {
                name: node.name,
                endpoint: node.endpoint,
                status: node.status,
                buildkit: node.version,
                platforms,
                chosen,
                driver_options: options.map(|(name, value)| format!("{name}={value}")).collect(),
                error: words(node.err),
            }
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

/// Reads `linux/amd64*, linux/arm64, linux/amd64/v2`: all platforms, and those with a star, which were chosen when the
/// node was made. `linux/amd64 (+3)` says, in tables, how many variants are left out.
fn platforms(text: &str) -> (Vec<Platform>, Vec<Platform>) {
    let words = text.split(',').filter_map(|word| word.split_whitespace().next());
    let (mut all, mut chosen) = (Vec::new(), Vec::new());
    for word in words {
        let Ok(platform) = word.trim_end_matches('*').parse::<Platform>() else {
            continue;
        };
        if word.ends_with('*') {
            chosen.push(platform.clone());
        }
        all.push(platform);
    }
    (all, chosen)
}

/// Reads `image="registry.example/buildkit:x" network="host"`. buildx writes values as Go quotes them.
fn driver_options(text: &str) -> Vec<String> {
    let mut options = Vec::new();
    let mut rest = text.trim();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
            unquoted(quoted)
        } else {
            let (value, after) = after.split_once(' ').unwrap_or((after, ""));
            (value.to_owned(), after)
        };
        options.push(format!("{name}={value}"));
        rest = after.trim_start();
    }
    options
}

/// Reads to the closing quote, and returns what follows it, too.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, &text[index + 1..]),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, escaped)) => value.push(escaped),
                None => {}
            },
            other => value.push(other),
        }
    }
    (value, "")
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
    fn options_come_back_as_they_were_given() {
        let text = r#"env.A="x y" env.B="say \"hi\"" env.C="a\\b" network="host""#;
        expect![[r#"
            [
                "env.A=x y",
                "env.B=say \"hi\"",
                "env.C=a\\b",
                "network=host",
            ]
        "#]]
        .assert_debug_eq(&driver_options(text));
    }

    #[test]
    fn marks_of_platforms_are_left_out() {
        let (all, chosen) = platforms("linux/amd64* (+3), linux/arm64, linux/arm/v7*, (2 more)");
        let names =
            |platforms: &[Platform]| -> Vec<String> { platforms.iter().map(Platform::to_string).collect() };
        assert_eq!(names(&all), ["linux/amd64", "linux/arm64", "linux/arm/v7"]);
        assert_eq!(names(&chosen), ["linux/amd64", "linux/arm/v7"]);
    }

    #[test]
    fn older_and_newer_buildx_are_read() {
        // Written after the sources of buildx: 0.10 says Flags and Buildkit; 0.30 lists devices and files, too, whose
        // names are no nodes.
        check(
            "Name:   mb\nDriver: docker-container\n\nNodes:\nName:      mb0\nEndpoint:  gitlab\nStatus:    running\n\
             Flags:     --debug\nBuildkit:  v0.11.6\nPlatforms: linux/amd64, linux/386\n",
            expect![[r#"
                mb docker-container
                mb0 at gitlab running Some("v0.11.6") [] None linux/amd64,linux/386
            "#]],
        );
        check(
            "Name:          mb\nDriver:        docker-container\n\nNodes:\nName:                  mb0\n\
             Endpoint:              gitlab\nStatus:                running\nBuildKit version:      v0.26.2\n\
             Platforms:             linux/arm64*, linux/amd64\nDevices:\n Name:     vendor.com/gpu\n\
             GC Policy rule#0:\n All:            false\nFile#buildkitd.toml:\n > [worker.oci]\n >   a = 4\n",
            expect![[r#"
                mb docker-container
                mb0 at gitlab running Some("v0.26.2") [] None linux/arm64,linux/amd64
            "#]],
        );
    }

    #[test]
    fn a_list_tells_of_contexts_whose_daemons_do_not_answer_and_names_builders_once() {
        let node = r#"{"Name":"n0","Endpoint":"other","DriverOpts":{"network":"host"},"Status":"inactive"}"#;
        let builder = format!(r#"{{"Name":"n","Driver":"docker-container","Nodes":[{node}]}}"#);
        let dead =
            r#"{"Name":"default","Driver":"","Nodes":[{"Name":"","Endpoint":""}],"Err":"Cannot connect"}"#;
        let builders = listed(&format!("{builder}\n{builder}\n{dead}\n")).unwrap();
        let names: Vec<&str> = builders.iter().map(|builder| builder.name.as_str()).collect();
        assert_eq!(names, ["n", "default"]);
        assert_eq!(builders[0].nodes[0].driver_options, ["network=host"]);
        assert_eq!(builders[1].nodes, []);
        assert_eq!(builders[1].error.as_deref(), Some("Cannot connect"));
        assert!(builders[1].is_contexts_own());
    }

    #[test]
    fn something_else_is_no_builder() {
        assert_eq!(BuilderFacts::parse("hello: world"), None);
    }
}
