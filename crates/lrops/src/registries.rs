//! Who we are and where we connect: flags, environment, `lrops.toml` and Docker's own files become one client for
//! registries.
//!
//! Nothing is asked here, and of all files only those with credentials and Docker's settings are read.

mod daemon;
mod keychain;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lrops_model::reference::DEFAULT_REGISTRY;
use lrops_remote::http::{
    ClientCertificate, HostCertificates, HostTrust, HttpClient, HttpSettings, Proxies, RETRY_WAITS, Timeouts,
};
use lrops_remote::registry::{
    DEFAULT_REGISTRY_HOST, Mirror, Registry, RegistryPattern, RegistrySettings, Retry, registry_named,
};

use crate::amounts;
use crate::arguments::{RegistryArguments, RetryArguments};
use crate::configuration::{Configuration, RegistrySection};
use crate::environment::Environment;
use crate::failure::{Failure, one_line};

pub(crate) use keychain::login_file;

use daemon::DaemonConfiguration;

/// The clients of the network.
pub(crate) struct Registries {
    /// For all that is fetched.
    pub(crate) http: Arc<HttpClient>,
    /// For registries.
    pub(crate) registry: Registry,
}

impl Registries {
    /// Returns the clients that flags, environment and configuration ask for.
    ///
    /// # Errors
    /// When something there means nothing, or a file with credentials cannot be read.
    pub(crate) fn open(
        configuration: &Configuration,
        arguments: &RegistryArguments,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let daemon = DaemonConfiguration::find(environment)?;
        let http = HttpClient::new(http_settings(configuration, arguments, environment)?);
        let http = Arc::new(http);
        let settings = RegistrySettings {
            insecure: insecure(configuration, arguments, &daemon)?,
            secure: secure(configuration),
            mirrors: mirrors(configuration, daemon.mirrors),
            keychain: keychain::open(environment)?,
        };
        Ok(Self {
            registry: Registry::new(Arc::clone(&http), settings).observed(Arc::new(tell_retry)),
            http,
        })
    }
}

/// Says that something is tried again, lest a person wonder what takes so long.
fn tell_retry(place: &str, retry: &Retry<'_>) {
    // Nobody is there to be told that telling fails.
    let _ = writeln!(
        anstream::stderr(),
        "{place}: {}; retry {} of {} in {}",
        one_line(retry.problem),
        retry.number,
        retry.limit,
        amounts::seconds(retry.wait.as_secs_f64())
    );
}

/// Returns the client for commands about what a registry has: mirrors are not asked.
///
/// # Errors
/// As [`Registries::open`].
pub(crate) fn open(
    configuration: &Configuration,
    arguments: &RegistryArguments,
    environment: &Environment,
) -> Result<Registry, Failure> {
    let registries = Registries::open(configuration, arguments, environment)?;
    Ok(registries.registry.without_mirrors())
}

fn http_settings(
    configuration: &Configuration,
    arguments: &RegistryArguments,
    environment: &Environment,
) -> Result<HttpSettings, Failure> {
    Ok(HttpSettings {
        user_agent: concat!("lrops/", env!("CARGO_PKG_VERSION")).to_owned(),
        timeouts: Timeouts::USUAL,
        proxies: proxies(environment),
        certificate_authorities: authorities(arguments, environment)?,
        trust: trust(configuration, environment)?,
        retry_waits: retry_waits(configuration, &arguments.retry),
    })
}

fn proxies(environment: &Environment) -> Proxies {
    let all = || environment.get_either_case("all_proxy").map(str::to_owned);
    // HTTP_PROXY in capitals is not honoured: a server that runs lrops as CGI would let its clients set it.
    let http = environment.get("http_proxy").map(str::to_owned);
    let https = environment.get_either_case("https_proxy").map(str::to_owned);
    Proxies {
        http: http.or_else(all),
        https: https.or_else(all),
        no_proxy: environment
            .get_either_case("no_proxy")
            .unwrap_or_default()
            .to_owned(),
    }
}

