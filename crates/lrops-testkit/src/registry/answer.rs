//! Answers, and how they are delivered.

use std::io::{self, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::http::wait;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Arc<Vec<u8>>,
    /// The part of the bytes that is the body.
    pub(super) range: Range<usize>,
}

/// How an answer's bytes go out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Delivery {
    /// At once.
    Whole,
    /// Only so many bytes of the body.
    CutAfter(usize),
    /// In pieces.
    Slow { bytes: usize, every: Duration },
}

impl Answer {
    /// Returns an answer without a body.
    pub(super) fn empty(status: u16) -> Self {
        Self::with_body(status, Vec::new())
    }

    /// Returns an answer with a body.
    pub(super) fn with_body(status: u16, body: impl Into<Arc<Vec<u8>>>) -> Self {
        let body = body.into();
        Self {
            status,
            headers: Vec::new(),
            range: 0..body.len(),
            body,
        }
    }

    /// Returns a JSON document.
    pub(super) fn json(value: &serde_json::Value) -> Self {
        Self::with_body(200, value.to_string().into_bytes()).header("Content-Type", "application/json")
    }

    /// Returns an error as the specification writes it.
    pub(super) fn refusal(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
        let mut answer = Self::json(&body);
        answer.status = status;
        answer
    }

    /// Adds a header.
    pub(super) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// Puts other bytes in the place of the body.
    pub(super) fn replace_body(&mut self, bytes: Vec<u8>) {
        self.range = 0..bytes.len();
        self.body = Arc::new(bytes);
    }

    /// Sends the answer.
    pub(super) fn write(
        &self,
        mut stream: &TcpStream,
        method: &str,
        connection: &str,
        delivery: Delivery,
    ) -> io::Result<()> {
        let body = &self.body[self.range.clone()];
        let mut head = format!("HTTP/1.1 {} Test\r\nConnection: {connection}\r\n", self.status);
        if self.status != 204 {
            head = format!("{head}Content-Length: {}\r\n", body.len());
        }
        for (name, value) in &self.headers {
            head = format!("{head}{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        if method == "HEAD" || self.status == 204 {
            return Ok(());
        }
        match delivery {
            Delivery::Whole => stream.write_all(body),
            Delivery::CutAfter(bytes) => stream.write_all(&body[..bytes.min(body.len())]),
            Delivery::Slow { bytes, every } => {
                for piece in body.chunks(bytes.max(1)) {
                    wait(every, || false);
                    stream.write_all(piece)?;
                }
                Ok(())
            }
        }
    }
}
