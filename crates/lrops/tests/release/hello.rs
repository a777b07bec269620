//! The main job: `examples/hello`, from the next version's tag to the image that everybody pulls as `latest`.

use std::process::Command;

use lrops_testkit::registry::{Access, RegistryServer};
use serde_json::Value;

use crate::sample::{REPOSITORY, everything, hello, tags};

const THREE: [&str; 3] = ["linux/amd64", "linux/arm64", "linux/arm/v7"];

#[test]
fn the_example_is_released_for_three_platforms() {
    let server = RegistryServer::start(Access::Open);
    let project = hello(&server.name());
    let (seen, success) = project.lrops_at_terminal("bump", &[("[patch]: ", "minor\n")]);
    assert!(success, "{seen}");
    let before = everything(&project.path());
    let answers = [("[v0.1.0]: ", "1\n"), ("[y/N]: ", "y\n")];
    let (seen, success) = project.lrops_at_terminal("release --push --progress=plain", &answers);
    assert!(success, "{seen}");
    for line in ["told VERSION=0.1.0", "nothing is emulated", "3 platforms"] {
        assert!(seen.contains(line), "{line}: {seen}");
    }
    let tags = tags(&server);
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["0.1.0", "latest"]);
    assert_eq!(tags["0.1.0"], tags["latest"]);
    server.assert_complete(REPOSITORY);
    let name = format!("docker://{}/{REPOSITORY}:latest", server.name());
    let platforms = format!("--platform={}", THREE.join(","));
    project.lrops(&["verify", &platforms, &name]).exits(0);
    let inspected = project
        .lrops(&["image", "inspect", "--format=json", &name])
        .exits(0);
    let inspected: Value = serde_json::from_str(&inspected.stdout()).unwrap();
    assert!(inspected.to_string().contains("0.1.0"), "{inspected}");
    let files = project.beside("files");
    let output = format!("--output=type=local,dest={}", files.display());
    project
        .lrops(&["image", "export", &tags["latest"], &output])
        .exits(0);
    let program = files.join("linux_amd64/usr/local/bin/hello");
    let version = Command::new(program).arg("-version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    assert!(version.contains("0.1.0"), "{version}");
    assert!(
        everything(&project.path()) == before,
        "the work tree is as it was"
    );

    // Once more, all is there.
    let arguments = ["release", "--tag=v0.1.0", "--push", "--yes", "--progress=plain"];
    let again = project.lrops(&arguments).exits(0).says("0 blobs sent");
    assert!(again.stdout().contains(&tags["latest"]));
}
