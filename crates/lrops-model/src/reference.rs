//! References: `registry/repository[:tag][@digest]`, with Docker's defaults.
//!
//! Grammar: the distribution project's `reference` package (Docker's familiar names): a first component with a `.`,
//! a `:`, an upper-case letter, or the word `localhost` is a registry; otherwise Docker Hub is meant, and a repository
//! of one component belongs to `library/`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;

/// The registry that a reference without one means.
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// The name of an image in a registry.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Returns the registry: a host and perhaps a port, such as `docker.io` or `127.0.0.1:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the repository within its registry, such as `library/alpine`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the tag that was written, if any.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest that was written, if any.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Returns the tag, with `latest` where neither a tag nor a digest was written.
    pub fn tag_or_latest(&self) -> Option<&str> {
        match (&self.tag, self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some("latest"),
            (None, Some(_)) => None,
        }
    }

    /// Returns the same repository with another tag and no digest.
    ///
    /// # Errors
    /// When the text is no tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ParseReferenceError> {
        if !is_tag(tag) {
            return Err(ParseReferenceError {
                text: tag.to_owned(),
                reason: BAD_TAG,
            });
        }
        Ok(Self {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        })
    }

    /// Returns the same image in another registry, below a path there, which may be empty.
    ///
    /// # Errors
    /// When registry and path make no name together.
    pub fn moved_to(&self, registry: &str, path: &str) -> Result<Self, ParseReferenceError> {
        let moved = Self {
            registry: registry.to_owned(),
            repository: if path.is_empty() {
                self.repository.clone()
            } else {
                format!("{path}/{}", self.repository)
            },
            ..self.clone()
        };
        let error = |reason| ParseReferenceError {
            text: moved.to_string(),
            reason,
        };
        if !is_registry(registry) {
            return Err(error(BAD_REGISTRY));
        }
        if !is_repository(&moved.repository) {
            return Err(error(BAD_REPOSITORY));
        }
        Ok(moved)
    }

    /// Returns the same repository with a digest and no tag.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            tag: None,
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// Returns the name as people write it: without Docker Hub's registry and `library/`.
    pub fn familiar(&self) -> String {
        let name = if self.registry == DEFAULT_REGISTRY {
            self.repository
                .strip_prefix("library/")
                .unwrap_or(&self.repository)
                .to_owned()
        } else {
            format!("{}/{}", self.registry, self.repository)
        };
        format!("{name}{}", self.suffix())
    }

    fn suffix(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.map(|digest| format!("@{digest}")).unwrap_or_default();
        tag + &digest
    }
}

const BAD_TAG: &str =
    "a tag has up to 128 letters, digits, '_', '.' and '-', and starts with none of '.' and '-'";
const BAD_REGISTRY: &str = "its registry is not a host name with an optional port";
const BAD_REPOSITORY: &str = "a repository has lower-case letters and digits, separated by '.', '_', '__' or '-', and components by '/'";
const REPOSITORY_LENGTH_MAX: usize = 255;

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&text.len())
        && word(text.as_bytes()[0])
        && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn is_repository_component(text: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    if !alphanumeric(first) || !alphanumeric(last) {
        return false;
    }
    // Between letters and digits: one '.', one or two '_', or any number of '-'.
    bytes
        .split(alphanumeric)
        .filter(|separator| !separator.is_empty())
        .all(|separator| matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-'))
}

fn is_repository(text: &str) -> bool {
    text.len() <= REPOSITORY_LENGTH_MAX && text.split('/').all(is_repository_component)
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let good_port = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good_host = match bracketed {
        Some(address) => !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        }),
    };
    good_port && good_host
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason| ParseReferenceError {
            text: text.to_owned(),
            reason,
        };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (
                name,
                Some(
                    digest
                        .parse()
                        .map_err(|_| error("its digest is not sha256: and 64 hexadecimal digits"))?,
                ),
            ),
            None => (text, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (name, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(error(BAD_TAG));
        }
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if names_a_registry(first) => (first, rest),
            _ => (DEFAULT_REGISTRY, name),
        };
        let registry = if registry == "index.docker.io" {
            DEFAULT_REGISTRY
        } else {
            registry
        };
        if !is_registry(registry) {
            return Err(error(BAD_REGISTRY));
        }
        let repository = if registry == DEFAULT_REGISTRY && !repository.contains('/') {
            format!("library/{repository}")
        } else {
            repository.to_owned()
        };
        if !is_repository(&repository) {
            return Err(error(BAD_REPOSITORY));
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

fn names_a_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase())
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.registry, self.repository, self.suffix())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A text that is no reference.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no image reference: {reason}")]
pub struct ParseReferenceError {
    text: String,
    reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, full: &str, familiar: &str) {
        let reference: Reference = text.parse().unwrap();
        assert_eq!(
            (reference.to_string().as_str(), reference.familiar().as_str()),
            (full, familiar)
        );
    }

    #[test]
    fn an_image_can_be_meant_in_another_registry() {
        let image: Reference = "alpine:3".parse().unwrap();
        let check = |registry: &str, path: &str, expected: &str| {
            let moved = image.moved_to(registry, path).map(|moved| moved.to_string());
            assert_eq!(moved.unwrap_or_else(|error| error.reason.to_owned()), expected);
        };
        check("mirror:5000", "", "mirror:5000/library/alpine:3");
        check("mirror.example", "a/b", "mirror.example/a/b/library/alpine:3");
        check("mirror/x", "", BAD_REGISTRY);
        check("mirror", "A", BAD_REPOSITORY);
    }

    #[test]
    fn docker_hub_is_meant_where_no_registry_is_named() {
        check("alpine", "docker.io/library/alpine", "alpine");
        check("alpine:3.18", "docker.io/library/alpine:3.18", "alpine:3.18");
        check("moby/buildkit", "docker.io/moby/buildkit", "moby/buildkit");
        check("docker.io/library/alpine", "docker.io/library/alpine", "alpine");
        check("index.docker.io/alpine", "docker.io/library/alpine", "alpine");
    }

    #[test]
    fn registries_are_told_from_repositories() {
        check("localhost/a", "localhost/a", "localhost/a");
        check("127.0.0.1:5000/a:b", "127.0.0.1:5000/a:b", "127.0.0.1:5000/a:b");
        check(
            "registry.example.com/a/b/c:1.0",
            "registry.example.com/a/b/c:1.0",
            "registry.example.com/a/b/c:1.0",
        );
        check("[::1]:5000/a", "[::1]:5000/a", "[::1]:5000/a");
    }

    #[test]
    fn a_digest_may_follow_a_tag() {
        let digest = Digest::of("");
        let reference: Reference = format!("a:b@{digest}").parse().unwrap();
        assert_eq!((reference.tag(), reference.digest()), (Some("b"), Some(digest)));
        assert_eq!(reference.with_digest(digest).tag_or_latest(), None);
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            "A/b/C",
            "a:",
            "a@sha256:12",
            "a//b",
            "-a",
            "a:b c",
            "a..b",
            "a___b",
            "host:port/a",
            "/a",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
    }
}
