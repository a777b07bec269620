//! Reading, copying and measuring file trees.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};

use super::SnapshotError;
use super::error::failed;

/// The attributes by which overlays mark directories; they mean nothing outside one.
const OVERLAY_ATTRIBUTES: &[u8] = b"user.overlay.";

/// The names in a directory, sorted.
pub(crate) fn names(directory: &Path) -> Result<Vec<OsString>, SnapshotError> {
    let entries = fs::read_dir(directory).map_err(failed("read", directory))?;
    let names: io::Result<Vec<OsString>> = entries.map(|entry| Ok(entry?.file_name())).collect();
    let mut names = names.map_err(failed("read", directory))?;
    names.sort();
    Ok(names)
}

/// What is at a path, not following a link.
pub(crate) fn metadata(path: &Path) -> Result<Metadata, SnapshotError> {
    fs::symlink_metadata(path).map_err(failed("read", path))
}

/// What is at a path, if anything is.
pub(crate) fn metadata_if_there(path: &Path) -> Result<Option<Metadata>, SnapshotError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Whether a file is overlay's mark for a removed path: a character device 0:0.
pub(crate) fn is_whiteout(metadata: &Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == 0
}

/// Makes such a mark.
pub(crate) fn make_whiteout(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::mknodat(
        CWD,
        path,
        FileType::CharacterDevice,
        Mode::empty(),
        0,
    )?)
}

/// Whether a directory of an upper tree hides its namesake below.
pub(crate) fn is_opaque(directory: &Path) -> Result<bool, SnapshotError> {
    let value =
        xattr::get(directory, "user.overlay.opaque").map_err(failed("read the attributes of", directory))?;
    // `x` marks a directory that holds whiteouts of another kind, and hides nothing.
    Ok(value.as_deref() == Some(b"y"))
}

/// The extended attributes of a file, without overlay's own.
pub(crate) fn attributes(path: &Path) -> Result<BTreeMap<OsString, Vec<u8>>, SnapshotError> {
    let fail = || failed("read the attributes of", path);
    let names = match xattr::list(path) {
        Ok(names) => names,
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => return Ok(BTreeMap::new()),
        Err(error) => return Err(fail()(error)),
    };
    let mut attributes = BTreeMap::new();
    for name in names.filter(|name| !name.as_bytes().starts_with(OVERLAY_ATTRIBUTES)) {
        if let Some(value) = xattr::get(path, &name).map_err(fail())? {
            attributes.insert(name, value);
        }
    }
    Ok(attributes)
}

/// Sets a file's mode.
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), SnapshotError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed("set the mode of", path))
}

/// How many bytes of disk a tree takes; a file with several names counts once.
pub(crate) fn size(path: &Path) -> Result<u64, SnapshotError> {
    /// The unit of `st_blocks`, whatever the file system's own is.
    const BLOCK_BYTES: u64 = 512;
    let mut seen = HashSet::new();
    let mut queue = vec![path.to_owned()];
    let mut sum = 0;
    while let Some(path) = queue.pop() {
        let metadata = metadata(&path)?;
        if metadata.is_dir() {
            queue.extend(names(&path)?.into_iter().map(|name| path.join(name)));
        } else if metadata.nlink() > 1 && !seen.insert(metadata.ino()) {
            continue;
        }
        sum += metadata.blocks() * BLOCK_BYTES;
    }
    Ok(sum)
}

/// Copies mode, owner, attributes and times of a file that is there already.
pub(crate) fn copy_metadata(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    let metadata = metadata(from)?;
    let link = metadata.file_type().is_symlink();
    std::os::unix::fs::lchown(to, Some(metadata.uid()), Some(metadata.gid()))
        .map_err(failed("set the owner of", to))?;
    if !link {
        // After the owner, since changing that clears the set-id bits.
        set_mode(to, metadata.mode() & 0o7777)?;
    }
    for (name, value) in attributes(from)? {
        xattr::set(to, &name, &value).map_err(failed("set the attributes of", to))?;
    }
    copy_times(&metadata, to)
}

fn copy_times(metadata: &Metadata, to: &Path) -> Result<(), SnapshotError> {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: metadata.atime(),
            tv_nsec: metadata.atime_nsec(),
        },
        last_modification: Timespec {
            tv_sec: metadata.mtime(),
            tv_nsec: metadata.mtime_nsec(),
        },
    };
    rustix::fs::utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(failed("set the times of", to))
}

/// Copies trees, and remembers which files have several names.
#[derive(Default)]
pub(crate) struct Copier {
    /// By device and inode of the source: where the first of its names was copied to.
    linked: HashMap<(u64, u64), PathBuf>,
    /// By inode of a source directory: the inode of its copy.
    pub(crate) directories: HashMap<u64, u64>,
}

impl Copier {
    /// Copies what is in `from` into the directory `to`, and then the metadata of `from` itself.
    pub(crate) fn copy_directory(&mut self, from: &Path, to: &Path) -> Result<(), SnapshotError> {
        for name in names(from)? {
            self.copy_entry(&from.join(&name), &to.join(&name))?;
        }
        self.directories
            .insert(metadata(from)?.ino(), metadata(to)?.ino());
        copy_metadata(from, to)
    }

    fn copy_entry(&mut self, from: &Path, to: &Path) -> Result<(), SnapshotError> {
        let source = metadata(from)?;
        if source.is_dir() {
            fs::DirBuilder::new()
                .mode(0o700)
                .create(to)
                .map_err(failed("create", to))?;
            return self.copy_directory(from, to);
        }
        self.copy_file(from, to, &source)
    }

    /// Copies one file that is no directory.
    pub(crate) fn copy_file(
        &mut self,
        from: &Path,
        to: &Path,
        source: &Metadata,
    ) -> Result<(), SnapshotError> {
        if source.nlink() > 1 {
            if let Some(first) = self.linked.get(&(source.dev(), source.ino())) {
                return fs::hard_link(first, to).map_err(failed("link", to));
            }
            self.linked.insert((source.dev(), source.ino()), to.to_owned());
        }
        let kind = source.file_type();
        if kind.is_file() {
            copy_content(from, to, source)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(from).map_err(failed("read", from))?;
            std::os::unix::fs::symlink(target, to).map_err(failed("create", to))?;
        } else {
            let (kind, mode) = (
                FileType::from_raw_mode(source.mode()),
                Mode::from_raw_mode(source.mode()),
            );
            rustix::fs::mknodat(CWD, to, kind, mode, source.rdev()).map_err(failed("create", to))?;
        }
        copy_metadata(from, to)
    }
}

/// Copies a file's bytes, by sharing them where the file system can.
fn copy_content(from: &Path, to: &Path, source: &Metadata) -> Result<(), SnapshotError> {
    let mut reader = File::open(from).map_err(failed("open", from))?;
    let mut writer = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(failed("create", to))?;
    if source.len() > 0 && rustix::fs::ioctl_ficlone(&writer, &reader).is_err() {
        io::copy(&mut reader, &mut writer).map_err(failed("write", to))?;
    }
    Ok(())
}

/// Removes whatever is at a path, if anything is.
pub(crate) fn remove_any(path: &Path) -> Result<(), SnapshotError> {
    match metadata_if_there(path)? {
        None => Ok(()),
        Some(metadata) if metadata.is_dir() => fs::remove_dir_all(path).map_err(failed("remove", path)),
        Some(_) => fs::remove_file(path).map_err(failed("remove", path)),
    }
}
