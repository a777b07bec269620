//! `lrops.toml`: what a project would say on every command line, and its bases.
//!
//! Unknown keys are errors: a key that is misspelt and ignored is worse than one that stops the build. Relative paths
//! start from the file's directory.

mod buildx;
mod context;
mod error;
mod file;
mod registry;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lrops_bases::BaseSpec;
use lrops_model::oci::Compression;
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;
use serde::Deserialize;

pub(crate) use buildx::{BuildxSection, DeliverWord};
pub(crate) use context::{ContextEntry, ContextPlace, NestedEntry, is_remote};
pub(crate) use error::ConfigurationError;
pub(crate) use file::{FILE_NAME, find, read};
pub(crate) use registry::{PushSection, RegistrySection, RepositoryWord};

use crate::arguments::{EngineName, HostCa};

/// What `lrops.toml` says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configuration {
    /// The file, when there is one.
    pub(crate) path: Option<PathBuf>,
    /// Its sections.
    pub(crate) sections: Sections,
}

impl Configuration {
    /// Returns the directory that relative paths start from.
    pub(crate) fn directory(&self) -> Option<&Path> {
        self.path.as_deref().and_then(Path::parent)
    }
}

/// The sections of the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sections {
    /// `[build]`.
    pub(crate) build: BuildSection,
    /// `[contexts]`: named contexts.
    pub(crate) contexts: BTreeMap<String, ContextEntry>,
    /// `[bases]`: base images, by the name that `FROM` uses.
    pub(crate) bases: BTreeMap<String, BaseSpec>,
    /// `[registries]`: how registries are reached, by their names in references.
    pub(crate) registries: BTreeMap<String, RegistrySection>,
    /// `[buildx]`: the build farm.
    pub(crate) buildx: BuildxSection,
    /// `[push]`.
    pub(crate) push: PushSection,
    /// `[hooks]`: what a release runs.
    pub(crate) hooks: HooksSection,
    /// `[verify]`.
    pub(crate) verify: VerifySection,
    /// `[store]`.
    pub(crate) store: StoreSection,
}

/// `[build]`: what the flags of `lrops build` would say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BuildSection {
    /// The Dockerfile.
    pub(crate) dockerfile: Option<PathBuf>,
    /// The context's directory.
    pub(crate) context: Option<PathBuf>,
    /// The target platforms.
    pub(crate) platforms: Vec<Platform>,
    /// The stage.
    pub(crate) target: Option<String>,
    /// Build arguments.
    pub(crate) args: BTreeMap<String, String>,
    /// Labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// Annotations.
    pub(crate) annotations: BTreeMap<String, String>,
    /// The image's names.
    pub(crate) tags: Vec<Reference>,
    /// Repositories in which the image is called by git's version.
    pub(crate) repositories: Vec<RepositoryWord>,
    /// What happens to programs of foreign platforms.
    pub(crate) emulation: Option<EmulationWord>,
    /// The directory of QEMU's programs.
    pub(crate) qemu: Option<PathBuf>,
    /// How many steps run at a time.
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
    /// The network of commands.
    pub(crate) network: Option<NetworkWord>,
    /// How layers are compressed.
    pub(crate) compression: Option<Compression>,
    /// Times in layers.
    pub(crate) timestamps: Option<TimesWord>,
    /// What carries out the build.
    pub(crate) engine: Option<EngineWord>,
    /// Whether commands may use the host's certificate authorities.
    pub(crate) host_ca: Option<HostCaWord>,
}

/// `embedded` or `buildx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EngineWord {
    /// lrops itself.
    Embedded,
    /// `docker buildx`.
    Buildx,
}

impl From<EngineWord> for EngineName {
    fn from(word: EngineWord) -> Self {
        match word {
            EngineWord::Embedded => Self::Embedded,
            EngineWord::Buildx => Self::Buildx,
        }
    }
}

/// `[hooks]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HooksSection {
    /// Lines of shell that run before a release is built.
    pub(crate) before_build: Vec<String>,
}

/// `[verify]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct VerifySection {
    /// Files that may be of any platform.
    pub(crate) allow: Vec<String>,
    /// The platforms that an image must have.
    pub(crate) platforms: Vec<Platform>,
}

/// `[store]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StoreSection {
    /// How much `lrops cache prune` leaves, such as `20g`.
    pub(crate) keep: Option<SizeWord>,
}

/// `deny`, `warn` or `allow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EmulationWord {
    /// The build stops before it starts.
    Deny,
    /// They run, and lrops says so.
    Warn,
    /// They run.
    Allow,
}

/// `default`, `host` or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NetworkWord {
    /// The host's.
    Default,
    /// The host's.
    Host,
    /// None but a loopback.
    None,
}

/// `auto`, `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HostCaWord {
    /// When the machine has a bundle.
    Auto,
    /// Yes.
    On,
    /// No.
    Off,
}

impl From<HostCaWord> for HostCa {
    fn from(word: HostCaWord) -> Self {
        match word {
            HostCaWord::Auto => Self::Auto,
            HostCaWord::On => Self::On,
            HostCaWord::Off => Self::Off,
        }
    }
}

/// `fixed`, `keep`, or seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(crate) enum TimesWord {
    /// One time for all files: `SOURCE_DATE_EPOCH`, else 1970.
    Fixed,
    /// The files' own.
    Keep,
    /// This time for all files.
    Seconds(i64),
}

impl TryFrom<toml::Value> for TimesWord {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::Integer(seconds) => Ok(Self::Seconds(seconds)),
            toml::Value::String(text) => text.parse(),
            _ => Err("expected \"fixed\", \"keep\", or seconds since 1970".to_owned()),
        }
    }
}

impl std::str::FromStr for TimesWord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fixed" => Ok(Self::Fixed),
            "keep" => Ok(Self::Keep),
            other => match other.parse() {
                Ok(seconds) => Ok(Self::Seconds(seconds)),
                Err(_) => Err(format!(
                    "{text:?} is neither fixed, nor keep, nor seconds since 1970"
                )),
            },
        }
    }
}

/// A size with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(crate) struct SizeWord(pub(crate) u64);

impl TryFrom<toml::Value> for SizeWord {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::Integer(bytes) => u64::try_from(bytes)
                .map(Self)
                .map_err(|_| "a size is not negative".to_owned()),
            toml::Value::String(text) => crate::fields::bytes(&text).map(Self),
            _ => Err("expected a size such as \"20g\"".to_owned()),
        }
    }
}
