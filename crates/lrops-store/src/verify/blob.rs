//! Blobs, read so that what is wrong with them can be told apart.

use std::io::{self, Read};

use lrops_model::blob::{BlobError, BlobSource, DOCUMENT_SIZE_BYTES_MAX};
use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::digest::{Digest, DigestHasher};
use lrops_model::finding::Finding;
use lrops_model::oci::Descriptor;

use super::advice;
use super::report::VerifyError;

/// What is wrong with a blob.
#[derive(Debug)]
pub(super) enum Damage {
    Missing,
    TooLarge,
    TooShort { found: u64 },
    TooLong,
    OtherBytes { found: Digest },
    Unreadable { reason: String },
}

impl Damage {
    /// Returns the finding; `what` names the blob's part in the image.
    pub(super) fn finding(&self, what: &str, descriptor: &Descriptor) -> Finding {
        let (digest, size) = (descriptor.digest, descriptor.size);
        let (rule, text) = match self {
            Self::Missing => ("BlobMissing", "is missing".to_owned()),
            Self::TooLarge => (
                "DocumentTooLarge",
                format!("is {size} bytes long; documents of more than 4 MiB are refused"),
            ),
            Self::TooShort { found } => ("BlobSizeMismatch", format!("ends after {found} of {size} bytes")),
            Self::TooLong => (
                "BlobSizeMismatch",
                format!("is longer than the {size} bytes that are promised"),
            ),
            Self::OtherBytes { found } => (
                "BlobDigestMismatch",
                format!("holds other bytes: their digest is {found}"),
            ),
            Self::Unreadable { reason } => ("BlobUnreadable", format!("cannot be read: {reason}")),
        };
        Finding::error(rule, format!("{what} {digest} {text}")).advise(advice::DAMAGED_BLOB)
    }
}

/// Reads a whole document; the inner error is what is wrong with it.
pub(super) fn read_document(
    source: &dyn BlobSource,
    descriptor: &Descriptor,
    cancel: &CancelToken,
) -> Result<Result<Vec<u8>, Damage>, VerifyError> {
    if descriptor.size > DOCUMENT_SIZE_BYTES_MAX {
        return Ok(Err(Damage::TooLarge));
    }
    let mut blob = match BlobReader::open(source, descriptor, cancel)? {
        Ok(blob) => blob,
        Err(damage) => return Ok(Err(damage)),
    };
    let mut bytes = Vec::new();
    // What hinders reading is remembered by the reader and told at its end.
    let _ = blob.read_to_end(&mut bytes);
    Ok(blob.finish()?.map(|()| bytes))
}

/// A blob's bytes, counted and digested, and never more of them than promised.
pub(super) struct BlobReader<'a> {
    inner: Box<dyn Read + Send>,
    hasher: DigestHasher,
    descriptor: &'a Descriptor,
    cancel: &'a CancelToken,
    failure: Option<String>,
}

impl<'a> BlobReader<'a> {
    /// Opens a blob; the inner error is what is wrong with it.
    pub(super) fn open(
        source: &dyn BlobSource,
        descriptor: &'a Descriptor,
        cancel: &'a CancelToken,
    ) -> Result<Result<Self, Damage>, VerifyError> {
        cancel.check()?;
        match source.open(descriptor) {
            Ok(inner) => Ok(Ok(Self {
                inner,
                hasher: DigestHasher::new(),
                descriptor,
                cancel,
                failure: None,
            })),
            Err(BlobError::Missing { .. }) => Ok(Err(Damage::Missing)),
            Err(BlobError::TooLarge { .. }) => Ok(Err(Damage::TooLarge)),
            Err(BlobError::Read { source, .. }) => Ok(Err(Damage::Unreadable {
                reason: source.to_string(),
            })),
            Err(BlobError::Cancelled(cancelled)) => Err(cancelled.into()),
            Err(source @ (BlobError::Write { .. } | BlobError::Other { .. })) => {
                Err(VerifyError::Place { source })
            }
        }
    }

    /// Reads what is left and tells what is wrong with the blob, if anything is.
    pub(super) fn finish(mut self) -> Result<Result<(), Damage>, VerifyError> {
        let drained = io::copy(&mut self, &mut io::sink());
        self.cancel.check()?;
        if let Some(reason) = self.failure.or(drained.err().map(|error| error.to_string())) {
            return Ok(Err(Damage::Unreadable { reason }));
        }
        let found = self.hasher.len();
        if found < self.descriptor.size {
            return Ok(Err(Damage::TooShort { found }));
        }
        if found > self.descriptor.size {
            return Ok(Err(Damage::TooLong));
        }
        let found = self.hasher.finish();
        if found != self.descriptor.digest {
            return Ok(Err(Damage::OtherBytes { found }));
        }
        Ok(Ok(()))
    }
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other(Cancelled));
        }
        if self.failure.is_some() {
            return Ok(0);
        }
        // One byte more than promised shows that the blob is too long.
        let left = self
            .descriptor
            .size
            .saturating_add(1)
            .saturating_sub(self.hasher.len());
        let length = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match self.inner.read(&mut buffer[..length]) {
            Ok(read) => {
                self.hasher.update(&buffer[..read]);
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.failure = Some(error.to_string());
                Err(error)
            }
        }
    }
}
