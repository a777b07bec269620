//! A registry in this process that misbehaves as told.
//!
//! It speaks the pull side of the OCI distribution protocol on a loopback port, one request a connection, keeps what it
//! was asked, and gives each fault once. A broken request of a test is a panic of its thread, seen as a cut connection.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lrops_model::digest::Digest;
use lrops_model::oci::{Descriptor, MediaType};

/// A running registry; dropping it stops it.
pub struct RegistryServer {
    address: SocketAddr,
    state: Arc<State>,
}

/// Who may read.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everybody.
    Open,
    /// Who sends `Authorization: Basic` with `user:password`.
    Basic(&'static str),
    /// Who shows a token from `/token`.
    Token {
        /// `user:password` for the token service; without, it serves everybody.
        credentials: Option<&'static str>,
        /// How long it says that tokens live.
        expires_in_seconds: u64,
    },
}

/// A misbehaviour.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection ends after so many bytes of the body, which had its whole length announced.
    CutAfter(usize),
    /// The answer is this instead.
    Answer {
        /// The HTTP status.
        status: u16,
        /// Headers besides the length.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// The body is other bytes; headers are those of the right ones, but for the length.
    OtherBytes(Vec<u8>),
    /// The request is redirected to the same path below this address, such as `http://127.0.0.1:1`.
    RedirectTo(String),
    /// A `Range` header is not looked at.
    IgnoreRange,
    /// The token is not accepted, as if it had been withdrawn.
    ForgetTokens,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRequest {
    /// Such as `GET`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
}

struct State {
    access: Access,
    stopped: AtomicBool,
    content: Mutex<Content>,
}

#[derive(Default)]
struct Content {
    /// By path below `/v2/`: `repository/manifests/tag`, `repository/blobs/digest`.
    files: BTreeMap<String, File>,
    faults: Vec<(String, Fault)>,
    requests: Vec<SeenRequest>,
    /// The repository that each issued token is good for.
    tokens: BTreeMap<String, String>,
    tokens_issued: usize,
}

#[derive(Clone)]
struct File {
    media_type: String,
    bytes: Arc<[u8]>,
    digest: Digest,
}

struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    cut_after: Option<usize>,
}

impl RegistryServer {
    /// Starts a registry on a free loopback port.
    pub fn start(access: Access) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State {
            access,
            stopped: AtomicBool::new(false),
            content: Mutex::default(),
        });
        let served = state.clone();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if served.stopped.load(Ordering::SeqCst) {
                    break;
                }
                let state = served.clone();
                std::thread::spawn(move || state.serve(&stream, address));
            }
        });
        Self { address, state }
    }

    /// Returns the registry as references name it: `127.0.0.1:PORT`.
    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// Returns the address that redirects can name.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Keeps a blob.
    pub fn put_blob(&self, repository: &str, media_type: MediaType, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(media_type, bytes);
        let file = file("application/octet-stream", bytes);
        self.state
            .content()
            .files
            .insert(format!("{repository}/blobs/{}", descriptor.digest), file);
        descriptor
    }

    /// Keeps a manifest or an index under its digest and perhaps a tag.
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: MediaType,
        bytes: &[u8],
    ) -> Descriptor {
        let descriptor = Descriptor::of(media_type, bytes);
        let file = file(&descriptor.media_type.0, bytes);
        let mut content = self.state.content();
        for name in [Some(descriptor.digest.to_string()), tag.map(str::to_owned)]
            .into_iter()
            .flatten()
        {
            content
                .files
                .insert(format!("{repository}/manifests/{name}"), file.clone());
        }
        descriptor
    }

    /// Gives a fault to the next request whose target contains `part`. Several come in the order they were told.
    pub fn once(&self, part: &str, fault: Fault) {
        self.state.content().faults.push((part.to_owned(), fault));
    }

    /// Returns what was asked until now.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.state.content().requests.clone()
    }
}

impl Drop for RegistryServer {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

fn file(media_type: &str, bytes: &[u8]) -> File {
    File {
        media_type: media_type.to_owned(),
        bytes: bytes.into(),
        digest: Digest::of(bytes),
    }
}

impl SeenRequest {
    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn read(stream: &TcpStream) -> Option<Self> {
        let mut lines = BufReader::new(stream).lines();
        let first = lines.next()?.ok()?;
        let mut words = first.split(' ').map(str::to_owned);
        let (method, target) = (words.next()?, words.next()?);
        let mut headers = BTreeMap::new();
        for line in lines {
            let line = line.ok()?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        Some(Self {
            method,
            target,
            headers,
        })
    }

    fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let value = query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.replace("%3A", ":").replace("%2F", "/"))
    }
}

