//! What a repository lists, and what is removed from it.

use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::oci::{Descriptor, MediaType};
use lrops_model::reference::Reference;
use lrops_remote::registry::RegistryError;
use lrops_testkit::registry::{Deletion, Fault, RegistryOptions};
use serde_json::json;

use crate::scene::{REPOSITORY, SECRET, Scene, answer, answer_with, chain, with_tokens};

const EMPTY_INDEX: &[u8] = br#"{"schemaVersion":2,"manifests":[]}"#;

fn put(scene: &Scene, tag: &str) -> Descriptor {
    scene
        .server
        .put_manifest(REPOSITORY, Some(tag), MediaType::OCI_INDEX, EMPTY_INDEX)
}

fn tags(scene: &Scene) -> Result<Vec<String>, RegistryError> {
    scene.client().tags(&scene.reference(), &CancelToken::new())
}

fn digest_of(scene: &Scene, reference: &Reference) -> Option<Digest> {
    scene.client().digest_of(reference, &CancelToken::new()).unwrap()
}

fn delete(scene: &Scene, reference: &Reference) -> Result<(), RegistryError> {
    scene.client().delete(reference, &CancelToken::new())
}

#[test]
fn all_tags_are_listed_over_as_many_pages_as_it_takes() {
    for page in [1, 2, 7, 100] {
        let scene = Scene::new(RegistryOptions::usual().with_tags_page_max(page));
        let expected: Vec<String> = (1..=7).map(|number| format!("1.{number}")).collect();
        for tag in &expected {
            put(&scene, tag);
        }
        // A page that fails is asked for again.
        scene.server.once("/tags/list", answer(503));
        scene.server.once("last=", answer(429));
        assert_eq!(tags(&scene).unwrap(), expected, "pages of {page}");
    }
}

#[test]
fn a_repository_without_tags_lists_none() {
    let scene = Scene::usual();
    assert_eq!(tags(&scene).unwrap(), Vec::<String>::new());
    scene.server.put_blob(REPOSITORY, MediaType::OCI_CONFIG, b"{}");
    assert_eq!(tags(&scene).unwrap(), Vec::<String>::new());
    let null = Fault::Answer {
        status: 200,
        headers: Vec::new(),
        body: br#"{"name":"team/app","tags":null}"#.to_vec(),
    };
    scene.server.once("/tags/list", null);
    assert_eq!(tags(&scene).unwrap(), Vec::<String>::new());
}

