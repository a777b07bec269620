//! The first lines of a request and of an answer.

use std::io::{self, BufRead, Read};

const HEAD_SIZE_BYTES_MAX: u64 = 64 * 1024;

/// Headers in their order, with the names as they were sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers(Vec<(String, String)>);

impl Headers {
    /// Returns the first value of a header.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Returns whether a header's list of words has this one.
    pub(crate) fn has_word(&self, name: &str, word: &str) -> bool {
        let values = self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values
            .flat_map(|(_, value)| value.split(','))
            .any(|value| value.trim().eq_ignore_ascii_case(word))
    }

    /// Takes all headers of this name away.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    /// Puts a header in the place of those of its name.
    pub(crate) fn set(&mut self, name: &str, value: impl ToString) {
        self.remove(name);
        self.0.push((name.to_owned(), value.to_string()));
    }

    /// Returns names and values in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn text(&self) -> String {
        let lines = self.0.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        lines.collect()
    }
}

/// The head of a request.
#[derive(Clone, Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Headers,
    /// Whether this is the last request of its connection.
    pub(crate) closes: bool,
    /// The bytes that it took.
    pub(crate) size_bytes: u64,
}

impl RequestHead {
    /// Reads a head; `None` when the connection ended before one.
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(head) = Head::read(reader)? else {
            return Ok(None);
        };
        let mut words = head.first.splitn(3, ' ').map(str::to_owned);
        let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Err(invalid("a request's first line has three words"));
        };
        let closes = match version.as_str() {
            "HTTP/1.1" => head.headers.has_word("connection", "close"),
            "HTTP/1.0" => !head.headers.has_word("connection", "keep-alive"),
            _ => return Err(invalid("only HTTP/1 is spoken")),
        };
        Ok(Some(Self {
            method,
            target,
            headers: head.headers,
            closes,
            size_bytes: head.size_bytes,
        }))
    }

    /// Returns whether the client waits for `100 Continue`.
    pub(crate) fn awaits_continue(&self) -> bool {
        self.headers.has_word("expect", "100-continue")
    }

    /// Returns the head as it is sent.
    pub(crate) fn text(&self) -> String {
        format!(
            "{} {} HTTP/1.1\r\n{}\r\n",
            self.method,
            self.target,
            self.headers.text()
        )
    }
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub(crate) struct AnswerHead {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Headers,
}

impl AnswerHead {
    /// Reads a head.
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Self> {
        let head = Head::read(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut words = head.first.splitn(3, ' ');
        let status = words.nth(1).and_then(|status| status.parse().ok());
        Ok(Self {
            status: status.ok_or_else(|| invalid("an answer's first line has a status"))?,
            reason: words.next().unwrap_or_default().to_owned(),
            headers: head.headers,
        })
    }

    /// Returns the head as it is sent.
    pub(crate) fn text(&self) -> String {
        format!(
            "HTTP/1.1 {} {}\r\n{}\r\n",
            self.status,
            self.reason,
            self.headers.text()
        )
    }
}

struct Head {
    first: String,
    headers: Headers,
    size_bytes: u64,
}

impl Head {
    fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        // A client that tries TLS first waits for an answer, and its hello has no line to wait for.
        if reader
            .fill_buf()?
            .first()
            .is_some_and(|byte| !byte.is_ascii_uppercase())
        {
            return Err(invalid("a message starts with its method or its version"));
        }
        let mut limited = Read::take(reader, HEAD_SIZE_BYTES_MAX);
        let Some(first) = line(&mut limited)? else {
            return Ok(None);
        };
        let mut headers = Headers::default();
        loop {
            let text = line(&mut limited)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let Some((name, value)) = text.split_once(':') else {
                break;
            };
            headers.0.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Some(Self {
            first,
            headers,
            size_bytes: HEAD_SIZE_BYTES_MAX - limited.limit(),
        }))
    }
}

/// Returns a line without its end; `None` when there is no byte more.
fn line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if reader.read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if !bytes.ends_with(b"\n") {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(String::from_utf8_lossy(&bytes).trim_end().to_owned()))
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
