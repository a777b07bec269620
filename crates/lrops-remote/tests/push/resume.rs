//! Uploads that are cut, and go on: in the same process, and in the next.

use std::io::Read;
use std::net::TcpListener;
use std::sync::Mutex;

use lrops_model::blob::{BlobError, BlobSource, MemoryStore};
use lrops_model::cancel::CancelToken;
use lrops_model::oci::Descriptor;
use lrops_model::upload::{Upload, UploadJournal, UploadSession};
use lrops_remote::registry::BlobOutcome;
use lrops_testkit::proxy::{Disturbance, FaultProxy, Rule};
use lrops_testkit::registry::{Access, Fault, RegistryServer};

use crate::scene::{CHUNK_SIZE_BYTES, IMAGE, REPOSITORY, Scene, answer, chain};

/// A scene whose registry is reached through a proxy.
fn behind_a_proxy() -> (Scene, FaultProxy) {
    let scene = Scene::usual();
    let proxy = FaultProxy::start(scene.server.address());
    let scene = scene.at(proxy.name());
    (scene, proxy)
}

/// Where to cut: at the bounds of chunks, beside them, and far from them.
fn places() -> Vec<u64> {
    let size = IMAGE.layer().size;
    let chunk = CHUNK_SIZE_BYTES;
    vec![
        0,
        1,
        2,
        1000,
        chunk - 1,
        chunk,
        chunk + 1,
        2 * chunk,
        size / 2,
        size - 1,
        size,
    ]
}

#[test]
fn an_upload_that_is_cut_at_any_byte_goes_on_there() {
    for place in places() {
        let (scene, proxy) = behind_a_proxy();
        proxy.cut_at(vec![place]);
        let outcome = scene
            .push_layer()
            .unwrap_or_else(|error| panic!("{place}: {}", chain(&error)));
        assert!(
            matches!(outcome, BlobOutcome::Taken { .. }),
            "{place}: {outcome:?}"
        );
        assert_eq!(proxy.cuts(), 1, "{place}");
        // Of one byte the registry says the same as of none.
        let again = u64::from(place == 1);
        scene.assert_layer_cost(scene.image.layer().size + again, &format!("cut at {place}"));
    }
}

#[test]
fn the_next_process_goes_on_where_the_last_one_was_cut() {
    for place in places() {
        let (scene, proxy) = behind_a_proxy();
        let scene = scene.with_retries(0);
        proxy.cut_at(vec![place]);
        let error = scene.push_layer().expect_err("it was cut and could not retry");
        assert!(error.can_go_on(), "{place}: {}", chain(&error));
        scene
            .push_layer()
            .unwrap_or_else(|error| panic!("{place}: {}", chain(&error)));
        let again = u64::from(place == 1);
        scene.assert_layer_cost(scene.image.layer().size + again, &format!("cut at {place}"));
    }
}

#[test]
fn several_cuts_in_one_blob_cost_less_than_a_chunk_each() {
    let size = IMAGE.layer().size;
    let tables = [
        vec![size / 4, size / 2, size * 3 / 4],
        vec![100, 200, 300],
        (1..=7).map(|cut| cut * 400_000).collect(),
    ];
    for cuts in tables {
        let (scene, proxy) = behind_a_proxy();
        proxy.cut_at(cuts.clone());
        scene
            .push_layer()
            .unwrap_or_else(|error| panic!("{cuts:?}: {}", chain(&error)));
        assert_eq!(proxy.cuts(), cuts.len());
        scene.assert_layer_cost(size, &format!("{cuts:?}"));
    }
}

#[test]
fn a_small_blob_goes_in_one_request_and_resumes_too() {
    let size = IMAGE.layer().size;
    for place in [0, 1, 1000, size / 2, size - 1, size] {
        let (mut scene, proxy) = behind_a_proxy();
        scene.settings.chunk_size = 8 * 1024 * 1024;
        proxy.cut_at(vec![place]);
        scene
            .push_layer()
            .unwrap_or_else(|error| panic!("{place}: {}", chain(&error)));
        let again = u64::from(place == 1);
        scene.assert_layer_cost(scene.image.layer().size + again, &format!("cut at {place}"));
        let sessions = if place > 1 { 1 } else { 2 };
        assert_eq!(scene.requests("POST upload").len(), sessions, "cut at {place}");
    }
}

#[test]
fn an_answer_that_is_lost_after_its_work_was_done_costs_no_chunk() {
    for (method, part) in [
        ("HEAD", "/blobs/"),
        ("POST", "/blobs/uploads"),
        ("PATCH", "/blobs/uploads"),
        ("PUT", "/blobs/uploads"),
        ("HEAD", "/manifests/sha256"),
        ("PUT", "/manifests/sha256"),
        ("GET", "/manifests/sha256"),
        ("HEAD", "/manifests/1.0"),
        ("PUT", "/manifests/1.0"),
    ] {
        let scene = Scene::usual();
        scene.server.once_for(method, part, Fault::DropAnswer);
        scene
            .push()
            .unwrap_or_else(|error| panic!("{method} {part}: {}", chain(&error)));
        scene.assert_pushed(method);
        assert_eq!(
            scene.server.bytes_received(),
            scene.image.blobs_size_bytes(),
            "{method} {part}"
        );
    }
}

