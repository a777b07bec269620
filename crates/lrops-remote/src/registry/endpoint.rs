//! Where a registry listens, and in which scheme.

use std::collections::BTreeSet;
use std::net::IpAddr;

use lrops_model::reference::DEFAULT_REGISTRY;

use crate::http::Scheme;

/// Docker Hub's name in references is not the host that speaks the protocol.
const DEFAULT_REGISTRY_HOST: &str = "registry-1.docker.io";

/// The address of a registry's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    scheme: Scheme,
    host: String,
}

impl Endpoint {
    /// Returns where the registry that references call `registry` listens.
    pub(crate) fn of(registry: &str, insecure: &BTreeSet<String>) -> Self {
        let plain = insecure.contains(registry) || is_loopback(registry);
        let host = if registry == DEFAULT_REGISTRY {
            DEFAULT_REGISTRY_HOST
        } else {
            registry
        };
        Self {
            scheme: if plain { Scheme::Http } else { Scheme::Https },
            host: host.to_owned(),
        }
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the URL of something in a repository.
    pub(crate) fn url(&self, repository: &str, tail: &str) -> String {
        format!("{}://{}/v2/{repository}/{tail}", self.scheme.text(), self.host)
    }
}

/// Returns whether the registry is on this machine, as `localhost`, `127.0.0.0/8` or `[::1]`, with or without a port.
fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => registry.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(registry: &str, expected: &str) {
        let insecure = BTreeSet::from(["plain.example:5000".to_owned()]);
        assert_eq!(Endpoint::of(registry, &insecure).url("a/b", "blobs/x"), expected);
    }

    #[test]
    fn registries_are_asked_over_https() {
        check("registry.example", "https://registry.example/v2/a/b/blobs/x");
        check("128.0.0.1:5000", "https://128.0.0.1:5000/v2/a/b/blobs/x");
        check("localhost.example", "https://localhost.example/v2/a/b/blobs/x");
        check("plain.example", "https://plain.example/v2/a/b/blobs/x");
    }

    #[test]
    fn loopback_and_insecure_registries_are_asked_over_http() {
        check("localhost", "http://localhost/v2/a/b/blobs/x");
        check("127.1.2.3:5000", "http://127.1.2.3:5000/v2/a/b/blobs/x");
        check("[::1]:5000", "http://[::1]:5000/v2/a/b/blobs/x");
        check("plain.example:5000", "http://plain.example:5000/v2/a/b/blobs/x");
    }

    #[test]
    fn docker_hub_listens_at_another_host_than_its_name() {
        check("docker.io", "https://registry-1.docker.io/v2/a/b/blobs/x");
    }
}
