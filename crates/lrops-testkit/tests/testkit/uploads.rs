//! How a blob gets in.

use lrops_model::digest::Digest;
use lrops_testkit::registry::{
    Access, Chunks, Fault, Locations, Mounts, RegistryOptions, RegistryServer, Resumption, SinglePost,
};

use crate::client::{Client, bytes};

const REPOSITORY: &str = "team/app";

fn start(options: RegistryOptions) -> (RegistryServer, Client) {
    let server = RegistryServer::start_with(options);
    let client = Client::new(server.address());
    (server, client)
}

#[test]
fn a_blob_comes_in_chunks_over_one_connection() {
    let (server, mut client) = start(RegistryOptions::usual());
    let blob = bytes(300_000);
    let first = client.open(REPOSITORY);
    let answer = client.chunk(&first, 0, &blob[..100_000]);
    assert_eq!((answer.status, answer.range()), (202, "0-99999"));
    let second = answer.location();
    assert_ne!(first, second);
    assert!(second.contains("_state=") && second.contains("%2B"), "{second}");
    let answer = client.chunk(&second, 100_000, &blob[100_000..200_000]);
    assert_eq!(server.sessions(), 1);
    let answer = client.finish(&answer.location(), &blob, &blob[200_000..]);
    let digest = Digest::of(&blob);
    assert_eq!(answer.status, 201);
    assert_eq!(answer.location(), format!("/v2/{REPOSITORY}/blobs/{digest}"));
    assert_eq!(
        answer.header("Docker-Content-Digest"),
        Some(digest.to_string().as_str())
    );
    assert_eq!(server.blob(REPOSITORY, &digest), Some(blob));
    assert_eq!((server.sessions(), server.bytes_received()), (0, 300_000));
    assert_eq!(server.blob("other", &digest), None);
}

