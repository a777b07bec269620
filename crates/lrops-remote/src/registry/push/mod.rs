//! Pushing: blobs first, in any order and several at a time; then documents, children before what names them; tags last.
//!
//! Rules: OCI distribution spec 1.1, "Push". Invariants: a blob that is there is not sent · a document goes only when all
//! that it names is there, and is read back · what a registry says is compared with what was promised · a push that ended
//! early is continued by the same push.

mod error;
mod event;
mod habits;
mod session;
mod tag;
mod upload;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lrops_model::blob::{BlobSource, DOCUMENT_SIZE_BYTES_MAX};
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::image::ImageNode;
use lrops_model::oci::Descriptor;
use lrops_model::reference::Reference;
use lrops_model::upload::UploadJournal;

use super::attempts::{Interruption, Retry};
use super::client::Registry;
use super::document;
use super::error::{RegistryError, RegistryProblem, Task};
use super::image::place;
use super::repository::{Question, Repository};
use crate::http::{Method, RequestBody};

pub use error::PushError;
pub use event::{PushEvent, PushStep};
pub use tag::{TagExpectation, TagOutcome};

use habits::{GivingUp, Habits};
use session::Session;
use upload::{BlobUpload, compare};

/// How a push behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushSettings {
    /// How many blobs are sent at a time.
    pub parallel: usize,
    /// How many bytes one request carries at most; after a cut no more is sent again. A registry that wants larger chunks
    /// gets them.
    pub chunk_size: u64,
}

impl PushSettings {
    /// Fits most registries and networks: large chunks cost few round trips, and some registries take no larger ones.
    pub const USUAL: Self = Self {
        parallel: 4,
        chunk_size: 16 * 1024 * 1024,
    };
}

/// Takes the events of a push, from several threads.
pub type OnPushEvent<'a> = &'a (dyn Fn(&PushEvent<'_>) + Send + Sync);

/// A push into one repository, to be shared by threads.
pub struct Push<'a> {
    repository: Repository,
    settings: PushSettings,
    journal: &'a dyn UploadJournal,
    cancel: CancelToken,
    on_event: OnPushEvent<'a>,
    /// What this push knows to be there.
    there: Mutex<BTreeSet<Digest>>,
    habits: Mutex<Habits>,
}

/// How a blob came to be in the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobOutcome {
    /// It was there.
    There,
    /// The registry took it from another of its repositories.
    Mounted {
        /// The other repository.
        from: String,
    },
    /// It was sent.
    Taken {
        /// How many bytes were handed to the network, those sent again counted again.
        sent: u64,
    },
}

impl Registry {
    /// Returns a push into the repository of a reference, until `cancel`.
    pub fn push<'a>(
        &self,
        repository: &Reference,
        settings: PushSettings,
        journal: &'a dyn UploadJournal,
        cancel: &CancelToken,
        on_event: OnPushEvent<'a>,
    ) -> Push<'a> {
        Push {
            repository: Repository::new(self, repository),
            settings,
            journal,
            cancel: cancel.clone(),
            on_event,
            there: Mutex::default(),
            habits: Mutex::new(Habits::UNKNOWN),
        }
    }
}

