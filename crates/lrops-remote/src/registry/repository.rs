//! One repository of one registry: a question goes there with whatever authorization it wants.

use std::time::Duration;

use lrops_model::cancel::CancelToken;
use lrops_model::reference::Reference;
use serde::Deserialize;

use super::attempts::Interruption;
use super::authorization::Scope;
use super::challenge::challenges;
use super::client::Registry;
use super::endpoint::Endpoint;
use super::error::{Offered, RegistryProblem};
use super::keychain::Credentials;
use crate::http::{Address, Answer, Exchange, HttpProblem, Method, RequestBody, Scheme, retry_after};

/// The repository that a reference names.
#[derive(Clone)]
pub(crate) struct Repository {
    registry: Registry,
    reference: Reference,
    endpoint: Endpoint,
    /// The mirror that this is, as the user wrote it.
    mirror: Option<String>,
}

/// What is asked below `/v2/<name>/`.
pub(crate) struct Question<'a> {
    pub(crate) method: Method,
    pub(crate) tail: &'a str,
    pub(crate) headers: &'a [(&'static str, String)],
}

impl Repository {
    pub(crate) fn new(registry: &Registry, reference: &Reference) -> Self {
        Self {
            registry: registry.clone(),
            reference: reference.clone(),
            endpoint: registry.endpoint(reference.registry()),
            mirror: None,
        }
    }

    /// Returns the repository of a mirror.
    pub(crate) fn at(registry: &Registry, reference: &Reference, endpoint: Endpoint, mirror: String) -> Self {
        Self {
            registry: registry.clone(),
            reference: reference.clone(),
            endpoint,
            mirror: Some(mirror),
        }
    }

    /// Returns the mirror that this is, if it is one.
    pub(crate) fn mirror(&self) -> Option<&str> {
        self.mirror.as_deref()
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Returns the scheme in which the registry is spoken to.
    pub(crate) fn scheme(&self) -> Scheme {
        self.endpoint.scheme()
    }

    /// Returns registry and repository, for people.
    pub(crate) fn place(&self) -> String {
        format!("{}/{}", self.reference.registry(), self.reference.repository())
    }

    /// Asks once and returns a successful answer; authorization that is missing or ran out is renewed on the way.
    pub(crate) fn ask(&self, question: &Question<'_>, cancel: &CancelToken) -> Result<Answer, Interruption> {
        cancel.check().map_err(HttpProblem::from)?;
        let url = self.endpoint.url(self.reference.repository(), question.tail);
        let address = Address::parse(&url).map_err(HttpProblem::Address)?;
        let scope = Scope::pull(&self.reference);
        let authorizations = self.registry.authorizations();
        let usual = authorizations.current(&scope, self, cancel)?;
        let answer = self.exchange(question, &address, usual.as_deref())?;
        // Another host that the registry redirects to has no claim on the registry's credentials.
        if answer.status() != 401 || answer.redirected_to.is_some() {
            return self.judge(answer);
        }
        let challenges = challenges(answer.headers());
        // Reading the refusal to its end keeps the connection for the next request.
        let refusal = refusal(answer);
        let renewed = authorizations.renew(&scope, self, &challenges, usual.as_deref(), cancel)?;
        let Some(renewed) = renewed else {
            return Err(RegistryProblem::Unauthorized {
                detail: refusal,
                offered: self.offered(),
            }
            .into());
        };
        self.judge(self.exchange(question, &address, Some(&renewed))?)
    }

    fn exchange(
        &self,
        question: &Question<'_>,
        address: &Address,
        authorization: Option<&str>,
    ) -> Result<Answer, HttpProblem> {
        let Question { method, headers, .. } = *question;
        self.registry.client().exchange(&Exchange {
            method,
            address,
            headers,
            authorization,
            body: RequestBody::None,
            extra_patience: Duration::ZERO,
        })
    }

    /// Returns what the keychain has for this repository.
    pub(crate) fn credentials(&self, cancel: &CancelToken) -> Result<Credentials, Interruption> {
        let keychain = &self.registry.settings().keychain;
        let found = keychain.credentials(&self.reference, cancel);
        Ok(found.map_err(RegistryProblem::from)?)
    }

    /// Returns what the registry was shown, without the secret.
    pub(crate) fn offered(&self) -> Offered {
        // Whoever is here was refused after the keychain was asked, which remembers what it said.
        match self.credentials(&CancelToken::new()) {
            Ok(credentials) => credentials.offered(),
            Err(_) => Offered::Nothing,
        }
    }

    fn judge(&self, answer: Answer) -> Result<Answer, Interruption> {
        let status = answer.status();
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let wait = retry_after(answer.headers());
        let problem = match answer.redirected_to.as_ref() {
            Some(address) => RegistryProblem::Redirected {
                host: address.host().to_owned(),
                status,
            },
            None => self.problem(status, refusal(answer)),
        };
        Err(match status {
            408 | 416 | 429 | 500..=599 => Interruption::Transient {
                problem,
                retry_after: wait,
            },
            _ => Interruption::Final(problem),
        })
    }

    fn problem(&self, status: u16, detail: Option<String>) -> RegistryProblem {
        match status {
            401 => RegistryProblem::Unauthorized {
                detail,
                offered: self.offered(),
            },
            403 => RegistryProblem::Denied {
                detail,
                offered: self.offered(),
            },
            404 => RegistryProblem::NotFound { detail },
            429 => RegistryProblem::TooManyRequests { detail },
            _ => RegistryProblem::Status { status, detail },
        }
    }
}

/// More of an error's body is not looked at.
const REFUSAL_SIZE_BYTES_MAX: u64 = 64 * 1024;
const REFUSAL_SHOWN_CHARACTERS_MAX: usize = 200;

/// Returns the first message in an error's body (distribution spec, "Error Codes"), fit for a terminal.
pub(crate) fn refusal(answer: Answer) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        errors: Vec<Reason>,
    }
    #[derive(Deserialize)]
    struct Reason {
        code: String,
        #[serde(default)]
        message: String,
    }
    let bytes = answer.into_bytes(REFUSAL_SIZE_BYTES_MAX).ok()?;
    let refusal: Refusal = serde_json::from_slice(&bytes).ok()?;
    let reason = refusal.errors.into_iter().next()?;
    let text = if reason.message.is_empty() {
        reason.code
    } else {
        reason.message
    };
    let shown = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character });
    Some(shown.take(REFUSAL_SHOWN_CHARACTERS_MAX).collect())
}
