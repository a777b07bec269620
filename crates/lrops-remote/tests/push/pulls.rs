//! Blobs read back from a registry, over a line that fails as told.

use std::error::Error;
use std::io::Read;

use lrops_model::blob::{BlobSource, MemoryStore, open_verified};
use lrops_model::cancel::CancelToken;
use lrops_model::image::walk_image;
use lrops_testkit::proxy::{Announced, Disturbance, FaultProxy, Rule};
use lrops_testkit::registry::{Access, Fault, RegistryOptions, RegistryServer};

use crate::scene::{REPOSITORY, SECRET, Scene, answer, chain, with_tokens};

/// A registry that has the image, and a proxy before it.
fn pushed() -> (Scene, FaultProxy) {
    let scene = Scene::usual();
    scene.push().unwrap();
    let proxy = FaultProxy::start(scene.server.address());
    let scene = scene.at(proxy.name());
    (scene, proxy)
}

fn pull(scene: &Scene) -> Result<Vec<u8>, Box<dyn Error>> {
    let image = scene.client().image(&scene.reference(), &CancelToken::new());
    let mut bytes = Vec::new();
    open_verified(&image, scene.image.layer())?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[track_caller]
fn assert_pulled(scene: &Scene, what: &str) {
    let bytes = pull(scene).unwrap_or_else(|error| panic!("{what}: {}", chain(error.as_ref())));
    assert_eq!(bytes.len() as u64, scene.image.layer().size, "{what}");
}

#[test]
fn what_was_pushed_is_pulled_byte_for_byte() {
    let (scene, _proxy) = pushed();
    let cancel = CancelToken::new();
    let client = scene.client();
    let resolved = client
        .resolve(&scene.reference().with_tag("1.0").unwrap(), &cancel)
        .unwrap();
    assert_eq!(&resolved.descriptor, scene.image.root());
    let image = client.image(&scene.reference(), &cancel);
    let tree = walk_image(&image, &resolved.descriptor, &cancel).unwrap();
    assert_eq!(tree, scene.image.tree);
    let store = MemoryStore::new();
    for blob in scene.image.blobs() {
        let mut reader = open_verified(&image, blob).unwrap();
        lrops_model::blob::BlobStore::put(&store, blob, &mut reader).unwrap();
    }
}

#[test]
fn a_pull_that_is_cut_at_any_byte_goes_on_there() {
    let (scene, proxy) = pushed();
    let size = scene.image.layer().size;
    for place in [0, 1, 1000, 65_535, 65_536, size / 2, size - 1] {
        let before = proxy.bytes_to_client();
        proxy.rule(Rule::once("/blobs/", Disturbance::CutAnswerAfter(place)).method("GET"));
        assert_pulled(&scene, &format!("cut at {place}"));
        let came = proxy.bytes_to_client() - before;
        assert!(came < size + 65_536, "cut at {place}: {came} bytes");
    }
}

#[test]
fn a_pull_over_a_line_that_breaks_again_and_again_ends() {
    let (scene, proxy) = pushed();
    for _ in 0..6 {
        proxy.rule(Rule::once("/blobs/", Disturbance::CutAnswerAfter(400_000)).method("GET"));
    }
    assert_pulled(&scene, "six cuts");
    assert_eq!(proxy.cuts(), 6);
}

#[test]
fn a_registry_that_ignores_ranges_sends_again_what_is_skipped() {
    let scene = Scene::usual();
    scene.push().unwrap();
    scene
        .server
        .once_for("GET", "/blobs/", Fault::CutAfter(1_000_000));
    scene.server.once_for("GET", "/blobs/", Fault::IgnoreRange);
    assert_pulled(&scene, "without ranges");
    let asked = scene.requests("GET blob");
    assert_eq!(asked[1].header("range"), Some("bytes=1000000-"));
}

#[test]
fn a_pull_that_ends_early_goes_on() {
    let (scene, proxy) = pushed();
    let early = Disturbance::TruncateAnswer {
        bytes: 1_000_000,
        announced: Announced::Whole,
    };
    proxy.rule(Rule::once("/blobs/", early.clone()).method("GET"));
    assert_pulled(&scene, "an early end");
    proxy.rule(Rule::once("/blobs/", early).method("GET").always());
    // Each piece is progress, and the last one is whole.
    assert_pulled(&scene, "early ends");
}

#[test]
fn a_shorter_blob_is_told_with_both_lengths() {
    let (scene, proxy) = pushed();
    let short = Disturbance::TruncateAnswer {
        bytes: 1_000_000,
        announced: Announced::Shortened,
    };
    proxy.rule(Rule::once("/blobs/", short).method("GET"));
    let error = pull(&scene).unwrap_err();
    let text = chain(error.as_ref());
    assert!(
        text.contains("1000000") && text.contains(&scene.image.layer().size.to_string()),
        "{text}"
    );
    assert_pulled(&scene, "the whole");
}

#[test]
fn wrong_bytes_are_never_given_as_a_whole() {
    let (scene, proxy) = pushed();
    let flip = |bytes: &mut [u8]| {
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
    };
    for disturbance in [Disturbance::ChangeAnswer(flip), Disturbance::OtherBytes(vec![7])] {
        proxy.rule(Rule::once("/blobs/", disturbance).method("GET"));
        let error = pull(&scene).unwrap_err();
        assert!(
            chain(error.as_ref()).contains("other bytes"),
            "{}",
            chain(error.as_ref())
        );
    }
    // Also when only what came after a cut is wrong.
    proxy.rule(Rule::once("/blobs/", Disturbance::CutAnswerAfter(1_000_000)).method("GET"));
    proxy.rule(Rule::once("/blobs/", Disturbance::ChangeAnswer(flip)).method("GET"));
    assert!(pull(&scene).is_err());
    assert_pulled(&scene, "right bytes");
}

#[test]
fn a_busy_registry_gives_the_blob_later() {
    for status in [408, 429, 500, 502, 503, 504] {
        let scene = Scene::usual();
        scene.push().unwrap();
        scene.server.once_for("GET", "/blobs/", answer(status));
        assert_pulled(&scene, &status.to_string());
        scene.server.times(usize::MAX, "GET", "/blobs/", answer(status));
        let text = chain(pull(&scene).unwrap_err().as_ref());
        let words = if status == 429 {
            "too many requests"
        } else {
            &status.to_string()
        };
        assert!(text.contains(words) && text.contains("tried 4 times"), "{text}");
    }
}

#[test]
fn a_blob_on_another_host_is_read_there_without_credentials() {
    for options in [
        with_tokens(),
        RegistryOptions::usual().with_access(Access::Basic(SECRET)),
    ] {
        let scene = Scene::new(options).with_login(SECRET);
        scene.push().unwrap();
        let store: RegistryServer = scene.server.start_beside(RegistryOptions::usual());
        let blob = format!("/v2/{REPOSITORY}/blobs/");
        scene
            .server
            .times(usize::MAX, "GET", &blob, Fault::RedirectTo(store.url()));
        store.once_for("GET", &blob, Fault::CutAfter(1_000_000));
        store.once_for("GET", &blob, answer(503));
        assert_pulled(&scene, "another host");
        let there = store.requests();
        assert_eq!(there.len(), 3);
        assert_eq!(there[2].header("range"), Some("bytes=1000000-"));
        for request in &there {
            assert_eq!(request.header("authorization"), None);
        }
        store.times(usize::MAX, "GET", &blob, answer(403));
        let text = chain(pull(&scene).unwrap_err().as_ref());
        assert!(
            text.contains("redirects to 127.0.0.1") && text.contains("403"),
            "{text}"
        );
    }
}

#[test]
fn a_missing_blob_is_named_with_its_place() {
    let scene = Scene::usual();
    let image = scene.client().image(&scene.reference(), &CancelToken::new());
    assert!(!image.contains(scene.image.layer()).unwrap());
    let text = chain(pull(&scene).unwrap_err().as_ref());
    assert!(text.contains("is not in") && text.contains(REPOSITORY), "{text}");
}
