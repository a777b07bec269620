//! `pull`, `verify` and `image`, where the image is in a registry.

use std::fs;

use lrops_testkit::debian_registry::{DebianRegistry, skopeo};
use lrops_testkit::registry::{Access, Deletion, Fault, RegistryOptions, RegistryServer};

use crate::laboratory::Laboratory;
use crate::publishing::{REPOSITORY, TWO, laboratory};

/// A registry that has an image under a tag, and its digest.
fn with_image(server: &RegistryServer, laboratory: &Laboratory, tag: &str) -> (String, String) {
    let name = format!("{}/{REPOSITORY}:{tag}", server.name());
    let digest = laboratory.digest(&["--platform", TWO, "-t", &name, "--push"]);
    laboratory.run(["image", "rm", &name]).succeeded();
    (name, digest)
}

#[test]
fn an_image_is_pulled_whole_and_what_is_here_is_not_fetched_again() {
    let server = RegistryServer::start(Access::Open);
    let (name, digest) = with_image(&server, &laboratory(), "1.0.0");
    let laboratory = laboratory();
    // The connection breaks in the middle of the large layer.
    server.once_for("GET", "/blobs/", Fault::CutAfter(100_000));
    let flags = ["--retry-wait=0.01"];
    let ended = laboratory
        .run(["pull", &name].into_iter().chain(flags))
        .succeeded();
    assert_eq!(ended.stdout.trim(), digest);
    laboratory.run(["verify", &name, "--platform", TWO]).succeeded();
    let layers = |server: &RegistryServer| {
        let requests = server.requests().into_iter();
        requests
            .filter(|request| request.method == "GET" && request.path().contains("/blobs/"))
            .count()
    };
    let before = layers(&server);
    laboratory.run(["pull", &name]).succeeded();
    assert_eq!(layers(&server), before);

    let arm = laboratory
        .run(["pull", &name, "--platform", "linux/arm64"])
        .succeeded();
    assert_ne!(arm.stdout.trim(), digest);
    let ended = laboratory
        .run(["pull", &name, "--platform", "linux/s390x"])
        .failed(2);
    assert!(
        ended.stderr.contains("linux/amd64, linux/arm64"),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_image_is_verified_in_its_registry_and_nothing_is_kept() {
    let server = RegistryServer::start(Access::Open);
    let (name, digest) = with_image(&server, &laboratory(), "1.0.0");
    let laboratory = Laboratory::new();
    let name = format!("docker://{name}");
    let ended = laboratory.run(["verify", &name, "--platform", TWO]).succeeded();
    assert!(
        ended.stdout.contains(&digest) && ended.stdout.contains("in the registry"),
        "{}",
        ended.stdout
    );
    assert!(!laboratory.store().exists(), "nothing was kept");
    laboratory
        .run(["verify", &name, "--platform", "linux/amd64,linux/arm/v7"])
        .failed(4);

    // A registry whose disk has rotted: the last layer's bytes are others.
    let layer = server
        .requests()
        .into_iter()
        .rev()
        .find(|request| request.path().contains("/blobs/"));
    let layer = layer.unwrap().path().rsplit('/').next().unwrap().to_owned();
    server.times(8, "GET", &layer, Fault::OtherBytes(vec![0; 300]));
    let ended = laboratory.run(["verify", &name, "--retries=0"]);
    assert!(
        matches!(ended.code, Some(1 | 4)),
        "{:?}: {}",
        ended.code,
        ended.stderr
    );
}

#[test]
fn an_image_is_shown_as_its_registry_has_it() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let (name, digest) = with_image(&server, &laboratory, "1.0.0");
    let raw = laboratory.run(["image", "inspect", "--raw", &name]).succeeded();
    assert_eq!(
        raw.stdout.as_bytes(),
        server.manifest(REPOSITORY, "1.0.0").unwrap().1
    );
    let text = laboratory.run(["image", "inspect", &name]).succeeded().stdout;
    for part in [
        digest.as_str(),
        "linux/arm64",
        "COPY noise /noise",
        "config",
        "the registry",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let json = laboratory
        .run(["image", "inspect", "--format=json", &name])
        .succeeded()
        .stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["images"].as_array().unwrap().len(), 2);
    let missing = format!("{}/{REPOSITORY}:none", server.name());
    laboratory.run(["image", "inspect", &missing]).failed(1);
}

#[test]
fn a_retag_moves_no_blob_and_changes_no_byte() {
    let server = RegistryServer::start(Access::Open);
    let other = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let (name, digest) = with_image(&server, &laboratory, "1.0.0");
    let received = server.bytes_received();
    let (near, far) = (
        format!("{}/copies/app:x", server.name()),
        format!("{}/team/app:1.0.0", other.name()),
    );
    laboratory
        .run(["image", "tag", &name, ":latest", &near, &far])
        .succeeded();
    assert_eq!(server.bytes_received(), received, "blobs were mounted");
    let named = [
        server.tags(REPOSITORY)["latest"],
        server.tags("copies/app")["x"],
        other.tags(REPOSITORY)["1.0.0"],
    ];
    assert!(named.iter().all(|named| named.to_string() == digest));
    other.assert_complete(REPOSITORY);
    server.assert_complete("copies/app");
}

#[test]
fn an_image_is_copied_between_places() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let (name, digest) = with_image(&server, &laboratory, "1.0.0");
    let layout = laboratory.path("layout");
    let place = format!("oci-layout://{}:v1", layout.display());
    laboratory.run(["image", "copy", &name, &place]).succeeded();
    laboratory
        .run(["verify", layout.to_str().unwrap(), "--platform", TWO])
        .succeeded();
    let back = format!("{}/back/app:v1", server.name());
    let ended = laboratory.run(["image", "copy", &place, &back]).succeeded();
    assert_eq!(
        ended.stdout.trim(),
        format!("{}/back/app@{digest}", server.name())
    );
    server.assert_complete("back/app");
}

