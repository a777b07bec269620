//! What is remembered of uploads: sessions that another process can go on with, and repositories that have a blob.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cancel::{CancelToken, Cancelled};
use crate::digest::Digest;

/// One blob on its way into one repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Upload {
    /// The registry: a host and perhaps a port.
    pub registry: String,
    /// The repository within its registry.
    pub repository: String,
    /// The blob.
    pub digest: Digest,
}

/// An upload session that a registry has opened (OCI distribution spec, "Pushing a blob in chunks").
///
/// Its location may let whoever knows it write, so its `Debug` form does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadSession {
    /// The URL that the registry named last, absolute.
    pub location: String,
    /// How many bytes the registry is known to have.
    pub offset: u64,
    /// The registry takes no smaller chunk but as the last. It says so only when it opens the session.
    #[serde(default)]
    pub chunk_min: u64,
}

impl std::fmt::Debug for UploadSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UploadSession at {}", self.offset)
    }
}

/// Remembers uploads, for this process and the next.
pub trait UploadJournal: Send + Sync {
    /// Waits until nobody else, in this process or another, uploads the same blob to the same repository, and keeps
    /// them away until the claim is dropped.
    ///
    /// # Errors
    /// When the work is cancelled while waiting, or nothing can be remembered.
    fn claim(&self, upload: &Upload, cancel: &CancelToken)
    -> Result<Box<dyn UploadClaim + '_>, JournalError>;

    /// Notes that a repository has a blob: it was read from there, or arrived there.
    fn note(&self, upload: &Upload);

    /// Returns the repositories of a registry that were noted to have a blob, the last one first. They may have lost it.
    fn repositories_with(&self, registry: &str, digest: &Digest) -> Vec<String>;
}

/// The right to upload a blob, and what is remembered of it.
pub trait UploadClaim: Send {
    /// Returns the session that was begun and not ended, by whomever.
    fn session(&self) -> Option<UploadSession>;

    /// Remembers a session, in place of an earlier one.
    ///
    /// # Errors
    /// When it cannot be remembered.
    fn keep(&mut self, session: &UploadSession) -> Result<(), JournalError>;

    /// Forgets the session: it has ended, or is of no use.
    ///
    /// # Errors
    /// When the memory cannot be changed.
    fn forget(&mut self) -> Result<(), JournalError>;
}

/// What can go wrong with the memory of uploads.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be read or written.
    #[error("failed to remember the upload of {digest}")]
    Memory {
        /// The blob.
        digest: Digest,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Remembers uploads as long as the process lives, for transfers that no other process could go on with.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    sessions: Mutex<BTreeMap<Upload, UploadSession>>,
    places: Mutex<Vec<Upload>>,
    claimed: Mutex<BTreeSet<Upload>>,
    released: Condvar,
}

/// How often whoever waits for a claim looks whether the work was stopped.
const CLAIM_STEP: Duration = Duration::from_millis(50);

impl MemoryJournal {
    /// Returns an empty one.
    pub fn new() -> Self {
        Self::default()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl UploadJournal for MemoryJournal {
    fn claim(
        &self,
        upload: &Upload,
        cancel: &CancelToken,
    ) -> Result<Box<dyn UploadClaim + '_>, JournalError> {
        let mut claimed = locked(&self.claimed);
        while !claimed.insert(upload.clone()) {
            cancel.check()?;
            let waited = self.released.wait_timeout(claimed, CLAIM_STEP);
            claimed = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(Box::new(MemoryClaim {
            journal: self,
            upload: upload.clone(),
        }))
    }

    fn note(&self, upload: &Upload) {
        let mut places = locked(&self.places);
        places.retain(|place| place != upload);
        places.push(upload.clone());
    }

    fn repositories_with(&self, registry: &str, digest: &Digest) -> Vec<String> {
        let places = locked(&self.places);
        let found = places
            .iter()
            .rev()
            .filter(|place| place.registry == registry && place.digest == *digest);
        found.map(|place| place.repository.clone()).collect()
    }
}

struct MemoryClaim<'a> {
    journal: &'a MemoryJournal,
    upload: Upload,
}

impl Drop for MemoryClaim<'_> {
    fn drop(&mut self) {
        locked(&self.journal.claimed).remove(&self.upload);
        self.journal.released.notify_all();
    }
}

impl UploadClaim for MemoryClaim<'_> {
    fn session(&self) -> Option<UploadSession> {
        locked(&self.journal.sessions).get(&self.upload).cloned()
    }

    fn keep(&mut self, session: &UploadSession) -> Result<(), JournalError> {
        locked(&self.journal.sessions).insert(self.upload.clone(), session.clone());
        Ok(())
    }

    fn forget(&mut self) -> Result<(), JournalError> {
        locked(&self.journal.sessions).remove(&self.upload);
        Ok(())
    }
}
