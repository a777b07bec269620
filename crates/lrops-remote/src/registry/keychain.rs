//! Where credentials come from.
//!
//! Nothing here can be shown: no type has `Debug` that would print a secret, and a file that cannot be read is named
//! by the place in it and not by its text.

use std::collections::BTreeMap;
use std::fmt;

use lrops_model::reference::{DEFAULT_REGISTRY, Reference};
use serde::Deserialize;

use super::error::Offered;

/// Where credentials for registries come from.
pub enum Keychain {
    /// None are used.
    Anonymous,
    /// Docker's `config.json`, or the `auth.json` that podman and skopeo write.
    DockerConfig(DockerConfig),
}

/// What there is for one repository.
pub(crate) enum Credentials {
    Anonymous,
    /// `user:password`.
    Basic(String),
    /// Credentials of a kind that is not read yet.
    NotYet(String),
}

impl Credentials {
    pub(crate) fn offered(&self) -> Offered {
        match self {
            Self::Anonymous => Offered::Nothing,
            Self::Basic(_) => Offered::Credentials,
            Self::NotYet(what) => Offered::NotYet(what.clone()),
        }
    }
}

impl Keychain {
    pub(crate) fn credentials(&self, reference: &Reference) -> Credentials {
        match self {
            Self::Anonymous => Credentials::Anonymous,
            Self::DockerConfig(config) => config.credentials(reference),
        }
    }
}

/// The credentials in a `config.json`.
pub struct DockerConfig {
    /// By host, perhaps with the beginning of a repository behind it.
    entries: BTreeMap<String, Entry>,
    /// `docker-credential-…` programs, by the same keys: `credHelpers`.
    programs: BTreeMap<String, String>,
    /// The one for all other registries: `credsStore`.
    program: Option<String>,
}

enum Entry {
    Basic(String),
    IdentityToken,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, FileEntry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Deserialize)]
struct FileEntry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
}

impl DockerConfig {
    /// Reads the file's bytes. Of its entries only `auths`, `credHelpers` and `credsStore` are looked at.
    ///
    /// # Errors
    /// When the bytes are no such file, or an entry's `auth` is not what it should be.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseDockerConfigError> {
        let file: File = serde_json::from_slice(bytes).map_err(|cause| ParseDockerConfigError {
            place: format!("line {}, column {}", cause.line(), cause.column()),
        })?;
        let mut entries = BTreeMap::new();
        for (name, entry) in file.auths {
            let entry = entry.read().map_err(|()| ParseDockerConfigError {
                place: format!("the entry {name}"),
            })?;
            entries.extend(entry.map(|entry| (key(&name), entry)));
        }
        let programs = file
            .cred_helpers
            .into_iter()
            .map(|(name, program)| (key(&name), program))
            .collect();
        let program = file.creds_store.filter(|program| !program.is_empty());
        Ok(Self {
            entries,
            programs,
            program,
        })
    }

    fn credentials(&self, reference: &Reference) -> Credentials {
        let places = places(reference);
        if let Some(entry) = places.iter().find_map(|place| self.entries.get(place)) {
            return match entry {
                Entry::Basic(secret) => Credentials::Basic(secret.clone()),
                Entry::IdentityToken => Credentials::NotYet("an identity token".to_owned()),
            };
        }
        let program = places
            .iter()
            .find_map(|place| self.programs.get(place))
            .or(self.program.as_ref());
        match program {
            Some(program) => {
                Credentials::NotYet(format!("the credential helper docker-credential-{program}"))
            }
            None => Credentials::Anonymous,
        }
    }
}

impl FileEntry {
    /// An entry without anything says only that a helper has the credentials.
    fn read(self) -> Result<Option<Entry>, ()> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Entry::IdentityToken));
        }
        if !self.auth.is_empty() {
            let secret = base64_decoded(&self.auth)
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or(())?;
            // Docker's own writer once padded the password with zero bytes.
            let secret = secret.trim_end_matches('\0');
            return if secret.contains(':') {
                Ok(Some(Entry::Basic(secret.to_owned())))
            } else {
                Err(())
            };
        }
        Ok((!self.username.is_empty()).then(|| Entry::Basic(format!("{}:{}", self.username, self.password))))
    }
}

