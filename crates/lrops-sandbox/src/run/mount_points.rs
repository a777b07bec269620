//! The mount points of a run: made in the tree where they are missing, and removed after it.
//!
//! BuildKit keeps what it makes for its own mounts (an empty `/etc/resolv.conf`) out of layers; so here. They are made
//! from outside, before the command's processes start, and removed after the last one ended. Directories get back the
//! time that they had, unless the command changed them as well.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::error::RunError;
use super::spec::{MountKind, RunSpec};
use crate::inside::{self, RootDirectory};

/// The directories that every command finds, whatever its image has.
pub(crate) const SYSTEM_DIRECTORIES: [&str; 3] = ["/proc", "/sys", "/dev"];
/// The file with the name servers.
pub(crate) const RESOLV_CONF: &str = "/etc/resolv.conf";
/// The file with the hosts' names.
pub(crate) const HOSTS: &str = "/etc/hosts";
/// Where the machine's certificates are shown.
pub(crate) const HOST_CA: &str = "/run/lrops/ca-certificates.crt";

/// Whether something is mounted on a directory or on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PointKind {
    /// On a directory.
    Directory,
    /// On anything else.
    File,
}

/// The mount points that were made, and what it takes to remove them.
pub(crate) struct MountPoints {
    root: RootDirectory,
    made: Vec<Made>,
}

/// Something that was made.
pub(crate) struct Made {
    /// The path inside the tree.
    path: PathBuf,
    kind: PointKind,
    inode: u64,
    /// The directory's times before and after.
    parent_before: Timestamps,
    parent_after: Timespec,
}

impl MountPoints {
    /// Makes what is missing in the tree of a run.
    pub(crate) fn make(spec: &RunSpec) -> Result<Self, RunError> {
        let fail = |target: &Path, source| RunError::MountPoint {
            action: "make",
            target: target.to_owned(),
            source,
        };
        let root = RootDirectory::open(&spec.root).map_err(|source| fail(Path::new("/"), source))?;
        let mut points = Self {
            root,
            made: Vec::new(),
        };
        for (target, kind) in wanted(spec).map_err(|(target, source)| fail(&target, source))? {
            points
                .add(&target, kind)
                .map_err(|source| fail(&target, source))?;
        }
        Ok(points)
    }

    /// Removes what was made, as far as the command left it as it was.
    pub(crate) fn remove(mut self) -> Result<(), RunError> {
        self.remove_all()
    }

    fn remove_all(&mut self) -> Result<(), RunError> {
        while let Some(made) = self.made.pop() {
            made.remove(&self.root).map_err(|source| {
                let target = Path::new("/").join(&made.path);
                RunError::MountPoint {
                    action: "remove",
                    target,
                    source,
                }
            })?;
        }
        Ok(())
    }

    fn add(&mut self, target: &Path, kind: PointKind) -> io::Result<()> {
        self.made.extend(make_missing(&self.root, target, kind)?);
        Ok(())
    }
}

impl Drop for MountPoints {
    fn drop(&mut self) {
        // Only after an error on the way: then the tree is thrown away, and this is a courtesy.
        let _ = self.remove_all();
    }
}

/// The mount points of a run that are to be made in its tree: those below another mount belong to that mount.
fn wanted(spec: &RunSpec) -> Result<Vec<(PathBuf, PointKind)>, (PathBuf, io::Error)> {
    let mut wanted: Vec<(PathBuf, PointKind)> = SYSTEM_DIRECTORIES
        .iter()
        .map(|path| (path.into(), PointKind::Directory))
        .collect();
    let mut mounts: Vec<_> = spec.mounts.iter().collect();
    mounts.sort_by_key(|mount| mount.target.components().count());
    for mount in mounts {
        let kind = mount
            .kind
            .point_kind()
            .map_err(|source| (mount.target.clone(), source))?;
        wanted.push((mount.target.clone(), kind));
    }
    wanted.extend([RESOLV_CONF, HOSTS].map(|path| (path.into(), PointKind::File)));
    wanted.extend(spec.host_ca.as_ref().map(|_| (HOST_CA.into(), PointKind::File)));
    let covered = |path: &Path, covers: &[(PathBuf, PointKind)]| {
        covers
            .iter()
            .any(|(other, _)| path != other && path.starts_with(other))
    };
    let all = wanted.clone();
    Ok(wanted
        .into_iter()
        .filter(|(path, _)| !covered(path, &all))
        .collect())
}