fn authorities(arguments: &RegistryArguments, environment: &Environment) -> Result<Vec<PathBuf>, Failure> {
    let named = environment.get("SSL_CERT_FILE").map(Path::new);
    let mut paths: Vec<PathBuf> = named.map(|path| environment.absolute(path)).into_iter().collect();
    for path in &arguments.registry_ca {
        let path = environment.absolute(path);
        if !path.is_file() {
            return Err(Failure::usage(format!(
                "--registry-ca: there is no file {}",
                path.display()
            )));
        }
        paths.push(path);
    }
    Ok(paths)
}

/// Where Docker and podman keep certificates by host, the machine's before the user's.
fn trust(configuration: &Configuration, environment: &Environment) -> Result<HostTrust, Failure> {
    let mut directories = vec![
        PathBuf::from("/etc/docker/certs.d"),
        PathBuf::from("/etc/containers/certs.d"),
    ];
    if let Some(home) = environment.configuration_home() {
        directories.push(home.join("docker/certs.d"));
        directories.push(environment.docker_config().join("certs.d"));
        directories.push(home.join("containers/certs.d"));
    }
    let mut hosts = BTreeMap::new();
    for (name, section) in &configuration.sections.registries {
        let certificates = certificates(name, section, configuration)?;
        if certificates != HostCertificates::default() {
            hosts.insert(host(name), certificates);
        }
    }
    Ok(HostTrust { directories, hosts })
}

/// Returns the host that a registry of the configuration listens at.
fn host(name: &str) -> String {
    let registry = registry_named(name);
    if registry == DEFAULT_REGISTRY {
        DEFAULT_REGISTRY_HOST.to_owned()
    } else {
        registry
    }
}

fn certificates(
    name: &str,
    section: &RegistrySection,
    configuration: &Configuration,
) -> Result<HostCertificates, Failure> {
    let absolute = |path: &PathBuf| match configuration.directory() {
        Some(directory) => directory.join(path),
        None => path.clone(),
    };
    let client = match (&section.client_cert, &section.client_key) {
        (Some(certificate), Some(key)) => Some(ClientCertificate {
            certificate: absolute(certificate),
            key: absolute(key),
        }),
        (None, None) => None,
        _ => {
            return Err(Failure::usage(format!(
                "[registries.{name:?}] in lrops.toml: client-cert and client-key need each other"
            )));
        }
    };
    Ok(HostCertificates {
        authorities: section.ca.iter().map(absolute).collect(),
        client,
    })
}

/// A wait beyond this hides an outage.
const RETRY_WAIT_MAX: Duration = Duration::from_mins(5);

/// More retries outlast no outage.
const RETRIES_MAX: usize = 100;

/// Waits that double each time.
/// Returns the waits before each retry, from flags and `lrops.toml`.
pub(crate) fn retry_waits(configuration: &Configuration, arguments: &RetryArguments) -> Vec<Duration> {
    let section = &configuration.sections.push;
    let retries = arguments.retries.or(section.retries).unwrap_or(RETRY_WAITS.len());
    let retries = retries.min(RETRIES_MAX);
    let first = arguments.retry_wait.or(section.retry_wait);
    // A number that is no duration is longer than any.
    let wait = |seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(RETRY_WAIT_MAX);
    let first = first.map_or(RETRY_WAITS[0], wait);
    let waits = std::iter::successors(Some(first), |wait| Some(wait.saturating_mul(2)));
    waits.take(retries).map(|wait| wait.min(RETRY_WAIT_MAX)).collect()
}

fn insecure(
    configuration: &Configuration,
    arguments: &RegistryArguments,
    daemon: &DaemonConfiguration,
) -> Result<Vec<RegistryPattern>, Failure> {
    let mut patterns = daemon.insecure.clone();
    for (name, section) in &configuration.sections.registries {
        if section.insecure && section.secure {
            return Err(Failure::usage(format!(
                "[registries.{name:?}] in lrops.toml: a registry is not secure and insecure"
            )));
        }
        if section.insecure {
            patterns.push(RegistryPattern::Registry(registry_named(name)));
        }
    }
    for text in &arguments.insecure_registry {
        let pattern = text
            .parse()
            .map_err(|error| Failure::usage(format!("--insecure-registry: {error}")))?;
        patterns.push(pattern);
    }
    Ok(patterns)
}

