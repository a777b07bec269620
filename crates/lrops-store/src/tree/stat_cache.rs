//! [`StatCache`]: digests of files that look the same as when they were read.
//!
//! A file is recognised by path, size, modification time, inode change time, device and inode. The change time
//! cannot be set by programs, so even a file whose times were put back is noticed. One gap is left: a file that is
//! written again within the clock's granularity after it was read looks the same. So entries of files that changed
//! at most two seconds before the work began, or later, are not kept ("racily clean" in git's words).

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lrops_model::digest::Digest;
use lrops_model::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::metadata::{Metadata, Time};

/// The file's first bytes; other versions are not read.
const MAGIC: &[u8] = b"lrops stat cache 1\n";

/// How long before the work began a file must have been left alone.
const RACY_SECONDS: i64 = 2;

/// Above this number of entries only those used in this run are kept.
const ENTRIES_MAX: usize = 500_000;

/// A cache file longer than this is not believed: the entries' limit cannot produce it.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Digests of the files of one tree, shared by threads and kept in one small file.
pub struct StatCache {
    begun: Timestamp,
    entries: Mutex<HashMap<PathBuf, Entry>>,
}

#[derive(Clone, Copy)]
struct Entry {
    identity: Identity,
    digest: Digest,
    used: bool,
}

/// What tells a file's states apart without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    size: u64,
    modified: Time,
    changed: Time,
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.size,
            modified: metadata.modified,
            changed: metadata.changed,
            device: metadata.device,
            inode: metadata.inode,
        }
    }

    /// Returns the identity of a file that is asked for by its path.
    pub(crate) fn of_file(metadata: &fs::Metadata) -> Self {
        let time = |seconds, nanoseconds: i64| Time {
            seconds,
            nanoseconds: u32::try_from(nanoseconds).unwrap_or(0),
        };
        Self {
            size: metadata.len(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    fn settled_before(&self, begun: Timestamp) -> bool {
        self.modified.seconds.max(self.changed.seconds) < begun.0 - RACY_SECONDS
    }
}

impl StatCache {
    /// Returns an empty cache. `begun` is a time at or before the first use.
    pub fn new(begun: Timestamp) -> Self {
        Self {
            begun,
            entries: Mutex::default(),
        }
    }

    /// Reads the cache file at `path`. One that is missing, damaged or of another version is an empty cache: it only
    /// ever saves work.
    pub fn load(path: &Path, begun: Timestamp) -> Self {
        let entries = read_entries(path).unwrap_or_default();
        Self {
            begun,
            entries: Mutex::new(entries),
        }
    }

    /// Returns the digest of the file at `path`, if it still looks as it did.
    pub fn get(&self, path: &Path, metadata: &Metadata) -> Option<Digest> {
        let mut entries = self.entries();
        let entry = entries
            .get_mut(path)
            .filter(|entry| entry.identity == Identity::of(metadata))?;
        entry.used = true;
        Some(entry.digest)
    }

    /// Remembers the digest of a file whose metadata was taken *before* its content was read.
    pub fn insert(&self, path: &Path, metadata: &Metadata, digest: Digest) {
        let entry = Entry {
            identity: Identity::of(metadata),
            digest,
            used: true,
        };
        self.entries().insert(path.to_owned(), entry);
    }

    /// Writes the cache file, complete or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), SaveStatCacheError> {
        self.write(path).map_err(|source| SaveStatCacheError {
            path: path.to_owned(),
            source,
        })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let bytes = self.encode();
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
        file.write_all(&bytes)?;
        file.as_file().sync_data()?;
        file.persist(path)?;
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let entries = self.entries();
        let only_used = entries.len() > ENTRIES_MAX;
        let mut kept: Vec<_> = entries
            .iter()
            .filter(|(_, entry)| entry.identity.settled_before(self.begun) && (entry.used || !only_used))
            .take(ENTRIES_MAX)
            .collect();
        kept.sort_unstable_by_key(|(path, _)| *path);
        let mut bytes = MAGIC.to_vec();
        for (path, entry) in kept {
            encode_entry(&mut bytes, path, entry);
        }
        let digest = Digest::of(&bytes);
        bytes.extend(digest.hex().as_bytes());
        bytes
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<PathBuf, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cache file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the stat cache {path}", path = path.display())]
pub struct SaveStatCacheError {
    path: PathBuf,
    source: io::Error,
}

fn encode_entry(bytes: &mut Vec<u8>, path: &Path, entry: &Entry) {
    let Identity {
        size,
        modified,
        changed,
        device,
        inode,
    } = entry.identity;
    let name = path.as_os_str().as_bytes();
    bytes.extend((name.len() as u64).to_le_bytes());
    bytes.extend(name);
    for number in [size, device, inode] {
        bytes.extend(number.to_le_bytes());
    }
    for time in [modified, changed] {
        bytes.extend(time.seconds.to_le_bytes());
        bytes.extend(u64::from(time.nanoseconds).to_le_bytes());
    }
    bytes.extend(entry.digest.hex().as_bytes());
}

fn read_entries(path: &Path) -> Option<HashMap<PathBuf, Entry>> {
    let mut bytes = Vec::new();
    File::open(path)
        .ok()?
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .ok()?;
    let (content, digest) = bytes.split_at_checked(bytes.len().checked_sub(64)?)?;
    if Digest::of(content).hex().as_bytes() != digest {
        return None;
    }
    let mut rest = content.strip_prefix(MAGIC)?;
    let mut entries = HashMap::new();
    while !rest.is_empty() {
        let (path, entry) = decode_entry(&mut rest)?;
        entries.insert(path, entry);
    }
    Some(entries)
}

fn decode_entry(rest: &mut &[u8]) -> Option<(PathBuf, Entry)> {
    let length = usize::try_from(number(rest)?).ok()?;
    let (name, after) = rest.split_at_checked(length)?;
    *rest = after;
    let identity = Identity {
        size: number(rest)?,
        device: number(rest)?,
        inode: number(rest)?,
        modified: time(rest)?,
        changed: time(rest)?,
    };
    let (digest, after) = rest.split_at_checked(64)?;
    *rest = after;
    let digest = Digest::from_hex(std::str::from_utf8(digest).ok()?).ok()?;
    Some((
        PathBuf::from(OsString::from_vec(name.to_vec())),
        Entry {
            identity,
            digest,
            used: false,
        },
    ))
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let (bytes, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    Some(u64::from_le_bytes(*bytes))
}

fn time(rest: &mut &[u8]) -> Option<Time> {
    let seconds = number(rest)?.cast_signed();
    Some(Time {
        seconds,
        nanoseconds: u32::try_from(number(rest)?).ok()?,
    })
}
