//! The client: all registries, seen through one HTTP client and one keychain.

use std::collections::BTreeSet;
use std::sync::Arc;

use lrops_model::blob::DOCUMENT_SIZE_BYTES_MAX;
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::oci::Descriptor;
use lrops_model::reference::Reference;

use super::attempts::{Attempts, Interruption};
use super::authorization::Authorizations;
use super::document;
use super::error::{RegistryError, RegistryProblem, Task};
use super::image::RegistryImage;
use super::keychain::Keychain;
use super::repository::{Question, Repository};
use crate::http::{HttpClient, Method};

/// What the user decides about registries.
pub struct RegistrySettings {
    /// Registries (`host` or `host:port`) that are spoken to over plain http. Loopback ones always are.
    pub insecure: BTreeSet<String>,
    /// Where credentials come from.
    pub keychain: Keychain,
}

/// A blocking client for any number of registries, to be shared by threads; cloning is cheap.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    client: Arc<HttpClient>,
    settings: RegistrySettings,
    authorizations: Authorizations,
}

/// What a reference means now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The root: an index or a manifest, named by the digest of `bytes`.
    pub descriptor: Descriptor,
    /// The root's bytes, as the registry sent them.
    pub bytes: Vec<u8>,
}

impl Registry {
    /// Returns a client with these settings. Nothing is asked before it is needed.
    pub fn new(client: Arc<HttpClient>, settings: RegistrySettings) -> Self {
        Self {
            inner: Arc::new(Inner {
                client,
                settings,
                authorizations: Authorizations::default(),
            }),
        }
    }

    /// Asks what a reference means, and returns the root document with its descriptor.
    ///
    /// A reference with a digest means exactly that content, whatever its tag says.
    ///
    /// # Errors
    /// When the registry cannot be reached or refuses, and when what it sends is not what was asked for.
    pub fn resolve(&self, reference: &Reference, cancel: &CancelToken) -> Result<Resolved, RegistryError> {
        let repository = Repository::new(self, reference);
        let mut attempts = Attempts::new(self.client(), cancel);
        loop {
            let interruption = match resolve_once(&repository, cancel) {
                Ok(resolved) => return Ok(resolved),
                Err(interruption) => interruption,
            };
            attempts
                .wait_after(interruption)
                .map_err(|problem| RegistryError {
                    image: Box::new(reference.clone()),
                    task: Task::Resolve,
                    attempts: attempts.made(),
                    problem,
                })?;
        }
    }

    /// Returns the reference's repository as a place that blobs and manifests can be read from, until `cancel`.
    pub fn image(&self, reference: &Reference, cancel: &CancelToken) -> RegistryImage {
        RegistryImage::new(Repository::new(self, reference), cancel.clone())
    }

    pub(crate) fn client(&self) -> &HttpClient {
        &self.inner.client
    }

    pub(crate) fn settings(&self) -> &RegistrySettings {
        &self.inner.settings
    }

    pub(crate) fn authorizations(&self) -> &Authorizations {
        &self.inner.authorizations
    }
}

fn resolve_once(repository: &Repository, cancel: &CancelToken) -> Result<Resolved, Interruption> {
    let reference = repository.reference();
    let pinned = reference.digest();
    let tail = match (pinned, reference.tag_or_latest()) {
        (Some(digest), _) => format!("manifests/{digest}"),
        (None, tag) => format!("manifests/{}", tag.unwrap_or("latest")),
    };
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
    })
}
