//! What the terminal decides about the network: it alone reads the environment.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::address_range::AddressRange;
use super::trust::HostTrust;

/// How an [`HttpClient`](crate::http::HttpClient) behaves.
#[derive(Clone)]
pub struct HttpSettings {
    /// The `User-Agent` header.
    pub user_agent: String,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// Which proxies to use.
    pub proxies: Proxies,
    /// PEM files of certificate authorities to trust besides the system's own bundle.
    pub certificate_authorities: Vec<PathBuf>,
    /// The certificates of single hosts.
    pub trust: HostTrust,
    /// How long to wait before each retry; its length is the number of retries.
    pub retry_waits: Vec<Duration>,
}

/// The waits before retries that fit most registries and mirrors.
pub const RETRY_WAITS: [Duration; 3] = [
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// Limits on waiting. There is none on a whole download: a large file on a slow line is fine while bytes arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For name resolution, and then for the connection with its TLS handshake.
    pub connect: Duration,
    /// For the response's headers after the request was sent.
    pub response: Duration,
    /// For the next bytes of a body.
    pub idle: Duration,
}

impl Timeouts {
    /// Fits most networks.
    pub const USUAL: Self = Self {
        connect: Duration::from_secs(15),
        response: Duration::from_mins(1),
        idle: Duration::from_secs(30),
    };
}

/// Proxies, as `http_proxy`, `https_proxy` and `no_proxy` name them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For http URLs.
    pub http: Option<String>,
    /// For https URLs.
    pub https: Option<String>,
    /// Hosts that are asked directly: `host`, `.domain`, `10.0.0.0/8`, or `*`, separated by commas.
    pub no_proxy: String,
}

impl Proxies {
    /// Returns whether the host is asked directly. A name also covers its subdomains, as in curl.
    pub(crate) fn bypassed_for(&self, host: &str) -> bool {
        let address: Option<IpAddr> = host.parse().ok();
        self.no_proxy
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .any(|entry| match entry.parse::<AddressRange>() {
                Ok(range) => address.is_some_and(|address| range.contains(address)),
                Err(_) => covers(entry, host),
            })
    }
}

/// Returns whether an entry with a name is for a host. A port of the entry is not looked at.
fn covers(entry: &str, host: &str) -> bool {
    let entry = match entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => entry.split(':').next().unwrap_or_default(),
    };
    let entry = entry.trim_start_matches("*.").trim_start_matches('.');
    let host = host.to_ascii_lowercase();
    let entry = entry.to_ascii_lowercase();
    let subdomain = || {
        host.strip_suffix(&entry)
            .is_some_and(|front| front.ends_with('.'))
    };
    entry == "*" || host == entry || (!entry.is_empty() && subdomain())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_in_no_proxy_cover_their_addresses() {
        let proxies = Proxies {
            no_proxy: "10.0.0.0/8,fd00::/8,::1,[fe80::1]:80,192.168.0.1:5000".to_owned(),
            ..Proxies::default()
        };
        for host in ["10.1.2.3", "fd00::1", "::1", "fe80::1", "192.168.0.1"] {
            assert!(proxies.bypassed_for(host), "{host}");
        }
        for host in ["11.0.0.1", "fe80::2", "ten.example", "192.168.0.2"] {
            assert!(!proxies.bypassed_for(host), "{host}");
        }
    }

    #[test]
    fn names_in_no_proxy_cover_their_subdomains() {
        let proxies = Proxies {
            no_proxy: "example.com, .corp:8080,127.0.0.1".to_owned(),
            ..Proxies::default()
        };
        for host in ["example.com", "a.example.com", "x.corp", "127.0.0.1"] {
            assert!(proxies.bypassed_for(host), "{host}");
        }
        for host in ["badexample.com", "corp.example", "127.0.0.2"] {
            assert!(!proxies.bypassed_for(host), "{host}");
        }
    }
}
