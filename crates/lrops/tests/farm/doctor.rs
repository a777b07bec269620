//! `lrops doctor` with real docker.

use lrops_testkit::docker::DockerDaemon;
use serde_json::Value;

use crate::workshop::{Workshop, daemon};

/// Returns the rows of a check-up, by their names.
fn rows(workshop: &Workshop<'_>, arguments: &[&str], code: i32) -> Value {
    let all: Vec<&str> = ["doctor", "--format=json"]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    let ended = workshop.run(&all).failed(code);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap().iter();
    checks
        .map(|check| (check["name"].as_str().unwrap().to_owned(), check.clone()))
        .collect()
}

#[test]
fn a_farm_that_works_is_healthy() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    let rows = rows(
        &workshop,
        &["--engine=buildx", "--platform=linux/amd64,linux/arm64"],
        0,
    );
    for name in ["buildx", "daemon", "builder"] {
        assert_eq!(rows[name]["state"], "ok", "{rows:#}");
    }
}

#[test]
fn a_classic_image_store_is_broken_for_several_platforms() {
    let daemon = DockerDaemon::start_old();
    let workshop = Workshop::new(daemon.client());
    let rows = rows(
        &workshop,
        &["--engine=buildx", "--platform=linux/amd64,linux/arm64"],
        7,
    );
    assert_eq!(rows["image store"]["state"], "broken", "{rows:#}");
    assert_eq!(
        rows["image store"]["guide"], "multi-platform-unsupported",
        "{rows:#}"
    );
}

#[test]
fn lines_that_would_be_emulated_are_noticed() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    workshop.laboratory.dockerfile("FROM busybox\nRUN true\n");
    let rows = rows(&workshop, &["--engine=buildx", "--platform=linux/arm64"], 7);
    assert_eq!(rows["builder's emulation"]["state"], "broken", "{rows:#}");
}
