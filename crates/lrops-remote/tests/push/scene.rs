//! An image, a registry, a client that does not wait long, and what tests say about a push.

use std::error::Error;
use std::io::Write;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use lrops_model::blob::{BlobStore, MemoryStore};
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::image::{ImageNode, walk_image};
use lrops_model::oci::{Descriptor, MediaType};
use lrops_model::reference::Reference;
use lrops_model::upload::MemoryJournal;
use lrops_remote::http::{HostTrust, HttpClient, HttpSettings, Proxies, Timeouts};
use lrops_remote::registry::{
    BlobOutcome, CredentialSource, DockerConfig, HelperSettings, Keychain, Push, PushError, PushSettings,
    Registry, RegistryError, RegistrySettings, TagExpectation, TagOutcome,
};
use lrops_testkit::registry::{Access, Fault, RegistryOptions, RegistryServer, SeenRequest};
use serde_json::{Value, json};

pub(crate) const REPOSITORY: &str = "team/app";
pub(crate) const CHUNK_SIZE_BYTES: u64 = 256 * 1024;
pub(crate) const SMALL_CHUNK_SIZE_BYTES: u64 = 16 * 1024;
pub(crate) const TAGS: [&str; 2] = ["1.0", "latest"];

/// Three platforms with a layer of about 3 MB each, and one that they share.
pub(crate) static IMAGE: LazyLock<Image> = LazyLock::new(|| Image::new(3_000_000));

/// The same with layers of 40 KB, for tests of many pushes.
pub(crate) static SMALL_IMAGE: LazyLock<Image> = LazyLock::new(|| Image::new(40_000));

/// An image in memory.
pub(crate) struct Image {
    pub(crate) store: MemoryStore,
    pub(crate) tree: ImageNode,
    pub(crate) root_bytes: Vec<u8>,
}

impl Image {
    fn new(layer_size_bytes: usize) -> Self {
        let store = MemoryStore::new();
        let shared = put_layer(&store, 0, layer_size_bytes / 10);
        let platforms = [
            json!({"architecture": "amd64", "os": "linux"}),
            json!({"architecture": "arm64", "os": "linux"}),
            json!({"architecture": "arm", "os": "linux", "variant": "v7"}),
        ];
        let manifests = platforms.into_iter().zip(1..).map(|(platform, seed)| {
            let own = put_layer(&store, seed, layer_size_bytes);
            let mut config = platform.clone();
            config["config"] = json!({});
            config["rootfs"] = json!({"type": "layers", "diff_ids": [shared.1, own.1]});
            let config = put(&store, MediaType::OCI_CONFIG, config.to_string().as_bytes());
            let manifest = json!({"schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config,
                "layers": [shared.0, own.0]});
            let manifest = put(&store, MediaType::OCI_MANIFEST, manifest.to_string().as_bytes());
            let mut entry = json!(manifest);
            entry["platform"] = platform;
            entry
        });
        let manifests: Vec<Value> = manifests.collect();
        let index = json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": manifests});
        let root_bytes = index.to_string().into_bytes();
        let root = put(&store, MediaType::OCI_INDEX, &root_bytes);
        let tree = walk_image(&store, &root, &CancelToken::new()).unwrap();
        Self {
            store,
            tree,
            root_bytes,
        }
    }

    pub(crate) fn root(&self) -> &Descriptor {
        self.tree.descriptor()
    }

    /// What is no document: configs and layers, each once.
    pub(crate) fn blobs(&self) -> Vec<&Descriptor> {
        let parts = self.tree.parts().into_iter();
        parts
            .filter(|part| part.bytes.is_none())
            .map(|part| part.descriptor)
            .collect()
    }

    /// The layer that only the first platform has.
    pub(crate) fn layer(&self) -> &Descriptor {
        &self.tree.manifests()[0].1.layers[1]
    }

    pub(crate) fn blobs_size_bytes(&self) -> u64 {
        self.blobs().iter().map(|blob| blob.size).sum()
    }
}

fn put(store: &MemoryStore, media_type: MediaType, bytes: &[u8]) -> Descriptor {
    let descriptor = Descriptor::of(media_type, bytes);
    store.put(&descriptor, &mut &*bytes).unwrap();
    descriptor
}

