//! Where a registry listens, and in which scheme.
//!
//! Registries on this machine are spoken to over plain http, unless there are certificates for them or the user says that
//! they are secure. All others are spoken to over https. One that the user calls insecure is asked over https first, with
//! any certificate, and over plain http when no such connection can be made, as Docker does it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lrops_model::reference::DEFAULT_REGISTRY;

use super::client::Registry;
use crate::http::{
    Address, AddressRange, Exchange, HttpClient, HttpProblem, Method, ParseAddressRangeError, RequestBody,
    Scheme,
};

/// Docker Hub's name in references is not the host that speaks the protocol.
pub const DEFAULT_REGISTRY_HOST: &str = "registry-1.docker.io";

/// The address of a registry's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    scheme: Scheme,
    host: String,
}

/// Which registries are meant: one, or all at addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RegistryPattern {
    /// The registry that references call so: `host` or `host:port`.
    Registry(String),
    /// All registries that references call by an address of the range.
    Range(AddressRange),
}

impl FromStr for RegistryPattern {
    type Err = ParseRegistryPatternError;

    fn from_str(text: &str) -> Result<Self, ParseRegistryPatternError> {
        let error = || ParseRegistryPatternError {
            text: text.to_owned(),
        };
        if text.contains("://") {
            return Err(error());
        }
        if text.contains('/') {
            let range = text.parse().map_err(|_: ParseAddressRangeError| error())?;
            return Ok(Self::Range(range));
        }
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(error());
        }
        Ok(Self::Registry(text.to_ascii_lowercase()))
    }
}

/// A text that names no registries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} names no registry: expected HOST, HOST:PORT, or addresses such as 10.0.0.0/8")]
pub struct ParseRegistryPatternError {
    text: String,
}

impl RegistryPattern {
    fn matches(&self, registry: &str) -> bool {
        match self {
            Self::Registry(name) => name.eq_ignore_ascii_case(registry),
            Self::Range(range) => host(registry)
                .parse::<IpAddr>()
                .is_ok_and(|address| range.contains(address)),
        }
    }
}

impl Endpoint {
    pub(crate) fn new(registry: &str, scheme: Scheme) -> Self {
        let host = if registry == DEFAULT_REGISTRY {
            DEFAULT_REGISTRY_HOST
        } else {
            registry
        };
        Self {
            scheme,
            host: host.to_owned(),
        }
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the URL of something in a repository.
    pub(crate) fn url(&self, repository: &str, tail: &str) -> String {
        format!("{}{repository}/{tail}", self.root())
    }

    /// Returns the URL that says whether a registry is there.
    pub(crate) fn root(&self) -> String {
        format!("{}://{}/v2/", self.scheme.text(), self.host)
    }
}

impl Registry {
    /// Returns where the registry that references call `registry` listens. An insecure one is asked, once.
    pub(crate) fn endpoint(&self, registry: &str) -> Endpoint {
        let scheme = match self.scheme_rule(registry) {
            SchemeRule::Is(scheme) => scheme,
            SchemeRule::Try => self.schemes().find(registry, self.client()),
        };
        Endpoint::new(registry, scheme)
    }

    fn scheme_rule(&self, registry: &str) -> SchemeRule {
        let settings = self.settings();
        if settings.secure.contains(registry) {
            return SchemeRule::Is(Scheme::Https);
        }
        if self.is_insecure(registry) {
            return SchemeRule::Try;
        }
        if is_loopback(registry) {
            let is_known = self.client().settings().trust.knows(registry);
            return SchemeRule::Is(if is_known { Scheme::Https } else { Scheme::Http });
        }
        SchemeRule::Is(Scheme::Https)
    }

