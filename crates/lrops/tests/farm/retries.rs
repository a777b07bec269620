//! Registries and networks that fail below real buildx.

use std::os::unix::fs::PermissionsExt;

use lrops_testkit::debian_registry::DebianRegistry;
use lrops_testkit::docker::DockerClient;
use lrops_testkit::proxy::{Disturbance, FaultProxy, Rule};

use crate::delivery::docker_line;
use crate::workshop::{Workshop, daemon};

/// How often docker itself asks again at once, after a 429, before its push fails.
const REQUESTS_OF_A_PUSH: usize = 6;

/// An answer that asks to come back later.
fn busy() -> Disturbance {
    Disturbance::Answer {
        status: 429,
        headers: Vec::new(),
        body: b"later".to_vec(),
    }
}

#[test]
fn a_push_that_fails_twice_is_tried_until_it_passes() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    let registry = DebianRegistry::start();
    let proxy = FaultProxy::start(registry.address());
    let name = format!("{}/team/sample:retried", proxy.name());
    proxy.rule(
        Rule::once("/manifests/retried", busy())
            .method("PUT")
            .times(2 * REQUESTS_OF_A_PUSH),
    );
    let ended = workshop.deliver(&name, &["--retry-wait=0.1"]).succeeded();
    for text in ["retry 1 of 3 in 0.1 s", "retry 2 of 3 in 0.2 s", ": 429 "] {
        assert!(
            ended.stderr.contains(text),
            "{text:?} is not in:\n{}",
            ended.stderr
        );
    }
    assert!(!ended.stderr.contains("retry 3 of 3"), "{}", ended.stderr);
    workshop
        .run(&[
            "verify",
            &format!("docker://{}/team/sample:retried", registry.name()),
        ])
        .succeeded();
}

#[test]
fn a_push_that_never_passes_ends_with_a_command_that_works_when_pasted() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    let registry = DebianRegistry::start();
    let proxy = FaultProxy::start(registry.address());
    let name = format!("{}/team/sample:pasted", proxy.name());
    proxy.rule(
        Rule::once("/manifests/pasted", busy())
            .method("PUT")
            .times(4 * REQUESTS_OF_A_PUSH),
    );
    let ended = workshop.deliver(&name, &["--retry-wait=0.1"]).failed(5);
    for text in ["tried 4 times", "(registry-busy)", "by hand:"] {
        assert!(
            ended.stderr.contains(text),
            "{text:?} is not in:\n{}",
            ended.stderr
        );
    }
    assert!(
        !ended.stderr.contains("then the same lrops command"),
        "{}",
        ended.stderr
    );
    workshop.paste(&docker_line(&ended)).succeeded();
    workshop
        .run(&[
            "verify",
            &format!("docker://{}/team/sample:pasted", registry.name()),
        ])
        .succeeded();
}

#[test]
fn a_cut_connection_is_tried_again() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    let registry = DebianRegistry::start();
    let proxy = FaultProxy::start(registry.address());
    let name = format!("{}/team/sample:cut", proxy.name());
    proxy.rule(
        Rule::once("/manifests/", Disturbance::CutRequestAfter(0))
            .method("PUT")
            .times(1),
    );
    workshop.deliver(&name, &["--retry-wait=0.1"]).succeeded();
    workshop
        .run(&["verify", &format!("docker://{}/team/sample:cut", registry.name())])
        .succeeded();
}

/// A `docker` that fails once, at a question with these words in it, and is the real one otherwise.
fn stumbling(workshop: &Workshop<'_>, question: &str, says: &str) {
    let first = workshop.client.first();
    let real = workshop.client.program();
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n*'{question}'*)\n  if mkdir {mark} 2>/dev/null; then echo '{says}' >&2; exit 1; fi;;\nesac\n\
         exec {real} \"$@\"\n",
        mark = first.join("stumbled").display(),
        real = real.display(),
    );
    let program = first.join("docker");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
}

const CUT: &str = "error during connect: Get \"http://docker.example.com/v1.45/version\": command [ssh] has exited with exit status \
     255, please make sure the URL is valid: stderr=Connection reset by peer";

#[test]
fn a_question_to_the_builder_is_asked_again() {
    let daemon = daemon();
    let client = DockerClient::to(&daemon.host());
    let workshop = Workshop::new(&client);
    stumbling(&workshop, "buildx inspect", CUT);
    let built = workshop.build(&["--retry-wait=0.1", "--tag=sample"]).succeeded();
    assert!(built.stderr.contains("retry 1 of 3 in 0.1 s"), "{}", built.stderr);
    std::fs::remove_dir(client.first().join("stumbled")).unwrap();
    let failed = workshop.build(&["--retries=0", "--tag=sample"]).failed(1);
    assert!(failed.stderr.contains("(network)"), "{}", failed.stderr);
}

#[test]
fn a_step_of_the_setup_is_done_again_and_what_no_retry_mends_is_not() {
    let daemon = daemon();
    let client = DockerClient::to(&daemon.host());
    let workshop = Workshop::new(&client);
    let setup = [
        "builder",
        "setup",
        "--builder=farm",
        "--no-bootstrap",
        "--retry-wait=0.1",
    ];
    stumbling(&workshop, "buildx create", CUT);
    let made = workshop.run(&setup).succeeded();
    assert!(made.stderr.contains("retry 1 of 3 in 0.1 s"), "{}", made.stderr);
    workshop.run(&["builder", "rm", "farm"]).succeeded();
    stumbling(
        &workshop,
        "buildx create",
        "permission denied while trying to connect to the Docker daemon socket",
    );
    std::fs::remove_dir(client.first().join("stumbled")).unwrap();
    let failed = workshop.run(&setup).failed(7);
    assert!(!failed.stderr.contains("retry"), "{}", failed.stderr);
}
