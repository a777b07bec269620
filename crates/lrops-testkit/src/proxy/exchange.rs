//! One client's connection: each request goes to the registry, and its answer back.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::line::Passage;
use super::relay::{Manner, Relay};
use super::rule::Disturbance;
use super::server::Shared;
use crate::http::{AnswerHead, Body, Framing, Headers, RequestHead, close_after_answer, reset, wait};

const BUFFER_SIZE_BYTES: usize = 256 * 1024;
/// How long the registry has for its `100 Continue`; then the body goes on without it.
const CONTINUE_WAIT: Duration = Duration::from_secs(1);
/// How long the registry has to see the end of a request that was cut.
const END_WAIT: Duration = Duration::from_secs(1);

/// What comes behind a request.
pub(super) enum Next {
    /// Another.
    Request,
    /// The connection's end.
    End,
    /// The connection's end, with an error for the client.
    Cut,
}

/// How much of a request's body went to the registry.
enum Sent {
    All,
    /// The registry has answered, or hung up, before its end.
    UntilAnswered,
    UntilCut,
}

/// The connection of a client.
struct Exchange<'a> {
    shared: &'a Shared,
    client: &'a TcpStream,
    /// How many bytes the client has sent.
    sent: u64,
    buffer: Vec<u8>,
}

type Request<'a, 'b> = Body<&'a mut BufReader<&'b TcpStream>>;

/// Passes on the requests of a connection.
pub(super) fn serve(shared: &Shared, client: &TcpStream) {
    let mut exchange = Exchange {
        shared,
        client,
        sent: 0,
        buffer: vec![0; BUFFER_SIZE_BYTES],
    };
    let mut reader = BufReader::with_capacity(BUFFER_SIZE_BYTES, client);
    if begins_tls(client) {
        // Clients that try https first go on with http when the answer is http's.
        let mut client = client;
        let _ =
            client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        return close_after_answer(client);
    }
    while let Ok(Some(head)) = RequestHead::read(&mut reader) {
        match exchange.run(head, &mut reader) {
            Ok(Next::Request) => {}
            Ok(Next::End) | Err(_) => return,
            Ok(Next::Cut) => return reset(client),
        }
    }
}

/// Returns whether a client begins with TLS' first record.
fn begins_tls(client: &TcpStream) -> bool {
    let mut first = [0];
    matches!(client.peek(&mut first), Ok(1)) && first[0] == 0x16
}

