//! The directories of snapshots on disk.
//!
//! `<root>/<id>/fs` is a committed tree and `<root>/<id>/record.json` what is known of it. `<root>/active/<n>` is a
//! workspace: a tree being written or a mount point, with a locked file that says that its process lives. A workspace
//! whose lock is free was left by a killed process, and is removed by the next one that opens the store.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use lrops_model::change::Owner;
use serde::{Deserialize, Serialize};

use super::error::failed;
use super::{SnapshotError, SnapshotId};
use crate::{mounts, text};

/// Where a store keeps its snapshots.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    root: PathBuf,
}

/// What is known of a committed snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The snapshots whose directories make up the tree, lowest first.
    pub(crate) chain: Vec<SnapshotId>,
    /// Whether the top directory may hold whiteouts that hide nothing, as an unpacked layer does.
    pub(crate) unpacked: bool,
    /// Owners that the tree cannot say.
    pub(crate) owners: Vec<RecordedOwner>,
}

/// An owner that the tree cannot say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RecordedOwner {
    #[serde(with = "text")]
    pub(crate) path: PathBuf,
    pub(crate) owner: Owner,
}

impl Place {
    /// Opens a place, makes its directories and removes what killed processes left in it.
    pub(crate) fn open(root: PathBuf) -> Result<Self, SnapshotError> {
        let place = Self { root };
        let active = place.active();
        fs::create_dir_all(&active).map_err(failed("create", &active))?;
        place.remove_abandoned()?;
        Ok(place)
    }

    /// The directory that holds the store.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of a committed snapshot.
    pub(crate) fn directory(&self, id: &SnapshotId) -> PathBuf {
        self.root.join(id.as_str())
    }

    /// The tree of a committed snapshot that has one of its own.
    pub(crate) fn tree(&self, id: &SnapshotId) -> PathBuf {
        self.directory(id).join("fs")
    }

    /// Whether a snapshot is there.
    pub(crate) fn contains(&self, id: &SnapshotId) -> bool {
        self.directory(id).join("record.json").exists()
    }

