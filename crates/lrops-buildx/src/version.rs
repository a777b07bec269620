//! Which buildx this is, and what it can do.

use std::fmt::{self, Display};

use crate::docker::{Docker, DockerError};
use crate::progress::ProgressForm;

/// The version of buildx.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BuildxVersion {
    /// The major number: 0 so far.
    pub major: u32,
    /// The minor number.
    pub minor: u32,
}

impl BuildxVersion {
    /// The oldest that lrops works with: it takes contexts from OCI layouts and writes images as directories.
    pub const OLDEST: Self = Self { major: 0, minor: 10 };

    /// The oldest with `--progress=rawjson`.
    pub const RAW_JSON: Self = Self { major: 0, minor: 13 };

    /// The oldest with `--call`; before, it is `--print`, and an experiment.
    pub const CALL: Self = Self { major: 0, minor: 15 };

    /// Asks buildx.
    ///
    /// # Errors
    /// When docker or buildx is missing; when the answer holds no version.
    pub fn ask(docker: &Docker) -> Result<Self, DockerError> {
        let command = docker.command().words(["buildx", "version"]);
        let answer = docker.ask(&command)?;
        Self::parse(&answer).ok_or_else(|| DockerError::Answer {
            command: command.to_string(),
            problem: format!("there is no version in {:?}", answer.trim()),
        })
    }

    /// Reads `github.com/docker/buildx v0.13.1 788433953af1`; Debian leaves the `v` out and adds its own marks.
    fn parse(answer: &str) -> Option<Self> {
        let version = answer.split_whitespace().nth(1)?;
        let mut numbers = version.trim_start_matches('v').split(['.', '+', '-']);
        Some(Self {
            major: numbers.next()?.parse().ok()?,
            minor: numbers.next()?.parse().ok()?,
        })
    }

    /// Returns how it is asked to tell of its progress.
    pub fn progress(self) -> ProgressForm {
        if self >= Self::RAW_JSON {
            ProgressForm::RawJson
        } else {
            ProgressForm::Plain
        }
    }
}

impl Display for BuildxVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_written() {
        let read = |text| BuildxVersion::parse(text).map(|version| version.to_string());
        let table = [
            ("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3\n", Some("0.13")),
            ("github.com/docker/buildx v0.29.1 a32761a\n", Some("0.29")),
            (
                "github.com/docker/buildx v0.10.0-docker 876462897612\n",
                Some("0.10"),
            ),
            ("something else", None),
            ("", None),
        ];
        for (text, version) in table {
            assert_eq!(read(text).as_deref(), version, "{text}");
        }
    }
}