impl State {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: &TcpStream, address: SocketAddr) {
        let Some(request) = SeenRequest::read(stream) else {
            return;
        };
        self.content().requests.push(request.clone());
        let answer = match request.target.strip_prefix("/v2/") {
            Some(path) => self
                .refused(&request, path, address)
                .unwrap_or_else(|| self.answer(&request, path)),
            None if request.target.starts_with("/token") => self.token(&request),
            None => Answer::refusal(404, "NOT_FOUND", "no such page"),
        };
        // Who hangs up early is a test's client, and the test knows.
        let _ = answer.write(stream, &request.method);
    }

    fn refused(&self, request: &SeenRequest, path: &str, address: SocketAddr) -> Option<Answer> {
        let shown = request.header("authorization");
        let repository = path.rsplitn(3, '/').last().unwrap_or_default();
        let challenge = match &self.access {
            Access::Open => return None,
            Access::Basic(secret) if shown == Some(basic(secret).as_str()) => return None,
            Access::Basic(_) => "Basic realm=\"test\"".to_owned(),
            Access::Token { .. } => {
                if self
                    .fault(&request.target, |fault| matches!(fault, Fault::ForgetTokens))
                    .is_some()
                {
                    self.content().tokens.clear();
                }
                let token = shown.and_then(|shown| shown.strip_prefix("Bearer "));
                let good_for = token.and_then(|token| self.content().tokens.get(token).cloned());
                if good_for.as_deref() == Some(repository) {
                    return None;
                }
                format!(
                    "Bearer realm=\"http://{address}/token\",service=\"test\",scope=\"repository:{repository}:pull\""
                )
            }
        };
        let mut refusal = Answer::refusal(401, "UNAUTHORIZED", "authentication required");
        refusal.headers.push(("WWW-Authenticate", challenge));
        Some(refusal)
    }

    fn token(&self, request: &SeenRequest) -> Answer {
        let Access::Token {
            credentials,
            expires_in_seconds,
        } = &self.access
        else {
            return Answer::refusal(404, "NOT_FOUND", "no tokens here");
        };
        if let Some(Fault::Answer {
            status,
            headers,
            body,
        }) = self.fault(&request.target, |fault| matches!(fault, Fault::Answer { .. }))
        {
            return Answer {
                status,
                headers,
                body,
                cut_after: None,
            };
        }
        if credentials.is_some_and(|secret| request.header("authorization") != Some(&basic(secret))) {
            return Answer::refusal(401, "UNAUTHORIZED", "wrong password");
        }
        let scope = request.query("scope").unwrap_or_default();
        let repository = scope
            .strip_prefix("repository:")
            .and_then(|rest| rest.strip_suffix(":pull"));
        let mut content = self.content();
        content.tokens_issued += 1;
        let token = format!("token-{}", content.tokens_issued);
        content
            .tokens
            .insert(token.clone(), repository.unwrap_or_default().to_owned());
        let body = serde_json::json!({"token": token, "expires_in": expires_in_seconds});
        Answer {
            status: 200,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
            cut_after: None,
        }
    }

    fn answer(&self, request: &SeenRequest, path: &str) -> Answer {
        let fault = self.fault(&request.target, |fault| !matches!(fault, Fault::ForgetTokens));
        if let Some(Fault::Answer {
            status,
            headers,
            body,
        }) = fault
        {
            return Answer {
                status,
                headers,
                body,
                cut_after: None,
            };
        }
        if let Some(Fault::RedirectTo(url)) = fault {
            let headers = vec![("Location", format!("{url}{}", request.target))];
            return Answer {
                status: 307,
                headers,
                body: Vec::new(),
                cut_after: None,
            };
        }
        let Some(file) = self.content().files.get(path).cloned() else {
            let code = if path.contains("/blobs/") {
                "BLOB_UNKNOWN"
            } else {
                "MANIFEST_UNKNOWN"
            };
            return Answer::refusal(404, code, "unknown to registry");
        };
        let mut answer = file.answer(
            request
                .header("range")
                .filter(|_| !matches!(fault, Some(Fault::IgnoreRange))),
        );
        match fault {
            Some(Fault::CutAfter(length)) => answer.cut_after = Some(length),
            Some(Fault::OtherBytes(bytes)) => answer.body = bytes,
            _ => {}
        }
        answer
    }

    fn fault(&self, target: &str, wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let faults = &mut self.content().faults;
        let index = faults
            .iter()
            .position(|(part, fault)| target.contains(part) && wanted(fault))?;
        Some(faults.remove(index).1)
    }
}

impl File {
    /// The whole, or from `bytes=N-` on.
    fn answer(&self, range: Option<&str>) -> Answer {
        let mut headers = vec![
            ("Content-Type", self.media_type.clone()),
            ("Docker-Content-Digest", self.digest.to_string()),
        ];
        let start = range.and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse::<usize>()
                .ok()
        });
        let length = self.bytes.len();
        match start {
            Some(start) if start < length => {
                headers.push(("Content-Range", format!("bytes {start}-{}/{length}", length - 1)));
                Answer {
                    status: 206,
                    headers,
                    body: self.bytes[start..].to_vec(),
                    cut_after: None,
                }
            }
            Some(_) => Answer::refusal(416, "RANGE_INVALID", "out of range"),
            None => Answer {
                status: 200,
                headers,
                body: self.bytes.to_vec(),
                cut_after: None,
            },
        }
    }
}

impl Answer {
    fn refusal(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"errors": [{"code": code, "message": message}]})
            .to_string()
            .into_bytes();
        Self {
            status,
            headers: Vec::new(),
            body,
            cut_after: None,
        }
    }

    fn write(&self, mut stream: &TcpStream, method: &str) -> std::io::Result<()> {
        let (status, length) = (self.status, self.body.len());
        write!(
            stream,
            "HTTP/1.1 {status} Test\r\nConnection: close\r\nContent-Length: {length}\r\n"
        )?;
        for (name, value) in &self.headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        stream.write_all(b"\r\n")?;
        if method != "HEAD" {
            let end = self.cut_after.unwrap_or(self.body.len()).min(self.body.len());
            stream.write_all(&self.body[..end])?;
        }
        stream.flush()
    }
}

fn basic(secret: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("Basic ");
    for chunk in secret.as_bytes().chunks(3) {
        let byte = |index: usize| chunk.get(index).copied().unwrap_or_default();
        let group = u32::from_be_bytes([0, byte(0), byte(1), byte(2)]);
        for (position, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let letter = char::from(ALPHABET[(group >> shift & 63) as usize]);
            text.push(if position <= chunk.len() { letter } else { '=' });
        }
    }
    text
}
