//! The proxy before a registry.

use std::time::{Duration, Instant};

use lrops_model::digest::Digest;
use lrops_model::oci::MediaType;
use lrops_testkit::proxy::{Announced, Disturbance, FaultProxy, Rule};
use lrops_testkit::registry::{Access, Locations, RegistryOptions, RegistryServer};

use crate::client::{Client, bytes};

struct Case {
    server: RegistryServer,
    proxy: FaultProxy,
    client: Client,
}

impl Case {
    fn new() -> Self {
        let server = RegistryServer::start_with(RegistryOptions::usual().with_locations(Locations::Absolute));
        let proxy = FaultProxy::start(server.address());
        let client = Client::new(proxy.address());
        Self {
            server,
            proxy,
            client,
        }
    }

    /// Opens an upload, whose location leads to the proxy.
    fn open(&mut self) -> String {
        let location = self.client.open("app");
        self.path(&location)
    }

    fn path(&self, location: &str) -> String {
        location
            .strip_prefix(&self.proxy.url())
            .expect("the proxy's address")
            .to_owned()
    }

    fn put_blob(&self, bytes: &[u8]) -> String {
        let digest = self.server.put_blob("app", MediaType::OCI_LAYER, bytes).digest;
        format!("/v2/app/blobs/{digest}")
    }
}

#[test]
fn a_blob_passes_over_one_connection() {
    let mut case = Case::new();
    let blob = bytes(1_000_000);
    let location = case.open();
    let location = case.client.chunk(&location, 0, &blob).location();
    let location = case.path(&location);
    assert_eq!(case.client.finish(&location, &blob, b"").status, 201);
    let digest = Digest::of(&blob);
    assert_eq!(case.client.get(&format!("/v2/app/blobs/{digest}")).body, blob);
    assert_eq!(
        case.client
            .ask("HEAD", &format!("/v2/app/blobs/{digest}"), &[], b"")
            .status,
        200
    );
    assert_eq!(case.client.get("/v2/app/blobs/none").status, 400);
    assert_eq!(case.proxy.body_bytes_to_upstream(), 1_000_000);
    assert!(case.proxy.bytes_to_client() > 1_000_000);
    let methods: Vec<_> = case
        .proxy
        .requests()
        .into_iter()
        .map(|(method, _)| method)
        .collect();
    assert_eq!(methods, ["POST", "PATCH", "PUT", "GET", "HEAD", "GET"]);
    assert_eq!(
        case.server.requests()[1].header("host"),
        Some(case.proxy.name().as_str())
    );
}

