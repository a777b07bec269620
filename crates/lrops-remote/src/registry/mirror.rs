//! Mirrors: registries that are asked before the one that a reference names, for pulls only.
//!
//! A mirror that does not have what is wanted, refuses, cannot be reached or sends wrong bytes is passed over. Its credentials
//! are its own: what the keychain has for the mirror's host.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use lrops_model::reference::Reference;

use super::client::Registry;
use super::endpoint::Endpoint;
use super::error::RegistryProblem;
use super::repository::Repository;
use crate::http::{Address, HttpProblem, Scheme};

/// A registry that has copies: `HOST[:PORT]`, or a URL with that, perhaps with a path that goes before the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// As the user wrote it; without one, as for any registry of the name.
    scheme: Option<Scheme>,
    host: String,
    path: String,
}

/// A text that names no mirror.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no mirror: expected HOST[:PORT] or https://HOST[:PORT][/PATH]")]
pub struct ParseMirrorError {
    text: String,
}

impl FromStr for Mirror {
    type Err = ParseMirrorError;

    fn from_str(text: &str) -> Result<Self, ParseMirrorError> {
        // What stands before an '@' could be a password.
        let error = || ParseMirrorError {
            text: text.rsplit('@').next().unwrap_or_default().to_owned(),
        };
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Some(Scheme::Http), rest),
            Some(("https", rest)) => (Some(Scheme::Https), rest),
            Some(_) => return Err(error()),
            None => (None, text),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mirror = Self {
            scheme,
            host: host.to_ascii_lowercase(),
            path: path.trim_matches('/').to_owned(),
        };
        let any: Reference = "x".parse().map_err(|_| error())?;
        any.moved_to(&mirror.host, &mirror.path).map_err(|_| error())?;
        Ok(mirror)
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.scheme {
            write!(f, "{}://", scheme.text())?;
        }
        f.write_str(&self.host)?;
        if !self.path.is_empty() {
            write!(f, "/{}", self.path)?;
        }
        Ok(())
    }
}

impl Registry {
    /// Returns where a reference's content is looked for: at mirrors that are not known to be of no use, and last at the
    /// registry itself.
    pub(crate) fn sources(&self, reference: &Reference) -> Vec<Repository> {
        let mut sources: Vec<Repository> = self
            .mirrors_of(reference.registry())
            .iter()
            .filter(|mirror| !self.useless_mirrors().contains(&mirror.to_string()))
            .filter_map(|mirror| self.mirrored(mirror, reference))
            .collect();
        sources.push(Repository::new(self, reference));
        sources
    }

    /// Returns the repository with a mirror's copies. A name that is too long there is not mirrored.
    pub(crate) fn mirrored(&self, mirror: &Mirror, reference: &Reference) -> Option<Repository> {
        let reference = reference.moved_to(&mirror.host, &mirror.path).ok()?;
        let endpoint = match mirror.scheme {
            Some(scheme) => Endpoint::new(&mirror.host, scheme),
            None => self.endpoint(&mirror.host),
        };
        if mirror.scheme == Some(Scheme::Https) && self.is_insecure(&mirror.host) {
            let address = Address::parse(&endpoint.root()).ok()?;
            self.client().forgo_verification(&address.authority());
        }
        Some(Repository::at(self, &reference, endpoint, mirror.to_string()))
    }
}

/// Mirrors that cannot be reached, are ill, or send wrong bytes. They are not asked again, since each question could take
/// as long as the first.
#[derive(Default)]
pub(crate) struct UselessMirrors(Mutex<BTreeSet<String>>);

impl UselessMirrors {
    fn contains(&self, mirror: &str) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(mirror)
    }

    pub(crate) fn add(&self, mirror: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(mirror.to_owned());
    }
}

/// The mirrors that were passed over, with their reasons.
#[derive(Default)]
pub(crate) struct PassedMirrors(Vec<String>);

impl PassedMirrors {
    /// Notes that a mirror was of no use this time; when it will be of none at all, it is not asked again.
    pub(crate) fn add(&mut self, repository: &Repository, problem: &RegistryProblem) {
        let Some(mirror) = repository.mirror() else { return };
        if is_lasting(problem) {
            repository.registry().useless_mirrors().add(mirror);
        }
        self.0.push(format!("{mirror}: {}", chain(problem)));
    }

    /// Returns the registry's own problem, with what the mirrors said before it.
    pub(crate) fn before(self, origin: &Repository, problem: RegistryProblem) -> RegistryProblem {
        if self.0.is_empty() || problem.is_cancelled() {
            return problem;
        }
        RegistryProblem::AfterMirrors {
            mirrors: self.0.join("; "),
            registry: origin.reference().registry().to_owned(),
            source: Box::new(problem),
        }
    }
}

fn is_lasting(problem: &RegistryProblem) -> bool {
    match problem {
        RegistryProblem::Http(HttpProblem::Cancelled(_)) => false,
        RegistryProblem::Http(_)
        | RegistryProblem::WrongDigest { .. }
        | RegistryProblem::WrongLength { .. } => true,
        RegistryProblem::Token { source, .. } => is_lasting(source),
        _ => problem.status().is_some_and(|status| status >= 500),
    }
}

fn chain(problem: &RegistryProblem) -> String {
    let mut text = problem.to_string();
    let mut next = problem.source();
    while let Some(cause) = next {
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, scheme: Option<Scheme>, repository: &str) {
        let mirror: Mirror = text.parse().unwrap();
        let image: Reference = "alpine:3".parse().unwrap();
        let moved = image.moved_to(&mirror.host, &mirror.path).unwrap();
        assert_eq!((mirror.scheme, moved.to_string().as_str()), (scheme, repository));
    }

    #[test]
    fn a_mirror_is_a_host_or_a_url_with_a_path() {
        check("mirror.example", None, "mirror.example/library/alpine:3");
        check("mirror", None, "mirror/library/alpine:3");
        check(
            "https://mirror.example:5000/",
            Some(Scheme::Https),
            "mirror.example:5000/library/alpine:3",
        );
        check(
            "http://Mirror.example/proxy/hub",
            Some(Scheme::Http),
            "mirror.example/proxy/hub/library/alpine:3",
        );
        check("mirror.example/hub/", None, "mirror.example/hub/library/alpine:3");
    }

    #[test]
    fn what_is_no_mirror_is_refused_without_a_password() {
        for text in [
            "",
            "ftp://a",
            "https://",
            "https://a/b?c",
            "https://u:secret@a",
            "a b",
        ] {
            let error = text.parse::<Mirror>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        }
    }
}
