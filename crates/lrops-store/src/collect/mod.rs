//! Collection: what the store holds, and what may go.
//!
//! Everything in the store is held by something: an image in `index.json` holds its blobs, a step record holds its
//! snapshot (with those below it) and its layers; a snapshot or blob that nothing holds, and a cache mount, stand for
//! themselves. What is used least recently lets go first, and what nothing holds any more is removed.
//!
//! Invariants: nothing is removed without the exclusive lock. Names go before records, records before snapshots, and
//! those before blobs, so that a collection that is killed leaves nothing that points into the void.

mod inventory;
mod prune;

pub use inventory::{Item, ItemKind, Usage, usage};
pub use prune::{Images, PruneRequest, Pruned, prune};

use std::error::Error;
use std::path::Path;

use lrops_model::timestamp::Timestamp;

use crate::durable;
use crate::layout::LayoutError;
use crate::records::RecordError;
use crate::store::StoreError;

/// What belongs to whoever furnishes `snapshots/`: the store knows neither their form nor how to remove them.
pub trait SnapshotKeeper {
    /// Returns all committed snapshots.
    ///
    /// # Errors
    /// What hindered looking.
    fn list(&self) -> Result<Vec<KeptSnapshot>, KeeperError>;

    /// Returns how many bytes a snapshot's own tree takes on the disk. Asked only where no step record says it.
    ///
    /// # Errors
    /// What hindered measuring.
    fn size(&self, id: &str) -> Result<u64, KeeperError>;

    /// Removes snapshots. All that need one of them are among them.
    ///
    /// # Errors
    /// What hindered removing one; the others may be gone.
    fn remove(&self, ids: &[String]) -> Result<(), KeeperError>;

    /// Removes a directory of `cache-mounts/`, whose files may belong to other users.
    ///
    /// # Errors
    /// What hindered it.
    fn remove_cache_mount(&self, directory: &Path) -> Result<(), KeeperError> {
        Ok(durable::remove_tree(directory)?)
    }
}

/// What hindered a [`SnapshotKeeper`].
pub type KeeperError = Box<dyn Error + Send + Sync>;

/// A committed snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSnapshot {
    /// Its identity.
    pub id: String,
    /// The snapshots whose trees it needs; whether it is among them does not matter.
    pub chain: Vec<String>,
    /// When it was committed.
    pub created: Timestamp,
}

/// What can go wrong with a collection.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// A build is running, in this process or another.
    #[error("the store is in use: another lrops is building; try again when it is done")]
    InUse,
    /// The snapshots could not be looked at or removed.
    #[error("failed to {action}")]
    Keeper {
        /// What was being done.
        action: &'static str,
        /// The cause.
        source: KeeperError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The layout failed.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A record could not be removed.
    #[error(transparent)]
    Record(#[from] RecordError),
}

#[cfg(test)]
mod tests;
