//! Tokens: what a registry's token service gives for a scope.
//!
//! Rules: the distribution project's "Token Authentication Specification" (a GET with `service` and `scope`) for users
//! and passwords, and its "`OAuth2` Token Authentication" (a POST with `grant_type=refresh_token`) for identity tokens.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use lrops_model::cancel::CancelToken;
use serde::Deserialize;

use super::attempts::Interruption;
use super::authorization::{Authorization, Scope, basic_value};
use super::challenge::Challenge;
use super::error::RegistryProblem;
use super::keychain::Credentials;
use super::repository::{Repository, refusal};
use crate::http::{
    Address, Answer, Exchange, HttpClient, HttpProblem, Method, RequestBody, Scheme, retry_after,
};

const TOKEN_ANSWER_SIZE_BYTES_MAX: u64 = 1024 * 1024;

/// The specification's value where the service names none.
const EXPIRES_IN_SECONDS_DEFAULT: u64 = 60;

/// A token is renewed this part of its life early: it must still be valid when the request arrives.
const EARLY_PART: u32 = 10;

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: Option<String>,
    /// OAuth's name for the same.
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// The name under which identity tokens are exchanged.
const CLIENT_ID: &str = "lrops";

/// What a token service is asked.
pub(crate) struct TokenRequest<'a> {
    pub(crate) realm: &'a str,
    pub(crate) service: Option<&'a str>,
    /// In their written form; several may stand in one text, with spaces between them.
    pub(crate) scopes: &'a [String],
    pub(crate) credentials: &'a Credentials,
    /// How the registry itself is spoken to.
    pub(crate) registry_scheme: Scheme,
}

/// Gets a token that answers the challenge, with the repository's credentials where there are some.
pub(crate) fn fetch(
    challenge: &Challenge,
    scope: &Scope,
    repository: &Repository,
    cancel: &CancelToken,
) -> Result<Authorization, Interruption> {
    let Challenge::Bearer {
        realm,
        service,
        scope: asked,
    } = challenge
    else {
        return Err(RegistryProblem::Challenge("it wants no token").into());
    };
    let credentials = repository.credentials(cancel)?;
    let scopes = wanted(scope, asked.as_deref());
    let request = TokenRequest {
        realm,
        service: service.as_deref(),
        scopes: &scopes,
        credentials: &credentials,
        registry_scheme: repository.scheme(),
    };
    request.send(repository.registry().client(), cancel)
}

/// Returns the scopes to ask for. A registry that knows the repository under another name says so in its challenge; the
/// actions in it are those of the request that it refused, and say nothing of the next ones.
fn wanted(scope: &Scope, asked: Option<&str>) -> Vec<String> {
    let mut scopes = scope.texts();
    let repository = |text: &str| text.rsplit_once(':').map(|(repository, _)| repository.to_owned());
    if let Some(asked) = asked {
        for text in asked.split(' ').filter(|text| !text.is_empty()) {
            if !scopes.iter().any(|own| repository(own) == repository(text)) {
                scopes.push(text.to_owned());
            }
        }
    }
    scopes
}

impl TokenRequest<'_> {
    pub(crate) fn send(
        &self,
        client: &HttpClient,
        cancel: &CancelToken,
    ) -> Result<Authorization, Interruption> {
        cancel.check().map_err(HttpProblem::from)?;
        if let Credentials::RegistryToken(token) = self.credentials {
            return Ok(Authorization {
                value: format!("Bearer {token}"),
                expiry: None,
            });
        }
        let address = usable(self.realm)?;
        if address.scheme() == Scheme::Http && self.registry_scheme == Scheme::Https {
            return Err(
                RegistryProblem::Challenge("its token service would get credentials unencrypted").into(),
            );
        }
        let started = Instant::now();
        let result = match self.credentials {
            Credentials::IdentityToken { token, .. } => self.exchanged(&address, token, client),
            _ => self.got(client),
        };
        let answer = result
            .and_then(|answer| self.judge(answer))
            .map_err(|cause| at(&address, cause))?;
        let bytes = answer
            .into_bytes(TOKEN_ANSWER_SIZE_BYTES_MAX)
            .map_err(|cause| at(&address, cause.into()))?;
        read(&bytes, started).map_err(|problem| at(&address, problem.into()))
    }

    /// Asks with a GET, as users with passwords do.
    fn got(&self, client: &HttpClient) -> Result<Answer, Interruption> {
        let parameters = self.service.map(|service| ("service", service)).into_iter();
        let scopes = self.scopes.iter().map(|scope| ("scope", scope.as_str()));
        let url = with_parameters(self.realm, parameters.chain(scopes));
        let address = usable(&url)?;
        let secret = self.credentials.basic();
        let authorization = secret.map(|secret| basic_value(&secret));
        let exchange = Exchange {
            method: Method::Get,
            address: &address,
            headers: &[("Accept", "application/json".to_owned())],
            authorization: authorization.as_deref(),
            body: RequestBody::None,
            extra_patience: Duration::ZERO,
        };
        client.exchange(&exchange).map_err(Interruption::from)
    }

    /// Asks with a POST, which exchanges an identity token. Services that know none are asked as containerd and Docker
    /// ask them: with the identity token in the place of a password.
    fn exchanged(&self, address: &Address, token: &str, client: &HttpClient) -> Result<Answer, Interruption> {
        let scopes = self.scopes.join(" ");
        let mut fields = vec![
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT_ID),
            ("refresh_token", token),
        ];
        fields.extend(self.service.map(|service| ("service", service)));
        if !scopes.is_empty() {
            fields.push(("scope", scopes.as_str()));
        }
        let form: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", form_encoded(value)))
            .collect();
        let form = form.join("&");
        let exchange = Exchange {
            method: Method::Post,
            address,
            headers: &[
                ("Accept", "application/json".to_owned()),
                ("Content-Type", "application/x-www-form-urlencoded".to_owned()),
            ],
            authorization: None,
            body: RequestBody::Secret(form.as_bytes()),
            extra_patience: Duration::ZERO,
        };
        let answer = client.exchange(&exchange).map_err(Interruption::from)?;
        match answer.status() {
            404 | 405 => self.got(client),
            _ => Ok(answer),
        }
    }

    fn judge(&self, answer: Answer) -> Result<Answer, Interruption> {
        let status = answer.status();
        let wait = retry_after(answer.headers());
        // `OAuth2` answers a refresh token that it does not accept with 400 and `invalid_grant` (RFC 6749, section 5.2).
        let is_grant = matches!(self.credentials, Credentials::IdentityToken { .. });
        match status {
            200..=299 => Ok(answer),
            400 if is_grant => Err(self.refused(answer)),
            401 | 403 => Err(self.refused(answer)),
            _ => {
                let detail = refusal(answer);
                let problem = RegistryProblem::Status { status, detail };
                Err(Interruption::of_status(status, wait, problem))
            }
        }
    }

    fn refused(&self, answer: Answer) -> Interruption {
        RegistryProblem::Unauthorized {
            detail: refusal(answer),
            offered: self.credentials.offered(),
        }
        .into()
    }
}