#[test]
fn a_list_that_cannot_be_read_or_has_no_end_is_an_error() {
    let scene = Scene::usual();
    let answered = |body: &[u8], headers| Fault::Answer {
        status: 200,
        headers,
        body: body.to_vec(),
    };
    scene.server.once("/tags/list", answered(b"<html>", Vec::new()));
    let error = tags(&scene).unwrap_err();
    assert!(chain(&error).contains("list cannot be read"), "{}", chain(&error));
    let again = format!("</v2/{REPOSITORY}/tags/list?last=a>; rel=\"next\"");
    let circle = answered(br#"{"tags":["a"]}"#, vec![("Link", again)]);
    scene.server.times(usize::MAX, "GET", "/tags/list", circle);
    let error = tags(&scene).unwrap_err();
    assert!(chain(&error).contains("no end"), "{}", chain(&error));
    assert!(
        scene.server.requests().len() < 20,
        "{}",
        scene.server.requests().len()
    );
}

fn page(body: &str, next: Option<&str>) -> Fault {
    let link = next.map(|next| ("Link", format!("<{next}>; rel=\"next\"")));
    Fault::Answer {
        status: 200,
        headers: link.into_iter().collect(),
        body: body.as_bytes().to_vec(),
    }
}

#[test]
fn a_list_is_never_cut_short_in_silence() {
    let second = format!("/v2/{REPOSITORY}/tags/list?last=a");
    let scene = Scene::usual();
    let first = |next: &str| {
        scene
            .server
            .once("/tags/list?n=", page(r#"{"tags":["a"]}"#, Some(next)));
    };
    first("ftp://elsewhere/");
    let error = tags(&scene).unwrap_err();
    assert!(chain(&error).contains("cannot be used"), "{}", chain(&error));

    first(&second);
    scene.server.once("last=a", answer(404));
    tags(&scene).unwrap_err();

    first(&second);
    let third = format!("/v2/{REPOSITORY}/tags/list?last=b");
    scene.server.once("last=a", page(r#"{"tags":[]}"#, Some(&third)));
    scene.server.once("last=b", page(r#"{"tags":["c"]}"#, None));
    assert_eq!(tags(&scene).unwrap(), ["a", "c"]);
}

#[test]
fn empty_pages_without_an_end_are_left() {
    let scene = Scene::usual();
    let second = format!("/v2/{REPOSITORY}/tags/list?last=a");
    scene.server.times(
        usize::MAX,
        "GET",
        "/tags/list",
        page(r#"{"tags":[]}"#, Some(&second)),
    );
    let error = tags(&scene).unwrap_err();
    assert!(chain(&error).contains("no end"), "{}", chain(&error));
    assert_eq!(scene.server.requests().len(), 2);
}

#[test]
fn a_list_of_more_tags_than_any_honest_one_is_refused() {
    let scene = Scene::usual();
    for number in 0..6 {
        let tags: Vec<String> = (0..20_000).map(|tag| format!("{number}.{tag}")).collect();
        let next = format!("/v2/{REPOSITORY}/tags/list?last={number}");
        let body = json!({"tags": tags}).to_string();
        scene.server.once("/tags/list", page(&body, Some(&next)));
    }
    let error = tags(&scene).unwrap_err();
    assert!(
        chain(&error).contains("longer than 100000 entries"),
        "{}",
        chain(&error)
    );
}

#[test]
fn listing_needs_the_right_to_pull_only() {
    let scene = Scene::new(with_tokens()).with_login(SECRET);
    put(&scene, "1.0");
    assert_eq!(tags(&scene).unwrap(), ["1.0"]);
    let tokens = scene.requests("GET token");
    assert!(
        tokens[0]
            .target
            .ends_with(&format!("repository:{REPOSITORY}:pull")),
        "{}",
        tokens[0].target
    );
}

#[test]
fn a_digest_is_known_from_the_header_or_from_the_bytes() {
    let scene = Scene::usual();
    let index = put(&scene, "1.0");
    let tag = scene.reference().with_tag("1.0").unwrap();
    assert_eq!(digest_of(&scene, &tag), Some(index.digest));
    assert_eq!(
        digest_of(&scene, &scene.reference().with_digest(index.digest)),
        Some(index.digest)
    );
    assert_eq!(
        digest_of(&scene, &scene.reference().with_tag("none").unwrap()),
        None
    );
    assert_eq!(
        digest_of(&scene, &scene.reference().with_digest(Digest::of("none"))),
        None
    );
    assert_eq!(scene.requests("GET tag").len(), 0);

    let bare = |status: u16| Fault::Answer {
        status,
        headers: Vec::new(),
        body: EMPTY_INDEX.to_vec(),
    };
    scene.server.once_for("HEAD", "/manifests/1.0", bare(200));
    scene.server.once_for("GET", "/manifests/1.0", bare(200));
    assert_eq!(digest_of(&scene, &tag), Some(index.digest));
    assert_eq!(scene.requests("GET tag").len(), 1);
}

#[test]
fn a_tag_is_removed_and_what_it_names_stays() {
    let scene = Scene::usual();
    let index = put(&scene, "1.0");
    put(&scene, "latest");
    let tag = scene.reference().with_tag("1.0").unwrap();
    delete(&scene, &tag).unwrap();
    assert_eq!(digest_of(&scene, &tag), None);
    assert_eq!(digest_of(&scene, &scene.reference()), Some(index.digest));
    let error = delete(&scene, &tag).unwrap_err();
    assert!(chain(&error).contains("not found"), "{}", chain(&error));
}

#[test]
fn a_digest_is_removed_with_all_its_tags() {
    let scene = Scene::new(with_tokens()).with_login(SECRET);
    let index = put(&scene, "1.0");
    put(&scene, "latest");
    delete(&scene, &scene.reference().with_digest(index.digest)).unwrap();
    assert_eq!(tags(&scene).unwrap(), Vec::<String>::new());
}

#[test]
fn a_removal_whose_answer_was_lost_is_one() {
    for fault in [Fault::DropAnswer, answer(503)] {
        let scene = Scene::usual();
        put(&scene, "1.0");
        scene.server.once_for("DELETE", "/manifests/", fault);
        delete(&scene, &scene.reference().with_tag("1.0").unwrap()).unwrap();
        assert!(scene.server.tags(REPOSITORY).is_empty());
    }
}

#[test]
fn a_registry_that_removes_nothing_or_no_tags_says_so() {
    for (deletion, of_digest) in [(Deletion::Nothing, false), (Deletion::NotTags, true)] {
        let scene = Scene::new(RegistryOptions::usual().with_deletion(deletion));
        let index = put(&scene, "1.0");
        let error = delete(&scene, &scene.reference().with_tag("1.0").unwrap()).unwrap_err();
        assert!(error.cannot_delete(), "{}", chain(&error));
        assert_eq!(error.attempts, 1);
        assert!(error.advice().is_some());
        let result = delete(&scene, &scene.reference().with_digest(index.digest));
        assert_eq!(result.is_ok(), of_digest);
    }
}

#[test]
fn referrers_are_listed_where_the_registry_knows_them() {
    let scene = Scene::usual();
    let subject = put(&scene, "1.0");
    let listed = |subject: Digest| {
        scene
            .client()
            .referrers(&scene.reference(), subject, &CancelToken::new())
    };
    assert_eq!(listed(subject.digest).unwrap(), []);
    let signature = json!({"schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "subject": subject,
        "config": subject, "layers": [], "artifactType": "application/x.signature"});
    let signature = scene.server.put_manifest(
        REPOSITORY,
        None,
        MediaType::OCI_MANIFEST,
        signature.to_string().as_bytes(),
    );
    let found = listed(subject.digest).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].digest, signature.digest);
    for status in [400, 404, 405] {
        scene.server.once("/referrers/", answer(status));
        assert_eq!(listed(subject.digest).unwrap(), [], "{status}");
    }
    scene.server.once("/referrers/", answer_with(503, Vec::new()));
    assert_eq!(listed(subject.digest).unwrap().len(), 1);
    scene.server.once("/referrers/", answer(403));
    assert!(listed(subject.digest).unwrap_err().is_refused());
}

#[test]
fn referrers_are_listed_over_all_pages() {
    let scene = Scene::usual();
    let subject = put(&scene, "1.0");
    let of = |name: &str| Descriptor::of(MediaType::OCI_MANIFEST, name.as_bytes());
    let index = |name: &str| json!({"schemaVersion": 2, "manifests": [of(name)]}).to_string();
    let second = format!("/v2/{REPOSITORY}/referrers/{}?page=2", subject.digest);
    scene.server.once("?page=2", page(&index("b"), None));
    scene.server.once("/referrers/", page(&index("a"), Some(&second)));
    let listed = scene
        .client()
        .referrers(&scene.reference(), subject.digest, &CancelToken::new());
    assert_eq!(listed.unwrap(), [of("a"), of("b")]);
}