fn secure(configuration: &Configuration) -> BTreeSet<String> {
    let sections = configuration.sections.registries.iter();
    sections
        .filter(|(_, section)| section.secure)
        .map(|(name, _)| registry_named(name))
        .collect()
}

/// The mirrors of the configuration go before those of Docker, which are Docker Hub's.
fn mirrors(configuration: &Configuration, of_daemon: Vec<Mirror>) -> BTreeMap<String, Vec<Mirror>> {
    let mut mirrors: BTreeMap<String, Vec<Mirror>> = BTreeMap::new();
    for (name, section) in &configuration.sections.registries {
        let words = section.mirrors.iter().map(|word| word.0.clone());
        mirrors.entry(registry_named(name)).or_default().extend(words);
    }
    mirrors
        .entry(DEFAULT_REGISTRY.to_owned())
        .or_default()
        .extend(of_daemon);
    mirrors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Sections;

    fn configuration(text: &str) -> Configuration {
        Configuration {
            path: Some("/project/lrops.toml".into()),
            sections: toml::from_str::<Sections>(text).unwrap(),
        }
    }

    fn waits(configuration_text: &str, retries: Option<usize>, retry_wait: Option<f64>) -> Vec<u64> {
        let arguments = RetryArguments { retries, retry_wait };
        let waits = retry_waits(&configuration(configuration_text), &arguments);
        waits.iter().map(Duration::as_secs).collect()
    }

    #[test]
    fn waits_double_and_flags_go_before_the_configuration() {
        assert_eq!(waits("", None, None), [2, 4, 8]);
        let section = "[push]\nretries = 2\nretry-wait = 5.0\n";
        assert_eq!(waits(section, None, None), [5, 10]);
        assert_eq!(waits(section, Some(1), None), [5]);
        assert_eq!(waits(section, Some(0), None), [0; 0]);
        assert_eq!(waits(section, None, Some(0.0)), [0, 0]);
        assert_eq!(waits("", Some(9), Some(100.0))[8], 300);
    }

    #[test]
    fn certificates_of_the_configuration_start_from_its_directory() {
        let configuration = configuration(
            "[registries.'r.example:5000']\nca = 'ca.pem'\nclient-cert = '/c.pem'\nclient-key = 'k.pem'\n\
             [registries.'docker.io']\nca = 'hub.pem'\n",
        );
        let environment = Environment::for_test(Path::new("/w"), &[("HOME", "/h")]);
        let trust = trust(&configuration, &environment).unwrap();
        let own = &trust.hosts["r.example:5000"];
        assert_eq!(own.authorities, [PathBuf::from("/project/ca.pem")]);
        let client = own.client.as_ref().unwrap();
        assert_eq!(client.certificate, PathBuf::from("/c.pem"));
        assert_eq!(client.key, PathBuf::from("/project/k.pem"));
        assert!(trust.hosts.contains_key("registry-1.docker.io"));
        assert_eq!(
            trust.directories[2..],
            [
                "/h/.config/docker/certs.d",
                "/h/.docker/certs.d",
                "/h/.config/containers/certs.d"
            ]
            .map(PathBuf::from)
        );
    }

    #[test]
    fn half_a_client_certificate_is_refused() {
        let configuration = configuration("[registries.r]\nclient-cert = 'c'\n");
        let environment = Environment::for_test(Path::new("/w"), &[]);
        let error = trust(&configuration, &environment).unwrap_err();
        assert!(error.to_string().contains("need each other"), "{error}");
    }

    #[test]
    fn mirrors_of_the_configuration_go_before_those_of_docker() {
        let configuration = configuration(
            "[registries.'index.docker.io']\nmirrors = ['a.example']\n[registries.r]\nmirrors = ['b.example/x']\n",
        );
        let shown = mirrors(&configuration, vec!["https://c.example".parse().unwrap()]);
        let shown: Vec<(&str, Vec<String>)> = shown
            .iter()
            .map(|(name, mirrors)| (name.as_str(), mirrors.iter().map(Mirror::to_string).collect()))
            .collect();
        assert_eq!(
            shown,
            [
                (
                    "docker.io",
                    vec!["a.example".to_owned(), "https://c.example".to_owned()]
                ),
                ("r", vec!["b.example/x".to_owned()])
            ]
        );
    }
}
