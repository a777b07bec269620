//! What docker refuses is recognised, and the cure is named.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use lrops_testkit::debian_registry::DebianRegistry;
use lrops_testkit::docker::{DockerClient, DockerDaemon};

use crate::workshop::{TWO, Workshop, daemon};

#[track_caller]
fn check(workshop: &Workshop<'_>, arguments: &[&str], code: i32, expected: &[&str]) {
    let ended = workshop.run(arguments).failed(code);
    for text in expected {
        assert!(
            ended.stderr.contains(text),
            "{text:?} is not in:\n{}",
            ended.stderr
        );
    }
}

#[test]
fn the_driver_of_an_old_daemon_is_recognised_and_the_cure_is_named() {
    let daemon = DockerDaemon::start_old();
    let workshop = Workshop::new(daemon.client());
    let cures = ["lrops builder setup", "containerd-snapshotter", "by hand:\n"];
    check(&workshop, &["build", "--engine=buildx", TWO, "."], 7, &cures);
    let then = ["then the same lrops command again"];
    check(&workshop, &["build", "--engine=buildx", TWO, "."], 7, &then);
    let registry = DebianRegistry::start();
    let tag = format!("--tag={}/team/sample:1", registry.name());
    let pushing = [
        "build",
        "--engine=buildx",
        "--deliver=builder",
        TWO,
        &tag,
        "--push",
        ".",
    ];
    check(&workshop, &pushing, 7, &cures);
    check(&workshop, &pushing, 7, &["(multi-platform-unsupported)"]);
}

#[test]
fn a_builder_that_is_not_there_is_recognised() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    let expected = [
        "no builder \"nobody\" found",
        "lrops builder setup --builder nobody",
    ];
    check(&workshop, &["build", "--builder", "nobody", "."], 7, &expected);
}

#[test]
fn a_context_that_is_not_there_is_recognised() {
    let client = DockerClient::new();
    let workshop = Workshop::new(&client);
    let expected = [
        "(context-missing)",
        "docker context create nowhere --docker host=ssh://HOST",
    ];
    check(
        &workshop,
        &["build", "--docker-context", "nowhere", "."],
        7,
        &expected,
    );
}

#[test]
fn who_has_to_log_in_is_told_the_endpoints_host() {
    let client = DockerClient::new();
    let ssh = client.first().join("ssh");
    fs::write(
        &ssh,
        "#!/bin/sh\necho 'Host key verification failed.' >&2\nexit 255\n",
    )
    .unwrap();
    fs::set_permissions(&ssh, Permissions::from_mode(0o755)).unwrap();
    let endpoint = "host=ssh://ops@build.example:2222";
    let created = client.docker(&["context", "create", "lab", "--docker", endpoint]);
    assert!(created.status.success(), "{created:?}");
    let workshop = Workshop::new(&client);
    let expected = ["(ssh-failed)", "ssh -p 2222 ops@build.example docker version"];
    check(
        &workshop,
        &["build", "--docker-context", "lab", "."],
        7,
        &expected,
    );
}

#[test]
fn a_daemon_that_does_not_run_is_recognised() {
    let client = DockerClient::to("unix:///nowhere/docker.sock");
    let workshop = Workshop::new(&client);
    let expected = ["(daemon-unreachable)", "docker info"];
    check(&workshop, &["build", "--engine=buildx", "."], 7, &expected);
}

#[test]
fn buildx_that_is_missing_is_recognised() {
    let client = DockerClient::new().without_buildx();
    let workshop = Workshop::new(&client);
    check(
        &workshop,
        &["build", "--engine=buildx", "."],
        7,
        &["(buildx-missing)", "docker-buildx"],
    );
}

#[test]
fn docker_that_is_missing_is_recognised() {
    let client = DockerClient::new();
    let workshop = Workshop::new(&client);
    let mut command = workshop.command(&["build", "--engine=buildx", "."]);
    let ended = crate::laboratory::Ended::of(command.env("PATH", "/nowhere").output().unwrap()).failed(7);
    assert!(ended.stderr.contains("(docker-missing)"), "{}", ended.stderr);
}

#[test]
fn a_mistake_in_the_dockerfile_is_not_tried_again() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    workshop.laboratory.dockerfile("FROM scratch\nNONSENSE x\n");
    let ended = workshop.run(&["build", "--engine=buildx", "."]).failed(1);
    assert!(
        ended.stderr.contains("unknown instruction: NONSENSE"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("retry 1"), "{}", ended.stderr);
}

#[test]
fn a_question_to_the_front_end_that_fails_is_recognised() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    workshop
        .laboratory
        .dockerfile("# syntax=127.0.0.1:1/front/end\nFROM scratch\n");
    let expected = [
        "docker buildx does not say the outline of the Dockerfile",
        "likely cause: a connection could not be made, or was cut (network)",
        "by hand:\n",
    ];
    let asking = ["build", "--engine=buildx", "--retries=0", "--call=outline", "."];
    check(&workshop, &asking, 1, &expected);
}
