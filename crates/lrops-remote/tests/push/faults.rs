//! Every kind of request that a push makes, answered with every kind of failure.

use std::time::{Duration, Instant};

use lrops_remote::registry::PushError;
use lrops_testkit::registry::{Fault, RegistryOptions};

use crate::scene::{REPOSITORY, SECRET, Scene, answer_with, chain, kind, with_tokens};

/// A kind of request, as faults name it.
#[derive(Clone, Copy, Debug)]
struct Kind {
    method: &'static str,
    part: &'static str,
}

const fn of(method: &'static str, part: &'static str) -> Kind {
    Kind { method, part }
}

const LOOK_FOR_BLOB: Kind = of("HEAD", "/blobs/");
const OPEN_UPLOAD: Kind = of("POST", "/blobs/uploads");
const CHUNK: Kind = of("PATCH", "/blobs/uploads");
const END_UPLOAD: Kind = of("PUT", "/blobs/uploads");
const UPLOAD_STATUS: Kind = of("GET", "/blobs/uploads");
const LOOK_FOR_MANIFEST: Kind = of("HEAD", "/manifests/sha256:");
const PUT_MANIFEST: Kind = of("PUT", "/manifests/sha256:");
const READ_BACK: Kind = of("GET", "/manifests/sha256:");
const LOOK_FOR_TAG: Kind = of("HEAD", "/manifests/1.0");
const PUT_TAG: Kind = of("PUT", "/manifests/1.0");
const TOKEN: Kind = of("GET", "/token");

const KINDS: [Kind; 11] = [
    LOOK_FOR_BLOB,
    OPEN_UPLOAD,
    CHUNK,
    END_UPLOAD,
    UPLOAD_STATUS,
    LOOK_FOR_MANIFEST,
    PUT_MANIFEST,
    READ_BACK,
    LOOK_FOR_TAG,
    PUT_TAG,
    TOKEN,
];

const PASSING: [u16; 6] = [408, 429, 500, 502, 503, 504];

fn scene(kind: Kind) -> Scene {
    let scene = match kind.part {
        "/token" => Scene::new(with_tokens()).with_login(SECRET),
        _ => Scene::new(RegistryOptions::usual()),
    };
    // The state of an upload is asked for after a cut only.
    if kind.method == "GET" && kind.part == "/blobs/uploads" {
        scene
            .server
            .once_for("PATCH", "/blobs/uploads", Fault::CutRequestAfter(1000));
    }
    scene.small()
}

fn failure(status: u16, retry_after: Option<&str>) -> Fault {
    let headers = retry_after.map(|text| ("Retry-After", text.to_owned()));
    answer_with(status, headers.into_iter().collect())
}

/// Every kind of request with every failure that may pass, with and without a wait that the registry asks for.
fn each(check: impl Fn(Kind, u16, Fault, &str)) {
    for kind in KINDS {
        for status in PASSING {
            for retry_after in [None, Some("0")] {
                let what = format!(
                    "{status} to {} {}, Retry-After {retry_after:?}",
                    kind.method, kind.part
                );
                check(kind, status, failure(status, retry_after), &what);
            }
        }
    }
}

#[track_caller]
fn assert_nothing_is_tagged(scene: &Scene, what: &str) {
    scene.server.assert_complete(REPOSITORY);
    assert!(scene.server.tags(REPOSITORY).is_empty(), "{what}");
}

#[track_caller]
fn assert_succeeds(scene: &Scene, what: &str) {
    scene
        .push()
        .unwrap_or_else(|error| panic!("{what}: {}", chain(&error)));
    scene.assert_pushed(what);
}

#[test]
fn a_failure_that_passes_is_not_noticed() {
    each(|kind, _, fault, what| {
        let scene = scene(kind);
        scene.server.once_for(kind.method, kind.part, fault);
        assert_succeeds(&scene, what);
    });
}

