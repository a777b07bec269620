//! What can go wrong with a registry, in the words that people know, and what to do about it.

use std::time::Duration;

use lrops_model::digest::Digest;
use lrops_model::reference::{DEFAULT_REGISTRY, Reference};

use super::keychain::{HelperError, HelperProblem};
use crate::http::{HttpError, HttpProblem, is_passing, said};

/// Something that a registry was asked for and that failed for good: after retries, or because they cannot help.
#[derive(Debug, thiserror::Error)]
#[error("{}{}", said_of(*task, image, problem), tried(*attempts))]
pub struct RegistryError {
    /// The image whose registry was asked.
    pub image: Box<Reference>,
    /// What was asked.
    pub task: Task,
    /// How often it was tried.
    pub attempts: usize,
    /// What went wrong the last time.
    #[source]
    pub problem: RegistryProblem,
}

/// What a registry was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// What a reference means.
    Resolve,
    /// A blob's or a manifest's bytes.
    Read,
    /// Whether a blob or a manifest is there.
    Look,
    /// Whether pushing is allowed.
    CheckRights,
    /// To take a blob.
    Upload,
    /// To take a manifest or an index.
    Publish,
    /// To give a tag to an image.
    Tag,
    /// Which tags there are.
    ListTags,
    /// To remove a tag or a manifest.
    Delete,
}

fn said_of(task: Task, image: &Reference, problem: &RegistryProblem) -> String {
    let place = || format!("{}/{}", image.registry(), image.repository());
    match task {
        Task::Resolve => format!("failed to resolve {image}"),
        Task::Read => format!("{} did not send it", place()),
        Task::Look => format!("{} did not say whether it is there", place()),
        Task::CheckRights if problem.is_refused() => format!("{} does not let you push", place()),
        Task::CheckRights => format!("{} did not say whether you may push", place()),
        Task::Upload => format!("{} did not take a blob", place()),
        Task::Publish => format!("{} did not take a manifest", place()),
        Task::Tag => format!("failed to give the tag {image}"),
        Task::ListTags => format!("{} did not list its tags", place()),
        Task::Delete => format!("failed to remove {image}"),
    }
}

fn tried(attempts: usize) -> String {
    if attempts > 1 {
        format!(" (tried {attempts} times)")
    } else {
        String::new()
    }
}

