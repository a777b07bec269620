//! The OCI image layout: a directory with `oci-layout`, `index.json` and `blobs/sha256`.
//!
//! Rules: OCI image spec, `image-layout.md`. Invariants:
//! - A blob's file appears whole, under the digest of its bytes. Two writers of the same blob do not hinder each other.
//! - `index.json` is rewritten as a whole under a lock on the `oci-layout` file (which is never replaced). What others
//!   wrote into it stays, down to fields that lrops does not know.
//! - The same names for the same images give the same bytes of `index.json`, in whatever order they were given.

mod blobs;
mod index;
mod name;

pub use blobs::{BlobWriter, StoredBlob};
pub use name::LayoutName;

pub(crate) use index::IndexDocument;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use lrops_model::digest::Digest;
use lrops_model::oci::{Descriptor, Index};
use serde::Deserialize;

use crate::durable::{self, NewFile, explained};

/// The only version of the layout there is.
const VERSION: &str = "1.0.0";

/// What an `oci-layout` file says.
pub(crate) const LAYOUT_FILE: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// The size up to which an `index.json` is believed: some ten thousand names.
pub(crate) const INDEX_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// An OCI image layout on disk.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    /// Where files are written before they are published; on the same file system.
    temporary: PathBuf,
}

impl Layout {
    /// Opens the layout that is at `root`.
    ///
    /// # Errors
    /// When there is none, or one of a version that is not understood.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, LayoutError> {
        let root = root.into();
        let layout = Self {
            temporary: root.clone(),
            root,
        };
        layout.verify_version()?;
        Ok(layout)
    }

    /// Opens the layout at `root`, and makes an empty one first where there is none.
    ///
    /// # Errors
    /// When the directory cannot be made or written, or holds a layout that is not understood.
    pub fn open_or_create(root: impl Into<PathBuf>) -> Result<Self, LayoutError> {
        let root = root.into();
        Self::create(root.clone(), root)
    }

    /// As [`Layout::open_or_create`], with another directory for files that are being written.
    pub(crate) fn create(root: PathBuf, temporary: PathBuf) -> Result<Self, LayoutError> {
        let layout = Self { root, temporary };
        let blobs = layout.blobs_directory();
        for directory in [&blobs, &layout.temporary] {
            fs::create_dir_all(directory)
                .map_err(|source| LayoutError::disk("create", directory, explained(directory, source)))?;
        }
        layout.create_file("oci-layout", LAYOUT_FILE.as_bytes())?;
        layout.create_file("index.json", &IndexDocument::empty().encode())?;
        layout.verify_version()?;
        Ok(layout)
    }

    fn create_file(&self, name: &str, bytes: &[u8]) -> Result<(), LayoutError> {
        let path = self.root.join(name);
        if path.exists() {
            return Ok(());
        }
        NewFile::create(&self.temporary)
            .and_then(|mut file| {
                io::Write::write_all(&mut file, bytes)?;
                file.publish_unless_there(&path)
            })
            .map_err(|source| LayoutError::disk("create", &path, source))
    }

    fn verify_version(&self) -> Result<(), LayoutError> {
        let path = self.root.join("oci-layout");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Err(LayoutError::NoLayout {
                    path: self.root.clone(),
                });
            }
            Err(source) => return Err(LayoutError::disk("read", &path, source)),
        };
        verify_version(&self.root, &text)
    }

    /// Returns the layout's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns where the blob of this digest is, if it is there.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs_directory().join(digest.hex())
    }

    fn blobs_directory(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    /// Returns what `index.json` lists. Entries that lrops cannot read (of another digest algorithm) are left out.
    ///
    /// # Errors
    /// When the file cannot be read, or is no index.
    pub fn index(&self) -> Result<Index, LayoutError> {
        Ok(self.read_index()?.index())
    }

    /// Returns the named images, sorted by name.
    ///
    /// # Errors
    /// As [`Layout::index`].
    pub fn tags(&self) -> Result<Vec<(String, Descriptor)>, LayoutError> {
        Ok(self.read_index()?.tags())
    }

    /// Returns the image of this name: the value of either annotation that tools look for.
    ///
    /// # Errors
    /// As [`Layout::index`].
    pub fn resolve(&self, name: &str) -> Result<Option<Descriptor>, LayoutError> {
        Ok(self.read_index()?.resolve(name))
    }

    /// Gives an image a name, taking the name from whatever had it.
    ///
    /// # Errors
    /// When `index.json` cannot be read or written.
    pub fn tag(&self, name: impl Into<LayoutName>, descriptor: &Descriptor) -> Result<(), LayoutError> {
        let name = name.into();
        self.rewrite_index(|index| index.tag(&name, descriptor))
    }

    /// Makes sure that `index.json` lists an image, without giving it a name.
    ///
    /// # Errors
    /// When `index.json` cannot be read or written.
    pub fn add(&self, descriptor: &Descriptor) -> Result<(), LayoutError> {
        self.rewrite_index(|index| index.add(descriptor))
    }

    /// Takes a name away; returns whether there was one. The blobs stay until they are collected.
    ///
    /// # Errors
    /// When `index.json` cannot be read or written.
    pub fn untag(&self, name: &str) -> Result<bool, LayoutError> {
        self.rewrite_index(|index| index.untag(name))
    }

    /// Takes all entries of an image away.
    pub(crate) fn forget(&self, digest: &Digest) -> Result<(), LayoutError> {
        self.rewrite_index(|index| index.forget(digest))
    }

    fn read_index(&self) -> Result<IndexDocument, LayoutError> {
        let path = self.root.join("index.json");
        let file = match File::open(&path) {
            Ok(file) => file,
            // Some tools write it only with the first image.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(IndexDocument::empty()),
            Err(source) => return Err(LayoutError::disk("read", &path, source)),
        };
        let mut bytes = Vec::new();
        file.take(INDEX_FILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| LayoutError::disk("read", &path, source))?;
        IndexDocument::parse(&path, &bytes)
    }

    /// Changes `index.json` in one step. It is written only if its bytes change.
    fn rewrite_index<T>(&self, change: impl FnOnce(&mut IndexDocument) -> T) -> Result<T, LayoutError> {
        let lock_path = self.root.join("oci-layout");
        let lock = File::options()
            .read(true)
            .write(true)
            .open(&lock_path)
            .map_err(|source| LayoutError::disk("open", &lock_path, explained(&lock_path, source)))?;
        lock.lock()
            .map_err(|source| LayoutError::disk("lock", &lock_path, source))?;
        let mut index = self.read_index()?;
        let before = index.encode();
        let result = change(&mut index);
        let after = index.encode();
        if before != after {
            let path = self.root.join("index.json");
            durable::write(&self.temporary, &path, &after)
                .map_err(|source| LayoutError::disk("write", &path, source))?;
        }
        Ok(result)
    }
}

