//! Manifests, tags, and what is read.

use lrops_model::oci::{Descriptor, MediaType};
use lrops_testkit::registry::{Access, Deletion, RegistryOptions, RegistryServer};

use crate::client::{Answer, Client};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn start(options: RegistryOptions) -> (RegistryServer, Client) {
    let server = RegistryServer::start_with(options);
    let client = Client::new(server.address());
    (server, client)
}

fn json(descriptor: &Descriptor) -> String {
    serde_json::to_string(descriptor).unwrap()
}

fn manifest(layer: &[u8]) -> String {
    let config = json(&Descriptor::of(MediaType::OCI_CONFIG, b"{}"));
    let layer = json(&Descriptor::of(MediaType::OCI_LAYER, layer));
    format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]}}"#)
}

fn put(client: &mut Client, reference: &str, media_type: &str, text: &str) -> Answer {
    let target = format!("/v2/app/manifests/{reference}");
    client.ask("PUT", &target, &[("Content-Type", media_type)], text.as_bytes())
}

/// Pushes an image with a layer, and returns its manifest's digest.
fn push(client: &mut Client, tag: &str, layer: &[u8]) -> String {
    client.push("app", b"{}");
    client.push("app", layer);
    let answer = put(client, tag, MANIFEST, &manifest(layer));
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.header("Docker-Content-Digest").unwrap().to_owned()
}

#[test]
fn an_image_is_read_as_it_was_pushed() {
    let (server, mut client) = start(RegistryOptions::usual());
    let digest = push(&mut client, "1.0", b"layer");
    for reference in ["1.0", &digest] {
        let answer = client.get(&format!("/v2/app/manifests/{reference}"));
        assert_eq!(answer.text(), manifest(b"layer"));
        assert_eq!(answer.header("Content-Type"), Some(MANIFEST));
        assert_eq!(answer.header("Docker-Content-Digest"), Some(digest.as_str()));
        let head = client.ask("HEAD", &format!("/v2/app/manifests/{reference}"), &[], b"");
        assert_eq!(
            head.header("Content-Length"),
            Some(answer.body.len().to_string().as_str())
        );
    }
    assert_eq!(server.manifest("app", "1.0").unwrap().0, MANIFEST);
    assert_eq!(server.tags("app")["1.0"].to_string(), digest);
    server.assert_complete("app");
    assert_eq!(client.get("/v2/").status, 200);
    assert_eq!(client.get("/v2/app/manifests/2.0").status, 404);
}

#[test]
fn a_manifest_that_names_what_is_not_there_is_refused() {
    let (_server, mut client) = start(RegistryOptions::usual());
    client.push("app", b"{}");
    client.push("other", b"layer");
    let refused = put(&mut client, "1.0", MANIFEST, &manifest(b"layer"));
    assert_eq!(refused.status, 400);
    assert!(
        refused.text().contains("MANIFEST_BLOB_UNKNOWN"),
        "{}",
        refused.text()
    );
    let child = Descriptor::of(MediaType::OCI_MANIFEST, manifest(b"layer").as_bytes());
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, json(&child));
    assert_eq!(put(&mut client, "1.0", INDEX, &index).status, 400);
    push(&mut client, "child", b"layer");
    assert_eq!(put(&mut client, "1.0", INDEX, &index).status, 201);
    let wrong = index.replace(&format!("\"size\":{}", child.size), "\"size\":1");
    assert_eq!(put(&mut client, "1.0", INDEX, &wrong).status, 400);
}

