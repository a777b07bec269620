//! [`RootDir`]: a handle on a directory that no path leads out of.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use lrops_model::change::Owner;
use rustix::fs::{Mode, OFlags};

use super::error::{During, TreeError};
use super::metadata::{Follow, Kind, Metadata, Time};
use super::owner::{OwnerStyle, UnstoredOwner, kind_and_owner, set_owner};
use super::spot::{Spot, open_directory, relative};

/// How many symbolic links one path may pass, as many as the reference allows (containerd's `fs.RootPath`).
const LINKS_FOLLOWED_MAX: usize = 255;

/// A directory that no path leads out of.
pub struct RootDir {
    directory: OwnedFd,
    owner_style: OwnerStyle,
    unstored_owners: BTreeMap<PathBuf, Owner>,
}

/// How new directories come into being.
#[derive(Clone, Copy, Debug)]
pub struct NewDirectories {
    /// Their permission bits.
    pub mode: u32,
    /// Their owner.
    pub owner: Owner,
    /// Their time; `None` leaves the present.
    pub time: Option<Time>,
}

impl RootDir {
    /// Opens the directory at `path`, a path of this machine.
    ///
    /// # Errors
    /// When there is no directory, or it may not be entered.
    pub fn open(path: &Path, owner_style: OwnerStyle) -> Result<Self, TreeError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty()).map_err(|cause| TreeError {
            action: "open the directory",
            path: path.to_owned(),
            source: cause.into(),
        })?;
        Ok(Self {
            directory,
            owner_style,
            unstored_owners: BTreeMap::new(),
        })
    }

    /// Returns the root with the owners that are stored beside it (see [`UnstoredOwner`]).
    pub fn with_unstored_owners(mut self, owners: impl IntoIterator<Item = UnstoredOwner>) -> Self {
        self.unstored_owners
            .extend(owners.into_iter().map(|unstored| (unstored.path, unstored.owner)));
        self
    }

    /// Returns a directory inside this one as a root of its own: nothing above it can be reached.
    ///
    /// # Errors
    /// When there is no directory at `path`.
    pub fn below(&self, path: &Path) -> Result<Self, TreeError> {
        let inner = self.resolve(path)?;
        let directory = open_directory(&self.directory, &inner).during("open the directory", &inner)?;
        let below =
            |(path, owner): (&PathBuf, &Owner)| Some((path.strip_prefix(&inner).ok()?.to_owned(), *owner));
        let unstored_owners = self.unstored_owners.iter().filter_map(below).collect();
        Ok(Self {
            directory,
            owner_style: self.owner_style,
            unstored_owners,
        })
    }

    /// Returns how owners are kept here.
    pub fn owner_style(&self) -> OwnerStyle {
        self.owner_style
    }

    pub(super) fn handle(&self) -> &OwnedFd {
        &self.directory
    }

    /// Returns the metadata of `path`; `None` when nothing is there.
    ///
    /// # Errors
    /// When the path cannot be looked up.
    pub fn metadata(&self, path: &Path, follow: Follow) -> Result<Option<Metadata>, TreeError> {
        let path = match follow {
            Follow::Yes => self.resolve(path)?,
            Follow::No => path.to_owned(),
        };
        match Spot::new(self, &path) {
            Ok(spot) => self.metadata_at(&spot),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error).during("look up", &path),
        }
    }

    pub(crate) fn metadata_at(&self, spot: &Spot) -> Result<Option<Metadata>, TreeError> {
        let Some(stat) = spot.stat().during("look up", &spot.path)? else {
            return Ok(None);
        };
        let (kind, mut owner) =
            kind_and_owner(spot, &stat, self.owner_style).during("read the owner of", &spot.path)?;
        if let Some(unstored) = self.unstored_owners.get(&spot.path) {
            owner = *unstored;
        }
        Ok(Some(Metadata::new(&stat, kind, owner)))
    }

    pub(crate) fn spot(&self, path: &Path) -> Result<Spot, TreeError> {
        Spot::new(self, path).during("look up", path)
    }

    /// Returns the names in the directory at `path`, sorted by bytes.
    ///
    /// # Errors
    /// When it is no directory or cannot be read.
    pub fn list(&self, path: &Path) -> Result<Vec<OsString>, TreeError> {
        let spot = self.spot(&self.resolve(path)?)?;
        let children = spot.children().during("list", path)?;
        Ok(children.iter().map(|child| child.name().to_owned()).collect())
    }

    /// Returns where the symbolic link at `path` points to, as it is written.
    ///
    /// # Errors
    /// When there is no link.
    pub fn read_link(&self, path: &Path) -> Result<OsString, TreeError> {
        self.spot(path)?.read_link().during("read the link", path)
    }

    /// Returns the path without symbolic links that `path` leads to, relative to the root.
    ///
    /// Components that do not exist are kept as they are, so the result may name what is yet to be made.
    ///
    /// # Errors
    /// When there are too many links, or a component cannot be looked up.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf, TreeError> {
        resolve_with(
            path,
            &|path| match Spot::new(self, path).and_then(|spot| Ok((spot.stat()?, spot))) {
                Ok((Some(stat), spot)) if Kind::of(&stat) == Kind::Symlink => {
                    spot.read_link().map(|target| Found::Link(PathBuf::from(target)))
                }
                Ok((Some(_), _)) => Ok(Found::Other),
                Ok((None, _)) => Ok(Found::Nothing),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
                Err(error) => Err(error),
            },
        )
        .during("resolve", path)
    }

    /// Opens the regular file that `path` leads to.
    ///
    /// # Errors
    /// When it is no regular file or cannot be opened.
    pub fn open_file(&self, path: &Path) -> Result<File, TreeError> {
        let spot = self.spot(&self.resolve(path)?)?;
        open_regular(&spot).during("open", path)
    }

    /// Reads the regular file that `path` leads to, which must not be longer than `size_max` bytes.
    ///
    /// # Errors
    /// As [`RootDir::open_file`], and when it is longer.
    pub fn read_file(&self, path: &Path, size_max: u64) -> Result<Vec<u8>, TreeError> {
        let mut content = Vec::new();
        self.open_file(path)?
            .take(size_max + 1)
            .read_to_end(&mut content)
            .during("read", path)?;
        if content.len() as u64 > size_max {
            let cause = io::Error::other(format!("it is longer than the allowed {size_max} bytes"));
            return Err(cause).during("read", path);
        }
        Ok(content)
    }

    /// Writes a new regular file at the place that `path` leads to; a file in its place is replaced.
    ///
    /// # Errors
    /// When a directory is in its place or writing fails.
    pub fn write_file(&self, path: &Path, content: &[u8], new: NewDirectories) -> Result<(), TreeError> {
        let spot = self.spot(&self.resolve(path)?)?;
        let write = || {
            if spot.stat()?.is_some() {
                spot.remove_file()?;
            }
            spot.create_file()?.write_all(content)?;
            set_owner(&spot, Kind::File, new.owner, self.owner_style)?;
            spot.chmod(new.mode)?;
            new.time.map_or(Ok(()), |time| spot.set_modified(time))
        };
        write().during("write", path)
    }

    /// Makes sure that `path` leads to a directory, making what is missing. Directories that exist stay untouched.
    ///
    /// Returns the directories made, outermost first.
    ///
    /// # Errors
    /// When something that is no directory is in the way, or making one fails.
    pub fn make_dirs(&self, path: &Path, new: NewDirectories) -> Result<Vec<PathBuf>, TreeError> {
        let inner = self.resolve(path)?;
        let mut missing = Vec::new();
        for ancestor in inner.ancestors() {
            match self.metadata(ancestor, Follow::No)? {
                Some(found) if found.kind == Kind::Directory => break,
                Some(_) => {
                    let cause = io::Error::from(rustix::io::Errno::NOTDIR);
                    return Err(cause).during("make the directory", ancestor);
                }
                None => missing.push(ancestor.to_owned()),
            }
        }
        missing.reverse();
        for directory in &missing {
            let spot = self.spot(directory)?;
            self.make_directory(&spot, new)
                .during("make the directory", directory)?;
        }
        // A directory's time changes when a child is made in it: set from the innermost outwards.
        if let Some(time) = new.time {
            for directory in missing.iter().rev() {
                self.spot(directory)?
                    .set_modified(time)
                    .during("set the time of", directory)?;
            }
        }
        Ok(missing)
    }

    fn make_directory(&self, spot: &Spot, new: NewDirectories) -> io::Result<()> {
        spot.make_directory()?;
        set_owner(spot, Kind::Directory, new.owner, self.owner_style)?;
        spot.chmod(new.mode)
    }

    /// Removes `path` (a link itself, not its target) with all below it. Nothing there is success.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn remove(&self, path: &Path) -> Result<(), TreeError> {
        match Spot::new(self, path) {
            Ok(spot) => spot.remove_all().during("remove", path),
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) => Err(error).during("remove", path),
        }
    }
}

