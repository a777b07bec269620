//! Daemons, the command line and the ssh server are what they are meant to be.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use lrops_testkit::debian_registry::{DebianRegistry, skopeo};
use lrops_testkit::docker::{DockerClient, DockerDaemon, SshServer};
use tempfile::TempDir;

/// How long a script may take to clean up after a test that was killed.
const CLEANED_UP_LIMIT: Duration = Duration::from_secs(30);

const BUSYBOX: &str = "/bin/busybox";

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn context(dockerfile: &str) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("Dockerfile"), dockerfile).unwrap();
    place
}

/// Returns the names of the machine's bridges, and its rules for packets.
fn network() -> String {
    let list = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    list("ip", &["-oneline", "link", "show"]) + &list("iptables-save", &[])
}

fn bridge_of(daemon: &DockerDaemon) -> String {
    let format = r#"{{index .Options "com.docker.network.bridge.name"}}"#;
    let inspected = daemon
        .client()
        .docker(&["network", "inspect", "bridge", "--format", format]);
    said(&inspected).trim().to_owned()
}

#[test]
fn a_new_daemon_builds_several_platforms_by_itself_and_pushes_them() {
    let daemon = DockerDaemon::shared();
    let registry = DebianRegistry::start();
    let place = context("FROM scratch\nCOPY Dockerfile /\n");
    let name = format!("{}/sample:1", registry.name());
    let platforms = "linux/amd64,linux/arm64";
    let build = [
        "buildx",
        "build",
        "--platform",
        platforms,
        "--tag",
        &name,
        "--push",
        ".",
    ];
    let built = daemon.client().docker_in(place.path(), &build);
    assert!(built.status.success(), "{}", said(&built));
    let pushed = skopeo(&[
        "inspect",
        "--raw",
        "--tls-verify=false",
        &format!("docker://{name}"),
    ]);
    let pushed = String::from_utf8(pushed).unwrap();
    assert!(pushed.contains("amd64") && pushed.contains("arm64"), "{pushed}");
}

#[test]
fn commands_of_a_build_reach_the_network() {
    let daemon = DockerDaemon::shared();
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let place = context(&format!(
        "FROM scratch\nCOPY busybox /bin/sh\nRUN gateway=$(ip route | awk '/default/ {{ print $3 }}'); \
         test \"$(nc -w 5 $gateway {port})\" = hello\n"
    ));
    fs::copy(BUSYBOX, place.path().join("busybox"))
        .expect("busybox (Debian package busybox-static) is there");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            stream.unwrap().write_all(b"hello\n").unwrap();
        }
    });
    let built = daemon.client().docker_in(place.path(), &["buildx", "build", "."]);
    assert!(built.status.success(), "{}", said(&built));
}

#[test]
fn an_old_daemon_refuses_several_platforms() {
    let daemon = DockerDaemon::start_old();
    let place = context("FROM scratch\nCOPY Dockerfile /\n");
    let build = ["buildx", "build", "--platform", "linux/amd64,linux/arm64", "."];
    let built = daemon.client().docker_in(place.path(), &build);
    let said = said(&built);
    assert!(
        !built.status.success()
            && said.contains("Multi-platform build is not supported for the docker driver"),
        "{said}"
    );
}

#[test]
fn a_daemon_is_reached_over_ssh() {
    let daemon = DockerDaemon::shared();
    let server = SshServer::start(&daemon.host());
    let client = DockerClient::new();
    server.introduce(&client, "gitlab");
    let created = client.docker(&["context", "create", "gitlab", "--docker", "host=ssh://gitlab"]);
    assert!(created.status.success(), "{}", said(&created));
    let version = client.docker(&[
        "--context",
        "gitlab",
        "version",
        "--format",
        "{{.Server.Version}}",
    ]);
    assert!(said(&version).starts_with("26.1"), "{}", said(&version));
}

#[test]
fn buildx_can_be_missing() {
    let version = ["buildx", "version"];
    let with = DockerClient::new().docker(&version);
    assert!(said(&with).contains(" 0.13"), "{}", said(&with));
    let without = DockerClient::new().without_buildx().docker(&version);
    assert!(!without.status.success(), "{}", said(&without));
}

#[test]
fn nothing_is_left_of_a_daemon_after_a_test_that_failed() {
    let (send, receive) = std::sync::mpsc::channel();
    let failed = std::thread::spawn(move || {
        let daemon = DockerDaemon::start();
        send.send((bridge_of(&daemon), daemon.socket(), network()))
            .unwrap();
        panic!("this panic is part of a test");
    });
    assert!(failed.join().is_err());
    let (bridge, socket, before) = receive.recv().unwrap();
    let is_of_bridge = |line: &&str| line.split([' ', ':']).any(|word| word == bridge);
    assert_eq!(
        before.lines().filter(is_of_bridge).count(),
        4,
        "a link and three rules: {before}"
    );
    let after = network();
    assert_eq!(after.lines().filter(is_of_bridge).count(), 0, "{after}");
    assert!(!socket.parent().unwrap().exists());
}

#[test]
fn nothing_is_left_of_a_daemon_after_tests_that_were_killed() {
    let temporary = tempfile::tempdir().unwrap();
    let mut tests = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "docker::an_old_daemon_refuses_several_platforms"])
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let daemon = first_daemon(temporary.path(), &mut tests);
    tests.kill().unwrap();
    tests.wait().unwrap();
    // The directory goes last.
    let killed = Instant::now();
    while daemon.exists() && killed.elapsed() < CLEANED_UP_LIMIT {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!daemon.exists());
    let processes = Command::new("ps").args(["-eo", "args"]).output().unwrap();
    assert!(!said(&processes).contains(daemon.to_str().unwrap()));
}

/// Waits for a daemon's socket below a directory, and returns the daemon's own directory there.
fn first_daemon(temporary: &Path, tests: &mut Child) -> PathBuf {
    loop {
        let mut entries = fs::read_dir(temporary).unwrap().flatten();
        if let Some(found) = entries.find(|entry| entry.path().join("docker.sock").exists()) {
            return found.path();
        }
        assert!(tests.try_wait().unwrap().is_none(), "the tests ended early");
        std::thread::sleep(Duration::from_millis(5));
    }
}
