//! Walking an image, and copying one from a place to another.
//!
//! An image is a tree: an index names manifests (or further indexes), a manifest names a config and layers. A copy
//! goes children first and the root last, so that a place never has a document whose parts it lacks.

use std::collections::BTreeSet;
use std::io::{self, Read};

use lrops_model::blob::{BlobError, BlobSource, BlobStore, read_document};
use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::digest::Digest;
use lrops_model::oci::{Descriptor, Index, Manifest};

/// How deep indexes may lie in indexes. One level is usual, and Docker reads no more.
pub const INDEX_DEPTH_MAX: usize = 4;

/// How many documents and blobs an image may name: far above any honest one, and little memory.
pub const DESCRIPTORS_MAX: usize = 20_000;

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
/// When a document is missing, wrong or malformed, or the image is beyond [`INDEX_DEPTH_MAX`] or [`DESCRIPTORS_MAX`].
pub fn walk_image(
    source: &dyn BlobSource,
    root: &Descriptor,
    cancel: &CancelToken,
) -> Result<ImageNode, TransferError> {
    Walk {
        source,
        cancel,
        count: 0,
    }
    .node(root, 0)
}

struct Walk<'a> {
    source: &'a dyn BlobSource,
    cancel: &'a CancelToken,
    count: usize,
}

impl Walk<'_> {
    fn node(&mut self, descriptor: &Descriptor, depth: usize) -> Result<ImageNode, TransferError> {
        self.cancel.check()?;
        self.count(1)?;
        if depth > INDEX_DEPTH_MAX {
            return Err(TransferError::TooDeep {
                digest: descriptor.digest,
            });
        }
        let malformed = |source| TransferError::Malformed {
            digest: descriptor.digest,
            source,
        };
        if descriptor.media_type.is_index() {
            let bytes = read_document(self.source, descriptor)?;
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
            let bytes = read_document(self.source, descriptor)?;
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

    fn count(&mut self, more: usize) -> Result<(), TransferError> {
        self.count += more;
        if self.count > DESCRIPTORS_MAX {
            Err(TransferError::TooMany)
        } else {
            Ok(())
        }
    }
}

/// Makes sure that an image is at `destination`, reading from `source` only what is missing there.
///
/// # Errors
/// As [`walk_image`]; when a blob cannot be read or written. What was copied by then stays, and is not copied again.
pub fn copy_image(
    source: &dyn BlobSource,
    root: &Descriptor,
    destination: &dyn BlobStore,
    cancel: &CancelToken,
) -> Result<Copied, TransferError> {
    let tree = walk_image(source, root, cancel)?;
    let mut copied = Copied::default();
    for part in tree.parts() {
        cancel.check()?;
        if destination.contains(part.descriptor)? {
            continue;
        }
        match part.bytes {
            Some(mut bytes) => destination.put(part.descriptor, &mut bytes)?,
            None => copy_blob(source, part.descriptor, destination, cancel)?,
        }
        copied.blobs += 1;
        copied.bytes += part.descriptor.size;
    }
    Ok(copied)
}

/// Copies one blob. The destination verifies it.
fn copy_blob(
    source: &dyn BlobSource,
    descriptor: &Descriptor,
    destination: &dyn BlobStore,
    cancel: &CancelToken,
) -> Result<(), TransferError> {
    let mut content = CancelReader {
        inner: source.open(descriptor)?,
        cancel,
    };
    let result = destination.put(descriptor, &mut content);
    cancel.check()?;
    Ok(result?)
}

/// How much a copy moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The number of blobs that were missing, documents included.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A reader that fails once the work should stop.
pub(crate) struct CancelReader<'c, R> {
    pub(crate) inner: R,
    pub(crate) cancel: &'c CancelToken,
}

impl<R: Read> Read for CancelReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        self.inner.read(buffer)
    }
}

