//! Reads all layers of an image, each once, on two threads.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;

use lrops_model::blob::BlobSource;
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::finding::Finding;
use lrops_model::oci::{Compression, Descriptor};

use super::advice;
use super::blob::BlobReader;
use super::documents::Image;
use super::remembered;
use super::report::VerifyError;
use super::scan::{Scan, Scanned, scan_layer};
use crate::store::Store;

/// How many layers are read at a time. One layer keeps a processor busy; more than two would fight for the disk.
const THREADS_MAX: usize = 2;

/// What tells two readings of a blob apart.
type Key = (Digest, u64, Use);

/// What a blob is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// A tar that is not compressed.
    Plain,
    /// A tar compressed with gzip.
    Gzip,
    /// A tar compressed with Zstandard.
    Zstd,
    /// Only its bytes matter.
    Bytes,
}

impl Use {
    fn of_layer(layer: &Descriptor) -> Self {
        match layer.media_type.layer_compression() {
            Some(Compression::None) => Self::Plain,
            Some(Compression::Gzip) => Self::Gzip,
            Some(Compression::Zstd) => Self::Zstd,
            None => Self::Bytes,
        }
    }

    fn compression(self) -> Option<Compression> {
        match self {
            Self::Plain => Some(Compression::None),
            Self::Gzip => Some(Compression::Gzip),
            Self::Zstd => Some(Compression::Zstd),
            Self::Bytes => None,
        }
    }
}

fn key(layer: &Descriptor) -> Key {
    (layer.digest, layer.size, Use::of_layer(layer))
}

/// One blob to read, and what it is to whom.
struct Job {
    key: Key,
    descriptor: Descriptor,
    parts: Vec<String>,
}

/// All layers, read.
pub(super) struct Layers {
    jobs: Vec<Job>,
    scans: BTreeMap<Key, Scan>,
}

