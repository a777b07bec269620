//! Snapshots as whole trees, for machines where no overlay can be mounted.
//!
//! A tree begins as a copy of its parent (sharing the bytes where the file system can). What changed since is known
//! from the change times: when the copy is done the clock is awaited to go on, and whatever has a later time was
//! touched. It is found at the commit and written down, so that later moves of the store do not disturb it.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lrops_model::change::{Change, ChangeKind, Owner};

use super::error::failed;
use super::place::{Place, Record, RecordedOwner, Workspace};
use super::tree::{self, Copier};
use super::{ActiveSnapshot, Changes, SnapshotError, SnapshotId, Snapshotter, View, Whiteouts, canonical};

/// Keeps snapshots as whole trees.
#[derive(Debug)]
pub struct CopySnapshotter {
    place: Place,
}

/// What a copied tree was like when the copying was done.
#[derive(Debug)]
pub(crate) struct Baseline {
    /// The change time that no untouched file is past: seconds and nanoseconds.
    done: (i64, i64),
    /// By inode of a directory of the parent: the inode of its copy.
    directories: HashMap<u64, u64>,
}

impl Baseline {
    /// Whether a file was not touched since the copying.
    pub(crate) fn is_untouched(&self, metadata: &Metadata) -> bool {
        change_time(metadata) <= self.done
    }

    /// Whether a directory is the copy of `source`, and not another that took its name.
    pub(crate) fn is_copy(&self, source: &Metadata, metadata: &Metadata) -> bool {
        self.directories.get(&source.ino()) == Some(&metadata.ino())
    }
}

fn change_time(metadata: &Metadata) -> (i64, i64) {
    (metadata.ctime(), metadata.ctime_nsec())
}

impl CopySnapshotter {
    /// Opens `<store>/snapshots-copied`, a place of its own since the trees have another form.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(store: &Path) -> Result<Self, SnapshotError> {
        Ok(Self {
            place: Place::open(store.join("snapshots-copied"))?,
        })
    }

    /// Lays the upper snapshot's files over the tree at `root`.
    fn lay_over(&self, upper: &SnapshotId, root: &Path) -> Result<(), SnapshotError> {
        let Changes {
            tree: source,
            changes,
        } = self.changes(upper)?;
        let mut copier = Copier::default();
        for Change { path, kind } in &changes {
            let (from, to) = (source.join(path), root.join(path));
            if *kind == ChangeKind::Removed {
                continue;
            }
            let metadata = tree::metadata(&from)?;
            if !metadata.is_dir() {
                tree::remove_any(&to)?;
                copier.copy_file(&from, &to, &metadata)?;
                continue;
            }
            if !tree::metadata_if_there(&to)?.is_some_and(|found| found.is_dir()) {
                tree::remove_any(&to)?;
                fs::create_dir(&to).map_err(failed("create", &to))?;
            }
        }
        // Directories last and deepest first, or their times would be those of the copying.
        for Change { path, kind } in changes.iter().rev() {
            let from = source.join(path);
            if *kind != ChangeKind::Removed && tree::metadata(&from)?.is_dir() {
                tree::copy_metadata(&from, &root.join(path))?;
            }
        }
        Ok(())
    }
}

/// Waits until a file made now is later than all that was copied, and notes the moment before.
fn take_baseline(workspace: &Workspace, directories: HashMap<u64, u64>) -> Result<Baseline, SnapshotError> {
    let path = workspace.new_directory().with_file_name("clock");
    let touch = || {
        let file = File::create(&path).map_err(failed("create", &path))?;
        // Setting a time gives a new change time, which creating an existing file may not.
        rustix::fs::futimens(&file, &now()).map_err(failed("set the times of", &path))?;
        Ok(change_time(&file.metadata().map_err(failed("read", &path))?))
    };
    let done = touch()?;
    while touch()? <= done {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(Baseline { done, directories })
}

fn now() -> rustix::fs::Timestamps {
    let now = rustix::fs::Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_NOW,
    };
    rustix::fs::Timestamps {
        last_access: now,
        last_modification: now,
    }
}

