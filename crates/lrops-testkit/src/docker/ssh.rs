//! An ssh server on loopback, through which a docker context reaches a daemon.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::{DockerClient, installation, path_before};

const START_TRIES: usize = 200;
const START_WAIT: Duration = Duration::from_millis(50);

/// Where sshd keeps the process that talks to strangers; its place is compiled in.
const PRIVILEGE_SEPARATION: &str = "/run/sshd";

/// A running sshd; dropping it stops it.
pub struct SshServer {
    child: Child,
    directory: TempDir,
    address: SocketAddr,
}

impl SshServer {
    /// Starts one with keys of its own, whose users find docker and the daemon at `host`.
    ///
    /// # Panics
    /// When it does not start, which takes root.
    pub fn start(host: &str) -> Self {
        let programs = installation("openssh");
        let directory = tempfile::tempdir().expect("a directory for the ssh server");
        let place = directory.path();
        for name in ["host_key", "user_key"] {
            make_key(&place.join(name));
        }
        fs::copy(place.join("user_key.pub"), place.join("authorized_keys"))
            .expect("the user's key is copied");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("the port's address");
        drop(listener);
        let path = path_before(&installation("docker-26"), &[]);
        let shown = |name: &str| place.join(name).display().to_string();
        let configuration = format!(
            "ListenAddress {address}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile {}\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nPermitRootLogin yes\nSetEnv PATH={} DOCKER_HOST={host}\n",
            shown("host_key"),
            shown("authorized_keys"),
            shown("pid"),
            path.display(),
        );
        fs::write(place.join("sshd_config"), configuration).expect("the server's configuration");
        prepare_machine();
        let log = File::create(place.join("log")).expect("the server's log");
        let child = Command::new(programs.join("usr/sbin/sshd"))
            .args(["-D", "-e", "-f"])
            .arg(place.join("sshd_config"))
            .env("LD_LIBRARY_PATH", libraries(&programs))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("sshd starts");
        let server = Self {
            child,
            directory,
            address,
        };
        server.wait();
        server
    }

    fn wait(&self) {
        for _ in 0..START_TRIES {
            if TcpStream::connect(self.address).is_ok() {
                return;
            }
            std::thread::sleep(START_WAIT);
        }
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        panic!("sshd does not listen (it takes root); its log:\n{log}");
    }

    /// Lets a client reach the server under a name, as a person's `~/.ssh/config` would: ssh reads that file from the
    /// user's own home, so the client gets an `ssh` of its own that names another.
    pub fn introduce(&self, client: &DockerClient, name: &str) {
        let place = self.directory.path();
        let configuration = client.first().join("ssh_config");
        let text = format!(
            "Host {name}\n  HostName {}\n  Port {}\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  BatchMode yes\n  \
             StrictHostKeyChecking accept-new\n  UserKnownHostsFile {}\n",
            self.address.ip(),
            self.address.port(),
            place.join("user_key").display(),
            place.join("known_hosts").display(),
        );
        fs::write(&configuration, text).expect("the client's ssh configuration");
        let program = client.first().join("ssh");
        let script = format!(
            "#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n",
            configuration.display()
        );
        fs::write(&program, script).expect("the client's ssh");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
            .expect("the client's ssh can be run");
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn make_key(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status()
        .expect("ssh-keygen (Debian package openssh-client) is installed");
    assert!(made.success(), "ssh-keygen makes a key");
}

/// Gives sshd what its package's installation would: a user without rights, and an empty directory.
fn prepare_machine() {
    fs::create_dir_all(PRIVILEGE_SEPARATION).expect("a directory for sshd (it takes root)");
    let known = Command::new("getent").args(["passwd", "sshd"]).output();
    if known.is_ok_and(|known| known.status.success()) {
        return;
    }
    let added = Command::new("useradd")
        .args(["--system", "--home-dir", PRIVILEGE_SEPARATION, "--no-create-home"])
        .args(["--shell", "/usr/sbin/nologin", "sshd"])
        .status();
    // Another test may have been faster.
    let _ = added.expect("useradd (Debian package passwd) is installed");
}

/// Returns where the server's libraries are, among those of all packages that were unpacked with it.
fn libraries(programs: &Path) -> std::ffi::OsString {
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let places = ["usr/lib", "lib"].map(|directory| programs.join(directory).join(&triplet));
    std::env::join_paths(places).expect("the target directory's name has no colon")
}
