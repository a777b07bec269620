//! Snapshots as overlays: each keeps only what it changes, and the kernel lays the trees over one another.
//!
//! On disk a tree is the upper directory of an overlay mounted with `userxattr` (kernel documentation,
//! `filesystems/overlayfs.rst`): the same form whether root or an ordinary user wrote it.

use std::path::{Path, PathBuf};

use lrops_model::change::Owner;

use super::error::failed;
use super::place::{Place, Record, RecordedOwner, Workspace};
use super::{
    ActiveSnapshot, Changes, SnapshotError, SnapshotId, Snapshotter, View, Whiteouts, canonical, tree,
};
use crate::kernel::Reach;
use crate::mounts::{self, Upper};

/// How many lower directories the kernel takes (`OVL_MAX_STACK`).
pub(crate) const CHAIN_MAX: usize = 500;

/// Keeps snapshots as overlays.
#[derive(Debug)]
pub struct OverlaySnapshotter {
    place: Place,
}

impl OverlaySnapshotter {
    /// Opens `<store>/snapshots`, and tries that overlays can be mounted there.
    ///
    /// # Errors
    /// [`SnapshotError::OverlayUnsupported`] where they cannot: then [`super::CopySnapshotter`] is the way out.
    pub fn open(store: &Path) -> Result<Self, SnapshotError> {
        let place = Place::open(store.join("snapshots"))?;
        let snapshotter = Self { place };
        snapshotter.try_mount()?;
        Ok(snapshotter)
    }

    fn try_mount(&self) -> Result<(), SnapshotError> {
        let mut workspace = self.place.workspace()?;
        let (lower, changes) = (workspace.make("lower")?, workspace.make("upper")?);
        let (work, root) = (workspace.make("work")?, workspace.make("root")?);
        let unsupported = |source| SnapshotError::OverlayUnsupported {
            path: self.place.root().to_owned(),
            source,
        };
        let upper = Upper {
            changes: &changes,
            work: &work,
        };
        mounts::mount_overlay(&root, &[lower], Some(upper)).map_err(unsupported)?;
        workspace.mounted(root.clone());
        // Some file systems take the mount and then refuse what it needs: attributes, or whiteouts.
        let attribute = xattr::set(&changes, "user.overlay.test", b"y");
        let whiteout = tree::make_whiteout(&changes.join("whiteout"));
        attribute.and(whiteout).map_err(unsupported)
    }

    /// The trees of a chain, as the kernel wants them: highest first.
    fn trees(&self, chain: &[SnapshotId]) -> Vec<PathBuf> {
        chain.iter().rev().map(|id| self.place.tree(id)).collect()
    }

    /// Makes an upper directory that looks like its parent's root.
    fn make_upper(&self, workspace: &Workspace, chain: &[SnapshotId]) -> Result<PathBuf, SnapshotError> {
        if let Some(id) = chain.first().filter(|_| chain.len() > CHAIN_MAX) {
            return Err(SnapshotError::ChainTooLong {
                id: id.clone(),
                len: chain.len(),
            });
        }
        let upper = workspace.make_tree()?;
        match chain.last() {
            Some(top) => tree::copy_metadata(&self.place.tree(top), &upper)?,
            None => tree::set_mode(&upper, 0o755)?,
        }
        Ok(upper)
    }

    fn view_of(&self, chain: &[SnapshotId], plain: bool) -> Result<View, SnapshotError> {
        let mut workspace = self.place.workspace()?;
        let root = workspace.make("root")?;
        match chain {
            // One tree needs no overlay, unless there may be markers in it that the overlay has to hide.
            [only] if plain => mount_read_only(&self.place.tree(only), &root)?,
            _ => {
                let mut lower = self.trees(chain);
                if lower.len() < 2 {
                    lower.push(workspace.make("empty")?);
                }
                mounts::mount_overlay(&root, &lower, None).map_err(failed("mount an overlay at", &root))?;
            }
        }
        workspace.mounted(root.clone());
        Ok(View {
            root,
            _workspace: workspace,
        })
    }
}

