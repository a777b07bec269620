//! A repository as a place of blobs.

use std::io::{Cursor, Read};

use lrops_model::blob::{BlobError, BlobSource, DOCUMENT_SIZE_BYTES_MAX};
use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::digest::Digest;
use lrops_model::oci::Descriptor;
use lrops_model::reference::Reference;

use super::attempts::{Attempts, Interruption};
use super::blob_reader::BlobReader;
use super::client::Registry;
use super::document;
use super::error::{RegistryError, RegistryProblem, Task};
use super::mirror::PassedMirrors;
use super::repository::{Question, Repository};
use crate::http::Method;

/// The blobs and manifests of one repository in a registry, or in its mirrors.
///
/// What is read is foreign until it is verified: see [`lrops_model::blob::open_verified`].
#[derive(Clone)]
pub struct RegistryImage {
    registry: Registry,
    reference: Reference,
    cancel: CancelToken,
}

impl RegistryImage {
    pub(crate) fn new(registry: &Registry, reference: &Reference, cancel: CancelToken) -> Self {
        Self {
            registry: registry.clone(),
            reference: reference.clone(),
            cancel,
        }
    }

    fn has(&self, descriptor: &Descriptor) -> Result<bool, RegistryError> {
        let mut passed = PassedMirrors::default();
        for repository in self.registry.sources(&self.reference) {
            let mut attempts = Attempts::at(&repository, &self.cancel);
            let problem = match attempts.persist(|| has_once(&repository, descriptor, &self.cancel)) {
                Ok(()) => return Ok(true),
                Err(problem) => problem,
            };
            if repository.mirror().is_some() && !problem.is_cancelled() {
                passed.add(&repository, &problem);
            } else if matches!(problem, RegistryProblem::NotFound { .. }) {
                return Ok(false);
            } else {
                return Err(RegistryError {
                    image: Box::new(self.reference.clone()),
                    task: Task::Look,
                    attempts: attempts.made(),
                    problem: passed.before(&repository, problem),
                });
            }
        }
        Ok(false)
    }

    fn reader(&self, descriptor: &Descriptor, offset: u64) -> Result<BlobReader, RegistryError> {
        let sources = self.registry.sources(&self.reference);
        let mut reader = BlobReader::new(sources, descriptor, offset, &self.cancel);
        reader.connect()?;
        Ok(reader)
    }

    /// Reads a small blob whole, so that a mirror's wrong bytes can still be exchanged for right ones.
    fn document(&self, descriptor: &Descriptor, reader: BlobReader) -> Result<Vec<u8>, BlobError> {
        let failed = |source| BlobError::Read {
            digest: descriptor.digest,
            source,
        };
        let mut bytes = Vec::new();
        let mut reader = reader;
        while reader.reads_mirror() {
            bytes.clear();
            reader.read_to_end(&mut bytes).map_err(failed)?;
            if Digest::of(&bytes) == descriptor.digest {
                return Ok(bytes);
            }
            reader = self
                .reader(descriptor, 0)
                .map_err(|error| self.blob_error("pull", descriptor.digest, error))?;
        }
        bytes.clear();
        reader.read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    fn blob_error(&self, act: &str, digest: Digest, error: RegistryError) -> BlobError {
        if error.is_cancelled() {
            return Cancelled.into();
        }
        if error.problem.is_missing() {
            return BlobError::Missing {
                digest,
                place: Repository::new(&self.registry, &self.reference).place(),
            };
        }
        BlobError::Other {
            message: format!("failed to {act} the blob {digest}"),
            source: Box::new(error),
        }
    }
}

fn has_once(
    repository: &Repository,
    descriptor: &Descriptor,
    cancel: &CancelToken,
) -> Result<(), Interruption> {
    let (tail, headers) = place(descriptor);
    let question = Question::of(Method::Head, &tail).headers(&headers);
    repository.ask(&question, cancel).map(drop)
}

/// Returns where a descriptor's bytes are, below the repository, and the headers to ask with.
pub(crate) fn place(descriptor: &Descriptor) -> (String, Vec<(&'static str, String)>) {
    if descriptor.media_type.is_index() || descriptor.media_type.is_manifest() {
        (
            format!("manifests/{}", descriptor.digest),
            vec![document::accept()],
        )
    } else {
        (format!("blobs/{}", descriptor.digest), Vec::new())
    }
}

impl BlobSource for RegistryImage {
    /// Opens a blob or a manifest. A connection that breaks later is made again, and reading goes on at the same byte.
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
        self.open_at(descriptor, 0)
    }

    fn open_at(&self, descriptor: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send>, BlobError> {
        let reader = self
            .reader(descriptor, offset)
            .map_err(|error| self.blob_error("pull", descriptor.digest, error))?;
        if reader.reads_mirror() && offset == 0 && descriptor.size <= DOCUMENT_SIZE_BYTES_MAX {
            return Ok(Box::new(Cursor::new(self.document(descriptor, reader)?)));
        }
        Ok(Box::new(reader))
    }

    fn contains(&self, descriptor: &Descriptor) -> Result<bool, BlobError> {
        self.has(descriptor)
            .map_err(|error| self.blob_error("look for", descriptor.digest, error))
    }
}
