//! Which certificates are believed and shown, by host: the directories that Docker and podman read (`certs.d`), and what
//! the project's configuration says.
//!
//! A host's files are read when the first connection to it is made.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, parse_pem};

use super::error::HttpProblem;

/// The certificates of single hosts.
#[derive(Clone, Debug, Default)]
pub struct HostTrust {
    /// Directories with one below them for each host, `HOST` or `HOST:PORT`: its `*.crt` are certificate authorities,
    /// `NAME.cert` with `NAME.key` is the client's own. Of several client certificates the last directory's is shown.
    pub directories: Vec<PathBuf>,
    /// What is configured by host, `HOST` or `HOST:PORT`; its client certificate goes before the directories'.
    pub hosts: BTreeMap<String, HostCertificates>,
}

/// The certificates of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostCertificates {
    /// PEM files of certificate authorities to trust besides all others.
    pub authorities: Vec<PathBuf>,
    /// What to show when the host asks who connects.
    pub client: Option<ClientCertificate>,
}

/// A client certificate, as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The PEM file of the certificate, with those in between behind it.
    pub certificate: PathBuf,
    /// The PEM file of its private key.
    pub key: PathBuf,
}

impl HostTrust {
    /// Returns whether there is anything about a host.
    pub(crate) fn knows(&self, authority: &str) -> bool {
        self.hosts.contains_key(authority)
            || self
                .directories
                .iter()
                .any(|directory| directory.join(authority).is_dir())
    }

    /// Collects all that there is about a host.
    pub(crate) fn of(&self, authority: &str) -> Result<HostCertificates, HttpProblem> {
        let mut all = HostCertificates::default();
        // The name may come from a server that redirects, and must not lead out of the directories.
        let is_name = !authority.starts_with('.') && !authority.contains('/');
        for directory in self.directories.iter().filter(|_| is_name) {
            all.add(in_directory(&directory.join(authority))?);
        }
        all.add(self.hosts.get(authority).cloned().unwrap_or_default());
        Ok(all)
    }
}

impl HostCertificates {
    fn add(&mut self, other: Self) {
        self.authorities.extend(other.authorities);
        self.client = other.client.or(self.client.take());
    }
}

/// More files than any host's directory has.
const FILES_MAX: usize = 1000;

fn in_directory(directory: &Path) -> Result<HostCertificates, HttpProblem> {
    let failed = |source| HttpProblem::Authorities {
        path: directory.to_owned(),
        source,
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        // A directory that is closed to this user is for another program.
        Err(cause)
            if matches!(
                cause.kind(),
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(HostCertificates::default());
        }
        Err(cause) => return Err(failed(cause)),
    };
    let mut paths = entries
        .take(FILES_MAX)
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(failed)?;
    paths.sort();
    let mut found = HostCertificates::default();
    for path in paths {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => found.authorities.push(path),
            Some("cert") => {
                let client = ClientCertificate {
                    key: beside(&path, "key")?,
                    certificate: path,
                };
                if let Some(other) = found.client.replace(client) {
                    let reason = "there are several client certificates for this host: keep one";
                    return Err(unusable(&other.certificate, reason));
                }
            }
            Some("key") => {
                beside(&path, "cert")?;
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Returns the other half of a client certificate.
fn beside(path: &Path, extension: &str) -> Result<PathBuf, HttpProblem> {
    let other = path.with_extension(extension);
    if other.is_file() {
        Ok(other)
    } else {
        let reason = format!("there is no {} beside it", other.display());
        Err(unusable(path, reason))
    }
}

fn unusable(path: &Path, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HttpProblem {
    HttpProblem::ClientCertificate {
        path: path.to_owned(),
        source: io::Error::new(ErrorKind::InvalidData, reason),
    }
}

/// Reads the certificates in a PEM file.
pub(crate) fn read_authorities(path: &Path) -> Result<Vec<Certificate<'static>>, HttpProblem> {
    let failed = |source| HttpProblem::Authorities {
        path: path.to_owned(),
        source,
    };
    let pem = fs::read(path).map_err(failed)?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|cause| failed(cause.into_io()))? {
            found.push(certificate);
        }
    }
    Ok(found)
}

/// Reads a client certificate, and makes sure that the key is its own.
pub(crate) fn read_client(client: &ClientCertificate) -> Result<ClientCert, HttpProblem> {
    let failed = |source| HttpProblem::ClientCertificate {
        path: client.certificate.clone(),
        source,
    };
    let chain = match read_authorities(&client.certificate) {
        Ok(chain) if chain.is_empty() => {
            return Err(unusable(&client.certificate, "it holds no certificate"));
        }
        Ok(chain) => chain,
        Err(HttpProblem::Authorities { source, .. }) => return Err(failed(source)),
        Err(other) => return Err(other),
    };
    let in_key = |source| HttpProblem::ClientCertificate {
        path: client.key.clone(),
        source,
    };
    let pem = fs::read(&client.key).map_err(in_key)?;
    let key = PrivateKey::from_pem(&pem).map_err(|_| {
        let reason = "it holds no private key; one with a passphrase cannot be used";
        unusable(&client.key, reason)
    })?;
    check_pair(&chain, &pem).map_err(|reason| unusable(&client.key, reason))?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

/// The transport takes a pair that does not fit for a mistake of the program, and panics: it is tried before.
fn check_pair(chain: &[Certificate<'static>], key: &[u8]) -> Result<(), String> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| "it holds no private key".to_owned())?;
    let chain = chain
        .iter()
        .map(|certificate| CertificateDer::from(certificate.der().to_vec()))
        .collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_client_auth_cert(chain, key)
        })
        .map(|_| ())
        .map_err(|cause| format!("it does not belong to the certificate: {cause}"))
}
