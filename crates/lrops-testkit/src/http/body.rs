//! A body, with its end found by length, by chunks, or by the connection's end.

use std::io::{self, BufRead, Read};

use super::head::Headers;

const CHUNK_LINE_SIZE_BYTES_MAX: u64 = 4096;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// It has so many bytes.
    Length(u64),
    /// It comes in chunks.
    Chunked,
    /// It ends with the connection.
    UntilEnd,
}

impl Framing {
    /// Returns how a request's body is framed.
    pub(crate) fn of_request(headers: &Headers) -> Self {
        match Self::told(headers) {
            Self::UntilEnd => Self::Length(0),
            told => told,
        }
    }

    /// Returns how the body of an answer to `method` is framed.
    pub(crate) fn of_answer(method: &str, status: u16, headers: &Headers) -> Self {
        if method == "HEAD" || matches!(status, 100..200 | 204 | 304) {
            return Self::Length(0);
        }
        Self::told(headers)
    }

    fn told(headers: &Headers) -> Self {
        if headers.has_word("transfer-encoding", "chunked") {
            return Self::Chunked;
        }
        let length = headers
            .get("content-length")
            .and_then(|length| length.parse().ok());
        length.map_or(Self::UntilEnd, Self::Length)
    }
}

/// A body that is read from a connection, without a byte behind its end.
pub(crate) struct Body<R> {
    reader: R,
    left: Left,
}

#[derive(Clone, Copy)]
enum Left {
    Bytes(u64),
    Chunk(u64),
    NextChunk,
    UntilEnd,
    Nothing,
}

impl<R: BufRead> Body<R> {
    /// Wraps a connection whose next byte is the body's first.
    pub(crate) fn new(reader: R, framing: Framing) -> Self {
        let left = match framing {
            Framing::Length(0) => Left::Nothing,
            Framing::Length(length) => Left::Bytes(length),
            Framing::Chunked => Left::NextChunk,
            Framing::UntilEnd => Left::UntilEnd,
        };
        Self { reader, left }
    }

    /// Returns whether the end was reached.
    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.left, Left::Nothing)
    }

    /// Returns how many bytes are still to come, when that is known.
    pub(crate) fn left_bytes(&self) -> Option<u64> {
        match self.left {
            Left::Bytes(left) => Some(left),
            Left::Nothing => Some(0),
            Left::Chunk(_) | Left::NextChunk | Left::UntilEnd => None,
        }
    }

    fn read_at_most(&mut self, buffer: &mut [u8], most: u64) -> io::Result<u64> {
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(buffer.len());
        match self.reader.read(&mut buffer[..length])? {
            0 if length > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read as u64),
        }
    }

    fn start_chunk(&mut self) -> io::Result<()> {
        let line = self.line()?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a chunk starts with its size"))?;
        self.left = Left::Chunk(size);
        if size == 0 {
            while !self.line()?.is_empty() {}
            self.left = Left::Nothing;
        }
        Ok(())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        Read::take(&mut self.reader, CHUNK_LINE_SIZE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
        if !bytes.ends_with(b"\n") {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if matches!(self.left, Left::NextChunk) {
            self.start_chunk()?;
        }
        let read = match self.left {
            Left::Nothing | Left::NextChunk => 0,
            Left::Bytes(left) => {
                let read = self.read_at_most(buffer, left)?;
                self.left = if read == left {
                    Left::Nothing
                } else {
                    Left::Bytes(left - read)
                };
                read
            }
            Left::Chunk(left) => {
                let read = self.read_at_most(buffer, left)?;
                self.left = Left::Chunk(left - read);
                if read == left {
                    self.line()?;
                    self.left = Left::NextChunk;
                }
                read
            }
            Left::UntilEnd => {
                let read = self.reader.read(buffer)?;
                if read == 0 {
                    self.left = Left::Nothing;
                }
                read as u64
            }
        };
        Ok(usize::try_from(read).expect("a read is no longer than its buffer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], framing: Framing, expected: Option<&str>, rest: &str) {
        let mut reader = bytes;
        let mut body = Vec::new();
        let result = Body::new(&mut reader, framing).read_to_end(&mut body);
        assert_eq!(
            result.ok().map(|_| String::from_utf8(body).unwrap()).as_deref(),
            expected
        );
        assert_eq!(String::from_utf8_lossy(reader), rest);
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        check(b"abcdef", Framing::Length(3), Some("abc"), "def");
        check(
            b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\nTrailer: 1\r\n\r\ndef",
            Framing::Chunked,
            Some("abc"),
            "def",
        );
        check(b"abcdef", Framing::UntilEnd, Some("abcdef"), "");
    }

    #[test]
    fn a_body_that_ends_early_is_an_error() {
        check(b"ab", Framing::Length(3), None, "");
        check(b"5\r\nab", Framing::Chunked, None, "");
        check(b"2\r\nab\r\n", Framing::Chunked, None, "");
    }
}
