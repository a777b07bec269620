//! The token service: who gets which token.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use serde_json::json;

use super::access::basic;
use super::answer::Answer;
use super::connection::Exchange;
use super::incoming::Incoming;
use super::options::{Access, Right};
use crate::http::parameters;

/// The service's name.
pub(super) const SERVICE: &str = "test";
const FORM_SIZE_BYTES_MAX: u64 = 64 * 1024;

/// Tokens that were issued.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    issued: BTreeMap<String, Token>,
    count: usize,
}

#[derive(Debug)]
struct Token {
    scopes: Vec<Scope>,
    issued_at: Instant,
}

/// Actions in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) repository: String,
    pub(super) actions: Vec<String>,
}

/// How far a token goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It is none, or not any more.
    Invalid,
    /// It lacks a scope.
    TooShort,
    /// It is enough.
    Enough,
}

impl Tokens {
    /// Makes all tokens invalid.
    pub(super) fn forget(&mut self) {
        self.issued.clear();
    }

    /// Returns whether a token is good for all these scopes.
    pub(super) fn reach(&self, token: &str, needed: &[Scope], lifetime: Option<Duration>) -> Reach {
        let is_alive = |token: &&Token| lifetime.is_none_or(|lifetime| token.issued_at.elapsed() < lifetime);
        let Some(token) = self.issued.get(token).filter(is_alive) else {
            return Reach::Invalid;
        };
        let is_granted = |needed: &Scope| {
            let has = |action: &String| {
                token
                    .scopes
                    .iter()
                    .any(|scope| scope.repository == needed.repository && scope.actions.contains(action))
            };
            needed.actions.iter().all(has)
        };
        if needed.iter().all(is_granted) {
            Reach::Enough
        } else {
            Reach::TooShort
        }
    }

    fn issue(&mut self, scopes: Vec<Scope>) -> String {
        self.count += 1;
        let token = format!("token-{}", self.count);
        let issued_at = Instant::now();
        self.issued.insert(token.clone(), Token { scopes, issued_at });
        token
    }
}

impl Scope {
    /// Parses `repository:NAME:pull,push`.
    fn parse(text: &str) -> Option<Self> {
        let (repository, actions) = text.strip_prefix("repository:")?.rsplit_once(':')?;
        Some(Self {
            repository: repository.to_owned(),
            actions: actions.split(',').map(str::to_owned).collect(),
        })
    }

    /// Returns `repository:NAME:pull,push`.
    pub(super) fn text(&self) -> String {
        format!("repository:{}:{}", self.repository, self.actions.join(","))
    }
}

/// Who asks for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Known,
    Anonymous,
    Wrong,
}

/// What a caller wants.
struct Wish {
    caller: Caller,
    scopes: Vec<String>,
    wants_identity_token: bool,
    service: Option<String>,
}

impl Exchange<'_> {
    /// Gives a token for what is asked and allowed.
    pub(super) fn token(&self, incoming: &mut Incoming<'_, '_>) -> io::Result<Answer> {
        let Access::Token {
            credentials,
            expires_in_seconds,
        } = self.registry.options.access
        else {
            return Ok(Answer::refusal(404, "NOT_FOUND", "no tokens here"));
        };
        let wish = match self.request.method.as_str() {
            "GET" => self.wish_of_query(credentials),
            "POST" => {
                let form = incoming.document(FORM_SIZE_BYTES_MAX)?;
                self.wish_of_form(credentials, &String::from_utf8_lossy(&form))
            }
            _ => return Ok(Answer::refusal(405, "UNSUPPORTED", "GET or POST")),
        };
        let refused = |message| Ok(Answer::refusal(401, "UNAUTHORIZED", message));
        match wish.caller {
            Caller::Wrong => return refused("wrong password"),
            Caller::Anonymous if self.registry.options.anonymous_right.is_none() => {
                return refused("authentication required");
            }
            Caller::Known | Caller::Anonymous => {}
        }
        if wish.service.is_some_and(|service| service != SERVICE) {
            return Ok(Answer::refusal(400, "DENIED", "another service"));
        }
        let granted: Vec<Scope> = wish
            .scopes
            .iter()
            .flat_map(|text| text.split(' '))
            .filter_map(Scope::parse)
            .map(|scope| self.grant(wish.caller, scope))
            .collect();
        let scope = granted.iter().map(Scope::text).collect::<Vec<_>>().join(" ");
        let token = self.registry.tokens().issue(granted);
        let mut body = match self.request.method.as_str() {
            "POST" => json!({"access_token": token, "scope": scope, "expires_in": expires_in_seconds}),
            _ => json!({"token": token, "expires_in": expires_in_seconds}),
        };
        if let Some(identity) = self
            .registry
            .options
            .identity_token
            .as_ref()
            .filter(|_| wish.wants_identity_token)
        {
            body["refresh_token"] = json!(identity);
        }
        Ok(Answer::json(&body))
    }

    fn wish_of_query(&self, credentials: Option<&str>) -> Wish {
        let shown = self.request.header("authorization");
        let caller = match (credentials, shown) {
            (None, _) => Caller::Known,
            (Some(_), None) => Caller::Anonymous,
            (Some(secret), Some(shown)) if shown == basic(secret) => Caller::Known,
            (Some(_), Some(_)) => Caller::Wrong,
        };
        Wish {
            caller,
            scopes: self.request.queries("scope"),
            wants_identity_token: self.request.query("offline_token").as_deref() == Some("true"),
            service: self.request.query("service"),
        }
    }

    fn wish_of_form(&self, credentials: Option<&str>, form: &str) -> Wish {
        let field = |name| parameters(form, name).into_iter().next();
        let is_known = match field("grant_type").as_deref() {
            Some("refresh_token") => {
                let shown = field("refresh_token");
                shown.is_some() && shown == self.registry.options.identity_token
            }
            Some("password") => {
                let shown = field("username").zip(field("password"));
                let shown = shown.map(|(user, password)| format!("{user}:{password}"));
                credentials.is_none_or(|secret| shown.as_deref() == Some(secret))
            }
            _ => false,
        };
        Wish {
            caller: if is_known { Caller::Known } else { Caller::Wrong },
            scopes: parameters(form, "scope"),
            wants_identity_token: field("access_type").as_deref() == Some("offline")
                || field("grant_type").as_deref() == Some("refresh_token"),
            service: field("service"),
        }
    }

    /// Leaves of the wanted actions those that the caller's right allows.
    fn grant(&self, caller: Caller, mut scope: Scope) -> Scope {
        let options = &self.registry.options;
        let own = self.registry.right(&scope.repository);
        let right = match (caller, options.anonymous_right) {
            (Caller::Known, _) | (_, Some(Right::Everything)) => own,
            (_, Some(Right::Pull)) if own != Right::Nothing => Right::Pull,
            _ => Right::Nothing,
        };
        scope.actions.retain(|action| match right {
            Right::Everything => true,
            Right::Pull => action == "pull",
            Right::Nothing => false,
        });
        scope
    }
}
