//! Refusals, cuts and silence.

use std::io::Read;
use std::time::{Duration, Instant};

use lrops_model::blob::{BlobError, BlobSource};
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::reference::Reference;
use lrops_remote::http::Proxies;
use lrops_remote::registry::Keychain;
use lrops_testkit::registry::{Access, Fault};

use crate::case::{Case, REPOSITORY, answer, chain, layer_bytes, read, registry};

#[test]
fn a_cut_blob_goes_on_at_the_byte_where_it_stopped() {
    let mut case = Case::new(Access::Open);
    for length in [100_000, 50_000, 0] {
        case.server.once("blobs", Fault::CutAfter(length));
    }
    let layer = case.layer.clone();
    assert_eq!(read(&case.image(), &layer).unwrap(), layer_bytes());
    let ranges: Vec<_> = case
        .server
        .requests()
        .iter()
        .map(|request| request.header("range").map(str::to_owned))
        .collect();
    let expected = [
        None,
        Some("bytes=100000-"),
        Some("bytes=150000-"),
        Some("bytes=150000-"),
    ];
    assert_eq!(ranges, expected.map(|range| range.map(str::to_owned)));
}

#[test]
fn a_registry_without_ranges_sends_all_again_and_each_byte_is_given_once() {
    let mut case = Case::new(Access::Open);
    case.server.once("blobs", Fault::CutAfter(100_000));
    case.server.once("blobs", answer(416, Vec::new()));
    let layer = case.layer.clone();
    assert_eq!(read(&case.image(), &layer).unwrap(), layer_bytes());
    assert_eq!(case.server.requests().last().unwrap().header("range"), None);
    case.server.once("blobs", Fault::CutAfter(100_000));
    case.server.once("blobs", Fault::IgnoreRange);
    assert_eq!(read(&case.image(), &layer).unwrap(), layer_bytes());
}

#[test]
fn a_connection_that_always_breaks_is_given_up() {
    let mut case = Case::new(Access::Open);
    for _ in 0..4 {
        case.server.once("blobs", Fault::CutAfter(0));
    }
    let layer = case.layer.clone();
    let error = read(&case.image(), &layer).unwrap_err();
    let text = chain(error.as_ref());
    assert!(text.contains("did not send it (tried 4 times)"), "{text}");
}

#[test]
fn a_missing_tag_is_said_in_known_words_and_not_asked_for_again() {
    let mut case = Case::new(Access::Open);
    let error = case.resolve(":2.0").unwrap_err();
    let expected = format!(
        "failed to resolve {}/{REPOSITORY}:2.0: not found: unknown to registry",
        case.server.name()
    );
    assert_eq!(chain(&error), expected);
    assert_eq!(case.log().len(), 1);
    assert!(error.advice().unwrap().contains("check the name and the tag"));
}

#[test]
fn a_busy_registry_is_asked_again_when_it_says() {
    let mut case = Case::new(Access::Open);
    case.server
        .once("manifests", answer(429, vec![("Retry-After", "1".to_owned())]));
    case.server.once("manifests", answer(503, Vec::new()));
    let started = Instant::now();
    case.resolve(":1.0").unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    for _ in 0..4 {
        case.server.once("manifests", answer(429, Vec::new()));
    }
    let error = case.resolve(":1.0").unwrap_err();
    assert_eq!(error.attempts, 4);
    assert!(
        chain(&error).ends_with("(tried 4 times): too many requests"),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_registry_that_is_not_there_is_told_with_the_way_around_it() {
    let proxies = Proxies {
        https: Some("http://127.0.0.1:1".to_owned()),
        ..Proxies::default()
    };
    let reference: Reference = "alpine:3.18".parse().unwrap();
    let hub = registry(Keychain::anonymous(), proxies, 1);
    let error = hub.resolve(&reference, &CancelToken::new()).unwrap_err();
    let text = chain(&error).to_lowercase();
    assert!(
        text.starts_with("failed to resolve docker.io/library/alpine:3.18 (tried 2 times): "),
        "{text}"
    );
    assert!(text.contains("connection refused"), "{text}");
    let advice = error.advice().unwrap();
    assert!(
        advice.contains("--build-context alpine:3.18=") && advice.contains("[bases]"),
        "{advice}"
    );
    let reference: Reference = "127.0.0.1:1/a".parse().unwrap();
    let local = registry(Keychain::anonymous(), Proxies::default(), 0);
    let error = local.resolve(&reference, &CancelToken::new()).unwrap_err();
    assert!(
        chain(&error).to_lowercase().contains("connection refused"),
        "{}",
        chain(&error)
    );
    assert!(error.advice().unwrap().contains("insecure"));
}

#[test]
fn a_stopped_pull_ends_at_once() {
    let mut case = Case::new(Access::Open);
    let (reference, layer) = (case.reference(":1.0"), case.layer.clone());
    let registry = case.registry();
    let cancel = CancelToken::new();
    let mut reader = registry.image(&reference, &cancel).open(&layer).unwrap();
    cancel.cancel();
    assert!(
        reader
            .read(&mut [0; 10])
            .unwrap_err()
            .to_string()
            .contains("interrupted")
    );
    assert!(registry.resolve(&reference, &cancel).unwrap_err().is_cancelled());
    assert!(matches!(
        registry.image(&reference, &cancel).contains(&layer),
        Err(BlobError::Cancelled(_))
    ));
    assert_eq!(Digest::of(layer_bytes()), layer.digest);
}
