//! The registry's misbehaviours.

use std::time::{Duration, Instant};

use lrops_model::digest::Digest;
use lrops_model::oci::MediaType;
use lrops_testkit::registry::{Access, Fault, RegistryServer};

use crate::client::{Client, bytes};

fn start() -> (RegistryServer, Client) {
    let server = RegistryServer::start(Access::Open);
    let client = Client::new(server.address());
    (server, client)
}

#[test]
fn a_fault_is_for_its_method_and_as_often_as_told() {
    let (server, mut client) = start();
    server.times(2, "PUT", "uploads", Fault::DiskFull);
    let location = client.open("app");
    assert_eq!(client.get(&location).status, 204);
    let location = client.get(&location).location();
    for expected in [500, 500, 201] {
        let answer = client.finish(&location, b"abc", b"abc");
        assert_eq!(answer.status, expected);
        assert_eq!(answer.text().contains("no space left on device"), expected == 500);
    }
}

#[test]
fn an_answer_comes_while_the_request_is_not_read() {
    let (server, mut client) = start();
    let location = client.open("app");
    let fault = Fault::AnswerWithoutReading {
        status: 503,
        headers: vec![("Retry-After", "1".to_owned())],
        body: b"busy".to_vec(),
    };
    server.once("uploads", fault);
    client.start("PATCH", &location, &[("Content-Length", "100000000")]);
    client.send(&bytes(1000)).unwrap();
    let answer = client.answer("PATCH").unwrap();
    assert_eq!(
        (
            answer.status,
            answer.header("Retry-After"),
            answer.text().as_str()
        ),
        (503, Some("1"), "busy")
    );
    assert!(client.answer("PATCH").is_none());
    assert_eq!(server.bytes_received(), 0);
}

#[test]
fn a_dropped_answer_is_of_a_request_that_was_carried_out() {
    let (server, mut client) = start();
    let location = client.open("app");
    server.once_for("PUT", "uploads", Fault::DropAnswer);
    let target = format!("{location}&digest={}", Digest::of("abc"));
    assert!(client.try_ask("PUT", &target, &[], b"abc").is_none());
    assert!(server.blob("app", &Digest::of("abc")).is_some());
}

#[test]
fn silence_ends_and_slowness_takes_its_time() {
    let (server, mut client) = start();
    let digest = server.put_blob("app", MediaType::OCI_LAYER, &bytes(50)).digest;
    let target = format!("/v2/app/blobs/{digest}");
    let mut check = |fault: Fault, expected: Option<u16>| {
        server.once("blobs", fault);
        let started = Instant::now();
        let answer = client.try_ask("GET", &target, &[], b"");
        assert_eq!(answer.map(|answer| answer.status), expected);
        assert!(started.elapsed() >= Duration::from_millis(100));
        client.reconnect();
    };
    check(Fault::Stall(Duration::from_millis(100)), None);
    let every = Duration::from_millis(20);
    check(Fault::Slow { bytes: 10, every }, Some(200));
}

#[test]
fn a_digest_header_can_be_wrong() {
    let (server, mut client) = start();
    let digest = server.put_blob("app", MediaType::OCI_LAYER, b"abc").digest;
    server.once("blobs", Fault::WrongDigestHeader);
    let answer = client.get(&format!("/v2/app/blobs/{digest}"));
    assert_ne!(
        answer.header("Docker-Content-Digest"),
        Some(digest.to_string().as_str())
    );
    assert_eq!(answer.body, b"abc");
}

#[test]
fn what_is_no_http_ends_the_connection_at_once() {
    let (server, mut client) = start();
    client.send(&[22, 3, 1, 2, 0]).unwrap();
    assert!(client.answer("GET").is_none());
    assert!(server.requests().is_empty());
}

#[test]
fn a_dropped_registry_ends_its_connections() {
    let (server, mut client) = start();
    assert_eq!(client.get("/v2/").status, 200);
    drop(server);
    let started = Instant::now();
    assert!(client.answer("GET").is_none());
    assert!(started.elapsed() < Duration::from_secs(5));
}
