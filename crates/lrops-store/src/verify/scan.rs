//! Reads one layer from its first to its last byte and keeps what matters: names, kinds, and facts about programs.

use std::ffi::OsStr;
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lrops_model::blob::BlobSource;
use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::digest::{DiffId, DigestHasher, DigestReader};
use lrops_model::oci::{Compression, Descriptor};
use serde::{Deserialize, Serialize};
use tempfile::SpooledTempFile;

use super::blob::{BlobReader, Damage};
use super::elf::{self, ElfFile};
use super::report::VerifyError;
use crate::layer::{
    Entries, Escape, ExtractError, ExtractLimits, OPAQUE_WHITEOUT, WHITEOUT_PREFIX, clean_name, decompress,
};

/// What a layer may hold at most.
const LIMITS: ExtractLimits = ExtractLimits::USUAL;

/// The largest program that is kept in memory for inspection; larger ones go into an unnamed file.
const SPOOL_MEMORY_BYTES_MAX: usize = 1024 * 1024;

/// How much is read at a time.
const CHUNK_BYTES: usize = 128 * 1024;

/// What reading a blob gave.
pub(super) enum Scan {
    /// A whole layer.
    Layer(Scanned),
    /// The bytes are right, and nothing more was asked.
    Bytes,
    /// The bytes are missing or wrong.
    Damaged(Damage),
    /// The bytes are right, but they are no layer.
    Unreadable { reason: String, diff_id: Option<DiffId> },
}

/// The content of a layer.
#[derive(Serialize, Deserialize)]
pub(super) struct Scanned {
    pub(super) entries: Vec<Entry>,
    pub(super) diff_id: DiffId,
}

/// One entry of a layer.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    /// Relative to the root, cleaned; of a whiteout, what it removes.
    pub(super) path: PathBuf,
    pub(super) change: Change,
}

