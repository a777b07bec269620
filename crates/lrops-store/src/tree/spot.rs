//! One name in one directory: the place where system calls happen.
//!
//! The directory is an open handle and the name has no slash, so no call can be led astray by a symbolic link in
//! between. Nothing here follows a link at the name itself.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::metadata::{Kind, Time};
use super::root::RootDir;

/// A name in an open directory.
#[derive(Clone)]
pub(crate) struct Spot {
    parent: Arc<OwnedFd>,
    name: OsString,
    /// The path inside the root, relative; for people and for lists.
    pub(crate) path: PathBuf,
}

impl Spot {
    /// Returns the spot of `path`; links in the directories before the last component resolve inside the root.
    pub(crate) fn new(root: &RootDir, path: &Path) -> io::Result<Self> {
        let path = relative(path)?;
        let parent = Arc::new(open_directory(
            root.handle(),
            path.parent().unwrap_or(Path::new("")),
        )?);
        Self::in_directory(parent, path)
    }

    fn in_directory(parent: Arc<OwnedFd>, path: PathBuf) -> io::Result<Self> {
        let name = if path.as_os_str().is_empty() {
            OsString::from(".")
        } else {
            path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned()
        };
        Ok(Self { parent, name, path })
    }

    /// Returns the name.
    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Returns what is here; `None` when nothing is.
    pub(crate) fn stat(&self) -> io::Result<Option<Stat>> {
        match rustix::fs::statat(&*self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the path by which system calls that know no directory handles reach this spot.
    pub(crate) fn proc_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.parent.as_raw_fd())).join(&self.name)
    }

    pub(crate) fn read_link(&self) -> io::Result<OsString> {
        let target = rustix::fs::readlinkat(&*self.parent, &self.name, Vec::new())?;
        Ok(OsStr::from_bytes(target.as_bytes()).to_owned())
    }

    /// Opens a regular file for reading. A pipe does not block, a link is refused.
    pub(crate) fn open_file(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&*self.parent, &self.name, flags, Mode::empty())?;
        Ok(File::from(file))
    }

    /// Creates a new regular file that only its owner may touch until the final mode is set.
    pub(crate) fn create_file(&self) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&*self.parent, &self.name, flags, Mode::from_raw_mode(0o600))?;
        Ok(File::from(file))
    }

    pub(crate) fn make_directory(&self) -> io::Result<()> {
        Ok(rustix::fs::mkdirat(
            &*self.parent,
            &self.name,
            Mode::from_raw_mode(0o700),
        )?)
    }

    pub(crate) fn make_link(&self, target: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::symlinkat(target, &*self.parent, &self.name)?)
    }

    /// Makes this a further name of the file at `other`.
    pub(crate) fn make_hard_link(&self, other: &Self) -> io::Result<()> {
        let flags = AtFlags::empty();
        Ok(rustix::fs::linkat(
            &*other.parent,
            &other.name,
            &*self.parent,
            &self.name,
            flags,
        )?)
    }

    /// Makes a pipe or a device.
    pub(crate) fn make_node(&self, kind: Kind) -> io::Result<()> {
        let (file_type, device) = match kind {
            Kind::CharDevice { major, minor } => {
                (FileType::CharacterDevice, rustix::fs::makedev(major, minor))
            }
            Kind::BlockDevice { major, minor } => (FileType::BlockDevice, rustix::fs::makedev(major, minor)),
            Kind::Fifo => (FileType::Fifo, 0),
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let mode = Mode::from_raw_mode(0o600);
        Ok(rustix::fs::mknodat(
            &*self.parent,
            &self.name,
            file_type,
            mode,
            device,
        )?)
    }

    /// Gives the file to a user and group of the file system.
    pub(crate) fn chown(&self, uid: u32, gid: u32) -> io::Result<()> {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        Ok(rustix::fs::chownat(
            &*self.parent,
            &self.name,
            uid,
            gid,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    /// Sets the permission bits. Must not be called on a symbolic link, whose target would get them.
    pub(crate) fn chmod(&self, mode: u32) -> io::Result<()> {
        let mode = Mode::from_raw_mode(mode & 0o7777);
        Ok(rustix::fs::chmodat(
            &*self.parent,
            &self.name,
            mode,
            AtFlags::empty(),
        )?)
    }

    /// Sets the time of the last modification, and the access time alike.
    pub(crate) fn set_modified(&self, time: Time) -> io::Result<()> {
        let time = Timespec {
            tv_sec: time.seconds,
            tv_nsec: i64::from(time.nanoseconds),
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        Ok(rustix::fs::utimensat(
            &*self.parent,
            &self.name,
            &times,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    pub(crate) fn remove_file(&self) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&*self.parent, &self.name, AtFlags::empty())?)
    }

    /// Removes whatever is here, with all below it. Nothing here is success.
    pub(crate) fn remove_all(&self) -> io::Result<()> {
        let Some(stat) = self.stat()? else { return Ok(()) };
        if Kind::of(&stat) != Kind::Directory {
            return self.remove_file();
        }
        for child in self.children()? {
            child.remove_all()?;
        }
        Ok(rustix::fs::unlinkat(
            &*self.parent,
            &self.name,
            AtFlags::REMOVEDIR,
        )?)
    }

    /// Returns the spots in the directory here, sorted by the bytes of their names.
    pub(crate) fn children(&self) -> io::Result<Vec<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = Arc::new(rustix::fs::openat(
            &*self.parent,
            &self.name,
            flags,
            Mode::empty(),
        )?);
        let mut children = Vec::new();
        for entry in Dir::read_from(&*directory)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                let path = self.path.join(name);
                children.push(Self {
                    parent: Arc::clone(&directory),
                    name: name.to_owned(),
                    path,
                });
            }
        }
        children.sort_unstable_by(|left, right| left.name.cmp(&right.name));
        Ok(children)
    }
}

/// Finds spots one after the other and keeps the last directory open: neighbours cost one call less.
pub(crate) struct Spots<'r> {
    root: &'r RootDir,
    last: Option<(PathBuf, Arc<OwnedFd>)>,
}

impl<'r> Spots<'r> {
    pub(crate) fn new(root: &'r RootDir) -> Self {
        Self { root, last: None }
    }

    /// Returns the spot of `path`, as [`Spot::new`].
    pub(crate) fn at(&mut self, path: &Path) -> io::Result<Spot> {
        let path = relative(path)?;
        let parent = path.parent().unwrap_or(Path::new(""));
        if let Some((last, directory)) = &self.last
            && last == parent
        {
            return Spot::in_directory(Arc::clone(directory), path);
        }
        let directory = Arc::new(open_directory(self.root.handle(), parent)?);
        self.last = Some((parent.to_owned(), Arc::clone(&directory)));
        Spot::in_directory(directory, path)
    }

    /// Forgets the open directory: to be called when a directory or link on the way may have been replaced.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }
}

/// Opens a directory beneath `root`; links resolve inside it.
pub(crate) fn open_directory(root: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    loop {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
            // The kernel cannot rule out a race with a rename elsewhere and asks to be called again (openat2(2)).
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

/// Returns the path without a leading slash, `.` components and a trailing slash.
pub(crate) fn relative(path: &Path) -> io::Result<PathBuf> {
    if path.as_os_str().as_bytes().contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(path
        .components()
        .filter(|part| !matches!(part, Component::RootDir | Component::CurDir))
        .collect())
}
