//! The same against a registry that others made: Debian's docker-registry, which cannot resume.

use std::collections::BTreeSet;
use std::fs;

use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::reference::Reference;
use lrops_remote::registry::{BlobOutcome, TagOutcome};
use lrops_testkit::debian_registry::{DebianRegistry, skopeo};
use lrops_testkit::proxy::FaultProxy;

use crate::scene::{REPOSITORY, Scene, TAGS, chain};

fn before(registry: &DebianRegistry) -> (Scene, FaultProxy) {
    let proxy = FaultProxy::start(registry.address());
    let scene = Scene::usual().at(proxy.name());
    (scene, proxy)
}

fn inspect(registry: &DebianRegistry, tag: &str) -> Vec<u8> {
    let place = format!("docker://{}/{REPOSITORY}:{tag}", registry.name());
    skopeo(&["inspect", "--raw", "--tls-verify=false", &place])
}

/// The digests of all that skopeo copies of an image.
fn copied(registry: &DebianRegistry, tag: &str) -> (Digest, BTreeSet<String>) {
    let directory = tempfile::tempdir().unwrap();
    let place = format!("docker://{}/{REPOSITORY}:{tag}", registry.name());
    let layout = format!("oci:{}:{tag}", directory.path().display());
    skopeo(&[
        "copy",
        "--all",
        "--preserve-digests",
        "--src-tls-verify=false",
        "--insecure-policy",
        &place,
        &layout,
    ]);
    let index = fs::read(directory.path().join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let root = index["manifests"][0]["digest"].as_str().unwrap().parse().unwrap();
    let blobs = fs::read_dir(directory.path().join("blobs/sha256")).unwrap();
    let names = blobs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    (root, names.collect())
}

#[test]
fn an_image_pushed_over_a_line_that_breaks_is_what_skopeo_sees_and_copies() {
    for cuts in [vec![], vec![1_000_000], vec![1, 300_000, 3_000_000]] {
        let registry = DebianRegistry::start();
        let (scene, proxy) = before(&registry);
        proxy.cut_at(cuts.clone());
        scene
            .push()
            .unwrap_or_else(|error| panic!("{cuts:?}: {}", chain(&error)));
        assert_eq!(proxy.cuts(), cuts.len());
        assert_eq!(scene.push().unwrap(), [TagOutcome::Already; 2]);
        for tag in TAGS {
            assert_eq!(
                inspect(&registry, tag),
                scene.image.root_bytes,
                "{tag}, cut at {cuts:?}"
            );
        }
        let parts = scene.image.tree.parts();
        let expected = parts.iter().map(|part| part.descriptor.digest.hex()).collect();
        assert_eq!(
            copied(&registry, "1.0"),
            (scene.image.root().digest, expected),
            "{cuts:?}"
        );
    }
}

#[test]
fn the_next_process_begins_an_upload_anew_that_cannot_be_resumed() {
    let registry = DebianRegistry::start();
    let (scene, proxy) = before(&registry);
    let scene = scene.with_retries(0);
    let size = scene.image.layer().size;
    proxy.cut_at(vec![1_000_000]);
    let error = scene.push_layer().unwrap_err();
    assert!(error.can_go_on(), "{}", chain(&error));
    scene
        .push_layer()
        .unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert!(proxy.body_bytes_to_upstream() <= size + 1_000_000);
}

#[test]
fn blobs_are_mounted_tags_listed_and_manifests_deleted() {
    let registry = DebianRegistry::start();
    let (scene, _proxy) = before(&registry);
    let (client, cancel) = (scene.client(), CancelToken::new());
    scene.check_rights().unwrap();
    assert_eq!(registry.open_uploads(REPOSITORY), 0);
    assert_eq!(
        client.tags(&scene.reference(), &cancel).unwrap(),
        Vec::<String>::new()
    );
    scene.push().unwrap();
    assert_eq!(registry.open_uploads(REPOSITORY), 0);

    let other = format!("{}/team/other", scene.name).parse().unwrap();
    let push = client.push(&other, scene.settings, &scene.journal, &cancel, &|_| {});
    for blob in scene.image.blobs() {
        let outcome = push.blob(&scene.image.store, blob).unwrap();
        assert!(matches!(outcome, BlobOutcome::Mounted { .. }), "{outcome:?}");
    }
    scene.finish(&push).unwrap();

    // This registry lists tags in no order.
    let tags = |reference: &Reference| {
        client
            .tags(reference, &cancel)
            .unwrap()
            .into_iter()
            .collect::<BTreeSet<_>>()
    };
    let all: BTreeSet<String> = TAGS.map(str::to_owned).into();
    assert_eq!(tags(&scene.reference()), all);
    let root = scene.image.root().digest;
    assert_eq!(client.digest_of(&scene.reference(), &cancel).unwrap(), Some(root));
    let error = client
        .delete(&scene.reference().with_tag("1.0").unwrap(), &cancel)
        .unwrap_err();
    assert!(error.cannot_delete(), "{}", chain(&error));
    client
        .delete(&scene.reference().with_digest(root), &cancel)
        .unwrap();
    assert_eq!(client.digest_of(&scene.reference(), &cancel).unwrap(), None);
    assert_eq!(tags(&scene.reference()), BTreeSet::new());
    assert_eq!(tags(&other), all);
}
