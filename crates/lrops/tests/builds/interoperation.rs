//! What other tools make of the images.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::laboratory::Laboratory;

const DOCKERFILE: &str = "FROM busybox\nCOPY hello /hello\nRUN rm /bin/vi && echo made >/made\nENV A=b\nLABEL l=m\n\
                          EXPOSE 80\nUSER 1000\nENTRYPOINT [\"/bin/sh\"]\n";

fn tool(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn layout(more: &[&str]) -> (Laboratory, String) {
    let laboratory = Laboratory::new();
    laboratory.dockerfile(DOCKERFILE).file("hello", "hello");
    let path = laboratory.path("layout").display().to_string();
    let output = format!("type=oci,tar=false,dest={path}");
    let mut arguments = vec!["--tag", "example.com/hello:1", "--output", &output];
    arguments.extend(more);
    laboratory.digest(&arguments);
    (laboratory, path)
}

#[test]
fn skopeo_inspects_and_copies_a_layout() {
    let (laboratory, path) = layout(&[]);
    let inspected: Value = serde_json::from_str(&tool(
        Command::new("skopeo").args(["inspect", &format!("oci:{path}:1")]),
    ))
    .unwrap();
    assert_eq!(inspected["Architecture"], "amd64");
    assert_eq!(inspected["Labels"]["l"], "m");
    let copy = laboratory.path("copy").display().to_string();
    tool(Command::new("skopeo").args([
        "--insecure-policy",
        "copy",
        "--all",
        &format!("oci:{path}:1"),
        &format!("dir:{copy}"),
    ]));
    assert!(fs::read_dir(copy).unwrap().count() >= 4);
}

#[test]
fn umoci_unpacks_a_layout() {
    let (laboratory, path) = layout(&[]);
    let bundle = laboratory.path("bundle");
    tool(
        Command::new("umoci")
            .args(["unpack", "--image", &format!("{path}:1")])
            .arg(&bundle),
    );
    let root = bundle.join("rootfs");
    assert_eq!(fs::read_to_string(root.join("hello")).unwrap(), "hello");
    assert_eq!(fs::read_to_string(root.join("made")).unwrap(), "made\n");
    assert!(
        root.join("bin/ls").symlink_metadata().is_ok() && root.join("bin/vi").symlink_metadata().is_err()
    );
}

#[test]
fn an_index_of_several_platforms_has_exactly_these() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile("FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /which\n");
    laboratory.file("amd64", "1").file("arm64", "2").file("arm", "3");
    let path = laboratory.path("layout").display().to_string();
    let output = format!("type=oci,tar=false,dest={path}");
    laboratory.digest(&[
        "--platform",
        "linux/amd64,linux/arm64,linux/arm/v7",
        "--tag",
        "x:1",
        "--output",
        &output,
    ]);
    let raw: Value = serde_json::from_str(&tool(Command::new("skopeo").args([
        "inspect",
        "--raw",
        &format!("oci:{path}:1"),
    ])))
    .unwrap();
    let platforms: Vec<String> = raw["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|manifest| {
            let platform = &manifest["platform"];
            let variant = platform["variant"]
                .as_str()
                .map(|variant| format!("/{variant}"))
                .unwrap_or_default();
            format!(
                "{}/{}{variant}",
                platform["os"].as_str().unwrap(),
                platform["architecture"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64", "linux/arm/v7"]);
}

#[test]
fn an_archive_holds_the_same_image_as_a_layout() {
    let (laboratory, _) = layout(&[]);
    let archive = laboratory.path("image.tar").display().to_string();
    let digest = laboratory.digest(&["--output", &format!("type=oci,dest={archive}")]);
    let raw = tool(Command::new("skopeo").args(["inspect", "--raw", &format!("oci-archive:{archive}")]));
    let listed = laboratory.run(["verify", &archive]).succeeded();
    assert!(raw.contains("\"layers\"") && !listed.stdout.is_empty());
    assert!(digest.starts_with("sha256:"));
}

#[test]
fn the_files_can_be_had_as_they_are() {
    let laboratory = Laboratory::new();
    laboratory
        .dockerfile("FROM scratch\nCOPY a /dir/a\n")
        .file("a", "content");
    let files = laboratory.files(&[]);
    assert_eq!(fs::read_to_string(files.join("dir/a")).unwrap(), "content");
    let both = laboratory.path("both");
    let output = format!("type=local,dest={}", both.display());
    laboratory.digest(&["--platform", "linux/amd64,linux/arm64", "--output", &output]);
    assert!(both.join("linux_amd64/dir/a").exists() && both.join("linux_arm64/dir/a").exists());
}

#[test]
fn digests_are_written_where_scripts_look_for_them() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile(DOCKERFILE).file("hello", "hello");
    let (id, metadata) = (laboratory.path("id"), laboratory.path("metadata.json"));
    let arguments = [
        "--iidfile",
        id.to_str().unwrap(),
        "--metadata-file",
        metadata.to_str().unwrap(),
        "--tag",
        "hello:1",
    ];
    let digest = laboratory.digest(&arguments);
    let metadata: Value = serde_json::from_str(&fs::read_to_string(metadata).unwrap()).unwrap();
    assert_eq!(metadata["containerimage.digest"], *digest);
    assert!(fs::read_to_string(id).unwrap().starts_with("sha256:"));
}

#[test]
fn files_of_archives_keep_their_times_and_all_others_get_one() {
    let laboratory = Laboratory::new();
    let mut tar = tar::Builder::new(fs::File::create(laboratory.context().join("archive.tar")).unwrap());
    let mut header = tar::Header::new_ustar();
    header.set_size(3);
    header.set_mode(0o644);
    header.set_mtime(1_000_000_000);
    tar.append_data(&mut header, "old", &b"abc"[..]).unwrap();
    tar.finish().unwrap();
    laboratory
        .dockerfile("FROM scratch\nADD archive.tar /archive/\nCOPY new /new\n")
        .file("new", "");
    let files = laboratory.files(&[]);
    let modified =
        |name: &str| std::os::unix::fs::MetadataExt::mtime(&fs::metadata(files.join(name)).unwrap());
    assert_eq!(
        (modified("archive/old"), modified("archive"), modified("new")),
        (1_000_000_000, 0, 0)
    );
}