impl Snapshotter for CopySnapshotter {
    fn prepare(&self, parent: Option<&SnapshotId>) -> Result<ActiveSnapshot, SnapshotError> {
        let workspace = self.place.workspace()?;
        let root = workspace.make_tree()?;
        let baseline = match parent {
            None => {
                tree::set_mode(&root, 0o755)?;
                None
            }
            Some(id) => {
                self.place.record(id)?;
                let mut copier = Copier::default();
                copier.copy_directory(&self.place.tree(id), &root)?;
                Some(take_baseline(&workspace, copier.directories)?)
            }
        };
        let parent = parent.cloned();
        Ok(ActiveSnapshot {
            root,
            parent,
            whiteouts: Whiteouts::Remove,
            unpacked: false,
            baseline,
            workspace,
        })
    }

    fn prepare_layer(&self, parent: Option<&SnapshotId>) -> Result<ActiveSnapshot, SnapshotError> {
        self.prepare(parent)
    }

    fn commit(
        &self,
        active: ActiveSnapshot,
        id: &SnapshotId,
        owners: Vec<(PathBuf, Owner)>,
    ) -> Result<(), SnapshotError> {
        let ActiveSnapshot {
            root,
            parent,
            baseline,
            workspace,
            ..
        } = active;
        let parent_tree = parent.as_ref().map(|id| self.place.tree(id));
        let changes = canonical::copy_changes(&root, parent_tree.as_deref().zip(baseline.as_ref()))?;
        let path = workspace.new_directory().join("changes");
        fs::write(&path, canonical::to_lines(&changes)).map_err(failed("write", &path))?;
        let mut chain = self.place.chain(parent.as_ref())?;
        chain.push(id.clone());
        let owners = owners
            .into_iter()
            .map(|(path, owner)| RecordedOwner { path, owner })
            .collect();
        self.place.publish(
            &workspace,
            id,
            &Record {
                chain,
                unpacked: false,
                owners,
            },
        )
    }

    fn merge(
        &self,
        lower: Option<&SnapshotId>,
        upper: &SnapshotId,
        id: &SnapshotId,
    ) -> Result<(), SnapshotError> {
        let top = self.place.record(upper)?;
        if top.chain.len() != 1 {
            return Err(SnapshotError::UpperHasParent { id: upper.clone() });
        }
        let active = self.prepare(lower)?;
        self.lay_over(upper, active.root())?;
        self.commit(
            active,
            id,
            top.owners
                .into_iter()
                .map(|entry| (entry.path, entry.owner))
                .collect(),
        )
    }

    fn view(&self, id: &SnapshotId) -> Result<View, SnapshotError> {
        self.place.record(id)?;
        let mut workspace = self.place.workspace()?;
        let root = workspace.make("root")?;
        super::overlay::mount_read_only(&self.place.tree(id), &root)?;
        workspace.mounted(root.clone());
        Ok(View {
            root,
            _workspace: workspace,
        })
    }

    fn changes(&self, id: &SnapshotId) -> Result<Changes, SnapshotError> {
        let record = self.place.record(id)?;
        let path = self.place.directory(id).join("changes");
        let lines = fs::read_to_string(&path).map_err(failed("read", &path))?;
        let invalid = || {
            std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "a line is neither + nor - and a path",
            )
        };
        let changes = canonical::from_lines(&lines)
            .ok_or_else(invalid)
            .map_err(failed("read", &path))?;
        Ok(Changes {
            tree: self.place.tree(id),
            changes: canonical::with_owners(changes, &record.owners),
        })
    }

    fn owners(&self, id: &SnapshotId) -> Result<Vec<(PathBuf, Owner)>, SnapshotError> {
        let chain = self.chain(id)?;
        self.place.owners(&chain, |higher, path| {
            Ok(self
                .changes(higher)?
                .changes
                .iter()
                .any(|change| change.path == path))
        })
    }

    fn contains(&self, id: &SnapshotId) -> bool {
        self.place.contains(id)
    }

    fn remove(&self, ids: &[SnapshotId]) -> Result<(), SnapshotError> {
        self.place.remove(ids)
    }

    fn list(&self) -> Result<Vec<SnapshotId>, SnapshotError> {
        self.place.list()
    }

    fn size(&self, id: &SnapshotId) -> Result<u64, SnapshotError> {
        self.place.record(id)?;
        tree::size(&self.place.directory(id))
    }

    fn chain(&self, id: &SnapshotId) -> Result<Vec<SnapshotId>, SnapshotError> {
        Ok(self.place.record(id)?.chain)
    }
}