/// What went wrong with a registry. A `detail` is the registry's own words.
#[derive(Debug, thiserror::Error)]
pub enum RegistryProblem {
    /// It has no such tag, manifest, blob or repository.
    #[error("not found{}", words(detail.as_deref()))]
    NotFound {
        /// The registry's own words.
        detail: Option<String>,
    },
    /// It wants other credentials, or some.
    #[error("unauthorized{}", words(detail.as_deref()))]
    Unauthorized {
        /// The registry's own words.
        detail: Option<String>,
        /// What it was shown.
        offered: Offered,
    },
    /// The credentials are known and do not allow this.
    #[error("denied{}", words(detail.as_deref()))]
    Denied {
        /// The registry's own words.
        detail: Option<String>,
        /// What it was shown.
        offered: Offered,
    },
    /// Too much was asked in too short a time.
    #[error("too many requests{}", words(detail.as_deref()))]
    TooManyRequests {
        /// The registry's own words.
        detail: Option<String>,
    },
    /// It answered with another status that is no success.
    #[error("{}{}", HttpProblem::Status { status: *status }, words(detail.as_deref()))]
    Status {
        /// The HTTP status.
        status: u16,
        /// The registry's own words.
        detail: Option<String>,
    },
    /// It asks for a longer wait than is waited.
    #[error("it asks to be left alone for {}", said(*wait))]
    AskedToWait {
        /// How long it asks to be left alone.
        wait: Duration,
        /// Its answer.
        source: Box<RegistryProblem>,
    },
    /// The host that it redirects to did not answer with success.
    #[error("the registry redirects to {host}: {}", HttpProblem::Status { status: *status })]
    Redirected {
        /// The other host.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// It sent other bytes than were asked for.
    #[error("the registry sent other bytes: their digest is {found}, and {expected} was promised")]
    WrongDigest {
        /// What was promised.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// Its blob has another length than the descriptor says.
    #[error("the registry has {found} bytes where {expected} were promised")]
    WrongLength {
        /// What was promised.
        expected: u64,
        /// What the registry announced.
        found: u64,
    },
    /// A tag that was just given names another image.
    #[error("the tag {tag} names {found}: another push has given it to that image meanwhile")]
    TagMoved {
        /// The tag.
        tag: String,
        /// What it names.
        found: Digest,
    },
    /// It lists more than is believed.
    #[error("the list is longer than {limit} entries, or its pages are too large")]
    ListTooLong {
        /// How many entries are taken.
        limit: usize,
    },
    /// What it sent is not an index and not a manifest.
    #[error("what the registry sent is no image: {0}")]
    Document(&'static str),
    /// It asks for an authorization that cannot be given.
    #[error("the registry asks for an authorization that cannot be given: {0}")]
    Challenge(&'static str),
    /// Its token service gave no token.
    #[error("its token service {service} gave no token")]
    Token {
        /// The service's address.
        service: String,
        /// What went wrong there.
        source: Box<RegistryProblem>,
    },
    /// Mirrors were of no use, and then the registry itself had a problem.
    #[error("{mirrors}; {registry}")]
    AfterMirrors {
        /// What the mirrors said.
        mirrors: String,
        /// The registry itself.
        registry: String,
        /// What went wrong there.
        source: Box<RegistryProblem>,
    },
    /// A credential helper failed.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// It does not keep to the protocol.
    #[error("the registry does not keep to the OCI distribution protocol: {0}")]
    Protocol(&'static str),
    /// It could not be reached, or the transfer failed.
    #[error(transparent)]
    Http(#[from] HttpProblem),
}

/// What a registry was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offered {
    /// No credentials: there are none for it.
    Nothing,
    /// Credentials.
    Credentials,
}

fn words(detail: Option<&str>) -> String {
    detail.map(|detail| format!(": {detail}")).unwrap_or_default()
}

impl RegistryProblem {
    /// Returns the problem that a registry's answer without success is.
    pub(crate) fn of_status(status: u16, detail: Option<String>, offered: impl FnOnce() -> Offered) -> Self {
        match status {
            401 => Self::Unauthorized {
                detail,
                offered: offered(),
            },
            403 => Self::Denied {
                detail,
                offered: offered(),
            },
            404 => Self::NotFound { detail },
            429 => Self::TooManyRequests { detail },
            _ => Self::Status { status, detail },
        }
    }

    /// Returns whether the registry refuses whoever asks.
    pub fn is_refused(&self) -> bool {
        match self {
            Self::Unauthorized { .. } | Self::Denied { .. } => true,
            Self::Token { source, .. }
            | Self::AfterMirrors { source, .. }
            | Self::AskedToWait { source, .. } => source.is_refused(),
            _ => false,
        }
    }

    /// Returns the HTTP status, when there was an answer without success.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::NotFound { .. } => Some(404),
            Self::Unauthorized { .. } => Some(401),
            Self::Denied { .. } => Some(403),
            Self::TooManyRequests { .. } => Some(429),
            Self::Status { status, .. } | Self::Redirected { status, .. } => Some(*status),
            Self::Token { source, .. }
            | Self::AfterMirrors { source, .. }
            | Self::AskedToWait { source, .. } => source.status(),
            _ => None,
        }
    }

    /// Returns whether the work was stopped on request.
    pub(crate) fn is_cancelled(&self) -> bool {
        match self {
            Self::Http(HttpProblem::Cancelled(_)) => true,
            Self::Helper(error) => matches!(error.problem, HelperProblem::Cancelled(_)),
            _ => false,
        }
    }

    /// Returns whether the registry does not have what it was asked for.
    pub(crate) fn is_missing(&self) -> bool {
        match self {
            Self::NotFound { .. } => true,
            Self::AfterMirrors { source, .. } => source.is_missing(),
            _ => false,
        }
    }
}

impl RegistryError {
    /// Returns what the user can do about it.
    pub fn advice(&self) -> Option<String> {
        self.advice_on(&self.problem)
    }

    /// Returns whether the registry refuses whoever asks.
    pub fn is_refused(&self) -> bool {
        self.problem.is_refused()
    }

    /// Returns whether the work was stopped on request.
    pub fn is_cancelled(&self) -> bool {
        self.problem.is_cancelled()
    }

    fn advice_on(&self, problem: &RegistryProblem) -> Option<String> {
        match problem {
            RegistryProblem::NotFound { .. } if self.task == Task::Resolve => {
                Some(format!("check the name and the tag of {}", self.image.familiar()))
            }
            RegistryProblem::NotFound { .. } if matches!(self.task, Task::Read | Task::Look) => {
                Some("the image is incomplete in its registry: have it pushed again".to_owned())
            }
            RegistryProblem::NotFound { .. } => Some(format!(
                "check the name {}: many registries want a project of that name to be made first",
                self.image.familiar()
            )),
            RegistryProblem::Status { status: 405, .. } if self.task == Task::Delete => Some(
                "this registry does not let clients delete; its administrator can allow it, or clean up there".to_owned(),
            ),
            RegistryProblem::Status { status: 413, .. } => Some(
                "a proxy before the registry limits how much one request may carry: have its limit raised \
                 (nginx: client_max_body_size), or push with a smaller --chunk-size"
                    .to_owned(),
            ),
            RegistryProblem::Unauthorized { offered, .. } | RegistryProblem::Denied { offered, .. } => {
                Some(self.advice_on_login(offered))
            }
            RegistryProblem::TooManyRequests { .. } | RegistryProblem::Status { status: 429, .. } => {
                Some(self.advice_on_limits())
            }
            RegistryProblem::Status { status: 405, .. } => Some(
                "check the registry's name: what answers there may be a mirror, or no registry at all; or the registry is \
                 closed for maintenance"
                    .to_owned(),
            ),
            RegistryProblem::Status { status, .. } | RegistryProblem::Redirected { status, .. }
                if is_passing(*status) =>
            {
                Some("the registry is busy or ill: try again later".to_owned())
            }
            RegistryProblem::WrongDigest { .. } | RegistryProblem::WrongLength { .. } => Some(
                "something between here and the registry alters what is sent: a proxy or a mirror".to_owned(),
            ),
            RegistryProblem::TagMoved { .. } => Some("push again if yours is the newer one".to_owned()),
            RegistryProblem::AfterMirrors { source, .. } | RegistryProblem::AskedToWait { source, .. } => {
                self.advice_on(source)
            }
            RegistryProblem::Token { source, .. } => self.advice_on(source).or_else(|| {
                Some("tell the registry's administrator: it sends clients there for tokens".to_owned())
            }),
            RegistryProblem::Helper(error) => Some(error.advice()),
            RegistryProblem::Http(HttpProblem::Connection(_)) => Some(self.advice_on_connections()),
            RegistryProblem::Http(HttpProblem::Cancelled(_)) => None,
            RegistryProblem::Http(problem) => advice_on_trust(problem, self.image.registry())
                .or(HttpError::advice_on(problem).map(str::to_owned)),
            _ => None,
        }
    }

    fn is_on_docker_hub(&self) -> bool {
        self.image.registry() == DEFAULT_REGISTRY
    }

    fn advice_on_login(&self, offered: &Offered) -> String {
        let registry = self.image.registry();
        let login = if self.is_on_docker_hub() {
            "lrops login".to_owned()
        } else {
            format!("lrops login {registry}")
        };
        match offered {
            Offered::Nothing if self.is_on_docker_hub() => format!(
                "Docker Hub also answers so when there is no such repository: check the name; for a private one, {login}"
            ),
            Offered::Nothing => format!("there are no credentials for {registry}: {login}"),
            Offered::Credentials => format!(
                "the credentials for {registry} are not accepted, or not for {}: {login} again, or ask its owner for access",
                self.image.repository()
            ),
        }
    }

    fn advice_on_limits(&self) -> String {
        if self.is_on_docker_hub() {
            format!(
                "Docker Hub limits pulls without a login: lrops login, or {}",
                self.mapping()
            )
        } else {
            "the registry limits requests: try again later".to_owned()
        }
    }

    fn advice_on_connections(&self) -> String {
        let is_push = matches!(
            self.task,
            Task::CheckRights | Task::Upload | Task::Publish | Task::Tag | Task::ListTags | Task::Delete
        );
        if is_push {
            return "check the registry's name, the network, and the proxy settings (http_proxy, https_proxy, no_proxy); a \
                    registry that speaks plain http must be listed as insecure"
                .to_owned();
        }
        if self.is_on_docker_hub() {
            format!("if Docker Hub cannot be reached from here, {}", self.mapping())
        } else {
            format!(
                "check the registry's name, the network, and the proxy settings (http_proxy, https_proxy, no_proxy); a \
                 registry that speaks plain http must be listed as insecure; or {}",
                self.mapping()
            )
        }
    }

    /// How to do without the image's registry.
    fn mapping(&self) -> String {
        let name = self.image.familiar();
        format!(
            "take the image from elsewhere: --build-context {name}=docker-image://HOST/IMAGE or \
             {name}=oci-layout://DIRECTORY, or a base of this name under [bases] in lrops.toml"
        )
    }
}

/// What to do about a registry whose certificate is not believed, or which asks for one.
pub(crate) fn advice_on_trust(problem: &HttpProblem, registry: &str) -> Option<String> {
    match problem {
        HttpProblem::Certificate(_) => Some(format!(
            "if {registry} has a certificate authority of its own, name its PEM file with --registry-ca or in lrops.toml, or \
             put it into /etc/docker/certs.d/{registry}/ca.crt; if this machine's network inspects TLS, add its authority \
             to the system's bundle, or name it in SSL_CERT_FILE"
        )),
        HttpProblem::ClientCertificateWanted => Some(format!(
            "name client-cert and client-key for {registry} in lrops.toml, or put client.cert and client.key into \
             /etc/docker/certs.d/{registry}/"
        )),
        _ => None,
    }
}
