//! What is resolved and read, and what is refused.

use lrops_model::blob::{BlobError, BlobSource, read_document};
use lrops_model::oci::{Descriptor, Index, Manifest, MediaType};
use lrops_remote::http::HttpProblem;
use lrops_remote::registry::RegistryProblem;
use lrops_testkit::registry::{Access, Fault};

use crate::case::{Case, LAYER_SIZE_BYTES, chain, layer_bytes, read};

#[test]
fn an_image_is_resolved_and_read_from_its_index_to_its_layers() {
    let mut case = Case::new(Access::Open);
    let resolved = case.resolve(":1.0").unwrap();
    assert_eq!(resolved.descriptor, case.index);
    let index: Index = serde_json::from_slice(&resolved.bytes).unwrap();
    let image = case.image();
    let manifest = read_document(&image, &index.manifests[0]).unwrap();
    let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(read(&image, &manifest.layers[0]).unwrap(), layer_bytes());
    assert_eq!(read_document(&image, &manifest.config).unwrap(), b"{}");
    let accept = case.server.requests()[0].header("accept").unwrap().to_owned();
    for media_type in [
        MediaType::OCI_INDEX,
        MediaType::DOCKER_INDEX,
        MediaType::OCI_MANIFEST,
        MediaType::DOCKER_MANIFEST,
    ] {
        assert!(accept.contains(media_type.0.as_ref()), "{accept}");
    }
}

#[test]
fn what_is_there_is_told_from_what_is_not() {
    let mut case = Case::new(Access::Open);
    let (index, layer) = (case.index.clone(), case.layer.clone());
    let image = case.image();
    let other = Descriptor::of(MediaType::OCI_LAYER, b"other");
    let found = [&index, &layer, &other].map(|descriptor| image.contains(descriptor).unwrap());
    assert_eq!(found, [true, true, false]);
    assert!(
        case.server
            .requests()
            .iter()
            .all(|request| request.method == "HEAD")
    );
    assert!(matches!(image.open(&other), Err(BlobError::Missing { .. })));
}

#[test]
fn a_pinned_digest_is_asked_for_and_compared() {
    let mut case = Case::new(Access::Open);
    let pinned = format!(":moved@{}", case.index.digest);
    assert_eq!(case.resolve(&pinned).unwrap().descriptor, case.index);
    case.server.once("manifests", Fault::OtherBytes(b"{}".to_vec()));
    let error = case.resolve(&pinned).unwrap_err();
    assert!(
        matches!(error.problem, RegistryProblem::WrongDigest { expected, .. } if expected == case.index.digest)
    );
}

#[test]
fn a_document_that_is_not_what_its_header_promises_is_refused() {
    let mut case = Case::new(Access::Open);
    case.server.once(
        "manifests",
        Fault::OtherBytes(br#"{"schemaVersion":2,"manifests":[]}"#.to_vec()),
    );
    let error = case.resolve(":1.0").unwrap_err();
    assert!(
        matches!(error.problem, RegistryProblem::WrongDigest { .. }),
        "{error:?}"
    );
    assert_eq!(error.attempts, 1);
}

#[test]
fn a_huge_document_is_not_held() {
    let mut case = Case::new(Access::Open);
    case.server
        .once("manifests", Fault::OtherBytes(vec![b' '; 4 * 1024 * 1024 + 1]));
    let error = case.resolve(":1.0").unwrap_err();
    assert!(
        matches!(error.problem, RegistryProblem::Http(HttpProblem::TooLarge { .. })),
        "{error:?}"
    );
}

#[test]
fn wrong_bytes_of_a_blob_are_refused() {
    let mut case = Case::new(Access::Open);
    let layer = case.layer.clone();
    let image = case.image();
    case.server
        .once("blobs", Fault::OtherBytes(vec![0; LAYER_SIZE_BYTES]));
    let error = read(&image, &layer).unwrap_err();
    assert!(error.to_string().contains("holds other bytes"), "{error}");
    for length in [LAYER_SIZE_BYTES - 1, LAYER_SIZE_BYTES + 1] {
        case.server.once("blobs", Fault::OtherBytes(vec![0; length]));
        let Err(error) = image.open(&layer) else {
            panic!("a blob of {length} bytes was opened")
        };
        assert!(
            chain(&error).contains(&format!("the registry has {length} bytes")),
            "{}",
            chain(&error)
        );
    }
}