fn usable(url: &str) -> Result<Address, RegistryProblem> {
    Address::parse(url).map_err(|_| RegistryProblem::Challenge("its token service has no usable address"))
}

fn with_parameters<'a>(realm: &str, parameters: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut url = realm.to_owned();
    for (name, value) in parameters {
        let separator = if url.contains('?') { '&' } else { '?' };
        let _ = write!(url, "{separator}{name}={}", percent_encoded(value, "-._~:/,"));
    }
    url
}

fn form_encoded(text: &str) -> String {
    percent_encoded(text, "-._*")
}

fn percent_encoded(text: &str, kept: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Says that it happened at the token service.
fn at(address: &Address, interruption: Interruption) -> Interruption {
    let named = |problem| match problem {
        // Being refused there is being refused by the registry, whose service it is; being stopped has no place.
        RegistryProblem::Unauthorized { .. } | RegistryProblem::Http(HttpProblem::Cancelled(_)) => problem,
        other => RegistryProblem::Token {
            service: address.to_string(),
            source: Box::new(other),
        },
    };
    match interruption {
        Interruption::Final(problem) => Interruption::Final(named(problem)),
        Interruption::Transient { problem, retry_after } => Interruption::Transient {
            problem: named(problem),
            retry_after,
        },
    }
}

/// Reads the service's answer. Its clock is not asked: the life of a token is counted from before the request.
fn read(bytes: &[u8], started: Instant) -> Result<Authorization, RegistryProblem> {
    // The parser's own words could repeat the token.
    let unusable = || RegistryProblem::Challenge("the token service's answer holds no usable token");
    let answer: TokenAnswer = serde_json::from_slice(bytes).map_err(|_| unusable())?;
    let token = answer
        .token
        .filter(|token| !token.is_empty())
        .or(answer.access_token)
        .ok_or_else(unusable)?;
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable());
    }
    let life = Duration::from_secs(answer.expires_in.unwrap_or(EXPIRES_IN_SECONDS_DEFAULT));
    let expiry = started.checked_add(life.saturating_sub(life / EARLY_PART));
    Ok(Authorization {
        value: format!("Bearer {token}"),
        expiry,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_two_names_and_a_life() {
        let started = Instant::now();
        let check = |text: &str, value: &str, seconds: u64| {
            let authorization = read(text.as_bytes(), started).unwrap();
            assert_eq!(authorization.value, value, "{text}");
            assert_eq!(
                authorization.expiry,
                Some(started + Duration::from_secs(seconds)),
                "{text}"
            );
        };
        check(
            r#"{"token":"a","access_token":"b","expires_in":300}"#,
            "Bearer a",
            270,
        );
        check(
            r#"{"token":"","access_token":"b","issued_at":"2020"}"#,
            "Bearer b",
            54,
        );
    }

    #[test]
    fn an_answer_without_a_usable_token_is_refused_and_not_repeated() {
        for text in [
            "",
            "{}",
            r#"{"token":""}"#,
            r#"{"token":"sec ret"}"#,
            r#"{"token":"secret\n"}"#,
            "secret",
        ] {
            let problem = read(text.as_bytes(), Instant::now()).err().unwrap();
            assert!(
                !format!("{problem} {problem:?}").contains("sec"),
                "{text:?}: {problem:?}"
            );
        }
    }

    #[test]
    fn a_realm_keeps_its_own_parameters() {
        let parameters = [("service", "my service"), ("scope", "repository:a/b:pull")];
        let url = with_parameters("https://a.example/t?x=1", parameters.into_iter());
        assert_eq!(
            url,
            "https://a.example/t?x=1&service=my%20service&scope=repository:a/b:pull"
        );
    }
}