#[test]
fn a_lost_answer_to_how_far_an_upload_is_costs_no_byte() {
    let (scene, proxy) = behind_a_proxy();
    proxy.cut_at(vec![1_000_000]);
    proxy.rule(Rule::once("/blobs/uploads", Disturbance::DropAnswer).method("GET"));
    scene.push_layer().unwrap();
    scene.assert_layer_cost(scene.image.layer().size, "a lost status");
    assert_eq!(scene.requests("GET upload").len(), 2);
}

#[test]
fn a_cut_in_the_request_that_ends_an_upload_sends_nothing_again() {
    for retries in [0, 1] {
        let scene = Scene::usual().with_retries(retries);
        scene
            .server
            .once_for("PUT", "/blobs/uploads", Fault::CutRequestAfter(0));
        let first = scene.push_layer();
        assert_eq!(first.is_ok(), retries == 1);
        if retries == 0 {
            assert_eq!(scene.push_layer().unwrap(), BlobOutcome::Taken { sent: 0 });
        }
        scene.assert_layer_cost(scene.image.layer().size, "a cut at the end");
    }
}

/// Remembers a session of the layer, as an earlier push would have.
fn remember(scene: &Scene, location: &str) {
    let upload = Upload {
        registry: scene.name.clone(),
        repository: REPOSITORY.to_owned(),
        digest: scene.image.layer().digest,
    };
    let mut claim = scene.journal.claim(&upload, &CancelToken::new()).unwrap();
    let session = UploadSession {
        location: location.to_owned(),
        offset: CHUNK_SIZE_BYTES,
        chunk_min: 0,
    };
    claim.keep(&session).unwrap();
}

#[test]
fn a_remembered_session_that_is_refused_elsewhere_is_forgotten() {
    for status in [400, 401, 403, 404, 405, 410] {
        for retries in [0, 3] {
            let scene = Scene::usual().with_retries(retries);
            let store = RegistryServer::start(Access::Open);
            store.times(usize::MAX, "GET", "signature=1", answer(status));
            let upload = format!("/v2/{REPOSITORY}/blobs/uploads/x?signature=1");
            remember(&scene, &format!("{}{upload}", store.url()));
            scene
                .push_layer()
                .unwrap_or_else(|error| panic!("{status}: {}", chain(&error)));
            scene.assert_layer_cost(scene.image.layer().size, "a signature that ran out");
            let asked = store.requests().into_iter();
            assert_eq!(asked.filter(|request| request.method == "GET").count(), 1);
        }
    }
}

#[test]
fn a_remembered_session_on_a_machine_that_is_gone_is_forgotten() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for retries in [0, 1, 3] {
        let scene = Scene::usual().with_retries(retries);
        remember(&scene, &format!("http://{gone}/upload"));
        scene
            .push_layer()
            .unwrap_or_else(|error| panic!("{retries} retries: {}", chain(&error)));
        scene.assert_layer_cost(scene.image.layer().size, "a machine that is gone");
    }
}

#[test]
fn a_remembered_session_that_cannot_be_reached_once_goes_on() {
    let scene = Scene::usual().with_retries(0);
    scene
        .server
        .once_for("PATCH", "/blobs/uploads", Fault::CutRequestAfter(1000));
    scene.push_layer().unwrap_err();
    scene.server.once_for("GET", "/blobs/uploads", answer(503));
    scene.push_layer().unwrap_err();
    scene.server.once_for("GET", "/blobs/uploads", Fault::DropAnswer);
    scene.push_layer().unwrap_err();
    scene.push_layer().unwrap();
    scene.assert_layer_cost(scene.image.layer().size, "the same session");
}

/// Notes from which offsets its blobs are opened.
struct CountingStore<'a> {
    store: &'a MemoryStore,
    opened: Mutex<Vec<u64>>,
}

impl BlobSource for CountingStore<'_> {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
        self.open_at(descriptor, 0)
    }

    fn open_at(&self, descriptor: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send>, BlobError> {
        self.opened.lock().unwrap().push(offset);
        self.store.open_at(descriptor, offset)
    }

    fn contains(&self, descriptor: &Descriptor) -> Result<bool, BlobError> {
        self.store.contains(descriptor)
    }
}

/// Pushes the layer, of which so many bytes may go twice, and returns from which offsets it was read.
fn opened_by(scene: &Scene, twice: u64) -> Vec<u64> {
    let store = CountingStore {
        store: &scene.image.store,
        opened: Mutex::default(),
    };
    scene
        .with_push(|push| push.blob(&store, scene.image.layer()))
        .unwrap_or_else(|error| panic!("{}", chain(&error)));
    scene.assert_layer_cost(scene.image.layer().size + twice, "no more again");
    store.opened.into_inner().unwrap()
}

#[test]
fn a_blob_of_many_chunks_is_opened_once_and_again_after_a_cut() {
    let (scene, _proxy) = behind_a_proxy();
    assert_eq!(opened_by(&scene, 0), [0]);
    assert!(scene.requests("PATCH upload").len() > 10);

    let (scene, proxy) = behind_a_proxy();
    proxy.cut_at(vec![1_000_000]);
    assert_eq!(opened_by(&scene, 0), [0, 1_000_000]);
}

#[test]
fn a_chunk_that_is_wanted_again_elsewhere_is_read_again() {
    let scene = Scene::usual();
    let fault = Fault::RedirectTo(format!("http://{}", scene.name));
    scene.server.once_for("PATCH", "/blobs/uploads", fault);
    assert_eq!(opened_by(&scene, CHUNK_SIZE_BYTES), [0, 0]);
}
