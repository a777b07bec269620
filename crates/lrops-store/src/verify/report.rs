//! What a verification gives.

use lrops_model::blob::BlobError;
use lrops_model::cancel::Cancelled;
use lrops_model::finding::{Finding, Severity};
use lrops_model::oci::Descriptor;
use lrops_model::platform::Platform;
use serde::Serialize;

use super::documents::Image;

/// What was found out about an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The index or manifest that was verified.
    pub root: Descriptor,
    /// One entry for each platform's manifest that could be read, in the index's order.
    pub platforms: Vec<PlatformReport>,
    /// The broken promises: documents first, then layers, then programs.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Returns whether no finding is an error.
    pub fn is_sound(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity != Severity::Error)
    }
}

/// One platform of the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlatformReport {
    /// The platform that the index names; for an image without an index, the config's.
    pub platform: Platform,
    /// Its manifest.
    pub manifest: Descriptor,
    /// The config's and the layers' length in bytes, as they are transferred.
    pub size_bytes: u64,
    /// How many layers it has.
    pub layers: usize,
    /// How many ELF programs and shared libraries its file system holds, exempt ones not counted.
    pub programs: usize,
}

impl PlatformReport {
    pub(super) fn new(image: &Image, programs: usize) -> Self {
        let blobs = image.manifest.layers.iter().chain([&image.manifest.config]);
        Self {
            platform: image.platform.clone(),
            manifest: image.descriptor.clone(),
            size_bytes: blobs.fold(0, |sum, blob| sum.saturating_add(blob.size)),
            layers: image.manifest.layers.len(),
            programs,
        }
    }
}

/// Why an image could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The place of the blobs fails as a whole.
    #[error("failed to open a blob of the image")]
    Place {
        /// The cause.
        source: BlobError,
    },
    /// A program could not be put aside for inspection.
    #[error("failed to keep a program in a temporary file")]
    Spool {
        /// The cause.
        source: std::io::Error,
    },
}
