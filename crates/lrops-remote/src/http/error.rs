//! What can go wrong on the network, with what to do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use lrops_model::cancel::Cancelled;

use super::waits::{is_passing, said};

/// A request that failed for good: after its retries, or because retrying cannot help.
#[derive(Debug, thiserror::Error)]
#[error("failed to get {url}{}", tried(*attempts))]
pub struct HttpError {
    /// The URL, without credentials and query.
    pub url: String,
    /// How often it was tried.
    pub attempts: usize,
    /// What went wrong the last time.
    #[source]
    pub problem: HttpProblem,
}

fn tried(attempts: usize) -> String {
    if attempts > 1 {
        format!(" (tried {attempts} times)")
    } else {
        String::new()
    }
}

/// What went wrong with a request.
#[derive(Debug, thiserror::Error)]
pub enum HttpProblem {
    /// The text is no URL that can be asked for.
    #[error("the address cannot be used: {0}")]
    Address(&'static str),
    /// The server answered, but not with success.
    #[error("the server answered {status}{}", reason(*status))]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// The same, and the server asks for a longer wait than is waited.
    #[error("{}, and asks to be left alone for {}", Self::Status { status: *status }, said(*wait))]
    Busy {
        /// The HTTP status.
        status: u16,
        /// How long it asks to be left alone.
        wait: Duration,
    },
    /// The server's certificate is not trusted.
    #[error("the server's certificate is not trusted: {0}")]
    Certificate(String),
    /// The connection could not be made, broke, or took too long.
    #[error("the connection failed")]
    Connection(#[source] io::Error),
    /// The body is longer than the caller wants to hold.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The content became another one while it was downloaded.
    #[error("the file changed on the server during the download")]
    Changed,
    /// The server redirects in a circle, or very often.
    #[error("the server redirects more than {0} times")]
    Redirects(usize),
    /// The server redirects what it alone may see.
    #[error("the server redirects to {0}, which has no claim on what was sent")]
    SecretRedirect(String),
    /// The server wants a client certificate, and was shown none that it accepts.
    #[error("the server wants a client certificate")]
    ClientCertificateWanted,
    /// The bytes that were to be sent could not be read.
    #[error("failed to read what is to be sent")]
    ReadBody(#[source] io::Error),
    /// The bytes could not be kept.
    #[error("failed to write what was received")]
    Write(#[source] io::Error),
    /// A file of certificate authorities is unusable.
    #[error("failed to read the certificate authorities in {path}", path = path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A client certificate is unusable.
    #[error("failed to use the client certificate in {path}", path = path.display())]
    ClientCertificate {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A proxy's address is unusable. It is not shown, since it may hold a password.
    #[error("the proxy for {0} URLs has no usable address")]
    Proxy(&'static str),
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

fn reason(status: u16) -> String {
    let reason = ureq::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
}

const BUSY: &str = "the server is busy or ill: try again later";

impl HttpProblem {
    /// Returns the problem of a server that asks for a longer wait than is waited.
    pub(crate) fn asking_to_wait(self, wait: Duration) -> Self {
        match self {
            Self::Status { status } => Self::Busy { status, wait },
            other => other,
        }
    }
}

impl HttpError {
    /// Returns what the user can do about it.
    pub fn advice(&self) -> Option<&'static str> {
        Self::advice_on(&self.problem)
    }

    pub(crate) fn advice_on(problem: &HttpProblem) -> Option<&'static str> {
        match problem {
            HttpProblem::Certificate(_) => Some(
                "if this machine's network inspects TLS, add its certificate authority to the system's bundle, \
                 or name its PEM file in SSL_CERT_FILE",
            ),
            HttpProblem::Connection(_) => Some(
                "check the address, the network, and the proxy settings (http_proxy, https_proxy, no_proxy)",
            ),
            HttpProblem::Status { status: 401 | 403 } => {
                Some("the server wants credentials, or refuses these")
            }
            HttpProblem::Status { status: 404 | 410 } => {
                Some("check the address: the server has no such file")
            }
            HttpProblem::Status { status: 407 } => {
                Some("the proxy wants credentials: http://USER:PASSWORD@HOST")
            }
            HttpProblem::Busy { .. } => Some(BUSY),
            HttpProblem::Status { status } if is_passing(*status) => Some(BUSY),
            _ => None,
        }
    }

    /// Returns the HTTP status, when the server answered without success.
    pub fn status(&self) -> Option<u16> {
        match self.problem {
            HttpProblem::Status { status } | HttpProblem::Busy { status, .. } => Some(status),
            _ => None,
        }
    }

    /// Returns whether the work was stopped on request.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.problem, HttpProblem::Cancelled(_))
    }
}