#[test]
fn what_is_no_manifest_of_its_type_and_digest_is_refused() {
    let (_server, mut client) = start(RegistryOptions::usual());
    let check = |client: &mut Client, reference: &str, text: &str, code: &str| {
        let refused = put(client, reference, INDEX, text);
        assert_eq!(refused.status, 400, "{text}");
        assert!(refused.text().contains(code), "{}", refused.text());
    };
    let other = format!("sha256:{}", "0".repeat(64));
    check(&mut client, "1.0", "{", "MANIFEST_INVALID");
    check(&mut client, "1.0", "[]", "MANIFEST_INVALID");
    check(
        &mut client,
        "1.0",
        &format!(r#"{{"mediaType":"{MANIFEST}"}}"#),
        "MANIFEST_INVALID",
    );
    check(&mut client, "-1", "{}", "MANIFEST_INVALID");
    check(&mut client, &other, "{}", "DIGEST_INVALID");
}

#[test]
fn a_manifest_is_deleted_with_its_tags_and_a_tag_alone() {
    let (server, mut client) = start(RegistryOptions::usual());
    let digest = push(&mut client, "1.0", b"layer");
    push(&mut client, "latest", b"layer");
    let mut delete = |reference: &str| {
        let target = format!("/v2/app/manifests/{reference}");
        client.ask("DELETE", &target, &[], b"").status
    };
    assert_eq!(delete("latest"), 202);
    assert_eq!(delete("latest"), 404);
    assert_eq!(server.tags("app").len(), 1);
    assert_eq!(delete(&digest), 202);
    assert!(server.tags("app").is_empty() && server.manifest("app", &digest).is_none());
}

#[test]
fn what_may_not_be_deleted_stays() {
    for (deletion, by_digest) in [(Deletion::NotTags, 202), (Deletion::Nothing, 405)] {
        let (_server, mut client) = start(RegistryOptions::usual().with_deletion(deletion));
        let digest = push(&mut client, "1.0", b"layer");
        let mut delete = |target: &str| client.ask("DELETE", target, &[], b"").status;
        assert_eq!(delete("/v2/app/manifests/1.0"), 405);
        assert_eq!(delete(&format!("/v2/app/manifests/{digest}")), by_digest);
        let blob = Descriptor::of(MediaType::OCI_LAYER, b"layer").digest;
        assert_eq!(delete(&format!("/v2/app/blobs/{blob}")), by_digest);
    }
}

#[test]
fn tags_come_in_pages() {
    let (server, mut client) = start(RegistryOptions::usual().with_tags_page_max(2));
    let digest = server
        .put_manifest("app", None, MediaType::OCI_INDEX, b"{}")
        .digest;
    for tag in ["c", "a", "e", "b", "d"] {
        server.put_tag("app", tag, digest);
    }
    let mut target = "/v2/app/tags/list?n=3".to_owned();
    let mut pages = Vec::new();
    loop {
        let answer = client.get(&target);
        pages.push(serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()["tags"].to_string());
        let Some(link) = answer.header("Link") else { break };
        let (next, rest) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
        assert_eq!(rest, "; rel=\"next\"");
        target = next.to_owned();
    }
    assert_eq!(pages, [r#"["a","b"]"#, r#"["c","d"]"#, r#"["e"]"#]);
    assert_eq!(
        client.get("/v2/app/tags/list?n=1&last=d").text(),
        r#"{"name":"app","tags":["e"]}"#
    );
    assert_eq!(
        client.get("/v2/app/tags/list?n=0").text(),
        r#"{"name":"app","tags":[]}"#
    );
    assert_eq!(client.get("/v2/none/tags/list").status, 404);
}

#[test]
fn referrers_are_found_by_their_subject() {
    let (_server, mut client) = start(RegistryOptions::usual());
    let digest = push(&mut client, "1.0", b"layer");
    let none = client.get(&format!("/v2/app/referrers/{digest}"));
    assert_eq!((none.status, none.header("Content-Type")), (200, Some(INDEX)));
    let subject = Descriptor::of(MediaType::OCI_MANIFEST, manifest(b"layer").as_bytes());
    let referrer = manifest(b"layer").replace(
        "\"schemaVersion\"",
        &format!(
            r#""artifactType":"a/b","subject":{},"schemaVersion""#,
            json(&subject)
        ),
    );
    let answer = put(&mut client, "signature", MANIFEST, &referrer);
    assert_eq!(answer.header("OCI-Subject"), Some(digest.as_str()));
    let list = client.get(&format!("/v2/app/referrers/{digest}?artifactType=a/b"));
    assert_eq!(list.header("OCI-Filters-Applied"), Some("artifactType"));
    assert!(
        list.text()
            .contains(answer.header("Docker-Content-Digest").unwrap()),
        "{}",
        list.text()
    );
    let other = client.get(&format!("/v2/app/referrers/{digest}?artifactType=c"));
    assert!(other.text().contains(r#""manifests":[]"#));
}

#[test]
fn a_part_of_a_blob_is_read() {
    let server = RegistryServer::start(Access::Open);
    let mut client = Client::new(server.address());
    let digest = server.put_blob("app", MediaType::OCI_LAYER, b"0123456789").digest;
    let target = format!("/v2/app/blobs/{digest}");
    let mut check = |range: &str, status: u16, body: &str, content_range: Option<&str>| {
        let answer = client.ask("GET", &target, &[("Range", range)], b"");
        assert_eq!(
            (answer.status, answer.header("Content-Range")),
            (status, content_range),
            "{range}"
        );
        assert!(status == 416 || answer.text() == body, "{range}");
    };
    check("bytes=7-", 206, "789", Some("bytes 7-9/10"));
    check("bytes=2-4", 206, "234", Some("bytes 2-4/10"));
    check("bytes=8-99", 206, "89", Some("bytes 8-9/10"));
    check("bytes=10-", 416, "", Some("bytes */10"));
    check("bytes=0-1,3-4", 200, "0123456789", None);
}

#[test]
#[should_panic(expected = "is not there")]
fn an_incomplete_repository_is_told() {
    let server = RegistryServer::start(Access::Open);
    server.put_manifest(
        "app",
        Some("1.0"),
        MediaType::OCI_MANIFEST,
        manifest(b"layer").as_bytes(),
    );
    server.assert_complete("app");
}
