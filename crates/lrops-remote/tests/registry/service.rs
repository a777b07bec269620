//! A server that answers what a test says, with and without TLS; and clients with all settings.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lrops_remote::http::{HostTrust, HttpClient, HttpSettings, Proxies, Timeouts};
use lrops_remote::registry::{
    CredentialSource, DockerConfig, HelperSettings, Keychain, Registry, RegistrySettings,
};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A running server; it stays for as long as the test's process.
pub(crate) struct Service {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Method and target.
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn new(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl Service {
    /// Starts a server; `answer` also gets the server's address.
    pub(crate) fn start(answer: impl Fn(&Request, SocketAddr) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, answer)
    }

    pub(crate) fn start_with(
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(&Request, SocketAddr) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (requests.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (seen, answer, tls) = (seen.clone(), answer.clone(), tls.clone());
                std::thread::spawn(move || {
                    let say = |request: &Request| {
                        seen.lock().unwrap().push(request.clone());
                        answer(request, address)
                    };
                    match tls {
                        None => serve(stream, say),
                        Some(config) => {
                            let connection = ServerConnection::new(config).unwrap();
                            serve(StreamOwned::new(connection, stream), say)
                        }
                    }
                });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn name(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Method and target of each request, with what was shown.
    pub(crate) fn log(&self) -> Vec<String> {
        let requests = self.requests();
        let lines = requests.iter().map(|request| {
            let shown = request.headers.get("authorization");
            format!("{} {}", request.line, shown.map_or("nothing", String::as_str))
        });
        lines.collect()
    }
}

/// Serves one request. Who hangs up early, or speaks something else, is a test's client, and the test knows.
fn serve(stream: impl Read + Write, answer: impl Fn(&Request) -> Reply) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).ok()?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let reply = answer(&Request {
        line: line.rsplit_once(' ')?.0.to_owned(),
        headers,
        body: String::from_utf8(body).ok()?,
    });
    let mut head = format!(
        "HTTP/1.1 {} Test\r\nConnection: close\r\nContent-Length: {}\r\n",
        reply.status,
        reply.body.len()
    );
    for (name, value) in reply.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    let stream = stream.get_mut();
    stream
        .write_all(format!("{head}\r\n{}", reply.body).as_bytes())
        .ok()?;
    stream.flush().ok()
}

/// What a client is made of.
pub(crate) struct Client {
    pub(crate) settings: RegistrySettings,
    pub(crate) trust: HostTrust,
    pub(crate) authorities: Vec<std::path::PathBuf>,
    pub(crate) proxies: Proxies,
    pub(crate) retries: usize,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self {
            settings: RegistrySettings {
                insecure: Vec::new(),
                secure: [].into(),
                mirrors: [].into(),
                keychain: Keychain::anonymous(),
            },
            trust: HostTrust::default(),
            authorities: Vec::new(),
            proxies: Proxies::default(),
            retries: 1,
        }
    }

    /// Takes credentials from the text of a `config.json`, whose helpers are in a directory.
    pub(crate) fn with_config(mut self, config: &str, programs: &Path) -> Self {
        self.settings.keychain = keychain(config, programs, Duration::from_secs(20));
        self
    }

    pub(crate) fn open(self) -> Registry {
        let client = HttpClient::new(HttpSettings {
            user_agent: "test".to_owned(),
            timeouts: Timeouts {
                idle: Duration::from_millis(500),
                ..Timeouts::USUAL
            },
            proxies: self.proxies,
            certificate_authorities: self.authorities,
            trust: self.trust,
            retry_waits: vec![Duration::from_millis(1); self.retries],
        });
        Registry::new(Arc::new(client), self.settings)
    }
}

pub(crate) fn keychain(config: &str, programs: &Path, time_limit: Duration) -> Keychain {
    let config = DockerConfig::parse(config.as_bytes()).unwrap();
    Keychain::new(
        vec![CredentialSource::Config(config)],
        helper_settings(programs, time_limit),
    )
}

pub(crate) fn helper_settings(programs: &Path, time_limit: Duration) -> HelperSettings {
    HelperSettings {
        time_limit,
        search_path: Some(format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display()).into()),
    }
}

/// Writes a credential helper. Another process does: one that has a program open for writing, as a thread's child may have
/// for a moment, hinders its start.
pub(crate) fn write_program(directory: &Path, name: &str, script: &str) {
    let path = directory.join(format!("docker-credential-{name}"));
    let mut shell = Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let script = format!("#!/bin/sh\nread -r server\n{script}\n");
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
}

/// Connects to nothing that is there.
pub(crate) fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
