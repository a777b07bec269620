//! Whether a registry accepts a login.

use std::time::Duration;

use lrops_model::cancel::CancelToken;
use lrops_model::reference::Reference;

use super::attempts::{Attempts, Interruption};
use super::authorization::basic_value;
use super::challenge::{Challenge, challenges};
use super::client::Registry;
use super::endpoint::Endpoint;
use super::error::{RegistryProblem, advice_on_trust};
use super::keychain::Credentials;
use super::mirror::Mirror;
use super::repository::{Repository, refusal};
use super::token::TokenRequest;
use crate::http::{Address, Answer, Exchange, HttpError, HttpProblem, Method, RequestBody, retry_after};

/// A login that was not accepted, or could not be tried.
#[derive(Debug, thiserror::Error)]
#[error("failed to log in to {registry}")]
pub struct LoginError {
    /// The registry.
    pub registry: String,
    /// What went wrong.
    #[source]
    pub problem: RegistryProblem,
}

impl LoginError {
    /// Returns whether the registry refused the credentials.
    pub fn is_refused(&self) -> bool {
        self.problem.is_refused()
    }

    /// Returns whether the work was stopped on request.
    pub fn is_cancelled(&self) -> bool {
        self.problem.is_cancelled()
    }

    /// Returns what the user can do about it.
    pub fn advice(&self) -> Option<String> {
        match &self.problem {
            problem if problem.is_refused() => Some(
                "check user and password; many registries want a token in the password's place".to_owned(),
            ),
            RegistryProblem::NotFound { .. } => Some(format!(
                "check the name: {} does not speak the protocol of registries",
                self.registry
            )),
            RegistryProblem::Http(HttpProblem::Connection(_)) => Some(
                "check the registry's name, the network, and the proxy settings (http_proxy, https_proxy, no_proxy); a \
                 registry that speaks plain http must be named with --insecure-registry"
                    .to_owned(),
            ),
            RegistryProblem::Http(problem) => {
                advice_on_trust(problem, &self.registry).or(HttpError::advice_on(problem).map(str::to_owned))
            }
            _ => None,
        }
    }
}

/// Whether a registry asked who comes.
#[derive(Clone, Copy)]
enum Entrance {
    Open,
    Asked,
}

/// How a registry receives who comes with what the keychain has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// It asks nobody for credentials.
    Open,
    /// It accepts the credentials that there are.
    Accepted,
    /// There are no credentials for it, and it lets in who has none: to read, as a rule.
    Anonymous,
}

impl Registry {
    /// Asks a repository's registry whether it answers, and whether it accepts what the keychain has for the repository.
    /// Nothing is changed there.
    ///
    /// # Errors
    /// When it refuses, and when it cannot be asked.
    pub fn greet(&self, repository: &Reference, cancel: &CancelToken) -> Result<Reception, LoginError> {
        self.greet_at(&Repository::new(self, repository), cancel)
    }

    /// Asks a mirror the same, with the keychain's credentials for the mirror.
    ///
    /// # Errors
    /// As [`Registry::greet`].
    pub fn greet_mirror(&self, mirror: &Mirror, cancel: &CancelToken) -> Result<Reception, LoginError> {
        let any: Reference = "x".parse().expect("a name is a reference");
        let repository = self.mirrored(mirror, &any);
        let repository = repository.expect("a mirror is read only when it has a place for a short name");
        self.greet_at(&repository, cancel)
    }

    fn greet_at(&self, repository: &Repository, cancel: &CancelToken) -> Result<Reception, LoginError> {
        let registry = repository.reference().registry().to_owned();
        let received = Attempts::at(repository, cancel).persist(|| {
            let credentials = repository.credentials(cancel)?;
            let entrance = self.try_login(repository.endpoint(), &credentials, cancel)?;
            Ok(match (entrance, credentials) {
                (Entrance::Open, _) => Reception::Open,
                (Entrance::Asked, Credentials::Anonymous) => Reception::Anonymous,
                (Entrance::Asked, _) => Reception::Accepted,
            })
        });
        received.map_err(|problem| LoginError { registry, problem })
    }

    /// Asks a registry whether it accepts credentials. One that wants none accepts all.
    ///
    /// # Errors
    /// When it refuses them, and when it cannot be asked.
    pub fn check_login(
        &self,
        registry: &str,
        credentials: &Credentials,
        cancel: &CancelToken,
    ) -> Result<(), LoginError> {
        let endpoint = self.endpoint(registry);
        Attempts::new(self, registry.to_owned(), cancel)
            .persist(|| self.try_login(&endpoint, credentials, cancel).map(drop))
            .map_err(|problem| LoginError {
                registry: registry.to_owned(),
                problem,
            })
    }

    fn try_login(
        &self,
        endpoint: &Endpoint,
        credentials: &Credentials,
        cancel: &CancelToken,
    ) -> Result<Entrance, Interruption> {
        cancel.check().map_err(HttpProblem::from)?;
        let address = Address::parse(&endpoint.root()).map_err(HttpProblem::Address)?;
        let answer = self.look(&address, None)?;
        if answer.status() != 401 || answer.redirected_to.is_some() {
            return judge(answer, credentials).map(|()| Entrance::Open);
        }
        let challenges = challenges(answer.headers());
        let detail = refusal(answer);
        let bearer = challenges
            .iter()
            .find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
        let authorization = match bearer.or(challenges.first()) {
            Some(Challenge::Bearer {
                realm,
                service,
                scope,
            }) => {
                let scopes: Vec<String> = scope.iter().cloned().collect();
                let request = TokenRequest {
                    realm,
                    service: service.as_deref(),
                    scopes: &scopes,
                    credentials,
                    registry_scheme: endpoint.scheme(),
                };
                Some(request.send(self.client(), cancel)?.value)
            }
            Some(Challenge::Basic) => credentials.basic().map(|secret| basic_value(&secret)),
            None => None,
        };
        let Some(authorization) = authorization else {
            let offered = credentials.offered();
            return Err(RegistryProblem::Unauthorized { detail, offered }.into());
        };
        judge(self.look(&address, Some(&authorization))?, credentials).map(|()| Entrance::Asked)
    }

    fn look(&self, address: &Address, authorization: Option<&str>) -> Result<Answer, HttpProblem> {
        self.client().exchange(&Exchange {
            method: Method::Get,
            address,
            headers: &[],
            authorization,
            body: RequestBody::None,
            extra_patience: Duration::ZERO,
        })
    }
}

fn judge(answer: Answer, credentials: &Credentials) -> Result<(), Interruption> {
    let (status, wait) = (answer.status(), retry_after(answer.headers()));
    if (200..300).contains(&status) {
        return Ok(());
    }
    let problem = RegistryProblem::of_status(status, refusal(answer), || credentials.offered());
    Err(Interruption::of_status(status, wait, problem))
}
