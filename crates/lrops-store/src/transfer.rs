//! Copying an image from a place to another: children first and the root last.

use std::io::{self, Read};

use lrops_model::blob::{BlobSource, BlobStore};
use lrops_model::cancel::CancelToken;
use lrops_model::image::{ImageError, walk_image};
use lrops_model::oci::Descriptor;

/// Makes sure that an image is at `destination`, reading from `source` only what is missing there.
///
/// # Errors
/// As [`walk_image`]; when a blob cannot be read or written. What was copied by then stays, and is not copied again.
pub fn copy_image(
    source: &dyn BlobSource,
    root: &Descriptor,
    destination: &dyn BlobStore,
    cancel: &CancelToken,
) -> Result<Copied, ImageError> {
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
) -> Result<(), ImageError> {
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

#[cfg(test)]
mod tests {
    use lrops_model::blob::{BlobError, MemoryStore, read_document};
    use lrops_model::image::INDEX_DEPTH_MAX;
    use lrops_model::oci::{Index, Manifest, MediaType, encode};
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
        assert!(matches!(result, Err(ImageError::Cancelled(_))));
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
        assert!(matches!(result, Err(ImageError::TooDeep { .. })), "{result:?}");
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
