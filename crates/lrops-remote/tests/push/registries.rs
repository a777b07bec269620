//! Registries of other habits.

use lrops_remote::registry::BlobOutcome;
use lrops_testkit::proxy::FaultProxy;
use lrops_testkit::registry::{
    Access, Chunks, Fault, Locations, RegistryOptions, RegistryServer, Resumption, SeenRequest,
};

use crate::scene::{CHUNK_SIZE_BYTES, IMAGE, REPOSITORY, SECRET, Scene, answer, answer_with, chain};

const MEBIBYTE: u64 = 1024 * 1024;

#[test]
fn a_registry_that_forgets_what_is_cut_gets_it_from_the_beginning() {
    let size = IMAGE.layer().size;
    for place in [
        0,
        1,
        CHUNK_SIZE_BYTES,
        CHUNK_SIZE_BYTES + 1,
        size / 2,
        size - 1,
        size,
    ] {
        for retries in [3, 0] {
            let options = RegistryOptions::like_distribution().with_resumption(Resumption::ForgetsOnCut);
            let scene = Scene::new(options).with_retries(retries);
            let proxy = FaultProxy::start(scene.server.address());
            let scene = scene.at(proxy.name());
            proxy.cut_at(vec![place]);
            let first = scene.push_layer();
            if retries == 0 {
                assert!(first.unwrap_err().can_go_on(), "{place}");
                scene.push_layer().unwrap();
            } else {
                first.unwrap_or_else(|error| panic!("{place}: {}", chain(&error)));
            }
            scene.assert_layer_cost(size + place, &format!("cut at {place}"));
        }
    }
}

#[test]
fn a_registry_without_chunks_gets_each_blob_in_one_request() {
    for status in [400, 404, 405, 415, 416, 501] {
        let scene = Scene::new(RegistryOptions::usual().with_chunks(Chunks::Refused(status)));
        let outcome = scene
            .push_layer()
            .unwrap_or_else(|error| panic!("{status}: {}", chain(&error)));
        assert!(matches!(outcome, BlobOutcome::Taken { .. }));
        let size = scene.image.layer().size;
        let put = scene.requests("PUT upload");
        assert_eq!(put.len(), 1, "{status}");
        assert_eq!(put[0].body_length, size, "{status}");
        let refused = scene.requests("PATCH upload").len() as u64;
        assert!(refused <= 2, "{status}: {refused}");
        scene.assert_layer_cost(size + refused * CHUNK_SIZE_BYTES, &format!("{status} to chunks"));
        assert_eq!(scene.server.sessions(), 0, "{status}");
    }
}

#[test]
fn what_a_registry_refuses_is_learnt_from_one_blob_for_all() {
    // In the image there are three large layers.
    for (status, refused) in [(405, 1), (404, 2)] {
        let options = RegistryOptions::usual().with_chunks(Chunks::Refused(status));
        let scene = Scene::new(options).one_at_a_time();
        scene
            .push()
            .unwrap_or_else(|error| panic!("{status}: {}", chain(&error)));
        scene.assert_pushed("whole blobs");
        assert_eq!(scene.requests("PATCH upload").len(), refused, "{status}");
    }
    let options = RegistryOptions::usual().with_body_bytes_max(MEBIBYTE + MEBIBYTE / 2);
    let mut scene = Scene::new(options).one_at_a_time();
    scene.settings.chunk_size = 16 * MEBIBYTE;
    scene.push().unwrap_or_else(|error| panic!("{}", chain(&error)));
    scene.assert_pushed("smaller chunks");
    let ends = scene.requests("PUT upload");
    let length = |end: &SeenRequest| end.header("content-length").unwrap().parse::<u64>().unwrap();
    let too_large = ends.iter().filter(|end| length(end) > MEBIBYTE);
    assert_eq!(too_large.count(), 1);
}

#[test]
fn a_cut_whole_upload_ends_when_it_is_cut_no_more() {
    let scene = Scene::new(RegistryOptions::usual().with_chunks(Chunks::Refused(405)));
    for bytes in [0, 1, 1_000_000] {
        scene
            .server
            .once_for("PUT", "/blobs/uploads", Fault::CutRequestAfter(bytes));
    }
    scene.push_layer().unwrap();
}

#[test]
fn a_registry_that_wants_larger_chunks_gets_them() {
    for retries in [3, 0] {
        let scene = Scene::new(RegistryOptions::usual().with_chunk_bytes_min(MEBIBYTE)).with_retries(retries);
        let proxy = FaultProxy::start(scene.server.address());
        let scene = scene.at(proxy.name());
        proxy.cut_at(vec![1_500_000]);
        if scene.push_layer().is_err() {
            scene
                .push_layer()
                .unwrap_or_else(|error| panic!("in the next process: {}", chain(&error)));
        }
        scene.assert_layer_cost(scene.image.layer().size, "large chunks");
        let chunks: Vec<u64> = scene
            .requests("PATCH upload")
            .iter()
            .map(|chunk| chunk.body_length)
            .collect();
        assert!(chunks[0] == MEBIBYTE && chunks[2] == MEBIBYTE, "{chunks:?}");
    }
}

#[test]
fn chunks_that_are_too_large_for_a_proxy_get_smaller() {
    let options = || RegistryOptions::usual().with_body_bytes_max(MEBIBYTE + MEBIBYTE / 2);
    for chunk_size in [2 * MEBIBYTE, 16 * MEBIBYTE] {
        let mut scene = Scene::new(options());
        scene.settings.chunk_size = chunk_size;
        scene
            .push_layer()
            .unwrap_or_else(|error| panic!("{}", chain(&error)));
        let sizes: Vec<u64> = scene
            .requests("PATCH upload")
            .iter()
            .map(|chunk| chunk.body_length)
            .collect();
        assert!(
            sizes.iter().filter(|size| **size == MEBIBYTE).count() >= 2,
            "{sizes:?}"
        );
        scene.assert_layer_cost(scene.image.layer().size, "smaller chunks");
    }
}

