//! Registries and networks that fail below real buildx.

use lrops_testkit::debian_registry::DebianRegistry;
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
    let ended = workshop
        .run(&[
            "build",
            "--engine=buildx",
            "--deliver=builder",
            "--retry-wait=0.1",
            "--platform=linux/amd64,linux/arm64",
            "--tag",
            &name,
            "--push",
            ".",
        ])
        .succeeded();
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
    let ended = workshop
        .run(&[
            "build",
            "--engine=buildx",
            "--deliver=builder",
            "--retry-wait=0.1",
            "--platform=linux/amd64,linux/arm64",
            "--tag",
            &name,
            "--push",
            ".",
        ])
        .failed(5);
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
    workshop
        .run(&[
            "build",
            "--engine=buildx",
            "--deliver=builder",
            "--retry-wait=0.1",
            "--platform=linux/amd64,linux/arm64",
            "--tag",
            &name,
            "--push",
            ".",
        ])
        .succeeded();
    workshop
        .run(&["verify", &format!("docker://{}/team/sample:cut", registry.name())])
        .succeeded();
}
