//! Placing the entries of a tar into a tree, for layers and for archives of `ADD`.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::change::Owner;

use super::apply::Lower;
use super::entries::Header;
use super::name::{Escape, ExtractLimits, clean_name};
use crate::tree::{
    During, Found, Kind, Metadata, OwnerStyle, RootDir, Spot, Spots, Time, TreeError, UnstoredOwner,
    attributes, copy_content, enters_layers, make_node, open_regular, resolve_with, set_attribute, set_owner,
};

/// How much content is moved at a time.
const CHUNK_BYTES: usize = 128 * 1024;

/// What can go wrong with placing an entry.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// A file operation failed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The tar cannot be read.
    #[error("failed to read the archive")]
    Read(#[source] io::Error),
    /// A name leads out of the root or cannot be one.
    #[error("the archive's entry {name:?} is refused: {reason}")]
    Name {
        /// The name, as far as it is text.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// A hard link's target does not exist.
    #[error("the archive's entry {path} links to {target}, which does not exist", path = path.display(), target = target.display())]
    LinkTarget {
        /// The link.
        path: PathBuf,
        /// What it should be a name of.
        target: PathBuf,
    },
    /// A type of entry that means no file.
    #[error("the archive's entry {path} is of the unknown type {flag:?}", path = path.display())]
    Type {
        /// The entry.
        path: PathBuf,
        /// Its type flag.
        flag: char,
    },
    /// A limit is exceeded.
    #[error("the archive holds more than the allowed {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Who owns what is extracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// The owner that the archive names.
    Archive,
    /// This one.
    Set(Owner),
}

/// Puts entries into a tree.
pub(crate) struct Extractor<'a> {
    root: &'a RootDir,
    spots: Spots<'a>,
    ownership: Ownership,
    wanted_attribute: fn(&OsStr) -> bool,
    escape: Escape,
    limits: ExtractLimits,
    lower: Option<&'a Lower<'a>>,
    cancel: &'a CancelToken,
    /// Directories and their times, to be set when nothing is put into them any more.
    directories: Vec<(PathBuf, Time)>,
    /// The last directory asked for, as named and as it really is.
    last_parent: Option<(PathBuf, PathBuf)>,
    unstored_owners: Vec<UnstoredOwner>,
    entries: u64,
    size: u64,
    chunk: Vec<u8>,
}

impl<'a> Extractor<'a> {
    pub(crate) fn new(
        root: &'a RootDir,
        escape: Escape,
        limits: ExtractLimits,
        cancel: &'a CancelToken,
    ) -> Self {
        Self {
            root,
            spots: Spots::new(root),
            ownership: Ownership::Archive,
            wanted_attribute: enters_layers,
            escape,
            limits,
            lower: None,
            cancel,
            directories: Vec::new(),
            last_parent: None,
            unstored_owners: Vec::new(),
            entries: 0,
            size: 0,
            chunk: vec![0; CHUNK_BYTES],
        }
    }

    pub(crate) fn with_lower(mut self, lower: Option<&'a Lower<'a>>) -> Self {
        self.lower = lower;
        self
    }

    pub(crate) fn with_ownership(mut self, ownership: Ownership) -> Self {
        self.ownership = ownership;
        self
    }

    pub(crate) fn with_attributes(mut self, wanted: fn(&OsStr) -> bool) -> Self {
        self.wanted_attribute = wanted;
        self
    }

    /// Counts an entry against the limit.
    pub(crate) fn count(&mut self) -> Result<(), ExtractError> {
        self.cancel.check()?;
        self.entries += 1;
        if self.entries > self.limits.entries_max {
            return Err(ExtractError::Limit {
                what: "entries",
                limit: self.limits.entries_max,
            });
        }
        Ok(())
    }

