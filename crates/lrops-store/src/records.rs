//! Records: small JSON files, one a cache key, with the time of their last use.
//!
//! Invariants: a record is there whole or not at all; one that cannot be read or understood counts as absent and is
//! removed, because what it remembers can be done again. The time of the last use is the file's modification time.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::digest::{DiffId, Digest};
use lrops_model::oci::Descriptor;
use lrops_model::timestamp::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::durable;

/// The size up to which a record is believed.
const RECORD_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How long a waiting process sleeps between two looks at a lock: short at first, for steps that end soon.
const WAIT_MIN: Duration = Duration::from_millis(2);
const WAIT_MAX: Duration = Duration::from_millis(50);

/// What a step left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The identity of the snapshot that holds the step's result.
    pub snapshot: String,
    /// When the step was done.
    pub created: Timestamp,
    /// The instruction, for people.
    pub description: String,
    /// The key that names what the result holds, where it is not the record's own key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
    /// Files older than this keep their own times in layers, for they came from an archive or an image; absent where all
    /// files were made by the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeps_times_before: Option<Timestamp>,
    /// The layers that were packed from the snapshot, by whatever decides their bytes (times, compression).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub layers: BTreeMap<String, LayerRecord>,
    /// How many bytes the snapshot takes on the disk; 0 where that is not known.
    #[serde(default)]
    pub size: u64,
}

/// A packed layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// Its blob.
    pub descriptor: Descriptor,
    /// The digest of its uncompressed tar.
    pub diff_id: DiffId,
}

/// A directory of records.
#[derive(Clone, Debug)]
pub struct Records {
    directory: PathBuf,
    temporary: PathBuf,
}

impl Records {
    /// Returns the records of `directory`, which exists; `temporary` is on the same file system.
    pub(crate) fn new(directory: PathBuf, temporary: PathBuf) -> Self {
        Self { directory, temporary }
    }

    /// Returns the record of this key, if there is one that can be read.
    pub fn get<T: DeserializeOwned>(&self, key: &Digest) -> Option<T> {
        let path = self.path(key);
        if path.metadata().ok()?.len() > RECORD_BYTES_MAX {
            let _ = fs::remove_file(&path);
            return None;
        }
        let bytes = fs::read(&path).ok()?;
        let record = serde_json::from_slice(&bytes).ok();
        if record.is_none() {
            // At worst a record that was written this very moment goes too, and its step runs once more.
            let _ = fs::remove_file(&path);
        }
        record
    }

    /// Returns whether there is a record of this key, whatever is in it.
    pub(crate) fn contains(&self, key: &Digest) -> bool {
        self.path(key).exists()
    }

    /// Writes the record of this key, replacing an older one.
    ///
    /// # Errors
    /// When it cannot be written; an older one is still there then.
    pub fn put(&self, key: &Digest, record: &impl Serialize) -> Result<(), RecordError> {
        self.write(key, record, durable::write)
    }

    /// As [`Records::put`], for what may be lost when the machine fails at the wrong moment: the disk is not waited for.
    ///
    /// # Errors
    /// When it cannot be written; an older one is still there then.
    pub(crate) fn put_hint(&self, key: &Digest, record: &impl Serialize) -> Result<(), RecordError> {
        self.write(key, record, durable::write_hint)
    }

    fn write(
        &self,
        key: &Digest,
        record: &impl Serialize,
        write: fn(&Path, &Path, &[u8]) -> io::Result<()>,
    ) -> Result<(), RecordError> {
        let path = self.path(key);
        let failed = |source| RecordError::Disk {
            action: "write",
            path: path.clone(),
            source,
        };
        let bytes = serde_json::to_vec(record).map_err(|error| failed(error.into()))?;
        if bytes.len() as u64 > RECORD_BYTES_MAX {
            let message = format!("a record of {} bytes is longer than is believed", bytes.len());
            return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, message)));
        }
        write(&self.temporary, &path, &bytes).map_err(failed)
    }

    /// Notes that a record was used at a time. A use is never moved back.
    pub fn touch(&self, key: &Digest, time: Timestamp) {
        // A record that went in the meantime is none to note a use of, and a wrong time only makes it go earlier.
        let _ = durable::touch(&self.path(key), time);
    }

    /// Returns when a record was last used, if it is there.
    pub fn last_used(&self, key: &Digest) -> Option<Timestamp> {
        self.path(key)
            .metadata()
            .ok()
            .map(|metadata| durable::modified(&metadata))
    }

    /// Makes sure that there is no record of this key.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, key: &Digest) -> Result<(), RecordError> {
        let path = self.path(key);
        durable::remove_tree(&path).map_err(|source| RecordError::Disk {
            action: "remove",
            path,
            source,
        })
    }

    /// Returns the keys of all records, sorted, with their size and last use.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<RecordEntry>, RecordError> {
        let failed = |source| RecordError::Disk {
            action: "read",
            path: self.directory.clone(),
            source,
        };
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let hex = name.to_str().and_then(|name| name.strip_suffix(".json"));
            let Some(key) = hex.and_then(|hex| Digest::from_hex(hex).ok()) else {
                continue;
            };
            // One that went in the meantime is no error.
            let Ok(metadata) = entry.metadata() else { continue };
            entries.push(RecordEntry {
                key,
                size: metadata.len(),
                last_used: durable::modified(&metadata),
            });
        }
        entries.sort_by_key(|entry| entry.key);
        Ok(entries)
    }

    /// Removes what killed processes were writing; only where nobody else uses the records.
    pub(crate) fn remove_leftovers(&self) {
        durable::remove_leftovers(&self.temporary);
    }

    /// Waits until nobody else, in this process or another, works on this key, and keeps them away until the guard is
    /// dropped.
    ///
    /// # Errors
    /// When the work is cancelled while waiting, or the lock's file cannot be made.
    pub fn lock(&self, key: &Digest, cancel: &CancelToken) -> Result<RecordLock, RecordError> {
        let path = self.directory.join(format!("{}.lock", key.hex()));
        let failed = |source| RecordError::Disk {
            action: "lock",
            path: path.clone(),
            source,
        };
        loop {
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .map_err(failed)?;
            wait_for(&file, cancel, File::try_lock, &path)?;
            // Whoever had the lock removed its file: the lock counts only if the file still has the name.
            if is_same(&file, &path).map_err(failed)? {
                return Ok(RecordLock { path, _file: file });
            }
        }
    }

    fn path(&self, key: &Digest) -> PathBuf {
        self.directory.join(format!("{}.json", key.hex()))
    }
}