impl MountKind {
    /// Returns what the mount needs to be put on.
    pub(crate) fn point_kind(&self) -> io::Result<PointKind> {
        Ok(match self {
            Self::Tmpfs { .. } => PointKind::Directory,
            Self::SecretFile { .. } => PointKind::File,
            Self::BindReadOnly { source } | Self::BindReadWrite { source } => {
                let directory = std::fs::metadata(source)?.is_dir();
                if directory {
                    PointKind::Directory
                } else {
                    PointKind::File
                }
            }
        })
    }
}

/// Makes what is missing of a path in a tree, through links that stay in it, and says what was made.
pub(crate) fn make_missing(root: &RootDirectory, target: &Path, kind: PointKind) -> io::Result<Vec<Made>> {
    let resolved = root.resolve(target)?;
    let is_directory = resolved.kind == Some(FileType::Directory);
    match resolved.kind {
        None => {}
        Some(_) if is_directory == (kind == PointKind::Directory) => return Ok(Vec::new()),
        Some(_) => {
            return Err(if is_directory {
                Errno::ISDIR.into()
            } else {
                Errno::NOTDIR.into()
            });
        }
    }
    let mut missing: Vec<PathBuf> = Vec::new();
    for ancestor in resolved
        .path
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty())
    {
        if missing.is_empty() || root.resolve(ancestor)?.kind.is_none() {
            missing.push(ancestor.to_owned());
        } else {
            break;
        }
    }
    let last = missing.len();
    let parts = missing.into_iter().rev().enumerate();
    parts
        .map(|(index, path)| {
            let kind = if index + 1 == last {
                kind
            } else {
                PointKind::Directory
            };
            Made::make(root, path, kind)
        })
        .collect()
}

impl Made {
    fn make(root: &RootDirectory, path: PathBuf, kind: PointKind) -> io::Result<Self> {
        let (parent, name) = root.open_parent(&path)?;
        let parent_before = times(&parent)?;
        match kind {
            PointKind::Directory => rustix::fs::mkdirat(&parent, &name, Mode::from_raw_mode(0o755))?,
            PointKind::File => {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                rustix::fs::openat(&parent, &name, flags, Mode::from_raw_mode(0o644))?;
            }
        }
        let inode = rustix::fs::statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW)?.st_ino;
        let parent_after = times(&parent)?.last_modification;
        Ok(Self {
            path,
            kind,
            inode,
            parent_before,
            parent_after,
        })
    }

    fn remove(&self, root: &RootDirectory) -> io::Result<()> {
        let (parent, name) = match root.open_parent(&self.path) {
            // The command took the directory away, and this with it.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => return Ok(()),
            result => result?,
        };
        let untouched = times(&parent)?.last_modification == self.parent_after;
        if !self.remove_from(&parent, &name)? || !untouched {
            return Ok(());
        }
        Ok(rustix::fs::futimens(&parent, &self.parent_before)?)
    }

    /// Removes the entry if it is still the empty one that was made.
    fn remove_from(&self, parent: &OwnedFd, name: &OsString) -> io::Result<bool> {
        if !inside::is_inode(parent.as_fd(), name, self.inode) {
            return Ok(false);
        }
        let removed = match self.kind {
            PointKind::Directory => rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR),
            PointKind::File => {
                let found = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
                if found.st_size != 0 {
                    return Ok(false);
                }
                rustix::fs::unlinkat(parent, name, AtFlags::empty())
            }
        };
        match removed {
            Ok(()) => Ok(true),
            // The command put something into a directory that was made on the way to a mount point.
            Err(Errno::NOTEMPTY | Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[expect(
    clippy::cast_possible_wrap,
    reason = "nanoseconds are below a thousand million"
)]
fn times(directory: &OwnedFd) -> io::Result<Timestamps> {
    let found = rustix::fs::fstat(directory)?;
    Ok(Timestamps {
        last_access: Timespec {
            tv_sec: found.st_atime,
            tv_nsec: found.st_atime_nsec as _,
        },
        last_modification: Timespec {
            tv_sec: found.st_mtime,
            tv_nsec: found.st_mtime_nsec as _,
        },
    })
}
