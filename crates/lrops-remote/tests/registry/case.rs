//! An image in a registry, and what tests say about pulling it.

use std::error::Error;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use lrops_model::blob::{BlobSource, open_verified};
use lrops_model::cancel::CancelToken;
use lrops_model::oci::{Descriptor, MediaType};
use lrops_model::reference::Reference;
use lrops_remote::http::{HostTrust, HttpClient, HttpSettings, Proxies, Timeouts};
use lrops_remote::registry::{
    CredentialSource, DockerConfig, HelperSettings, Keychain, Registry, RegistryError, RegistryImage,
    RegistrySettings, Resolved,
};
use lrops_testkit::registry::{Access, Fault, RegistryServer};

pub(crate) const REPOSITORY: &str = "team/app";
pub(crate) const LAYER_SIZE_BYTES: usize = 300_000;

/// An image in a registry, and a client for it.
pub(crate) struct Case {
    pub(crate) server: RegistryServer,
    keychain: Keychain,
    pub(crate) index: Descriptor,
    pub(crate) layer: Descriptor,
}

impl Case {
    pub(crate) fn new(access: Access) -> Self {
        let server = RegistryServer::start(access);
        let layer = server.put_blob(REPOSITORY, MediaType::OCI_LAYER_GZIP, &layer_bytes());
        let config = server.put_blob(REPOSITORY, MediaType::OCI_CONFIG, b"{}");
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
            json(&config),
            json(&layer)
        );
        let manifest = server.put_manifest(REPOSITORY, None, MediaType::DOCKER_MANIFEST, manifest.as_bytes());
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, json(&manifest));
        let index = server.put_manifest(REPOSITORY, Some("1.0"), MediaType::OCI_INDEX, index.as_bytes());
        Self {
            server,
            keychain: Keychain::anonymous(),
            index,
            layer,
        }
    }

    pub(crate) fn with_login(mut self, secret: &str) -> Self {
        let (user, password) = secret.split_once(':').unwrap();
        let config = format!(
            r#"{{"auths":{{"{}":{{"username":"{user}","password":"{password}"}}}}}}"#,
            self.server.name()
        );
        let config = DockerConfig::parse(config.as_bytes()).unwrap();
        self.keychain = Keychain::new(vec![CredentialSource::Config(config)], HelperSettings::USUAL);
        self
    }

    pub(crate) fn reference(&self, suffix: &str) -> Reference {
        format!("{}/{REPOSITORY}{suffix}", self.server.name())
            .parse()
            .unwrap()
    }

    pub(crate) fn registry(&mut self) -> Registry {
        registry(
            std::mem::replace(&mut self.keychain, Keychain::anonymous()),
            Proxies::default(),
            3,
        )
    }

    pub(crate) fn resolve(&mut self, suffix: &str) -> Result<Resolved, RegistryError> {
        let reference = self.reference(suffix);
        self.registry().resolve(&reference, &CancelToken::new())
    }

    pub(crate) fn image(&mut self) -> RegistryImage {
        let reference = self.reference("");
        self.registry().image(&reference, &CancelToken::new())
    }

    /// Method, last part of the path, and what was shown, of each request.
    pub(crate) fn log(&self) -> Vec<String> {
        let shown = |target: &str| match target.split_once('?') {
            Some((path, _)) => path.to_owned(),
            None => target.rsplit('/').nth(1).unwrap_or_default().to_owned(),
        };
        let requests = self.server.requests();
        let log = requests.iter().map(|request| {
            let authorization = request.header("authorization").unwrap_or("nothing");
            format!("{} {} {authorization}", request.method, shown(&request.target))
        });
        log.collect()
    }
}

pub(crate) fn registry(keychain: Keychain, proxies: Proxies, retries: usize) -> Registry {
    let client = HttpClient::new(HttpSettings {
        user_agent: "test".to_owned(),
        timeouts: Timeouts {
            idle: Duration::from_millis(500),
            ..Timeouts::USUAL
        },
        proxies,
        certificate_authorities: Vec::new(),
        trust: HostTrust::default(),
        retry_waits: vec![Duration::from_millis(1); retries],
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

pub(crate) fn json(descriptor: &Descriptor) -> String {
    format!(
        r#"{{"mediaType":"{}","digest":"{}","size":{}}}"#,
        descriptor.media_type, descriptor.digest, descriptor.size
    )
}

pub(crate) fn layer_bytes() -> Vec<u8> {
    (0..=250).cycle().take(LAYER_SIZE_BYTES).collect()
}

pub(crate) fn read(source: &impl BlobSource, descriptor: &Descriptor) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = Vec::new();
    open_verified(source, descriptor)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

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

pub(crate) fn answer(status: u16, headers: Vec<(&'static str, String)>) -> Fault {
    Fault::Answer {
        status,
        headers,
        body: Vec::new(),
    }
}
