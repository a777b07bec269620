//! `[registries]` and `[push]`: how registries are reached, and how images are published.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use lrops_model::reference::Reference;
use lrops_remote::registry::Mirror;
use serde::Deserialize;

use super::SizeWord;

/// `[registries."HOST:PORT"]`: one registry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct RegistrySection {
    /// Whether its certificate may be anything, and whether it may speak plain http.
    pub(crate) insecure: bool,
    /// Whether it is spoken to over https although it is on this machine, or insecure for others.
    pub(crate) secure: bool,
    /// A PEM file of certificate authorities.
    pub(crate) ca: Option<PathBuf>,
    /// The PEM file of the client's own certificate.
    pub(crate) client_cert: Option<PathBuf>,
    /// The PEM file of its key.
    pub(crate) client_key: Option<PathBuf>,
    /// What is asked before it, for pulls.
    pub(crate) mirrors: Vec<MirrorWord>,
}

/// `[push]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct PushSection {
    /// How much one request of an upload carries, such as `16m`.
    pub(crate) chunk_size: Option<SizeWord>,
    /// How many blobs are sent at a time.
    pub(crate) parallel: Option<NonZeroUsize>,
    /// How often a request is repeated.
    pub(crate) retries: Option<usize>,
    /// The seconds before the first repetition.
    pub(crate) retry_wait: Option<f64>,
}

/// A mirror.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct MirrorWord(pub(crate) Mirror);

impl TryFrom<String> for MirrorWord {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|error: lrops_remote::registry::ParseMirrorError| error.to_string())
    }
}

/// A repository, whose images are called by a version: a name without a tag.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct RepositoryWord(pub(crate) Reference);

impl FromStr for RepositoryWord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name: Reference = text.parse().map_err(|error| format!("{error}"))?;
        if name.tag().is_some() || name.digest().is_some() {
            return Err(format!(
                "{text:?} is more than a repository: its tags come from git's version; a whole name goes to --tag, or tags"
            ));
        }
        Ok(Self(name))
    }
}

impl TryFrom<String> for RepositoryWord {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
