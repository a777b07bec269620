//! One download: attempts, waits, resumption.

use std::io::{self, Read, Write};
use std::time::Duration;

use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::digest::DigestHasher;
use ureq::Body;
use ureq::http::{HeaderMap, Response};

use super::address::Address;
use super::client::HttpClient;
use super::error::{HttpError, HttpProblem};
use super::waits::{TooLong, is_passing, pause, retry_after, wait_for};

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferProgress {
    /// Bytes received.
    pub received: u64,
    /// Bytes in all, when the server says so.
    pub total: Option<u64>,
}

/// Bytes moved at a time; cancellation is looked at as often.
const CHUNK_SIZE_BYTES: usize = 64 * 1024;

/// A retry that brought this much is not counted: a line that breaks every few megabytes still ends.
pub(crate) const PROGRESS_RENEWING_RETRIES_BYTES: u64 = 1024 * 1024;

pub(crate) struct Transfer<'a> {
    client: &'a HttpClient,
    address: Address,
    cancel: &'a CancelToken,
    bytes_max: u64,
    /// What the sink has.
    received: u64,
    written: DigestHasher,
    total: Option<u64>,
    validator: Option<String>,
    attempts: usize,
}

/// Why an attempt ended early.
enum Interruption {
    Final(HttpProblem),
    Transient {
        problem: HttpProblem,
        retry_after: Option<Duration>,
    },
}

impl From<HttpProblem> for Interruption {
    fn from(problem: HttpProblem) -> Self {
        match problem {
            HttpProblem::Connection(_) => Self::Transient {
                problem,
                retry_after: None,
            },
            other => Self::Final(other),
        }
    }
}

impl From<Cancelled> for Interruption {
    fn from(cancelled: Cancelled) -> Self {
        Self::Final(cancelled.into())
    }
}

impl<'a> Transfer<'a> {
    pub(crate) fn new(client: &'a HttpClient, url: &str, cancel: &'a CancelToken) -> Result<Self, HttpError> {
        let address = Address::parse(url).map_err(|reason| HttpError {
            url: url
                .rsplit('@')
                .next()
                .unwrap_or_default()
                .split('?')
                .next()
                .unwrap_or_default()
                .to_owned(),
            attempts: 0,
            problem: HttpProblem::Address(reason),
        })?;
        Ok(Self {
            client,
            address,
            cancel,
            bytes_max: u64::MAX,
            received: 0,
            written: DigestHasher::new(),
            total: None,
            validator: None,
            attempts: 0,
        })
    }

    pub(crate) fn limited_to(mut self, bytes_max: u64) -> Self {
        self.bytes_max = bytes_max;
        self
    }

    pub(crate) fn run(
        mut self,
        sink: &mut dyn Write,
        on_progress: &mut dyn FnMut(TransferProgress),
    ) -> Result<u64, HttpError> {
        let mut waits = self.client.settings().retry_waits.iter();
        let mut renewed_at = 0;
        loop {
            self.attempts += 1;
            let (problem, retry_after) = match self.attempt(sink, on_progress) {
                Ok(()) => return Ok(self.received),
                Err(Interruption::Final(problem)) => return Err(self.failed(problem)),
                Err(Interruption::Transient { problem, retry_after }) => (problem, retry_after),
            };
            if self.received >= renewed_at + PROGRESS_RENEWING_RETRIES_BYTES {
                renewed_at = self.received;
                waits = self.client.settings().retry_waits.iter();
            }
            let Some(planned) = waits.next() else {
                return Err(self.failed(problem));
            };
            let wait = match wait_for(*planned, retry_after) {
                Ok(wait) => wait,
                Err(TooLong(wait)) => return Err(self.failed(problem.asking_to_wait(wait))),
            };
            if let Err(cancelled) = pause(wait, self.cancel) {
                return Err(self.failed(cancelled.into()));
            }
        }
    }

    fn failed(&self, problem: HttpProblem) -> HttpError {
        HttpError {
            url: self.address.to_string(),
            attempts: self.attempts,
            problem,
        }
    }

    fn attempt(
        &mut self,
        sink: &mut dyn Write,
        on_progress: &mut dyn FnMut(TransferProgress),
    ) -> Result<(), Interruption> {
        self.cancel.check()?;
        let mut headers = Vec::new();
        if let Some(validator) = self.validator.as_ref().filter(|_| self.received > 0) {
            headers.push(("Range", format!("bytes={}-", self.received)));
            headers.push(("If-Range", validator.clone()));
        }
        let response = self.client.send_get(&self.address, &headers)?;
        let start = self.accept(&response)?;
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        self.skip_known(&mut body, start)?;
        self.receive(&mut body, sink, on_progress)
    }

