//! Retries: the waits of the HTTP client's settings, and what a registry itself asks for.

use std::time::Duration;

use lrops_model::cancel::CancelToken;

use super::error::RegistryProblem;
use super::repository::Repository;
use crate::http::{HttpClient, HttpProblem, TooLong, pause, wait_for};

/// How often something was tried, and how long to wait before the next time.
pub(crate) struct Attempts {
    waits: Vec<Duration>,
    next: usize,
    made: usize,
    /// Whether a place that asks for a longer wait is not worth it.
    is_hurried: bool,
    cancel: CancelToken,
}

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
    pub(crate) fn new(client: &HttpClient, cancel: &CancelToken) -> Self {
        Self {
            waits: client.settings().retry_waits.clone(),
            next: 0,
            made: 0,
            is_hurried: false,
            cancel: cancel.clone(),
        }
    }

    /// Returns the attempts that a place is worth: a mirror one quick retry, since there are others.
    pub(crate) fn at(repository: &Repository, cancel: &CancelToken) -> Self {
        let mut attempts = Self::new(repository.registry().client(), cancel);
        if repository.mirror().is_some() {
            attempts.waits.truncate(1);
            for wait in &mut attempts.waits {
                *wait = (*wait).min(MIRROR_RETRY_WAIT_MAX);
            }
            attempts.is_hurried = true;
        }
        attempts
    }

    /// Waits until it is time to try again; gives the problem back when trying again cannot help.
    pub(crate) fn wait_after(&mut self, interruption: Interruption) -> Result<(), RegistryProblem> {
        self.wait_after_telling(interruption, &|_| {})
    }

    /// As [`Attempts::wait_after`], and tells of the retry before the wait.
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
