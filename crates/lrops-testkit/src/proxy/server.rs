//! A running proxy, as tests hold it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::exchange::serve;
use super::line::Line;
use super::rule::{Disturbance, Rule, take};
use crate::http::{Connections, Listener};

/// A running proxy before a registry; dropping it stops it.
pub struct FaultProxy {
    listener: Listener,
    shared: Arc<Shared>,
}

/// What the threads of a proxy share.
pub(super) struct Shared {
    pub(super) upstream: SocketAddr,
    pub(super) line: Line,
    pub(super) connections: Arc<Connections>,
    rules: Mutex<Vec<Rule>>,
}

impl FaultProxy {
    /// Starts a proxy on a free loopback port.
    pub fn start(upstream: SocketAddr) -> Self {
        let connections = Arc::new(Connections::default());
        let shared = Arc::new(Shared {
            upstream,
            line: Line::default(),
            connections: connections.clone(),
            rules: Mutex::default(),
        });
        let served = shared.clone();
        let listener = Listener::start(connections, move |stream| serve(&served, stream));
        Self { listener, shared }
    }

    /// Returns the registry behind it as references name it: `127.0.0.1:PORT`.
    pub fn name(&self) -> String {
        self.address().to_string()
    }

    /// Returns the address with its scheme.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Adds a rule. Of several that are due for one request, the first that was added counts.
    pub fn rule(&self, rule: Rule) {
        self.shared.rules().push(rule);
    }

    /// Resets each connection once it has sent so many bytes, heads and bodies together.
    pub fn cut_every(&self, bytes: u64) {
        self.shared.line.cut_every(bytes);
    }

    /// Resets all connections when the bytes of all requests' bodies together reach each of these totals.
    pub fn cut_at(&self, totals: Vec<u64>) {
        self.shared.line.cut_at(totals);
    }

    /// Resets all connections that are open.
    pub fn cut_now(&self) {
        self.shared.line.count_cut();
        self.shared.connections.end_all();
    }

    /// Takes [`Self::cut_every`] and [`Self::cut_at`] back.
    pub fn stop_cutting(&self) {
        self.shared.line.stop_cutting();
    }

    /// Returns how many bytes of requests' bodies went to the registry.
    pub fn body_bytes_to_upstream(&self) -> u64 {
        self.shared.line.body_bytes_to_upstream()
    }

    /// Returns how many bytes went to clients, heads and bodies together.
    pub fn bytes_to_client(&self) -> u64 {
        self.shared.line.bytes_to_client()
    }

    /// Returns how often a connection, or the whole line, was cut on purpose.
    pub fn cuts(&self) -> usize {
        self.shared.line.cuts()
    }

    /// Returns method and target of the requests until now, in the order they came.
    pub fn requests(&self) -> Vec<(String, String)> {
        self.shared.line.requests()
    }
}

impl Shared {
    /// Returns what happens to a request.
    pub(super) fn disturbance(&self, method: &str, target: &str) -> Option<Disturbance> {
        take(&mut self.rules(), method, target)
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