#[test]
fn a_stream_has_no_range_and_may_come_in_http_chunks() {
    let (server, mut client) = start(RegistryOptions::usual());
    let location = client.open(REPOSITORY);
    client.start("PATCH", &location, &[("Transfer-Encoding", "chunked")]);
    client.send(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").unwrap();
    let answer = client.answer("PATCH").unwrap();
    assert_eq!((answer.status, answer.range()), (202, "0-4"));
    assert_eq!(client.finish(&answer.location(), b"abcde", b"").status, 201);
    assert_eq!(server.blob(REPOSITORY, &Digest::of("abcde")).unwrap(), b"abcde");
    assert_eq!(server.requests()[1].body_length, 5);
}

#[test]
fn a_chunk_out_of_order_is_refused_with_what_is_there() {
    let (_server, mut client) = start(RegistryOptions::usual());
    let location = client.open(REPOSITORY);
    let refused = client.chunk(&location, 5, b"late");
    assert_eq!((refused.status, refused.range()), (416, "0-0"));
    let mut location = client.chunk(&refused.location(), 0, b"0123456789").location();
    for start in [5, 11] {
        let refused = client.chunk(&location, start, b"x");
        assert_eq!((refused.status, refused.range()), (416, "0-9"), "{start}");
        location = refused.location();
    }
    let wrong_length = client.ask("PATCH", &location, &[("Content-Range", "10-11")], b"x");
    assert_eq!(wrong_length.status, 416);
    assert_eq!(client.chunk(&wrong_length.location(), 10, b"x").range(), "0-10");
}

#[test]
fn only_the_newest_location_goes_on_and_any_tells_how_far_it_is() {
    let (_server, mut client) = start(RegistryOptions::usual());
    let first = client.open(REPOSITORY);
    client.chunk(&first, 0, b"0123456789");
    let stale = client.chunk(&first, 10, b"x");
    assert_eq!(stale.status, 400);
    assert!(stale.text().contains("BLOB_UPLOAD_INVALID"), "{}", stale.text());
    let status = client.get(&first);
    assert_eq!((status.status, status.range()), (204, "0-9"));
    assert_eq!(client.chunk(&status.location(), 10, b"x").range(), "0-10");
}

#[test]
fn an_empty_upload_says_the_range_of_one_byte() {
    let (server, mut client) = start(RegistryOptions::usual());
    let opened = client.ask("POST", &format!("/v2/{REPOSITORY}/blobs/uploads/"), &[], b"");
    assert_eq!(opened.range(), "0-0");
    assert!(opened.header("Docker-Upload-UUID").is_some());
    let status = client.get(&opened.location());
    assert_eq!((status.status, status.range()), (204, "0-0"));
    assert_eq!(client.ask("DELETE", &status.location(), &[], b"").status, 204);
    assert_eq!(server.sessions(), 0);
    let gone = client.get(&status.location());
    assert_eq!(gone.status, 404);
    assert!(gone.text().contains("BLOB_UPLOAD_UNKNOWN"));
}

#[test]
fn a_cut_upload_goes_on_with_what_came() {
    let (server, mut client) = start(RegistryOptions::usual());
    let blob = bytes(500_000);
    let location = client.open(REPOSITORY);
    client.start("PATCH", &location, &[("Content-Length", "500000")]);
    client.send(&blob[..123_456]).unwrap();
    while server.bytes_received() < 123_456 {
        std::thread::yield_now();
    }
    client.reconnect();
    let status = client.get(&location);
    assert_eq!(status.range(), "0-123455");
    server.once_for("PATCH", "uploads", Fault::CutRequestAfter(100_000));
    assert!(
        client
            .try_ask("PATCH", &status.location(), &[], &blob[123_456..])
            .is_none()
    );
    client.reconnect();
    let status = client.get(&status.location());
    assert_eq!(status.range(), "0-223455");
    assert_eq!(
        client
            .chunk(&status.location(), 223_456, &blob[223_456..])
            .range(),
        "0-499999"
    );
    let status = client.get(&status.location());
    assert_eq!(client.finish(&status.location(), &blob, b"").status, 201);
    assert_eq!(server.bytes_received(), 500_000);
}

#[test]
fn a_stalled_upload_is_taken_over() {
    let (server, mut client) = start(RegistryOptions::usual());
    let mut other = Client::new(server.address());
    let location = client.open(REPOSITORY);
    client.start("PATCH", &location, &[("Content-Length", "10")]);
    client.send(b"abc").unwrap();
    while server.bytes_received() < 3 {
        std::thread::yield_now();
    }
    let status = other.get(&location);
    assert_eq!(status.range(), "0-2");
    let _ = client.send(b"defghij");
    assert!(client.answer("PATCH").is_none());
    assert_eq!(other.chunk(&status.location(), 3, b"d").range(), "0-3");
}

#[test]
fn a_registry_that_forgets_loses_a_cut_upload() {
    let (server, mut client) = start(RegistryOptions::usual().with_resumption(Resumption::ForgetsOnCut));
    let location = client.open(REPOSITORY);
    let location = client.chunk(&location, 0, b"0123").location();
    server.once_for("PATCH", "uploads", Fault::CutRequestAfter(3));
    assert!(client.try_ask("PATCH", &location, &[], b"4567").is_none());
    client.reconnect();
    for code in ["BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN"] {
        let gone = client.get(&location);
        assert_eq!(gone.status, 404);
        assert!(gone.text().contains(code), "{}", gone.text());
    }
    assert_eq!(server.sessions(), 0);
    assert_eq!(client.push(REPOSITORY, b"01234567"), Digest::of("01234567"));
}

#[test]
fn wrong_bytes_end_the_upload() {
    let (server, mut client) = start(RegistryOptions::usual());
    let location = client.open(REPOSITORY);
    let answer = client.finish(&location, b"right", b"wrong");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("DIGEST_INVALID"));
    assert_eq!((client.get(&location).status, server.sessions()), (404, 0));
    assert_eq!(server.blob(REPOSITORY, &Digest::of("wrong")), None);
}

#[test]
fn a_blob_is_mounted_only_from_where_it_is() {
    let (server, mut client) = start(RegistryOptions::usual());
    let digest = client.push("base", b"layer");
    let mount = |client: &mut Client, from: &str| {
        let target = format!("/v2/{REPOSITORY}/blobs/uploads/?mount={digest}&from={from}");
        client.ask("POST", &target, &[], b"")
    };
    let missed = mount(&mut client, "other");
    assert_eq!((missed.status, missed.range()), (202, "0-0"));
    assert_eq!(
        client.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).status,
        404
    );
    let hit = mount(&mut client, "base");
    assert_eq!(hit.status, 201);
    assert_eq!(hit.location(), format!("/v2/{REPOSITORY}/blobs/{digest}"));
    assert_eq!(client.get(&hit.location()).body, b"layer");
    assert_eq!(server.blob(REPOSITORY, &digest).unwrap(), b"layer");
    let strict = server.start_beside(RegistryOptions::usual().with_mounts(Mounts::NotOffered));
    assert_eq!(mount(&mut Client::new(strict.address()), "base").status, 202);
}

