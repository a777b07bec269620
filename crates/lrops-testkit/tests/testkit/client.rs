//! A raw HTTP client: it sends what it is told, and reads one answer at a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use lrops_model::digest::Digest;

/// A connection.
pub(crate) struct Client {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
    authorization: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: connect(address),
            authorization: None,
        }
    }

    pub(crate) fn with_authorization(mut self, value: &str) -> Self {
        self.authorization = Some(value.to_owned());
        self
    }

    /// Takes a new connection.
    pub(crate) fn reconnect(&mut self) {
        self.stream = connect(self.address);
    }

    /// Sends a head alone.
    pub(crate) fn start(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.address);
        if let Some(value) = &self.authorization {
            head = format!("{head}Authorization: {value}\r\n");
        }
        for (name, value) in headers {
            head = format!("{head}{name}: {value}\r\n");
        }
        self.send(format!("{head}\r\n").as_bytes()).unwrap();
    }

    /// Sends bytes; what is cut already is an error.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads an answer; `None` when the connection ends before one.
    pub(crate) fn answer(&mut self, method: &str) -> Option<Answer> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            lines.push(line.trim_end().to_owned());
        }
        let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
        let mut answer = Answer {
            status: lines[0].split(' ').nth(1)?.parse().ok()?,
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: Vec::new(),
        };
        if method != "HEAD" && answer.status != 100 {
            let length = answer
                .header("content-length")
                .map_or(0, |length| length.parse().unwrap());
            // Fewer bytes than announced are for the test to see.
            let _ = (&mut self.stream).take(length).read_to_end(&mut answer.body);
        }
        Some(answer)
    }

    /// Asks with a whole body.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.try_ask(method, target, headers, body)
            .unwrap_or_else(|| panic!("no answer to {method} {target}"))
    }

    /// Asks with a whole body; `None` when the connection ends before an answer.
    pub(crate) fn try_ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Answer> {
        let length = body.len().to_string();
        self.start(
            method,
            target,
            &[headers, &[("Content-Length", length.as_str())]].concat(),
        );
        let _ = self.send(body);
        self.answer(method)
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, &[], b"")
    }

    /// Opens an upload, and returns its location.
    pub(crate) fn open(&mut self, repository: &str) -> String {
        let answer = self.ask("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"");
        assert_eq!(answer.status, 202);
        answer.location()
    }

    /// Sends a chunk with its range.
    pub(crate) fn chunk(&mut self, location: &str, start: usize, bytes: &[u8]) -> Answer {
        let range = format!("{start}-{}", start + bytes.len() - 1);
        self.ask("PATCH", location, &[("Content-Range", &range)], bytes)
    }

    /// Ends an upload.
    pub(crate) fn finish(&mut self, location: &str, bytes: &[u8], rest: &[u8]) -> Answer {
        self.ask(
            "PUT",
            &format!("{location}&digest={}", Digest::of(bytes)),
            &[],
            rest,
        )
    }

    /// Pushes a blob in one request.
    pub(crate) fn push(&mut self, repository: &str, bytes: &[u8]) -> Digest {
        let location = self.open(repository);
        assert_eq!(self.finish(&location, bytes, bytes).status, 201);
        Digest::of(bytes)
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn location(&self) -> String {
        self.header("location").expect("a location").to_owned()
    }

    pub(crate) fn range(&self) -> &str {
        self.header("range").expect("a range")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(crate) fn bytes(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    BufReader::new(stream)
}
