//! Daemons, the command line and the ssh server are what they are meant to be.

use std::fs;
use std::process::Output;

use lrops_testkit::docker::{DockerDaemon, SshServer};

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn a_new_daemon_builds_several_platforms_by_itself() {
    let daemon = DockerDaemon::shared();
    let place = tempfile::tempdir().unwrap();
    fs::write(
        place.path().join("Dockerfile"),
        "FROM scratch\nCOPY Dockerfile /\n",
    )
    .unwrap();
    let build = [
        "buildx",
        "build",
        "--platform",
        "linux/amd64,linux/arm64",
        "--tag",
        "sample",
        ".",
    ];
    let built = daemon.client().docker_in(place.path(), &build);
    assert!(built.status.success(), "{}", said(&built));
}

#[test]
fn an_old_daemon_refuses_several_platforms() {
    let daemon = DockerDaemon::start_old();
    let place = tempfile::tempdir().unwrap();
    fs::write(
        place.path().join("Dockerfile"),
        "FROM scratch\nCOPY Dockerfile /\n",
    )
    .unwrap();
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
    let client = lrops_testkit::docker::DockerClient::new();
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
