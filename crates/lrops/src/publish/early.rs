//! Sends blobs while the build that makes them still runs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use lrops_model::blob::BlobSource;
use lrops_model::digest::Digest;
use lrops_model::oci::Descriptor;

use super::Publication;

/// Threads that send what they are given, until something fails.
///
/// What fails here is not lost: the publication sends it again when the build has ended, and says then what is wrong. Till
/// then nothing else is tried, for a registry that is ill would cost every layer its retries.
pub(crate) struct EarlyPush<'scope> {
    sender: Mutex<Option<Sender<Descriptor>>>,
    given: Mutex<BTreeSet<Digest>>,
    threads: Vec<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope> EarlyPush<'scope> {
    /// Starts so many threads, which read blobs from `source`.
    pub(crate) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        publication: &'scope Publication<'scope>,
        source: &'scope dyn BlobSource,
        threads: usize,
    ) -> Self {
        let (sender, receiver) = channel();
        let failed = std::sync::Arc::new(AtomicBool::new(false));
        let receiver = std::sync::Arc::new(Mutex::new(receiver));
        let threads = (0..threads.max(1))
            .map(|_| {
                let (receiver, failed) = (std::sync::Arc::clone(&receiver), std::sync::Arc::clone(&failed));
                scope.spawn(move || {
                    while let Some(descriptor) = next(&receiver) {
                        if failed.load(Ordering::Relaxed) {
                            continue;
                        }
                        if publication.blob(source, &descriptor).is_err() {
                            failed.store(true, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        Self {
            sender: Mutex::new(Some(sender)),
            given: Mutex::default(),
            threads,
        }
    }

    /// Takes a blob that is in the source now.
    pub(crate) fn give(&self, descriptor: &Descriptor) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if !given.insert(descriptor.digest) {
            return;
        }
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = sender.as_ref() {
            // Nobody listens only when all threads have panicked, and joining them says so.
            let _ = sender.send(descriptor.clone());
        }
    }

    /// Waits until all that was given was sent, or has failed.
    pub(crate) fn finish(self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        for thread in self.threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

fn next(receiver: &Mutex<Receiver<Descriptor>>) -> Option<Descriptor> {
    receiver
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv()
        .ok()
}
