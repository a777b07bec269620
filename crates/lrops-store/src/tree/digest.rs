//! The digest of what a `COPY` would read: the part of its cache key that stands for the files.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::digest::{Digest, DigestHasher};

use super::attributes::{attributes, is_copied};
use super::copy::{CopyError, Filter, Keep};
use super::error::{During, TreeError};
use super::metadata::{Follow, Kind, Metadata};
use super::root::{RootDir, open_regular};
use super::spot::Spot;
use super::stat_cache::StatCache;

/// Enters every digest; to be changed whenever the way of computing them changes.
const VERSION: &str = "lrops.content.v1";

/// How much of a file is read at a time.
const CHUNK_BYTES: usize = 128 * 1024;

/// What to digest.
pub struct DigestRequest<'a> {
    /// The tree.
    pub root: &'a RootDir,
    /// A path in it; symbolic links in it are followed.
    pub path: &'a Path,
    /// What is left out, as for [`super::copy`].
    pub filter: &'a Filter<'a>,
    /// Whether owners count.
    pub owners: DigestOwners,
    /// Digests of files that were seen before; `None` reads all files.
    pub cache: Option<&'a StatCache>,
    /// Stops the work between two chunks.
    pub cancel: &'a CancelToken,
}

/// Whether owners enter a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestOwners {
    /// They do: the copies keep them.
    Count,
    /// They do not: the copies get another owner.
    Ignore,
}

/// Returns the digest over kinds, modes, relative paths, contents, link targets and copied attributes.
///
/// Times do not count. The metadata of a directory at the path itself does not count either, because a copy of its
/// content does not keep it. Directories that the filter skips count when something below them is taken. Which of
/// several names share one file counts, since the copies share it too.
///
/// # Errors
/// When something cannot be read, or the work was stopped.
pub fn content_digest(request: &DigestRequest<'_>) -> Result<Digest, CopyError> {
    let path = request.root.resolve(request.path)?;
    let missing = || CopyError::Missing {
        path: Path::new("/").join(request.path),
    };
    let metadata = request.root.metadata(&path, Follow::No)?.ok_or_else(missing)?;
    let spot = request.root.spot(&path)?;
    let mut digester = Digester {
        request,
        hasher: DigestHasher::new(),
        awaited: Vec::new(),
        first_names: BTreeMap::new(),
    };
    digester.hasher.field(VERSION);
    if metadata.kind == Kind::Directory {
        digester.hasher.field("content of");
        digester.children(&spot, Path::new(""))?;
    } else {
        digester.hasher.field("file");
        digester.entry(&spot, &metadata, Path::new(""))?;
    }
    Ok(digester.hasher.finish())
}

struct Digester<'a> {
    request: &'a DigestRequest<'a>,
    hasher: DigestHasher,
    /// Skipped directories on the way down that nothing was taken from yet.
    awaited: Vec<(Spot, Metadata, PathBuf)>,
    /// The first path of each file that has several names, by device and inode.
    first_names: BTreeMap<(u64, u64), PathBuf>,
}

impl Digester<'_> {
    fn children(&mut self, directory: &Spot, relative: &Path) -> Result<(), CopyError> {
        for child in directory.children().during("list", &directory.path)? {
            self.request.cancel.check()?;
            let Some(metadata) = self.request.root.metadata_at(&child)? else {
                continue;
            };
            let relative = relative.join(child.name());
            match (self.request.filter)(&relative, metadata.kind) {
                Keep::Take => {
                    for (spot, metadata, relative) in std::mem::take(&mut self.awaited) {
                        self.entry(&spot, &metadata, &relative)?;
                    }
                    self.entry(&child, &metadata, &relative)?;
                    if metadata.kind == Kind::Directory {
                        self.children(&child, &relative)?;
                    }
                }
                Keep::Skip if metadata.kind == Kind::Directory => {
                    self.awaited.push((child.clone(), metadata, relative.clone()));
                    let depth = self.awaited.len();
                    self.children(&child, &relative)?;
                    self.awaited.truncate(depth - 1);
                }
                Keep::Skip | Keep::Prune => {}
            }
        }
        Ok(())
    }

    fn entry(&mut self, spot: &Spot, metadata: &Metadata, relative: &Path) -> Result<(), CopyError> {
        self.hasher.field(relative.as_os_str().as_encoded_bytes());
        self.hasher.field(letter(metadata.kind));
        if metadata.kind == Kind::Symlink {
            let target = spot.read_link().during("read the link", &spot.path)?;
            self.hasher.field(target.as_encoded_bytes());
        } else {
            self.hasher.update(metadata.mode.to_le_bytes());
            let attributes = attributes(spot, is_copied).during("read the attributes of", &spot.path)?;
            self.hasher.update((attributes.len() as u64).to_le_bytes());
            for (name, value) in attributes {
                self.hasher.field(name.as_encoded_bytes());
                self.hasher.field(value);
            }
        }
        if self.request.owners == DigestOwners::Count {
            self.hasher.field(metadata.owner.to_string());
        }
        match metadata.kind {
            Kind::File => {
                let digest = self.file_digest(spot, metadata)?;
                self.hasher.field(digest.hex());
                if metadata.links > 1 {
                    let identity = (metadata.device, metadata.inode);
                    let first = self
                        .first_names
                        .entry(identity)
                        .or_insert_with(|| relative.to_owned());
                    self.hasher.field(first.as_os_str().as_encoded_bytes());
                }
            }
            Kind::Socket => self.hasher.field(Digest::of("").hex()),
            kind if kind.is_device() => self.hasher.field(kind.to_device_text().unwrap_or_default()),
            _ => {}
        }
        Ok(())
    }

    fn file_digest(&self, spot: &Spot, metadata: &Metadata) -> Result<Digest, CopyError> {
        if let Some(digest) = self
            .request
            .cache
            .and_then(|cache| cache.get(&spot.path, metadata))
        {
            return Ok(digest);
        }
        let digest = digest_file(spot, self.request.cancel)?;
        if let Some(cache) = self.request.cache {
            cache.insert(&spot.path, metadata, digest);
        }
        Ok(digest)
    }
}

fn digest_file(spot: &Spot, cancel: &CancelToken) -> Result<Digest, CopyError> {
    let read = || -> Result<Result<Digest, Cancelled>, std::io::Error> {
        let mut file = open_regular(spot)?;
        let mut hasher = DigestHasher::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            if let Err(cancelled) = cancel.check() {
                return Ok(Err(cancelled));
            }
            match file.read(&mut chunk)? {
                0 => return Ok(Ok(hasher.finish())),
                length => hasher.update(&chunk[..length]),
            }
        }
    };
    let digest: Result<_, TreeError> = read().during("read", &spot.path);
    Ok(digest??)
}

fn letter(kind: Kind) -> &'static str {
    match kind {
        // A socket is copied as an empty file.
        Kind::File | Kind::Socket => "f",
        Kind::Directory => "d",
        Kind::Symlink => "l",
        Kind::Fifo => "p",
        Kind::CharDevice { .. } => "c",
        Kind::BlockDevice { .. } => "b",
    }
}
