//! Mirrors: asked first for what is pulled, and passed over when they are of no use.

use lrops_model::blob::BlobSource;
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::oci::{Descriptor, MediaType};
use lrops_remote::registry::{Registry, Resolved};
use lrops_testkit::registry::{Access, Fault, RegistryServer};

use crate::case::{Case, REPOSITORY, answer, chain, layer_bytes, read};
use crate::service::{Client, Reply, Service, closed_port, keychain};

/// A registry with an image, and a client that asks mirrors first.
struct Mirrored {
    origin: Case,
    registry: Registry,
}

impl Mirrored {
    fn new(mirrors: &[String]) -> Self {
        Self::with_config(Access::Open, mirrors, |_| "{}".to_owned())
    }

    fn with_config(access: Access, mirrors: &[String], config: impl Fn(&str) -> String) -> Self {
        let origin = Case::new(access);
        let mut client = Client::new();
        let mirrors = mirrors.iter().map(|mirror| mirror.parse().unwrap()).collect();
        client.settings.mirrors = [(origin.server.name(), mirrors)].into();
        let config = config(&origin.server.name());
        client.settings.keychain = keychain(&config, "/".as_ref(), std::time::Duration::from_secs(1));
        Self {
            origin,
            registry: client.open(),
        }
    }

    fn resolve(&self) -> Resolved {
        let reference = self.origin.reference(":1.0");
        self.registry.resolve(&reference, &CancelToken::new()).unwrap()
    }

    fn read(&self, descriptor: &Descriptor) -> Vec<u8> {
        read(&self.image(), descriptor).unwrap()
    }

    fn image(&self) -> impl BlobSource + use<> {
        self.registry
            .image(&self.origin.reference(":1.0"), &CancelToken::new())
    }

    /// How often the registry itself was asked.
    fn asked(&self) -> usize {
        self.origin.server.requests().len()
    }
}

/// Copies the image of a registry to a mirror.
fn copy(origin: &Case, mirror: &RegistryServer, repository: &str) {
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{}","size":1}}]}}"#,
        MediaType::OCI_MANIFEST,
        origin.layer.digest
    );
    mirror.put_manifest(repository, Some("1.0"), MediaType::OCI_INDEX, index.as_bytes());
    mirror.put_blob(repository, MediaType::OCI_LAYER_GZIP, &layer_bytes());
}

fn mirror(access: Access) -> RegistryServer {
    let mirror = RegistryServer::start(access);
    copy(&Case::new(Access::Open), &mirror, REPOSITORY);
    mirror
}

#[test]
fn a_mirror_that_has_the_image_is_asked_alone() {
    let mirror = mirror(Access::Open);
    let case = Mirrored::new(&[mirror.name()]);
    let resolved = case.resolve();
    assert_eq!(resolved.mirror, Some(mirror.name()));
    assert_eq!(case.read(&case.origin.layer), layer_bytes());
    assert!(case.image().contains(&case.origin.layer).unwrap());
    assert_eq!(case.asked(), 0);
}

#[test]
fn a_mirror_s_path_goes_before_the_repository() {
    let mirror = RegistryServer::start(Access::Open);
    copy(
        &Case::new(Access::Open),
        &mirror,
        &format!("proxy/hub/{REPOSITORY}"),
    );
    let case = Mirrored::new(&[format!("{}/proxy/hub/", mirror.url())]);
    assert_eq!(
        case.resolve().mirror.unwrap(),
        format!("{}/proxy/hub", mirror.url())
    );
    assert_eq!(case.read(&case.origin.layer), layer_bytes());
    assert_eq!(case.asked(), 0);
    let target = format!("/v2/proxy/hub/{REPOSITORY}/manifests/1.0");
    assert_eq!(mirror.requests()[0].target, target);
}

#[test]
fn mirrors_that_do_not_have_it_are_passed_over() {
    let (empty, closed) = (
        RegistryServer::start(Access::Open),
        RegistryServer::start(Access::Basic("x:y")),
    );
    let case = Mirrored::new(&[empty.name(), closed.name()]);
    let resolved = case.resolve();
    assert_eq!(
        (resolved.mirror, &resolved.descriptor),
        (None, &case.origin.index)
    );
    assert_eq!(case.read(&case.origin.layer), layer_bytes());
    assert!(case.image().contains(&case.origin.layer).unwrap());
    assert_eq!((empty.requests().len(), closed.requests().len()), (3, 3));
}

#[test]
fn a_mirror_that_is_ill_or_away_is_asked_once_more_and_then_never() {
    let ill = RegistryServer::start(Access::Open);
    for _ in 0..9 {
        ill.once("/v2/", answer(503, Vec::new()));
    }
    let away = format!("127.0.0.1:{}", closed_port());
    let case = Mirrored::new(&[ill.name(), away]);
    assert_eq!(case.resolve().mirror, None);
    assert_eq!(case.read(&case.origin.layer), layer_bytes());
    assert_eq!(ill.requests().len(), 2);
}

#[test]
fn a_mirror_that_asks_for_a_long_wait_is_not_waited_for() {
    let busy = RegistryServer::start(Access::Open);
    busy.once("/v2/", answer(429, vec![("Retry-After", "60".to_owned())]));
    let case = Mirrored::new(&[busy.name()]);
    assert_eq!(case.resolve().mirror, None);
    assert_eq!(busy.requests().len(), 1);
}

