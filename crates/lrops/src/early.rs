//! Work on layers while the build that makes them still runs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use lrops_model::digest::Digest;
use lrops_model::oci::Descriptor;

/// Threads that do one thing with every layer that they are given, until something fails.
///
/// What fails here is not lost: whoever comes after the build does it again, and says then what is wrong. Till then nothing
/// else is tried, for a registry that is ill would cost every layer its retries.
pub(crate) struct EarlyWork<'scope> {
    sender: Mutex<Option<Sender<Descriptor>>>,
    given: Mutex<BTreeSet<Digest>>,
    threads: Vec<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope> EarlyWork<'scope> {
    /// Starts so many threads; `work` returns whether it succeeded.
    pub(crate) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        threads: usize,
        work: impl Fn(&Descriptor) -> bool + Clone + Send + 'scope,
    ) -> Self {
        let (sender, receiver) = channel();
        let failed = Arc::new(AtomicBool::new(false));
        let receiver = Arc::new(Mutex::new(receiver));
        let threads = (0..threads.max(1))
            .map(|_| {
                let (receiver, failed, work) = (Arc::clone(&receiver), Arc::clone(&failed), work.clone());
                scope.spawn(move || {
                    while let Some(descriptor) = next(&receiver) {
                        if !failed.load(Ordering::Relaxed) && !work(&descriptor) {
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

    /// Takes a layer that is in the store now.
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

    /// Waits until all that was given is done, or has failed.
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
