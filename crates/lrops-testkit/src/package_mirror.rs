//! A server that gives packages out again: what it was asked for once comes from the disk ever after, so that several
//! programs fetch the same bytes without any network.
//!
//! It knows two kinds of sources, Go module proxies and npm registries, by the paths that it is asked for. An npm
//! registry's documents name its files by full addresses; these are changed into the mirror's own.

use std::fs;
use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::http::{Connections, Listener, RequestHead};

/// What npm asks for: the short form of a package's document.
const ACCEPT: &str = "Accept: application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";

/// Paths that begin so are asked of the source.
const GO: &str = "/go";
const NPM: &str = "/npm";

/// Where the packages come from, as addresses without a slash at the end.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The Go module proxy.
    pub go: String,
    /// The npm registry.
    pub npm: String,
}

/// A running mirror; dropping it ends it, and leaves what it keeps.
pub struct PackageMirror {
    listener: Listener,
    fetched: Arc<AtomicU64>,
}

impl PackageMirror {
    /// Starts one on a free loopback port, which keeps its files in a directory.
    pub fn start(sources: Sources, directory: &Path) -> Self {
        let fetched = Arc::new(AtomicU64::new(0));
        let shelf = Shelf {
            sources,
            directory: directory.to_owned(),
            fetched: fetched.clone(),
        };
        let listener = Listener::start(Arc::new(Connections::default()), move |stream| {
            // Whoever hangs up has what he wanted.
            let _ = shelf.serve(stream);
        });
        Self { listener, fetched }
    }

    /// Returns the address for `GOPROXY`.
    pub fn go(&self) -> String {
        format!("http://{}{GO}", self.listener.address())
    }

    /// Returns the address for npm's `registry`.
    pub fn npm(&self) -> String {
        format!("http://{}{NPM}/", self.listener.address())
    }

    /// Returns how many answers were fetched from the sources so far.
    pub fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::SeqCst)
    }
}

/// The files.
struct Shelf {
    sources: Sources,
    directory: PathBuf,
    fetched: Arc<AtomicU64>,
}

impl Shelf {
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(head) = RequestHead::read(&mut reader)? {
            // Only what has no body is answered.
            let found = match head.method.as_str() {
                "GET" | "HEAD" => self.get(&head, stream)?,
                _ => None,
            };
            let (status, body) = found.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
            let length = body.len();
            write!(
                &mut &*stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n"
            )?;
            if head.method != "HEAD" {
                (&mut &*stream).write_all(&body)?;
            }
            if head.closes || !matches!(head.method.as_str(), "GET" | "HEAD") {
                break;
            }
        }
        Ok(())
    }

    /// Returns a body; none when the source has none.
    fn get(&self, head: &RequestHead, stream: &TcpStream) -> io::Result<Option<Vec<u8>>> {
        let target = head.target.split('?').next().unwrap_or_default();
        let (source, path) = if let Some(path) = target.strip_prefix(GO) {
            (&self.sources.go, path)
        } else if let Some(path) = target.strip_prefix(NPM) {
            (&self.sources.npm, path)
        } else {
            return Ok(None);
        };
        let body = self.kept(target, &format!("{source}{path}"))?;
        let is_document = target.starts_with(NPM) && !path.contains("/-/");
        Ok(body.map(|body| {
            if is_document {
                let own = format!(
                    "http://{}{NPM}/",
                    stream
                        .local_addr()
                        .map_or_else(|_| String::new(), |own| own.to_string())
                );
                let text = String::from_utf8_lossy(&body);
                text.replace(&format!("{source}/"), &own).into_bytes()
            } else {
                body
            }
        }))
    }

    /// Returns what is kept under a name, after it was fetched when nothing is. An absence is kept, too.
    fn kept(&self, name: &str, address: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.directory.join(name.replace('/', "+"));
        let absent = path.with_added_extension("absent");
        if let Ok(body) = fs::read(&path) {
            return Ok(Some(body));
        }
        if absent.exists() {
            return Ok(None);
        }
        let unfinished = tempfile::NamedTempFile::new_in(&self.directory)?;
        let ended = Command::new("curl")
            .args([
                "--silent",
                "--location",
                "--header",
                ACCEPT,
                "--write-out",
                "%{http_code}",
                "--output",
            ])
            .arg(unfinished.path())
            .arg(address)
            .output()?;
        self.fetched.fetch_add(1, Ordering::SeqCst);
        match ended.stdout.as_slice() {
            b"200" => {
                unfinished.persist(&path)?;
                Ok(Some(fs::read(&path)?))
            }
            b"404" | b"410" => {
                fs::write(absent, "")?;
                Ok(None)
            }
            status => Err(io::Error::other(format!(
                "{address} answers {}",
                String::from_utf8_lossy(status)
            ))),
        }
    }
}
