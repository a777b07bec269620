//! The memory of uploads on disk: `uploads/`, closed to other users, because a session's location lets its knower write.
//!
//! One record a blob and repository holds an open session; one record a registry and blob lists the repositories that
//! have it. Both are hints: a lost record costs a chunk sent again, or a blob that could have been mounted. So they are
//! not flushed to the disk one by one.

use std::path::PathBuf;

use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::timestamp::Timestamp;
use lrops_model::upload::{JournalError, Upload, UploadClaim, UploadJournal, UploadSession};

use crate::records::{RecordError, RecordLock, Records};

/// How many repositories are remembered for a blob: a mount is tried from a few only.
const PLACES_MAX: usize = 8;

/// The memory of uploads in a store.
#[derive(Clone, Debug)]
pub struct Uploads {
    records: Records,
}

impl Uploads {
    /// Returns the memory in a directory that exists; `temporary` is for what is being written, and as closed as it.
    pub(crate) fn new(directory: PathBuf, temporary: PathBuf) -> Self {
        Self {
            records: Records::new(directory, temporary),
        }
    }

    /// Forgets what was last written before a time: registries have given such sessions up long since.
    pub(crate) fn forget_before(&self, time: Timestamp) -> Result<(), RecordError> {
        for entry in self.records.list()? {
            if entry.last_used < time {
                self.records.remove(&entry.key)?;
            }
        }
        self.records.remove_leftovers();
        Ok(())
    }
}

fn session_key(upload: &Upload) -> Digest {
    let name = format!(
        "session\0{}\0{}\0{}",
        upload.registry, upload.repository, upload.digest
    );
    Digest::of(name.as_bytes())
}

fn places_key(registry: &str, digest: &Digest) -> Digest {
    Digest::of(format!("places\0{registry}\0{digest}").as_bytes())
}

impl UploadJournal for Uploads {
    fn claim(
        &self,
        upload: &Upload,
        cancel: &CancelToken,
    ) -> Result<Box<dyn UploadClaim + '_>, JournalError> {
        let key = session_key(upload);
        let lock = self
            .records
            .lock(&key, cancel)
            .map_err(|error| failed(upload.digest, error))?;
        Ok(Box::new(Claim {
            records: &self.records,
            key,
            digest: upload.digest,
            _lock: lock,
        }))
    }

    fn note(&self, upload: &Upload) {
        let mut places = self.repositories_with(&upload.registry, &upload.digest);
        if places.first() == Some(&upload.repository) {
            return;
        }
        places.retain(|place| *place != upload.repository);
        places.insert(0, upload.repository.clone());
        places.truncate(PLACES_MAX);
        // A note that cannot be written costs an upload that a mount could have saved.
        let _ = self
            .records
            .put_hint(&places_key(&upload.registry, &upload.digest), &places);
    }

    fn repositories_with(&self, registry: &str, digest: &Digest) -> Vec<String> {
        self.records
            .get(&places_key(registry, digest))
            .unwrap_or_default()
    }
}

struct Claim<'a> {
    records: &'a Records,
    key: Digest,
    digest: Digest,
    _lock: RecordLock,
}

impl UploadClaim for Claim<'_> {
    fn session(&self) -> Option<UploadSession> {
        self.records.get(&self.key)
    }

    fn keep(&mut self, session: &UploadSession) -> Result<(), JournalError> {
        self.records
            .put_hint(&self.key, session)
            .map_err(|error| failed(self.digest, error))
    }

    fn forget(&mut self) -> Result<(), JournalError> {
        self.records
            .remove(&self.key)
            .map_err(|error| failed(self.digest, error))
    }
}

fn failed(digest: Digest, error: RecordError) -> JournalError {
    match error {
        RecordError::Cancelled(cancelled) => cancelled.into(),
        error @ RecordError::Disk { .. } => JournalError::Memory {
            digest,
            source: Box::new(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::Store;

    fn upload(repository: &str) -> Upload {
        Upload {
            registry: "registry.example".to_owned(),
            repository: repository.to_owned(),
            digest: Digest::of(b"blob"),
        }
    }

    #[test]
    fn a_session_is_known_to_the_next_process_until_it_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("store")).unwrap();
        let cancel = CancelToken::new();
        let session = UploadSession {
            location: "https://registry.example/upload?secret".to_owned(),
            offset: 7,
            chunk_min: 0,
        };
        {
            let uploads = store.uploads();
            let mut claim = uploads.claim(&upload("team/app"), &cancel).unwrap();
            assert_eq!(claim.session(), None);
            claim.keep(&session).unwrap();
        }
        let again = Store::open(store.root()).unwrap();
        let uploads = again.uploads();
        assert_eq!(
            uploads.claim(&upload("team/other"), &cancel).unwrap().session(),
            None
        );
        let mut claim = uploads.claim(&upload("team/app"), &cancel).unwrap();
        assert_eq!(claim.session(), Some(session));
        claim.forget().unwrap();
        assert_eq!(claim.session(), None);
        let mode = store
            .root()
            .join("uploads")
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_claim_keeps_others_away() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("store")).unwrap();
        let (uploads, cancel) = (store.uploads(), CancelToken::new());
        let claim = uploads.claim(&upload("team/app"), &cancel).unwrap();
        let impatient = CancelToken::new();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| uploads.claim(&upload("team/app"), &impatient).map(drop));
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!waiting.is_finished());
            impatient.cancel();
            assert!(matches!(waiting.join().unwrap(), Err(JournalError::Cancelled(_))));
        });
        drop(claim);
        uploads.claim(&upload("team/app"), &cancel).unwrap();
    }

    #[test]
    fn what_is_being_written_is_as_closed_as_what_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("store")).unwrap();
        let temporary = store.root().join("uploads/tmp");
        let mode = temporary.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        std::fs::write(temporary.join(".lrops-left"), "").unwrap();
        store.uploads().forget_before(Timestamp(0)).unwrap();
        assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    }

    #[test]
    fn what_was_not_used_for_long_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("store")).unwrap();
        let uploads = store.uploads();
        uploads.note(&upload("a"));
        let places = || uploads.repositories_with("registry.example", &Digest::of(b"blob"));
        uploads.forget_before(Timestamp(1_000)).unwrap();
        assert_eq!(places(), ["a"]);
        uploads.forget_before(Timestamp(i64::MAX)).unwrap();
        assert!(places().is_empty());
    }

    #[test]
    fn the_last_noted_repository_comes_first() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("store")).unwrap();
        let uploads = store.uploads();
        for name in ["a", "b", "a", "c", "c"] {
            uploads.note(&upload(name));
        }
        let digest = Digest::of(b"blob");
        assert_eq!(
            uploads.repositories_with("registry.example", &digest),
            ["c", "a", "b"]
        );
        assert!(uploads.repositories_with("other.example", &digest).is_empty());
        for number in 0..20 {
            uploads.note(&upload(&number.to_string()));
        }
        assert_eq!(
            uploads.repositories_with("registry.example", &digest).len(),
            PLACES_MAX
        );
    }
}
