//! A BuildKit of its own, which pushes by digest: no tag moves before the image is proved.

use std::fs;

use lrops_testkit::debian_registry::{DebianRegistry, skopeo_fails};
use lrops_testkit::docker::{BuildKit, DockerClient};
use lrops_testkit::proxy::{Disturbance, FaultProxy, Rule};

use crate::delivery::{digest_of, platforms_of};
use crate::workshop::{TWO, Workshop};

/// Sets up the builder `farm` of these nodes.
pub(crate) fn set_up(workshop: &Workshop<'_>, host: &BuildKit, more: &[&str]) {
    let address = host.address();
    let wish = [
        "builder",
        "setup",
        "--builder=farm",
        "--driver=remote",
        "--host",
        &address,
    ];
    workshop.run(&[&wish, more].concat()).succeeded();
    workshop
        .laboratory
        .file("lrops.toml", "[buildx]\nbuilder = \"farm\"\n");
}

#[test]
fn what_the_builder_pushed_is_proved_before_its_tags_move() {
    let buildkit = BuildKit::start();
    let client = DockerClient::new();
    let workshop = Workshop::new(&client);
    set_up(&workshop, &buildkit, &[]);
    let registry = DebianRegistry::start();
    let version = format!("{}/team/sample:1.2.3", registry.name());
    let other = format!("{}/other/sample:stable", registry.name());
    let built = workshop.deliver(&version, &["--tag", &other]).succeeded();
    assert!(
        !built.stderr.contains("the tags move before the image is proved"),
        "{}",
        built.stderr
    );
    assert_eq!(platforms_of(&version), ["amd64", "arm64"]);
    for name in [&version, &other] {
        assert_eq!(digest_of(name), built.stdout.trim(), "{name}");
    }

    // The same version for another image: refused, and nothing moves.
    workshop.laboratory.file("words", "others\n");
    let refused = workshop.deliver(&version, &["--tag", &other]).failed(1);
    assert!(
        refused.stderr.contains("names another image already"),
        "{}",
        refused.stderr
    );
    assert_eq!(digest_of(&other), built.stdout.trim());
}

#[test]
fn what_is_no_program_of_its_platform_gets_no_tag() {
    let buildkit = BuildKit::start();
    let client = DockerClient::new();
    let workshop = Workshop::new(&client);
    set_up(&workshop, &buildkit, &[]);
    workshop
        .laboratory
        .file("program", fs::read("/proc/self/exe").unwrap())
        .dockerfile("FROM scratch\nCOPY --chmod=755 program /bin/program\n");
    let registry = DebianRegistry::start();
    let name = format!("{}/team/sample:1.2.3", registry.name());
    let refused = workshop.deliver(&name, &[]).failed(4);
    assert!(refused.stderr.contains("/bin/program"), "{}", refused.stderr);
    let why = skopeo_fails(&["inspect", "--tls-verify=false", &format!("docker://{name}")]);
    assert!(why.contains("manifest unknown"), "{why}");
}

#[test]
fn what_a_builder_of_its_own_built_comes_to_the_store_and_into_a_file_for_docker() {
    let buildkit = BuildKit::start();
    let client = DockerClient::new();
    let workshop = Workshop::new(&client);
    set_up(&workshop, &buildkit, &[]);
    workshop.build(&["--tag=sample"]).succeeded();
    workshop.run(&["verify", "sample", TWO]).succeeded();
    let arguments = [
        "build",
        "--platform=linux/amd64",
        "--output=type=docker,dest=sample.tar",
        "--tag=sample:1",
        ".",
    ];
    workshop.run(&arguments).succeeded();
    let file = workshop.laboratory.context().join("sample.tar");
    let shown = skopeo_archive(&file);
    assert!(shown.contains("sample:1"), "{shown}");
}

/// Returns what skopeo says of an archive of docker's.
fn skopeo_archive(file: &std::path::Path) -> String {
    let source = format!("docker-archive:{}", file.display());
    let said = lrops_testkit::debian_registry::skopeo(&["list-tags", &source]);
    String::from_utf8(said).unwrap()
}

#[test]
fn provenance_comes_only_where_it_is_asked_for() {
    let buildkit = BuildKit::start();
    let client = DockerClient::new();
    let workshop = Workshop::new(&client);
    set_up(&workshop, &buildkit, &[]);
    let registry = DebianRegistry::start();
    let name = format!("{}/team/sample", registry.name());
    workshop.deliver(&format!("{name}:plain"), &[]).succeeded();
    assert_eq!(platforms_of(&format!("{name}:plain")), ["amd64", "arm64"]);
    workshop
        .deliver(&format!("{name}:attested"), &["--provenance=true"])
        .succeeded();
    assert_eq!(
        platforms_of(&format!("{name}:attested")),
        ["amd64", "arm64", "unknown", "unknown"]
    );
}

#[test]
fn an_interrupted_end_goes_on_with_the_same_command() {
    let buildkit = BuildKit::start();
    let client = DockerClient::new();
    let workshop = Workshop::new(&client);
    set_up(&workshop, &buildkit, &[]);
    let registry = DebianRegistry::start();
    let proxy = FaultProxy::start(registry.address());
    let name = format!("{}/team/sample:1.2.3", proxy.name());
    // The image arrives by its digest, and is proved; its tag does not move.
    proxy.rule(
        Rule::once(
            "/manifests/1.2.3",
            Disturbance::Answer {
                status: 503,
                headers: Vec::new(),
                body: b"later".to_vec(),
            },
        )
        .method("PUT")
        .times(2),
    );
    let stopped = workshop
        .deliver(&name, &["--retries=1", "--retry-wait=0.1"])
        .failed(5);
    assert!(stopped.stderr.contains("no tag moved"), "{}", stopped.stderr);
    let again = workshop
        .deliver(&name, &["--retries=1", "--retry-wait=0.1"])
        .succeeded();
    assert_eq!(digest_of(&name), again.stdout.trim());
}
