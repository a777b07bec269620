//! The tree of an image: an index names manifests (or further indexes), a manifest names a config and layers.
//!
//! Whoever moves an image takes its parts in the order of [`ImageNode::parts`], children first and the root last, so
//! that a place never has a document whose parts it lacks.

use std::collections::BTreeSet;

use crate::blob::{BlobError, BlobSource, DOCUMENT_SIZE_BYTES_MAX, read_document};
use crate::cancel::{CancelToken, Cancelled};
use crate::digest::Digest;
use crate::oci::{Descriptor, Index, Manifest};

/// How deep indexes may lie in indexes. One level is usual, and Docker reads no more.
pub const INDEX_DEPTH_MAX: usize = 4;

/// How many documents and blobs an image may name: far above any honest one, and little memory.
pub const DESCRIPTORS_MAX: usize = 20_000;

/// How many bytes the indexes and manifests of an image may have together: they are all kept while it is moved.
pub const DOCUMENTS_SIZE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A node of an image's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageNode {
    /// An index, read and parsed, with what it names.
    Index {
        /// What names it.
        descriptor: Descriptor,
        /// Its bytes as they came.
        bytes: Vec<u8>,
        /// What they say.
        index: Index,
        /// The nodes of its manifests, in order.
        children: Vec<ImageNode>,
    },
    /// A manifest, read and parsed.
    Manifest {
        /// What names it.
        descriptor: Descriptor,
        /// Its bytes as they came.
        bytes: Vec<u8>,
        /// What they say.
        manifest: Manifest,
    },
    /// Something else that an index names; nothing is known of it.
    Blob(Descriptor),
}

impl ImageNode {
    /// Returns what names the node.
    pub fn descriptor(&self) -> &Descriptor {
        match self {
            Self::Index { descriptor, .. } | Self::Manifest { descriptor, .. } | Self::Blob(descriptor) => {
                descriptor
            }
        }
    }

    /// Returns the bytes of a document as they came; nothing of a blob.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Index { bytes, .. } | Self::Manifest { bytes, .. } => Some(bytes),
            Self::Blob(_) => None,
        }
    }

    /// Returns the manifests below, in order, with what names them.
    pub fn manifests(&self) -> Vec<(&Descriptor, &Manifest)> {
        match self {
            Self::Index { children, .. } => children.iter().flat_map(Self::manifests).collect(),
            Self::Manifest {
                descriptor, manifest, ..
            } => vec![(descriptor, manifest)],
            Self::Blob(_) => Vec::new(),
        }
    }

    /// Returns every part of the image once, children before whatever names them.
    pub fn parts(&self) -> Vec<ImagePart<'_>> {
        let mut parts = Vec::new();
        self.add_parts(&mut parts, &mut BTreeSet::new());
        parts
    }

    fn add_parts<'t>(&'t self, parts: &mut Vec<ImagePart<'t>>, seen: &mut BTreeSet<Digest>) {
        let mut add = |descriptor: &'t Descriptor, bytes: Option<&'t [u8]>| {
            if seen.insert(descriptor.digest) {
                parts.push(ImagePart { descriptor, bytes });
            }
        };
        match self {
            Self::Blob(descriptor) => add(descriptor, None),
            Self::Manifest {
                descriptor,
                bytes,
                manifest,
            } => {
                add(&manifest.config, None);
                manifest.layers.iter().for_each(|layer| add(layer, None));
                add(descriptor, Some(bytes));
            }
            Self::Index {
                descriptor,
                bytes,
                children,
                ..
            } => {
                for child in children {
                    child.add_parts(parts, seen);
                }
                if seen.insert(descriptor.digest) {
                    parts.push(ImagePart {
                        descriptor,
                        bytes: Some(bytes),
                    });
                }
            }
        }
    }
}

/// One blob of an image.
#[derive(Clone, Copy, Debug)]
pub struct ImagePart<'t> {
    /// What names it.
    pub descriptor: &'t Descriptor,
    /// Its bytes, where they were read already: indexes and manifests.
    pub bytes: Option<&'t [u8]>,
}

/// Reads the tree of an image: all indexes and manifests, verified; no configs and no layers.
///
/// # Errors
/// When a document is missing, wrong or malformed, or the image is beyond [`INDEX_DEPTH_MAX`], [`DESCRIPTORS_MAX`] or
/// [`DOCUMENTS_SIZE_BYTES_MAX`].
pub fn walk_image(
    source: &dyn BlobSource,
    root: &Descriptor,
    cancel: &CancelToken,
) -> Result<ImageNode, ImageError> {
    Walk {
        source,
        cancel,
        count: 0,
        size_bytes: 0,
    }
    .node(root, 0)
}