    /// Returns whether the user calls a registry insecure.
    pub(crate) fn is_insecure(&self, registry: &str) -> bool {
        let settings = self.settings();
        !settings.secure.contains(registry)
            && settings.insecure.iter().any(|pattern| pattern.matches(registry))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SchemeRule {
    Is(Scheme),
    Try,
}

/// In which scheme each insecure registry was found.
#[derive(Default)]
pub(crate) struct Schemes(Mutex<BTreeMap<String, Scheme>>);

impl Schemes {
    fn find(&self, registry: &str, client: &HttpClient) -> Scheme {
        // Held meanwhile: other threads would only try the same.
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *found
            .entry(registry.to_owned())
            .or_insert_with(|| try_schemes(registry, client))
    }
}

fn try_schemes(registry: &str, client: &HttpClient) -> Scheme {
    let root = Endpoint::new(registry, Scheme::Https).root();
    let Ok(address) = Address::parse(&root) else {
        return Scheme::Https;
    };
    client.forgo_verification(&address.authority());
    let exchange = Exchange {
        method: Method::Get,
        address: &address,
        headers: &[],
        authorization: None,
        body: RequestBody::None,
        extra_patience: Duration::ZERO,
    };
    match client.exchange(&exchange) {
        Err(HttpProblem::Connection(_)) => Scheme::Http,
        // Any other trouble comes again with the question itself, and is told then.
        Ok(_) | Err(_) => Scheme::Https,
    }
}

/// Returns a registry's host, without its port and without brackets.
fn host(registry: &str) -> &str {
    match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => registry.split(':').next().unwrap_or_default(),
    }
}

/// Returns whether the registry is on this machine, as `localhost`, `127.0.0.0/8` or `[::1]`, with or without a port.
fn is_loopback(registry: &str) -> bool {
    let host = host(registry);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::http::{HostCertificates, HostTrust, HttpSettings, Proxies, Timeouts};
    use crate::registry::{Keychain, RegistrySettings};

    fn registry() -> Registry {
        let known = ("localhost:5443".to_owned(), HostCertificates::default());
        let client = HttpClient::new(HttpSettings {
            user_agent: "test".to_owned(),
            timeouts: Timeouts::USUAL,
            proxies: Proxies::default(),
            certificate_authorities: Vec::new(),
            trust: HostTrust {
                directories: Vec::new(),
                hosts: [known].into(),
            },
            retry_waits: Vec::new(),
        });
        let insecure = [
            "127.0.0.1:5000",
            "plain.example:5000",
            "10.0.0.0/8",
            "fd00::/8",
            "secure.example",
        ];
        let settings = RegistrySettings {
            insecure: insecure.map(|text| text.parse().unwrap()).into(),
            secure: ["secure.example".to_owned(), "127.0.0.1:5443".to_owned()].into(),
            mirrors: BTreeMap::new(),
            keychain: Keychain::anonymous(),
        };
        Registry::new(Arc::new(client), settings)
    }

    #[track_caller]
    fn check(name: &str, expected: SchemeRule) {
        assert_eq!(registry().scheme_rule(name), expected);
    }

    const HTTP: SchemeRule = SchemeRule::Is(Scheme::Http);
    const HTTPS: SchemeRule = SchemeRule::Is(Scheme::Https);

    #[test]
    fn registries_are_asked_over_https() {
        check("registry.example", HTTPS);
        check("128.0.0.1:5000", HTTPS);
        check("localhost.example", HTTPS);
        check("plain.example", HTTPS);
        check("ten.example", HTTPS);
    }

    #[test]
    fn loopback_registries_are_asked_over_http() {
        check("localhost", HTTP);
        check("127.1.2.3:5000", HTTP);
        check("[::1]:5000", HTTP);
    }

    #[test]
    fn loopback_registries_with_certificates_are_asked_over_https() {
        check("localhost:5443", HTTPS);
        check("127.0.0.1:5443", HTTPS);
    }

    #[test]
    fn insecure_registries_are_tried() {
        check("127.0.0.1:5000", SchemeRule::Try);
        check("plain.example:5000", SchemeRule::Try);
        check("PLAIN.example:5000", SchemeRule::Try);
        check("10.1.2.3:5000", SchemeRule::Try);
        check("[fd00::1]:5000", SchemeRule::Try);
        check("secure.example", HTTPS);
    }

    #[test]
    fn docker_hub_listens_at_another_host_than_its_name() {
        let endpoint = registry().endpoint("docker.io");
        assert_eq!(
            endpoint.url("a/b", "blobs/x"),
            "https://registry-1.docker.io/v2/a/b/blobs/x"
        );
    }

    #[test]
    fn what_names_no_registry_is_refused() {
        for text in ["", "http://a", "10.0.0.0/99", "host/path", "a b"] {
            assert!(text.parse::<RegistryPattern>().is_err(), "{text:?}");
        }
    }
}