/// Waits for a lock, looking whether the work should stop.
pub(crate) fn wait_for(
    file: &File,
    cancel: &CancelToken,
    try_lock: impl Fn(&File) -> Result<(), TryLockError>,
    path: &Path,
) -> Result<(), RecordError> {
    let mut wait = WAIT_MIN;
    loop {
        cancel.check()?;
        match try_lock(file) {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => {
                return Err(RecordError::Disk {
                    action: "lock",
                    path: path.to_owned(),
                    source,
                });
            }
        }
        std::thread::sleep(wait);
        wait = (wait * 2).min(WAIT_MAX);
    }
}

fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match path.metadata() {
        Ok(named) => Ok((own.dev(), own.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A record's key, size and last use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordEntry {
    /// The key.
    pub key: Digest,
    /// The record's own length in bytes.
    pub size: u64,
    /// When it was written, or last noted as used.
    pub last_used: Timestamp,
}

/// Keeps others from working on the same key until it is dropped.
#[derive(Debug)]
pub struct RecordLock {
    path: PathBuf,
    _file: File,
}

impl Drop for RecordLock {
    fn drop(&mut self) {
        // The file is removed while the lock is held, so nobody else's lock loses its name. One that stays is used
        // again.
        let _ = fs::remove_file(&self.path);
    }
}

/// What can go wrong with a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The disk failed.
    #[error("failed to {action} {}", .path.display())]
    Disk {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn records() -> (tempfile::TempDir, Records) {
        let directory = tempfile::tempdir().unwrap();
        let records = Records::new(directory.path().to_owned(), directory.path().to_owned());
        (directory, records)
    }

    fn key(text: &str) -> Digest {
        Digest::of(text)
    }

    #[test]
    fn a_record_is_kept_under_its_key() {
        let (_directory, records) = records();
        let record = StepRecord {
            snapshot: "s1".to_owned(),
            created: Timestamp(5),
            description: "RUN make".to_owned(),
            content: Some(key("content")),
            keeps_times_before: None,
            layers: BTreeMap::new(),
            size: 7,
        };
        records.put(&key("a"), &record).unwrap();
        assert_eq!(records.get::<StepRecord>(&key("a")), Some(record));
        assert_eq!(records.get::<StepRecord>(&key("b")), None);
        records.remove(&key("a")).unwrap();
        records.remove(&key("a")).unwrap();
        assert_eq!(records.get::<StepRecord>(&key("a")), None);
    }

    #[test]
    fn a_corrupt_record_is_absent_and_goes() {
        let (directory, records) = records();
        for text in ["", "{\"snapshot\":", "[1]", "\0\0\0\0"] {
            fs::write(records.path(&key("a")), text).unwrap();
            assert_eq!(records.get::<StepRecord>(&key("a")), None, "{text:?}");
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "{text:?}");
        }
    }

    #[test]
    fn the_last_use_is_remembered() {
        let (_directory, records) = records();
        records.put(&key("a"), &1).unwrap();
        records.touch(&key("a"), Timestamp(5_000_000_000));
        records.touch(&key("absent"), Timestamp(5_000_000_000));
        assert_eq!(records.last_used(&key("a")), Some(Timestamp(5_000_000_000)));
        assert_eq!(records.last_used(&key("absent")), None);
        assert_eq!(
            records
                .list()
                .unwrap()
                .iter()
                .map(|entry| entry.key)
                .collect::<Vec<_>>(),
            [key("a")]
        );
    }

    #[test]
    fn the_same_step_is_done_by_one_at_a_time() {
        let (directory, records) = records();
        let (inside, entered) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let _guard = records.lock(&key("a"), &CancelToken::new()).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        entered.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(entered.into_inner(), 40);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn waiting_for_a_step_can_be_cancelled_and_other_steps_need_not_wait() {
        let (_directory, records) = records();
        let cancel = CancelToken::new();
        let _guard = records.lock(&key("a"), &cancel).unwrap();
        drop(records.lock(&key("b"), &cancel).unwrap());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| records.lock(&key("a"), &cancel).map(drop));
            std::thread::sleep(Duration::from_millis(20));
            cancel.cancel();
            assert!(matches!(waiting.join().unwrap(), Err(RecordError::Cancelled(_))));
        });
    }
}
