//! Places for blobs. Layouts, archives, registries and memory are *places*: whoever moves an image reads from one
//! and writes to another.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Mutex;

use crate::cancel::Cancelled;
use crate::digest::{Digest, DigestHasher};
use crate::oci::Descriptor;

/// A place that blobs can be read from.
pub trait BlobSource: Send + Sync {
    /// Opens a blob. The reader must be treated as foreign bytes: wrap it with [`open_verified`].
    ///
    /// # Errors
    /// [`BlobError::Missing`] when the place has no such blob; otherwise what hindered reading.
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError>;

    /// Opens a blob at an offset in bytes, for a transfer that goes on where it stopped. Such a reader cannot be
    /// verified: the receiver knows the digest of the whole.
    ///
    /// # Errors
    /// As [`BlobSource::open`], and when the blob ends before the offset.
    fn open_at(&self, descriptor: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send>, BlobError> {
        let mut reader = self.open(descriptor)?;
        let skipped = io::copy(&mut reader.by_ref().take(offset), &mut io::sink());
        let digest = descriptor.digest;
        match skipped {
            Ok(skipped) if skipped == offset => Ok(reader),
            Ok(skipped) => Err(BlobError::Read {
                digest,
                source: io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("the blob ends after {skipped} bytes, before the offset {offset}"),
                ),
            }),
            Err(source) => Err(BlobError::Read { digest, source }),
        }
    }

    /// Returns whether the place has the blob.
    ///
    /// # Errors
    /// What hindered looking.
    fn contains(&self, descriptor: &Descriptor) -> Result<bool, BlobError>;
}

/// A place that blobs can also be written to.
pub trait BlobStore: BlobSource {
    /// Makes sure that the blob is there, complete and as its descriptor says, reading `content` only as needed.
    ///
    /// Promises the state, not the act: a blob that is there already is success.
    ///
    /// # Errors
    /// When the content does not match the descriptor (nothing is kept then), or writing fails.
    fn put(&self, descriptor: &Descriptor, content: &mut dyn Read) -> Result<(), BlobError>;
}

/// Opens a blob so that reading ends in an error unless every byte is what the descriptor promises.
///
/// # Errors
/// As [`BlobSource::open`].
pub fn open_verified(
    source: &(impl BlobSource + ?Sized),
    descriptor: &Descriptor,
) -> Result<VerifyingReader<Box<dyn Read + Send>>, BlobError> {
    Ok(VerifyingReader::new(source.open(descriptor)?, descriptor))
}

/// The size up to which a manifest, an index or a config is believed.
///
/// The distribution spec asks registries to take at least 4 MiB; no client needs more.
pub const DOCUMENT_SIZE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Reads a whole small blob (a manifest, an index, a config), verified.
///
/// # Errors
/// As [`BlobSource::open`]; [`BlobError::TooLarge`] above [`DOCUMENT_SIZE_BYTES_MAX`]; an error when the bytes are
/// not what the descriptor promises.
pub fn read_document(
    source: &(impl BlobSource + ?Sized),
    descriptor: &Descriptor,
) -> Result<Vec<u8>, BlobError> {
    if descriptor.size > DOCUMENT_SIZE_BYTES_MAX {
        return Err(BlobError::TooLarge {
            digest: descriptor.digest,
            size: descriptor.size,
        });
    }
    let mut bytes = Vec::new();
    open_verified(source, descriptor)?
        .read_to_end(&mut bytes)
        .map_err(|source| BlobError::Read {
            digest: descriptor.digest,
            source,
        })?;
    Ok(bytes)
}

/// A reader that refuses to end on wrong bytes.
///
/// The last read before the end fails when the length or the digest differs from what was promised, so a consumer
/// that reads to the end and sees no error has the right bytes.
pub struct VerifyingReader<R> {
    inner: R,
    expected: Digest,
    size: u64,
    hasher: Option<DigestHasher>,
    read: u64,
}

impl<R: Read> VerifyingReader<R> {
    /// Wraps `inner`, which should give the blob that `descriptor` names.
    pub fn new(inner: R, descriptor: &Descriptor) -> Self {
        Self {
            inner,
            expected: descriptor.digest,
            size: descriptor.size,
            hasher: Some(DigestHasher::new()),
            read: 0,
        }
    }

    fn verify_end(&mut self) -> io::Result<()> {
        let Some(hasher) = self.hasher.take() else {
            return Ok(());
        };
        if self.read != self.size {
            let message = format!(
                "the blob {} ends after {} of {} bytes",
                self.expected, self.read, self.size
            );
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        let found = hasher.finish();
        if found != self.expected {
            let message = format!(
                "the blob {} holds other bytes: their digest is {found}",
                self.expected
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(())
    }
}

impl<R: Read> Read for VerifyingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.inner.read(buffer)?;
        if read == 0 {
            self.verify_end()?;
            return Ok(0);
        }
        self.read += read as u64;
        if self.read > self.size {
            let message = format!(
                "the blob {} is longer than its {} bytes",
                self.expected, self.size
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..read]);
        }
        Ok(read)
    }
}

