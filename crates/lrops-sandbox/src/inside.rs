//! Paths inside a foreign root file system, which never lead out of it.
//!
//! A root file system may hold any symbolic link. Every name is looked up with `openat2(2)` and `RESOLVE_IN_ROOT`,
//! as if the tree were `/`; `..` at its top stays there.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// How many symbolic links a path may lead through: as many as Linux allows.
const SYMBOLIC_LINKS_MAX: usize = 40;

/// A directory that is taken for `/`.
pub(crate) struct RootDirectory {
    directory: OwnedFd,
}

/// A path without symbolic links, relative to the root, and what is there.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The path: relative, each part but perhaps the last ones existing.
    pub(crate) path: PathBuf,
    /// What is there, unless nothing is.
    pub(crate) kind: Option<FileType>,
}

impl RootDirectory {
    /// Opens the directory at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            directory: rustix::fs::openat(CWD, path, flags, Mode::empty())?,
        })
    }

    /// Opens a path inside, through symbolic links that stay inside.
    pub(crate) fn open_inside(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let relative = path.strip_prefix("/").unwrap_or(path);
        let relative = if relative.as_os_str().is_empty() {
            Path::new(".")
        } else {
            relative
        };
        Ok(openat2(
            &self.directory,
            relative,
            flags | OFlags::CLOEXEC,
            mode,
            resolve,
        )?)
    }

    /// Reads a regular file of at most `limit` bytes, or returns `None` when there is none.
    pub(crate) fn read_file(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open_inside(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()) {
            Ok(file) => std::fs::File::from(file),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a regular file",
            ));
        }
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it is larger than {limit} bytes"),
            ));
        }
        Ok(Some(bytes))
    }

    /// Follows all symbolic links of `path`, also one that points to nothing, and says where it ends.
    pub(crate) fn resolve(&self, path: &Path) -> io::Result<Resolved> {
        let mut queue: VecDeque<OsString> = parts(path);
        let mut done = PathBuf::new();
        let mut kind = Some(FileType::Directory);
        let mut links = 0;
        while let Some(part) = queue.pop_front() {
            if part == ".." {
                done.pop();
                kind = self.kind_of(&done)?;
                continue;
            }
            let candidate = done.join(&part);
            kind = if kind.is_none() {
                None
            } else {
                self.kind_of(&candidate)?
            };
            if kind != Some(FileType::Symlink) {
                done = candidate;
                continue;
            }
            links += 1;
            if links > SYMBOLIC_LINKS_MAX {
                return Err(Errno::LOOP.into());
            }
            let target = self.read_link(&candidate)?;
            if target.is_absolute() {
                done = PathBuf::new();
            }
            for part in parts(&target).into_iter().rev() {
                queue.push_front(part);
            }
            kind = Some(FileType::Directory);
        }
        Ok(Resolved { path: done, kind })
    }

    /// Opens the directory that holds `path`, and gives the last part of the name.
    pub(crate) fn open_parent(&self, path: &Path) -> io::Result<(OwnedFd, OsString)> {
        let name = path.file_name().ok_or(Errno::BUSY)?.to_owned();
        let parent = path.parent().unwrap_or(Path::new(""));
        Ok((
            self.open_inside(parent, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?,
            name,
        ))
    }

    fn kind_of(&self, path: &Path) -> io::Result<Option<FileType>> {
        match self.open_inside(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(entry) => Ok(Some(FileType::from_raw_mode(rustix::fs::fstat(entry)?.st_mode))),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let link = self.open_inside(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())?;
        let target = rustix::fs::readlinkat(link, "", Vec::new())?;
        Ok(PathBuf::from(std::ffi::OsStr::from_bytes(target.as_bytes())))
    }
}

impl AsFd for RootDirectory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// The path's parts that mean something: names and `..`.
fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

/// Returns whether a file of a directory is the one that `inode` names, without following a link.
pub(crate) fn is_inode(directory: impl AsFd, name: &std::ffi::OsStr, inode: u64) -> bool {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|found| found.st_ino == inode)
}