    /// Looks at the answer's head and returns the offset at which its body starts.
    fn accept(&mut self, response: &Response<Body>) -> Result<u64, Interruption> {
        let status = response.status().as_u16();
        let headers = response.headers();
        let start = match status {
            200 => 0,
            206 if range_start(headers) == Some(self.received) => self.received,
            // A range that does not fit what is there: without a validator the next attempt asks for the whole.
            206 | 416 => {
                self.validator = None;
                return Err(Interruption::Transient {
                    problem: HttpProblem::Status { status },
                    retry_after: None,
                });
            }
            status if is_passing(status) => {
                let problem = HttpProblem::Status { status };
                return Err(Interruption::Transient {
                    problem,
                    retry_after: retry_after(headers),
                });
            }
            _ => return Err(Interruption::Final(HttpProblem::Status { status })),
        };
        let length = text(headers, "content-length").and_then(|length| length.parse::<u64>().ok());
        self.total = length.map(|length| start.saturating_add(length)).or(self.total);
        if self.total.is_some_and(|total| total > self.bytes_max) {
            return Err(Interruption::Final(HttpProblem::TooLarge {
                limit: self.bytes_max,
            }));
        }
        self.validator = validator(headers);
        Ok(start)
    }

    /// Reads over what the sink has already, when the server sends the file from its beginning again, and makes sure
    /// that it is still the same.
    fn skip_known(&self, body: &mut impl Read, start: u64) -> Result<(), Interruption> {
        let mut skipped = DigestHasher::new();
        let mut buffer = vec![0; CHUNK_SIZE_BYTES];
        let mut left = self.received - start;
        if left == 0 {
            return Ok(());
        }
        while left > 0 {
            self.cancel.check()?;
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let read = read_chunk(body, &mut buffer[..want])?;
            if read == 0 {
                return Err(Interruption::Final(HttpProblem::Changed));
            }
            skipped.update(&buffer[..read]);
            left -= read as u64;
        }
        if skipped.finish() == self.written.clone().finish() {
            Ok(())
        } else {
            Err(Interruption::Final(HttpProblem::Changed))
        }
    }

    fn receive(
        &mut self,
        body: &mut impl Read,
        sink: &mut dyn Write,
        on_progress: &mut dyn FnMut(TransferProgress),
    ) -> Result<(), Interruption> {
        let mut buffer = vec![0; CHUNK_SIZE_BYTES];
        loop {
            self.cancel.check()?;
            let read = read_chunk(body, &mut buffer)?;
            if read == 0 {
                return self.check_complete();
            }
            if self.received + read as u64 > self.bytes_max {
                return Err(Interruption::Final(HttpProblem::TooLarge {
                    limit: self.bytes_max,
                }));
            }
            sink.write_all(&buffer[..read]).map_err(HttpProblem::Write)?;
            self.written.update(&buffer[..read]);
            self.received += read as u64;
            on_progress(TransferProgress {
                received: self.received,
                total: self.total,
            });
        }
    }

    fn check_complete(&self) -> Result<(), Interruption> {
        match self.total {
            Some(total) if total != self.received => {
                let message = format!("the connection ended after {} of {total} bytes", self.received);
                let source = io::Error::new(io::ErrorKind::UnexpectedEof, message);
                Err(HttpProblem::Connection(source).into())
            }
            _ => Ok(()),
        }
    }
}

fn read_chunk(body: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Interruption> {
    loop {
        match body.read(buffer) {
            Ok(read) => return Ok(read),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(HttpProblem::Connection(cause).into()),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A strong entity tag, else the date of the last change (RFC 9110, section 13.1.5: a weak tag is no validator here).
fn validator(headers: &HeaderMap) -> Option<String> {
    let tag = text(headers, "etag").filter(|tag| tag.starts_with('"'));
    tag.or_else(|| text(headers, "last-modified")).map(str::to_owned)
}

/// The first byte's offset in `Content-Range: bytes 100-199/200`.
pub(crate) fn range_start(headers: &HeaderMap) -> Option<u64> {
    text(headers, "content-range")?
        .strip_prefix("bytes ")?
        .split('-')
        .next()?
        .trim()
        .parse()
        .ok()
}
