//! What the machine offers: proxies, certificate authorities and emulators.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lrops_dockerfile::instruction::suggestion;
use serde::Deserialize;

use crate::arguments::{BuildArguments, HostCa};
use crate::configuration::{BuildSection, Configuration};
use crate::environment::Environment;
use crate::failure::Failure;

/// The names that Docker predefines as build arguments, in small letters; each exists in capitals, too.
const PROXY_NAMES: [&str; 5] = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];

/// Where distributions keep the bundle of certificate authorities.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Returns the proxies for commands: those given as build arguments, else those of Docker's configuration.
///
/// Programs look for either spelling, so that a command sees each in small letters and in capitals, as in `BuildKit`.
pub(super) fn proxy_variables(
    build_args: &BTreeMap<String, String>,
    environment: &Environment,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut variables = configured_proxies(environment)?;
    let given = build_args
        .iter()
        .filter(|(name, _)| PROXY_NAMES.contains(&name.to_ascii_lowercase().as_str()));
    for (name, value) in given.clone() {
        variables.insert(name.to_ascii_uppercase(), value.clone());
        variables.insert(name.to_ascii_lowercase(), value.clone());
    }
    // Who gives both spellings means each as it is.
    variables.extend(given.map(|(name, value)| (name.clone(), value.clone())));
    Ok(variables)
}

/// The part of Docker's `config.json` that says which proxies commands get.
#[derive(Default, Deserialize)]
struct DockerConfiguration {
    #[serde(default)]
    proxies: BTreeMap<String, DockerProxies>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_field_names, reason = "the names are Docker's")]
struct DockerProxies {
    http_proxy: Option<String>,
    https_proxy: Option<String>,
    ftp_proxy: Option<String>,
    no_proxy: Option<String>,
    all_proxy: Option<String>,
}

fn configured_proxies(environment: &Environment) -> Result<BTreeMap<String, String>, Failure> {
    let path = environment.docker_config().join("config.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(BTreeMap::new());
    };
    let mut configuration: DockerConfiguration = serde_json::from_str(&text).map_err(|source| {
        Failure::work(
            format!("failed to read Docker's configuration {}", path.display()),
            source,
        )
    })?;
    let proxies = configuration.proxies.remove("default").unwrap_or_default();
    let values = [
        proxies.http_proxy,
        proxies.https_proxy,
        proxies.ftp_proxy,
        proxies.no_proxy,
        proxies.all_proxy,
    ];
    let mut variables = BTreeMap::new();
    for (name, value) in PROXY_NAMES.iter().zip(values) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            variables.insert(name.to_uppercase(), value.clone());
            variables.insert((*name).to_owned(), value);
        }
    }
    Ok(variables)
}

/// Returns the bundle that commands are offered.
pub(super) fn certificate_authorities(
    arguments: &BuildArguments,
    section: &BuildSection,
    environment: &Environment,
) -> Result<Option<PathBuf>, Failure> {
    let wish = arguments
        .host_ca
        .or(section.host_ca.map(HostCa::from))
        .unwrap_or_default();
    if wish == HostCa::Off {
        return Ok(None);
    }
    let named = environment
        .get("SSL_CERT_FILE")
        .map(|path| environment.absolute(Path::new(path)));
    let usual = BUNDLES.iter().map(PathBuf::from);
    let found = named.into_iter().chain(usual).find(|path| path.is_file());
    if found.is_none() && wish == HostCa::On {
        return Err(Failure::usage_advised(
            "--host-ca=on: this machine has no bundle of certificate authorities",
            "install ca-certificates, or name a bundle with SSL_CERT_FILE",
        ));
    }
    Ok(found)
}

/// Where emulators are, whatever `PATH` says.
const EMULATOR_DIRECTORIES: [&str; 2] = ["/usr/bin", "/usr/local/bin"];

/// Returns the directories in which emulators are looked for: the one that is named, else those of `PATH`.
pub(super) fn emulators(
    arguments: &BuildArguments,
    configuration: &Configuration,
    environment: &Environment,
) -> Result<Vec<PathBuf>, Failure> {
    let typed = arguments
        .qemu
        .as_deref()
        .map(|path| ("--qemu", environment.absolute(path)));
    let written = || {
        let path = configuration.sections.build.qemu.as_deref()?;
        let start = configuration.directory().unwrap_or(&environment.directory);
        Some(("qemu in lrops.toml's [build]", start.join(path)))
    };
    if let Some((origin, directory)) = typed.or_else(written) {
        if !directory.is_dir() {
            return Err(Failure::usage_advised(
                format!("{origin}: {} is no directory", directory.display()),
                "name the directory that has QEMU's programs, such as qemu-aarch64-static",
            ));
        }
        return Ok(vec![directory]);
    }
    let searched = environment.get("PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = std::env::split_paths(searched)
        .filter(|path| path.is_absolute())
        .collect();
    for usual in EMULATOR_DIRECTORIES.map(PathBuf::from) {
        if !directories.contains(&usual) {
            directories.push(usual);
        }
    }
    Ok(directories)
}

/// Returns the advice that names the nearest of what is known.
pub(crate) fn nearest(written: &str, known: &[&str]) -> Option<String> {
    match suggestion(written, known) {
        Some(near) => Some(format!("did you mean {near}?")),
        None if known.is_empty() => None,
        None => Some(format!("there are {}", known.join(", "))),
    }
}
