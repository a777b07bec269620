//! Registries that are slow, silent, gone, or talk nonsense.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use lrops_model::digest::Digest;
use lrops_remote::registry::{PushError, RegistryProblem, TagOutcome};
use lrops_testkit::proxy::{Announced, Disturbance, FaultProxy, Rule};
use lrops_testkit::registry::Fault;

use crate::scene::{REPOSITORY, SECRET, Scene, answer, chain, with_tokens};

const LONG: Duration = Duration::from_secs(2);

/// The requests that do something or bring something, but for tokens.
const REQUESTS: [(&str, &str); 8] = [
    ("HEAD", "/blobs/"),
    ("POST", "/blobs/uploads"),
    ("PATCH", "/blobs/uploads"),
    ("PUT", "/blobs/uploads"),
    ("PUT", "/manifests/sha256:"),
    ("GET", "/manifests/sha256:"),
    ("HEAD", "/manifests/1.0"),
    ("PUT", "/manifests/1.0"),
];

/// Checks all requests at a time: most of the time is waiting.
fn each(check: impl Fn(&str, &str) + Sync) {
    thread::scope(|scope| {
        for (method, part) in REQUESTS {
            let check = &check;
            scope.spawn(move || check(method, part));
        }
    });
}

#[test]
fn a_registry_that_falls_silent_once_is_asked_again() {
    each(|method, part| {
        let scene = Scene::usual().small().impatient();
        scene.server.once_for(method, part, Fault::Stall(LONG));
        scene
            .push()
            .unwrap_or_else(|error| panic!("{method} {part}: {}", chain(&error)));
        scene.assert_pushed(method);
    });
}

#[test]
fn a_registry_that_stays_silent_is_left() {
    each(|method, part| {
        let scene = Scene::usual().small().impatient().with_retries(1);
        scene.server.times(usize::MAX, method, part, Fault::Stall(LONG));
        let started = Instant::now();
        let error = scene.push().unwrap_err();
        assert!(
            started.elapsed() < LONG,
            "{method} {part}: {:?}",
            started.elapsed()
        );
        let text = chain(&error);
        assert!(
            text.contains("(tried 2 times): the connection failed: timeout"),
            "{method} {part}: {text}"
        );
        assert!(error.can_go_on() && error.advice().is_some());
        scene.server.assert_complete(REPOSITORY);
        assert!(scene.server.tags(REPOSITORY).is_empty());
        scene.server.forget_faults();
        scene.push().unwrap();
    });
}

#[test]
fn slowness_is_no_silence() {
    let mut scene = Scene::usual().small();
    scene.timeouts.idle = Duration::from_millis(400);
    let slow = |bytes| Fault::Slow {
        bytes,
        every: Duration::from_millis(100),
    };
    scene.server.once_for("PATCH", "/blobs/uploads", slow(2_000));
    scene.server.once_for("GET", "/manifests/sha256:", slow(50));
    let started = Instant::now();
    scene.push().unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert!(started.elapsed() > 2 * scene.timeouts.idle);
    scene.assert_pushed("slowly");
    assert_eq!(scene.server.bytes_received(), scene.image.blobs_size_bytes());
}

#[test]
fn a_registry_may_take_longer_to_answer_than_a_body_may_stop() {
    let mut scene = Scene::usual().small().with_retries(0);
    scene.timeouts.idle = Duration::from_millis(200);
    let proxy = FaultProxy::start(scene.server.address());
    let scene = scene.at(proxy.name());
    let stall = Disturbance::StallAnswer(Duration::from_millis(500));
    for (method, part) in [
        ("HEAD", "/blobs/"),
        ("POST", "/blobs/uploads"),
        ("PATCH", "/blobs/uploads"),
        ("PUT", "/blobs/uploads"),
        ("GET", "/manifests/"),
    ] {
        proxy.rule(Rule::once(part, stall.clone()).method(method));
    }
    scene.push().unwrap_or_else(|error| panic!("{}", chain(&error)));
}

#[test]
fn a_body_may_not_stop_for_as_long_as_a_registry_may_take_to_answer() {
    let mut scene = Scene::usual().small().with_retries(0);
    scene.timeouts.idle = Duration::from_millis(200);
    let proxy = FaultProxy::start(scene.server.address());
    let scene = scene.at(proxy.name());
    let stop = Disturbance::SlowAnswer {
        bytes: 100,
        every: LONG,
    };
    proxy.rule(Rule::once("/manifests/sha256:", stop).method("GET"));
    let started = Instant::now();
    let error = scene.push().unwrap_err();
    assert!(chain(&error).contains("timeout"), "{}", chain(&error));
    assert!(started.elapsed() < LONG, "{:?}", started.elapsed());
}

#[test]
fn an_answer_that_stops_in_its_middle_is_asked_for_again() {
    for disturbance in [
        Disturbance::SlowAnswer {
            bytes: 100,
            every: LONG,
        },
        Disturbance::CutAnswerAfter(100),
        Disturbance::TruncateAnswer {
            bytes: 100,
            announced: Announced::Whole,
        },
    ] {
        let scene = Scene::usual().small().impatient();
        let proxy = FaultProxy::start(scene.server.address());
        let scene = scene.at(proxy.name());
        proxy.rule(Rule::once("/manifests/sha256:", disturbance.clone()).method("GET"));
        scene
            .push()
            .unwrap_or_else(|error| panic!("{disturbance:?}: {}", chain(&error)));
        scene.assert_pushed("half an answer");
    }
}

