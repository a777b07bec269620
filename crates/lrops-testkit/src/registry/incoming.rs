//! The body of a request while it comes.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::http::{Body, Framing, RequestHead, wait};

/// How much is read of a body that nobody wants, so that the connection can stay.
const UNWANTED_BYTES_MAX: u64 = 256 * 1024;

/// The body of a request while it comes.
pub(super) struct Incoming<'connection, 'stream> {
    body: Body<&'connection mut BufReader<&'stream TcpStream>>,
    stream: &'stream TcpStream,
    awaits_continue: bool,
    received: u64,
    /// How many bytes were read, for others to see.
    seen: Arc<AtomicU64>,
    /// After how many bytes reading is an error.
    pub(super) cut_after: Option<u64>,
    /// The length of a piece and the wait before it.
    pub(super) slow: Option<(usize, Duration)>,
    /// A longer body is an error.
    pub(super) bytes_max: Option<u64>,
}

impl<'connection, 'stream> Incoming<'connection, 'stream> {
    /// Wraps a connection whose next byte is the body's first.
    pub(super) fn new(
        head: &RequestHead,
        reader: &'connection mut BufReader<&'stream TcpStream>,
        stream: &'stream TcpStream,
        seen: Arc<AtomicU64>,
    ) -> Self {
        Self {
            body: Body::new(reader, Framing::of_request(&head.headers)),
            stream,
            awaits_continue: head.awaits_continue(),
            received: 0,
            seen,
            cut_after: None,
            slow: None,
            bytes_max: None,
        }
    }

    /// Returns how many bytes were read.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Returns whether the body was read to its end.
    pub(super) fn is_finished(&self) -> bool {
        self.body.is_finished()
    }

    /// Returns how many bytes are still to come, when the client has said so.
    pub(super) fn left_bytes(&self) -> Option<u64> {
        self.body.left_bytes()
    }

    /// Reads what is left, and drops it.
    pub(super) fn discard(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        while self.read(&mut buffer)? > 0 {}
        Ok(())
    }

    /// Reads and drops what is left when it is little and comes for certain, as servers do.
    pub(super) fn discard_little(&mut self) -> io::Result<()> {
        let is_little = self
            .body
            .left_bytes()
            .is_some_and(|left| left <= UNWANTED_BYTES_MAX);
        if is_little && !self.awaits_continue {
            self.discard()?;
        }
        Ok(())
    }

    /// Reads a document.
    pub(super) fn document(&mut self, bytes_max: u64) -> io::Result<Vec<u8>> {
        self.bytes_max = Some(self.bytes_max.map_or(bytes_max, |max| max.min(bytes_max)));
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Read for Incoming<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut length = buffer.len();
        if let Some(end) = self.cut_after {
            if self.received >= end {
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut as told"));
            }
            length = length.min(usize::try_from(end - self.received).unwrap_or(usize::MAX));
        }
        if self.body.is_finished() {
            return Ok(0);
        }
        if std::mem::take(&mut self.awaits_continue) {
            let mut stream = self.stream;
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if let Some((bytes, every)) = self.slow {
            wait(every, || false);
            length = length.min(bytes.max(1));
        }
        let read = self.body.read(&mut buffer[..length])?;
        self.received += read as u64;
        self.seen.store(self.received, Ordering::SeqCst);
        if self.bytes_max.is_some_and(|max| self.received > max) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(read)
    }
}
