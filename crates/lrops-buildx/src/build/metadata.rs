//! `--metadata-file`: what buildx says of its result.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lrops_model::digest::Digest;
use lrops_model::oci::Descriptor;
use serde::Deserialize;

/// What buildx says of its result.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    #[serde(rename = "containerimage.descriptor")]
    descriptor: Option<Descriptor>,
    #[serde(rename = "containerimage.digest")]
    digest: Option<Digest>,
}

impl Metadata {
    /// Reads the file.
    ///
    /// # Errors
    /// Why it cannot be read, for people.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Returns the image's descriptor. Its annotations and platform are for whoever built it, and not part of the image.
    pub(super) fn descriptor(&self) -> Option<Descriptor> {
        self.descriptor.as_ref().map(|descriptor| Descriptor {
            annotations: BTreeMap::new(),
            platform: None,
            ..descriptor.clone()
        })
    }

    /// Returns the image's digest.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.digest
            .or_else(|| self.descriptor.as_ref().map(|descriptor| descriptor.digest))
    }
}
