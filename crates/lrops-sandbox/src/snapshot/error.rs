//! What can go wrong with snapshots.

use std::io;
use std::path::{Path, PathBuf};

use super::SnapshotId;

/// A snapshot that could not be made, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The snapshot is not there.
    #[error("there is no snapshot {id}")]
    Missing {
        /// The one asked for.
        id: SnapshotId,
    },
    /// Another snapshot is built on one that was to be removed.
    #[error("snapshot {id} cannot be removed: {needed_by} is built on it")]
    StillNeeded {
        /// The one that was to be removed.
        id: SnapshotId,
        /// One that needs it.
        needed_by: SnapshotId,
    },
    /// Only a snapshot that stands alone can be laid over another.
    #[error("snapshot {id} cannot be merged: it has a parent")]
    UpperHasParent {
        /// The upper one.
        id: SnapshotId,
    },
    /// The kernel lays at most 500 trees over one another.
    #[error("snapshot {id} is built on {len} others; the kernel allows {max}", max = super::overlay::CHAIN_MAX)]
    ChainTooLong {
        /// The lowest that is too much.
        id: SnapshotId,
        /// How many there are.
        len: usize,
    },
    /// No overlay can be mounted here; copying is the way out.
    #[error("this machine mounts no overlay below {path}", path = path.display())]
    OverlayUnsupported {
        /// The store.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
    /// A snapshot's record is not what was written.
    #[error("failed to read the record {path}", path = path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The file system or the kernel refused.
    #[error("failed to {action} {path}", path = path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Returns what makes an error of doing `action` to `path`.
pub(crate) fn failed<E: Into<io::Error>>(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> SnapshotError {
    move |source| SnapshotError::Io {
        action,
        path: path.to_owned(),
        source: source.into(),
    }
}
