//! A docker daemon with everything of its own.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{DockerClient, installation, path_before};

/// How long a daemon may take to listen. Usually it takes two seconds.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long it may take to end after it was asked to.
const STOP_LIMIT: Duration = Duration::from_secs(20);

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How many daemons may run on a machine at one time.
const BRIDGES_MAX: u32 = 60;

/// A running daemon; dropping it stops it and removes all that it made.
pub struct DockerDaemon {
    child: Child,
    bridge: String,
    directory: TempDir,
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
        // Beside the programs: where temporary files are may be no place for overlays.
        let parent = programs.parent().expect("installations lie in a directory");
        let directory = tempfile::Builder::new()
            .prefix("daemon-")
            .tempdir_in(parent)
            .expect("a directory for the daemon");
        let (bridge, address) = add_bridge();
        let place = directory.path();
        let shown = |name: &str| place.join(name).display().to_string();
        let configuration = format!(
            r#"{{{features} "data-root": "{}", "exec-root": "{}", "pidfile": "{}", "hosts": ["unix://{}"], "bridge": "{bridge}", "fixed-cidr": "{address}"}}"#,
            shown("data"),
            shown("exec"),
            shown("pid"),
            shown("docker.sock"),
        );
        fs::write(place.join("daemon.json"), configuration).expect("the daemon's configuration");
        let log = File::create(place.join("log")).expect("the daemon's log");
        let child = Command::new(programs.join("usr/sbin/dockerd"))
            .arg("--config-file")
            .arg(place.join("daemon.json"))
            .env("PATH", path_before(&programs, &[]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("dockerd starts");
        let client = DockerClient::to(&format!("unix://{}", shown("docker.sock")));
        let mut daemon = Self {
            child,
            bridge,
            directory,
            client,
        };
        daemon.wait();
        daemon
    }

    fn wait(&mut self) {
        let begun = Instant::now();
        while !self.client.docker(&["version"]).status.success() {
            let ended = self.child.try_wait().expect("the daemon can be waited for");
            if ended.is_some() || begun.elapsed() > START_LIMIT {
                let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                panic!("dockerd does not answer (it takes root); its log:\n{log}");
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Returns a client that talks to it.
    pub fn client(&self) -> &DockerClient {
        &self.client
    }

    /// Returns its socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("docker.sock")
    }

    /// Returns its address, as `DOCKER_HOST` has it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }
}

impl Drop for DockerDaemon {
    fn drop(&mut self) {
        let signal = |signal: &str, target: String| {
            // A group that has ended already is as it should be.
            let _ = Command::new("kill")
                .args([signal, "--", &target])
                .stderr(Stdio::null())
                .status();
        };
        signal("-TERM", self.child.id().to_string());
        let asked = Instant::now();
        while asked.elapsed() < STOP_LIMIT && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(LOOK_EVERY);
        }
        signal("-KILL", format!("-{}", self.child.id()));
        let _ = self.child.wait();
        unmount_below(self.directory.path());
        let _ = Command::new("ip").args(["link", "delete", &self.bridge]).status();
    }
}

/// Adds a bridge that nobody has, with a subnet that belongs to its number.
fn add_bridge() -> (String, String) {
    for number in 1..BRIDGES_MAX {
        let bridge = format!("lrtest{number}");
        let ip = |arguments: &[&str]| {
            let output = Command::new("ip").args(arguments).output();
            output
                .expect("ip (Debian package iproute2) is installed")
                .status
                .success()
        };
        if ip(&["link", "add", &bridge, "type", "bridge"]) {
            let network = format!("10.213.{number}");
            assert!(
                ip(&["address", "add", &format!("{network}.1/24"), "dev", &bridge])
                    && ip(&["link", "set", &bridge, "up"]),
                "failed to set up the bridge {bridge}"
            );
            return (bridge, format!("{network}.0/24"));
        }
    }
    panic!("failed to add a bridge for a docker daemon: it takes root, or {BRIDGES_MAX} are there already");
}

/// Unmounts what a daemon that was killed left mounted, the innermost first.
fn unmount_below(directory: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let below: Vec<&str> = places
        .filter(|place| Path::new(place).starts_with(directory))
        .collect();
    for place in below.iter().rev() {
        let _ = Command::new("umount").args(["--lazy", place]).status();
    }
}