#[test]
fn what_mirrors_said_stands_before_the_registry_s_own_words() {
    let empty = RegistryServer::start(Access::Open);
    let case = Mirrored::new(&[empty.name()]);
    let reference = case.origin.reference(":none");
    let error = case
        .registry
        .resolve(&reference, &CancelToken::new())
        .unwrap_err();
    let expected = format!(
        "failed to resolve {reference}: {}: not found: unknown to registry; {}: not found: unknown to registry",
        empty.name(),
        case.origin.server.name()
    );
    assert_eq!(chain(&error), expected);
    assert_eq!(error.problem.status(), Some(404));
    assert!(error.advice().unwrap().contains("check the name and the tag"));
}

#[test]
fn wrong_bytes_of_a_mirror_are_exchanged_for_right_ones() {
    let mirror = mirror(Access::Open);
    let case = Mirrored::new(&[mirror.name()]);
    mirror.once("blobs", Fault::OtherBytes(vec![0; layer_bytes().len()]));
    assert_eq!(case.read(&case.origin.layer), layer_bytes());
    assert_eq!(case.asked(), 1);
    assert_eq!(case.resolve().mirror, None, "it is not believed again");
}

#[test]
fn wrong_bytes_of_a_pinned_image_are_passed_over() {
    let mirror = mirror(Access::Open);
    let case = Mirrored::new(&[mirror.name()]);
    let pinned = case.origin.reference(&format!("@{}", case.origin.index.digest));
    mirror.put_manifest(REPOSITORY, None, MediaType::OCI_INDEX, &{
        let resolved = case.registry.resolve(&pinned, &CancelToken::new()).unwrap();
        resolved.bytes
    });
    mirror.once("manifests", Fault::OtherBytes(b"{}".to_vec()));
    let resolved = case.registry.resolve(&pinned, &CancelToken::new()).unwrap();
    assert_eq!(
        (resolved.mirror, &resolved.descriptor),
        (None, &case.origin.index)
    );
}

#[test]
fn wrong_bytes_of_a_large_blob_are_not_sent_twice() {
    let mirror = RegistryServer::start(Access::Open);
    let case = Mirrored::new(&[mirror.name()]);
    let bytes = vec![7; 5 * 1024 * 1024];
    let large = case
        .origin
        .server
        .put_blob(REPOSITORY, MediaType::OCI_LAYER, &bytes);
    mirror.put_blob(REPOSITORY, MediaType::OCI_LAYER, &bytes);
    mirror.once("blobs", Fault::OtherBytes(vec![8; bytes.len()]));
    let error = read(&case.image(), &large).unwrap_err();
    assert!(error.to_string().contains("holds other bytes"), "{error}");
    assert!(case.read(&large) == bytes);
    assert_eq!((mirror.requests().len(), case.asked()), (1, 1));
}

#[test]
fn a_blob_that_breaks_off_at_a_mirror_goes_on_at_the_registry() {
    let mirror = mirror(Access::Open);
    let case = Mirrored::new(&[mirror.name()]);
    for length in [1000, 0, 0] {
        mirror.once("blobs", Fault::CutAfter(length));
    }
    assert_eq!(case.read(&case.origin.layer), layer_bytes());
    let requests = case.origin.server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].header("range"), Some("bytes=1000-"));
}

#[test]
fn a_mirror_gets_its_own_credentials_and_no_others() {
    let mirror = mirror(Access::Basic("m:irror"));
    let empty = RegistryServer::start(Access::Basic("x:y"));
    let names = [empty.name(), mirror.name()];
    let case = Mirrored::with_config(Access::Basic("a:b"), &names, |origin| {
        format!(
            r#"{{"auths":{{"{origin}":{{"auth":"YTpi"}},"{}":{{"username":"m","password":"irror"}}}}}}"#,
            names[1]
        )
    });
    assert_eq!(case.resolve().mirror, Some(mirror.name()));
    assert_eq!(
        mirror.requests()[1].header("authorization"),
        Some("Basic bTppcnJvcg==")
    );
    assert!(
        empty
            .requests()
            .iter()
            .all(|request| request.header("authorization").is_none())
    );
    assert_eq!(case.asked(), 0);
}

#[test]
fn a_helper_is_asked_for_a_mirror_by_the_mirror_s_name() {
    let directory = tempfile::tempdir().unwrap();
    crate::service::write_program(
        directory.path(),
        "test",
        "echo \"$server\" >> \"$(dirname \"$0\")/log\"; echo 'credentials not found in native keychain'; exit 1",
    );
    let mirror =
        Service::start(|_, _| Reply::new(401, "").with("WWW-Authenticate", "Basic realm=x".to_owned()));
    let origin = Case::new(Access::Open);
    let mut client = Client::new().with_config(r#"{"credsStore":"test"}"#, directory.path());
    client.settings.mirrors = [(origin.server.name(), vec![mirror.name().parse().unwrap()])].into();
    client
        .open()
        .resolve(&origin.reference(":1.0"), &CancelToken::new())
        .unwrap();
    let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
    assert_eq!(log.trim(), mirror.name());
}

#[test]
fn a_mirror_that_has_nothing_for_an_empty_blob_of_another_digest_is_asked_once() {
    let mirror = RegistryServer::start(Access::Open);
    let case = Mirrored::new(&[mirror.name()]);
    let promised = Descriptor::new(MediaType::OCI_CONFIG, Digest::of("not empty"), 0);
    let empty = || Fault::Answer {
        status: 200,
        headers: Vec::new(),
        body: Vec::new(),
    };
    mirror.times(usize::MAX, "GET", "/blobs/", empty());
    case.origin.server.times(usize::MAX, "GET", "/blobs/", empty());
    let error = read(&case.image(), &promised).unwrap_err();
    assert!(chain(error.as_ref()).contains("other bytes"));
    assert_eq!((mirror.requests().len(), case.asked()), (1, 1));
}