/// What can go wrong when an image is walked or copied.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
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
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<BlobError> for TransferError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            error => Self::Blob(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use lrops_model::blob::MemoryStore;
    use lrops_model::oci::{MediaType, encode};
    use proptest::prelude::*;

    use super::*;
    use crate::layout::Layout;
    use crate::sample::{SampleImage, SamplePlatform};
    use crate::verify::{Expectations, verify_image};

    fn sample() -> SampleImage {
        SampleImage::new(&[
            SamplePlatform::new("linux/amd64").file("etc/a", b"one"),
            SamplePlatform::new("linux/arm64").file("etc/a", b"two"),
        ])
    }

    #[test]
    fn a_walk_gives_the_whole_tree() {
        let image = sample();
        let tree = walk_image(&image.store, &image.root, &CancelToken::new()).unwrap();
        assert_eq!(tree.manifests().len(), 2);
        let parts = tree.parts();
        assert_eq!(parts.len(), 7);
        assert_eq!(parts.last().unwrap().descriptor, &image.root);
    }

    /// A place that refuses a document before everything that it names is there.
    #[derive(Default)]
    struct Strict {
        blobs: MemoryStore,
    }

    impl BlobSource for Strict {
        fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
            self.blobs.open(descriptor)
        }
        fn contains(&self, descriptor: &Descriptor) -> Result<bool, BlobError> {
            self.blobs.contains(descriptor)
        }
    }

    impl BlobStore for Strict {
        fn put(&self, descriptor: &Descriptor, content: &mut dyn Read) -> Result<(), BlobError> {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).unwrap();
            let children = match (
                descriptor.media_type.is_index(),
                descriptor.media_type.is_manifest(),
            ) {
                (true, _) => serde_json::from_slice::<Index>(&bytes).unwrap().manifests,
                (_, true) => {
                    let manifest: Manifest = serde_json::from_slice(&bytes).unwrap();
                    manifest.layers.into_iter().chain([manifest.config]).collect()
                }
                _ => Vec::new(),
            };
            for child in children {
                assert!(
                    self.contains(&child).unwrap(),
                    "{} came before {}",
                    descriptor.digest,
                    child.digest
                );
            }
            self.blobs.put(descriptor, &mut &bytes[..])
        }
    }

    #[test]
    fn children_come_first_and_nothing_comes_twice() {
        let image = sample();
        let destination = Strict::default();
        let cancel = CancelToken::new();
        let copied = copy_image(&image.store, &image.root, &destination, &cancel).unwrap();
        assert_eq!(copied.blobs, 7);
        let again = copy_image(&image.store, &image.root, &destination, &cancel).unwrap();
        assert_eq!(again, Copied::default());
    }

    #[test]
    fn a_cancelled_copy_stops() {
        let image = sample();
        let cancel = CancelToken::new();
        cancel.cancel();
        let result = copy_image(&image.store, &image.root, &MemoryStore::new(), &cancel);
        assert!(matches!(result, Err(TransferError::Cancelled(_))));
    }

    #[test]
    fn indexes_in_indexes_have_a_limit() {
        let store = MemoryStore::new();
        let mut root = Descriptor::of(MediaType::OCI_LAYER, b"");
        for _ in 0..=INDEX_DEPTH_MAX {
            let index = Index {
                schema_version: 2,
                media_type: None,
                manifests: vec![root],
                annotations: std::collections::BTreeMap::new(),
            };
            let bytes = encode(&index);
            root = Descriptor::of(MediaType::DOCKER_INDEX, &bytes);
            store.put(&root, &mut &bytes[..]).unwrap();
        }
        let result = walk_image(&store, &root, &CancelToken::new());
        assert!(matches!(result, Err(TransferError::TooDeep { .. })), "{result:?}");
    }

    proptest! {
        #[test]
        fn a_copied_image_is_whole_and_right(
            files in proptest::collection::btree_map("[a-c]{1,3}(/[a-c]{1,3}){0,2}x", any::<Vec<u8>>(), 0..6),
        ) {
            let platform = |name: &str| {
                files.iter().fold(SamplePlatform::new(name), |platform, (path, bytes)| platform.file(path, bytes))
            };
            let image = SampleImage::new(&[platform("linux/amd64"), platform("linux/arm/v7").file("last", b"x")]);
            let directory = tempfile::tempdir().unwrap();
            let layout = Layout::open_or_create(directory.path()).unwrap();
            let cancel = CancelToken::new();
            copy_image(&image.store, &image.root, &layout, &cancel).unwrap();
            prop_assert_eq!(walk_image(&layout, &image.root, &cancel).unwrap(), walk_image(&image.store, &image.root, &cancel).unwrap());
            for descriptor in &image.descriptors {
                let copied = read_document(&layout, descriptor).unwrap();
                prop_assert_eq!(copied, read_document(&image.store, descriptor).unwrap());
            }
            prop_assert_eq!(layout.blobs().unwrap().len(), image.blob_count());
            let expectations = Expectations {
                platforms: vec!["linux/amd64".parse().unwrap(), "linux/arm/v7".parse().unwrap()],
                allow: Vec::new(),
            };
            let report = verify_image(&layout, &image.root, &expectations, &cancel).unwrap();
            prop_assert_eq!(report.findings, vec![]);
        }
    }
}
