//! Collection: what the store holds, how long ago it was used, and making room by least recent use.
//!
//! Images that have a name stay with all their blobs, unless all images are to go. Of the rest, what was used longest
//! ago goes first: records with the snapshots that only they name, cache mounts, logs, and blobs that nothing names.
//! Collection needs the store for itself ([`crate::store::Store::try_collect_lock`]), so nothing that a running build
//! uses is ever collected.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lrops_model::digest::Digest;
use lrops_model::oci::Descriptor;
use lrops_model::timestamp::Timestamp;
use serde::Serialize;

use crate::store::{CollectLock, Store};
use crate::transfer::walk_image;

/// What can be done to snapshots; they belong to `lrops-sandbox`.
pub trait Snapshots {
    /// Returns all snapshots with their sizes in bytes, without those of their parents.
    ///
    /// # Errors
    /// What hindered looking.
    fn sizes(&self) -> Result<BTreeMap<String, u64>, Box<dyn std::error::Error + Send + Sync>>;

    /// Returns the snapshots whose files a snapshot needs, itself included.
    ///
    /// # Errors
    /// What hindered looking.
    fn chain(&self, snapshot: &str) -> Result<Vec<String>, Box<dyn std::error::Error + Send + Sync>>;

    /// Removes snapshots, of which no other needs one.
    ///
    /// # Errors
    /// What hindered removing.
    fn remove(&self, snapshots: &[String]) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// What of the store is to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneRequest {
    /// What was used since then stays.
    pub unused_since: Option<Timestamp>,
    /// Removing stops when the store is not larger than this, in bytes.
    pub keep_bytes: Option<u64>,
    /// Which images stay.
    pub images: KeepImages,
}

/// Which images stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepImages {
    /// Those that have a name.
    Named,
    /// None.
    None,
}

/// One kind of thing in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// What it is: `images`, `snapshots`, `layers and blobs`, `cache mounts`, `logs`, `bases`.
    pub kind: &'static str,
    /// How many there are.
    pub count: u64,
    /// How much disk they take, in bytes.
    pub bytes: u64,
    /// How much of it could be removed, in bytes.
    pub reclaimable: u64,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// How many things.
    pub count: u64,
    /// How much disk they took, in bytes.
    pub bytes: u64,
}

