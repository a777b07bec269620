//! One repository of one registry: a question goes there with whatever authorization it wants.

use std::time::Duration;

use lrops_model::blob::DOCUMENT_SIZE_BYTES_MAX;
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::reference::Reference;
use serde::Deserialize;

use super::attempts::{Attempts, Interruption, Retry};
use super::authorization::{Access, Scope};
use super::challenge::challenges;
use super::client::Registry;
use super::document;
use super::endpoint::Endpoint;
use super::error::{Offered, RegistryError, RegistryProblem, Task};
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

/// One question to a registry.
pub(crate) struct Question<'a> {
    method: Method,
    target: Target<'a>,
    headers: Vec<(&'static str, String)>,
    body: RequestBody<'a>,
    access: Access,
    sources: &'a [String],
    extra_patience: Duration,
    renewal: Renewal,
}

/// What becomes of a question whose authorization is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Renewal {
    /// It is asked again with what the registry wants.
    Allowed,
    /// It is not worth another authorization.
    NotWorthIt,
}

/// What a question is about.
enum Target<'a> {
    /// Something below `/v2/<name>/`.
    Tail(&'a str),
    /// An address that the registry named.
    Address(&'a Address),
}

impl<'a> Question<'a> {
    /// Asks about something below `/v2/<name>/`.
    pub(crate) fn of(method: Method, tail: &'a str) -> Self {
        Self::new(method, Target::Tail(tail))
    }

    /// Asks at an address that the registry named.
    pub(crate) fn at(method: Method, address: &'a Address) -> Self {
        Self::new(method, Target::Address(address))
    }

    fn new(method: Method, target: Target<'a>) -> Self {
        let access = match method {
            Method::Get | Method::Head => Access::Pull,
            Method::Post | Method::Put | Method::Patch => Access::Push,
            Method::Delete => Access::Delete,
        };
        Self {
            method,
            target,
            headers: Vec::new(),
            body: RequestBody::None,
            access,
            sources: &[],
            extra_patience: Duration::ZERO,
            renewal: Renewal::Allowed,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn headers(mut self, headers: &[(&'static str, String)]) -> Self {
        self.headers.extend_from_slice(headers);
        self
    }

    pub(crate) fn body(mut self, body: RequestBody<'a>) -> Self {
        self.body = body;
        self
    }

    /// Asks with the rights of whoever pushes, so that one token serves a whole push.
    pub(crate) fn in_a_push(mut self) -> Self {
        self.access = Access::Push;
        self
    }

    /// Also wants to read these repositories, which blobs are mounted from.
    pub(crate) fn reading(mut self, sources: &'a [String]) -> Self {
        self.sources = sources;
        self
    }

    /// Asks with the authorization that is known, and takes a refusal for an answer.
    pub(crate) fn with_known_authorization(mut self) -> Self {
        self.renewal = Renewal::NotWorthIt;
        self
    }

    /// Gives the registry more time to answer.
    pub(crate) fn patient(mut self, extra: Duration) -> Self {
        self.extra_patience = extra;
        self
    }
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

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns registry and repository, for people.
    pub(crate) fn place(&self) -> String {
        format!("{}/{}", self.reference.registry(), self.reference.repository())
    }

    /// Returns the address of something below `/v2/<name>/`.
    pub(crate) fn address(&self, tail: &str) -> Result<Address, RegistryProblem> {
        let url = self.endpoint.url(self.reference.repository(), tail);
        Ok(Address::parse(&url).map_err(HttpProblem::Address)?)
    }

    /// Asks once and returns a successful answer; authorization that is missing or ran out is renewed on the way.
    pub(crate) fn ask(&self, question: &Question<'_>, cancel: &CancelToken) -> Result<Answer, Interruption> {
        cancel.check().map_err(HttpProblem::from)?;
        let own = self.address("")?;
        let address = match question.target {
            Target::Tail(tail) => self.address(tail)?,
            Target::Address(address) => address.clone(),
        };
        // An address on another host carries its own authorization, and has no claim on the registry's.
        if !address.has_origin_of(&own) {
            let answer = self.exchange(question, &address, None)?;
            return self.judge(answer, Some(&address));
        }
        let scope = Scope::new(&self.reference, question.access, question.sources);
        let authorizations = self.registry.authorizations();
        let usual = authorizations.current(&scope, self, cancel)?;
        let answer = self.exchange(question, &address, usual.as_deref())?;
        // Another host that the registry redirects to has no claim on the registry's credentials.
        let is_renewed = question.renewal == Renewal::Allowed && answer.redirected_to.is_none();
        if answer.status() != 401 || !is_renewed {
            return self.judge(answer, None);
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
        self.judge(self.exchange(question, &address, Some(&renewed))?, None)
    }

    /// Does something until it succeeds, retries are used up, or cannot help.
    pub(crate) fn persist<T>(
        &self,
        task: Task,
        cancel: &CancelToken,
        work: impl FnMut() -> Result<T, Interruption>,
    ) -> Result<T, RegistryError> {
        let mut attempts = Attempts::at(self, cancel);
        let result = attempts.persist(work);
        result.map_err(|problem| self.failed(task, attempts.made(), problem))
    }

    /// The same, and tells of retries to someone else than whoever observes the registry.
    pub(crate) fn persist_telling<T>(
        &self,
        task: Task,
        cancel: &CancelToken,
        tell: &dyn Fn(&Retry<'_>),
        work: impl FnMut() -> Result<T, Interruption>,
    ) -> Result<T, RegistryError> {
        let mut attempts = Attempts::at(self, cancel);
        let result = attempts.persist_telling(tell, work);
        result.map_err(|problem| self.failed(task, attempts.made(), problem))
    }

    /// Returns the error of something that failed for good.
    pub(crate) fn failed(&self, task: Task, attempts: usize, problem: RegistryProblem) -> RegistryError {
        RegistryError {
            image: Box::new(self.reference.clone()),
            task,
            attempts,
            problem,
        }
    }

    /// Returns the digest of what a tag or a digest names, if there is such a thing.
    pub(crate) fn digest_of(&self, tail: &str, cancel: &CancelToken) -> Result<Option<Digest>, Interruption> {
        for method in [Method::Head, Method::Get] {
            let question = Question::of(method, tail)
                .headers(&[document::accept()])
                .in_a_push();
            let answer = match self.ask(&question, cancel) {
                Ok(answer) => answer,
                Err(Interruption::Final(RegistryProblem::NotFound { .. })) => return Ok(None),
                Err(interruption) => return Err(interruption),
            };
            let said = answer.header("docker-content-digest");
            if let Some(digest) = said.and_then(|digest| digest.parse().ok()) {
                return Ok(Some(digest));
            }
            // A registry that does not say a digest sends what it is of.
            if method == Method::Get {
                return Ok(Some(Digest::of(&answer.into_bytes(DOCUMENT_SIZE_BYTES_MAX)?)));
            }
        }
        Ok(None)
    }

    fn exchange(
        &self,
        question: &Question<'_>,
        address: &Address,
        authorization: Option<&str>,
    ) -> Result<Answer, HttpProblem> {
        self.registry.client().exchange(&Exchange {
            method: question.method,
            address,
            headers: &question.headers,
            authorization,
            body: question.body,
            extra_patience: question.extra_patience,
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

    fn judge(&self, answer: Answer, asked_elsewhere: Option<&Address>) -> Result<Answer, Interruption> {
        let status = answer.status();
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let wait = retry_after(answer.headers());
        let problem = match answer.redirected_to.as_ref().or(asked_elsewhere) {
            Some(address) => RegistryProblem::Redirected {
                host: address.host().to_owned(),
                status,
            },
            None => RegistryProblem::of_status(status, refusal(answer), || self.offered()),
        };
        // A range that does not fit is asked for otherwise the next time.
        if status == 416 {
            return Err(Interruption::passing(problem));
        }
        Err(Interruption::of_status(status, wait, problem))
    }
}

/// Returns where what a reference names is, below its repository.
pub(crate) fn manifest_tail(reference: &Reference) -> String {
    match (reference.digest(), reference.tag_or_latest()) {
        (Some(digest), _) => format!("manifests/{digest}"),
        (None, tag) => format!("manifests/{}", tag.unwrap_or("latest")),
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