struct Walk<'a> {
    source: &'a dyn BlobSource,
    cancel: &'a CancelToken,
    count: usize,
    size_bytes: u64,
}

impl Walk<'_> {
    fn node(&mut self, descriptor: &Descriptor, depth: usize) -> Result<ImageNode, ImageError> {
        self.cancel.check()?;
        self.count(1)?;
        if depth > INDEX_DEPTH_MAX {
            return Err(ImageError::TooDeep {
                digest: descriptor.digest,
            });
        }
        let malformed = |source| ImageError::Malformed {
            digest: descriptor.digest,
            source,
        };
        if descriptor.media_type.is_index() {
            let bytes = self.document(descriptor)?;
            let index: Index = serde_json::from_slice(&bytes).map_err(malformed)?;
            let children = index
                .manifests
                .iter()
                .map(|child| self.node(child, depth + 1))
                .collect::<Result<_, _>>()?;
            return Ok(ImageNode::Index {
                descriptor: descriptor.clone(),
                bytes,
                index,
                children,
            });
        }
        if descriptor.media_type.is_manifest() {
            let bytes = self.document(descriptor)?;
            let manifest: Manifest = serde_json::from_slice(&bytes).map_err(malformed)?;
            self.count(1 + manifest.layers.len())?;
            return Ok(ImageNode::Manifest {
                descriptor: descriptor.clone(),
                bytes,
                manifest,
            });
        }
        Ok(ImageNode::Blob(descriptor.clone()))
    }

    fn document(&mut self, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
        // What is read is never longer than its descriptor says.
        self.size_bytes = self.size_bytes.saturating_add(descriptor.size);
        if descriptor.size <= DOCUMENT_SIZE_BYTES_MAX && self.size_bytes > DOCUMENTS_SIZE_BYTES_MAX {
            return Err(ImageError::TooLarge);
        }
        Ok(read_document(self.source, descriptor)?)
    }

    fn count(&mut self, more: usize) -> Result<(), ImageError> {
        self.count += more;
        if self.count > DESCRIPTORS_MAX {
            Err(ImageError::TooMany)
        } else {
            Ok(())
        }
    }
}

/// What can go wrong when an image is walked or copied.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A blob could not be read or written.
    #[error(transparent)]
    Blob(BlobError),
    /// A document is not what its media type says.
    #[error("the document {digest} is malformed")]
    Malformed {
        /// The document's digest.
        digest: Digest,
        /// The cause.
        source: serde_json::Error,
    },
    /// Indexes lie in indexes too deep.
    #[error("the image names {digest} more than 4 indexes deep")]
    TooDeep {
        /// The first document that is too deep.
        digest: Digest,
    },
    /// The image names too many blobs.
    #[error("the image names more than 20,000 blobs")]
    TooMany,
    /// Its documents are too large.
    #[error("the indexes and manifests of the image have more than 64 MiB together")]
    TooLarge,
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<BlobError> for ImageError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            error => Self::Blob(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::{BlobStore, MemoryStore};
    use crate::oci::MediaType;

    fn put(store: &MemoryStore, media_type: MediaType, text: &str) -> Descriptor {
        let descriptor = Descriptor::of(media_type, text.as_bytes());
        store.put(&descriptor, &mut text.as_bytes()).unwrap();
        descriptor
    }

    #[test]
    fn documents_that_are_too_large_together_are_refused() {
        let store = MemoryStore::new();
        let padding = "x".repeat(4_000_000);
        let config = put(&store, MediaType::OCI_CONFIG, "{}");
        let manifest = serde_json::json!({"schemaVersion": 2, "config": config, "layers": [],
            "annotations": {"padding": padding}});
        let manifest = put(&store, MediaType::OCI_MANIFEST, &manifest.to_string());
        let image_of = |count: usize| {
            let index = serde_json::json!({"schemaVersion": 2, "manifests": vec![manifest.clone(); count]});
            let root = put(&store, MediaType::OCI_INDEX, &index.to_string());
            walk_image(&store, &root, &CancelToken::new())
        };
        assert_eq!(image_of(16).unwrap().manifests().len(), 16);
        assert!(matches!(image_of(17), Err(ImageError::TooLarge)));
    }
}
