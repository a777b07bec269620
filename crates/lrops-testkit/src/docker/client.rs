//! The docker command line, with a configuration of its own.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::{installation, path_before};

/// What makes a program use an unpacked docker: its command line, and a configuration directory with buildx in it.
pub struct DockerClient {
    directory: TempDir,
    programs: PathBuf,
    host: Option<String>,
}

impl DockerClient {
    /// Returns a client of docker 26.1 with buildx 0.13, which knows no daemon.
    pub fn new() -> Self {
        Self::of(None)
    }

    /// Returns a client that talks to a daemon (`DOCKER_HOST`) unless a context is named.
    pub fn to(host: &str) -> Self {
        Self::of(Some(host.to_owned()))
    }

    fn of(host: Option<String>) -> Self {
        let client = Self {
            directory: tempfile::tempdir().expect("a directory for docker's configuration"),
            programs: installation("docker-26"),
            host,
        };
        let plugins = client.configuration().join("cli-plugins");
        fs::create_dir_all(&plugins).expect("a directory for docker's plugins");
        let buildx = client
            .programs
            .join("usr/libexec/docker/cli-plugins/docker-buildx");
        symlink(buildx, plugins.join("docker-buildx")).expect("a link to buildx");
        fs::create_dir_all(client.first()).expect("a directory for programs");
        client
    }

    /// Takes buildx away.
    pub fn without_buildx(self) -> Self {
        fs::remove_file(self.configuration().join("cli-plugins/docker-buildx")).expect("buildx is there");
        self
    }

    /// Returns the directory of docker's configuration.
    pub fn configuration(&self) -> PathBuf {
        self.directory.path().join("configuration")
    }

    /// Returns a directory that is looked into before all others for programs.
    pub fn first(&self) -> PathBuf {
        self.directory.path().join("bin")
    }

    /// Returns docker's program.
    pub fn program(&self) -> PathBuf {
        self.programs.join("usr/bin/docker")
    }

    /// Returns the variables that a program is to be started with.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let mut variables = vec![
            ("PATH", path_before(&self.programs, &[&self.first()])),
            ("DOCKER_CONFIG", self.configuration().into_os_string()),
        ];
        if let Some(host) = &self.host {
            variables.push(("DOCKER_HOST", host.into()));
        }
        variables
    }

    /// Runs docker.
    pub fn docker<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        self.docker_in(Path::new("/"), arguments)
    }

    /// Runs docker in a directory.
    pub fn docker_in<S: AsRef<OsStr>>(&self, directory: &Path, arguments: &[S]) -> Output {
        Command::new(self.program())
            .args(arguments)
            .current_dir(directory)
            // Nothing of what the person who runs the tests has set for docker.
            .env_clear()
            .env("HOME", self.directory.path())
            .envs(self.environment())
            .output()
            .expect("docker starts")
    }
}

impl Default for DockerClient {
    fn default() -> Self {
        Self::new()
    }
}
