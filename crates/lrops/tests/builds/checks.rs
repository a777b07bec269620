//! `lrops check` where it has to look at images, and at what runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use lrops_testkit::registry::{Access, RegistryServer};
use serde_json::Value;

use crate::laboratory::{Ended, Laboratory, User};
use crate::publishing::{REPOSITORY, TWO, laboratory};

const RULE: &str = "SinglePlatformDigest";

/// A registry with an image of two platforms: its name by the digest of its index, and of its first manifest.
fn pinned(server: &RegistryServer) -> (String, String) {
    let name = format!("{}/{REPOSITORY}", server.name());
    let index = laboratory().digest(&["--platform", TWO, "-t", &format!("{name}:1.0.0"), "--push"]);
    let (_, document) = server.manifest(REPOSITORY, "1.0.0").unwrap();
    let document: Value = serde_json::from_slice(&document).unwrap();
    let manifest = &document["manifests"][0];
    assert_eq!(manifest["platform"]["architecture"], "amd64");
    let manifest = manifest["digest"].as_str().unwrap();
    (format!("{name}@{index}"), format!("{name}@{manifest}"))
}

fn check(laboratory: &Laboratory, dockerfile: &str, platforms: &str) -> Ended {
    laboratory
        .dockerfile(dockerfile)
        .run(["check", "--retries=0", "--platform", platforms])
        .succeeded()
}

#[test]
fn an_image_that_is_pinned_for_one_platform_and_taken_for_several_is_found() {
    let server = RegistryServer::start(Access::Open);
    let (index, manifest) = pinned(&server);
    let laboratory = Laboratory::new();
    let three = "linux/amd64,linux/arm64,linux/arm/v7";

    let text = format!("FROM scratch\nCOPY a /a\nFROM {manifest}\n");
    let ended = check(&laboratory, &text, three);
    let said = format!(
        "{RULE}: {manifest} is the image of linux/amd64 alone, and is taken for linux/arm64, linux/arm/v7 (line 3)"
    );
    assert!(ended.stdout.contains(&said), "{}", ended.stdout);
    assert!(ended.stdout.contains("Dockerfile:3:1"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("lrops image inspect docker://"),
        "{}",
        ended.stdout
    );
    for (text, platforms) in [
        (format!("FROM {index}\n"), TWO),
        (format!("FROM {manifest}\n"), "linux/amd64"),
        (
            format!("FROM --platform=$BUILDPLATFORM {manifest} AS a\nFROM scratch\nCOPY --from=a /noise /\n"),
            three,
        ),
        (format!("# check=skip={RULE}\nFROM {manifest}\n"), three),
    ] {
        let ended = check(&laboratory, &text, platforms);
        assert!(!ended.stdout.contains(RULE), "{text}: {}", ended.stdout);
    }

    // A build says it as well, and goes on.
    laboratory.dockerfile(&format!("FROM {manifest}\n"));
    let ended = laboratory
        .run(["build", "--progress=plain", "--platform", TWO, "."])
        .succeeded();
    assert!(ended.stderr.contains(RULE), "{}", ended.stderr);
}

#[test]
fn a_registry_that_does_not_answer_is_no_mistake_of_the_dockerfile() {
    let laboratory = Laboratory::new();
    let text = "FROM 127.0.0.1:1/team/app:1.0.0\nARG TARGETARCH=amd64\n";
    let ended = check(&laboratory, text, TWO);
    for said in [
        "ImageNotReached: what starts from it was not looked at",
        "PlatformArgDefault",
    ] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
    // One that has no such image answers, and the build would fail.
    let server = RegistryServer::start(Access::Open);
    laboratory.dockerfile(&format!("FROM {}/team/app:none\n", server.name()));
    let ended = laboratory.run(["check", "--retries=0"]).failed(3);
    assert!(ended.stdout.contains("ImageNotAvailable"), "{}", ended.stdout);
}

#[test]
fn emulated_lines_are_found_unless_they_are_skipped_or_denied() {
    let foreign = if cfg!(target_arch = "aarch64") {
        "linux/amd64"
    } else {
        "linux/arm64"
    };
    let laboratory = Laboratory::new();
    let check = |comment: &str, flag: &str| {
        laboratory.dockerfile(&format!("FROM 127.0.0.1:1/base\nRUN a\n{comment}RUN b\n"));
        laboratory.run(["check", "--retries=0", "--platform", foreign, flag])
    };
    let comment = "# check=skip=EmulatedRun\n";
    let warned = |ended: &Ended| ended.stdout.matches("EmulatedRun").count();
    assert_eq!(warned(&check("", "--emulation=warn").succeeded()), 2);
    assert_eq!(warned(&check(comment, "--emulation=warn").succeeded()), 1);
    assert_eq!(warned(&check("", "--emulation=allow").succeeded()), 0);
    assert_eq!(
        warned(&check(comment, "--emulation=deny").failed(3)),
        2,
        "denied is denied"
    );

    laboratory.dockerfile(&format!("{comment}FROM busybox\nRUN true\n"));
    let plan = |policy: &str| {
        let mut arguments = Laboratory::build_arguments(&["--platform", foreign, "--emulation", policy]);
        "plan".clone_into(&mut arguments[0]);
        laboratory.run(arguments)
    };
    let ended = plan("warn").succeeded();
    assert!(!ended.stderr.contains("EmulatedRun"), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("emulated"),
        "the plan says what is so: {}",
        ended.stdout
    );
    let ended = plan("deny");
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains("EmulatedRun"), "{}", ended.stderr);
}

#[test]
fn nothing_is_written_where_it_may_not_be() {
    let laboratory = Laboratory::of(User::Ordinary(4321));
    let text = "FROM scratch\nARG TARGETARCH=amd64\n";
    laboratory.dockerfile(text);
    let file = laboratory.context().join("Dockerfile");
    let fix = || {
        let ended = laboratory.run(["check", "--fix", "--platform", TWO]).failed(1);
        assert!(ended.stderr.contains("failed to write"), "{}", ended.stderr);
        assert!(ended.stderr.contains("denied"), "{}", ended.stderr);
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert_eq!(fs::read_dir(laboratory.context()).unwrap().count(), 1);
    };
    // A directory that is somebody else's, and then a file.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    fix();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(laboratory.context(), fs::Permissions::from_mode(0o777)).unwrap();
    fix();
}