/// Docker Hub under all names that tools have written for it.
const DEFAULT_REGISTRY_NAMES: [&str; 3] = ["index.docker.io", "registry-1.docker.io", DEFAULT_REGISTRY];

/// Brings a key into the form `host[:port][/repository…]`: Docker also writes `https://host/v1/`.
fn key(name: &str) -> String {
    let name = match name.split_once("://") {
        Some((_, rest)) => rest.split('/').next().unwrap_or_default(),
        None => name.trim_end_matches('/'),
    };
    let (host, path) = name
        .split_once('/')
        .map_or((name, None), |(host, path)| (host, Some(path)));
    let host = if DEFAULT_REGISTRY_NAMES.contains(&host) {
        DEFAULT_REGISTRY
    } else {
        host
    };
    match path {
        Some(path) if !matches!(path, "v1" | "v2") => format!("{host}/{path}"),
        _ => host.to_owned(),
    }
}

/// Returns the keys that may hold a repository's credentials, the nearest first (as in `auth.json`).
fn places(reference: &Reference) -> Vec<String> {
    let mut place = format!("{}/{}", reference.registry(), reference.repository());
    let mut places = vec![place.clone()];
    while let Some(end) = place.rfind('/') {
        place.truncate(end);
        places.push(place.clone());
    }
    places
}

/// RFC 4648 base64, with or without padding.
fn base64_decoded(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut group, mut bits) = (0_u32, 0);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        group = (group << 6 | u32::from(value)) & 0xFFF;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((group >> bits).to_be_bytes()[3]);
        }
    }
    Some(bytes)
}

/// A `config.json` that cannot be read. What it holds is not repeated.
#[derive(Debug)]
pub struct ParseDockerConfigError {
    place: String,
}

impl fmt::Display for ParseDockerConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the registry credentials cannot be read: {} is not as docker login writes it",
            self.place
        )
    }
}

impl std::error::Error for ParseDockerConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(config: &str, image: &str, expected: &str) {
        let keychain = Keychain::DockerConfig(DockerConfig::parse(config.as_bytes()).unwrap());
        let found = match keychain.credentials(&image.parse().unwrap()) {
            Credentials::Anonymous => "anonymous".to_owned(),
            Credentials::Basic(secret) => secret,
            Credentials::NotYet(what) => format!("not yet: {what}"),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn docker_logins_are_found_under_their_names() {
        let config = r#"{"auths":{
            "https://index.docker.io/v1/":{"auth":"aHViOm9wZW4gc2VzYW1l"},
            "https://host.example:5000/v2/":{"auth":"YTpiOmM="},
            "other.example":{"username":"u","password":"p"}},
            "HttpHeaders":{"x":"y"}}"#;
        check(config, "alpine", "hub:open sesame");
        check(config, "host.example:5000/a/b", "a:b:c");
        check(config, "other.example/a", "u:p");
        check(config, "host.example/a", "anonymous");
    }

    #[test]
    fn the_nearest_entry_wins_and_is_for_nothing_beside_it() {
        let config = r#"{"auths":{
            "h.example/team":{"auth":"dGVhbTox"},
            "h.example/team/app":{"auth":"YXBwOjI="}}}"#;
        check(config, "h.example/team/app:1", "app:2");
        check(config, "h.example/team/other", "team:1");
        check(config, "h.example/teams", "anonymous");
    }

    #[test]
    fn helpers_and_identity_tokens_are_named_as_not_yet_read() {
        let config = r#"{"auths":{"a.example":{},"b.example":{"auth":"PHRva2VuPjo=","identitytoken":"x"}},
            "credHelpers":{"c.example":"ecr-login"},"credsStore":"desktop"}"#;
        check(
            config,
            "a.example/x",
            "not yet: the credential helper docker-credential-desktop",
        );
        check(config, "b.example/x", "not yet: an identity token");
        check(
            config,
            "c.example/x",
            "not yet: the credential helper docker-credential-ecr-login",
        );
    }

    #[test]
    fn an_unreadable_file_is_refused_without_its_text() {
        for text in [
            "",
            "secret",
            r#"{"auths":{"h.example":"secret"}}"#,
            r#"{"auths":{"h.example":{"auth":"c2VjcmV0"}}}"#,
            r#"{"auths":{"h.example":{"auth":"secret!"}}}"#,
        ] {
            let error = DockerConfig::parse(text.as_bytes()).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        }
    }
}
