//! Releases that a real docker builds.

use lrops_testkit::debian_registry::DebianRegistry;
use lrops_testkit::docker::DockerDaemon;
use lrops_testkit::registry::{Access, Fault, RegistryServer};
use serde_json::Value;

use crate::project::Project;
use crate::sample::{REPOSITORY, everything, hello, sample, tags, temporary_trees};

/// Lets a project's lrops find docker.
fn with_docker(project: &mut Project, daemon: &DockerDaemon) {
    for (name, value) in daemon.client().environment() {
        project.set(name.as_ref(), value.to_str().unwrap());
    }
    let store = project.beside("store").display().to_string();
    project.set("LROPS_ROOT", &store);
}

/// The digest that a name in a registry has.
#[track_caller]
fn digest(project: &Project, name: &str) -> String {
    let name = format!("docker://{name}");
    let inspected = project
        .lrops(&["image", "inspect", "--format=json", &name])
        .exits(0);
    let inspected: Value = serde_json::from_str(&inspected.stdout()).unwrap();
    inspected["descriptor"]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn the_example_is_released_through_buildx() {
    let daemon = DockerDaemon::shared();
    let registry = DebianRegistry::start();
    let mut project = hello(&registry.name());
    with_docker(&mut project, &daemon);
    project.lrops(&["bump", "minor"]).exits(0);
    let before = everything(&project.path());
    let arguments = ["release", "--tag=v0.1.0", "--push", "--yes", "--engine=buildx"];
    let released = project.lrops(&arguments).exits(0);
    let place = format!("{}/{REPOSITORY}", registry.name());
    let released = released
        .says("docker buildx is asked because --engine says so")
        .says("--build-arg VERSION=0.1.0 ")
        .says("TREE is where v0.1.0 is checked out")
        .says("3 platforms");
    let latest = digest(&project, &format!("{place}:latest"));
    assert_eq!(digest(&project, &format!("{place}:0.1.0")), latest);
    let released = released.prints(&format!("{place}@{latest}\n"));
    drop(released);
    let verify = ["verify", "--platform=linux/amd64,linux/arm64,linux/arm/v7"];
    let name = format!("docker://{place}:latest");
    project.lrops(&[&verify[..], &[&name]].concat()).exits(0);
    assert!(everything(&project.path()) == before);
}

#[test]
fn a_release_through_buildx_goes_on_after_its_push_failed() {
    let daemon = DockerDaemon::shared();
    let server = RegistryServer::start(Access::Open);
    let mut project = sample(&server.name());
    with_docker(&mut project, &daemon);
    project.tag("v1.0.0");
    let ill = Fault::Answer {
        status: 502,
        headers: Vec::new(),
        body: Vec::new(),
    };
    server.times(1, "PUT", "/manifests/", ill);
    let arguments = ["release", "--tag=v1.0.0", "--push", "--yes", "--engine=buildx"];
    let failed = project.lrops(&[&arguments[..], &["--retries=0"]].concat());
    failed.exits(5).says("lrops release --tag=v1.0.0");
    assert!(tags(&server).is_empty());
    let ran = project.lrops(&arguments).exits(0);
    ran.says(" 0 done, ").says("5 there already");
    let tags = tags(&server);
    assert_eq!(tags["1.0.0"], tags["latest"]);
    server.assert_complete(REPOSITORY);
}

#[test]
fn a_release_by_the_builder_moves_its_tags_to_what_was_pushed() {
    let daemon = DockerDaemon::shared();
    let registry = DebianRegistry::start();
    let mut project = sample(&registry.name());
    with_docker(&mut project, &daemon);
    project.tag("v1.0.0");
    let arguments = [
        "release",
        "--tag=v1.0.0",
        "--push",
        "--yes",
        "--engine=buildx",
        "--deliver=builder",
    ];
    project.lrops(&arguments).exits(0);
    let place = format!("{}/{REPOSITORY}", registry.name());
    let latest = digest(&project, &format!("{place}:latest"));
    assert_eq!(digest(&project, &format!("{place}:1.0.0")), latest);
    assert!(temporary_trees(&project).is_empty());
}

#[test]
fn the_command_for_buildx_has_the_arguments_from_git() {
    let daemon = DockerDaemon::shared();
    let mut project = sample("registry.example");
    with_docker(&mut project, &daemon);
    let version = format!("0.0.0-dev+{}", project.short());
    for arguments in [
        ["plan", "--engine=buildx", "."],
        ["build", "--dry-run", "--engine=buildx"],
    ] {
        let plan = project.lrops(&arguments).exits(0).stdout();
        assert!(
            plan.contains(&format!("--build-arg VERSION={version} ")),
            "{plan}"
        );
        assert!(plan.contains(&format!("told VERSION={version}\n")), "{plan}");
    }
}
