//! What an image is expected to be.

use std::path::Path;

use lrops_model::platform::Platform;

use super::pattern::PathPattern;

/// What an image is expected to be.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// The platforms that it must have, and may have alone; empty takes whatever the index names.
    pub platforms: Vec<Platform>,
    /// The files that may be of any platform.
    pub allow: Vec<AllowRule>,
}

impl Expectations {
    /// Returns whether the file at `path`, relative to the root, may be of any platform.
    pub(super) fn allow(&self, path: &Path, platform: &Platform) -> bool {
        self.allow.iter().any(|rule| {
            rule.platform.as_ref().is_none_or(|only| only == platform) && rule.pattern.covers(path)
        })
    }
}

/// Files that may be of any platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowRule {
    /// Which files.
    pub pattern: PathPattern,
    /// In which platform's image; `None` means in all.
    pub platform: Option<Platform>,
}
