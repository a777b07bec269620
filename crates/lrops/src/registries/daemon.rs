//! What Docker's daemon was told about registries: lrops does without the daemon, and believes its settings.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use lrops_remote::registry::{Mirror, RegistryPattern};
use serde::Deserialize;

use crate::environment::Environment;
use crate::failure::Failure;

/// The part of a `daemon.json` that is about registries.
#[derive(Debug, Default)]
pub(super) struct DaemonConfiguration {
    /// `insecure-registries`.
    pub(super) insecure: Vec<RegistryPattern>,
    /// `registry-mirrors`, which are Docker Hub's.
    pub(super) mirrors: Vec<Mirror>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    #[serde(default)]
    insecure_registries: Vec<String>,
    #[serde(default)]
    registry_mirrors: Vec<String>,
}

impl DaemonConfiguration {
    /// Reads the machine's file, and that of a daemon without root.
    pub(super) fn find(environment: &Environment) -> Result<Self, Failure> {
        let mut all = Self::default();
        let own = environment.configuration_home();
        let own = own.map(|home| home.join("docker/daemon.json"));
        for path in [Some(PathBuf::from("/etc/docker/daemon.json")), own]
            .into_iter()
            .flatten()
        {
            let found = Self::read(&path)?;
            all.insecure.extend(found.insecure);
            all.mirrors.extend(found.mirrors);
        }
        Ok(all)
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let said = || {
            format!(
                "failed to read the settings of Docker's daemon in {}",
                path.display()
            )
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            // A file that is closed to this user is for the daemon alone.
            Err(cause)
                if matches!(
                    cause.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
                ) =>
            {
                return Ok(Self::default());
            }
            Err(cause) => return Err(Failure::work(said(), cause)),
        };
        Self::parse(&text).map_err(|cause| Failure::work(said(), cause))
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let document: Document = serde_json::from_str(text)?;
        let insecure = document.insecure_registries.iter().map(|text| {
            // Docker takes a URL, too, and drops its scheme.
            let host = text.split_once("://").map_or(text.as_str(), |(_, host)| host);
            host.parse()
        });
        let mirrors = document.registry_mirrors.iter().map(|text| text.parse());
        Ok(Self {
            insecure: insecure.collect::<Result<_, _>>()?,
            mirrors: mirrors.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insecure_registries_and_mirrors_are_read_and_the_rest_is_docker_s() {
        let text = r#"{"insecure-registries":["a.example:5000","10.0.0.0/8","http://b.example"],
            "registry-mirrors":["https://mirror.example/"],"debug":true}"#;
        let found = DaemonConfiguration::parse(text).unwrap();
        let expected = ["a.example:5000", "10.0.0.0/8", "b.example"].map(|text| text.parse().unwrap());
        assert_eq!(found.insecure, expected);
        assert_eq!(found.mirrors[0].to_string(), "https://mirror.example");
    }

    #[test]
    fn a_file_that_docker_would_not_read_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("daemon.json");
        assert!(DaemonConfiguration::read(&path).unwrap().mirrors.is_empty());
        for text in ["{", r#"{"registry-mirrors":["ftp://x"]}"#] {
            fs::write(&path, text).unwrap();
            let error = DaemonConfiguration::read(&path).unwrap_err();
            assert!(error.to_string().contains("daemon.json"), "{error}");
        }
    }
}
