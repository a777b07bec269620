//! Images that are wrong are not delivered, and wrong images of others are found out.

use std::fs;
use std::path::Path;

use lrops_testkit::programs::go;

use crate::laboratory::Laboratory;

/// Compiles a small program for a platform.
pub(crate) fn program(laboratory: &Laboratory, architecture: &str) -> Vec<u8> {
    let source = laboratory.path("main.go");
    fs::write(&source, "package main\nfunc main() { println(\"hello\") }\n").unwrap();
    let out = laboratory.path(&format!("program-{architecture}"));
    let status = go()
        .args(["build", "-o"])
        .args([&out, &source])
        .env("GOARCH", architecture)
        .env("GOARM", "7")
        .status()
        .expect("Go starts");
    assert!(status.success());
    fs::read(out).unwrap()
}

#[test]
fn an_amd64_program_in_the_arm64_image_stops_the_delivery() {
    let laboratory = Laboratory::new();
    laboratory
        .file("program", program(&laboratory, "amd64"))
        .dockerfile("FROM scratch\nCOPY program /program\n");
    let layout = laboratory.path("layout");
    let output = format!("type=oci,tar=false,dest={}", layout.display());
    let ended = laboratory
        .build(&[
            "--platform",
            "linux/amd64,linux/arm64",
            "--tag",
            "wrong",
            "--output",
            &output,
        ])
        .failed(4);
    assert!(
        ended.stderr.contains("/program") && ended.stderr.contains("arm64"),
        "{}",
        ended.stderr
    );
    assert!(!layout.join("index.json").exists(), "nothing was delivered");
    laboratory.run(["image", "inspect", "wrong"]).failed(2);
}

#[test]
fn the_right_program_for_every_platform_is_proved() {
    let laboratory = Laboratory::new();
    for architecture in ["amd64", "arm64", "arm"] {
        laboratory.file(architecture, program(&laboratory, architecture));
    }
    laboratory.dockerfile("FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /program\n");
    laboratory.digest(&[
        "--platform",
        "linux/amd64,linux/arm64,linux/arm/v7",
        "--tag",
        "right",
    ]);
    let verified = laboratory.run(["verify", "right"]).succeeded();
    assert_eq!(
        verified.stdout.matches("linux/").count(),
        3,
        "{}",
        verified.stdout
    );
}

#[test]
fn a_damaged_blob_and_a_missing_platform_are_found() {
    let laboratory = Laboratory::new();
    laboratory
        .dockerfile("FROM busybox\nCOPY file /file\n")
        .file("file", "content");
    let layout = laboratory.path("layout");
    let output = format!("type=oci,tar=false,dest={}", layout.display());
    laboratory.digest(&["--output", &output]);
    laboratory.run([Path::new("verify"), &layout]).succeeded();
    laboratory
        .run([
            Path::new("verify"),
            &layout,
            Path::new("--platform"),
            Path::new("linux/amd64,linux/arm64"),
        ])
        .failed(4);
    let blobs = fs::read_dir(layout.join("blobs/sha256")).unwrap();
    let largest = blobs
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&largest, bytes).unwrap();
    let ended = laboratory.run([Path::new("verify"), &layout]).failed(4);
    let text = format!("{}{}", ended.stdout, ended.stderr);
    assert!(
        text.contains(largest.file_name().unwrap().to_str().unwrap()),
        "{text}"
    );
}

#[test]
fn what_is_meant_can_be_allowed() {
    let laboratory = Laboratory::new();
    laboratory
        .file("program", program(&laboratory, "amd64"))
        .dockerfile("FROM scratch\nCOPY program /firmware/program\n");
    laboratory.file("lrops.toml", "[verify]\nallow = [\"/firmware/*\"]\n");
    laboratory.digest(&["--platform", "linux/arm64"]);
}