/// Checks what an `oci-layout` file says.
pub(crate) fn verify_version(place: &Path, text: &[u8]) -> Result<(), LayoutError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct LayoutFile {
        image_layout_version: String,
    }
    let path = place.to_owned();
    match serde_json::from_slice::<LayoutFile>(text) {
        Ok(file) if file.image_layout_version == VERSION => Ok(()),
        Ok(file) => Err(LayoutError::Version {
            path,
            version: file.image_layout_version,
        }),
        Err(source) => Err(LayoutError::Malformed {
            path: path.join("oci-layout"),
            source,
        }),
    }
}

/// What can go wrong with a layout.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// There is no layout.
    #[error("{} is no OCI image layout: it has no oci-layout file", .path.display())]
    NoLayout {
        /// Where one was expected.
        path: PathBuf,
    },
    /// The layout is of another version.
    #[error("{} is an OCI image layout of version {version:?}; only 1.0.0 is understood", .path.display())]
    Version {
        /// The layout.
        path: PathBuf,
        /// Its version.
        version: String,
    },
    /// A file of the layout is no JSON, or another document.
    #[error("{} is malformed", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// `index.json` is larger than any honest one.
    #[error("{} is longer than 16 MiB", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
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
}

impl LayoutError {
    pub(crate) fn disk(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Disk {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

#[cfg(test)]
mod tests;
