//! Pulling from Debian's docker-registry what skopeo pushed there.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use lrops_model::blob::{BlobError, BlobSource, open_verified, read_document};
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::oci::{Descriptor, Index, Manifest, MediaType};
use lrops_model::reference::Reference;
use lrops_remote::http::{HostTrust, HttpClient, HttpSettings, Proxies, Timeouts};
use lrops_remote::registry::{Keychain, Registry, RegistryProblem, RegistrySettings};
use lrops_testkit::debian_registry::{DebianRegistry, skopeo};

const LAYER_SIZE_BYTES: usize = 3_000_000;

/// An OCI layout whose index has one manifest, with a layer too large for one read.
fn write_layout(directory: &Path) -> Digest {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |media_type: MediaType, bytes: &[u8]| {
        let descriptor = Descriptor::of(media_type, bytes);
        fs::write(blobs.join(descriptor.digest.hex()), bytes).unwrap();
        serde_json::to_value(descriptor).unwrap()
    };
    let mut noise = 1_u32;
    let content: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.to_be_bytes()[0]
    })
    .take(LAYER_SIZE_BYTES)
    .collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(&content).unwrap();
    let layer = put(MediaType::OCI_LAYER_GZIP, &encoder.finish().unwrap());
    let config = serde_json::json!({"architecture": "arm64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&content).to_string()]}});
    let config = put(MediaType::OCI_CONFIG, config.to_string().as_bytes());
    let manifest = serde_json::json!({"schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config,
        "layers": [layer]});
    let mut manifest = put(MediaType::OCI_MANIFEST, manifest.to_string().as_bytes());
    manifest["platform"] = serde_json::json!({"architecture": "arm64", "os": "linux"});
    let index =
        serde_json::json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": [manifest]});
    let mut root = put(MediaType::OCI_INDEX, index.to_string().as_bytes());
    let digest = root["digest"].as_str().unwrap().parse().unwrap();
    root["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": "v1"});
    let entry = serde_json::json!({"schemaVersion": 2, "manifests": [root]});
    fs::write(directory.join("index.json"), entry.to_string()).unwrap();
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    digest
}

/// Forwards connections, and ends the first that brought more than `limit` bytes. Returns its port.
fn cutting_proxy(target: u16, limit: usize, cuts: Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let server = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, target))).unwrap();
            let (mut requests, mut upstream) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut requests, &mut upstream));
            let cuts = cuts.clone();
            std::thread::spawn(move || forward(server, client, limit, &cuts));
        }
    });
    port
}

fn forward(mut server: TcpStream, mut client: TcpStream, limit: usize, cuts: &AtomicUsize) {
    let (mut buffer, mut total) = (vec![0; 16 * 1024], 0);
    while let Ok(read @ 1..) = server.read(&mut buffer) {
        total += read;
        if total > limit
            && cuts
                .compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
        {
            break;
        }
        if client.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

fn client() -> Registry {
    let client = HttpClient::new(HttpSettings {
        user_agent: "test".to_owned(),
        timeouts: Timeouts::USUAL,
        proxies: Proxies::default(),
        certificate_authorities: Vec::new(),
        trust: HostTrust::default(),
        retry_waits: vec![Duration::from_millis(10); 2],
    });
    Registry::new(
        Arc::new(client),
        RegistrySettings {
            insecure: Vec::new(),
            secure: [].into(),
            mirrors: [].into(),
            keychain: Keychain::anonymous(),
        },
    )
}

#[test]
fn what_skopeo_pushed_is_pulled_byte_for_byte_over_a_cut_connection() {
    let directory = tempfile::tempdir().unwrap();
    let layout = directory.path().join("layout");
    let pushed = write_layout(&layout);
    let registry = DebianRegistry::start();
    skopeo(&[
        "copy",
        "--all",
        "--preserve-digests",
        "--dest-tls-verify=false",
        "--insecure-policy",
        &format!("oci:{}:v1", layout.display()),
        &format!("docker://{}/team/app:v1", registry.name()),
    ]);

    let cuts = Arc::new(AtomicUsize::new(0));
    let port = cutting_proxy(registry.address().port(), 1_000_000, cuts.clone());
    let (client, cancel) = (client(), CancelToken::new());
    let reference: Reference = format!("127.0.0.1:{port}/team/app:v1").parse().unwrap();
    let resolved = client.resolve(&reference, &cancel).unwrap();
    assert_eq!(
        (resolved.descriptor.digest, &resolved.descriptor.media_type),
        (pushed, &MediaType::OCI_INDEX)
    );
    assert_eq!(
        client.resolve(&reference.with_digest(pushed), &cancel).unwrap(),
        resolved
    );

    let image = client.image(&reference, &cancel);
    let index: Index = serde_json::from_slice(&resolved.bytes).unwrap();
    let manifest = read_document(&image, &index.manifests[0]).unwrap();
    let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    let layer = &manifest.layers[0];
    let mut bytes = Vec::new();
    open_verified(&image, layer)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    assert_eq!(
        bytes,
        fs::read(layout.join("blobs/sha256").join(layer.digest.hex())).unwrap()
    );
    assert_eq!(cuts.load(Ordering::SeqCst), 1, "the connection was never cut");

    assert!(image.contains(layer).unwrap() && image.contains(&resolved.descriptor).unwrap());
    let other = Descriptor::of(MediaType::OCI_LAYER, b"other");
    assert!(!image.contains(&other).unwrap());
    assert!(matches!(image.open(&other), Err(BlobError::Missing { .. })));
    let error = client
        .resolve(&reference.with_tag("v2").unwrap(), &cancel)
        .unwrap_err();
    assert!(
        matches!(error.problem, RegistryProblem::NotFound { .. }),
        "{error:?}"
    );
}