pub(super) fn mount_read_only(source: &Path, target: &Path) -> Result<(), SnapshotError> {
    let mount = mounts::clone_tree(rustix::fs::CWD, source, Reach::One).map_err(failed("mount", source))?;
    mounts::restrict(&mount, mounts::READ_ONLY, Reach::One).map_err(failed("make read-only", source))?;
    mounts::attach_at(&mount, target).map_err(failed("mount at", target))
}

impl Snapshotter for OverlaySnapshotter {
    fn prepare(&self, parent: Option<&SnapshotId>) -> Result<ActiveSnapshot, SnapshotError> {
        let chain = self.place.chain(parent)?;
        let mut workspace = self.place.workspace()?;
        let upper = self.make_upper(&workspace, &chain)?;
        // Nothing to lay the tree over: it is the tree.
        let root = if chain.is_empty() {
            upper
        } else {
            let (work, root) = (workspace.make("work")?, workspace.make("root")?);
            mounts::mount_overlay(
                &root,
                &self.trees(&chain),
                Some(Upper {
                    changes: &upper,
                    work: &work,
                }),
            )
            .map_err(failed("mount an overlay at", &root))?;
            workspace.mounted(root.clone());
            root
        };
        let parent = parent.cloned();
        Ok(ActiveSnapshot {
            root,
            parent,
            whiteouts: Whiteouts::Remove,
            unpacked: false,
            baseline: None,
            workspace,
        })
    }

    fn prepare_layer(&self, parent: Option<&SnapshotId>) -> Result<ActiveSnapshot, SnapshotError> {
        let chain = self.place.chain(parent)?;
        let workspace = self.place.workspace()?;
        let root = self.make_upper(&workspace, &chain)?;
        let parent = parent.cloned();
        Ok(ActiveSnapshot {
            root,
            parent,
            whiteouts: Whiteouts::Overlay,
            unpacked: true,
            baseline: None,
            workspace,
        })
    }

    fn commit(
        &self,
        active: ActiveSnapshot,
        id: &SnapshotId,
        owners: Vec<(PathBuf, Owner)>,
    ) -> Result<(), SnapshotError> {
        let ActiveSnapshot {
            parent,
            unpacked,
            mut workspace,
            ..
        } = active;
        workspace.unmount()?;
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
                unpacked,
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
        let mut chain = self.place.chain(lower)?;
        chain.extend(top.chain);
        let workspace = self.place.workspace()?;
        workspace.make("new")?;
        self.place.publish(
            &workspace,
            id,
            &Record {
                chain,
                unpacked: top.unpacked,
                owners: top.owners,
            },
        )
    }

    fn view(&self, id: &SnapshotId) -> Result<View, SnapshotError> {
        let record = self.place.record(id)?;
        self.view_of(&record.chain, !record.unpacked)
    }

    fn changes(&self, id: &SnapshotId) -> Result<Changes, SnapshotError> {
        let record = self.place.record(id)?;
        let Some((top, parents)) = record.chain.split_last() else {
            return Err(SnapshotError::Missing { id: id.clone() });
        };
        let parent = if parents.is_empty() {
            None
        } else {
            Some(self.view_of(parents, false)?)
        };
        let tree = self.place.tree(top);
        let changes = canonical::overlay_changes(&tree, parent.as_ref().map(View::root))?;
        Ok(Changes {
            changes: canonical::with_owners(changes, &record.owners),
            tree,
        })
    }

    fn owners(&self, id: &SnapshotId) -> Result<Vec<(PathBuf, Owner)>, SnapshotError> {
        let chain = self.place.record(id)?.chain;
        self.place.owners(&chain, |higher, path| {
            Ok(self.place.tree(higher).join(path).symlink_metadata().is_ok())
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
