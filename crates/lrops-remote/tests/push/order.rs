//! What a push asks, and in which order.

use lrops_remote::registry::{BlobOutcome, PushError, TagExpectation, TagOutcome};

use crate::scene::{REPOSITORY, Scene, kind};

#[test]
fn blobs_go_once_then_documents_from_the_leaves_to_the_root_then_tags() {
    let scene = Scene::usual().one_at_a_time();
    assert_eq!(scene.push().unwrap(), [TagOutcome::Moved; 2]);
    scene.assert_pushed("a push");
    assert_eq!(scene.server.bytes_received(), scene.image.blobs_size_bytes());
    assert_eq!(scene.server.sessions(), 0);

    let mut asked = scene.asked();
    asked.dedup();
    let begun = asked.iter().position(|kind| kind == "HEAD manifest").unwrap();
    for kind in &asked[..begun] {
        assert!(
            kind.ends_with("blob") || kind.ends_with("upload"),
            "{kind} among the blobs"
        );
    }
    let one_document = ["HEAD manifest", "PUT manifest", "GET manifest"];
    let one_tag = ["HEAD tag", "PUT tag", "HEAD tag"];
    // The second tag is looked for right after the first was.
    let expected = [one_document.repeat(4), one_tag.to_vec(), one_tag[1..].to_vec()].concat();
    assert_eq!(asked[begun..], expected);

    let put = scene.requests("PUT manifest");
    let put: Vec<&str> = put
        .iter()
        .map(|request| request.path().rsplit('/').next().unwrap())
        .collect();
    let mut expected: Vec<String> = scene
        .image
        .tree
        .manifests()
        .iter()
        .map(|(child, _)| child.digest.to_string())
        .collect();
    expected.push(scene.image.root().digest.to_string());
    assert_eq!(put, expected);
}

#[test]
fn blobs_are_sent_several_at_a_time_and_the_largest_first() {
    let mut scene = Scene::usual();
    scene.settings.parallel = 3;
    scene.push().unwrap();
    scene.assert_pushed("a parallel push");
    assert_eq!(scene.server.bytes_received(), scene.image.blobs_size_bytes());
    let heads = scene.requests("HEAD blob");
    let asked_first = heads[..3]
        .iter()
        .map(|head| head.path().rsplit('/').next().unwrap().parse().unwrap());
    let mut sizes: Vec<u64> = asked_first
        .map(|digest| {
            scene
                .image
                .blobs()
                .into_iter()
                .find(|blob| blob.digest == digest)
                .unwrap()
                .size
        })
        .collect();
    sizes.sort_unstable();
    assert!(sizes[0] > 2_000_000, "{sizes:?}");
}

#[test]
fn a_blob_that_many_threads_push_at_once_is_sent_once() {
    let scene = Scene::usual();
    let layer = scene.image.layer();
    scene.with_push(|push| {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| push.blob(&scene.image.store, layer).unwrap());
            }
        });
    });
    scene.assert_layer_cost(layer.size, "many threads");
    assert_eq!(scene.requests("HEAD blob").len(), 1);
    // Nor do two pushes that share a journal, as two builds in one process would.
    let scene = Scene::usual();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| scene.push_layer().unwrap());
        }
    });
    scene.assert_layer_cost(layer.size, "two pushes");
}

#[test]
fn pushing_again_sends_and_moves_nothing() {
    let scene = Scene::usual();
    scene.push().unwrap();
    let (before, bytes) = (scene.server.requests().len(), scene.server.bytes_received());
    scene.with_push(|push| {
        for blob in scene.image.blobs() {
            assert_eq!(push.blob(&scene.image.store, blob).unwrap(), BlobOutcome::There);
        }
        assert_eq!(scene.finish(push).unwrap(), [TagOutcome::Already; 2]);
    });
    let again = scene.server.requests().split_off(before);
    for request in &again {
        assert!(
            ["HEAD", "GET"].contains(&request.method.as_str()),
            "{}",
            kind(request)
        );
    }
    assert_eq!(scene.server.bytes_received(), bytes);
}

#[test]
fn a_tag_that_names_another_image_is_seen_before_it_is_moved() {
    let scene = Scene::usual().small();
    let other = scene.server.put_manifest(
        REPOSITORY,
        Some("1.0"),
        lrops_model::oci::MediaType::OCI_INDEX,
        br#"{"schemaVersion":2,"manifests":[]}"#,
    );
    scene.with_push(|push| {
        assert_eq!(push.tagged("1.0").unwrap(), Some(other.digest));
        assert_eq!(push.tagged("latest").unwrap(), None);
    });
    assert_eq!(scene.push().unwrap(), [TagOutcome::Moved; 2]);
    scene.assert_pushed("a tag that moves");
}

#[test]
fn a_tag_that_is_expected_to_be_free_is_not_taken_from_another_image() {
    let scene = Scene::usual().small();
    let other = scene.server.put_manifest(
        REPOSITORY,
        Some("1.0"),
        lrops_model::oci::MediaType::OCI_INDEX,
        br#"{"schemaVersion":2,"manifests":[]}"#,
    );
    scene.with_push(|push| {
        push.blobs(&scene.image.store, &scene.image.blobs()).unwrap();
        push.documents(&scene.image.tree).unwrap();
        let give = |tag| scene.give(push, tag, TagExpectation::FreeOrSame);
        let error = give("1.0").unwrap_err();
        assert!(
            matches!(&error, PushError::Taken { tag, there } if tag == "1.0" && *there == other.digest),
            "{error}"
        );
        assert!(error.advice().is_some() && !error.can_go_on() && !error.is_refused());
        assert!(scene.requests("PUT tag").is_empty());
        assert_eq!(give("2.0").unwrap(), TagOutcome::Moved);
        assert_eq!(give("2.0").unwrap(), TagOutcome::Already);
    });
}

#[test]
fn a_tag_that_is_taken_while_giving_it_is_tried_again_is_left() {
    let scene = Scene::usual().small();
    scene.push().unwrap();
    let put = scene.requests("PUT tag").len();
    // The first attempt fails, and another push is quicker than the second.
    scene
        .server
        .once_for("PUT", "/manifests/3.0", crate::scene::answer(503));
    scene
        .server
        .once_for("HEAD", "/manifests/3.0", crate::scene::answer(404));
    scene.server.put_manifest(
        REPOSITORY,
        Some("3.0"),
        lrops_model::oci::MediaType::OCI_INDEX,
        br#"{"schemaVersion":2,"manifests":[]}"#,
    );
    let given = scene.with_push(|push| scene.give(push, "3.0", TagExpectation::FreeOrSame));
    assert!(matches!(given, Err(PushError::Taken { .. })), "{given:?}");
    assert_eq!(scene.requests("PUT tag").len(), put + 1);
}