#[test]
fn a_failure_that_stays_is_told_once_and_leaves_nothing_half_done() {
    each(|kind, status, fault, what| {
        let scene = scene(kind);
        scene.server.times(usize::MAX, kind.method, kind.part, fault);
        let error = scene.push().expect_err(what);
        let text = chain(&error);
        let words = if status == 429 {
            "too many requests"
        } else {
            &status.to_string()
        };
        assert!(text.to_lowercase().contains(words), "{what}: {text}");
        assert!(text.contains(&scene.name), "{what}: {text}");
        assert!(error.can_go_on(), "{what}: {text}");
        assert!(!error.is_refused(), "{what}: {text}");
        assert!(error.advice().is_some(), "{what}: {text}");
        assert_nothing_is_tagged(&scene, what);
        scene.server.forget_faults();
        assert_succeeds(&scene, what);
    });
}

#[test]
fn a_failure_is_retried_as_often_as_is_set() {
    for retries in [0, 2] {
        for kind in [OPEN_UPLOAD, PUT_MANIFEST, PUT_TAG] {
            let scene = scene(kind).one_at_a_time().with_retries(retries);
            scene
                .server
                .times(usize::MAX, kind.method, kind.part, failure(503, None));
            let error = scene.push().unwrap_err();
            let PushError::Registry(error) = error else {
                panic!("{error:?}");
            };
            assert_eq!(error.attempts, retries + 1);
            assert_eq!(count(&scene, kind), retries + 1, "{kind:?}");
        }
    }
}

fn count(scene: &Scene, kind: Kind) -> usize {
    let requests = scene.server.requests().into_iter();
    requests
        .filter(|request| request.method == kind.method && request.target.contains(kind.part))
        .count()
}

#[test]
fn the_wait_that_a_registry_asks_for_is_kept() {
    for (kind, status) in [(CHUNK, 503), (PUT_TAG, 429)] {
        let scene = scene(kind);
        scene
            .server
            .once_for(kind.method, kind.part, failure(status, Some("1")));
        let started = Instant::now();
        assert_succeeds(&scene, "a wait");
        assert!(started.elapsed() >= Duration::from_secs(1));
    }
}

#[test]
fn a_wait_that_is_asked_for_with_a_date_is_kept() {
    let scene = scene(PUT_TAG);
    let dated = answer_with(
        503,
        vec![
            ("Date", "Wed, 21 Oct 2015 07:28:00 GMT".to_owned()),
            ("Retry-After", "Wed, 21 Oct 2015 07:28:01 GMT".to_owned()),
        ],
    );
    scene.server.once_for(PUT_TAG.method, PUT_TAG.part, dated);
    let started = Instant::now();
    assert_succeeds(&scene, "a date");
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_registry_that_asks_for_a_long_wait_is_left_alone_at_once() {
    for kind in [OPEN_UPLOAD, CHUNK, PUT_MANIFEST, PUT_TAG, TOKEN] {
        let scene = scene(kind).one_at_a_time();
        scene
            .server
            .once_for(kind.method, kind.part, failure(429, Some("3600")));
        let error = scene.push().unwrap_err();
        let text = chain(&error);
        assert!(text.contains("left alone for 60 minutes"), "{kind:?}: {text}");
        assert!(error.can_go_on() && error.advice().is_some(), "{kind:?}: {text}");
        assert_eq!(count(&scene, kind), 1, "{kind:?}");
        assert_succeeds(&scene, "later");
    }
}

#[test]
fn a_refusal_is_told_at_once_with_what_to_do() {
    let all: &[u16] = &[400, 401, 403, 404, 405];
    // That there is no such thing is an answer to who looks; and an upload has its own way around these.
    let table = [
        (LOOK_FOR_BLOB, &[400, 401, 403, 405][..]),
        (OPEN_UPLOAD, all),
        (CHUNK, &[401, 403]),
        (END_UPLOAD, &[401, 403, 405]),
        (LOOK_FOR_MANIFEST, &[400, 401, 403, 405]),
        (PUT_MANIFEST, all),
        (READ_BACK, &[400, 401, 403, 405]),
        (LOOK_FOR_TAG, &[400, 401, 403, 405]),
        (PUT_TAG, all),
        (TOKEN, all),
    ];
    for (kind, statuses) in table {
        for status in statuses {
            check_refusal(kind, *status);
        }
    }
}

fn check_refusal(kind: Kind, status: u16) {
    let what = format!("{status} to {} {}", kind.method, kind.part);
    let scene = scene(kind).one_at_a_time();
    let words = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"the words of the registry"}]}"#;
    let fault = Fault::Answer {
        status,
        headers: vec![("Content-Type", "application/json".to_owned())],
        body: words.as_bytes().to_vec(),
    };
    scene.server.times(usize::MAX, kind.method, kind.part, fault);
    let error = scene.push().expect_err(&what);
    let text = chain(&error);
    assert_eq!(count(&scene, kind), 1, "{what}: {text}");
    assert!(text.contains(&scene.name), "{what}: {text}");
    assert!(
        kind.method == "HEAD" || text.contains("the words of the registry"),
        "{what}: {text}"
    );
    assert_eq!(error.is_refused(), [401, 403].contains(&status), "{what}: {text}");
    assert!(!error.can_go_on(), "{what}: {text}");
    // What a registry finds bad in a request, it must say itself.
    assert!(status == 400 || error.advice().is_some(), "{what}: {text}");
    assert_nothing_is_tagged(&scene, &what);
    scene.server.forget_faults();
    assert_succeeds(&scene, &what);
}

