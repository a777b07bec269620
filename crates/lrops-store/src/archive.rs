//! Archives: a tar of an OCI image layout, as `type=oci,dest=image.tar` gives it and `skopeo`'s `oci-archive:` reads it.
//!
//! Invariants: the same image under the same names gives the same bytes (fixed order, owner, mode and time). Blobs are
//! streamed in both directions, and verified when they are written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lrops_model::blob::{BlobError, BlobSource, open_verified};
use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::digest::Digest;
use lrops_model::image::{ImageError, walk_image};
use lrops_model::oci::{Descriptor, Index};

use crate::durable::NewFile;
use crate::layout::{
    INDEX_FILE_BYTES_MAX, IndexDocument, LAYOUT_FILE, LayoutError, LayoutName, verify_version,
};
use crate::transfer::CancelReader;

/// How many entries an archive may have.
const ENTRIES_MAX: usize = 200_000;

/// Writes an archive of one image under any number of names.
///
/// # Errors
/// When a part of the image is missing or wrong, or writing fails. What was written by then is no archive.
pub fn write(
    source: &dyn BlobSource,
    root: &Descriptor,
    names: &[LayoutName],
    output: impl Write,
    cancel: &CancelToken,
) -> Result<(), ArchiveError> {
    let tree = walk_image(source, root, cancel)?;
    let mut index = IndexDocument::empty();
    index.add(root);
    for name in names {
        index.tag(name, root);
    }

    let mut tar = tar::Builder::new(output);
    let written = |source| ArchiveError::Write { source };
    append(
        &mut tar,
        "oci-layout",
        LAYOUT_FILE.len() as u64,
        LAYOUT_FILE.as_bytes(),
    )
    .map_err(written)?;
    let index = index.encode();
    append(&mut tar, "index.json", index.len() as u64, &index[..]).map_err(written)?;
    for directory in ["blobs/", "blobs/sha256/"] {
        append_directory(&mut tar, directory).map_err(written)?;
    }
    let mut parts = tree.parts();
    parts.sort_by_key(|part| part.descriptor.digest);
    for part in parts {
        let path = format!("blobs/sha256/{}", part.descriptor.digest.hex());
        let size = part.descriptor.size;
        let result = if let Some(bytes) = part.bytes {
            append(&mut tar, &path, size, bytes)
        } else {
            let content = open_verified(source, part.descriptor).map_err(ImageError::from)?;
            append(
                &mut tar,
                &path,
                size,
                CancelReader {
                    inner: content,
                    cancel,
                },
            )
        };
        cancel.check()?;
        result.map_err(written)?;
    }
    tar.finish().and_then(|()| tar.get_mut().flush()).map_err(written)
}

/// Writes an archive to a file, which appears whole or not at all.
///
/// # Errors
/// As [`write()`].
pub fn write_file(
    source: &dyn BlobSource,
    root: &Descriptor,
    names: &[LayoutName],
    path: &Path,
    cancel: &CancelToken,
) -> Result<(), ArchiveError> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let written = |source| ArchiveError::Write { source };
    let file = NewFile::create(directory).map_err(written)?;
    let mut output = io::BufWriter::with_capacity(128 * 1024, file);
    write(source, root, names, &mut output, cancel)?;
    let file = output.into_inner().map_err(|error| written(error.into_error()))?;
    file.publish(path).map_err(written)
}

/// Appends a file whose content must be exactly `size` bytes long.
fn append(tar: &mut tar::Builder<impl Write>, path: &str, size: u64, content: impl Read) -> io::Result<()> {
    let mut header = header(tar::EntryType::Regular, 0o644);
    header.set_path(path)?;
    header.set_size(size);
    header.set_cksum();
    // The content is read to its end, so a verifying reader speaks up before the next header is written.
    tar.append(&header, content)
}

fn append_directory(tar: &mut tar::Builder<impl Write>, path: &str) -> io::Result<()> {
    let mut header = header(tar::EntryType::Directory, 0o755);
    header.set_path(path)?;
    header.set_size(0);
    header.set_cksum();
    tar.append(&header, io::empty())
}

fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// An archive of an OCI image layout, open for reading.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    file: Arc<File>,
    blobs: BTreeMap<Digest, Span>,
    index: IndexDocument,
}

/// Where an entry's content lies in the file.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u64,
    size: u64,
}

