//! One request and its answer, for a caller that judges statuses and headers itself.

use std::io::{self, Read};
use std::time::Duration;

use ureq::http::{HeaderMap, Request, Response};
use ureq::{Agent, AsSendBody, Body, BodyReader, SendBody};

use super::address::Address;
use super::client::{HttpClient, REDIRECTS_MAX, problem_of};
use super::error::HttpProblem;

/// One request.
pub(crate) struct Exchange<'a, 'b> {
    pub(crate) method: Method,
    pub(crate) address: &'a Address,
    /// Sent along every redirect, so nothing secret belongs here.
    pub(crate) headers: &'a [(&'static str, String)],
    /// Sent to the address's own scheme, host and port only, wherever redirects lead.
    pub(crate) authorization: Option<&'a str>,
    /// Has a lifetime of its own, which the closure in it fixes.
    pub(crate) body: RequestBody<'b>,
    /// How long the answer may take beyond the usual: a server that keeps what it got may have to move or hash it.
    pub(crate) extra_patience: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Returns whether a redirect of this status asks for the same request at the other place. A 301, 302 or 303 would
    /// turn any other method into a GET (RFC 9110, section 15.4), which is never what was meant here.
    fn follows(self, status: u16) -> bool {
        match status {
            307 | 308 => true,
            301..=303 => matches!(self, Self::Get | Self::Head),
            _ => false,
        }
    }
}

/// What is sent along.
#[derive(Clone, Copy)]
pub(crate) enum RequestBody<'a> {
    None,
    Bytes(&'a [u8]),
    /// Bytes that the address's own scheme, host and port alone may see; a redirect elsewhere is not followed.
    Secret(&'a [u8]),
    Stream {
        /// Exactly as many bytes are sent.
        length: u64,
        /// Gives the bytes from their beginning; a redirect wants them again.
        open: &'a (dyn Fn() -> io::Result<Box<dyn Read + 'a>> + 'a),
    },
}

impl RequestBody<'_> {
    /// Returns the body's length; methods that usually have a body say 0 where they have none.
    fn length(&self, method: Method) -> Option<u64> {
        match self {
            Self::None => matches!(method, Method::Post | Method::Put | Method::Patch).then_some(0),
            Self::Bytes(bytes) | Self::Secret(bytes) => Some(bytes.len() as u64),
            Self::Stream { length, .. } => Some(*length),
        }
    }
}

/// Reads a request's body, and keeps the error when that fails: the connection is not to blame then.
struct Outgoing<'a> {
    inner: Box<dyn Read + 'a>,
    left: u64,
    failure: Option<io::Error>,
}

impl Read for Outgoing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if want == 0 {
            return Ok(0);
        }
        let result = match self.inner.read(&mut buffer[..want]) {
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the content ends {} bytes early", self.left),
            )),
            other => other,
        };
        match result {
            Ok(read) => {
                self.left -= read as u64;
                Ok(read)
            }
            Err(cause) => {
                let told = io::Error::new(cause.kind(), cause.to_string());
                self.failure = Some(cause);
                Err(told)
            }
        }
    }
}

/// The answer at the end of the redirects, of any status.
pub(crate) struct Answer {
    pub(crate) response: Response<Body>,
    /// Who answered, when redirects led to another scheme, host or port.
    pub(crate) redirected_to: Option<Address>,
}

impl HttpClient {
    /// Sends a request once and follows redirects.
    pub(crate) fn exchange(&self, exchange: &Exchange<'_, '_>) -> Result<Answer, HttpProblem> {
        let mut address = exchange.address.clone();
        for _ in 0..=REDIRECTS_MAX {
            let response = self.send(exchange, &address)?;
            let location = response
                .headers()
                .get("location")
                .and_then(|value| value.to_str().ok());
            match location {
                Some(location) if exchange.method.follows(response.status().as_u16()) => {
                    let next = address.redirected(location).map_err(HttpProblem::Address)?;
                    let is_secret = matches!(exchange.body, RequestBody::Secret(_));
                    if is_secret && !next.has_origin_of(exchange.address) {
                        return Err(HttpProblem::SecretRedirect(next.host().to_owned()));
                    }
                    address = next;
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

    fn send(&self, exchange: &Exchange<'_, '_>, address: &Address) -> Result<Response<Body>, HttpProblem> {
        let mut request = Request::builder()
            .method(exchange.method.name())
            .uri(address.target());
        for (name, value) in exchange.headers {
            request = request.header(*name, value);
        }
        if let Some(length) = exchange.body.length(exchange.method) {
            request = request.header("Content-Length", length);
        }
        let own = exchange
            .authorization
            .filter(|_| address.has_origin_of(exchange.address));
        if let Some(authorization) = own.map(str::to_owned).or_else(|| address.authorization()) {
            request = request.header("Authorization", authorization);
        }
        self.send_with_body(exchange, address, request)
    }

    fn send_with_body(
        &self,
        exchange: &Exchange<'_, '_>,
        address: &Address,
        request: ureq::http::request::Builder,
    ) -> Result<Response<Body>, HttpProblem> {
        let agent = self.agent(address)?;
        let malformed = |_| HttpProblem::Address("it is not well formed");
        let patience = self.settings().timeouts.response + exchange.extra_patience;
        let (length, inner): (u64, Box<dyn Read + '_>) = match exchange.body {
            RequestBody::None if matches!(exchange.method, Method::Get | Method::Head | Method::Delete) => {
                let request = request.body(()).map_err(malformed)?;
                return run(&agent, request, patience).map_err(problem_of);
            }
            RequestBody::None => (0, Box::new(io::empty())),
            RequestBody::Bytes(bytes) | RequestBody::Secret(bytes) => (bytes.len() as u64, Box::new(bytes)),
            RequestBody::Stream { length, open } => (length, open().map_err(HttpProblem::ReadBody)?),
        };
        let mut outgoing = Outgoing {
            inner,
            left: length,
            failure: None,
        };
        let request = request
            .body(SendBody::from_reader(&mut outgoing))
            .map_err(malformed)?;
        run(&agent, request, patience).map_err(|error| match outgoing.failure.take() {
            Some(cause) => HttpProblem::ReadBody(cause),
            None => problem_of(error),
        })
    }
}

/// Sends a request and waits so long for the head of its answer.
fn run(
    agent: &Agent,
    request: Request<impl AsSendBody>,
    patience: Duration,
) -> Result<Response<Body>, ureq::Error> {
    let request = agent
        .configure_request(request)
        .timeout_recv_response(Some(patience))
        .build();
    agent.run(request)
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
