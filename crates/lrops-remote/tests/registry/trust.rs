//! Certificates, insecure registries and proxies.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use lrops_model::cancel::CancelToken;
use lrops_remote::http::{ClientCertificate, HostCertificates, HostTrust, Proxies};
use lrops_remote::registry::{Credentials, LoginError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::case::chain;
use crate::service::{Client, Reply, Service};

/// A certificate authority with a server's and a client's certificate, made by `openssl`.
struct Authority {
    directory: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let authority = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        authority.openssl(&[
            "req",
            "-x509",
            "-subj",
            "/CN=authority",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
        ]);
        authority.issue("server", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:0.0.0.0");
        authority.issue("client", "extendedKeyUsage=clientAuth");
        authority
    }

    fn issue(&self, name: &str, extension: &str) {
        let (key, request, certificate) = (
            format!("{name}.key"),
            format!("{name}.csr"),
            format!("{name}.crt"),
        );
        fs::write(self.path("extensions"), extension).unwrap();
        let subject = format!("/CN={name}");
        self.openssl(&["req", "-subj", &subject, "-keyout", &key, "-out", &request]);
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-extfile",
            "extensions",
            "-out",
            &certificate,
        ]);
    }

    fn openssl(&self, arguments: &[&str]) {
        let (act, rest) = arguments.split_first().unwrap();
        let mut command = Command::new("openssl");
        command.arg(act).current_dir(self.directory.path());
        if *act == "req" {
            command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
        }
        let output = command.args(rest).output().expect("openssl is installed");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Serves what registries say when they want nothing; `clients` are let in with a certificate alone.
    fn serve(&self, clients: Option<&Self>) -> Service {
        let chain = vec![CertificateDer::from_pem_file(self.path("server.crt")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(self.path("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots
                    .add(CertificateDer::from_pem_file(authority.path("ca.crt")).unwrap())
                    .unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let config = builder.with_single_cert(chain, key).unwrap();
        Service::start_with(Some(Arc::new(config)), |_, _| Reply::new(200, "{}"))
    }

    /// Copies files to where certificates of a host are looked for.
    fn put(&self, directory: &Path, host: &str, files: &[(&str, &str)]) {
        let directory = directory.join(host);
        fs::create_dir_all(&directory).unwrap();
        for (from, to) in files {
            fs::copy(self.path(from), directory.join(to)).unwrap();
        }
    }
}

fn look(client: Client, registry: &str) -> Result<(), LoginError> {
    client
        .open()
        .check_login(registry, &Credentials::Anonymous, &CancelToken::new())
}

fn with_directories(directories: &[&Path]) -> Client {
    let mut client = Client::new();
    client.trust.directories = directories.iter().map(|path| path.to_path_buf()).collect();
    client
}

#[test]
fn an_authority_in_certs_d_is_believed_for_its_host_alone() {
    let authority = Authority::new();
    let (one, other) = (authority.serve(None), authority.serve(None));
    let certificates = tempfile::tempdir().unwrap();
    let (one, other) = (
        format!("localhost:{}", one.port()),
        format!("localhost:{}", other.port()),
    );
    authority.put(certificates.path(), &one, &[("ca.crt", "own.crt")]);
    fs::create_dir(certificates.path().join(&other)).unwrap();
    look(with_directories(&[certificates.path()]), &one).unwrap();
    let error = look(with_directories(&[certificates.path()]), &other).unwrap_err();
    assert!(
        chain(&error).contains("certificate is not trusted"),
        "{}",
        chain(&error)
    );
    let advice = error.advice().unwrap();
    assert!(advice.contains("--registry-ca"), "{advice}");
    assert!(advice.contains(&format!("certs.d/{other}/ca.crt")), "{advice}");
}

#[test]
fn authorities_of_flags_and_of_the_configuration_are_believed() {
    let authority = Authority::new();
    let service = authority.serve(None);
    let name = format!("localhost:{}", service.port());
    let mut flag = Client::new();
    flag.authorities = vec![authority.path("ca.crt")];
    flag.settings.secure = [name.clone()].into();
    look(flag, &name).unwrap();
    let own = HostCertificates {
        authorities: vec![authority.path("ca.crt")],
        client: None,
    };
    let mut configured = Client::new();
    configured.trust.hosts = [(name.clone(), own)].into();
    look(configured, &name).unwrap();
    let mut missing = Client::new();
    missing.authorities = vec![authority.path("none.crt")];
    missing.settings.secure = [name.clone()].into();
    let error = look(missing, &name).unwrap_err();
    assert!(chain(&error).contains("none.crt"), "{}", chain(&error));
}

#[test]
fn a_client_certificate_is_shown_where_one_is_wanted() {
    let authority = Authority::new();
    let service = authority.serve(Some(&authority));
    let name = format!("localhost:{}", service.port());
    let (machine, user) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    authority.put(machine.path(), &name, &[("ca.crt", "ca.crt")]);
    let error = look(with_directories(&[machine.path(), user.path()]), &name).unwrap_err();
    assert!(
        chain(&error).ends_with("the server wants a client certificate"),
        "{}",
        chain(&error)
    );
    assert!(error.advice().unwrap().contains("client.cert"));
    authority.put(
        user.path(),
        &name,
        &[("client.crt", "me.cert"), ("client.key", "me.key")],
    );
    look(with_directories(&[machine.path(), user.path()]), &name).unwrap();
    assert_eq!(service.requests().len(), 1);
}

#[test]
fn half_a_client_certificate_is_a_clear_error() {
    let authority = Authority::new();
    let name = format!("localhost:{}", authority.serve(None).port());
    for (file, to, missing) in [
        ("client.crt", "me.cert", "me.key"),
        ("client.key", "me.key", "me.cert"),
    ] {
        let certificates = tempfile::tempdir().unwrap();
        authority.put(certificates.path(), &name, &[(file, to)]);
        let error = look(with_directories(&[certificates.path()]), &name).unwrap_err();
        let text = chain(&error);
        assert!(text.contains("failed to use the client certificate"), "{text}");
        assert!(text.contains(&format!("{missing} beside it")), "{text}");
    }
}

#[test]
fn a_key_of_another_certificate_is_a_clear_error() {
    let authority = Authority::new();
    let name = format!("localhost:{}", authority.serve(None).port());
    for key in ["server.key", "ca.crt"] {
        let client = ClientCertificate {
            certificate: authority.path("client.crt"),
            key: authority.path(key),
        };
        let own = HostCertificates {
            authorities: Vec::new(),
            client: Some(client),
        };
        let mut client = Client::new();
        client.trust.hosts = [(name.clone(), own)].into();
        let text = chain(&look(client, &name).unwrap_err());
        assert!(
            text.contains("failed to use the client certificate") && text.contains(key),
            "{text}"
        );
    }
}

/// This machine under an address that is none of its loopback's.
fn elsewhere(service: &Service) -> String {
    format!("0.0.0.0:{}", service.port())
}

fn insecure(pattern: &str) -> Client {
    let mut client = Client::new();
    client.settings.insecure = vec![pattern.parse().unwrap()];
    client
}

#[test]
fn an_insecure_registry_is_asked_over_https_with_any_certificate() {
    let service = Authority::new().serve(None);
    let error = look(Client::new(), &elsewhere(&service)).unwrap_err();
    assert!(
        chain(&error).contains("certificate is not trusted"),
        "{}",
        chain(&error)
    );
    look(insecure(&elsewhere(&service)), &elsewhere(&service)).unwrap();
    look(insecure("0.0.0.0/8"), &elsewhere(&service)).unwrap();
}

#[test]
fn an_insecure_registry_without_tls_is_asked_over_http() {
    let service = Service::start(|_, _| Reply::new(200, "{}"));
    let error = look(Client::new(), &elsewhere(&service)).unwrap_err();
    assert!(error.advice().unwrap().contains("--insecure-registry"));
    look(insecure("0.0.0.0/8"), &elsewhere(&service)).unwrap();
    let requests = service.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
}

#[test]
fn a_proxy_gets_its_password_and_ranges_are_asked_directly() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        stream
            .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .unwrap();
        String::from_utf8(head).unwrap()
    });
    let proxies = Proxies {
        http: None,
        https: Some(format!("http://u:open%20sesame@{address}")),
        no_proxy: "0.0.0.0/8".to_owned(),
    };
    let service = Authority::new().serve(None);
    let mut direct = insecure("0.0.0.0/8");
    direct.proxies = proxies.clone();
    look(direct, &elsewhere(&service)).unwrap();
    let mut far = Client::new();
    far.proxies = proxies;
    far.trust = HostTrust::default();
    far.retries = 0;
    let error = look(far, "registry.invalid").unwrap_err();
    let head = asked.join().unwrap();
    assert!(head.starts_with("CONNECT registry.invalid:443 "), "{head}");
    // "u:open sesame"
    assert!(head.contains("Basic dTpvcGVuIHNlc2FtZQ=="), "{head}");
    assert!(
        !format!("{error:?} {}", chain(&error)).contains("sesame"),
        "{error:?}"
    );
}