#[test]
fn http_chunks_and_leave_to_send_pass() {
    let mut case = Case::new();
    let location = case.open();
    let headers = [("Transfer-Encoding", "chunked"), ("Expect", "100-continue")];
    case.client.start("PATCH", &location, &headers);
    assert_eq!(case.client.answer("PATCH").unwrap().status, 100);
    case.client.send(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").unwrap();
    assert_eq!(case.client.answer("PATCH").unwrap().range(), "0-4");
    case.client.start(
        "PATCH",
        &location,
        &[("Content-Length", "1000"), ("Expect", "100-continue")],
    );
    assert_eq!(case.client.answer("PATCH").unwrap().status, 400);
    assert!(case.client.answer("PATCH").is_none());
}

#[test]
fn what_is_cut_arrives_up_to_the_cut() {
    for length in [0, 1, 65_536, 123_457, 999_999, 1_000_000] {
        let mut case = Case::new();
        let location = case.open();
        case.proxy
            .rule(Rule::once("uploads", Disturbance::CutRequestAfter(length)));
        assert!(
            case.client
                .try_ask("PATCH", &location, &[], &bytes(1_000_000))
                .is_none(),
            "{length}"
        );
        case.client.reconnect();
        let expected = format!("0-{}", length.saturating_sub(1));
        assert_eq!(case.client.get(&location).range(), expected);
        assert_eq!(case.server.bytes_received(), length);
        assert_eq!(
            (case.proxy.body_bytes_to_upstream(), case.proxy.cuts()),
            (length, 1)
        );
    }
}

#[test]
fn the_line_is_cut_at_its_totals() {
    let mut case = Case::new();
    let blob = bytes(3_000_000);
    case.proxy.cut_at(vec![2_500_000, 700_001, 1]);
    let mut location = case.open();
    let mut start = 0;
    for expected in [1, 700_001, 2_500_000] {
        assert!(
            case.client
                .try_ask("PATCH", &location, &[], &blob[start..])
                .is_none()
        );
        case.client.reconnect();
        let status = case.client.get(&location);
        assert_eq!(status.range(), format!("0-{}", expected - 1));
        location = case.path(&status.location());
        start = expected;
    }
    assert_eq!(case.client.finish(&location, &blob, &blob[start..]).status, 201);
    assert_eq!((case.proxy.cuts(), case.server.bytes_received()), (3, 3_000_000));
}

#[test]
fn each_connection_is_cut_after_its_bytes() {
    let mut case = Case::new();
    let mut location = case.open();
    let mut start = 0;
    for _ in 0..3 {
        case.proxy.cut_every(100_000);
        assert!(
            case.client
                .try_ask("PATCH", &location, &[], &bytes(1_000_000))
                .is_none()
        );
        case.proxy.stop_cutting();
        case.client.reconnect();
        let status = case.client.get(&location);
        let end = status
            .range()
            .strip_prefix("0-")
            .unwrap()
            .parse::<usize>()
            .unwrap()
            + 1;
        // Its heads are bytes of a connection, too.
        assert!((99_000..100_000).contains(&(end - start)), "{start} {end}");
        location = case.path(&status.location());
        start = end;
        case.client.reconnect();
    }
}

#[test]
fn an_answered_request_does_not_reach_the_registry() {
    let mut case = Case::new();
    let answer = Disturbance::Answer {
        status: 429,
        headers: vec![("Retry-After", "2".to_owned())],
        body: b"slow down".to_vec(),
    };
    let elsewhere = Disturbance::RedirectTo("http://127.0.0.1:1".to_owned());
    case.proxy
        .rule(Rule::once("tags", answer).method("GET").skip(1).times(2));
    case.proxy.rule(Rule::once("tags", elsewhere).method("GET"));
    let mut status = || case.client.get("/v2/app/tags/list").status;
    assert_eq!([status(), status(), status(), status()], [307, 429, 429, 404]);
    assert_eq!(case.server.requests().len(), 1);
    assert_eq!(case.proxy.requests().len(), 4);
}

#[test]
fn an_answer_is_cut_shortened_changed_or_dropped() {
    let mut case = Case::new();
    let blob = bytes(200_000);
    let target = case.put_blob(&blob);
    let mut check = |disturbance: Disturbance, expected: Option<(&str, &[u8])>| {
        case.proxy.rule(Rule::once("blobs", disturbance));
        let answer = case.client.try_ask("GET", &target, &[], b"");
        let seen = answer
            .as_ref()
            .map(|answer| (answer.header("content-length").unwrap(), answer.body.as_slice()));
        assert_eq!(seen, expected);
        case.client.reconnect();
    };
    let truncated = |announced| Disturbance::TruncateAnswer {
        bytes: 1000,
        announced,
    };
    check(Disturbance::CutAnswerAfter(1000), Some(("200000", &blob[..1000])));
    check(truncated(Announced::Whole), Some(("200000", &blob[..1000])));
    check(truncated(Announced::Shortened), Some(("1000", &blob[..1000])));
    check(
        Disturbance::OtherBytes(b"x".to_vec()),
        Some(("200000", &vec![b'x'; 200_000])),
    );
    let change = |bytes: &mut [u8]| bytes[7] ^= 1;
    let mut changed = blob.clone();
    change(&mut changed);
    check(Disturbance::ChangeAnswer(change), Some(("200000", &changed)));
    check(Disturbance::DropAnswer, None);
    assert_eq!(case.server.requests().len(), 6);
}

#[test]
fn a_stalled_or_slow_answer_comes_late() {
    let mut case = Case::new();
    let target = case.put_blob(&bytes(50));
    let every = Duration::from_millis(20);
    for disturbance in [
        Disturbance::StallRequest(5 * every),
        Disturbance::StallAnswer(5 * every),
        Disturbance::SlowAnswer { bytes: 10, every },
    ] {
        case.proxy.rule(Rule::once("blobs", disturbance));
        let started = Instant::now();
        assert_eq!(case.client.get(&target).body, bytes(50));
        assert!(started.elapsed() >= 5 * every);
    }
}

#[test]
fn a_registry_that_answers_early_is_heard_early() {
    let server = RegistryServer::start(Access::Basic("a:b"));
    let proxy = FaultProxy::start(server.address());
    let mut client = Client::new(proxy.address());
    client.start(
        "PATCH",
        "/v2/app/blobs/uploads/1",
        &[("Content-Length", "100000000")],
    );
    client.send(&bytes(1000)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    client.send(&bytes(1000)).unwrap();
    assert_eq!(client.answer("PATCH").unwrap().status, 401);
}

#[test]
fn a_cut_line_can_be_used_again_and_a_dropped_proxy_cannot() {
    let mut case = Case::new();
    assert_eq!(case.client.get("/v2/").status, 200);
    case.proxy.cut_now();
    assert!(case.client.answer("GET").is_none());
    case.client.reconnect();
    assert_eq!(case.client.get("/v2/").status, 200);
    drop(case.proxy);
    assert!(case.client.answer("GET").is_none());
}