/// What can go wrong with a blob.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The place does not have it.
    #[error("the blob {digest} is not in {place}")]
    Missing {
        /// The blob's digest.
        digest: Digest,
        /// The place, for people.
        place: String,
    },
    /// A document is larger than any honest one.
    #[error(
        "the blob {digest} is {size} bytes long; a manifest, index or config of more than 4 MiB is refused"
    )]
    TooLarge {
        /// The blob's digest.
        digest: Digest,
        /// Its promised size in bytes.
        size: u64,
    },
    /// It could not be read, or its bytes are wrong.
    #[error("failed to read the blob {digest}")]
    Read {
        /// The blob's digest.
        digest: Digest,
        /// The cause.
        source: io::Error,
    },
    /// It could not be written.
    #[error("failed to write the blob {digest}")]
    Write {
        /// The blob's digest.
        digest: Digest,
        /// The cause.
        source: io::Error,
    },
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// Another cause, from the place itself.
    #[error("{message}")]
    Other {
        /// What was being done.
        message: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Blobs in memory: for small images and tests.
#[derive(Default)]
pub struct MemoryStore {
    blobs: Mutex<BTreeMap<Digest, Vec<u8>>>,
}

impl MemoryStore {
    /// Returns an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn blobs(&self) -> std::sync::MutexGuard<'_, BTreeMap<Digest, Vec<u8>>> {
        self.blobs
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl BlobSource for MemoryStore {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
        match self.blobs().get(&descriptor.digest) {
            Some(bytes) => Ok(Box::new(io::Cursor::new(bytes.clone()))),
            None => Err(BlobError::Missing {
                digest: descriptor.digest,
                place: "memory".to_owned(),
            }),
        }
    }

    fn contains(&self, descriptor: &Descriptor) -> Result<bool, BlobError> {
        Ok(self.blobs().contains_key(&descriptor.digest))
    }
}

impl BlobStore for MemoryStore {
    fn put(&self, descriptor: &Descriptor, content: &mut dyn Read) -> Result<(), BlobError> {
        if self.contains(descriptor)? {
            return Ok(());
        }
        let mut bytes = Vec::new();
        VerifyingReader::new(content, descriptor)
            .read_to_end(&mut bytes)
            .map_err(|source| BlobError::Write {
                digest: descriptor.digest,
                source,
            })?;
        self.blobs().insert(descriptor.digest, bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::MediaType;

    fn descriptor(bytes: &[u8]) -> Descriptor {
        Descriptor::of(MediaType::OCI_CONFIG, bytes)
    }

    #[test]
    fn a_verifying_reader_refuses_to_end_on_wrong_bytes() {
        let promised = descriptor(b"hello");
        for wrong in [&b"hellO"[..], b"hell", b"hello!", b""] {
            let result = VerifyingReader::new(wrong, &promised).read_to_end(&mut Vec::new());
            assert!(result.is_err(), "{wrong:?}");
        }
        let mut right = Vec::new();
        VerifyingReader::new(&b"hello"[..], &promised)
            .read_to_end(&mut right)
            .unwrap();
        assert_eq!(right, b"hello");
    }

    #[test]
    fn putting_wrong_bytes_keeps_nothing() {
        let store = MemoryStore::new();
        let promised = descriptor(b"hello");
        assert!(store.put(&promised, &mut &b"other"[..]).is_err());
        assert!(!store.contains(&promised).unwrap());
        store.put(&promised, &mut &b"hello"[..]).unwrap();
        store.put(&promised, &mut &b"not even read"[..]).unwrap();
        assert_eq!(read_document(&store, &promised).unwrap(), b"hello");
    }

    #[test]
    fn a_blob_can_be_opened_in_the_middle_and_not_behind_its_end() {
        let store = MemoryStore::new();
        let promised = descriptor(b"hello");
        store.put(&promised, &mut &b"hello"[..]).unwrap();
        let rest = |offset| {
            let mut text = String::new();
            store
                .open_at(&promised, offset)
                .map(|mut reader| reader.read_to_string(&mut text).map(|_| text))
        };
        assert_eq!(rest(3).unwrap().unwrap(), "lo");
        assert_eq!(rest(5).unwrap().unwrap(), "");
        assert!(matches!(rest(6), Err(BlobError::Read { .. })));
    }

    #[test]
    fn a_document_that_claims_to_be_huge_is_not_read() {
        let mut promised = descriptor(b"");
        promised.size = DOCUMENT_SIZE_BYTES_MAX + 1;
        assert!(matches!(
            read_document(&MemoryStore::new(), &promised),
            Err(BlobError::TooLarge { .. })
        ));
    }
}