impl Archive {
    /// Opens an archive and notes where its blobs are. Compressed archives are refused.
    ///
    /// # Errors
    /// When the file cannot be read, or is no archive of a layout.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ArchiveError> {
        let path = path.into();
        let failed = |source| ArchiveError::Read {
            path: path.clone(),
            source,
        };
        let file = File::open(&path).map_err(failed)?;
        let mut first = [0; 4];
        if file.read_at(&mut first, 0).map_err(failed)? >= 2
            && (first.starts_with(&[0x1f, 0x8b]) || first == [0x28, 0xb5, 0x2f, 0xfd])
        {
            return Err(ArchiveError::Compressed { path });
        }
        let spans = spans(&file).map_err(failed)?;
        let file = Arc::new(file);
        let small = |name: &str| -> Result<Option<Vec<u8>>, ArchiveError> {
            let Some(span) = spans.get(name) else {
                return Ok(None);
            };
            let mut bytes = Vec::new();
            let content = SpanReader::new(&file, *span).take(INDEX_FILE_BYTES_MAX + 1);
            { content }.read_to_end(&mut bytes).map_err(failed)?;
            Ok(Some(bytes))
        };
        let Some(version) = small("oci-layout")? else {
            return Err(ArchiveError::NoLayout { path: path.clone() });
        };
        verify_version(&path, &version)?;
        let Some(index) = small("index.json")? else {
            return Err(ArchiveError::NoLayout { path: path.clone() });
        };
        let index = IndexDocument::parse(&path.join("index.json"), &index)?;
        let blob = |(name, span): (&String, &Span)| {
            Some((Digest::from_hex(name.strip_prefix("blobs/sha256/")?).ok()?, *span))
        };
        let blobs = spans.iter().filter_map(blob).collect();
        Ok(Self {
            path: path.clone(),
            file,
            blobs,
            index,
        })
    }

    /// Returns what the archive's `index.json` lists.
    pub fn index(&self) -> Index {
        self.index.index()
    }

    /// Returns the named images, sorted by name.
    pub fn tags(&self) -> Vec<(String, Descriptor)> {
        self.index.tags()
    }

    /// Returns the image of this name.
    pub fn resolve(&self, name: &str) -> Option<Descriptor> {
        self.index.resolve(name)
    }
}

impl Archive {
    fn span(&self, descriptor: &Descriptor) -> Result<Span, BlobError> {
        let missing = || BlobError::Missing {
            digest: descriptor.digest,
            place: self.path.display().to_string(),
        };
        self.blobs.get(&descriptor.digest).copied().ok_or_else(missing)
    }
}

/// Returns where the regular files of a tar are, by cleaned name; the last of a name counts.
fn spans(file: &File) -> io::Result<BTreeMap<String, Span>> {
    let mut spans = BTreeMap::new();
    let mut tar = tar::Archive::new(file);
    for (count, entry) in tar.entries_with_seek()?.enumerate() {
        let entry = entry?;
        if count >= ENTRIES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the archive has more than 200,000 entries",
            ));
        }
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let unsafe_name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = unsafe_name.trim_start_matches("./").to_owned();
        spans.insert(
            name,
            Span {
                start: entry.raw_file_position(),
                size: entry.size(),
            },
        );
    }
    Ok(spans)
}

impl BlobSource for Archive {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
        Ok(Box::new(SpanReader::new(&self.file, self.span(descriptor)?)))
    }

    fn open_at(&self, descriptor: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send>, BlobError> {
        let whole = self.span(descriptor)?;
        let Some(size) = whole.size.checked_sub(offset) else {
            let message = format!(
                "the blob ends after {} bytes, before the offset {offset}",
                whole.size
            );
            return Err(BlobError::Read {
                digest: descriptor.digest,
                source: io::Error::new(io::ErrorKind::UnexpectedEof, message),
            });
        };
        let rest = Span {
            start: whole.start + offset,
            size,
        };
        Ok(Box::new(SpanReader::new(&self.file, rest)))
    }

    fn contains(&self, descriptor: &Descriptor) -> Result<bool, BlobError> {
        Ok(self
            .blobs
            .get(&descriptor.digest)
            .is_some_and(|span| span.size == descriptor.size))
    }
}

/// A reader of a part of a file; several may read at once.
struct SpanReader {
    file: Arc<File>,
    span: Span,
}

impl SpanReader {
    fn new(file: &Arc<File>, span: Span) -> Self {
        Self {
            file: Arc::clone(file),
            span,
        }
    }
}

impl Read for SpanReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer
            .len()
            .min(usize::try_from(self.span.size).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..length], self.span.start)?;
        self.span.start += read as u64;
        self.span.size -= read as u64;
        Ok(read)
    }
}