#[test]
fn a_single_post_takes_a_blob_or_opens_an_upload() {
    let (server, mut client) = start(RegistryOptions::usual());
    let target = format!("/v2/{REPOSITORY}/blobs/uploads/?digest={}", Digest::of("all"));
    assert_eq!(client.ask("POST", &target, &[], b"all").status, 201);
    assert_eq!(client.ask("POST", &target, &[], b"other").status, 400);
    assert_eq!(server.blob(REPOSITORY, &Digest::of("all")).unwrap(), b"all");
    let (server, mut client) = start(RegistryOptions::usual().with_single_post(SinglePost::OpensSession));
    assert_eq!(client.ask("POST", &target, &[], b"all").status, 202);
    assert_eq!(server.sessions(), 1);
}

#[test]
fn a_registry_without_chunks_takes_whole_blobs() {
    let (_server, mut client) = start(RegistryOptions::usual().with_chunks(Chunks::Refused(405)));
    let location = client.open(REPOSITORY);
    assert_eq!(client.chunk(&location, 0, b"abc").status, 405);
    assert_eq!(client.finish(&location, b"abc", b"abc").status, 201);
}

#[test]
fn a_registry_that_looks_at_no_ranges_adds_what_comes() {
    let (server, mut client) = start(RegistryOptions::like_distribution());
    let location = client.open(REPOSITORY);
    let path = |location: &str| location.strip_prefix(&server.url()).unwrap().to_owned();
    let answer = client.chunk(&path(&location), 7, b"abc");
    assert_eq!((answer.status, answer.range()), (202, "0-2"));
    assert_eq!(client.finish(&path(&answer.location()), b"abc", b"").status, 201);
}

#[test]
fn only_the_last_chunk_may_be_short() {
    let (_server, mut client) = start(RegistryOptions::usual().with_chunk_bytes_min(4));
    let opened = client.ask("POST", &format!("/v2/{REPOSITORY}/blobs/uploads/"), &[], b"");
    assert_eq!(opened.header("OCI-Chunk-Min-Length"), Some("4"));
    let answer = client.chunk(&opened.location(), 0, b"0123");
    let answer = client.chunk(&answer.location(), 4, b"45");
    assert_eq!(answer.status, 202);
    let refused = client.chunk(&answer.location(), 6, b"6789");
    assert_eq!((refused.status, refused.range()), (416, "0-5"));
    let refused = client.finish(&refused.location(), b"0123456789", b"6789");
    assert_eq!(refused.status, 416);
    assert_eq!(client.finish(&refused.location(), b"012345", b"").status, 201);
}

#[test]
fn too_large_a_body_is_refused_before_it_is_read() {
    let (server, mut client) = start(RegistryOptions::usual().with_body_bytes_max(1000));
    let location = client.open(REPOSITORY);
    client.start("PATCH", &location, &[("Content-Length", "1001")]);
    let answer = client.answer("PATCH").unwrap();
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    client.reconnect();
    assert_eq!(client.chunk(&location, 0, &[0; 1000]).status, 202);
    assert_eq!(server.bytes_received(), 1000);
}

#[test]
fn a_location_is_where_it_was_told_to_be() {
    let storage = RegistryServer::start(Access::Open);
    let (server, mut client) = start(RegistryOptions::usual().with_locations(Locations::Absolute));
    let location = client.open(REPOSITORY);
    assert!(
        location.starts_with(&format!("{}/v2/", server.url())),
        "{location}"
    );
    let elsewhere = RegistryOptions::usual().with_locations(Locations::At(storage.url()));
    let front = storage.start_beside(elsewhere);
    let location = Client::new(front.address()).open(REPOSITORY);
    let path = location.strip_prefix(&storage.url()).unwrap();
    assert_eq!(
        Client::new(storage.address()).finish(path, b"abc", b"abc").status,
        201
    );
    assert!(front.blob(REPOSITORY, &Digest::of("abc")).is_some());
}

#[test]
fn a_body_that_waits_for_leave_gets_it() {
    let (_server, mut client) = start(RegistryOptions::usual());
    let location = client.open(REPOSITORY);
    let headers = [("Content-Length", "3"), ("Expect", "100-continue")];
    client.start("PATCH", &location, &headers);
    assert_eq!(client.answer("PATCH").unwrap().status, 100);
    client.send(b"abc").unwrap();
    assert_eq!(client.answer("PATCH").unwrap().range(), "0-2");
    client.start("PATCH", &location, &headers);
    assert_eq!(client.answer("PATCH").unwrap().status, 400);
    assert!(client.answer("PATCH").is_none(), "the connection has ended");
}
