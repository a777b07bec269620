//! Images that are put together under a new index.

use std::io::Read;

use lrops_model::blob::{BlobError, BlobSource, BlobStore, MemoryStore};
use lrops_model::oci::{Descriptor, DescriptorPlatform, Manifest};
use lrops_model::platform::Platform;

use super::read_config;
use crate::failure::Failure;

/// Returns an index's entry for a manifest; a manifest that comes without a platform says it in its config.
///
/// # Errors
/// When the config is needed and cannot be read.
pub(crate) fn entry(
    source: &dyn BlobSource,
    descriptor: &Descriptor,
    manifest: &Manifest,
) -> Result<(Platform, Descriptor), Failure> {
    let mut descriptor = descriptor.clone();
    if let Some(platform) = descriptor.target_platform() {
        return Ok((platform, descriptor));
    }
    let platform = read_config(source, manifest)?.platform();
    descriptor.platform = Some(DescriptorPlatform::from(&platform));
    Ok((platform, descriptor))
}

/// Blobs that are in several places, and a document that is in none yet.
pub(crate) struct Several {
    memory: MemoryStore,
    sources: Vec<Box<dyn BlobSource>>,
}

impl Several {
    /// Returns the places together with a new document.
    ///
    /// # Errors
    /// When the document is not what its descriptor says.
    pub(crate) fn with_document(
        descriptor: &Descriptor,
        mut bytes: &[u8],
        sources: Vec<Box<dyn BlobSource>>,
    ) -> Result<Self, Failure> {
        let memory = MemoryStore::new();
        memory
            .put(descriptor, &mut bytes)
            .map_err(|source| Failure::work("failed to keep the new index", source))?;
        Ok(Self { memory, sources })
    }

    fn holder(&self, descriptor: &Descriptor) -> Result<&dyn BlobSource, BlobError> {
        if self.memory.contains(descriptor)? {
            return Ok(&self.memory);
        }
        let Some((last, others)) = self.sources.split_last() else {
            return Ok(&self.memory);
        };
        for source in others {
            if source.contains(descriptor)? {
                return Ok(source.as_ref());
            }
        }
        Ok(last.as_ref())
    }
}

impl BlobSource for Several {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
        self.holder(descriptor)?.open(descriptor)
    }

    fn open_at(&self, descriptor: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send>, BlobError> {
        self.holder(descriptor)?.open_at(descriptor, offset)
    }

    fn contains(&self, descriptor: &Descriptor) -> Result<bool, BlobError> {
        self.holder(descriptor)?.contains(descriptor)
    }
}
