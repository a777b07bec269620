//! The store: everything that lrops keeps between builds, in one directory.
//!
//! It is an OCI image layout that other tools can read, and beside it `snapshots/` (file trees), `steps/` (one record
//! a cache key), `readings/` (what verified layers hold), `cache-mounts/`, `uploads/` (push journals), `builds/` (history), `exchange/` (where other builders
//! read and write images) and `tmp/`.
//!
//! Invariants:
//! - Whoever writes into the store holds a [`UseLock`]; what runs then is never collected. Reading needs no lock.
//! - What lies in `tmp/` while nobody holds a lock was left by a killed process. The next user removes it.
//! - Directories with file trees or tokens are closed to other users: a snapshot may hold set-user-id programs.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use lrops_model::cancel::{CancelToken, Cancelled};
use rustix::fs::{Access, access};

use crate::durable::{TEMPORARY_PREFIX, explained, remove_leftovers};
use crate::exchange::{self, ExchangeName};
use crate::layout::{Layout, LayoutError};
use crate::records::{RecordError, Records, wait_for};
use crate::uploads::Uploads;

/// The file whose lock says who uses the store.
const LOCK_FILE: &str = ".lock";

/// The store.
#[derive(Clone, Debug)]
pub struct Store {
    layout: Layout,
    records: Records,
    readings: Records,
    snapshots: PathBuf,
    cache_mounts: PathBuf,
    uploads: Uploads,
    builds: PathBuf,
    tmp: PathBuf,
}

/// What there is where a store is, or would be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Whether there is one.
    pub is_there: bool,
    /// Its directory, or else the nearest one above that is there.
    pub directory: PathBuf,
}