/// Reads the layers of all images, and the bytes of the attachments. With a store, which then is the source, layers that it
/// remembers are not read.
pub(super) fn read(
    source: &dyn BlobSource,
    store: Option<&Store>,
    images: &[Image],
    attachments: &[(String, Descriptor)],
    cancel: &CancelToken,
) -> Result<Layers, VerifyError> {
    let jobs = jobs(images, attachments);
    // The largest first, so that no thread is left alone with it at the end.
    let mut queue: Vec<&Job> = jobs.iter().collect();
    queue.sort_by_key(|job| job.descriptor.size);
    let queue = Mutex::new(queue);
    // When one thread fails, the other stops; the caller's token stays as it is.
    let siblings = cancel.child();
    let threads = THREADS_MAX.min(jobs.len());
    let results: Vec<Result<Vec<(Key, Scan)>, VerifyError>> = thread::scope(|scope| {
        let work = || work(source, store, &queue, &siblings);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    cancel.check()?;
    let mut scans = BTreeMap::new();
    let mut stopped = None;
    for result in results {
        match result {
            Ok(some) => scans.extend(some),
            // The cause counts, not that its sibling was stopped.
            Err(VerifyError::Cancelled(cancelled)) => stopped = stopped.or(Some(cancelled.into())),
            Err(cause) => stopped = Some(cause),
        }
    }
    match stopped {
        Some(error) => Err(error),
        None => Ok(Layers { jobs, scans }),
    }
}

/// Returns one job for each blob, however often it is named.
fn jobs(images: &[Image], attachments: &[(String, Descriptor)]) -> Vec<Job> {
    let layers = images.iter().flat_map(|image| {
        let layers = image.manifest.layers.iter().enumerate();
        layers.map(move |(index, layer)| {
            let part = format!("layer {} of {}", index + 1, image.platform);
            (part, layer, key(layer))
        })
    });
    let attachments = attachments
        .iter()
        .map(|(part, blob)| (part.clone(), blob, (blob.digest, blob.size, Use::Bytes)));
    let mut jobs: Vec<Job> = Vec::new();
    let mut places = BTreeMap::new();
    for (part, descriptor, key) in layers.chain(attachments) {
        let place = *places.entry(key).or_insert(jobs.len());
        if place == jobs.len() {
            jobs.push(Job {
                key,
                descriptor: descriptor.clone(),
                parts: Vec::new(),
            });
        }
        if !jobs[place].parts.contains(&part) {
            jobs[place].parts.push(part);
        }
    }
    jobs
}

fn work(
    source: &dyn BlobSource,
    store: Option<&Store>,
    queue: &Mutex<Vec<&Job>>,
    cancel: &CancelToken,
) -> Result<Vec<(Key, Scan)>, VerifyError> {
    let next = || {
        queue
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .pop()
    };
    let mut scans = Vec::new();
    while let Some(job) = next() {
        let scan = match job.key.2.compression() {
            Some(compression) => layer(source, store, &job.descriptor, compression, cancel),
            None => scan_bytes(source, &job.descriptor, cancel),
        };
        scans.push((job.key, scan.inspect_err(|_| cancel.cancel())?));
    }
    Ok(scans)
}

pub(super) fn layer(
    source: &dyn BlobSource,
    store: Option<&Store>,
    layer: &Descriptor,
    compression: Compression,
    cancel: &CancelToken,
) -> Result<Scan, VerifyError> {
    // Before the bytes are read: what changes the file while it is read changes its identity.
    let kept = store.and_then(|store| Some((store, remembered::identity(store, layer)?)));
    let Some((store, identity)) = kept else {
        return scan_layer(source, layer, compression, cancel);
    };
    if let Some(scanned) = remembered::recall(store, layer, identity, compression) {
        return Ok(Scan::Layer(scanned));
    }
    let scan = scan_layer(source, layer, compression, cancel)?;
    if let Scan::Layer(scanned) = &scan {
        remembered::remember(store, layer, identity, compression, scanned);
    }
    Ok(scan)
}

fn scan_bytes(
    source: &dyn BlobSource,
    descriptor: &Descriptor,
    cancel: &CancelToken,
) -> Result<Scan, VerifyError> {
    let damage = match BlobReader::open(source, descriptor, cancel)? {
        Ok(blob) => blob.finish()?.err(),
        Err(damage) => Some(damage),
    };
    Ok(damage.map_or(Scan::Bytes, Scan::Damaged))
}

impl Layers {
    /// Adds a finding for each blob that is damaged or no layer, once for all platforms that share it.
    pub(super) fn report_damage(&self, findings: &mut Vec<Finding>) {
        for job in &self.jobs {
            let what = job.parts.join(" and ");
            match &self.scans[&job.key] {
                Scan::Damaged(damage) => findings.push(damage.finding(&what, &job.descriptor)),
                Scan::Unreadable { reason, .. } => {
                    let message = format!("{what} {} cannot be unpacked: {reason}", job.descriptor.digest);
                    findings.push(Finding::error("LayerUnreadable", message).advise(advice::BUILDER));
                }
                Scan::Bytes | Scan::Layer(_) => {}
            }
        }
    }

    /// Adds a finding for each layer whose tar is another than the config says.
    pub(super) fn report_diff_ids(&self, image: &Image, findings: &mut Vec<Finding>) {
        let Some(config) = &image.config else {
            return;
        };
        let pairs = image.manifest.layers.iter().zip(&config.rootfs.diff_ids);
        for (index, (layer, expected)) in pairs.enumerate() {
            let (Scan::Layer(Scanned { diff_id: found, .. })
            | Scan::Unreadable {
                diff_id: Some(found), ..
            }) = &self.scans[&key(layer)]
            else {
                continue;
            };
            if found != expected {
                let message = format!(
                    "layer {} of {} holds the tar {found}, but the config's diff ID is {expected}",
                    index + 1,
                    image.platform
                );
                findings.push(Finding::error("DiffIdMismatch", message).advise(advice::BUILDER));
            }
        }
    }

    /// Returns the content of an image's layers, lowest first; `None` for those that could not be read.
    pub(super) fn of<'l>(&'l self, image: &'l Image) -> impl Iterator<Item = Option<&'l Scanned>> {
        image
            .manifest
            .layers
            .iter()
            .map(|layer| match &self.scans[&key(layer)] {
                Scan::Layer(scanned) => Some(scanned),
                Scan::Damaged(_) | Scan::Unreadable { .. } | Scan::Bytes => None,
            })
    }
}