/// What an entry does to the file system.
#[derive(Serialize, Deserialize)]
pub(super) enum Change {
    Directory,
    /// A regular file, with what is known if it is an ELF file that matters.
    File(Option<Arc<ElfFile>>),
    Symlink(#[serde(with = "text")] Box<[u8]>),
    /// Another name for the file at this path.
    HardLink(PathBuf),
    /// A device or a pipe.
    Special,
    /// Removes what lower layers have at the path.
    Whiteout,
    /// Removes what lower layers have in the directory.
    Opaque,
}

/// Bytes as text, which is a fifth as long as a list of numbers. What is no UTF-8 is not written.
mod text {
    use serde::{Deserialize, Deserializer, Serializer, ser::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(bytes).map_err(S::Error::custom)?)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Box<[u8]>, D::Error> {
        Ok(String::deserialize(deserializer)?.into_bytes().into())
    }
}

/// Reads a layer. The content of a damaged one is not believed.
pub(super) fn scan_layer(
    source: &dyn BlobSource,
    descriptor: &Descriptor,
    compression: Compression,
    cancel: &CancelToken,
) -> Result<Scan, VerifyError> {
    let mut blob = match BlobReader::open(source, descriptor, cancel)? {
        Ok(blob) => blob,
        Err(damage) => return Ok(Scan::Damaged(damage)),
    };
    let (diff_id, entries) = read_tar(compression, &mut blob, cancel);
    if let Err(Stop::Spool(source)) = entries {
        return Err(VerifyError::Spool { source });
    }
    if let Err(damage) = blob.finish()? {
        return Ok(Scan::Damaged(damage));
    }
    Ok(match (diff_id, entries) {
        (Ok(diff_id), Ok(entries)) => Scan::Layer(Scanned { entries, diff_id }),
        (Err(error), Ok(_)) => Scan::Unreadable {
            reason: error.to_string(),
            diff_id: None,
        },
        (diff_id, Err(stop)) => Scan::Unreadable {
            reason: stop.to_string(),
            diff_id: diff_id.ok(),
        },
    })
}

/// Why a layer was not read to its end.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Tar(#[from] io::Error),
    #[error(transparent)]
    Name(#[from] ExtractError),
    #[error("it has more than {} entries", LIMITS.entries_max)]
    TooMany,
    #[error("a program cannot be kept in a temporary file")]
    Spool(#[source] io::Error),
}

/// Reads the tar to its very end, even if it is no tar, because its digest is wanted in any case.
fn read_tar(
    compression: Compression,
    blob: &mut BlobReader<'_>,
    cancel: &CancelToken,
) -> (io::Result<DiffId>, Result<Vec<Entry>, Stop>) {
    let stream = match decompress(compression, blob) {
        Ok(stream) => stream,
        Err(error) => return (Err(io::Error::other(error)), Ok(Vec::new())),
    };
    // Headers are read in pieces of 512 bytes; the decoder and the digest are fast with larger ones only.
    let mut stream = BufReader::with_capacity(CHUNK_BYTES, DigestReader::new(stream));
    let entries = read_entries(&mut stream, cancel);
    let drained = io::copy(&mut stream, &mut io::sink());
    let diff_id = drained.map(|_| DiffId(stream.into_inner().finish().1));
    (diff_id, entries)
}

fn read_entries(stream: &mut impl Read, cancel: &CancelToken) -> Result<Vec<Entry>, Stop> {
    let mut entries = Entries::new(stream);
    let mut scanned = Vec::new();
    let mut inspector = Inspector {
        chunk: vec![0; CHUNK_BYTES],
        cancel,
    };
    while let Some(header) = entries.next()? {
        if scanned.len() as u64 == LIMITS.entries_max {
            return Err(Stop::TooMany);
        }
        let path = clean_name(&header.unsafe_name, Escape::Refuse, &LIMITS)?;
        if let Some(entry) = whiteout(&path)? {
            scanned.push(entry);
            continue;
        }
        let change = match header.flag {
            b'5' => Change::Directory,
            b'2' => Change::Symlink(header.unsafe_link.into()),
            b'1' => Change::HardLink(clean_name(&header.unsafe_link, Escape::Refuse, &LIMITS)?),
            b'0' | b'7' => Change::File(inspector.inspect(&mut entries.content())?),
            _ => Change::Special,
        };
        scanned.push(Entry { path, change });
    }
    Ok(scanned)
}

/// Returns the removal that a name stands for.
fn whiteout(path: &Path) -> Result<Option<Entry>, ExtractError> {
    let name = path.file_name().unwrap_or_default();
    if name == OPAQUE_WHITEOUT {
        let path = path.parent().map(PathBuf::from).unwrap_or_default();
        let change = Change::Opaque;
        return Ok(Some(Entry { path, change }));
    }
    match name.as_bytes().strip_prefix(WHITEOUT_PREFIX.as_bytes()) {
        None => Ok(None),
        Some(b"" | b"." | b"..") => Err(ExtractError::Name {
            name: path.display().to_string(),
            reason: "it removes nothing that has a name",
        }),
        Some(removed) => Ok(Some(Entry {
            path: path.with_file_name(OsStr::from_bytes(removed)),
            change: Change::Whiteout,
        })),
    }
}

/// Looks into regular files.
struct Inspector<'a> {
    chunk: Vec<u8>,
    cancel: &'a CancelToken,
}

impl Inspector<'_> {
    /// Returns what is known of an ELF file; `None` for other files and for ELF files that are exempt.
    fn inspect(&mut self, content: &mut impl Read) -> Result<Option<Arc<ElfFile>>, Stop> {
        let head = read_up_to(content, &mut self.chunk)?;
        if !elf::is_judged(&self.chunk[..head]) {
            return Ok(None);
        }
        let mut spool = SpooledTempFile::new(SPOOL_MEMORY_BYTES_MAX);
        let mut hasher = DigestHasher::new();
        let mut length = head;
        while length > 0 {
            if self.cancel.is_cancelled() {
                return Err(io::Error::other(Cancelled).into());
            }
            hasher.update(&self.chunk[..length]);
            spool.write_all(&self.chunk[..length]).map_err(Stop::Spool)?;
            length = read_up_to(content, &mut self.chunk)?;
        }
        spool.rewind().map_err(Stop::Spool)?;
        let size = hasher.len();
        Ok(Some(Arc::new(ElfFile {
            digest: hasher.finish(),
            size,
            facts: elf::read(spool),
        })))
    }
}

/// Fills the buffer as far as the content reaches.
fn read_up_to(content: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match content.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