    /// Reads a snapshot's record.
    pub(crate) fn record(&self, id: &SnapshotId) -> Result<Record, SnapshotError> {
        let path = self.directory(id).join("record.json");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(SnapshotError::Missing { id: id.clone() });
            }
            result => result.map_err(failed("read", &path))?,
        };
        serde_json::from_slice(&bytes).map_err(|source| SnapshotError::Record { path, source })
    }

    /// The owners that the trees of a chain cannot say; `replaces` tells whether a higher snapshot has a path anew.
    pub(crate) fn owners(
        &self,
        chain: &[SnapshotId],
        replaces: impl Fn(&SnapshotId, &Path) -> Result<bool, SnapshotError>,
    ) -> Result<Vec<(PathBuf, Owner)>, SnapshotError> {
        let mut owners: Vec<(PathBuf, Owner)> = Vec::new();
        for id in chain {
            let mut kept = Vec::new();
            for (path, owner) in owners {
                if !replaces(id, &path)? {
                    kept.push((path, owner));
                }
            }
            owners = kept;
            owners.extend(
                self.record(id)?
                    .owners
                    .into_iter()
                    .map(|recorded| (recorded.path, recorded.owner)),
            );
        }
        Ok(owners)
    }

    /// The chain of a parent, empty where there is none.
    pub(crate) fn chain(&self, parent: Option<&SnapshotId>) -> Result<Vec<SnapshotId>, SnapshotError> {
        parent.map_or(Ok(Vec::new()), |id| Ok(self.record(id)?.chain))
    }

    /// Makes a directory in which something can be prepared.
    pub(crate) fn workspace(&self) -> Result<Workspace, SnapshotError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let gate = self.gate()?;
        gate.lock_shared().map_err(failed("lock", &self.gate_path()))?;
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = self.active().join(format!("{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Workspace::lock(path),
                // A killed process had the same id, or one in another container has.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed("create", &path)(error)),
            }
        }
    }

    /// Moves `new` of a workspace to its place, after all of it is on the disk.
    pub(crate) fn publish(
        &self,
        workspace: &Workspace,
        id: &SnapshotId,
        record: &Record,
    ) -> Result<(), SnapshotError> {
        let (new, target) = (workspace.new_directory(), self.directory(id));
        if self.contains(id) {
            return Ok(());
        }
        let path = new.join("record.json");
        let bytes = serde_json::to_vec(record).expect("a record is JSON");
        fs::write(&path, bytes).map_err(failed("write", &path))?;
        // One barrier for the whole file system: a tree has too many files to flush them one by one.
        let directory = File::open(&new).map_err(failed("open", &new))?;
        rustix::fs::syncfs(&directory).map_err(failed("flush", &new))?;
        match fs::rename(&new, &target) {
            // Another process was faster, with the same tree.
            Err(_) if self.contains(id) => Ok(()),
            result => result.map_err(failed("create", &target)),
        }?;
        let root = File::open(&self.root).map_err(failed("open", &self.root))?;
        root.sync_all().map_err(failed("flush", &self.root))
    }

    /// The committed snapshots, sorted.
    pub(crate) fn list(&self) -> Result<Vec<SnapshotId>, SnapshotError> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed("read", &self.root))? {
            let name = entry.map_err(failed("read", &self.root))?.file_name();
            let id = name.to_str().and_then(|name| name.parse().ok());
            ids.extend(id.filter(|id| self.contains(id)));
        }
        ids.sort();
        Ok(ids)
    }

    /// Removes snapshots, unless one that stays needs one of them.
    pub(crate) fn remove(&self, ids: &[SnapshotId]) -> Result<(), SnapshotError> {
        for stays in self.list()?.into_iter().filter(|id| !ids.contains(id)) {
            if let Some(id) = self.record(&stays)?.chain.into_iter().find(|id| ids.contains(id)) {
                return Err(SnapshotError::StillNeeded { id, needed_by: stays });
            }
        }
        for id in ids.iter().filter(|id| self.contains(id)) {
            let workspace = self.workspace()?;
            let (from, to) = (self.directory(id), workspace.new_directory());
            // Gone in one step for everybody else; the files follow when the workspace is dropped.
            match fs::rename(&from, &to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result.map_err(failed("remove", &from))?,
            }
        }
        Ok(())
    }

    fn active(&self) -> PathBuf {
        self.root.join("active")
    }

    /// The lock that keeps a workspace from being taken for abandoned in the moment before it is locked itself.
    fn gate(&self) -> Result<File, SnapshotError> {
        let path = self.gate_path();
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed("open", &path))
    }

    fn gate_path(&self) -> PathBuf {
        self.root.join("active.lock")
    }

    fn remove_abandoned(&self) -> Result<(), SnapshotError> {
        let gate = self.gate()?;
        if matches!(gate.try_lock(), Err(TryLockError::WouldBlock)) {
            // Another process is at it, or makes a workspace: the next one that opens the store cleans.
            return Ok(());
        }
        let active = self.active();
        for entry in fs::read_dir(&active).map_err(failed("read", &active))? {
            let path = entry.map_err(failed("read", &active))?.path();
            let lock = File::open(path.join("lock"));
            let lives = lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
            if lives {
                continue;
            }
            match fs::remove_dir_all(&path) {
                // Its own process was just removing it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result.map_err(failed("remove", &path))?,
            }
        }
        Ok(())
    }
}

/// A directory of one active snapshot or view; unmounts what was mounted in it, and is removed, when dropped.
#[derive(Debug)]
pub(crate) struct Workspace {
    path: PathBuf,
    mounted: Vec<PathBuf>,
    _lock: File,
}

impl Workspace {
    fn lock(path: PathBuf) -> Result<Self, SnapshotError> {
        let file = path.join("lock");
        let lock = File::create_new(&file).map_err(failed("create", &file))?;
        lock.try_lock()
            .map_err(|error| failed("lock", &file)(io::Error::from(error)))?;
        Ok(Self {
            path,
            mounted: Vec::new(),
            _lock: lock,
        })
    }

    /// Makes a directory in the workspace.
    pub(crate) fn make(&self, name: &str) -> Result<PathBuf, SnapshotError> {
        let path = self.path.join(name);
        fs::create_dir(&path).map_err(failed("create", &path))?;
        Ok(path)
    }

    /// The directory that becomes the snapshot.
    pub(crate) fn new_directory(&self) -> PathBuf {
        self.path.join("new")
    }

    /// Makes `new/fs`, the tree of the snapshot to be.
    pub(crate) fn make_tree(&self) -> Result<PathBuf, SnapshotError> {
        self.make("new")?;
        self.make("new/fs")
    }

    /// Remembers that something is mounted at a directory of the workspace.
    pub(crate) fn mounted(&mut self, path: PathBuf) {
        self.mounted.push(path);
    }

    /// Takes away all that is mounted in the workspace.
    pub(crate) fn unmount(&mut self) -> Result<(), SnapshotError> {
        while let Some(path) = self.mounted.pop() {
            mounts::unmount(&path).map_err(failed("unmount", &path))?;
        }
        Ok(())
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // What fails here is found and removed by the next process that opens the store.
        if self.unmount().is_ok() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
