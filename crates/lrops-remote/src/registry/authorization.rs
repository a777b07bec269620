//! What is shown to registries: kept a scope, and renewed when it runs out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use lrops_model::cancel::CancelToken;
use lrops_model::reference::Reference;

use super::attempts::Interruption;
use super::challenge::Challenge;
use super::keychain::Credentials;
use super::repository::Repository;
use super::token;
use crate::http::base64;

/// What an authorization is good for: one repository of one registry, what is done there, and what is read beside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope {
    registry: String,
    repository: String,
    access: Access,
    /// Repositories that blobs are mounted from.
    sources: Vec<String>,
}

/// What is done in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    Pull,
    Push,
    Delete,
}

impl Access {
    /// Returns the actions as token services know them.
    fn actions(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            // Whoever pushes also asks what is there.
            Self::Push => "pull,push",
            Self::Delete => "pull,delete",
        }
    }
}

impl Scope {
    pub(crate) fn new(reference: &Reference, access: Access, sources: &[String]) -> Self {
        Self {
            registry: reference.registry().to_owned(),
            repository: reference.repository().to_owned(),
            access,
            sources: sources.to_vec(),
        }
    }

    /// Returns the scope as token services write it: one text a repository.
    pub(crate) fn texts(&self) -> Vec<String> {
        let own = format!("repository:{}:{}", self.repository, self.access.actions());
        let sources = self.sources.iter();
        std::iter::once(own)
            .chain(sources.map(|source| format!("repository:{source}:{}", Access::Pull.actions())))
            .collect()
    }
}

/// The authorizations of all scopes. Threads that need the same one wait for the first to get it.
#[derive(Default)]
pub(crate) struct Authorizations {
    slots: Mutex<BTreeMap<Scope, Arc<Mutex<Slot>>>>,
}

#[derive(Default)]
struct Slot {
    /// What the registry asked for the last time, so that a renewal needs no refusal first.
    challenge: Option<Challenge>,
    authorization: Option<Authorization>,
}

/// The value of an `Authorization` header.
pub(crate) struct Authorization {
    pub(crate) value: String,
    pub(crate) expiry: Option<Instant>,
}

impl Slot {
    fn valid(&self) -> Option<&str> {
        let authorization = self.authorization.as_ref()?;
        let expired = authorization
            .expiry
            .is_some_and(|expiry| Instant::now() >= expiry);
        (!expired).then_some(authorization.value.as_str())
    }

    fn obtain(
        &mut self,
        challenge: &Challenge,
        scope: &Scope,
        repository: &Repository,
        cancel: &CancelToken,
    ) -> Result<Option<String>, Interruption> {
        self.authorization = match challenge {
            Challenge::Bearer { .. } => Some(token::fetch(challenge, scope, repository, cancel)?),
            Challenge::Basic => basic(repository, cancel)?,
        };
        self.challenge = Some(challenge.clone());
        Ok(self
            .authorization
            .as_ref()
            .map(|authorization| authorization.value.clone()))
    }
}

impl Authorizations {
    /// Returns what to show at first: nothing, when the registry never asked.
    pub(crate) fn current(
        &self,
        scope: &Scope,
        repository: &Repository,
        cancel: &CancelToken,
    ) -> Result<Option<String>, Interruption> {
        let slot = self.slot(scope);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = slot.valid() {
            return Ok(Some(value.to_owned()));
        }
        match slot.challenge.clone() {
            Some(challenge) => slot.obtain(&challenge, scope, repository, cancel),
            None => Ok(None),
        }
    }

    /// Returns what to show after a refusal; nothing, when there is nothing better than what was refused.
    pub(crate) fn renew(
        &self,
        scope: &Scope,
        repository: &Repository,
        challenges: &[Challenge],
        refused: Option<&str>,
        cancel: &CancelToken,
    ) -> Result<Option<String>, Interruption> {
        let slot = self.slot(scope);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have got a new one meanwhile.
        if let Some(value) = slot.valid().filter(|value| Some(*value) != refused) {
            return Ok(Some(value.to_owned()));
        }
        // A token says less about the user than the password does.
        let bearer = challenges
            .iter()
            .find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
        let Some(challenge) = bearer.or(challenges.first()) else {
            return Ok(None);
        };
        let value = slot.obtain(challenge, scope, repository, cancel)?;
        Ok(value.filter(|value| Some(value.as_str()) != refused))
    }

    fn slot(&self, scope: &Scope) -> Arc<Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(scope.clone()).or_default().clone()
    }
}

/// Returns what answers a challenge for user and password.
fn basic(repository: &Repository, cancel: &CancelToken) -> Result<Option<Authorization>, Interruption> {
    let value = match repository.credentials(cancel)? {
        // A registry that wants a password in general may still know the token that was made for it.
        Credentials::RegistryToken(token) => Some(format!("Bearer {token}")),
        other => other.basic().map(|secret| basic_value(&secret)),
    };
    Ok(value.map(|value| Authorization { value, expiry: None }))
}

/// Returns the header's value for `user:password`.
pub(crate) fn basic_value(secret: &str) -> String {
    format!("Basic {}", base64(secret.as_bytes()))
}
