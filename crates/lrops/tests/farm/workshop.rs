//! A laboratory whose lrops finds docker.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use lrops_testkit::docker::{DockerClient, DockerDaemon};

use crate::laboratory::{Ended, Laboratory};

/// A laboratory, and the docker that its programs find.
pub(crate) struct Workshop<'a> {
    pub(crate) laboratory: Laboratory,
    pub(crate) client: &'a DockerClient,
}

/// The platforms that most builds here are for.
pub(crate) const TWO: &str = "--platform=linux/amd64,linux/arm64";

/// A Dockerfile for any platform without any program.
pub(crate) const SAMPLE: &str =
    "FROM scratch\nARG TARGETARCH\nCOPY --chmod=640 --chown=7:8 words /etc/words-$TARGETARCH\nENV A=b\n";

impl<'a> Workshop<'a> {
    pub(crate) fn new(client: &'a DockerClient) -> Self {
        let laboratory = Laboratory::new();
        laboratory.dockerfile(SAMPLE).file("words", "hello\n");
        Self { laboratory, client }
    }

    /// Returns a command of lrops that finds docker.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.laboratory.command(arguments);
        command.envs(self.client.environment());
        command
    }

    /// Runs lrops.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }

    /// Has buildx build the context for two platforms, with more arguments.
    pub(crate) fn build(&self, more: &[&str]) -> Ended {
        self.run(&[&["build", "--engine=buildx", TWO], more, &["."]].concat())
    }

    /// Has the builder push by itself what [`Self::build`] builds, with more arguments.
    pub(crate) fn deliver(&self, name: &str, more: &[&str]) -> Ended {
        self.build(&[&["--deliver=builder", "--push", "--tag", name], more].concat())
    }

    /// Runs a line of shell as a person would paste it: in the context, where docker and lrops are found.
    pub(crate) fn paste(&self, line: &str) -> Ended {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.laboratory.context());
        command.env_clear().envs(self.client.environment());
        command.env("HOME", self.laboratory.path(""));
        command.env("LROPS_ROOT", self.laboratory.store());
        Ended::of(command.output().unwrap())
    }
}

/// The daemon that tests share.
pub(crate) fn daemon() -> Arc<DockerDaemon> {
    DockerDaemon::shared()
}

/// Copies a directory.
pub(crate) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").arg(from.join(".")).arg(to).status();
    assert!(copied.unwrap().success());
}
