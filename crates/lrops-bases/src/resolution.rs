//! Which package files make up a base for a platform, and the file that pins them.

use lrops_model::digest::Digest;
use lrops_model::finding::Finding;
use lrops_model::platform::Platform;
use serde::{Deserialize, Serialize};

/// The packages of a base for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// The platform.
    pub platform: Platform,
    /// The suite's code name, such as `trixie`.
    pub codename: String,
    /// The release's version, such as `13.7`, where the suite has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The digest of what the specification says about packages; another digest means that it was edited since.
    pub specification: Digest,
    /// What a person should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The packages, by name.
    #[serde(rename = "package", default)]
    pub packages: Vec<LockedPackage>,
}

/// One package file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The digest of its file.
    pub digest: Digest,
    /// The file's length in bytes.
    pub size: u64,
    /// The suite it is from, as the specification names it.
    pub suite: String,
    /// Where the file is, below the suite's archive.
    pub path: String,
}

impl Resolution {
    /// Returns the size of all package files in bytes.
    pub fn download_size(&self) -> u64 {
        self.packages.iter().map(|package| package.size).sum()
    }
}

/// The lock file: resolutions of bases by name. It names no mirror, so a team can serve the files from its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: LockVersion,
    #[serde(rename = "base", default, skip_serializing_if = "Vec::is_empty")]
    bases: Vec<LockedBase>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u32", into = "u32")]
struct LockVersion;

impl TryFrom<u32> for LockVersion {
    type Error = String;

    fn try_from(version: u32) -> Result<Self, String> {
        if version == 1 {
            Ok(Self)
        } else {
            Err(format!("this lrops reads lock files of version 1, not {version}"))
        }
    }
}

impl From<LockVersion> for u32 {
    fn from(_: LockVersion) -> Self {
        1
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LockedBase {
    name: String,
    #[serde(rename = "resolution")]
    resolution: Resolution,
}

impl Lock {
    /// Reads a lock file's text.
    ///
    /// # Errors
    /// When it is no lock file, or of a later version.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        toml::from_str(text).map_err(LockError)
    }

    /// Returns the lock file's text, the same for the same content.
    pub fn to_text(&self) -> String {
        let body = toml::to_string(self).expect("a lock has string keys and plain values");
        format!("# Written by `lrops base lock`. Pins the packages of bases by digest.\n{body}")
    }

    /// Puts in a base's packages for a platform, in place of those that were there.
    pub fn insert(&mut self, name: &str, resolution: Resolution) {
        self.bases
            .retain(|base| (base.name.as_str(), &base.resolution.platform) != (name, &resolution.platform));
        let resolution = Resolution {
            findings: Vec::new(),
            ..resolution
        };
        self.bases.push(LockedBase {
            name: name.to_owned(),
            resolution,
        });
        self.bases
            .sort_by(|a, b| (&a.name, &a.resolution.platform).cmp(&(&b.name, &b.resolution.platform)));
    }

    /// Returns a base's packages for a platform.
    pub fn get(&self, name: &str, platform: &Platform) -> Option<&Resolution> {
        let base = self
            .bases
            .iter()
            .find(|base| base.name == name && base.resolution.platform == *platform)?;
        Some(&base.resolution)
    }

    /// Returns whether the lock pins the base for some platform.
    pub fn names(&self, name: &str) -> bool {
        self.bases.iter().any(|base| base.name == name)
    }
}

/// A text that is no lock file.
#[derive(Debug, thiserror::Error)]
#[error("the lock file cannot be read")]
pub struct LockError(#[source] toml::de::Error);
