//! Where credentials come from: an ordered chain of sources, of which the first that has something for a repository wins.
//!
//! Nothing here can be shown: no type has `Debug` that would print a secret, and a file that cannot be read is named
//! by the place in it and not by its text.

mod docker_config;
mod login_file;
mod program;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use lrops_model::cancel::CancelToken;
use lrops_model::reference::{DEFAULT_REGISTRY, Reference};

use super::error::Offered;

pub use docker_config::{DockerConfig, ParseDockerConfigError};
pub use login_file::{LoginFile, LoginFileError, LoginPlace};
pub use program::{HelperAct, HelperError, HelperProblem, HelperSettings};

use docker_config::places;

/// Where credentials for registries come from.
pub struct Keychain {
    sources: Vec<CredentialSource>,
    programs: HelperSettings,
    /// What credential helpers said, by program and registry: they may ask a person or the network, so each is asked once.
    answers: Mutex<BTreeMap<(String, String), Option<Credentials>>>,
}

/// One place that may have credentials.
pub enum CredentialSource {
    /// Credentials for one registry.
    Login {
        /// The registry, as references call it: `host` or `host:port`.
        registry: String,
        /// What to show it.
        credentials: Credentials,
    },
    /// Docker's `config.json`, or the `auth.json` that podman and skopeo write.
    Config(DockerConfig),
}

/// What there is to be shown to a registry. Its [`fmt::Debug`] names the kind alone.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    Anonymous,
    /// User and password.
    Basic {
        /// The user.
        user: String,
        /// The password, or what a registry accepts in its place.
        password: String,
    },
    /// An `OAuth2` refresh token, which the registry's token service exchanges for tokens.
    IdentityToken {
        /// The user that it was issued to, where that is known.
        user: Option<String>,
        /// The token.
        token: String,
    },
    /// A token that the registry itself accepts, as it is.
    RegistryToken(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Basic { .. } => "Basic",
            Self::IdentityToken { .. } => "IdentityToken",
            Self::RegistryToken(_) => "RegistryToken",
        })
    }
}

/// The user name that stands for "the secret is an identity token" in the answers of helpers and in Docker's files.
const IDENTITY_TOKEN_USER: &str = "<token>";

impl Credentials {
    /// Returns what a user and a secret mean together: `<token>` is no user.
    pub(crate) fn of(user: String, secret: String) -> Self {
        if user == IDENTITY_TOKEN_USER {
            Self::IdentityToken {
                user: None,
                token: secret,
            }
        } else {
            Self::Basic {
                user,
                password: secret,
            }
        }
    }

    pub(crate) fn offered(&self) -> Offered {
        match self {
            Self::Anonymous => Offered::Nothing,
            _ => Offered::Credentials,
        }
    }

    /// Returns `user:secret` for the Basic scheme, where there is something of the kind.
    pub(crate) fn basic(&self) -> Option<String> {
        match self {
            Self::Basic { user, password } => Some(format!("{user}:{password}")),
            Self::IdentityToken { user, token } => {
                let user = user.as_deref().unwrap_or(IDENTITY_TOKEN_USER);
                Some(format!("{user}:{token}"))
            }
            Self::Anonymous | Self::RegistryToken(_) => None,
        }
    }
}

impl Keychain {
    /// Returns a chain of these sources.
    pub fn new(sources: Vec<CredentialSource>, programs: HelperSettings) -> Self {
        Self {
            sources,
            programs,
            answers: Mutex::default(),
        }
    }

    /// Returns a keychain without any credentials.
    pub fn anonymous() -> Self {
        Self::new(Vec::new(), HelperSettings::USUAL)
    }

    /// Returns what there is for a repository. A credential helper is asked when it is its turn, and once.
    pub(crate) fn credentials(
        &self,
        reference: &Reference,
        cancel: &CancelToken,
    ) -> Result<Credentials, HelperError> {
        for source in &self.sources {
            let found = match source {
                CredentialSource::Login {
                    registry,
                    credentials,
                } => (registry == reference.registry()).then(|| credentials.clone()),
                CredentialSource::Config(config) => self.configured(config, reference, cancel)?,
            };
            if let Some(credentials) = found {
                return Ok(credentials);
            }
        }
        Ok(Credentials::Anonymous)
    }

    /// A helper named for the registry goes before the file's own entries, and the helper for all registries behind them:
    /// an entry that holds something was written on purpose.
    fn configured(
        &self,
        config: &DockerConfig,
        reference: &Reference,
        cancel: &CancelToken,
    ) -> Result<Option<Credentials>, HelperError> {
        let places = places(reference);
        let named = places.iter().find_map(|place| config.programs.get(place));
        if let Some(program) = named
            && let Some(found) = self.ask(program, reference.registry(), cancel)?
        {
            return Ok(Some(found));
        }
        if let Some(credentials) = places.iter().find_map(|place| config.entries.get(place)) {
            return Ok(Some(credentials.clone()));
        }
        match &config.program {
            Some(program) => self.ask(program, reference.registry(), cancel),
            None => Ok(None),
        }
    }

    fn ask(
        &self,
        program: &str,
        registry: &str,
        cancel: &CancelToken,
    ) -> Result<Option<Credentials>, HelperError> {
        let key = (program.to_owned(), registry.to_owned());
        // Held meanwhile: two helpers at a time could ask a person two questions at a time.
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = answers.get(&key) {
            return Ok(answer.clone());
        }
        let answer = program::get(program, registry, &self.programs, cancel)?;
        answers.insert(key, answer.clone());
        Ok(answer)
    }
}

/// Docker Hub's name wherever credentials are kept.
pub(crate) const DEFAULT_REGISTRY_KEY: &str = "https://index.docker.io/v1/";

/// Returns the name under which credentials for a registry are kept, in files and by helpers.
pub(crate) fn server_of(registry: &str) -> &str {
    if registry == DEFAULT_REGISTRY {
        DEFAULT_REGISTRY_KEY
    } else {
        registry
    }
}

/// Returns the registry that someone means who writes a host, a URL, or one of Docker Hub's names.
pub fn registry_named(text: &str) -> String {
    let key = docker_config::key(text.trim());
    key.split('/').next().unwrap_or_default().to_ascii_lowercase()
}
