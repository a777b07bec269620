//! Semantic Versioning 2.0.0, as tags of git and of images write it.

use std::fmt;

use semver::{BuildMetadata, Prerelease};

use super::Change;

/// A version: three numbers, perhaps of a pre-release, perhaps with build metadata. Versions are ordered as the
/// specification says; where it leaves two equal, their build metadata decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SemanticVersion(semver::Version);

impl SemanticVersion {
    /// What comes before the first version.
    pub(crate) const ZERO: Self = Self(semver::Version::new(0, 0, 0));

    /// Returns the version that a tag of git names, `v1.2.3` or `1.2.3`.
    pub(crate) fn of_git_tag(tag: &str) -> Option<Self> {
        let text = tag.strip_prefix('v').unwrap_or(tag);
        semver::Version::parse(text).ok().map(Self)
    }

    /// Returns whether it is a pre-release, such as `1.2.3-rc.1`.
    pub(crate) fn is_pre_release(&self) -> bool {
        !self.0.pre.is_empty()
    }

    /// Returns the release that follows after a change. Below 1.0.0 nothing is promised yet, so that a breaking change
    /// raises the second number as a feature does: the first one is raised only by who asks for it.
    pub(crate) fn after(&self, change: Change) -> Option<Self> {
        match change {
            Change::Breaking if self.0.major > 0 => self.next(Kind::Major),
            Change::Breaking | Change::Feature => self.next(Kind::Minor),
            Change::Other => self.next(Kind::Patch),
        }
    }

    /// Returns the next release of a kind; none, when a number would grow too large.
    pub(crate) fn next(&self, kind: Kind) -> Option<Self> {
        let semver::Version {
            major, minor, patch, ..
        } = self.0;
        let next = match kind {
            Kind::Major => semver::Version::new(major.checked_add(1)?, 0, 0),
            Kind::Minor => semver::Version::new(major, minor.checked_add(1)?, 0),
            Kind::Patch => semver::Version::new(major, minor, patch.checked_add(1)?),
        };
        Some(Self(next))
    }

    /// Returns the same version as a part of a pre-release: `1.2.3-dev` or `1.2.3-rc.1.dev`, which comes after
    /// `1.2.3-rc.1` and before `1.2.3-rc.2`.
    pub(super) fn with_word(&self, word: &str) -> Self {
        let pre = match self.0.pre.as_str() {
            "" => word.to_owned(),
            pre => format!("{pre}.{word}"),
        };
        let pre = Prerelease::new(&pre).expect("a word makes a valid pre-release");
        Self(semver::Version {
            pre,
            ..self.0.clone()
        })
    }

    /// Returns the same version with other build metadata.
    pub(super) fn with_build(&self, build: &str) -> Self {
        let build = BuildMetadata::new(build).expect("letters, digits and hyphens are valid build metadata");
        Self(semver::Version {
            build,
            ..self.0.clone()
        })
    }

    /// Returns the version as a tag of an image, in which `+` cannot be.
    pub(super) fn image_tag(&self) -> String {
        self.to_string().replace('+', "_")
    }
}

impl fmt::Display for SemanticVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which number of a version is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// The third: something was mended.
    Patch,
    /// The second: something is new.
    Minor,
    /// The first: something does not work any more as it did.
    Major,
}

/// Returns whether an image's tag is a version, `1.2.3` or `v1.2.3`, perhaps of a pre-release, perhaps with build metadata
/// after a `_`. Tags such as `1.2` and `latest` are meant to move.
///
/// Padded numbers such as those of `2024.01.02` are no semantic version, but whoever pulled one must get the same again,
/// too.
pub(crate) fn is_version(tag: &str) -> bool {
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let (numbers, rest) = tag.split_at(tag.find(['-', '_']).unwrap_or(tag.len()));
    let unpadded: Vec<&str> = numbers.split('.').map(unpadded).collect();
    // The first `_` stands for `+`; further ones cannot come from a version, and are no reason to move the tag.
    let rest = rest.replacen('_', "+", 1).replace('_', "-");
    semver::Version::parse(&format!("{}{rest}", unpadded.join("."))).is_ok()
}

fn unpadded(number: &str) -> &str {
    match number.trim_start_matches('0') {
        "" if !number.is_empty() => "0",
        number => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> SemanticVersion {
        SemanticVersion::of_git_tag(text).unwrap_or_else(|| panic!("{text:?} is no version"))
    }

    #[test]
    fn tags_of_git_are_versions_or_not() {
        for (tag, expected) in [
            ("1.2.3", "1.2.3"),
            ("v0.0.1", "0.0.1"),
            ("v1.2.3-rc.1", "1.2.3-rc.1"),
            ("1.2.3-0.x-y+build.005", "1.2.3-0.x-y+build.005"),
        ] {
            assert_eq!(version(tag).to_string(), expected);
        }
        for tag in [
            "latest",
            "1.2",
            "v1",
            "1.2.3.4",
            "1.02.3",
            "vv1.2.3",
            "V1.2.3",
            "1.2.3-",
            "1.2.3-01",
            "1.2.3+a_b",
            "release-1.2.3",
            "v1.2.3 ",
            "",
        ] {
            assert_eq!(SemanticVersion::of_git_tag(tag), None, "{tag:?}");
        }
    }

    #[test]
    fn versions_are_ordered_as_the_specification_says() {
        let ascending = [
            "0.9.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0-rc.1.dev",
            "1.0.0-rc.2",
            "1.0.0",
            "1.0.0+a",
            "1.0.1",
            "1.2.0",
            "1.10.0",
            "2.0.0",
        ];
        for pair in ascending.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn the_next_release_leaves_pre_release_and_build_behind() {
        let check = |text: &str, expected: [&str; 3]| {
            let next = [Kind::Patch, Kind::Minor, Kind::Major].map(|kind| version(text).next(kind).unwrap());
            assert_eq!(next.map(|version| version.to_string()), expected);
        };
        check("0.0.0", ["0.0.1", "0.1.0", "1.0.0"]);
        check("1.2.3", ["1.2.4", "1.3.0", "2.0.0"]);
        check("1.2.3+a", ["1.2.4", "1.3.0", "2.0.0"]);
        assert_eq!(version("1.2.18446744073709551615").next(Kind::Patch), None);
    }

    #[test]
    fn a_breaking_change_raises_the_first_number_from_1_on() {
        let after = |text: &str, change| version(text).after(change).unwrap().to_string();
        assert_eq!(after("1.2.3", Change::Breaking), "2.0.0");
        assert_eq!(after("0.2.3", Change::Breaking), "0.3.0");
        assert_eq!(after("0.2.3", Change::Feature), "0.3.0");
        assert_eq!(after("0.2.3", Change::Other), "0.2.4");
        assert_eq!(after("0.0.0", Change::Other), "0.0.1");
    }

    #[test]
    fn a_version_has_three_numbers() {
        for tag in [
            "1.2.3",
            "v1.2.3",
            "0.0.1",
            "1.2.3-rc.1",
            "10.20.30-dev",
            "1.2.3_build5",
            "1.2.3-rc.1_build_5",
            "2024.01.02",
            "1.00.3",
        ] {
            assert!(is_version(tag), "{tag}");
        }
        for tag in [
            "latest",
            "1.2",
            "1",
            "v1",
            "1.2.3.4",
            "1.2.x",
            "1..3",
            "dev-abc123",
            "1.2.3-",
            "vv1.2.3",
            "",
        ] {
            assert!(!is_version(tag), "{tag}");
        }
    }
}
