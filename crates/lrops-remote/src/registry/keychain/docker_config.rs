//! The files with credentials: Docker's `config.json`, podman's `auth.json`.

use std::collections::BTreeMap;
use std::fmt;

use lrops_model::reference::{DEFAULT_REGISTRY, Reference};
use serde::Deserialize;

use super::{Credentials, IDENTITY_TOKEN_USER};
use crate::http::base64_decoded;

/// The credentials in a `config.json`.
pub struct DockerConfig {
    /// By host, perhaps with the beginning of a repository behind it.
    pub(super) entries: BTreeMap<String, Credentials>,
    /// `docker-credential-…` programs, by the same keys: `credHelpers`.
    pub(super) programs: BTreeMap<String, String>,
    /// The one for all other registries: `credsStore`.
    pub(super) program: Option<String>,
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
    #[serde(default)]
    registrytoken: String,
}

impl DockerConfig {
    /// Reads the file's bytes. Of its entries only `auths`, `credHelpers` and `credsStore` are looked at.
    ///
    /// # Errors
    /// When the bytes are no such file, or an entry's `auth` is not what it should be.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseDockerConfigError> {
        let file: File = serde_json::from_slice(bytes).map_err(|cause| ParseDockerConfigError::at(&cause))?;
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

    /// Returns the helper that keeps a registry's credentials, when there is one.
    pub(super) fn program_for(&self, registry: &str) -> Option<&str> {
        let program = self.programs.get(registry).or(self.program.as_ref());
        program.map(String::as_str)
    }
}

impl FileEntry {
    /// An entry without anything says only that a helper has the credentials.
    fn read(self) -> Result<Option<Credentials>, ()> {
        if !self.registrytoken.is_empty() {
            return Ok(Some(Credentials::RegistryToken(self.registrytoken)));
        }
        let login = self.login()?;
        if !self.identitytoken.is_empty() {
            let user = login
                .map(|(user, _)| user)
                .filter(|user| !user.is_empty() && user != IDENTITY_TOKEN_USER);
            return Ok(Some(Credentials::IdentityToken {
                user,
                token: self.identitytoken,
            }));
        }
        Ok(login.map(|(user, password)| Credentials::of(user, password)))
    }

    fn login(&self) -> Result<Option<(String, String)>, ()> {
        if self.auth.is_empty() {
            let login = || (self.username.clone(), self.password.clone());
            return Ok((!self.username.is_empty()).then(login));
        }
        let secret = base64_decoded(&self.auth)
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or(())?;
        // Docker's own writer once padded the password with zero bytes.
        let (user, password) = secret.trim_end_matches('\0').split_once(':').ok_or(())?;
        Ok(Some((user.to_owned(), password.to_owned())))
    }
}

/// Docker Hub under all names that tools have written for it.
const DEFAULT_REGISTRY_NAMES: [&str; 3] = ["index.docker.io", "registry-1.docker.io", DEFAULT_REGISTRY];

/// Brings a key into the form `host[:port][/repository…]`: Docker also writes `https://host/v1/`.
pub(super) fn key(name: &str) -> String {
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
pub(super) fn places(reference: &Reference) -> Vec<String> {
    let mut place = format!("{}/{}", reference.registry(), reference.repository());
    let mut places = vec![place.clone()];
    while let Some(end) = place.rfind('/') {
        place.truncate(end);
        places.push(place.clone());
    }
    places
}

/// A `config.json` that cannot be read. What it holds is not repeated.
#[derive(Debug)]
pub struct ParseDockerConfigError {
    place: String,
}

impl ParseDockerConfigError {
    pub(super) fn at(cause: &serde_json::Error) -> Self {
        Self {
            place: format!("line {}, column {}", cause.line(), cause.column()),
        }
    }
}

impl fmt::Display for ParseDockerConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the registry credentials cannot be read: {} is not as lrops login and docker login write it",
            self.place
        )
    }
}

impl std::error::Error for ParseDockerConfigError {}

#[cfg(test)]
mod tests {
    use lrops_model::cancel::CancelToken;

    use super::super::{CredentialSource, HelperSettings, Keychain};
    use super::*;

    #[track_caller]
    fn check(config: &str, image: &str, expected: &str) {
        let config = DockerConfig::parse(config.as_bytes()).unwrap();
        let keychain = Keychain::new(vec![CredentialSource::Config(config)], HelperSettings::USUAL);
        let found = match keychain.credentials(&image.parse().unwrap(), &CancelToken::new()) {
            Ok(Credentials::Anonymous) => "anonymous".to_owned(),
            Ok(Credentials::Basic { user, password }) => format!("{user}:{password}"),
            Ok(Credentials::IdentityToken { user, token }) => format!("identity {user:?} {token}"),
            Ok(Credentials::RegistryToken(token)) => format!("registry token {token}"),
            Err(error) => error.program.trim_start_matches("docker-credential-").to_owned(),
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
    fn tokens_are_told_from_passwords() {
        let config = r#"{"auths":{
            "a.example":{"auth":"PHRva2VuPjo=","identitytoken":"x"},
            "b.example":{"username":"u","identitytoken":"x"},
            "c.example":{"username":"<token>","password":"x"},
            "d.example":{"auth":"YTpi","registrytoken":"x"}}}"#;
        check(config, "a.example/x", "identity None x");
        check(config, "b.example/x", "identity Some(\"u\") x");
        check(config, "c.example/x", "identity None x");
        check(config, "d.example/x", "registry token x");
    }

    #[test]
    fn a_helper_for_the_registry_goes_before_entries_and_the_one_for_all_behind_them() {
        let config = r#"{"auths":{"a.example":{},"b.example":{"auth":"YTpi"},"c.example":{"auth":"YTpi"}},
            "credHelpers":{"c.example":"lrops-none-named"},"credsStore":"lrops-none-general"}"#;
        check(config, "a.example/x", "lrops-none-general");
        check(config, "b.example/x", "a:b");
        check(config, "c.example/x", "lrops-none-named");
        check(config, "d.example/x", "lrops-none-general");
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