/// What can go wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The image could not be read.
    #[error(transparent)]
    Transfer(ImageError),
    /// Writing failed, or a blob was wrong.
    #[error("failed to write the archive")]
    Write {
        /// The cause.
        source: io::Error,
    },
    /// The file could not be read, or is no tar.
    #[error("failed to read the archive {}", .path.display())]
    Read {
        /// The archive.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The tar holds no layout.
    #[error("{} is no archive of an OCI image layout: it has no oci-layout or no index.json", .path.display())]
    NoLayout {
        /// The archive.
        path: PathBuf,
    },
    /// The archive is compressed, and cannot be read at any place.
    #[error("{} is compressed: decompress it first", .path.display())]
    Compressed {
        /// The archive.
        path: PathBuf,
    },
    /// The layout in it is not understood.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<ImageError> for ArchiveError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            error => Self::Transfer(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use lrops_model::blob::{BlobStore, MemoryStore};
    use lrops_model::reference::Reference;

    use super::*;
    use crate::layout::Layout;
    use crate::sample::{SampleImage, SamplePlatform};
    use crate::transfer::copy_image;

    fn sample() -> SampleImage {
        SampleImage::new(&[
            SamplePlatform::new("linux/amd64").file("etc/a", b"one"),
            SamplePlatform::new("linux/arm64").file("etc/a", &vec![b'x'; 100_000]),
        ])
    }

    fn archive_of(source: &dyn BlobSource, root: &Descriptor) -> Result<Vec<u8>, ArchiveError> {
        let reference: Reference = "team/app:1.0".parse().unwrap();
        let mut bytes = Vec::new();
        write(
            source,
            root,
            &[LayoutName::exported(&reference)],
            &mut bytes,
            &CancelToken::new(),
        )?;
        Ok(bytes)
    }

    #[test]
    fn an_archive_gives_back_the_image() {
        let image = sample();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image.tar");
        write_file(
            &image.store,
            &image.root,
            &["v1".into()],
            &path,
            &CancelToken::new(),
        )
        .unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        let archive = Archive::open(&path).unwrap();
        assert_eq!(archive.resolve("v1").unwrap().digest, image.root.digest);
        assert_eq!(archive.index().manifests.len(), 1);
        let copied = copy_image(&archive, &image.root, &MemoryStore::new(), &CancelToken::new()).unwrap();
        assert_eq!(copied.blobs, 7);
        for offset in [0, 1, image.root.size] {
            let (mut expected, mut rest) = (Vec::new(), Vec::new());
            let mut reader = image.store.open_at(&image.root, offset).unwrap();
            reader.read_to_end(&mut expected).unwrap();
            let mut reader = archive.open_at(&image.root, offset).unwrap();
            reader.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, expected, "{offset}");
        }
        assert!(archive.open_at(&image.root, image.root.size + 1).is_err());
    }

    #[test]
    fn an_archive_unpacks_to_a_layout() {
        let image = sample();
        let directory = tempfile::tempdir().unwrap();
        let bytes = archive_of(&image.store, &image.root).unwrap();
        tar::Archive::new(&bytes[..]).unpack(directory.path()).unwrap();
        let layout = Layout::open(directory.path()).unwrap();
        assert_eq!(
            layout.resolve("docker.io/team/app:1.0").unwrap().unwrap().digest,
            image.root.digest
        );
        assert_eq!(layout.blobs().unwrap().len(), 7);
    }

    #[test]
    fn the_same_image_gives_the_same_bytes() {
        let (one, other) = (sample(), sample());
        assert_eq!(
            archive_of(&one.store, &one.root).unwrap(),
            archive_of(&other.store, &other.root).unwrap()
        );
    }

    #[test]
    fn a_corrupted_blob_makes_no_archive() {
        let image = sample();
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::open_or_create(directory.path()).unwrap();
        copy_image(&image.store, &image.root, &layout, &CancelToken::new()).unwrap();
        for blob in layout.blobs().unwrap() {
            let path = layout.blob_path(&blob.digest);
            let right = std::fs::read(&path).unwrap();
            let mut wrong = right.clone();
            wrong[0] ^= 1;
            std::fs::write(&path, wrong).unwrap();
            assert!(archive_of(&layout, &image.root).is_err(), "{}", blob.digest);
            std::fs::write(&path, right).unwrap();
        }
        archive_of(&layout, &image.root).unwrap();
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.tar");
        let check = |bytes: &[u8], expected: &str| {
            std::fs::write(&path, bytes).unwrap();
            let text = Archive::open(&path).unwrap_err().to_string();
            assert_eq!(text.replace(&path.display().to_string(), "FILE"), expected);
        };
        check(b"\x1f\x8b\x08\x00", "FILE is compressed: decompress it first");
        check(&[b'x'; 2048], "failed to read the archive FILE");
        check(
            &[0; 1024],
            "FILE is no archive of an OCI image layout: it has no oci-layout or no index.json",
        );
    }

    #[test]
    fn blobs_of_an_archive_are_read_at_once() {
        let image = sample();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image.tar");
        std::fs::write(&path, archive_of(&image.store, &image.root).unwrap()).unwrap();
        let archive = Archive::open(&path).unwrap();
        let destination = MemoryStore::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| copy_image(&archive, &image.root, &destination, &CancelToken::new()).unwrap());
            }
        });
        assert!(destination.contains(&image.root).unwrap());
        destination.put(&image.root, &mut io::empty()).unwrap();
    }
}