impl Store {
    /// Opens the store at `root`, and makes an empty one first where there is nothing.
    ///
    /// # Errors
    /// When `root` is something else, or cannot be written.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        refuse_something_else(&root)?;
        let disk = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Disk {
                action: "open",
                source: explained(&path, source),
                path,
            }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&root)
            .map_err(disk(&root))?;
        let tmp = root.join("tmp");
        let layout = Layout::create(root.clone(), tmp.clone())?;
        let private = |name: &str| {
            let path = root.join(name);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(disk(&path))?;
            Ok::<_, StoreError>(path)
        };
        let steps = private("steps")?;
        let readings = private("readings")?;
        let store = Self {
            snapshots: private("snapshots")?,
            cache_mounts: private("cache-mounts")?,
            uploads: Uploads::new(private("uploads")?, private("uploads/tmp")?),
            builds: private("builds")?,
            records: Records::new(steps, tmp.clone()),
            readings: Records::new(readings, tmp.clone()),
            layout,
            tmp,
        };
        for directory in [&root, &store.tmp] {
            access(directory, Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|error| disk(directory)(io::Error::from(error)))?;
        }
        Ok(store)
    }

    /// Looks whether [`Store::open`] would succeed, and makes and changes nothing.
    ///
    /// # Errors
    /// When `root` is something else, or cannot be written.
    pub fn look(root: &Path) -> Result<Sight, StoreError> {
        refuse_something_else(root)?;
        let directory = root.ancestors().find(|path| path.exists()).unwrap_or(root);
        let writable = access(directory, Access::WRITE_OK | Access::EXEC_OK);
        writable.map_err(|error| StoreError::Disk {
            action: "write into",
            path: directory.to_owned(),
            source: io::Error::from(error),
        })?;
        Ok(Sight {
            is_there: root.join("oci-layout").exists(),
            directory: directory.to_owned(),
        })
    }

    /// Returns the store's directory.
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// Returns the layout: the store's blobs and the names of its images.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the step records.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Returns what verified layers hold, by the digests of their blobs.
    pub(crate) fn readings(&self) -> &Records {
        &self.readings
    }

    /// Returns the directory of file trees, which the sandbox furnishes.
    pub fn snapshots(&self) -> &Path {
        &self.snapshots
    }

    /// Returns the directory of `RUN --mount=type=cache` directories.
    pub fn cache_mounts(&self) -> &Path {
        &self.cache_mounts
    }

    /// Returns the memory of uploads.
    pub fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// Returns the directory of past builds.
    pub fn builds(&self) -> &Path {
        &self.builds
    }

    /// Returns the directory of what bases are assembled from; whoever assembles them makes it.
    pub fn bases(&self) -> PathBuf {
        self.root().join("bases")
    }

    /// Returns a directory of OCI content in which another builder reads and writes images; the directory is made when
    /// it is not there. Its blobs are the store's, so that what is there is not copied; its index is the other
    /// builder's own, so that nothing of the store is called by a name before it is proved.
    ///
    /// Only for holders of a [`UseLock`].
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn exchange(&self, name: &ExchangeName) -> Result<PathBuf, StoreError> {
        exchange::open(self.root(), name)
    }

    /// Returns the directory for what is being written; only for holders of a [`UseLock`].
    pub fn tmp(&self) -> &Path {
        &self.tmp
    }

    /// Waits until no collection runs, and keeps collections away until the lock is dropped.
    ///
    /// Any number of builds, in any number of processes, hold it at once. The first one removes what killed
    /// processes left.
    ///
    /// # Errors
    /// When the work is cancelled while waiting, or the lock's file cannot be made.
    pub fn use_lock(&self, cancel: &CancelToken) -> Result<UseLock, StoreError> {
        drop(self.exclusive_lock()?);
        let (file, path) = self.open_lock()?;
        wait_for(&file, cancel, File::try_lock_shared, &path)?;
        Ok(UseLock { _file: file })
    }

    /// Returns the lock that nobody else may hold one beside; `None` when the store is in use.
    ///
    /// # Errors
    /// When the lock's file cannot be made.
    pub fn exclusive_lock(&self) -> Result<Option<ExclusiveLock>, StoreError> {
        let (file, path) = self.open_lock()?;
        match file.try_lock() {
            Ok(()) => {
                remove_leftovers(&self.tmp);
                exchange::remove_leftovers(self.root());
                Ok(Some(ExclusiveLock { _file: file }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(StoreError::Disk {
                action: "lock",
                path,
                source,
            }),
        }
    }

    fn open_lock(&self) -> Result<(File, PathBuf), StoreError> {
        let path = self.root().join(LOCK_FILE);
        match File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
        {
            Ok(file) => Ok((file, path)),
            Err(source) => Err(StoreError::Disk {
                action: "open",
                source: explained(&path, source),
                path,
            }),
        }
    }
}

/// Refuses a root that exists and is neither empty nor a store.
fn refuse_something_else(root: &Path) -> Result<(), StoreError> {
    let disk = |source| StoreError::Disk {
        action: "read",
        path: root.to_owned(),
        source: explained(root, source),
    };
    match fs::metadata(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(StoreError::NoDirectory {
                path: root.to_owned(),
            });
        }
        Err(error) => return Err(disk(error)),
        Ok(metadata) if !metadata.is_dir() => {
            return Err(StoreError::NoDirectory {
                path: root.to_owned(),
            });
        }
        Ok(_) => {}
    }
    if root.join("oci-layout").exists() {
        return Ok(());
    }
    for entry in fs::read_dir(root).map_err(disk)? {
        let name = entry.map_err(disk)?.file_name();
        // Another process may be making the store this moment; a disk of its own has a directory for lost files.
        let expected = name.to_str().is_some_and(|name| {
            matches!(name, "blobs" | "tmp" | "lost+found") || name.starts_with(TEMPORARY_PREFIX)
        });
        if !expected && !root.join("oci-layout").exists() {
            let example = name.to_string_lossy().into_owned();
            return Err(StoreError::SomethingElse {
                path: root.to_owned(),
                example,
            });
        }
    }
    Ok(())
}

/// Keeps collections away from the store until it is dropped.
#[derive(Debug)]
pub struct UseLock {
    _file: File,
}

/// Keeps everybody else away from the store until it is dropped.
#[derive(Debug)]
pub struct ExclusiveLock {
    _file: File,
}

/// What can go wrong with the store itself.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Its root is a file, or lies below one.
    #[error("the store cannot be at {}: that is no directory", .path.display())]
    NoDirectory {
        /// The root.
        path: PathBuf,
    },
    /// Its root holds other files.
    #[error(
        "the store cannot be at {}: the directory holds other files, such as {example:?}; name an empty one",
        .path.display()
    )]
    SomethingElse {
        /// The root.
        path: PathBuf,
        /// One of the other files.
        example: String,
    },
    /// Its layout cannot be opened.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The disk failed.
    #[error("failed to {action} {}", .path.display())]
    Disk {
        /// What was being done.
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Waiting failed.
    #[error(transparent)]
    Wait(RecordError),
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<RecordError> for StoreError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            error @ RecordError::Disk { .. } => Self::Wait(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("store")).unwrap();
        (directory, store)
    }

    #[test]
    fn a_new_store_has_its_directories() {
        let (_directory, store) = store();
        let names = |path: &Path| -> BTreeSet<String> {
            fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        };
        let expected = [
            "blobs",
            "builds",
            "cache-mounts",
            "index.json",
            "oci-layout",
            "readings",
            "snapshots",
            "steps",
            "tmp",
            "uploads",
        ];
        assert_eq!(names(store.root()), expected.map(str::to_owned).into());
        let mode = store.snapshots().metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700);
        Layout::open(store.root()).unwrap();
        Store::open(store.root()).unwrap();
    }

    #[test]
    fn a_root_that_is_something_else_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let check = |path: &Path, expected: &str| {
            let text = Store::open(path).unwrap_err().to_string();
            assert_eq!(
                text.replace(&directory.path().display().to_string(), "DIR"),
                expected
            );
        };
        fs::write(directory.path().join("notes.txt"), "").unwrap();
        check(
            directory.path(),
            "the store cannot be at DIR: the directory holds other files, such as \"notes.txt\"; name an empty one",
        );
        check(
            &directory.path().join("notes.txt"),
            "the store cannot be at DIR/notes.txt: that is no directory",
        );
        check(
            &directory.path().join("notes.txt/x"),
            "the store cannot be at DIR/notes.txt/x: that is no directory",
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_root_that_cannot_be_written_is_named() {
        let error = Store::open("/proc/self/fdinfo/store").unwrap_err();
        assert!(error.to_string().contains("/proc/self/fdinfo"), "{error}");
    }

    #[test]
    fn many_processes_may_make_the_store_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("store");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| Store::open(&root).unwrap());
            }
        });
    }

    #[test]
    fn builds_run_side_by_side_and_keep_collections_away() {
        let (_directory, store) = store();
        let cancel = CancelToken::new();
        let one = store.use_lock(&cancel).unwrap();
        let two = store.use_lock(&cancel).unwrap();
        assert!(store.exclusive_lock().unwrap().is_none());
        drop((one, two));
        let exclusive = store.exclusive_lock().unwrap().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| store.use_lock(&cancel).map(drop));
            std::thread::sleep(Duration::from_millis(20));
            assert!(!waiting.is_finished());
            drop(exclusive);
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn what_killed_processes_left_goes_when_nobody_uses_the_store() {
        let (_directory, store) = store();
        let leftover = store.tmp().join(".lrops-old");
        let cancel = CancelToken::new();
        let lock = store.use_lock(&cancel).unwrap();
        fs::write(&leftover, "").unwrap();
        drop(store.use_lock(&cancel).unwrap());
        assert!(leftover.exists());
        drop(lock);
        drop(store.use_lock(&cancel).unwrap());
        assert!(!leftover.exists());
    }
}