#[test]
fn a_document_that_is_not_seen_at_once_is_asked_for_again() {
    let scene = scene(READ_BACK);
    scene
        .server
        .times(2, READ_BACK.method, READ_BACK.part, failure(404, None));
    assert_succeeds(&scene, "a registry of several machines");
}

#[test]
fn a_full_disk_is_told_in_the_words_of_the_registry() {
    for kind in [OPEN_UPLOAD, CHUNK, END_UPLOAD, PUT_MANIFEST, PUT_TAG] {
        let scene = scene(kind);
        scene.server.once_for(kind.method, kind.part, Fault::DiskFull);
        assert_succeeds(&scene, "a disk that was full once");

        let scene = self::scene(kind);
        scene
            .server
            .times(usize::MAX, kind.method, kind.part, Fault::DiskFull);
        let error = scene.push().unwrap_err();
        assert!(
            chain(&error).contains("no space left on device"),
            "{}",
            chain(&error)
        );
        assert!(error.can_go_on());
        assert_nothing_is_tagged(&scene, "a full disk");
        scene.server.forget_faults();
        assert_succeeds(&scene, "a disk that was full");
    }
}

#[test]
fn the_first_failure_stops_the_other_uploads() {
    let mut scene = Scene::usual().with_retries(0);
    scene.settings.parallel = 4;
    scene
        .server
        .times(usize::MAX, "PUT", "/blobs/uploads", failure(500, None));
    scene.push().unwrap_err();
    let asked = scene.server.requests();
    assert!(!asked.iter().any(|request| kind(request).ends_with("manifest")));
    assert!(
        scene.server.bytes_received() < scene.image.blobs_size_bytes(),
        "all was sent although a part had failed"
    );
}

#[test]
fn a_refusal_that_ends_the_connection_before_the_body_is_read_is_understood() {
    let unread = |status| Fault::AnswerWithoutReading {
        status,
        headers: Vec::new(),
        body: br#"{"errors":[{"code":"DENIED","message":"the quota is used up"}]}"#.to_vec(),
    };
    let large = || {
        let mut scene = Scene::usual();
        scene.settings.chunk_size = 16 * 1024 * 1024;
        scene
    };
    for status in [408, 429, 500, 503] {
        let scene = large();
        scene.server.once_for("PUT", "/blobs/uploads", unread(status));
        scene
            .push_layer()
            .unwrap_or_else(|error| panic!("{status}: {}", chain(&error)));
    }
    let scene = large();
    scene
        .server
        .times(usize::MAX, "PUT", "/blobs/uploads", unread(403));
    let error = scene.push_layer().unwrap_err();
    assert!(error.is_refused(), "{}", chain(&error));
    assert!(
        chain(&error).contains("the quota is used up"),
        "{}",
        chain(&error)
    );
}