/// Keeps noise as a layer, and returns it with its diff ID.
fn put_layer(store: &MemoryStore, seed: u32, size_bytes: usize) -> (Descriptor, Digest) {
    let noise = noise(seed, size_bytes);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(&noise).unwrap();
    let layer = put(store, MediaType::OCI_LAYER_GZIP, &encoder.finish().unwrap());
    (layer, Digest::of(&noise))
}

pub(crate) fn noise(seed: u32, size_bytes: usize) -> Vec<u8> {
    let mut state = seed + 1;
    let bytes = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    bytes.take(size_bytes).collect()
}

/// An image on its way into a registry.
pub(crate) struct Scene {
    pub(crate) server: RegistryServer,
    pub(crate) image: &'static Image,
    pub(crate) journal: MemoryJournal,
    pub(crate) settings: PushSettings,
    pub(crate) retries: usize,
    pub(crate) timeouts: Timeouts,
    /// Where the client finds the registry.
    pub(crate) name: String,
    login: Option<&'static str>,
}

impl Scene {
    pub(crate) fn new(options: RegistryOptions) -> Self {
        let server = RegistryServer::start_with(options);
        Self {
            name: server.name(),
            server,
            image: &IMAGE,
            journal: MemoryJournal::new(),
            settings: PushSettings {
                parallel: 2,
                chunk_size: CHUNK_SIZE_BYTES,
            },
            retries: 3,
            timeouts: Timeouts {
                connect: Duration::from_secs(5),
                response: Duration::from_secs(5),
                idle: Duration::from_secs(5),
            },
            login: None,
        }
    }

    pub(crate) fn usual() -> Self {
        Self::new(RegistryOptions::usual())
    }

    pub(crate) fn small(mut self) -> Self {
        self.image = &SMALL_IMAGE;
        self.settings.chunk_size = SMALL_CHUNK_SIZE_BYTES;
        self
    }

    /// Sends one blob after the other, in the order of the image.
    pub(crate) fn one_at_a_time(mut self) -> Self {
        self.settings.parallel = 1;
        self
    }

    pub(crate) fn with_retries(mut self, retries: usize) -> Self {
        self.retries = retries;
        self
    }

    pub(crate) fn with_login(mut self, secret: &'static str) -> Self {
        self.login = Some(secret);
        self
    }

    /// Gives up on silence soon.
    pub(crate) fn impatient(mut self) -> Self {
        self.timeouts.response = Duration::from_millis(250);
        self.timeouts.idle = Duration::from_millis(250);
        self
    }

    /// Asks the registry at another address, such as a proxy's.
    pub(crate) fn at(mut self, name: String) -> Self {
        self.name = name;
        self
    }

    pub(crate) fn reference(&self) -> Reference {
        format!("{}/{REPOSITORY}", self.name).parse().unwrap()
    }

    /// A client, as another process would have it.
    pub(crate) fn client(&self) -> Registry {
        let keychain = self.login.map_or_else(Keychain::anonymous, |secret| {
            let (user, password) = secret.split_once(':').unwrap();
            let entry = json!({"username": user, "password": password});
            let config = json!({"auths": {self.name.clone(): entry}});
            let config = DockerConfig::parse(config.to_string().as_bytes()).unwrap();
            Keychain::new(vec![CredentialSource::Config(config)], HelperSettings::USUAL)
        });
        let client = HttpClient::new(HttpSettings {
            user_agent: "test".to_owned(),
            timeouts: self.timeouts,
            proxies: Proxies::default(),
            certificate_authorities: Vec::new(),
            trust: HostTrust::default(),
            retry_waits: vec![Duration::from_millis(1); self.retries],
        });
        Registry::new(
            Arc::new(client),
            RegistrySettings {
                insecure: Vec::new(),
                secure: [].into(),
                mirrors: [].into(),
                keychain,
            },
        )
    }