/// Opens what is at `spot`, provided it is a regular file.
pub(crate) fn open_regular(spot: &Spot) -> io::Result<File> {
    let file = spot.open_file()?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    Ok(file)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// What a component of a path is, as far as resolving needs to know.
pub(crate) enum Found {
    /// A symbolic link, and where it points to.
    Link(PathBuf),
    /// Anything else.
    Other,
    /// Nothing.
    Nothing,
}

/// Resolves `path` inside a root; `look` says what is at a path whose directories are free of links.
pub(crate) fn resolve_with(path: &Path, look: &dyn Fn(&Path) -> io::Result<Found>) -> io::Result<PathBuf> {
    let mut rest: Vec<OsString> = relative(path)?.iter().rev().map(OsStr::to_owned).collect();
    let mut resolved = PathBuf::new();
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if part == ".." {
            resolved.pop();
            continue;
        }
        resolved.push(&part);
        let Found::Link(target) = look(&resolved)? else {
            continue;
        };
        links += 1;
        if links > LINKS_FOLLOWED_MAX {
            return Err(rustix::io::Errno::LOOP.into());
        }
        resolved.pop();
        if target.is_absolute() {
            resolved.clear();
        }
        let parts = target
            .components()
            .filter(|part| !matches!(part, Component::RootDir | Component::CurDir));
        rest.extend(parts.rev().map(|part| part.as_os_str().to_owned()));
    }
    Ok(resolved)
}
