//! Tokens: what a registry's token service gives for a scope.
//!
//! Rules: the distribution project's "Token Authentication Specification" (a GET with `service` and `scope`).

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
use crate::http::{Address, Answer, Exchange, HttpProblem, Method, RequestBody, Scheme, retry_after};

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

/// Gets a token that answers the challenge, with the repository's credentials where there are some.
pub(crate) fn fetch(
    challenge: &Challenge,
    scope: &Scope,
    repository: &Repository,
    cancel: &CancelToken,
) -> Result<Authorization, Interruption> {
    cancel.check().map_err(HttpProblem::from)?;
    let Challenge::Bearer {
        realm,
        service,
        scope: asked,
    } = challenge
    else {
        return Err(RegistryProblem::Challenge("it wants no token").into());
    };
    let address = address(realm, service.as_deref(), &wanted(scope, asked.as_deref()))?;
    if address.scheme() == Scheme::Http && repository.scheme() == Scheme::Https {
        return Err(RegistryProblem::Challenge("its token service would get credentials unencrypted").into());
    }
    let credentials = repository
        .registry()
        .settings()
        .keychain
        .credentials(repository.reference());
    let authorization = match &credentials {
        Credentials::Basic(secret) => Some(basic_value(secret)),
        Credentials::Anonymous | Credentials::NotYet(_) => None,
    };
    let exchange = Exchange {
        method: Method::Get,
        address: &address,
        headers: &[("Accept", "application/json".to_owned())],
        authorization: authorization.as_deref(),
        body: RequestBody::None,
        extra_patience: Duration::ZERO,
    };
    let started = Instant::now();
    let result = repository
        .registry()
        .client()
        .exchange(&exchange)
        .map_err(Interruption::from);
    let answer = result
        .and_then(|answer| judge(answer, repository))
        .map_err(|cause| at(&address, cause))?;
    let bytes = answer
        .into_bytes(TOKEN_ANSWER_SIZE_BYTES_MAX)
        .map_err(|cause| at(&address, cause.into()))?;
    read(&bytes, started).map_err(|problem| at(&address, problem.into()))
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

fn address(realm: &str, service: Option<&str>, scopes: &[String]) -> Result<Address, RegistryProblem> {
    let mut url = realm.to_owned();
    let parameters = service
        .map(|service| ("service", service))
        .into_iter()
        .chain(scopes.iter().map(|scope| ("scope", scope.as_str())));
    for (name, value) in parameters {
        let separator = if url.contains('?') { '&' } else { '?' };
        let _ = write!(url, "{separator}{name}={}", percent_encoded(value));
    }
    Address::parse(&url).map_err(|_| RegistryProblem::Challenge("its token service has no usable address"))
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/,".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn judge(answer: Answer, repository: &Repository) -> Result<Answer, Interruption> {
    let status = answer.status();
    let wait = retry_after(answer.headers());
    match status {
        200..=299 => Ok(answer),
        401 | 403 => Err(RegistryProblem::Unauthorized {
            detail: refusal(answer),
            offered: repository.offered(),
        }
        .into()),
        408 | 429 | 500..=599 => {
            let problem = RegistryProblem::Status {
                status,
                detail: refusal(answer),
            };
            Err(Interruption::Transient {
                problem,
                retry_after: wait,
            })
        }
        _ => Err(RegistryProblem::Status {
            status,
            detail: refusal(answer),
        }
        .into()),
    }
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
        let address = address(
            "https://a.example/t?x=1",
            Some("my service"),
            &["repository:a/b:pull".to_owned()],
        )
        .unwrap();
        assert_eq!(
            address.target(),
            "https://a.example/t?x=1&service=my%20service&scope=repository:a/b:pull"
        );
    }
}
