//! A docker daemon with everything of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;

use super::kept::Kept;
use super::{DockerClient, installation, path_before};

const SCRIPT: &str = include_str!("daemon.sh");

/// A running daemon; dropping it stops it and removes all that it made.
pub struct DockerDaemon {
    // Stopped before its directories go.
    server: Kept,
    run: TempDir,
    data: TempDir,
    client: DockerClient,
}

impl DockerDaemon {
    /// Starts docker 26.1 with the containerd image store: its own builder builds several platforms.
    ///
    /// # Panics
    /// When it does not start, which takes root.
    pub fn start() -> Self {
        Self::start_one("docker-26", r#""features": {"containerd-snapshotter": true},"#)
    }

    /// Starts docker 20.10: its own builder builds one platform at a time.
    ///
    /// # Panics
    /// When it does not start, which takes root.
    pub fn start_old() -> Self {
        Self::start_one("docker-20", "")
    }

    /// Returns the daemon of [`Self::start`] that other tests of this process use at the moment, or a new one.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<DockerDaemon>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(daemon) = shared.upgrade() {
            return daemon;
        }
        let daemon = Arc::new(Self::start());
        *shared = Arc::downgrade(&daemon);
        daemon
    }

    fn start_one(name: &str, features: &str) -> Self {
        let programs = installation(name);
        let directory = |parent: &Path| {
            let made = tempfile::Builder::new().prefix("daemon-").tempdir_in(parent);
            made.expect("a directory for the daemon")
        };
        // Sockets: their names must be short, and that of the target directory may be long.
        let run = directory(&std::env::temp_dir());
        // Beside the programs: where temporary files are may be no place for overlays.
        let data = directory(programs.parent().expect("installations lie in a directory"));
        let shown = |name: &str| run.path().join(name).display().to_string();
        let configuration = format!(
            r#"{{{features} "data-root": "{}", "exec-root": "{}", "pidfile": "{}", "hosts": ["unix://{}"], "iptables": false}}"#,
            data.path().display(),
            shown("exec"),
            shown("pid"),
            shown("docker.sock"),
        );
        let file = run.path().join("daemon.json");
        fs::write(&file, configuration).expect("the daemon's configuration");
        let mut server = Kept::start(
            SCRIPT,
            &[
                run.path().as_os_str(),
                data.path().as_os_str(),
                programs.join("usr/sbin/dockerd").as_os_str(),
                "--config-file".as_ref(),
                file.as_os_str(),
            ],
            &path_before(&programs, &[]),
        );
        let client = DockerClient::to(&format!("unix://{}", shown("docker.sock")));
        server.wait("dockerd", || client.docker(&["version"]).status.success());
        Self {
            server,
            run,
            data,
            client,
        }
    }

    /// Returns a client that talks to it.
    pub fn client(&self) -> &DockerClient {
        &self.client
    }

    /// Returns the process that all of the daemon's descend from.
    pub fn process(&self) -> u32 {
        self.server.process()
    }

    /// Returns the directory of all that it stores.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Returns its socket.
    pub fn socket(&self) -> PathBuf {
        self.run.path().join("docker.sock")
    }

    /// Returns its address, as `DOCKER_HOST` has it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }
}
