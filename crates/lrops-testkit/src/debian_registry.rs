//! Debian's docker-registry (distribution 2.8), and skopeo, in processes of their own.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

const START_TRIES: usize = 200;
const START_WAIT: Duration = Duration::from_millis(50);

/// A running docker-registry with a storage of its own; dropping it stops it and removes the storage.
pub struct DebianRegistry {
    child: Child,
    address: SocketAddr,
    directory: TempDir,
}

impl DebianRegistry {
    /// Starts one on a free loopback port; what it holds may be deleted.
    pub fn start() -> Self {
        Self::start_program("docker-registry")
            .expect("docker-registry (Debian package docker-registry) is installed")
    }

    /// Starts another build of distribution.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn start_program(program: &str) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let configuration = directory.path().join("registry.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: '{address}'}}\n",
            directory.path().join("storage").display()
        );
        fs::write(&configuration, text)?;
        let child = Command::new(program)
            .arg("serve")
            .arg(&configuration)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let registry = Self {
            child,
            address,
            directory,
        };
        for _ in 0..START_TRIES {
            if TcpStream::connect(address).is_ok() {
                return Ok(registry);
            }
            std::thread::sleep(START_WAIT);
        }
        panic!("{program} does not listen after 10 seconds");
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the registry as references name it: `127.0.0.1:PORT`.
    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// Returns how many uploads are open. Of one that was given up, distribution keeps a hash's state for a while, but
    /// nothing that it could go on with.
    pub fn open_uploads(&self, repository: &str) -> usize {
        let uploads = self
            .directory
            .path()
            .join("storage/docker/registry/v2/repositories");
        let uploads = fs::read_dir(uploads.join(repository).join("_uploads"));
        let is_open = |upload: &fs::DirEntry| upload.path().join("startedat").exists();
        uploads.map_or(0, |uploads| uploads.flatten().filter(is_open).count())
    }
}

impl Drop for DebianRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs skopeo, and returns what it printed.
///
/// # Panics
/// When it is not installed, or fails.
pub fn skopeo<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Vec<u8> {
    let output = run_skopeo(arguments);
    assert!(
        output.status.success(),
        "skopeo: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Runs skopeo, which has to fail, and returns what it says.
///
/// # Panics
/// When it does not fail.
pub fn skopeo_fails<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> String {
    let output = run_skopeo(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "skopeo does not fail: {said}");
    said
}

fn run_skopeo<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> std::process::Output {
    let ended = Command::new("skopeo").args(arguments).output();
    ended.expect("skopeo (Debian package skopeo) is installed")
}
