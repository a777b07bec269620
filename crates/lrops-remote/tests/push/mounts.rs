//! Blobs that the registry takes from another of its repositories.

use lrops_model::digest::Digest;
use lrops_model::upload::{Upload, UploadJournal};
use lrops_remote::registry::BlobOutcome;
use lrops_testkit::registry::{Mounts, RegistryOptions, Right};

use crate::scene::{IMAGE, REPOSITORY, SECRET, Scene, answer, answer_with, chain, with_tokens};

const BASE: &str = "library/base";

/// A journal that knows the layer to be in another repository, where it may be or not.
fn with_base(scene: Scene, is_there: bool) -> Scene {
    let layer = scene.image.layer();
    if is_there {
        scene
            .server
            .put_blob(BASE, layer.media_type.clone(), &layer_bytes());
    }
    note(&scene, BASE);
    scene
}

fn note(scene: &Scene, repository: &str) {
    scene.journal.note(&Upload {
        registry: scene.name.clone(),
        repository: repository.to_owned(),
        digest: scene.image.layer().digest,
    });
}

fn layer_bytes() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = lrops_model::blob::open_verified(&IMAGE.store, IMAGE.layer()).unwrap();
    std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
    bytes
}

fn mounted() -> BlobOutcome {
    BlobOutcome::Mounted {
        from: BASE.to_owned(),
    }
}

#[test]
fn a_blob_that_another_repository_has_is_not_sent() {
    let scene = with_base(Scene::usual(), true);
    assert_eq!(scene.push_layer().unwrap(), mounted());
    scene.assert_layer_cost(0, "a mount");
    assert_eq!(scene.asked(), ["HEAD blob", "POST upload"]);
    assert_eq!(scene.server.sessions(), 0);
}

#[test]
fn a_repository_that_lost_the_blob_costs_no_request() {
    for scene in [
        with_base(Scene::usual(), false),
        with_base(
            Scene::new(RegistryOptions::usual().with_mounts(Mounts::NotOffered)),
            true,
        ),
    ] {
        assert!(matches!(scene.push_layer().unwrap(), BlobOutcome::Taken { .. }));
        // The upload goes into the session that the registry opened instead.
        assert_eq!(scene.requests("POST upload").len(), 1);
        assert_eq!(scene.server.sessions(), 0);
        scene.assert_layer_cost(scene.image.layer().size, "a mount that is not one");
    }
}

#[test]
fn the_second_repository_is_tried_when_the_first_lost_the_blob() {
    let scene = with_base(Scene::usual(), true);
    note(&scene, "team/lost");
    assert_eq!(scene.push_layer().unwrap(), mounted());
    assert_eq!(scene.server.sessions(), 0);
}

#[test]
fn a_repository_that_may_not_be_read_does_not_stop_the_push() {
    let options = with_tokens().with_right(BASE, Right::Nothing);
    let scene = with_base(Scene::new(options).with_login(SECRET), true);
    assert!(matches!(scene.push_layer().unwrap(), BlobOutcome::Taken { .. }));
    for status in [400, 403, 404, 405] {
        let scene = with_base(Scene::usual(), true);
        scene.server.once_for("POST", "mount=", answer(status));
        assert!(
            matches!(scene.push_layer().unwrap(), BlobOutcome::Taken { .. }),
            "{status}"
        );
    }
}

#[test]
fn an_answer_to_a_mount_that_makes_no_sense_does_not_stop_the_push() {
    let challenge = ("WWW-Authenticate", "Bearer realm=\"nowhere\"".to_owned());
    let other = ("Docker-Content-Digest", Digest::of("other").to_string());
    for fault in [
        answer(202),
        answer_with(202, vec![("Location", "ftp://nowhere/".to_owned())]),
        answer_with(201, vec![other]),
        answer_with(401, vec![challenge]),
    ] {
        let scene = with_base(Scene::usual(), true);
        scene.server.once_for("POST", "mount=", fault.clone());
        let outcome = scene
            .push_layer()
            .unwrap_or_else(|error| panic!("{fault:?}: {}", chain(&error)));
        assert!(matches!(outcome, BlobOutcome::Taken { .. }), "{fault:?}");
    }
}

#[test]
fn a_mount_asks_for_the_right_to_read_there_too() {
    let scene = with_base(Scene::new(with_tokens()).with_login(SECRET), true);
    assert_eq!(scene.push_layer().unwrap(), mounted());
    let tokens = scene.requests("GET token");
    let asked = &tokens.last().unwrap().target;
    for scope in [
        format!("repository:{REPOSITORY}:pull,push"),
        format!("repository:{BASE}:pull"),
    ] {
        assert!(asked.contains(&scope), "{scope} is not in {asked}");
    }
}

#[test]
fn a_registry_that_fails_only_at_mounts_gets_the_bytes() {
    let scene = with_base(Scene::usual(), true);
    scene.server.times(usize::MAX, "POST", "mount=", answer(500));
    assert!(matches!(scene.push_layer().unwrap(), BlobOutcome::Taken { .. }));
}

#[test]
fn what_was_pushed_to_one_repository_is_mounted_into_the_next() {
    let scene = Scene::usual();
    scene.push().unwrap();
    let other = format!("{}/team/other", scene.name).parse().unwrap();
    let cancel = lrops_model::cancel::CancelToken::new();
    let client = scene.client();
    let push = client.push(&other, scene.settings, &scene.journal, &cancel, &|_| {});
    for blob in scene.image.blobs() {
        let outcome = push.blob(&scene.image.store, blob).unwrap();
        assert_eq!(
            outcome,
            BlobOutcome::Mounted {
                from: REPOSITORY.to_owned()
            }
        );
    }
    scene.finish(&push).unwrap();
    scene.server.assert_complete("team/other");
    assert_eq!(scene.server.bytes_received(), scene.image.blobs_size_bytes());
}