impl Exchange<'_> {
    fn run(&mut self, mut head: RequestHead, reader: &mut BufReader<&TcpStream>) -> io::Result<Next> {
        let line = &self.shared.line;
        if !line.pass_head(&head.method, &head.target, head.size_bytes, &mut self.sent) {
            return Ok(Next::Cut);
        }
        let mut body = Body::new(reader, Framing::of_request(&head.headers));
        let disturbance = self.shared.disturbance(&head.method, &head.target);
        if let Some((status, headers, bytes)) = own_answer(disturbance.as_ref(), &head) {
            return self.answer(&head, status, &headers, &bytes, &mut body);
        }
        if let Some(Disturbance::StallRequest(duration)) = disturbance {
            wait(duration, || self.shared.connections.is_stopped());
        }
        let upstream = TcpStream::connect(self.shared.upstream)?;
        upstream.set_nodelay(true)?;
        let awaits_continue = head.awaits_continue();
        let closes = head.closes;
        head.headers.set("Connection", "close");
        (&upstream).write_all(head.text().as_bytes())?;
        let mut answers = BufReader::with_capacity(BUFFER_SIZE_BYTES, &upstream);
        let is_refused = awaits_continue && !self.await_continue(&mut answers)?;
        let cut_after = match disturbance {
            Some(Disturbance::CutRequestAfter(bytes)) => Some(bytes),
            _ => None,
        };
        let sent = if is_refused {
            Sent::UntilAnswered
        } else {
            self.send(&head, &mut body, &upstream, cut_after)
        };
        if matches!(sent, Sent::UntilCut) {
            end_request(&upstream);
            return Ok(Next::Cut);
        }
        let relay = Relay {
            client: self.client,
            line: &self.shared.line,
            connections: &self.shared.connections,
            closes: closes || !body.is_finished(),
        };
        let next = relay.run(
            &head.method,
            &mut answers,
            &Manner::of(disturbance),
            &mut self.buffer,
        )?;
        if !body.is_finished() {
            close_after_answer(self.client);
        }
        Ok(next)
    }

    /// Passes `100 Continue` on; returns whether the body is wanted.
    fn await_continue(&self, answers: &mut BufReader<&TcpStream>) -> io::Result<bool> {
        let upstream = *answers.get_ref();
        upstream.set_read_timeout(Some(CONTINUE_WAIT))?;
        let is_silent = upstream.peek(&mut [0]).is_err();
        upstream.set_read_timeout(None)?;
        let mut client = self.client;
        if !is_silent && !starts_with_continue(upstream)? {
            return Ok(false);
        }
        if !is_silent {
            AnswerHead::read(answers)?;
        }
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        Ok(true)
    }

    /// Sends a body on, until it is cut, or the registry has answered.
    fn send(
        &mut self,
        head: &RequestHead,
        body: &mut Request<'_, '_>,
        mut upstream: &TcpStream,
        cut_after: Option<u64>,
    ) -> Sent {
        let is_chunked = Framing::of_request(&head.headers) == Framing::Chunked;
        let mut passed_bytes = 0;
        loop {
            let left = cut_after.map(|end| usize::try_from(end - passed_bytes).unwrap_or(usize::MAX));
            if left == Some(0) {
                self.shared.line.count_cut();
                return Sent::UntilCut;
            }
            let length = left.unwrap_or(BUFFER_SIZE_BYTES).min(BUFFER_SIZE_BYTES);
            let Ok(read) = body.read(&mut self.buffer[..length]) else {
                // The client has hung up: the registry sees the same.
                return Sent::UntilCut;
            };
            if read == 0 {
                break;
            }
            let passage = self.shared.line.pass_body(read, &mut self.sent);
            let passed = match passage {
                Passage::Whole => read,
                Passage::Cut(passed) | Passage::CutAll(passed) => passed,
            };
            passed_bytes += passed as u64;
            let is_sent = send_piece(upstream, &self.buffer[..passed], is_chunked);
            if passage != Passage::Whole {
                end_request(upstream);
                if matches!(passage, Passage::CutAll(_)) {
                    self.shared.connections.end_all();
                }
                return Sent::UntilCut;
            }
            // A registry that is fast may have answered the whole that is to be cut.
            let is_at_cut = cut_after == Some(passed_bytes);
            if !is_at_cut && (is_sent.is_err() || has_answered(upstream)) {
                return Sent::UntilAnswered;
            }
        }
        if is_chunked {
            // When the registry has hung up, its answer may still be there.
            let _ = upstream.write_all(b"0\r\n\r\n");
        }
        Sent::All
    }

    fn answer(
        &mut self,
        head: &RequestHead,
        status: u16,
        headers: &Headers,
        bytes: &[u8],
        body: &mut Request<'_, '_>,
    ) -> io::Result<Next> {
        if !head.awaits_continue() {
            while body.read(&mut self.buffer)? > 0 {}
        }
        let ends = head.closes || !body.is_finished();
        let mut headers = headers.clone();
        headers.set("Content-Length", bytes.len());
        headers.set("Connection", if ends { "close" } else { "keep-alive" });
        let answer = AnswerHead {
            status,
            reason: "Proxy".to_owned(),
            headers,
        };
        let mut message = answer.text().into_bytes();
        if head.method != "HEAD" {
            message.extend_from_slice(bytes);
        }
        let mut client = self.client;
        client.write_all(&message)?;
        self.shared.line.count_answer(message.len());
        if ends {
            close_after_answer(client);
            return Ok(Next::End);
        }
        Ok(Next::Request)
    }
}

/// Shows the registry the end of a request that was cut, and waits until it has seen it.
///
/// So the client, which is cut afterwards, cannot ask how far it came before the registry knows.
fn end_request(mut upstream: &TcpStream) {
    let _ = upstream.shutdown(Shutdown::Write);
    let _ = upstream.set_read_timeout(Some(END_WAIT));
    while upstream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
}

/// Returns the answer that the registry is not asked for.
fn own_answer(disturbance: Option<&Disturbance>, head: &RequestHead) -> Option<(u16, Headers, Vec<u8>)> {
    let mut own = Headers::default();
    match disturbance {
        Some(Disturbance::Answer {
            status,
            headers,
            body,
        }) => {
            for (name, value) in headers {
                own.set(name, value);
            }
            Some((*status, own, body.clone()))
        }
        Some(Disturbance::RedirectTo(address)) => {
            own.set("Location", format!("{address}{}", head.target));
            Some((307, own, Vec::new()))
        }
        _ => None,
    }
}

fn send_piece(mut upstream: &TcpStream, bytes: &[u8], is_chunked: bool) -> io::Result<()> {
    if is_chunked && !bytes.is_empty() {
        write!(upstream, "{:x}\r\n", bytes.len())?;
        upstream.write_all(bytes)?;
        return upstream.write_all(b"\r\n");
    }
    upstream.write_all(bytes)
}

fn starts_with_continue(upstream: &TcpStream) -> io::Result<bool> {
    const START: &[u8] = b"HTTP/1.1 100";
    let mut start = [0; START.len()];
    let length = upstream.peek(&mut start)?;
    Ok(start[..length] == *START)
}

/// Returns whether bytes, or the end, have come from the registry before a request was over.
fn has_answered(upstream: &TcpStream) -> bool {
    if upstream.set_nonblocking(true).is_err() {
        return true;
    }
    let is_silent = upstream
        .peek(&mut [0])
        .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
    upstream.set_nonblocking(false).is_err() || !is_silent
}
