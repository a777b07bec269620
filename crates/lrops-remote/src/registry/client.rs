//! The client: all registries, seen through one HTTP client and one keychain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lrops_model::blob::DOCUMENT_SIZE_BYTES_MAX;
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::oci::Descriptor;
use lrops_model::reference::Reference;

use super::attempts::{Attempts, Interruption, OnRetry};
use super::authorization::Authorizations;
use super::document;
use super::endpoint::{RegistryPattern, Schemes};
use super::error::{RegistryError, RegistryProblem, Task};
use super::image::RegistryImage;
use super::keychain::Keychain;
use super::mirror::{Mirror, PassedMirrors, UselessMirrors};
use super::repository::{Question, Repository, manifest_tail};
use crate::http::{HttpClient, Method};

/// What the user decides about registries.
pub struct RegistrySettings {
    /// Registries whose certificate may be anything, and that may speak plain http. Loopback ones are spoken to over plain
    /// http unless there are certificates for them.
    pub insecure: Vec<RegistryPattern>,
    /// Registries (`host` or `host:port`) that are spoken to over https whatever else is said about them.
    pub secure: BTreeSet<String>,
    /// For pulls, the mirrors that are asked before a registry, by its name in references.
    pub mirrors: BTreeMap<String, Vec<Mirror>>,
    /// Where credentials come from.
    pub keychain: Keychain,
}

/// A blocking client for any number of registries, to be shared by threads; cloning is cheap.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
    mirrors: MirrorUse,
    on_retry: Option<OnRetry>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum MirrorUse {
    First,
    Never,
}

struct Inner {
    client: Arc<HttpClient>,
    settings: RegistrySettings,
    authorizations: Authorizations,
    schemes: Schemes,
    useless_mirrors: UselessMirrors,
}

/// What a reference means now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The root: an index or a manifest, named by the digest of `bytes`.
    pub descriptor: Descriptor,
    /// The root's bytes, as the registry sent them.
    pub bytes: Vec<u8>,
    /// The mirror that sent them, where it was one.
    pub mirror: Option<String>,
}

impl Registry {
    /// Returns a client with these settings. Nothing is asked before it is needed.
    pub fn new(client: Arc<HttpClient>, settings: RegistrySettings) -> Self {
        Self {
            inner: Arc::new(Inner {
                client,
                settings,
                authorizations: Authorizations::default(),
                schemes: Schemes::default(),
                useless_mirrors: UselessMirrors::default(),
            }),
            mirrors: MirrorUse::First,
            on_retry: None,
        }
    }

    /// Returns the same client, which asks no mirrors: for what a registry itself has now.
    pub fn without_mirrors(&self) -> Self {
        Self {
            mirrors: MirrorUse::Never,
            ..self.clone()
        }
    }

    /// Returns the same client, which tells of retries: where it tries again, and why. What is told as an event of a push is
    /// not told here too.
    pub fn observed(&self, on_retry: OnRetry) -> Self {
        Self {
            on_retry: Some(on_retry),
            ..self.clone()
        }
    }

    /// Asks what a reference means, and returns the root document with its descriptor.
    ///
    /// A reference with a digest means exactly that content, whatever its tag says. Mirrors are asked first.
    ///
    /// # Errors
    /// When the registry cannot be reached or refuses, and when what it sends is not what was asked for.
    pub fn resolve(&self, reference: &Reference, cancel: &CancelToken) -> Result<Resolved, RegistryError> {
        let mut passed = PassedMirrors::default();
        for repository in self.sources(reference) {
            let mut attempts = Attempts::at(&repository, cancel);
            let problem = match attempts.persist(|| resolve_once(&repository, cancel)) {
                Ok(resolved) => return Ok(resolved),
                Err(problem) => problem,
            };
            if repository.mirror().is_some() && !problem.is_cancelled() {
                passed.add(&repository, &problem);
                continue;
            }
            return Err(RegistryError {
                image: Box::new(reference.clone()),
                task: Task::Resolve,
                attempts: attempts.made(),
                problem: passed.before(&repository, problem),
            });
        }
        unreachable!("the registry itself is the last source, and its problem an error")
    }

    /// Returns the reference's repository as a place that blobs and manifests can be read from, until `cancel`. Mirrors are
    /// asked first.
    pub fn image(&self, reference: &Reference, cancel: &CancelToken) -> RegistryImage {
        RegistryImage::new(self, reference, cancel.clone())
    }

    pub(crate) fn client(&self) -> &HttpClient {
        &self.inner.client
    }

    pub(crate) fn settings(&self) -> &RegistrySettings {
        &self.inner.settings
    }

    pub(crate) fn schemes(&self) -> &Schemes {
        &self.inner.schemes
    }

    /// Returns the mirrors to ask before a registry.
    pub(crate) fn mirrors_of(&self, registry: &str) -> &[Mirror] {
        match self.mirrors {
            MirrorUse::First => self.settings().mirrors.get(registry).map_or(&[], Vec::as_slice),
            MirrorUse::Never => &[],
        }
    }

    pub(crate) fn useless_mirrors(&self) -> &UselessMirrors {
        &self.inner.useless_mirrors
    }

    pub(crate) fn on_retry(&self) -> Option<&OnRetry> {
        self.on_retry.as_ref()
    }

    pub(crate) fn authorizations(&self) -> &Authorizations {
        &self.inner.authorizations
    }
}

fn resolve_once(repository: &Repository, cancel: &CancelToken) -> Result<Resolved, Interruption> {
    let reference = repository.reference();
    let pinned = reference.digest();
    let tail = manifest_tail(reference);
    let question = Question::of(Method::Get, &tail).headers(&[document::accept()]);
    let answer = repository.ask(&question, cancel)?;
    let content_type = answer.header("content-type").unwrap_or_default().to_owned();
    // Of another algorithm than sha256, the digest cannot be compared; the pinned one still is.
    let promised: Option<Digest> = answer
        .header("docker-content-digest")
        .and_then(|digest| digest.parse().ok());
    let bytes = answer.into_bytes(DOCUMENT_SIZE_BYTES_MAX)?;
    let found = Digest::of(&bytes);
    for expected in [pinned, promised].into_iter().flatten() {
        if expected != found {
            return Err(RegistryProblem::WrongDigest { expected, found }.into());
        }
    }
    let media_type = document::media_type(&content_type, &bytes)?;
    Ok(Resolved {
        descriptor: Descriptor::new(media_type, found, bytes.len() as u64),
        bytes,
        mirror: repository.mirror().map(str::to_owned),
    })
}