#[test]
fn images_of_one_platform_each_become_one_index() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let of = |tag: &str| format!("{}/{REPOSITORY}:{tag}", server.name());
    for platform in ["amd64", "arm64"] {
        laboratory.digest(&[
            "--platform",
            &format!("linux/{platform}"),
            "-t",
            &of(platform),
            "--push",
        ]);
    }
    let elsewhere = format!("{}/other/app", server.name());
    laboratory
        .run([
            "image",
            "create",
            "--tag",
            &elsewhere,
            "--annotation",
            "a=b",
            &of("amd64"),
            &of("arm64"),
        ])
        .succeeded();
    server.assert_complete("other/app");
    laboratory
        .run(["verify", &format!("docker://{elsewhere}"), "--platform", TWO])
        .succeeded();
    let (_, index) = server.manifest("other/app", "latest").unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(index["annotations"]["a"], "b");

    // Another arm64 takes the place of the first; the rest stays.
    laboratory.file("noise", b"other");
    laboratory.digest(&["--platform", "linux/arm64", "-t", &of("new"), "--push"]);
    let create = ["image", "create", "--tag", &elsewhere, "--append", &of("new")];
    let shown = laboratory
        .run(create.into_iter().chain(["--dry-run"]))
        .succeeded()
        .stdout;
    laboratory.run(create).succeeded();
    let (_, appended) = server.manifest("other/app", "latest").unwrap();
    assert_eq!(
        shown.as_bytes(),
        appended,
        "what --dry-run shows is what is published"
    );
    let appended: serde_json::Value = serde_json::from_slice(&appended).unwrap();
    assert_eq!(appended["manifests"][0], index["manifests"][0]);
    assert_ne!(
        appended["manifests"][1]["digest"],
        index["manifests"][1]["digest"]
    );
    assert_eq!(appended["annotations"]["a"], "b");
}

#[test]
fn a_tag_is_removed_where_the_registry_can_and_else_only_alone() {
    for (deletion, shared_goes) in [(Deletion::Everything, true), (Deletion::NotTags, false)] {
        let server = RegistryServer::start_with(RegistryOptions::usual().with_deletion(deletion));
        let laboratory = laboratory();
        let (name, digest) = with_image(&server, &laboratory, "one");
        laboratory.run(["image", "tag", &name, ":two"]).succeeded();
        let one = format!("docker://{name}");
        let ended = laboratory.run(["image", "rm", &one]);
        if shared_goes {
            ended.succeeded();
            assert!(server.tags(REPOSITORY).into_keys().eq(["two"]));
            continue;
        }
        let ended = ended.failed(1);
        assert!(
            ended.stderr.contains("only together with two"),
            "{}",
            ended.stderr
        );
        assert_eq!(server.tags(REPOSITORY).len(), 2);
        let by_digest = format!("docker://{}/{REPOSITORY}@{digest}", server.name());
        laboratory.run(["image", "rm", &by_digest]).failed(1);
        laboratory.run(["image", "rm", &one, "--force"]).succeeded();
        assert!(server.tags(REPOSITORY).is_empty());
    }
}

#[test]
fn a_manifest_that_a_tagged_index_needs_is_not_removed() {
    let server = RegistryServer::start_with(RegistryOptions::usual().with_deletion(Deletion::NotTags));
    let laboratory = laboratory();
    let (_, _) = with_image(&server, &laboratory, "both");
    let name = format!("{}/{REPOSITORY}:amd64-only", server.name());
    laboratory.digest(&["--platform", "linux/amd64", "-t", &name, "--push"]);
    let place = format!("docker://{name}");
    let ended = laboratory.run(["image", "rm", &place, "--force"]).failed(1);
    assert!(
        ended.stderr.contains("the index of both needs its manifest"),
        "{}",
        ended.stderr
    );
    server.assert_complete(REPOSITORY);
    assert_eq!(server.tags(REPOSITORY).len(), 2);
}