    /// Returns the real place of `path`, after making the directories before it that are missing.
    pub(crate) fn locate(&mut self, path: &Path) -> Result<Spot, ExtractError> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let real = match &self.last_parent {
            Some((named, real)) if named == parent => real.clone(),
            _ => {
                let real = self.resolve(parent)?;
                self.make_implied(&real)?;
                self.last_parent = Some((parent.to_owned(), real.clone()));
                real
            }
        };
        let real = real.join(path.file_name().unwrap_or_default());
        Ok(self.spots.at(&real).during("look up", &real)?)
    }

    /// Places one entry at its cleaned path.
    pub(crate) fn place(
        &mut self,
        path: &Path,
        header: &Header,
        content: &mut dyn Read,
    ) -> Result<(), ExtractError> {
        let kind = kind_of(path, header)?;
        let spot = self.locate(path)?;
        let existing = spot
            .stat()
            .during("look up", &spot.path)?
            .map(|stat| Kind::of(&stat));
        if kind == Some(Kind::Directory) && existing == Some(Kind::Directory) {
            return self.finish(&spot, Kind::Directory, header);
        }
        // The root is a directory and stays one; the reference's `ADD` passes over an entry that says otherwise.
        if path.as_os_str().is_empty() {
            if self.escape == Escape::Confine {
                return Ok(());
            }
            return Err(ExtractError::Name {
                name: ".".to_owned(),
                reason: "the root is a directory",
            });
        }
        let target = match kind {
            Some(_) => None,
            None => Some(self.link_target(path, header)?),
        };
        if existing.is_some() && target.as_ref().is_none_or(|target| target.path != spot.path) {
            spot.remove_all().during("replace", &spot.path)?;
            self.forget();
        }
        if let (Some(Kind::Directory), true) = (kind, existing == Some(super::apply::WHITEOUT)) {
            // What was removed below stays removed.
            spot.make_directory().during("make the directory", &spot.path)?;
            super::apply::set_opaque(&spot)?;
            return self.finish(&spot, Kind::Directory, header);
        }
        match (kind, target) {
            (Some(kind), _) => {
                self.make(&spot, kind, header, content)?;
                self.finish(&spot, kind, header)
            }
            (None, Some(target)) if target.path == spot.path => Ok(()),
            // The file has its metadata from its first name; changing the owner again would clear capabilities.
            (None, Some(target)) => Ok(spot.make_hard_link(&target).during("link", &spot.path)?),
            (None, None) => Ok(()),
        }
    }

    /// Forgets open directories, after something was removed that may have led to them.
    pub(crate) fn forget(&mut self) {
        self.spots.forget();
        self.last_parent = None;
    }

    /// Sets the directories' times and returns the owners that could not be stored, and the size of all content.
    pub(crate) fn end(mut self) -> Result<(Vec<UnstoredOwner>, u64), ExtractError> {
        for (path, time) in std::mem::take(&mut self.directories).into_iter().rev() {
            let spot = self.spots.at(&path).during("look up", &path)?;
            let stat = spot.stat().during("look up", &path)?;
            if stat.is_some_and(|stat| Kind::of(&stat) == Kind::Directory) {
                spot.set_modified(time).during("set the time of", &path)?;
            }
        }
        Ok((self.unstored_owners, self.size))
    }

    fn make(
        &mut self,
        spot: &Spot,
        kind: Kind,
        header: &Header,
        content: &mut dyn Read,
    ) -> Result<(), ExtractError> {
        match kind {
            Kind::File => return self.make_file(spot, content),
            Kind::Directory => spot.make_directory(),
            Kind::Symlink => spot.make_link(OsStr::from_bytes(&header.unsafe_link)),
            _ => make_node(spot, kind),
        }
        .during("make", &spot.path)?;
        Ok(())
    }

    fn make_file(&mut self, spot: &Spot, content: &mut dyn Read) -> Result<(), ExtractError> {
        let mut file = spot.create_file().during("create", &spot.path)?;
        loop {
            let length = content.read(&mut self.chunk).map_err(ExtractError::Read)?;
            if length == 0 {
                return Ok(());
            }
            self.size += length as u64;
            if let Some(limit) = self.limits.size_bytes_max.filter(|limit| self.size > *limit) {
                return Err(ExtractError::Limit { what: "bytes", limit });
            }
            file.write_all(&self.chunk[..length])
                .during("write", &spot.path)?;
            self.cancel.check()?;
        }
    }

    /// Gives what was made its owner, permission bits, attributes and time, in the order in which none undoes
    /// another: changing the owner clears set-id bits and capabilities.
    fn finish(&mut self, spot: &Spot, kind: Kind, header: &Header) -> Result<(), ExtractError> {
        let owner = match self.ownership {
            Ownership::Archive => Owner {
                uid: header.uid,
                gid: header.gid,
            },
            Ownership::Set(owner) => owner,
        };
        let style = self.root.owner_style();
        let unstored = set_owner(spot, kind, owner, style).during("set the owner of", &spot.path)?;
        self.unstored_owners.extend(unstored);
        if kind != Kind::Symlink {
            spot.chmod(header.mode).during("set the mode of", &spot.path)?;
            for (name, value) in header
                .attributes
                .iter()
                .filter(|(name, _)| (self.wanted_attribute)(name))
            {
                let result = set_attribute(spot, name, value);
                match result {
                    // File systems without attributes, and processes that may not grant capabilities, do without.
                    Err(error) if is_refusal(&error, style) => {}
                    result => result.during("set an attribute of", &spot.path)?,
                }
            }
        }
        if kind == Kind::Directory {
            self.directories.push((spot.path.clone(), header.modified));
            return Ok(());
        }
        Ok(spot
            .set_modified(header.modified)
            .during("set the time of", &spot.path)?)
    }

    fn link_target(&mut self, path: &Path, header: &Header) -> Result<Spot, ExtractError> {
        let target = clean_name(&header.unsafe_link, self.escape, &self.limits)?;
        let missing = || ExtractError::LinkTarget {
            path: path.to_owned(),
            target: Path::new("/").join(&target),
        };
        let name = target.file_name().ok_or_else(missing)?;
        let real = self.resolve(target.parent().unwrap_or(Path::new("")))?.join(name);
        if let Some(spot) = self
            .spots
            .at(&real)
            .ok()
            .filter(|spot| matches!(spot.stat(), Ok(Some(_))))
        {
            return Ok(spot);
        }
        let lower = self.lower.and_then(|lower| lower(&real)).ok_or_else(missing)?;
        self.copy_up(&lower, &real)
    }

    /// Copies a file of a lower layer into this tree, so that it can get a further name here: what overlayfs does
    /// when a lower file is linked.
    fn copy_up(&mut self, lower: &Path, path: &Path) -> Result<Spot, ExtractError> {
        let spot = self.locate(path)?;
        let (below, metadata) = lower_file(lower, self.root.owner_style())?;
        let file = open_regular(&below).during("open", lower)?;
        copy_content(&file, &spot.create_file().during("create", path)?).during("copy", lower)?;
        self.copy_metadata(&below, &metadata, &spot)?;
        spot.set_modified(metadata.modified)
            .during("set the time of", path)?;
        Ok(spot)
    }

    fn copy_metadata(&self, from: &Spot, metadata: &Metadata, to: &Spot) -> Result<(), TreeError> {
        let copy = || {
            set_owner(to, metadata.kind, metadata.owner, self.root.owner_style())?;
            to.chmod(metadata.mode)?;
            for (name, value) in attributes(from, enters_layers)? {
                set_attribute(to, &name, &value)?;
            }
            Ok::<(), io::Error>(())
        };
        copy().during("copy the metadata of", &to.path)
    }

    /// Resolves the links in `path`, in this tree and, where it has nothing, in the lower layers.
    fn resolve(&self, path: &Path) -> Result<PathBuf, ExtractError> {
        let look = |path: &Path| -> io::Result<Found> {
            let spot = match Spot::new(self.root, path) {
                Ok(spot) => Some(spot),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            let stat = spot.as_ref().map_or(Ok(None), Spot::stat)?;
            if let (Some(spot), Some(stat)) = (spot, stat) {
                let is_link = Kind::of(&stat) == Kind::Symlink;
                return if is_link {
                    spot.read_link().map(|to| Found::Link(to.into()))
                } else {
                    Ok(Found::Other)
                };
            }
            match self.lower.and_then(|lower| lower(path)).map(std::fs::read_link) {
                Some(Ok(target)) => Ok(Found::Link(target)),
                _ => Ok(Found::Nothing),
            }
        };
        Ok(resolve_with(path, &look).during("resolve", path)?)
    }

    /// Makes directories that the archive only implies: as the lower layers have them, else with mode 0755.
    fn make_implied(&mut self, real: &Path) -> Result<(), ExtractError> {
        let mut missing = Vec::new();
        for ancestor in real.ancestors() {
            let stat = Spot::new(self.root, ancestor).and_then(|spot| spot.stat());
            match stat {
                Ok(Some(stat)) if Kind::of(&stat) == Kind::Directory => break,
                Ok(Some(stat)) if Kind::of(&stat) == super::apply::WHITEOUT => {
                    missing.push((ancestor.to_owned(), true));
                    break;
                }
                Ok(Some(_)) => {
                    let cause = io::Error::from(rustix::io::Errno::NOTDIR);
                    return Err(cause).during("make the directory", ancestor)?;
                }
                Ok(None) => missing.push((ancestor.to_owned(), false)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    missing.push((ancestor.to_owned(), false));
                }
                Err(error) => return Err(error).during("look up", ancestor)?,
            }
        }
        for (path, was_removed) in missing.iter().rev() {
            self.make_implied_directory(path, *was_removed)?;
        }
        Ok(())
    }

    fn make_implied_directory(&mut self, path: &Path, was_removed: bool) -> Result<(), ExtractError> {
        let spot = self.root.spot(path)?;
        if was_removed {
            spot.remove_file().during("replace", path)?;
        }
        spot.make_directory().during("make the directory", path)?;
        if was_removed {
            super::apply::set_opaque(&spot)?;
        }
        let below = self.lower.filter(|_| !was_removed).and_then(|lower| lower(path));
        if let Some(below) = below {
            let lower = RootDir::open(&below, self.root.owner_style())?;
            let from = lower.spot(Path::new(""))?;
            if let Some(metadata) = lower.metadata_at(&from)? {
                self.copy_metadata(&from, &metadata, &spot)?;
                self.directories.push((path.to_owned(), metadata.modified));
            }
            return Ok(());
        }
        Ok(spot.chmod(0o755).during("set the mode of", path)?)
    }
}

