//! One request and its answer, for a caller that judges statuses and headers itself.

use std::io::{self, Read};

use ureq::http::{HeaderMap, Response};
use ureq::{Body, BodyReader};

use super::address::Address;
use super::client::{HttpClient, REDIRECTS_MAX, problem_of};
use super::error::HttpProblem;

/// A request without a body.
pub(crate) struct Exchange<'a> {
    pub(crate) method: Method,
    pub(crate) address: &'a Address,
    /// Sent along every redirect, so nothing secret belongs here.
    pub(crate) headers: &'a [(&'static str, String)],
    /// Sent to the address's own scheme, host and port only, wherever redirects lead.
    pub(crate) authorization: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
}

/// The answer at the end of the redirects, of any status.
pub(crate) struct Answer {
    pub(crate) response: Response<Body>,
    /// Who answered, when redirects led to another scheme, host or port.
    pub(crate) redirected_to: Option<Address>,
}

impl HttpClient {
    /// Sends a request once and follows redirects.
    pub(crate) fn exchange(&self, exchange: &Exchange<'_>) -> Result<Answer, HttpProblem> {
        let mut address = exchange.address.clone();
        for _ in 0..=REDIRECTS_MAX {
            let response = self.send(exchange, &address)?;
            let location = response
                .headers()
                .get("location")
                .and_then(|value| value.to_str().ok());
            match location {
                Some(location) if matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) => {
                    address = address.redirected(location).map_err(HttpProblem::Address)?;
                }
                _ => {
                    let redirected_to = (!address.has_origin_of(exchange.address)).then_some(address);
                    return Ok(Answer {
                        response,
                        redirected_to,
                    });
                }
            }
        }
        Err(HttpProblem::Redirects(REDIRECTS_MAX))
    }

    fn send(&self, exchange: &Exchange<'_>, address: &Address) -> Result<Response<Body>, HttpProblem> {
        let agent = self.agent(address)?;
        let mut request = match exchange.method {
            Method::Get => agent.get(address.target()),
            Method::Head => agent.head(address.target()),
        };
        for (name, value) in exchange.headers {
            request = request.header(*name, value);
        }
        let own = exchange
            .authorization
            .filter(|_| address.has_origin_of(exchange.address));
        if let Some(authorization) = own.map(str::to_owned).or_else(|| address.authorization()) {
            request = request.header("Authorization", authorization);
        }
        request.call().map_err(problem_of)
    }
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Returns a header's value, when it is there once at least and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    pub(crate) fn into_reader(self) -> BodyReader<'static> {
        self.response
            .into_body()
            .into_with_config()
            .limit(u64::MAX)
            .reader()
    }

    /// Reads a body that belongs in memory.
    pub(crate) fn into_bytes(self, bytes_max: u64) -> Result<Vec<u8>, HttpProblem> {
        let length = self
            .header("content-length")
            .and_then(|length| length.parse::<u64>().ok());
        let mut bytes = Vec::new();
        self.into_reader()
            .take(bytes_max.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(HttpProblem::Connection)?;
        if bytes.len() as u64 > bytes_max {
            return Err(HttpProblem::TooLarge { limit: bytes_max });
        }
        if length.is_some_and(|length| length != bytes.len() as u64) {
            let message = format!("the connection ended after {} bytes", bytes.len());
            return Err(HttpProblem::Connection(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                message,
            )));
        }
        Ok(bytes)
    }
}
