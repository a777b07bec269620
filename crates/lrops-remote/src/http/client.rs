//! The client: agents for direct and proxied connections, redirects, trust.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use lrops_model::cancel::CancelToken;
use ureq::config::Config;
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Body, Proxy};

use super::address::{Address, Scheme};
use super::error::{HttpError, HttpProblem};
use super::exchange::{Exchange, Method, RequestBody};
use super::patience::PatientConnector;
use super::settings::HttpSettings;
use super::transfer::{Transfer, TransferProgress};
use super::trust::{read_authorities, read_client};

/// More redirects than any honest server needs; browsers stop at 20, curl's advice is less.
pub(crate) const REDIRECTS_MAX: usize = 10;

/// A blocking HTTP client, to be shared by threads.
pub struct HttpClient {
    settings: HttpSettings,
    /// Made when first needed: reading the system's certificates takes milliseconds that an http mirror need not pay.
    /// Those for https are kept by host, since each host may have certificates of its own.
    agents: Mutex<BTreeMap<(Scheme, Route, String), Agent>>,
    /// Hosts whose certificates are not looked at.
    unverified: Mutex<BTreeSet<String>>,
    system_authorities: OnceLock<Arc<Vec<Certificate<'static>>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Route {
    Direct,
    Proxy,
}

impl HttpClient {
    /// Returns a client with these settings. No connection is made, and no file read, before a request.
    pub fn new(settings: HttpSettings) -> Self {
        Self {
            settings,
            agents: Mutex::default(),
            unverified: Mutex::default(),
            system_authorities: OnceLock::new(),
        }
    }

    /// Gets a small file into memory.
    ///
    /// # Errors
    /// When the file is longer than `bytes_max`, and whenever [`HttpClient::get_to`] fails.
    pub fn get(&self, url: &str, bytes_max: u64, cancel: &CancelToken) -> Result<Vec<u8>, HttpError> {
        let mut bytes = Vec::new();
        Transfer::new(self, url, cancel)?
            .limited_to(bytes_max)
            .run(&mut bytes, &mut |_| {})?;
        Ok(bytes)
    }

    /// Gets a file into `sink` and returns its length in bytes.
    ///
    /// A connection that breaks is made again, and the download goes on at the byte where it stopped; `sink` sees each
    /// byte once.
    ///
    /// # Errors
    /// When retries did not help, or cannot: see [`HttpProblem`].
    pub fn get_to(
        &self,
        url: &str,
        sink: &mut dyn Write,
        cancel: &CancelToken,
        on_progress: &mut dyn FnMut(TransferProgress),
    ) -> Result<u64, HttpError> {
        Transfer::new(self, url, cancel)?.run(sink, on_progress)
    }

