//! A running registry, as tests hold it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lrops_model::digest::Digest;
use lrops_model::oci::{Descriptor, MediaType};

use super::connection::serve;
use super::content::{Content, StoredManifest};
use super::fault::{Fault, Faults};
use super::options::{Access, RegistryOptions, Right};
use super::seen::SeenRequest;
use super::token::Tokens;
use crate::http::{Connections, Listener};

/// A running registry; dropping it stops it.
pub struct RegistryServer {
    listener: Listener,
    registry: Arc<Registry>,
}

/// What the threads of a registry share.
pub(super) struct Registry {
    pub(super) options: RegistryOptions,
    content: Arc<Mutex<Content>>,
    tokens: Mutex<Tokens>,
    log: Mutex<Log>,
    connections: Arc<Connections>,
}

#[derive(Default)]
struct Log {
    faults: Faults,
    /// With the bytes of their bodies, which are counted as they come.
    requests: Vec<(SeenRequest, Arc<AtomicU64>)>,
}

impl RegistryServer {
    /// Starts a usual registry on a free loopback port.
    pub fn start(access: Access) -> Self {
        Self::start_with(RegistryOptions::usual().with_access(access))
    }

    /// Starts a registry on a free loopback port.
    pub fn start_with(options: RegistryOptions) -> Self {
        Self::of(options, Arc::default())
    }

    /// Starts another registry, on a port of its own, that holds the same: a second address of one storage.
    ///
    /// Tokens, faults and what was asked are each one's own.
    pub fn start_beside(&self, options: RegistryOptions) -> Self {
        Self::of(options, self.registry.content.clone())
    }

    fn of(options: RegistryOptions, content: Arc<Mutex<Content>>) -> Self {
        let connections = Arc::new(Connections::default());
        let registry = Arc::new(Registry {
            options,
            content,
            tokens: Mutex::default(),
            log: Mutex::default(),
            connections: connections.clone(),
        });
        let served = registry.clone();
        let listener = Listener::start(connections, move |stream| serve(&served, stream));
        Self { listener, registry }
    }

    /// Returns the registry as references name it: `127.0.0.1:PORT`.
    pub fn name(&self) -> String {
        self.address().to_string()
    }

    /// Returns the address that redirects can name.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Keeps a blob.
    pub fn put_blob(&self, repository: &str, media_type: MediaType, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(media_type, bytes);
        let mut content = self.registry.content();
        let blobs = &mut content.repository(repository).blobs;
        blobs.insert(descriptor.digest, Arc::new(bytes.to_vec()));
        descriptor
    }

    /// Keeps a manifest or an index under its digest and perhaps a tag, whatever it names.
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: MediaType,
        bytes: &[u8],
    ) -> Descriptor {
        let descriptor = Descriptor::of(media_type, bytes);
        let manifest = StoredManifest {
            media_type: descriptor.media_type.to_string(),
            bytes: Arc::new(bytes.to_vec()),
        };
        let mut content = self.registry.content();
        let repository = content.repository(repository);
        repository.manifests.insert(descriptor.digest, manifest);
        if let Some(tag) = tag {
            repository.tags.insert(tag.to_owned(), descriptor.digest);
        }
        descriptor
    }

    /// Lets a tag name a manifest.
    pub fn put_tag(&self, repository: &str, tag: &str, digest: Digest) {
        let mut content = self.registry.content();
        content.repository(repository).tags.insert(tag.to_owned(), digest);
    }

    /// Gives a fault to the next request whose target contains `part`. Several come in the order they were told.
    pub fn once(&self, part: &str, fault: Fault) {
        self.registry.log().faults.plan(1, None, part, fault);
    }

    /// Gives a fault to the next request of this method whose target contains `part`.
    pub fn once_for(&self, method: &str, part: &str, fault: Fault) {
        self.times(1, method, part, fault);
    }

    /// Gives a fault to the next `times` requests of this method whose target contains `part`.
    pub fn times(&self, times: usize, method: &str, part: &str, fault: Fault) {
        self.registry.log().faults.plan(times, Some(method), part, fault);
    }

    /// Takes back all faults that were told and not given yet.
    pub fn forget_faults(&self) {
        self.registry.log().faults = Faults::default();
    }

    /// Makes all tokens that were issued invalid.
    pub fn expire_tokens(&self) {
        self.registry.tokens().forget();
    }

    /// Returns what was asked until now.
    pub fn requests(&self) -> Vec<SeenRequest> {
        let log = self.registry.log();
        let requests = log.requests.iter().map(|(request, body_length)| SeenRequest {
            body_length: body_length.load(Ordering::SeqCst),
            ..request.clone()
        });
        requests.collect()
    }

    /// Returns a blob of a repository.
    pub fn blob(&self, repository: &str, digest: &Digest) -> Option<Vec<u8>> {
        let blob = self.registry.content().blob(repository, digest)?;
        Some(blob.to_vec())
    }

    /// Returns a manifest by tag or digest, with its media type.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<(String, Vec<u8>)> {
        let (_, manifest) = self.registry.content().manifest(repository, reference)?;
        Some((manifest.media_type, manifest.bytes.to_vec()))
    }

    /// Returns the tags of a repository with what they name.
    pub fn tags(&self, repository: &str) -> BTreeMap<String, Digest> {
        let content = self.registry.content();
        let repository = content.repositories.get(repository);
        repository
            .map(|repository| repository.tags.clone())
            .unwrap_or_default()
    }

    /// Returns how many bytes of request bodies were read for blobs until now, whether they were kept or not.
    pub fn bytes_received(&self) -> u64 {
        let log = self.registry.log();
        let uploads = log
            .requests
            .iter()
            .filter(|(request, _)| request.path().contains("/blobs/uploads"));
        uploads
            .map(|(_, body_length)| body_length.load(Ordering::SeqCst))
            .sum()
    }

    /// Returns how many uploads are open.
    pub fn sessions(&self) -> usize {
        self.registry.content().sessions.len()
    }

    /// Panics unless each tag and each manifest of a repository names only what is there and complete.
    pub fn assert_complete(&self, repository: &str) {
        let content = self.registry.content();
        let held = content.repositories.get(repository);
        let broken = held
            .map(super::content::Repository::broken_promises)
            .unwrap_or_default();
        drop(content);
        assert!(
            broken.is_empty(),
            "{repository} is not complete:\n{}",
            broken.join("\n")
        );
    }
}

impl Registry {
    pub(super) fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a request, and returns where the bytes of its body are counted.
    pub(super) fn see(&self, request: &SeenRequest) -> Arc<AtomicU64> {
        let body_length = Arc::new(AtomicU64::new(0));
        self.log().requests.push((request.clone(), body_length.clone()));
        body_length
    }

    /// Takes the fault that is meant for a request.
    pub(super) fn take_fault(&self, request: &SeenRequest, wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        self.log().faults.take(&request.method, &request.target, wanted)
    }

    /// Returns what those with credentials may do in a repository.
    pub(super) fn right(&self, repository: &str) -> Right {
        let right = self.options.rights.get(repository);
        right.copied().unwrap_or(Right::Everything)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.connections.is_stopped()
    }
}
