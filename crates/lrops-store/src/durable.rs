//! Files that exist completely or not at all: a temporary name, fsync, rename, fsync of the directory.

use std::fs::{self, File, FileTimes, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lrops_model::timestamp::Timestamp;
use tempfile::NamedTempFile;

/// What the names of temporary files begin with.
pub(crate) const TEMPORARY_PREFIX: &str = ".lrops-";

/// How much is moved between two checks of whoever watches.
const CHUNK_BYTES: usize = 128 * 1024;

/// A file that nobody sees until it is published; dropped before that, it leaves nothing.
///
/// It is locked as long as it is written, so that a leftover of a killed process can be told from it.
pub(crate) struct NewFile(NamedTempFile);

impl NewFile {
    /// Makes a file in `directory`, which is on the same file system as the target.
    pub(crate) fn create(directory: &Path) -> io::Result<Self> {
        let file = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(directory)
            .map_err(|error| explained(directory, error))?;
        // A file system without locks only loses the protection against an eager cleaner.
        let _ = file.as_file().try_lock();
        Ok(Self(file))
    }

    /// Copies all of `content` into the file.
    pub(crate) fn fill(&mut self, content: &mut dyn Read) -> Result<u64, FillError> {
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut total = 0;
        loop {
            match content.read(&mut buffer) {
                Ok(0) => return Ok(total),
                Ok(read) => {
                    self.write_all(&buffer[..read]).map_err(FillError::Write)?;
                    total += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FillError::Read(error)),
            }
        }
    }

    /// Gives the file its name, replacing what has it.
    pub(crate) fn publish(self, target: &Path) -> io::Result<()> {
        self.0
            .as_file()
            .sync_all()
            .map_err(|error| explained(target, error))?;
        self.0
            .persist(target)
            .map_err(|error| explained(target, error.error))?;
        sync_parent(target)
    }

    /// Gives the file its name unless something has it already, which is success too.
    pub(crate) fn publish_unless_there(self, target: &Path) -> io::Result<()> {
        self.0
            .as_file()
            .sync_all()
            .map_err(|error| explained(target, error))?;
        match self.0.persist_noclobber(target) {
            Ok(_) => sync_parent(target),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(explained(target, error.error)),
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0
            .write(buffer)
            .map_err(|error| explained(self.0.path(), error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Which side of a copy failed.
pub(crate) enum FillError {
    Read(io::Error),
    Write(io::Error),
}

/// Writes a small file in one step.
pub(crate) fn write(temporary: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NewFile::create(temporary)?;
    file.write_all(bytes)?;
    file.publish(target)
}

/// Writes a small file in one step, without waiting for the disk: whole for every process, perhaps gone after a power cut.
pub(crate) fn write_hint(temporary: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NewFile::create(temporary)?;
    file.write_all(bytes)?;
    file.0
        .persist(target)
        .map_err(|error| explained(target, error.error))?;
    Ok(())
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| explained(parent, error))
}

/// Says in words what hinders writing, where the system's own words leave people guessing.
pub(crate) fn explained(path: &Path, error: io::Error) -> io::Error {
    let path = path.display();
    let message = match error.kind() {
        io::ErrorKind::StorageFull => {
            format!("the disk that holds {path} is full: free some space, `lrops cache prune` helps")
        }
        io::ErrorKind::QuotaExceeded => format!("the quota on the disk that holds {path} is used up"),
        io::ErrorKind::ReadOnlyFilesystem => format!("the file system that holds {path} is read-only"),
        io::ErrorKind::PermissionDenied => format!("this user may not write to {path}"),
        _ => return error,
    };
    io::Error::new(
        error.kind(),
        Explained {
            message,
            source: error,
        },
    )
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Explained {
    message: String,
    source: io::Error,
}

/// Removes what dead processes left in a directory of temporary files; what cannot be removed stays.
pub(crate) fn remove_leftovers(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_file = path.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
        let is_written = is_file
            && File::open(&path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)));
        if !is_written {
            let _ = remove_tree(&path);
        }
    }
}

/// Removes a file or a tree, also one whose directories do not allow it at first.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let remove = || match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    remove().or_else(|_| {
        open_directories(path);
        remove()
    })
}

/// Makes all directories of a tree readable and writable, as far as possible.
fn open_directories(path: &Path) {
    if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return;
    }
    let _ = fs::set_permissions(path, Permissions::from_mode(0o700));
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        open_directories(&entry.path());
    }
}

/// Sets the time of a file's last use, unless it was used later.
pub(crate) fn touch(path: &Path, time: Timestamp) -> io::Result<()> {
    let file = File::open(path)?;
    if time > modified(&file.metadata()?) {
        file.set_times(FileTimes::new().set_modified(system_time(time)))?;
    }
    Ok(())
}

/// Returns when a file was last modified, or set to have been by [`touch`].
pub(crate) fn modified(metadata: &fs::Metadata) -> Timestamp {
    Timestamp(std::os::unix::fs::MetadataExt::mtime(metadata))
}

fn system_time(time: Timestamp) -> SystemTime {
    let distance = Duration::from_secs(time.0.unsigned_abs());
    let found = if time.0 < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    found.unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_explained() {
        let full = io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
        let text = explained(Path::new("/store"), full).to_string();
        assert_eq!(
            text,
            "the disk that holds /store is full: free some space, `lrops cache prune` helps"
        );
    }

    #[test]
    fn leftovers_go_and_what_is_being_written_stays() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(".lrops-old"), "half").unwrap();
        fs::create_dir_all(directory.path().join("tree/closed")).unwrap();
        fs::write(directory.path().join("tree/closed/file"), "").unwrap();
        fs::set_permissions(directory.path().join("tree/closed"), Permissions::from_mode(0o0)).unwrap();
        let mut new = NewFile::create(directory.path()).unwrap();
        remove_leftovers(directory.path());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        new.write_all(b"whole").unwrap();
        new.publish(&directory.path().join("done")).unwrap();
        assert_eq!(fs::read(directory.path().join("done")).unwrap(), b"whole");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_use_never_moves_back_in_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let time = |seconds| {
            touch(file.path(), Timestamp(seconds)).unwrap();
            modified(&file.path().metadata().unwrap()).0
        };
        let far = 7_000_000_000;
        assert_eq!((time(far), time(far - 1), time(far + 5)), (far, far, far + 5));
    }
}