    pub(crate) fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Sends one GET and follows redirects. The answer may be of any status.
    pub(crate) fn send_get(
        &self,
        address: &Address,
        headers: &[(&'static str, String)],
    ) -> Result<Response<Body>, HttpProblem> {
        let exchange = Exchange {
            method: Method::Get,
            address,
            headers,
            authorization: None,
            body: RequestBody::None,
            extra_patience: Duration::ZERO,
        };
        Ok(self.exchange(&exchange)?.response)
    }

    pub(crate) fn agent(&self, address: &Address) -> Result<Agent, HttpProblem> {
        let proxies = &self.settings.proxies;
        let proxy = match address.scheme() {
            Scheme::Http => proxies.http.as_deref(),
            Scheme::Https => proxies.https.as_deref(),
        };
        let proxy = proxy.filter(|proxy| !proxy.is_empty() && !proxies.bypassed_for(address.host()));
        let route = if proxy.is_some() {
            Route::Proxy
        } else {
            Route::Direct
        };
        let host = match address.scheme() {
            Scheme::Http => String::new(),
            Scheme::Https => address.authority(),
        };
        let key = (address.scheme(), route, host);
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let agent = self.new_agent(address, proxy)?;
        agents.insert(key, agent.clone());
        Ok(agent)
    }

    /// Lets a host's certificate be anything from now on: the user said that the host is not to be trusted anyway.
    pub(crate) fn forgo_verification(&self, authority: &str) {
        let mut unverified = self.unverified.lock().unwrap_or_else(PoisonError::into_inner);
        unverified.insert(authority.to_ascii_lowercase());
    }

    fn new_agent(&self, address: &Address, proxy: Option<&str>) -> Result<Agent, HttpProblem> {
        let scheme = address.scheme();
        let proxy = proxy
            .map(Proxy::new)
            .transpose()
            .map_err(|_| HttpProblem::Proxy(scheme.text()))?;
        let timeouts = self.settings.timeouts;
        let mut config: ureq::config::ConfigBuilder<_> = Config::builder()
            .user_agent(self.settings.user_agent.as_str())
            .accept_encoding("identity")
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .timeout_resolve(Some(timeouts.connect))
            .timeout_connect(Some(timeouts.connect))
            .timeout_recv_response(Some(timeouts.response))
            .timeout_per_read(Some(timeouts.idle))
            .timeout_per_write(Some(timeouts.idle))
            .max_idle_connections_per_host(IDLE_CONNECTIONS_PER_HOST_MAX);
        if scheme == Scheme::Https {
            config = config.tls_config(self.tls_config(&address.authority())?);
        }
        Ok(Agent::with_parts(
            config.build(),
            DefaultConnector::default().chain(PatientConnector),
            DefaultResolver::default(),
        ))
    }

    fn tls_config(&self, authority: &str) -> Result<TlsConfig, HttpProblem> {
        let own = self.settings.trust.of(authority)?;
        let mut authorities = self.authorities()?;
        for path in &own.authorities {
            Arc::make_mut(&mut authorities).extend(read_authorities(path)?);
        }
        let unverified = self.unverified.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(TlsConfig::builder()
            .root_certs(RootCerts::Specific(authorities))
            .client_cert(own.client.as_ref().map(read_client).transpose()?)
            .disable_verification(unverified.contains(authority))
            .build())
    }

    /// The system's authorities (a bundle that is missing or partly unreadable gives fewer) and the extra ones.
    fn authorities(&self) -> Result<Arc<Vec<Certificate<'static>>>, HttpProblem> {
        if let Some(authorities) = self.system_authorities.get() {
            return Ok(authorities.clone());
        }
        let system = rustls_native_certs::load_native_certs().certs;
        let mut authorities: Vec<_> = system
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .collect();
        for path in &self.settings.certificate_authorities {
            authorities.extend(read_authorities(path)?);
        }
        Ok(self
            .system_authorities
            .get_or_init(|| Arc::new(authorities))
            .clone())
    }
}

/// As many connections as parallel downloads keep busy.
const IDLE_CONNECTIONS_PER_HOST_MAX: usize = 8;

/// Translates the transport's error.
pub(crate) fn problem_of(error: ureq::Error) -> HttpProblem {
    let text = error.to_string();
    // The TLS library reports an untrusted certificate through several layers; its words are the stable part.
    if let Some(start) = text.find("invalid peer certificate") {
        let reason = text[start..]
            .trim_start_matches("invalid peer certificate")
            .trim_start_matches(": ");
        return HttpProblem::Certificate(reason.to_owned());
    }
    if text.contains("CertificateRequired") || text.contains("certificate required") {
        return HttpProblem::ClientCertificateWanted;
    }
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => HttpProblem::Address("it is not well formed"),
        ureq::Error::Timeout(_) => HttpProblem::Connection(io::Error::new(io::ErrorKind::TimedOut, text)),
        ureq::Error::HostNotFound => {
            HttpProblem::Connection(io::Error::new(io::ErrorKind::NotFound, "no such host"))
        }
        ureq::Error::Io(source) => HttpProblem::Connection(source),
        other => HttpProblem::Connection(io::Error::other(other)),
    }
}