fn lower_file(path: &Path, style: OwnerStyle) -> Result<(Spot, Metadata), ExtractError> {
    let directory = RootDir::open(path.parent().unwrap_or(Path::new("/")), style)?;
    let spot = directory.spot(Path::new(path.file_name().unwrap_or_default()))?;
    let metadata = directory
        .metadata_at(&spot)?
        .ok_or(io::Error::from(io::ErrorKind::NotFound));
    Ok((spot, metadata.during("look up", path)?))
}

/// Returns what an entry makes; `None` for a further name of an existing file.
fn kind_of(path: &Path, header: &Header) -> Result<Option<Kind>, ExtractError> {
    let (major, minor) = header.device;
    Ok(Some(match header.flag {
        b'0' | b'7' => Kind::File,
        b'1' => return Ok(None),
        b'2' => Kind::Symlink,
        b'3' => Kind::CharDevice { major, minor },
        b'4' => Kind::BlockDevice { major, minor },
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        flag => {
            return Err(ExtractError::Type {
                path: path.to_owned(),
                flag: char::from(flag),
            });
        }
    }))
}

fn is_refusal(error: &io::Error, style: OwnerStyle) -> bool {
    let unsupported = error.raw_os_error() == Some(rustix::io::Errno::NOTSUP.raw_os_error());
    unsupported || (style == OwnerStyle::Attribute && error.kind() == io::ErrorKind::PermissionDenied)
}
