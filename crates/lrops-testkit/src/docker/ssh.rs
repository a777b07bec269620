//! An ssh server on loopback, through which a docker context reaches a daemon.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::kept::Kept;
use super::{DockerClient, installation, path_before};

const SCRIPT: &str = include_str!("sshd.sh");

/// A running sshd; dropping it stops it.
pub struct SshServer {
    // Stopped before its directory goes.
    _server: Kept,
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
        let mut server = Kept::start(
            SCRIPT,
            &[
                place.as_os_str(),
                "env".as_ref(),
                &libraries(&programs),
                programs.join("usr/sbin/sshd").as_os_str(),
                "-D".as_ref(),
                "-e".as_ref(),
                "-f".as_ref(),
                place.join("sshd_config").as_os_str(),
            ],
            &path,
        );
        server.wait("sshd", || TcpStream::connect(address).is_ok());
        Self {
            _server: server,
            directory,
            address,
        }
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

fn make_key(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status()
        .expect("ssh-keygen (Debian package openssh-client) is installed");
    assert!(made.success(), "ssh-keygen makes a key");
}

/// Returns the variable that says where the server's libraries are, among the packages that were unpacked with it.
fn libraries(programs: &Path) -> std::ffi::OsString {
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let places = ["usr/lib", "lib"].map(|directory| programs.join(directory).join(&triplet));
    let places = std::env::join_paths(places).expect("the target directory's name has no colon");
    let mut variable = std::ffi::OsString::from("LD_LIBRARY_PATH=");
    variable.push(places);
    variable
}
