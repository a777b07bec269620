//! The blobs of a layout.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use lrops_model::blob::{BlobError, BlobSource, BlobStore, VerifyingReader};
use lrops_model::digest::{Digest, DigestWriter};
use lrops_model::oci::{Descriptor, MediaType};
use lrops_model::timestamp::Timestamp;

use super::{Layout, LayoutError};
use crate::durable::{self, FillError, NewFile};

/// How much a [`BlobWriter`] gathers before it writes.
const BUFFER_BYTES: usize = 128 * 1024;

impl BlobSource for Layout {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
        Ok(Box::new(self.open_file(descriptor)?))
    }

    fn open_at(&self, descriptor: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send>, BlobError> {
        let digest = descriptor.digest;
        let mut file = self.open_file(descriptor)?;
        file.seek(SeekFrom::Start(offset))
            .map_err(|source| BlobError::Read { digest, source })?;
        Ok(Box::new(file))
    }

    fn contains(&self, descriptor: &Descriptor) -> Result<bool, BlobError> {
        let digest = descriptor.digest;
        match fs::metadata(self.blob_path(&digest)) {
            Ok(metadata) => Ok(metadata.is_file() && metadata.len() == descriptor.size),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(BlobError::Read { digest, source }),
        }
    }
}

impl BlobStore for Layout {
    fn put(&self, descriptor: &Descriptor, content: &mut dyn Read) -> Result<(), BlobError> {
        if self.contains(descriptor)? {
            return Ok(());
        }
        let digest = descriptor.digest;
        let failed = |source| BlobError::Write { digest, source };
        let mut file = NewFile::create(&self.temporary).map_err(failed)?;
        file.fill(&mut VerifyingReader::new(content, descriptor))
            .map_err(|error| match error {
                FillError::Read(source) => BlobError::Read { digest, source },
                FillError::Write(source) => BlobError::Write { digest, source },
            })?;
        file.publish(&self.blob_path(&digest)).map_err(failed)
    }
}

impl Layout {
    fn open_file(&self, descriptor: &Descriptor) -> Result<File, BlobError> {
        let digest = descriptor.digest;
        File::open(self.blob_path(&digest)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::Missing {
                digest,
                place: self.root.display().to_string(),
            },
            _ => BlobError::Read {
                digest,
                source: error,
            },
        })
    }

    /// Starts a blob whose digest is not known yet.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn writer(&self) -> Result<BlobWriter, BlobError> {
        let file = NewFile::create(&self.temporary).map_err(|source| failed_to_write(self, source))?;
        let output = DigestWriter::new(BufWriter::with_capacity(BUFFER_BYTES, file));
        Ok(BlobWriter {
            output,
            layout: self.clone(),
        })
    }

    /// Makes sure that a blob of these bytes is there, and returns its descriptor.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_bytes(&self, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor, BlobError> {
        let descriptor = Descriptor::of(media_type, bytes);
        self.put(&descriptor, &mut &bytes[..])?;
        Ok(descriptor)
    }

    /// Notes that a blob was used, for collection by least recent use. A blob that is not there is none of its business.
    pub fn touch(&self, digest: &Digest, time: Timestamp) {
        // Whoever may read a shared layout but not change it can still use it.
        let _ = durable::touch(&self.blob_path(digest), time);
    }

    /// Returns all blobs, sorted by digest. Files that no digest names are left out.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn blobs(&self) -> Result<Vec<StoredBlob>, LayoutError> {
        let directory = self.blobs_directory();
        let failed = |source| LayoutError::disk("read", &directory, source);
        let mut blobs = Vec::new();
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Some(digest) = entry
                .file_name()
                .to_str()
                .and_then(|name| Digest::from_hex(name).ok())
            else {
                continue;
            };
            match entry.metadata() {
                Ok(metadata) if metadata.is_file() => blobs.push(StoredBlob {
                    digest,
                    size: metadata.len(),
                    last_used: durable::modified(&metadata),
                }),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(failed(source)),
            }
        }
        blobs.sort_by_key(|blob| blob.digest);
        Ok(blobs)
    }

    /// Makes sure that a blob is not there.
    pub(crate) fn remove_blob(&self, digest: &Digest) -> Result<(), LayoutError> {
        let path = self.blob_path(digest);
        durable::remove_tree(&path).map_err(|source| LayoutError::disk("remove", &path, source))
    }
}

/// A blob of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// When it was written, or last noted as used.
    pub last_used: Timestamp,
}

/// A blob being written. Dropped before [`BlobWriter::finish`], it leaves nothing.
pub struct BlobWriter {
    output: DigestWriter<BufWriter<NewFile>>,
    layout: Layout,
}

impl BlobWriter {
    /// Puts the blob into the layout under its digest.
    ///
    /// # Errors
    /// When the rest cannot be written.
    pub fn finish(self, media_type: MediaType) -> Result<Descriptor, BlobError> {
        let (output, digest, size) = self.output.finish();
        let descriptor = Descriptor::new(media_type, digest, size);
        let file = output
            .into_inner()
            .map_err(|error| failed_to_write(&self.layout, error.into_error()))?;
        if !self.layout.contains(&descriptor)? {
            let path: PathBuf = self.layout.blob_path(&digest);
            file.publish(&path)
                .map_err(|source| BlobError::Write { digest, source })?;
        }
        Ok(descriptor)
    }
}

impl Write for BlobWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.output.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

fn failed_to_write(layout: &Layout, source: io::Error) -> BlobError {
    BlobError::Other {
        message: format!("failed to write a blob into {}", layout.root.display()),
        source: Box::new(source),
    }
}
