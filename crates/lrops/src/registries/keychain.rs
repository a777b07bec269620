//! Where credentials are looked for, in this order, as Docker and GitLab's runner do it:
//!
//! 1. `DOCKER_AUTH_CONFIG`: the text of a `config.json`, given on purpose for this process;
//! 2. files: the one that `REGISTRY_AUTH_FILE` names, alone; else Docker's `config.json` and both of podman's `auth.json`;
//! 3. what GitLab gives every job: `CI_REGISTRY_USER` for `CI_REGISTRY`, `CI_DEPENDENCY_PROXY_USER` for its proxy. Who has
//!    logged in with more rights than the job's means it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use lrops_remote::registry::{
    CredentialSource, Credentials, DockerConfig, HelperSettings, Keychain, LoginFile, registry_named,
};

use crate::environment::Environment;
use crate::failure::Failure;

/// Returns the keychain of this process.
pub(super) fn open(environment: &Environment) -> Result<Keychain, Failure> {
    Ok(Keychain::new(sources(environment)?, HelperSettings::USUAL))
}

fn sources(environment: &Environment) -> Result<Vec<CredentialSource>, Failure> {
    let mut sources = Vec::new();
    if let Some(text) = environment.get("DOCKER_AUTH_CONFIG") {
        let config = DockerConfig::parse(text.as_bytes()).map_err(|source| {
            Failure::work("failed to read the credentials in DOCKER_AUTH_CONFIG", source)
        })?;
        sources.push(CredentialSource::Config(config));
    }
    for path in files(environment) {
        sources.extend(read(&path)?.map(CredentialSource::Config));
    }
    let of_job = [
        ("CI_REGISTRY", "CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD"),
        (
            "CI_DEPENDENCY_PROXY_SERVER",
            "CI_DEPENDENCY_PROXY_USER",
            "CI_DEPENDENCY_PROXY_PASSWORD",
        ),
    ];
    for (registry, user, password) in of_job {
        if let (Some(registry), Some(user), Some(password)) = (
            environment.get(registry),
            environment.get(user),
            environment.get(password),
        ) {
            sources.push(CredentialSource::Login {
                registry: registry_named(registry),
                credentials: Credentials::Basic {
                    user: user.to_owned(),
                    password: password.to_owned(),
                },
            });
        }
    }
    Ok(sources)
}

/// Returns the files that may hold credentials.
fn files(environment: &Environment) -> Vec<PathBuf> {
    let own = login_path(environment);
    if environment.get("REGISTRY_AUTH_FILE").is_some() {
        return vec![own];
    }
    let runtime = environment.get("XDG_RUNTIME_DIR").map(PathBuf::from);
    let podman = runtime.into_iter().chain(environment.configuration_home());
    std::iter::once(own)
        .chain(podman.map(|directory| directory.join("containers/auth.json")))
        .collect()
}

fn login_path(environment: &Environment) -> PathBuf {
    match environment.get("REGISTRY_AUTH_FILE") {
        Some(path) => environment.absolute(Path::new(path)),
        None => environment.docker_config().join("config.json"),
    }
}

fn read(path: &Path) -> Result<Option<DockerConfig>, Failure> {
    let said = || format!("failed to read the credentials in {}", path.display());
    match fs::read(path) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => Ok(None),
        Ok(bytes) => match DockerConfig::parse(&bytes) {
            Ok(config) => Ok(Some(config)),
            Err(source) => Err(Failure::work(said(), source)),
        },
        Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(cause) => Err(Failure::work(said(), cause)),
    }
}

/// Returns the file that logins are written to, and its path.
pub(crate) fn login_file(environment: &Environment) -> (LoginFile, PathBuf) {
    let path = login_path(environment);
    (LoginFile::new(path.clone(), HelperSettings::USUAL), path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(environment: &Environment) -> Vec<String> {
        files(environment)
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    #[test]
    fn docker_s_file_goes_before_podman_s() {
        let all = [
            ("HOME", "/h"),
            ("XDG_RUNTIME_DIR", "/run/user/1"),
            ("XDG_CONFIG_HOME", "/c"),
            ("DOCKER_CONFIG", "d"),
        ];
        let expected = [
            "/w/d/config.json",
            "/run/user/1/containers/auth.json",
            "/c/containers/auth.json",
        ];
        assert_eq!(shown(&Environment::for_test(Path::new("/w"), &all)), expected);
        let expected = ["/h/.docker/config.json", "/h/.config/containers/auth.json"];
        assert_eq!(
            shown(&Environment::for_test(Path::new("/w"), &all[..1])),
            expected
        );
    }

    #[test]
    fn a_named_file_is_read_alone() {
        let variables = [("REGISTRY_AUTH_FILE", "a.json"), ("HOME", "/h")];
        let environment = Environment::for_test(Path::new("/w"), &variables);
        assert_eq!(shown(&environment), ["/w/a.json"]);
        assert_eq!(login_file(&environment).1, Path::new("/w/a.json"));
    }

    #[test]
    fn what_a_job_was_given_comes_last() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().to_str().unwrap();
        fs::create_dir(directory.path().join(".docker")).unwrap();
        fs::write(directory.path().join(".docker/config.json"), "{}").unwrap();
        let variables = [
            ("HOME", home),
            ("DOCKER_AUTH_CONFIG", "{}"),
            ("CI_REGISTRY", "https://gitlab.example:5050"),
            ("CI_REGISTRY_USER", "job"),
            ("CI_REGISTRY_PASSWORD", "token"),
            ("CI_DEPENDENCY_PROXY_SERVER", "gitlab.example:443"),
        ];
        let sources = sources(&Environment::for_test(directory.path(), &variables)).unwrap();
        let kinds: Vec<&str> = sources
            .iter()
            .map(|source| match source {
                CredentialSource::Config(_) => "config",
                CredentialSource::Login { registry, .. } => registry,
            })
            .collect();
        assert_eq!(kinds, ["config", "config", "gitlab.example:5050"]);
    }

    #[test]
    fn an_unusable_file_is_named_without_its_text() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.json"), "secret").unwrap();
        let variables = [("REGISTRY_AUTH_FILE", "a.json"), ("HOME", "/none")];
        let Err(error) = open(&Environment::for_test(directory.path(), &variables)) else {
            panic!("it is no JSON")
        };
        assert!(error.to_string().contains("a.json"), "{error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}
