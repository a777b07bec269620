//! Retries: the waits of the HTTP client's settings, and what a registry itself asks for.

use std::sync::Arc;
use std::time::Duration;

use lrops_model::cancel::CancelToken;

use super::client::Registry;
use super::error::RegistryProblem;
use super::repository::Repository;
use crate::http::{HttpProblem, TooLong, is_passing, pause, wait_for};

/// How often something was tried, and how long to wait before the next time.
pub(crate) struct Attempts {
    waits: Vec<Duration>,
    next: usize,
    made: usize,
    /// Whether a place that asks for a longer wait is not worth it.
    is_hurried: bool,
    cancel: CancelToken,
    /// Who is told of retries that have no teller of their own.
    on_retry: Option<OnRetry>,
    place: String,
}

/// Takes the retries at a place, from several threads.
pub type OnRetry = Arc<dyn Fn(&str, &Retry<'_>) + Send + Sync>;

/// Longer than a hiccup, and not worth a thought beside a pull.
const MIRROR_RETRY_WAIT_MAX: Duration = Duration::from_millis(500);

/// Another attempt that is about to be made.
#[derive(Debug)]
pub struct Retry<'a> {
    /// Why the last one failed.
    pub problem: &'a RegistryProblem,
    /// How long is waited before.
    pub wait: Duration,
    /// Which retry it is, from 1 on; progress starts the count anew.
    pub number: usize,
    /// How many there are.
    pub limit: usize,
}

/// Why an attempt ended early.
pub(crate) enum Interruption {
    Final(RegistryProblem),
    Transient {
        problem: RegistryProblem,
        retry_after: Option<Duration>,
    },
}

impl Attempts {
    /// Returns the attempts at a place that people call so.
    pub(crate) fn new(registry: &Registry, place: String, cancel: &CancelToken) -> Self {
        Self {
            waits: registry.client().settings().retry_waits.clone(),
            next: 0,
            made: 0,
            is_hurried: false,
            cancel: cancel.clone(),
            on_retry: registry.on_retry().cloned(),
            place,
        }
    }

    /// Returns the attempts that a repository is worth: a mirror's one quick retry, since there are others.
    pub(crate) fn at(repository: &Repository, cancel: &CancelToken) -> Self {
        let mut attempts = Self::new(repository.registry(), repository.place(), cancel);
        if repository.mirror().is_some() {
            attempts.waits.truncate(1);
            for wait in &mut attempts.waits {
                *wait = (*wait).min(MIRROR_RETRY_WAIT_MAX);
            }
            attempts.is_hurried = true;
        }
        attempts
    }

    /// Does something until it succeeds, retries are used up, or cannot help.
    pub(crate) fn persist<T>(
        &mut self,
        work: impl FnMut() -> Result<T, Interruption>,
    ) -> Result<T, RegistryProblem> {
        let tell = self.observer();
        self.persist_telling(&tell, work)
    }

    /// The same, and tells of retries to someone else than whoever observes the registry.
    pub(crate) fn persist_telling<T>(
        &mut self,
        tell: &dyn Fn(&Retry<'_>),
        mut work: impl FnMut() -> Result<T, Interruption>,
    ) -> Result<T, RegistryProblem> {
        loop {
            match work() {
                Ok(value) => return Ok(value),
                Err(interruption) => self.wait_after_telling(interruption, tell)?,
            }
        }
    }

    /// Waits until it is time to try again; gives the problem back when trying again cannot help.
    pub(crate) fn wait_after(&mut self, interruption: Interruption) -> Result<(), RegistryProblem> {
        let tell = self.observer();
        self.wait_after_telling(interruption, &tell)
    }

    fn observer(&self) -> impl Fn(&Retry<'_>) + use<> {
        let (on_retry, place) = (self.on_retry.clone(), self.place.clone());
        move |retry| {
            if let Some(on_retry) = &on_retry {
                on_retry(&place, retry);
            }
        }
    }

    /// As [`Attempts::wait_after`], and tells of the retry to someone else.
    pub(crate) fn wait_after_telling(
        &mut self,
        interruption: Interruption,
        tell: &dyn Fn(&Retry<'_>),
    ) -> Result<(), RegistryProblem> {
        self.made += 1;
        let (problem, retry_after) = match interruption {
            Interruption::Final(problem) => return Err(problem),
            Interruption::Transient { problem, retry_after } => (problem, retry_after),
        };
        let Some(planned) = self.waits.get(self.next) else {
            return Err(problem);
        };
        if self.is_hurried && retry_after.is_some_and(|asked| asked > MIRROR_RETRY_WAIT_MAX) {
            return Err(problem);
        }
        let wait = match wait_for(*planned, retry_after) {
            Ok(wait) => wait,
            Err(TooLong(wait)) => {
                let source = Box::new(problem);
                return Err(RegistryProblem::AskedToWait { wait, source });
            }
        };
        self.next += 1;
        tell(&Retry {
            problem: &problem,
            wait,
            number: self.next,
            limit: self.waits.len(),
        });
        pause(wait, &self.cancel).map_err(|cancelled| HttpProblem::from(cancelled).into())
    }

    /// Allows as many retries as at the beginning.
    pub(crate) fn renew(&mut self) {
        self.next = 0;
    }

    pub(crate) fn made(&self) -> usize {
        self.made
    }
}

impl Interruption {
    /// Returns the interruption by an answer that is no success.
    pub(crate) fn of_status(status: u16, retry_after: Option<Duration>, problem: RegistryProblem) -> Self {
        if is_passing(status) {
            Self::Transient { problem, retry_after }
        } else {
            Self::Final(problem)
        }
    }

    /// Returns the interruption by a problem that may be gone at the next attempt.
    pub(crate) fn passing(problem: RegistryProblem) -> Self {
        Self::Transient {
            problem,
            retry_after: None,
        }
    }
}

impl From<RegistryProblem> for Interruption {
    fn from(problem: RegistryProblem) -> Self {
        match problem {
            RegistryProblem::Http(HttpProblem::Connection(_)) => Self::passing(problem),
            other => Self::Final(other),
        }
    }
}

impl From<HttpProblem> for Interruption {
    fn from(problem: HttpProblem) -> Self {
        RegistryProblem::from(problem).into()
    }
}
