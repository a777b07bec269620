//! One connection: request after request.

use std::io::{self, BufReader};
use std::net::{SocketAddr, TcpStream};

use lrops_model::digest::Digest;

use super::answer::{Answer, Delivery};
use super::fault::Fault;
use super::incoming::Incoming;
use super::route::{Resource, Route};
use super::seen::SeenRequest;
use super::server::Registry;
use crate::http::{RequestHead, close_after_answer, reset, wait};

const BUFFER_SIZE_BYTES: usize = 64 * 1024;

/// A request with what is needed to answer it.
pub(super) struct Exchange<'a> {
    pub(super) registry: &'a Registry,
    pub(super) request: &'a SeenRequest,
    pub(super) address: SocketAddr,
}

/// What comes behind an answer.
enum Next {
    Request,
    End,
    Reset,
}

/// What becomes of a request.
enum Outcome {
    /// An answer, perhaps one that a fault changes.
    Answer(Answer, Option<Fault>),
    /// An answer, behind which the connection ends, whatever of the request is left.
    Last(Answer),
    /// No answer.
    Reset,
}

/// Answers the requests of a connection.
pub(super) fn serve(registry: &Registry, stream: &TcpStream) {
    let Ok(address) = stream.local_addr() else {
        return;
    };
    let mut reader = BufReader::with_capacity(BUFFER_SIZE_BYTES, stream);
    while let Ok(Some(head)) = RequestHead::read(&mut reader) {
        let request = SeenRequest::of(&head);
        let seen = registry.see(&request);
        let incoming = Incoming::new(&head, &mut reader, stream, seen);
        match answer(registry, address, stream, request, &head, incoming) {
            Next::Request => {}
            Next::End => return,
            Next::Reset => return reset(stream),
        }
    }
}

fn answer(
    registry: &Registry,
    address: SocketAddr,
    stream: &TcpStream,
    mut request: SeenRequest,
    head: &RequestHead,
    mut incoming: Incoming<'_, '_>,
) -> Next {
    let outcome = outcome(registry, address, &mut request, &mut incoming);
    let (answer, fault, ends) = match outcome {
        Ok(Outcome::Answer(answer, fault)) => (answer, fault, head.closes || !incoming.is_finished()),
        Ok(Outcome::Last(answer)) => (answer, None, true),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => (too_large(), None, true),
        Ok(Outcome::Reset) | Err(_) => return Next::Reset,
    };
    let delivery = match fault {
        Some(Fault::CutAfter(bytes)) => Delivery::CutAfter(bytes),
        Some(Fault::Slow { bytes, every }) => Delivery::Slow { bytes, every },
        _ => Delivery::Whole,
    };
    let connection = if ends { "close" } else { "keep-alive" };
    let is_sent = answer.write(stream, &head.method, connection, delivery);
    if ends && !incoming.is_finished() {
        close_after_answer(stream);
    }
    // Who hangs up early is a test's client, and the test knows.
    if ends || is_sent.is_err() || matches!(delivery, Delivery::CutAfter(_)) {
        return Next::End;
    }
    Next::Request
}

fn outcome(
    registry: &Registry,
    address: SocketAddr,
    request: &mut SeenRequest,
    incoming: &mut Incoming<'_, '_>,
) -> io::Result<Outcome> {
    incoming.bytes_max = registry.options.body_bytes_max;
    let is_too_large = |left: u64| registry.options.body_bytes_max.is_some_and(|max| left > max);
    if incoming.left_bytes().is_some_and(is_too_large) {
        return Ok(Outcome::Last(too_large()));
    }
    let exchange = Exchange {
        registry,
        request,
        address,
    };
    let route = Route::parse(request.path()).and_then(|route| match exchange.refused(&route) {
        Some(refusal) => Err(refusal),
        None => Ok(route),
    });
    let route = match route {
        Ok(route) => route,
        Err(refusal) => {
            incoming.discard_little()?;
            return Ok(Outcome::Answer(refusal, None));
        }
    };
    let fault = registry.take_fault(request, |fault| !matches!(fault, Fault::ForgetTokens));
    if let Some(outcome) = instead(registry, request, fault.as_ref(), incoming)? {
        return Ok(outcome);
    }
    match fault {
        Some(Fault::CutRequestAfter(bytes)) => incoming.cut_after = Some(bytes),
        Some(Fault::Slow { bytes, every }) => incoming.slow = Some((bytes, every)),
        Some(Fault::IgnoreRange) => drop(request.headers.remove("range")),
        _ => {}
    }
    let exchange = Exchange {
        registry,
        request,
        address,
    };
    let mut answer = exchange.carry_out(&route, incoming)?;
    incoming.discard_little()?;
    match &fault {
        Some(Fault::DropAnswer) => return Ok(Outcome::Reset),
        Some(Fault::OtherBytes(bytes)) => answer.replace_body(bytes.clone()),
        Some(Fault::WrongDigestHeader) => {
            answer
                .headers
                .retain(|(name, _)| *name != "Docker-Content-Digest");
            answer = answer.header("Docker-Content-Digest", Digest::of("something else"));
        }
        _ => {}
    }
    Ok(Outcome::Answer(answer, fault))
}

/// Does what a fault puts in the place of a request.
fn instead(
    registry: &Registry,
    request: &SeenRequest,
    fault: Option<&Fault>,
    incoming: &mut Incoming<'_, '_>,
) -> io::Result<Option<Outcome>> {
    let told = |status: u16, headers: &[(&'static str, String)], body: &[u8]| {
        let mut answer = Answer::with_body(status, body.to_vec());
        answer.headers = headers.to_vec();
        answer
    };
    let answer = match fault {
        Some(Fault::Answer {
            status,
            headers,
            body,
        }) => told(*status, headers, body),
        Some(Fault::AnswerWithoutReading {
            status,
            headers,
            body,
        }) => return Ok(Some(Outcome::Last(told(*status, headers, body)))),
        Some(Fault::RedirectTo(url)) => {
            incoming.discard_little()?;
            let answer = Answer::empty(307).header("Location", format!("{url}{}", request.target));
            return Ok(Some(Outcome::Answer(answer, None)));
        }
        Some(Fault::Stall(duration)) => {
            wait(*duration, || registry.is_stopped());
            return Ok(Some(Outcome::Reset));
        }
        Some(Fault::DiskFull) => Answer::refusal(500, "UNKNOWN", "no space left on device"),
        _ => return Ok(None),
    };
    incoming.discard()?;
    Ok(Some(Outcome::Answer(answer, None)))
}

fn too_large() -> Answer {
    Answer::refusal(413, "SIZE_INVALID", "the request is too large")
}

impl Exchange<'_> {
    fn carry_out(&self, route: &Route, incoming: &mut Incoming<'_, '_>) -> io::Result<Answer> {
        let (name, resource) = match route {
            Route::Token => return self.token(incoming),
            Route::Base => {
                let answer = Answer::json(&serde_json::json!({}));
                return Ok(answer.header("Docker-Distribution-API-Version", "registry/2.0"));
            }
            Route::In(name, resource) => (name, resource),
        };
        match resource {
            Resource::Blob(digest) => Ok(self.blob(name, digest)),
            Resource::Uploads => self.uploads(name, incoming),
            Resource::Upload(id) => self.upload(name, id, incoming),
            Resource::Manifest(reference) => self.manifest(name, reference, incoming),
            Resource::Tags => Ok(self.tags(name)),
            Resource::Referrers(digest) => Ok(self.referrers(name, digest)),
        }
    }
}