#[test]
fn a_registry_that_is_not_there_is_told_by_name() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let scene = Scene::usual().at(gone.to_string());
    let error = scene.push().unwrap_err();
    let text = chain(&error);
    assert!(
        text.contains(&gone.to_string()) && text.contains("Connection refused"),
        "{text}"
    );
    assert!(text.contains("tried 4 times"), "{text}");
    assert!(error.can_go_on());
    assert!(error.advice().unwrap().contains("network"));
}

/// Answers every connection's first bytes with these.
fn talker(words: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(words);
        }
    });
    name
}

#[test]
fn what_is_no_http_is_told_as_such() {
    for words in [
        &b"SSH-2.0-OpenSSH_9.2p1\r\n"[..],
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 OK\r\n\r\n",
        b"",
    ] {
        let scene = Scene::usual().at(talker(words)).with_retries(1);
        let error = scene.push().unwrap_err();
        let text = chain(&error);
        assert!(
            text.contains(&scene.name) && text.contains("the connection failed"),
            "{text}"
        );
        assert!(error.advice().is_some(), "{text}");
    }
}

#[test]
fn a_web_server_that_answers_everything_with_a_page_is_no_registry() {
    let page: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>";
    let scene = Scene::usual().at(talker(page));
    let error = scene.push().unwrap_err();
    assert!(!error.can_go_on(), "{}", chain(&error));
    let error = scene.check_rights().unwrap_err();
    assert!(
        chain(&error).contains("does not keep to the OCI distribution protocol"),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_token_service_that_sends_no_token_is_told_as_such() {
    let scene = Scene::new(with_tokens()).with_login(SECRET);
    let page = Fault::Answer {
        status: 200,
        headers: vec![("Content-Type", "text/html".to_owned())],
        body: b"<html>log in</html>".to_vec(),
    };
    scene.server.times(usize::MAX, "GET", "/token", page);
    let error = scene.push().unwrap_err();
    let text = chain(&error);
    assert!(text.contains("token service"), "{text}");
    assert!(!error.can_go_on(), "{text}");
}

#[test]
fn a_digest_that_is_not_the_one_sent_ends_the_push() {
    for (method, part) in [
        ("PUT", "/blobs/uploads"),
        ("PUT", "/manifests/sha256:"),
        ("PUT", "/manifests/1.0"),
    ] {
        let scene = Scene::usual().small();
        scene.server.once_for(method, part, Fault::WrongDigestHeader);
        let error = scene.push().unwrap_err();
        assert_altered(&error);
        scene.server.assert_complete(REPOSITORY);
        // What the registry did, it did right, and the same push goes on.
        scene.push().unwrap();
        scene.assert_pushed(part);
    }
}

#[track_caller]
fn assert_altered(error: &PushError) {
    let PushError::Registry(error) = error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(error.problem, RegistryProblem::WrongDigest { .. }),
        "{}",
        chain(error)
    );
    assert_eq!(error.attempts, 1);
    assert!(error.advice().unwrap().contains("alters"));
}

#[test]
fn a_document_that_comes_back_with_other_bytes_is_not_tagged() {
    let scene = Scene::usual().small();
    scene.server.times(
        usize::MAX,
        "GET",
        "/manifests/sha256:",
        Fault::OtherBytes(b"{}".to_vec()),
    );
    assert_altered(&scene.push().unwrap_err());
    assert!(scene.server.tags(REPOSITORY).is_empty());
    scene.server.forget_faults();
    let proxy = FaultProxy::start(scene.server.address());
    let scene = scene.at(proxy.name());
    let flip = |bytes: &mut [u8]| bytes[10] ^= 1;
    proxy.rule(Rule::once("/manifests/sha256:", Disturbance::ChangeAnswer(flip)).method("GET"));
    assert_altered(&scene.push().unwrap_err());
    assert!(scene.server.tags(REPOSITORY).is_empty());
    scene.push().unwrap();
    scene.assert_pushed("right bytes");
}

#[test]
fn a_tag_that_another_push_moves_at_the_same_time_is_an_error_that_says_so() {
    let scene = Scene::usual().small();
    scene.server.once_for("HEAD", "/manifests/1.0", answer(404));
    scene
        .server
        .times(usize::MAX, "HEAD", "/manifests/1.0", Fault::WrongDigestHeader);
    let error = scene.push().unwrap_err();
    let other = Digest::of("something else");
    let PushError::Registry(error) = error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(&error.problem, RegistryProblem::TagMoved { tag, found } if tag == "1.0" && *found == other),
        "{}",
        chain(&error)
    );
    assert_eq!(error.attempts, scene.retries + 1);
    assert!(chain(&error).contains("another push") && chain(&error).contains(&other.to_string()));
    assert!(error.advice().unwrap().contains("push again"));
    scene.server.forget_faults();
    scene.push().unwrap();
}

#[test]
fn a_tag_that_is_not_seen_at_once_everywhere_is_asked_for_again() {
    let scene = Scene::usual().small();
    // Before it is given, and twice behind it: once not known at all, once with what it was.
    for fault in [answer(404), answer(404), Fault::WrongDigestHeader] {
        scene.server.once_for("HEAD", "/manifests/1.0", fault);
    }
    assert_eq!(scene.push().unwrap()[0], TagOutcome::Moved);
    assert_eq!(scene.requests("PUT tag").len(), 2);
}