#[test]
fn an_image_that_is_not_proved_is_not_copied_to_a_registry() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let layout = laboratory.path("layout");
    let output = format!("type=oci,tar=false,dest={}", layout.display());
    laboratory.digest(&["--platform", TWO, "--output", &output]);
    // The largest blob is the layer of noise; one bit of it tips over.
    let blobs = fs::read_dir(layout.join("blobs/sha256")).unwrap().flatten();
    let layer = blobs
        .max_by_key(|blob| blob.metadata().unwrap().len())
        .unwrap()
        .path();
    let mut bytes = fs::read(&layer).unwrap();
    bytes[1_000_000] ^= 1;
    fs::write(&layer, bytes).unwrap();
    let place = format!("oci-layout://{}", layout.display());
    let name = format!("{}/{REPOSITORY}:1.0.0", server.name());
    laboratory.run(["image", "copy", &place, &name]).failed(4);
    laboratory
        .run(["image", "create", "--tag", &name, &place])
        .failed(4);
    laboratory.run(["push", &place, "--tag", &name]).failed(4);
    assert!(server.tags(REPOSITORY).is_empty());
}

#[test]
fn a_name_is_never_removed_from_a_registry_by_accident() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let (name, _) = with_image(&server, &laboratory, "1.0.0");
    let ended = laboratory.run(["image", "rm", &name]).failed(2);
    assert!(
        ended.stderr.contains(&format!("lrops image rm docker://{name}")),
        "{}",
        ended.stderr
    );
    assert_eq!(server.tags(REPOSITORY).len(), 1);
}

#[test]
fn pruning_takes_no_child_that_a_kept_index_needs() {
    for deletion in [Deletion::Everything, Deletion::NotTags] {
        let server = RegistryServer::start_with(RegistryOptions::usual().with_deletion(deletion));
        let laboratory = laboratory();
        let of = |tag: &str| format!("{}/{REPOSITORY}:{tag}", server.name());
        // Both indexes have amd64's manifest in common, and the manifest has a tag of its own.
        laboratory.digest(&["--platform", "linux/amd64", "-t", &of("amd64-only"), "--push"]);
        laboratory.digest(&["--platform", TWO, "-t", &of("v2"), "--push"]);
        laboratory.digest(&[
            "--platform",
            "linux/amd64,linux/s390x",
            "-t",
            &of("old"),
            "--push",
        ]);
        let repository = format!("{}/{REPOSITORY}", server.name());
        let prune = ["image", "prune", &repository, "--keep", "v*"];
        let ended = laboratory.run(prune).succeeded();
        assert!(ended.stderr.contains("nothing was removed"), "{}", ended.stderr);
        assert_eq!(server.tags(REPOSITORY).len(), 3);
        let ended = laboratory.run(prune.into_iter().chain(["--yes"]));
        server.assert_complete(REPOSITORY);
        let left: Vec<String> = server.tags(REPOSITORY).into_keys().collect();
        if ended.code == Some(0) {
            assert_eq!(left, ["v2"]);
        } else {
            // Without deletion of tags the one of a needed manifest has to stay, and that is said.
            assert_eq!(left, ["amd64-only", "v2"]);
            assert!(ended.stderr.contains("amd64-only stay"), "{}", ended.stderr);
        }
        let v2 = format!("docker://{}", of("v2"));
        laboratory.run(["verify", &v2, "--platform", TWO]).succeeded();
    }
}

#[test]
fn pruning_without_a_word_on_what_stays_is_refused() {
    let laboratory = Laboratory::new();
    let ended = laboratory
        .run(["image", "prune", "127.0.0.1:1/team/app"])
        .failed(2);
    assert!(ended.stderr.contains("--keep"), "{}", ended.stderr);
    laboratory
        .run(["image", "prune", "127.0.0.1:1/team/app:v1", "--keep=x"])
        .failed(2);
}

#[test]
fn what_debians_registry_has_is_what_skopeo_sees() {
    let registry = DebianRegistry::start();
    let laboratory = laboratory();
    let name = format!("{}/{REPOSITORY}:1.0.0", registry.name());
    let digest = laboratory.digest(&["--platform", TWO, "-t", &name, "--push"]);
    let reference = format!("docker://{name}");
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &reference]);
    let own = laboratory
        .run(["image", "inspect", "--raw", &reference])
        .succeeded();
    assert_eq!(raw, own.stdout.as_bytes());
    let copy = laboratory.path("copy");
    skopeo(&[
        "copy",
        "--all",
        "--preserve-digests",
        "--insecure-policy",
        "--src-tls-verify=false",
        &reference,
        &format!("oci:{}:v1", copy.display()),
    ]);
    let copied = copy.to_str().unwrap();
    let ended = laboratory.run(["verify", copied, "--platform", TWO]).succeeded();
    assert!(ended.stdout.contains(&digest), "{}", ended.stdout);

    laboratory.run(["image", "tag", &name, ":latest"]).succeeded();
    laboratory.run(["image", "rm", &reference]).failed(1);
    laboratory.run(["image", "rm", &reference, "--force"]).succeeded();
    laboratory.run(["verify", &reference]).failed(1);
    laboratory.run(["push", &name]).succeeded();
    fs::remove_dir_all(laboratory.store()).unwrap();
    let pulled = laboratory.run(["pull", &name]).succeeded();
    assert_eq!(pulled.stdout.trim(), digest);
}