/// What can go wrong with collection.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action}")]
pub struct CollectError {
    action: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(action: &str) -> impl FnOnce(E) -> CollectError {
    let action = action.to_owned();
    move |source| CollectError { action, source: source.into() }
}

/// Returns what the store holds.
///
/// # Errors
/// When the store cannot be read.
pub fn usage(store: &Store, snapshots: &dyn Snapshots) -> Result<Vec<Usage>, CollectError> {
    let named = named_blobs(store)?;
    let blobs = blobs(store);
    let (kept, loose): (Vec<_>, Vec<_>) = blobs.iter().partition(|(digest, _)| named.contains(*digest));
    let sizes = snapshots.sizes().map_err(failed("measure the snapshots"))?;
    let snapshot_bytes = sizes.values().sum();
    let sum = |blobs: &[(&Digest, &u64)]| blobs.iter().map(|(_, size)| **size).sum::<u64>();
    let mut usage = vec![
        Usage { kind: "images", count: kept.len() as u64, bytes: sum(&kept), reclaimable: 0 },
        Usage { kind: "layers and blobs", count: loose.len() as u64, bytes: sum(&loose), reclaimable: sum(&loose) },
        Usage { kind: "snapshots", count: sizes.len() as u64, bytes: snapshot_bytes, reclaimable: snapshot_bytes },
    ];
    for (kind, directory) in directories(store) {
        let (count, bytes) = children(&directory).fold((0, 0), |(count, bytes), path| (count + 1, bytes + size(&path)));
        usage.push(Usage { kind, count, bytes, reclaimable: bytes });
    }
    Ok(usage)
}

fn directories(store: &Store) -> [(&'static str, PathBuf); 3] {
    [
        ("cache mounts", store.cache_mounts().to_path_buf()),
        ("bases", store.bases()),
        ("logs", store.builds().to_path_buf()),
    ]
}

/// Something that can be removed.
struct Candidate {
    used: Timestamp,
    what: Removable,
}

enum Removable {
    /// A record; its snapshot goes when no other record names it.
    Record { key: Digest, snapshot: String },
    /// A directory or file of its own.
    Path { path: PathBuf, bytes: u64 },
}

/// Removes what the request does not keep, by least recent use. The lock says that nobody else uses the store.
///
/// # Errors
/// When something cannot be read or removed; what was removed until then stays removed.
pub fn prune(
    store: &Store,
    snapshots: &dyn Snapshots,
    request: &PruneRequest,
    _lock: &CollectLock,
) -> Result<Pruned, CollectError> {
    if request.images == KeepImages::None {
        store.layout().clear().map_err(failed("remove the images"))?;
    }
    let mut pruned = Pruned::default();
    let mut total: u64 = usage(store, snapshots)?.iter().map(|usage| usage.bytes).sum();
    let mut candidates = candidates(store);
    candidates.sort_by_key(|candidate| candidate.used);
    let mut references = references(&candidates);
    for candidate in candidates {
        let recent = request.unused_since.is_some_and(|since| candidate.used >= since);
        let small_enough = request.keep_bytes.is_some_and(|keep| total <= keep);
        if recent || small_enough {
            continue;
        }
        let freed = match candidate.what {
            Removable::Path { path, bytes } => {
                remove_path(&path).map_err(failed("remove a directory of the store"))?;
                bytes
            }
            Removable::Record { key, snapshot } => {
                store.records().remove(&key).map_err(failed("remove a record"))?;
                let left = references.entry(snapshot).or_insert(1);
                *left -= 1;
                if *left > 0 { 0 } else { remove_unused_snapshots(store, snapshots)? }
            }
        };
        pruned.count += 1;
        pruned.bytes += freed;
        total = total.saturating_sub(freed);
    }
    // What the records that are left do not name goes in any case when nothing limits the pruning.
    if request.keep_bytes.is_none() && request.unused_since.is_none() {
        pruned.bytes += remove_unused_snapshots(store, snapshots)?;
    }
    let (count, bytes) = remove_unnamed_blobs(store)?;
    pruned.count += count;
    pruned.bytes += bytes;
    Ok(pruned)
}

fn candidates(store: &Store) -> Vec<Candidate> {
    let records = store.records().all().into_iter().map(|(key, record, used)| Candidate {
        used,
        what: Removable::Record { key, snapshot: record.snapshot },
    });
    let paths = directories(store).into_iter().flat_map(|(_, directory)| children(&directory).collect::<Vec<_>>());
    let paths = paths.map(|path| {
        let bytes = size(&path);
        Candidate { used: modified(&path), what: Removable::Path { path, bytes } }
    });
    records.chain(paths).collect()
}

/// How many records name each snapshot.
fn references(candidates: &[Candidate]) -> BTreeMap<String, u64> {
    let mut references = BTreeMap::new();
    for candidate in candidates {
        if let Removable::Record { snapshot, .. } = &candidate.what {
            *references.entry(snapshot.clone()).or_insert(0) += 1;
        }
    }
    references
}

/// Removes the snapshots that no record needs, directly or as a parent; returns their size in bytes.
fn remove_unused_snapshots(store: &Store, snapshots: &dyn Snapshots) -> Result<u64, CollectError> {
    let sizes = snapshots.sizes().map_err(failed("measure the snapshots"))?;
    let mut needed = BTreeSet::new();
    for (_, record, _) in store.records().all() {
        if sizes.contains_key(&record.snapshot) && needed.insert(record.snapshot.clone()) {
            needed.extend(snapshots.chain(&record.snapshot).map_err(failed("look at the snapshots"))?);
        }
    }
    let unused: Vec<String> = sizes.keys().filter(|id| !needed.contains(*id)).cloned().collect();
    snapshots.remove(&unused).map_err(failed("remove snapshots"))?;
    Ok(unused.iter().map(|id| sizes[id]).sum())
}

/// Removes the blobs that belong to no image and to no record.
fn remove_unnamed_blobs(store: &Store) -> Result<(u64, u64), CollectError> {
    let mut kept = named_blobs(store)?;
    for (_, record, _) in store.records().all() {
        kept.extend(record.layers.values().map(|layer| layer.descriptor.digest));
    }
    let mut removed = (0, 0);
    for (digest, size) in blobs(store) {
        if !kept.contains(&digest) {
            fs::remove_file(store.layout().blob_path(digest)).map_err(failed("remove a blob"))?;
            removed = (removed.0 + 1, removed.1 + size);
        }
    }
    Ok(removed)
}

/// The blobs of all images that are in the layout's index. An image that is damaged keeps what can be found of it.
fn named_blobs(store: &Store) -> Result<BTreeSet<Digest>, CollectError> {
    let index = store.layout().index().map_err(failed("read the store's images"))?;
    let mut named = BTreeSet::new();
    for image in &index.manifests {
        named.insert(image.digest);
        let walked: Vec<Descriptor> = walk_image(store.layout(), image).unwrap_or_default();
        named.extend(walked.iter().map(|descriptor| descriptor.digest));
    }
    Ok(named)
}

fn blobs(store: &Store) -> BTreeMap<Digest, u64> {
    let directory = store.layout().path().join("blobs/sha256");
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let blobs = entries.filter_map(|entry| {
        let digest = Digest::from_hex(entry.file_name().to_str()?).ok()?;
        Some((digest, entry.metadata().ok()?.len()))
    });
    blobs.collect()
}

fn children(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// The size of a file, or of all files below a directory, in bytes.
fn size(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if metadata.is_dir() { children(path).map(|child| size(&child)).sum() } else { metadata.len() }
}

fn modified(path: &Path) -> Timestamp {
    let time = fs::symlink_metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs());
    Timestamp(i64::try_from(seconds).unwrap_or(i64::MAX))
}

fn remove_path(path: &Path) -> std::io::Result<()> {
    if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

#[cfg(test)]
mod tests;
