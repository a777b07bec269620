//! Copying an image from a place to another: children first and the root last.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use lrops_model::blob::{BlobSource, BlobStore};
use lrops_model::cancel::CancelToken;
use lrops_model::image::{ImageError, ImageNode, walk_image};
use lrops_model::oci::Descriptor;

/// How many blobs are copied at a time.
const BLOBS_AT_A_TIME: usize = 4;

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
    copy_tree(source, &tree, destination, cancel, &|_| {})
}

/// Makes sure that an image whose documents were read is at `destination`: blobs first, several at a time, then the
/// documents, children before what names them.
///
/// # Errors
/// As [`copy_image`].
pub fn copy_tree(
    source: &dyn BlobSource,
    tree: &ImageNode,
    destination: &dyn BlobStore,
    cancel: &CancelToken,
    on_progress: &(dyn Fn(CopyProgress<'_>) + Sync),
) -> Result<Copied, ImageError> {
    let parts = tree.parts();
    let blobs: Vec<&Descriptor> = parts
        .iter()
        .filter(|part| part.bytes.is_none())
        .map(|part| part.descriptor)
        .collect();
    let mut copied = copy_blobs(source, &blobs, destination, cancel, on_progress)?;
    for part in &parts {
        cancel.check()?;
        let Some(mut bytes) = part.bytes else { continue };
        if !destination.contains(part.descriptor)? {
            destination.put(part.descriptor, &mut bytes)?;
            copied.add(part.descriptor);
        }
    }
    Ok(copied)
}

/// The first failure stops the rest.
fn copy_blobs(
    source: &dyn BlobSource,
    blobs: &[&Descriptor],
    destination: &dyn BlobStore,
    cancel: &CancelToken,
    on_progress: &(dyn Fn(CopyProgress<'_>) + Sync),
) -> Result<Copied, ImageError> {
    let next = AtomicUsize::new(0);
    let stop = cancel.child();
    let result: Mutex<Result<Copied, ImageError>> = Mutex::new(Ok(Copied::default()));
    let work = || {
        while let Some(descriptor) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = copy_blob(source, descriptor, destination, &stop, on_progress);
            let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
            match (&mut *result, outcome) {
                (Ok(copied), Ok(true)) => copied.add(descriptor),
                (Ok(_), Err(error)) => {
                    *result = Err(error);
                    stop.cancel();
                }
                _ => {}
            }
            if result.is_err() {
                break;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..BLOBS_AT_A_TIME.min(blobs.len()) {
            scope.spawn(work);
        }
    });
    cancel.check()?;
    result.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Copies one blob, which the destination verifies; returns whether it was missing.
fn copy_blob(
    source: &dyn BlobSource,
    descriptor: &Descriptor,
    destination: &dyn BlobStore,
    cancel: &CancelToken,
    on_progress: &(dyn Fn(CopyProgress<'_>) + Sync),
) -> Result<bool, ImageError> {
    cancel.check()?;
    if destination.contains(descriptor)? {
        on_progress(CopyProgress::There(descriptor));
        return Ok(false);
    }
    let mut content = Told {
        inner: CancelReader {
            inner: source.open(descriptor)?,
            cancel,
        },
        descriptor,
        received: 0,
        on_progress,
    };
    let result = destination.put(descriptor, &mut content);
    cancel.check()?;
    result?;
    on_progress(CopyProgress::Copied(descriptor));
    Ok(true)
}

/// How far a copy is.
#[derive(Clone, Copy, Debug)]
pub enum CopyProgress<'a> {
    /// A blob was there already.
    There(&'a Descriptor),
    /// Bytes of a blob have come.
    Received {
        /// The blob.
        descriptor: &'a Descriptor,
        /// How many so far.
        received: u64,
    },
    /// A blob has come whole.
    Copied(&'a Descriptor),
}

/// A reader that says how far it is.
struct Told<'a, R> {
    inner: R,
    descriptor: &'a Descriptor,
    received: u64,
    on_progress: &'a (dyn Fn(CopyProgress<'_>) + Sync),
}

impl<R: Read> Read for Told<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.received += read as u64;
        (self.on_progress)(CopyProgress::Received {
            descriptor: self.descriptor,
            received: self.received,
        });
        Ok(read)
    }
}

/// How much a copy moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The number of blobs that were missing, documents included.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Copied {
    fn add(&mut self, descriptor: &Descriptor) {
        self.blobs += 1;
        self.bytes += descriptor.size;
    }
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