impl Push<'_> {
    /// Finds out whether pushing is allowed, by opening an upload and giving it up again.
    ///
    /// # Errors
    /// When the registry refuses, or cannot be reached.
    pub fn check_rights(&self) -> Result<(), RegistryError> {
        let tail = "blobs/uploads/";
        self.repository.persist(Task::CheckRights, &self.cancel, || {
            let answer = self
                .repository
                .ask(&Question::of(Method::Post, tail), &self.cancel)?;
            let asked = self.repository.address(tail)?;
            let session = Session::opened(&asked, answer.headers())?;
            self.give_up(&session, &self.cancel);
            Ok(())
        })
    }

    /// Tells the registry that a session is not needed any more. One that is not told is none the worse for it: it tidies up
    /// after a while.
    fn give_up(&self, session: &Session, cancel: &CancelToken) {
        if self.habits().giving_up == GivingUp::Refused {
            return;
        }
        let question = Question::at(Method::Delete, &session.location)
            .in_a_push()
            .with_known_authorization();
        let Err(Interruption::Final(problem)) = self.repository.ask(&question, cancel) else {
            return;
        };
        // The session itself may be gone; any other refusal comes again at the next one.
        if problem
            .status()
            .is_some_and(|status| ![404, 410].contains(&status))
        {
            self.learn_giving_up(GivingUp::Refused);
        }
    }

    /// Makes sure that the registry has a blob, reading from `source` only what it lacks.
    ///
    /// # Errors
    /// When retries did not help, or cannot; what arrived is remembered, and the next push goes on there.
    pub fn blob(&self, source: &dyn BlobSource, descriptor: &Descriptor) -> Result<BlobOutcome, PushError> {
        self.blob_until(source, descriptor, &self.cancel)
    }

    fn blob_until(
        &self,
        source: &dyn BlobSource,
        descriptor: &Descriptor,
        cancel: &CancelToken,
    ) -> Result<BlobOutcome, PushError> {
        if self.there().contains(&descriptor.digest) {
            return Ok(BlobOutcome::There);
        }
        let upload = BlobUpload::new(self, source, descriptor, cancel)?;
        // Another thread may have sent it while this one waited for its turn.
        if self.there().contains(&descriptor.digest) {
            return Ok(BlobOutcome::There);
        }
        let outcome = upload.run()?;
        let step = match &outcome {
            BlobOutcome::There => PushStep::There,
            BlobOutcome::Mounted { from } => PushStep::Mounted { from },
            BlobOutcome::Taken { sent } => PushStep::Taken { sent: *sent },
        };
        self.tell(descriptor, step);
        Ok(outcome)
    }

    /// Makes sure that the registry has blobs, several at a time, the largest first. The first failure stops the rest.
    ///
    /// # Errors
    /// As [`Push::blob`].
    pub fn blobs(&self, source: &dyn BlobSource, descriptors: &[&Descriptor]) -> Result<(), PushError> {
        let mut queue: Vec<&Descriptor> = descriptors.to_vec();
        queue.sort_by_key(|descriptor| std::cmp::Reverse(descriptor.size));
        let workers = self.settings.parallel.clamp(1, queue.len().max(1));
        let queue = Mutex::new(VecDeque::from(queue));
        let failure: Mutex<Option<PushError>> = Mutex::default();
        let cancel = self.cancel.child();
        let work = || {
            while !cancel.is_cancelled() {
                let Some(descriptor) = locked(&queue).pop_front() else {
                    break;
                };
                if let Err(error) = self.blob_until(source, descriptor, &cancel) {
                    // The others fail because they are stopped; the cause is the first.
                    locked(&failure).get_or_insert(error);
                    cancel.cancel();
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(work);
            }
        });
        self.cancel.check()?;
        failure
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .map_or(Ok(()), Err)
    }

    /// Makes sure that the registry has all documents of an image, whose blobs are there: children before what names
    /// them, each under its digest, each read back.
    ///
    /// # Errors
    /// When the registry refuses one, or gives back another one.
    pub fn documents(&self, tree: &ImageNode) -> Result<(), PushError> {
        for part in tree.parts() {
            if let Some(bytes) = part.bytes {
                self.document(part.descriptor, bytes)?;
            }
        }
        Ok(())
    }

    fn document(&self, descriptor: &Descriptor, bytes: &[u8]) -> Result<(), PushError> {
        if self.there().contains(&descriptor.digest) {
            return Ok(());
        }
        let tail = format!("manifests/{}", descriptor.digest);
        let was_there = self.persist(descriptor, Task::Look, || self.has(descriptor, &self.cancel))?;
        if !was_there {
            self.persist(descriptor, Task::Publish, || self.put(&tail, descriptor, bytes))?;
        }
        self.persist(descriptor, Task::Read, || self.read_back(&tail, bytes))?;
        self.there().insert(descriptor.digest);
        let step = if was_there {
            PushStep::There
        } else {
            PushStep::Taken {
                sent: bytes.len() as u64,
            }
        };
        self.tell(descriptor, step);
        Ok(())
    }

    fn put(&self, tail: &str, descriptor: &Descriptor, bytes: &[u8]) -> Result<(), Interruption> {
        let question = Question::of(Method::Put, tail)
            .header("Content-Type", descriptor.media_type.to_string())
            .body(RequestBody::Bytes(bytes));
        let answer = self.repository.ask(&question, &self.cancel)?;
        compare(answer.header("docker-content-digest"), descriptor.digest)
    }

    fn read_back(&self, tail: &str, expected: &[u8]) -> Result<(), Interruption> {
        let question = Question::of(Method::Get, tail)
            .headers(&[document::accept()])
            .in_a_push();
        let answer = self.repository.ask(&question, &self.cancel);
        let bytes = answer
            .map_err(not_seen_yet)?
            .into_bytes(DOCUMENT_SIZE_BYTES_MAX)?;
        if bytes == expected {
            return Ok(());
        }
        Err(RegistryProblem::WrongDigest {
            expected: Digest::of(expected),
            found: Digest::of(&bytes),
        }
        .into())
    }

    /// Returns whether the registry has a blob or a document.
    fn has(&self, descriptor: &Descriptor, cancel: &CancelToken) -> Result<bool, Interruption> {
        let (tail, headers) = place(descriptor);
        let question = Question::of(Method::Head, &tail).headers(&headers).in_a_push();
        match self.repository.ask(&question, cancel) {
            Ok(_) => Ok(true),
            Err(Interruption::Final(RegistryProblem::NotFound { .. })) => Ok(false),
            Err(interruption) => Err(interruption),
        }
    }

    /// Returns the repositories of the registry that may have a blob, without this one.
    fn sources_of(&self, digest: Digest) -> Vec<String> {
        let reference = self.repository.reference();
        let mut sources = self.journal.repositories_with(reference.registry(), &digest);
        sources.retain(|source| source != reference.repository());
        sources
    }

    fn persist<T>(
        &self,
        descriptor: &Descriptor,
        task: Task,
        work: impl FnMut() -> Result<T, Interruption>,
    ) -> Result<T, PushError> {
        let tell = |retry: &Retry<'_>| self.tell(descriptor, PushStep::Retrying(retry));
        Ok(self.repository.persist_telling(task, &self.cancel, &tell, work)?)
    }

    fn tell(&self, descriptor: &Descriptor, what: PushStep<'_>) {
        (self.on_event)(&PushEvent {
            repository: self.repository.reference(),
            descriptor,
            what,
        });
    }

    fn there(&self) -> MutexGuard<'_, BTreeSet<Digest>> {
        locked(&self.there)
    }
}

/// A registry of several machines may not know everywhere at once what it has just taken.
fn not_seen_yet(interruption: Interruption) -> Interruption {
    match interruption {
        Interruption::Final(problem @ RegistryProblem::NotFound { .. }) => Interruption::passing(problem),
        other => other,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
