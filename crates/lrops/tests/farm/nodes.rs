//! A builder with several nodes: each builds its platforms, and lrops puts the index together.

use lrops_testkit::debian_registry::DebianRegistry;
use lrops_testkit::docker::{BuildKit, DockerClient};
use serde_json::Value;

use crate::delivery::{digest_of, platforms_of, raw};
use crate::laboratory::busybox;
use crate::remote::set_up;
use crate::workshop::{TWO, Workshop};

/// The builds of these tests are the same whenever they are made.
const DATED: &str = "--build-arg=SOURCE_DATE_EPOCH=1700000000";

/// Returns what a BuildKit keeps, by the steps that made it.
fn kept_by(workshop: &Workshop<'_>, buildkit: &BuildKit) -> String {
    let address = buildkit.address();
    let name = address.replace(|character: char| !character.is_ascii_alphanumeric(), "x");
    let created = workshop
        .client
        .docker(&["buildx", "create", "--name", &name, "--driver=remote", &address]);
    assert!(created.status.success());
    let usage = workshop
        .client
        .docker(&["buildx", "du", "--verbose", "--builder", &name]);
    String::from_utf8(usage.stdout).unwrap()
}

#[test]
fn each_node_builds_its_platforms_and_the_image_is_one() {
    let (first, second) = (BuildKit::start(), BuildKit::start());
    let client = DockerClient::new();
    let workshop = Workshop::new(&client);
    let node = format!("--node={}=linux/arm64", second.address());
    set_up(&workshop, &first, &[&node]);
    let annotations = [
        "--annotation=index:team=index",
        "--annotation=manifest[linux/arm64]:team=arm",
        "--annotation=manifest-descriptor[linux/amd64]:team=entry",
    ];
    // Whom buildx gives it to depends on more than what the nodes list.
    let more = [&[DATED, "--platform=linux/arm/v7"], &annotations[..]].concat();
    let built = workshop
        .build(&[&more[..], &["--tag=sample"]].concat())
        .succeeded();
    workshop.run(&["verify", "sample"]).succeeded();
    let (on_first, on_second) = (kept_by(&workshop, &first), kept_by(&workshop, &second));
    assert!(
        on_first.contains("words-amd64") && !on_first.contains("words-arm64"),
        "{on_first}"
    );
    assert!(
        on_second.contains("words-arm64") && !on_second.contains("words-amd64"),
        "{on_second}"
    );

    // The nodes push by digest, lrops adds the index: the same image.
    let registry = DebianRegistry::start();
    let name = format!("{}/team/sample:1.2.3", registry.name());
    let pushed = workshop.deliver(&name, &more).succeeded();
    assert_eq!(pushed.stdout, built.stdout);
    assert_eq!(digest_of(&name), built.stdout.trim());
    assert_eq!(platforms_of(&name), ["amd64", "arm64", "arm"]);
    let document = |name: &str| -> Value { serde_json::from_slice(&raw(name)).unwrap() };
    let index = document(&name);
    assert_eq!(index["annotations"]["team"], "index");
    assert_eq!(index["manifests"][0]["annotations"]["team"], "entry");
    let arm = index["manifests"][1]["digest"].as_str().unwrap();
    let arm = document(&format!("{}/team/sample@{arm}", registry.name()));
    assert_eq!(arm["annotations"]["team"], "arm");
}

#[test]
fn the_plan_has_a_command_for_each_node_and_judges_each_by_its_machine() {
    let (first, second) = (BuildKit::start(), BuildKit::start_on("linux/arm64"));
    let client = DockerClient::new();
    let workshop = Workshop::new(&client);
    let node = format!("--node={}", second.address());
    set_up(&workshop, &first, &[&node]);
    workshop
        .laboratory
        .dockerfile("FROM scratch\nCOPY words /\nRUN [\"/program\"]\n");
    let native = ["plan", "--emulation=deny", TWO, "--tag=sample", "."];
    let planned = workshop.run(&native).succeeded();
    for text in [
        "built by 2 nodes:",
        "for linux/arm64, built on linux/arm64",
        "nothing is emulated",
        "--builder farm --platform linux/amd64 ",
        "--builder farm --platform linux/arm64 ",
    ] {
        assert!(
            planned.stdout.contains(text),
            "{text:?} is not in:\n{}",
            planned.stdout
        );
    }
    let foreign = [
        "plan",
        "--emulation=deny",
        "--platform=linux/arm64,linux/arm/v7",
        ".",
    ];
    let refused = workshop.run(&foreign).failed(1);
    assert!(
        refused
            .stderr
            .contains("this RUN runs linux/arm/v7 programs on linux/"),
        "{}",
        refused.stderr
    );
    assert!(
        !refused.stderr.contains("linux/arm64 programs on"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_node_that_fails_stops_the_others_and_nothing_gets_a_name() {
    let (first, second) = (BuildKit::start(), BuildKit::start());
    let client = DockerClient::new();
    let workshop = Workshop::new(&client);
    let node = format!("--node={}=linux/arm64", second.address());
    set_up(&workshop, &first, &[&node]);
    // The other one would take longer than anybody waits for a test.
    workshop.laboratory.dockerfile(
        "FROM --platform=$BUILDPLATFORM busybox\nARG TARGETARCH\n\
         RUN if [ $TARGETARCH = arm64 ]; then sleep 2; exit 3; else sleep 3000; fi\n",
    );
    let base = format!("--build-context=busybox=oci-layout://{}", busybox().display());
    let failed = workshop.build(&[&base, "--tag=sample"]).failed(1);
    assert!(failed.stderr.contains("exit code: 3"), "{}", failed.stderr);
    workshop
        .laboratory
        .file("words-amd64", "hello\n")
        .dockerfile("FROM scratch\nARG TARGETARCH\nCOPY words-$TARGETARCH /\n");
    let failed = workshop.build(&["--tag=sample"]).failed(1);
    assert!(failed.stderr.contains("words-arm64"), "{}", failed.stderr);
    workshop.run(&["verify", "sample"]).failed(2);
    // What nodes built apart is in no daemon together.
    workshop.laboratory.file("words-arm64", "hello\n");
    let refused = workshop.build(&["--tag=sample", "--load"]).failed(2);
    assert!(
        refused.stderr.contains("build parts of the image"),
        "{}",
        refused.stderr
    );
}
