//! Who is let in.

use std::time::Duration;

use super::answer::Answer;
use super::connection::Exchange;
use super::fault::Fault;
use super::options::{Access, Right};
use super::route::{Resource, Route};
use super::token::{Reach, SERVICE, Scope};
use crate::http::base64;

impl Exchange<'_> {
    /// Returns why a request is not carried out.
    pub(super) fn refused(&self, route: &Route) -> Option<Answer> {
        let needed = match route {
            Route::Token => return None,
            Route::Base => Vec::new(),
            Route::In(repository, resource) => self.needed(repository, resource),
        };
        let challenge = match self.registry.options.access {
            Access::Open => return None,
            Access::Basic(secret) => {
                if self.request.header("authorization") == Some(&basic(secret)) {
                    return self.denied(&needed);
                }
                "Basic realm=\"test\"".to_owned()
            }
            Access::Token {
                expires_in_seconds, ..
            } => {
                let reach = self.reach(&needed, expires_in_seconds);
                if reach == Some(Reach::Enough) {
                    return None;
                }
                self.challenge(&needed, reach)
            }
        };
        Some(
            Answer::refusal(401, "UNAUTHORIZED", "authentication required")
                .header("WWW-Authenticate", challenge),
        )
    }

    fn needed(&self, repository: &str, resource: &Resource) -> Vec<Scope> {
        let actions: &[&str] = match self.request.method.as_str() {
            "GET" | "HEAD" if !matches!(resource, Resource::Upload(_)) => &["pull"],
            "DELETE" if !matches!(resource, Resource::Upload(_)) => &["delete"],
            _ => &["pull", "push"],
        };
        let scope = |repository: &str, actions: &[&str]| Scope {
            repository: repository.to_owned(),
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        };
        let mut needed = vec![scope(repository, actions)];
        if *resource == Resource::Uploads
            && self.request.query("mount").is_some()
            && let Some(from) = self.request.query("from").filter(|from| from != repository)
        {
            needed.push(scope(&from, &["pull"]));
        }
        needed
    }

    /// Returns how far the shown token goes; `None` when none is shown.
    fn reach(&self, needed: &[Scope], expires_in_seconds: u64) -> Option<Reach> {
        let forgets = |fault: &Fault| matches!(fault, Fault::ForgetTokens);
        if self.registry.take_fault(self.request, forgets).is_some() {
            self.registry.tokens().forget();
        }
        let token = self.request.header("authorization")?.strip_prefix("Bearer ")?;
        let lifetime = self
            .registry
            .options
            .tokens_expire
            .then(|| Duration::from_secs(expires_in_seconds));
        Some(self.registry.tokens().reach(token, needed, lifetime))
    }

    fn challenge(&self, needed: &[Scope], reach: Option<Reach>) -> String {
        let mut challenge = format!(
            "Bearer realm=\"http://{}/token\",service=\"{SERVICE}\"",
            self.address
        );
        if !needed.is_empty() {
            let scope = needed.iter().map(Scope::text).collect::<Vec<_>>().join(" ");
            challenge = format!("{challenge},scope=\"{scope}\"");
        }
        match reach {
            Some(Reach::TooShort) => challenge.push_str(",error=\"insufficient_scope\""),
            Some(Reach::Invalid) => challenge.push_str(",error=\"invalid_token\""),
            Some(Reach::Enough) | None => {}
        }
        challenge
    }

    /// Compares the rights in the repositories where tokens do not carry them.
    fn denied(&self, needed: &[Scope]) -> Option<Answer> {
        let is_denied = needed
            .iter()
            .any(|scope| match self.registry.right(&scope.repository) {
                Right::Everything => false,
                Right::Pull => scope.actions.iter().any(|action| action != "pull"),
                Right::Nothing => true,
            });
        is_denied.then(|| Answer::refusal(403, "DENIED", "requested access to the resource is denied"))
    }
}

/// Returns the header's value for `user:password`.
pub(super) fn basic(secret: &str) -> String {
    format!("Basic {}", base64(secret))
}
