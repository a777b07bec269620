//! Runs jobs as soon as what they wait for is done, several at a time.
//!
//! The first failure stops the rest: jobs that have not begun never begin, and those that run are asked to stop
//! through the token that they were given.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use lrops_model::cancel::CancelToken;

/// Jobs by name, each with the names of those it waits for.
pub(crate) struct Jobs<K> {
    waits_for: BTreeMap<K, Vec<K>>,
    order: Vec<K>,
}

impl<K: Ord + Clone> Jobs<K> {
    /// Starts without jobs.
    pub(crate) fn new() -> Self {
        Self {
            waits_for: BTreeMap::new(),
            order: Vec::new(),
        }
    }

    /// Adds a job. Among jobs that could run, the one added first runs first.
    pub(crate) fn add(&mut self, key: K, waits_for: Vec<K>) {
        if self.waits_for.insert(key.clone(), waits_for).is_none() {
            self.order.push(key);
        }
    }
}

/// Runs every job with `work`, at most `limit` at a time, and returns the first error.
///
/// `cancel` is asked between jobs; `work` must ask it within them. It is cancelled here when a job fails.
///
/// # Errors
/// The error of the first job that failed.
///
/// # Panics
/// When the jobs wait for each other in a circle, which a graph cannot.
pub(crate) fn run<K, E>(
    jobs: &Jobs<K>,
    limit: usize,
    cancel: &CancelToken,
    work: impl Fn(&K) -> Result<(), E> + Sync,
) -> Result<(), E>
where
    K: Ord + Clone + Send + Sync,
    E: Send,
{
    let shared = Shared {
        state: Mutex::new(State::new(jobs)),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 0..limit.clamp(1, jobs.order.len().max(1)) {
            scope.spawn(|| shared.work_through(cancel, &work));
        }
    });
    let mut state = shared.lock();
    assert!(
        state.failure.is_some() || cancel.is_cancelled() || state.waiting.is_empty(),
        "jobs wait for each other in a circle"
    );
    state.failure.take().map_or(Ok(()), Err)
}

struct Shared<K, E> {
    state: Mutex<State<K, E>>,
    changed: Condvar,
}

struct State<K, E> {
    /// Jobs that have not begun, in order, each with what it still waits for.
    waiting: Vec<(K, Vec<K>)>,
    running: usize,
    failure: Option<E>,
}

impl<K: Ord + Clone, E> State<K, E> {
    fn new(jobs: &Jobs<K>) -> Self {
        let waiting = jobs
            .order
            .iter()
            .map(|key| (key.clone(), jobs.waits_for[key].clone()))
            .collect();
        Self {
            waiting,
            running: 0,
            failure: None,
        }
    }

    fn take_ready(&mut self) -> Option<K> {
        let index = self
            .waiting
            .iter()
            .position(|(_, waits_for)| waits_for.is_empty())?;
        self.running += 1;
        Some(self.waiting.remove(index).0)
    }

    fn finish(&mut self, key: &K) {
        self.running -= 1;
        for (_, waits_for) in &mut self.waiting {
            waits_for.retain(|other| other != key);
        }
    }
}

impl<K: Ord + Clone, E> Shared<K, E> {
    fn lock(&self) -> MutexGuard<'_, State<K, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work_through(&self, cancel: &CancelToken, work: &(impl Fn(&K) -> Result<(), E> + Sync)) {
        while let Some(key) = self.next(cancel) {
            let result = work(&key);
            let mut state = self.lock();
            state.finish(&key);
            if let Err(error) = result {
                // The others fail because they are stopped; the cause is the first.
                state.failure.get_or_insert(error);
                cancel.cancel();
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Waits for a job that can run; `None` when there is nothing left to do.
    fn next(&self, cancel: &CancelToken) -> Option<K> {
        let mut state = self.lock();
        loop {
            if cancel.is_cancelled() || state.waiting.is_empty() {
                return None;
            }
            if let Some(key) = state.take_ready() {
                return Some(key);
            }
            if state.running == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diamond() -> Jobs<&'static str> {
        let mut jobs = Jobs::new();
        jobs.add("top", vec!["left", "right"]);
        jobs.add("left", vec!["bottom"]);
        jobs.add("right", vec!["bottom"]);
        jobs.add("bottom", vec![]);
        jobs
    }

    #[test]
    fn a_job_runs_after_all_that_it_waits_for() {
        for limit in [1, 2, 8] {
            let done = Mutex::new(Vec::new());
            run(&diamond(), limit, &CancelToken::new(), |key| {
                done.lock().unwrap().push(*key);
                Ok::<_, ()>(())
            })
            .unwrap();
            let done = done.into_inner().unwrap();
            assert_eq!((done.len(), done[0], done[3]), (4, "bottom", "top"), "{done:?}");
        }
    }

    #[test]
    fn two_jobs_that_do_not_wait_for_each_other_run_at_the_same_time() {
        let barrier = std::sync::Barrier::new(2);
        let mut jobs = Jobs::new();
        jobs.add(1, vec![]);
        jobs.add(2, vec![]);
        // With one worker the barrier would never open.
        run(&jobs, 2, &CancelToken::new(), |_| {
            barrier.wait();
            Ok::<_, ()>(())
        })
        .unwrap();
    }

    #[test]
    fn the_first_failure_stops_the_rest() {
        let done = Mutex::new(Vec::new());
        let cancel = CancelToken::new();
        let result = run(&diamond(), 1, &cancel, |key| {
            done.lock().unwrap().push(*key);
            if *key == "left" {
                Err("left failed")
            } else {
                Ok(())
            }
        });
        assert_eq!(result, Err("left failed"));
        assert_eq!(*done.lock().unwrap(), ["bottom", "left"]);
        assert!(cancel.is_cancelled());
    }

    #[test]
    fn nothing_begins_after_cancellation() {
        let cancel = CancelToken::new();
        cancel.cancel();
        run(&diamond(), 2, &cancel, |_| Err("must not run")).unwrap();
    }
}
