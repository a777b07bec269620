//! A repository as a place of blobs.

use std::io::Read;

use lrops_model::blob::{BlobError, BlobSource};
use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::digest::Digest;
use lrops_model::oci::Descriptor;

use super::attempts::Attempts;
use super::blob_reader::BlobReader;
use super::document;
use super::error::{RegistryError, RegistryProblem, Task};
use super::repository::{Question, Repository};
use crate::http::Method;

/// The blobs and manifests of one repository in a registry.
///
/// What is read is foreign until it is verified: see [`lrops_model::blob::open_verified`].
#[derive(Clone)]
pub struct RegistryImage {
    repository: Repository,
    cancel: CancelToken,
}

impl RegistryImage {
    pub(crate) fn new(repository: Repository, cancel: CancelToken) -> Self {
        Self { repository, cancel }
    }

    fn has(&self, descriptor: &Descriptor) -> Result<bool, RegistryError> {
        let mut attempts = Attempts::new(self.repository.registry().client(), &self.cancel);
        let (tail, headers) = place(descriptor);
        let question = Question::of(Method::Head, &tail).headers(&headers);
        loop {
            let Err(interruption) = self.repository.ask(&question, &self.cancel) else {
                return Ok(true);
            };
            match attempts.wait_after(interruption) {
                Ok(()) => {}
                Err(RegistryProblem::NotFound { .. }) => return Ok(false),
                Err(problem) => {
                    return Err(RegistryError {
                        image: Box::new(self.repository.reference().clone()),
                        task: Task::Look,
                        attempts: attempts.made(),
                        problem,
                    });
                }
            }
        }
    }
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
        let mut reader = BlobReader::new(self.repository.clone(), descriptor, offset, &self.cancel);
        match reader.connect() {
            Ok(()) => Ok(Box::new(reader)),
            Err(RegistryError {
                problem: RegistryProblem::NotFound { .. },
                ..
            }) => Err(BlobError::Missing {
                digest: descriptor.digest,
                place: self.repository.place(),
            }),
            Err(error) => Err(blob_error("pull", descriptor.digest, error)),
        }
    }

    fn contains(&self, descriptor: &Descriptor) -> Result<bool, BlobError> {
        self.has(descriptor)
            .map_err(|error| blob_error("look for", descriptor.digest, error))
    }
}

fn blob_error(act: &str, digest: Digest, error: RegistryError) -> BlobError {
    if error.is_cancelled() {
        return Cancelled.into();
    }
    BlobError::Other {
        message: format!("failed to {act} the blob {digest}"),
        source: Box::new(error),
    }
}