#[test]
fn a_proxy_that_takes_no_chunk_at_all_is_named_with_its_setting() {
    let mut scene = Scene::new(RegistryOptions::usual().with_body_bytes_max(100_000));
    scene.settings.chunk_size = 16 * MEBIBYTE;
    let error = scene.push_layer().unwrap_err();
    assert!(chain(&error).contains("413"), "{}", chain(&error));
    assert!(error.advice().unwrap().contains("client_max_body_size"));
    assert!(!error.can_go_on());
}

#[test]
fn locations_are_followed_as_they_are_written() {
    for locations in [Locations::Relative, Locations::Absolute] {
        let scene = Scene::new(RegistryOptions::usual().with_locations(locations.clone()));
        scene
            .push()
            .unwrap_or_else(|error| panic!("{locations:?}: {}", chain(&error)));
        scene.assert_pushed("locations");
    }
}

#[test]
fn uploads_on_another_host_get_no_credentials() {
    for access in [
        Access::Basic(SECRET),
        Access::Token {
            credentials: Some(SECRET),
            expires_in_seconds: 300,
        },
    ] {
        let store = RegistryServer::start(Access::Open);
        let options = RegistryOptions::usual()
            .with_access(access)
            .with_locations(Locations::At(store.url()));
        let registry = store.start_beside(options);
        let mut scene = Scene::usual().with_login(SECRET);
        scene.name = registry.name();
        scene.server = registry;
        // A cut makes it ask for the session's state there, too.
        store.once_for("PATCH", "/blobs/uploads", Fault::CutRequestAfter(1000));
        scene.push().unwrap_or_else(|error| panic!("{}", chain(&error)));
        scene.assert_pushed("another host");
        let there = store.requests();
        assert!(there.iter().any(|request| request.method == "PATCH"));
        assert!(there.iter().any(|request| request.method == "GET"));
        for request in &there {
            assert_eq!(
                request.header("authorization"),
                None,
                "{} {}",
                request.method,
                request.target
            );
        }
        assert!(scene.requests("PATCH upload").is_empty());
        assert_eq!(store.bytes_received(), scene.image.blobs_size_bytes());
    }
}

#[test]
fn an_upload_that_the_registry_lost_begins_anew() {
    for (method, status) in [
        ("PATCH", 404),
        ("PATCH", 410),
        ("PUT", 404),
        ("GET", 404),
        ("GET", 416),
    ] {
        let scene = Scene::usual();
        let proxy = FaultProxy::start(scene.server.address());
        let scene = scene.at(proxy.name());
        if method == "GET" {
            proxy.cut_at(vec![1_000_000]);
        }
        let skipped = if method == "PATCH" { 3 } else { 0 };
        let lost = lrops_testkit::proxy::Disturbance::Answer {
            status,
            headers: Vec::new(),
            body: br#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}"#.to_vec(),
        };
        proxy.rule(
            lrops_testkit::proxy::Rule::once("/blobs/uploads", lost)
                .method(method)
                .skip(skipped),
        );
        scene
            .push_layer()
            .unwrap_or_else(|error| panic!("{method} {status}: {}", chain(&error)));
        scene.assert_layer_cost(2 * scene.image.layer().size, method);
    }
}

#[test]
fn a_session_of_another_day_is_given_up() {
    let scene = Scene::usual().with_retries(0);
    scene
        .server
        .once_for("PATCH", "/blobs/uploads", Fault::CutRequestAfter(1000));
    scene.push_layer().unwrap_err();
    for status in [400, 404, 416] {
        scene.server.once_for("GET", "/blobs/uploads", answer(status));
        // Then nothing is left of it, in the registry and in the journal.
        if status == 416 {
            scene.push_layer().unwrap();
        } else {
            scene
                .server
                .once_for("PATCH", "/blobs/uploads", Fault::CutRequestAfter(1000));
            scene.push_layer().unwrap_err();
        }
    }
    assert_eq!(scene.server.sessions(), 0);
}

#[test]
fn a_registry_that_says_0_0_whatever_it_has_is_left_in_the_end() {
    let scene = Scene::usual();
    let location = format!("/v2/{REPOSITORY}/blobs/uploads/upload-1?_state=x");
    let headers = vec![("Location", location), ("Range", "0-0".to_owned())];
    scene
        .server
        .times(usize::MAX, "PATCH", "/blobs/uploads", answer_with(202, headers));
    // It is asked to take the blob in one request, and can.
    scene
        .push_layer()
        .unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert!(scene.requests("PATCH upload").len() <= 3);
}

#[test]
fn a_registry_that_refuses_every_chunk_in_the_middle_is_left_in_the_end() {
    for status in [400, 404, 416, 417] {
        let scene = Scene::usual();
        let proxy = FaultProxy::start(scene.server.address());
        let scene = scene.at(proxy.name());
        let refusal = lrops_testkit::proxy::Disturbance::Answer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        };
        proxy.rule(
            lrops_testkit::proxy::Rule::once("/blobs/uploads", refusal)
                .method("PATCH")
                .skip(3)
                .always(),
        );
        // Whole, it is taken.
        scene
            .push_layer()
            .unwrap_or_else(|error| panic!("{status}: {}", chain(&error)));
        assert!(
            proxy.requests().len() < 40,
            "{status}: {:?}",
            proxy.requests().len()
        );
    }
}
