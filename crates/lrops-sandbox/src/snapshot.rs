//! Snapshots: file trees, active while they are written and committed after.
//!
//! Two ways to keep them, with equal results: [`OverlaySnapshotter`] stores what a snapshot changes in its parent and
//! lets the kernel lay the trees over one another; [`CopySnapshotter`] stores whole trees, for machines where overlays
//! cannot be mounted. What [`Snapshotter::changes`] says is the same for both.

mod canonical;
mod copy;
mod error;
mod overlay;
mod place;
mod tree;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use lrops_model::change::{Change, Owner};
use serde::{Deserialize, Serialize};

pub use copy::CopySnapshotter;
pub use error::SnapshotError;
pub use overlay::OverlaySnapshotter;

use place::Workspace;

/// A place that keeps file trees.
///
/// Several processes may share one. An identity is given to a tree by the caller and must say all that the tree's
/// content follows from: committing the same one twice keeps the first.
pub trait Snapshotter: Send + Sync {
    /// Makes a tree to be written, equal to `parent` or empty, mounted at [`ActiveSnapshot::root`].
    ///
    /// # Errors
    /// When the parent is not there, or the tree cannot be made or mounted.
    fn prepare(&self, parent: Option<&SnapshotId>) -> Result<ActiveSnapshot, SnapshotError>;

    /// Makes a tree for a layer to be unpacked into, in the way that [`ActiveSnapshot::whiteouts`] says.
    ///
    /// # Errors
    /// When the parent is not there, or the tree cannot be made.
    fn prepare_layer(&self, parent: Option<&SnapshotId>) -> Result<ActiveSnapshot, SnapshotError>;

    /// Keeps a tree under an identity, whole or not at all; `owners` are those that the tree itself cannot say.
    ///
    /// When the identity is there already, the tree is discarded and that is success.
    ///
    /// # Errors
    /// When the tree cannot be brought to disk.
    fn commit(
        &self,
        active: ActiveSnapshot,
        id: &SnapshotId,
        owners: Vec<(PathBuf, Owner)>,
    ) -> Result<(), SnapshotError>;

    /// Lays `upper`, a snapshot without a parent, over `lower`, and keeps the result under an identity.
    ///
    /// An overlay copies nothing for it.
    ///
    /// # Errors
    /// When one of the two is not there, or `upper` has a parent.
    fn merge(
        &self,
        lower: Option<&SnapshotId>,
        upper: &SnapshotId,
        id: &SnapshotId,
    ) -> Result<(), SnapshotError>;

    /// Mounts a snapshot for reading.
    ///
    /// # Errors
    /// When the snapshot is not there or cannot be mounted.
    fn view(&self, id: &SnapshotId) -> Result<View, SnapshotError>;

    /// Returns what a snapshot changes in its parent.
    ///
    /// # Errors
    /// When the snapshot is not there or cannot be read.
    fn changes(&self, id: &SnapshotId) -> Result<Changes, SnapshotError>;

    /// Returns the owners in a snapshot that its tree cannot say, those that come from its parents included.
    ///
    /// # Errors
    /// When the snapshot is not there or cannot be read.
    fn owners(&self, id: &SnapshotId) -> Result<Vec<(PathBuf, Owner)>, SnapshotError>;

    /// Returns whether a snapshot is there.
    fn contains(&self, id: &SnapshotId) -> bool;

    /// Removes snapshots; one that is not there is no error.
    ///
    /// # Errors
    /// When one that stays is built on one of them: then nothing is removed.
    fn remove(&self, ids: &[SnapshotId]) -> Result<(), SnapshotError>;

    /// Returns the snapshots that are there, sorted.
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn list(&self) -> Result<Vec<SnapshotId>, SnapshotError>;

    /// Returns how many bytes of disk a snapshot takes, without those of its parents.
    ///
    /// # Errors
    /// When the snapshot is not there or cannot be read.
    fn size(&self, id: &SnapshotId) -> Result<u64, SnapshotError>;

    /// Returns the snapshots whose files a snapshot needs, lowest first; itself is the last unless it was merged.
    ///
    /// # Errors
    /// When the snapshot is not there.
    fn chain(&self, id: &SnapshotId) -> Result<Vec<SnapshotId>, SnapshotError>;
}

/// A snapshot's identity: hexadecimal digits, chosen by the caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotId(String);

/// How many digits an identity has at least and at most: up to a sha512.
const ID_DIGITS: std::ops::RangeInclusive<usize> = 8..=128;

impl SnapshotId {
    /// Returns the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SnapshotId {
    type Err = ParseSnapshotIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if ID_DIGITS.contains(&text.len()) && text.bytes().all(digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseSnapshotIdError {
                text: text.to_owned(),
            })
        }
    }
}

impl From<lrops_model::digest::Digest> for SnapshotId {
    fn from(digest: lrops_model::digest::Digest) -> Self {
        Self(digest.hex())
    }
}

impl TryFrom<String> for SnapshotId {
    type Error = ParseSnapshotIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SnapshotId> for String {
    fn from(id: SnapshotId) -> Self {
        id.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no snapshot's identity.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no snapshot: expected 8 to 128 lower-case hexadecimal digits")]
pub struct ParseSnapshotIdError {
    text: String,
}

/// A tree that is being written. Dropped without [`Snapshotter::commit`], it is removed.
#[derive(Debug)]
pub struct ActiveSnapshot {
    root: PathBuf,
    parent: Option<SnapshotId>,
    whiteouts: Whiteouts,
    unpacked: bool,
    baseline: Option<copy::Baseline>,
    workspace: Workspace,
}

impl ActiveSnapshot {
    /// Returns the directory to write to.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns how a layer's whiteouts are to be carried out in [`ActiveSnapshot::root`].
    pub fn whiteouts(&self) -> Whiteouts {
        self.whiteouts
    }

    /// Returns the snapshot that the tree began as.
    pub fn parent(&self) -> Option<&SnapshotId> {
        self.parent.as_ref()
    }
}

/// What stands for a removed path in a tree that a layer is unpacked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whiteouts {
    /// The parent's files are not in the tree. A removed path is a character device 0:0 of its name; a directory that
    /// hides its namesake below has the extended attribute `user.overlay.opaque` = `y`. A directory that the layer
    /// does not name, but has files in, must be made with the parent's mode and owner.
    Overlay,
    /// The parent's files are in the tree: a removed path is simply removed.
    Remove,
}

/// A snapshot mounted for reading, until dropped.
#[derive(Debug)]
pub struct View {
    root: PathBuf,
    /// Unmounts and removes the mount point when dropped.
    _workspace: Workspace,
}

impl View {
    /// Returns the tree's root.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// What a snapshot changes in its parent.
#[derive(Debug)]
pub struct Changes {
    /// The directory in which the present paths are found. It may hold overlay's own markers (character devices 0:0,
    /// attributes `user.overlay.*`), which mean nothing to anyone else.
    pub tree: PathBuf,
    /// The changes, sorted by the bytes of their paths; each has its directories before it. Changes of times alone are
    /// none for a directory. The root itself is not listed.
    pub changes: Vec<Change>,
}