    /// Does something with a push of a client of its own.
    pub(crate) fn with_push<T>(&self, what: impl FnOnce(&Push<'_>) -> T) -> T {
        let cancel = CancelToken::new();
        what(
            &self
                .client()
                .push(&self.reference(), self.settings, &self.journal, &cancel, &|_| {}),
        )
    }

    /// Asks whether pushing is allowed.
    pub(crate) fn check_rights(&self) -> Result<(), RegistryError> {
        let cancel = CancelToken::new();
        let client = self.client();
        let push = client.push(&self.reference(), self.settings, &self.journal, &cancel, &|_| {});
        push.check_rights()
    }

    /// Pushes the image, as another process would.
    pub(crate) fn push(&self) -> Result<Vec<TagOutcome>, PushError> {
        self.with_push(|push| {
            push.blobs(&self.image.store, &self.image.blobs())?;
            self.finish(push)
        })
    }

    /// Pushes what names the blobs, and the tags.
    pub(crate) fn finish(&self, push: &Push<'_>) -> Result<Vec<TagOutcome>, PushError> {
        push.documents(&self.image.tree)?;
        let tags = TAGS.iter();
        tags.map(|tag| self.give(push, tag, TagExpectation::Anything))
            .collect()
    }

    /// Gives one tag to the image.
    pub(crate) fn give(
        &self,
        push: &Push<'_>,
        tag: &str,
        expected: TagExpectation,
    ) -> Result<TagOutcome, PushError> {
        push.tag(tag, self.image.root(), &self.image.root_bytes, expected)
    }

    /// Pushes the layer of the first platform, as another process would.
    pub(crate) fn push_layer(&self) -> Result<BlobOutcome, PushError> {
        self.with_push(|push| push.blob(&self.image.store, self.image.layer()))
    }

    /// Panics unless the registry has the layer and got at most so many bytes for it.
    #[track_caller]
    pub(crate) fn assert_layer_cost(&self, bytes_max: u64, what: &str) {
        let layer = self.image.layer();
        assert!(
            self.server.blob(REPOSITORY, &layer.digest).is_some(),
            "{what}: it is not there"
        );
        let received = self.server.bytes_received();
        assert!(
            received <= bytes_max,
            "{what}: {received} bytes for a layer of {} bytes, not at most {bytes_max}",
            layer.size
        );
    }

    /// Panics unless the registry has the whole image, under all tags.
    #[track_caller]
    pub(crate) fn assert_pushed(&self, what: &str) {
        self.server.assert_complete(REPOSITORY);
        let root = self.image.root().digest;
        let expected = TAGS.map(|tag| (tag.to_owned(), root)).into();
        assert_eq!(self.server.tags(REPOSITORY), expected, "{what}");
        for blob in self.image.blobs() {
            let is_there = self.server.blob(REPOSITORY, &blob.digest).is_some();
            assert!(is_there, "{what}: {} is not there", blob.digest);
        }
    }

    /// What was asked, as `METHOD kind`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.server.requests().iter().map(kind).collect()
    }

    pub(crate) fn requests(&self, wanted: &str) -> Vec<SeenRequest> {
        let requests = self.server.requests().into_iter();
        requests.filter(|request| kind(request) == wanted).collect()
    }
}

/// Which of a push's requests it is.
pub(crate) fn kind(request: &SeenRequest) -> String {
    let path = request.path();
    let kind = if path.contains("/blobs/uploads") {
        "upload"
    } else if path.contains("/blobs/") {
        "blob"
    } else if path.contains("/manifests/sha256:") {
        "manifest"
    } else if path.contains("/manifests/") {
        "tag"
    } else if path.starts_with("/token") {
        "token"
    } else {
        path
    };
    format!("{} {kind}", request.method)
}

/// A registry that gives tokens to `user:secret`.
pub(crate) fn with_tokens() -> RegistryOptions {
    RegistryOptions::usual().with_access(Access::Token {
        credentials: Some(SECRET),
        expires_in_seconds: 300,
    })
}

pub(crate) const SECRET: &str = "user:secret";

/// An error with its causes, as people see it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut words = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        words.push(cause.to_string());
        source = cause.source();
    }
    words.join(": ")
}

pub(crate) fn answer(status: u16) -> Fault {
    answer_with(status, Vec::new())
}

pub(crate) fn answer_with(status: u16, headers: Vec<(&'static str, String)>) -> Fault {
    Fault::Answer {
        status,
        headers,
        body: Vec::new(),
    }
}
