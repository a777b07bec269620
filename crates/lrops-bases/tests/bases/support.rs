//! A small signed archive, made for a test and served on loopback.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lrops_bases::{
    BaseError, BaseProgress, BaseSpec, Bases, BasesSettings, BuildBase, BuiltBase, Freshness, Lock,
    MachineSources,
};
use lrops_model::blob::{BlobSource, MemoryStore};
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::oci::Descriptor;
use lrops_model::platform::Platform;
use lrops_model::timestamp::Timestamp;
use lrops_remote::http::{HostTrust, HttpClient, HttpSettings, Proxies, Timeouts};
use lzma_rust2::{XzOptions, XzWriter};
use pgp::composed::{
    CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey,
};
use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{KeyDetails as _, Password, Tag};

pub(crate) const ARCHITECTURES: [&str; 3] = ["amd64", "arm64", "armhf"];

/// A package of the archive.
#[derive(Clone)]
pub(crate) struct TestPackage {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Further lines of its control file.
    pub(crate) fields: String,
    /// Path and content; `-> target` is a symbolic link, and `{arch}` stands for the architecture.
    pub(crate) files: Vec<(String, String)>,
}

pub(crate) fn package(name: &str, version: &str, fields: &str, files: &[(&str, &str)]) -> TestPackage {
    let files = files
        .iter()
        .map(|(path, content)| ((*path).to_owned(), (*content).to_owned()))
        .collect();
    TestPackage {
        name: name.to_owned(),
        version: version.to_owned(),
        fields: fields.to_owned(),
        files,
    }
}

/// How data is compressed, so that each way is met.
fn compressed(name: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    match name.len() % 3 {
        0 => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(bytes).unwrap();
            ("gz".to_owned(), gzip.finish().unwrap())
        }
        1 => ("zst".to_owned(), zstd::encode_all(bytes, 3).unwrap()),
        _ => ("xz".to_owned(), xz(bytes)),
    }
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

impl TestPackage {
    fn control(&self, architecture: &str) -> String {
        let Self {
            name,
            version,
            fields,
            ..
        } = self;
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nPriority: optional\n{fields}"
        )
        .trim_end()
        .to_owned()
            + "\n"
    }

    fn file(&self, architecture: &str) -> Vec<u8> {
        let mut control = tar::Builder::new(Vec::new());
        append(&mut control, "./control", &self.control(architecture));
        append(&mut control, "./postinst", "#!/bin/sh\nexit 1\n");
        let mut data = tar::Builder::new(Vec::new());
        for (path, content) in &self.files {
            append(
                &mut data,
                &format!("./{path}"),
                &content.replace("{arch}", architecture),
            );
        }
        let (data_extension, data) = compressed(&self.name, &data.into_inner().unwrap());
        let mut file = b"!<arch>\n".to_vec();
        member(&mut file, "debian-binary", b"2.0\n");
        member(&mut file, "control.tar", &control.into_inner().unwrap());
        member(&mut file, &format!("data.tar.{data_extension}"), &data);
        file
    }
}

fn append(builder: &mut tar::Builder<Vec<u8>>, path: &str, content: &str) {
    let mut header = tar::Header::new_gnu();
    header.set_mtime(1_700_000_000);
    header.set_uid(0);
    header.set_gid(0);
    if let Some(target) = content.strip_prefix("-> ") {
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        builder.append_link(&mut header, path, target).unwrap();
    } else {
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        builder
            .append_data(&mut header, path, content.as_bytes())
            .unwrap();
    }
}

fn member(file: &mut Vec<u8>, name: &str, content: &[u8]) {
    writeln!(
        file,
        "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`",
        0,
        0,
        0,
        "100644",
        content.len()
    )
    .unwrap();
    file.extend_from_slice(content);
    if content.len() % 2 == 1 {
        file.push(b'\n');
    }
}

/// A test's own signing key.
pub(crate) struct Key(SignedSecretKey);

impl Key {
    pub(crate) fn new(kind: KeyType) -> Self {
        let params = SecretKeyParamsBuilder::default()
            .key_type(kind)
            .can_certify(true)
            .can_sign(true)
            .primary_user_id("Test Archive <archive@test.invalid>".into())
            .build()
            .unwrap();
        Self(params.generate(rand::thread_rng()).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        Self::new(KeyType::Ed25519Legacy)
    }

    pub(crate) fn public(&self) -> SignedPublicKey {
        self.0.to_public_key()
    }

    pub(crate) fn sign(&self, text: &str) -> String {
        let key = &self.0.primary_key;
        let message =
            CleartextSignedMessage::sign(rand::thread_rng(), text, key, &Password::empty()).unwrap();
        message
            .to_armored_string(pgp::composed::ArmorOptions::default())
            .unwrap()
    }

    fn config(&self, kind: SignatureType, more: SubpacketData) -> SignatureConfig {
        let mut config = SignatureConfig::from_key(rand::thread_rng(), &self.0.primary_key, kind).unwrap();
        let data = [
            SubpacketData::SignatureCreationTime(pgp::types::Timestamp::now()),
            SubpacketData::IssuerFingerprint(self.0.primary_key.fingerprint()),
            more,
        ];
        config.hashed_subpackets = data
            .into_iter()
            .map(|data| Subpacket::regular(data).unwrap())
            .collect();
        config
    }

    /// The public key, ending `seconds` after it was made.
    pub(crate) fn public_ending_after(&self, seconds: u32) -> SignedPublicKey {
        let mut public = self.public();
        let key = &self.0.primary_key;
        let end = SubpacketData::KeyExpirationTime(pgp::types::Duration::from_secs(seconds));
        let user = &mut public.details.users[0];
        let signature = self
            .config(SignatureType::CertPositive, end)
            .sign_certification(
                key,
                &public.primary_key,
                &Password::empty(),
                Tag::UserId,
                &user.id,
            )
            .unwrap();
        user.signatures = vec![signature];
        public
    }

    /// The public key, revoked.
    pub(crate) fn public_revoked(&self) -> SignedPublicKey {
        let mut public = self.public();
        let reason =
            SubpacketData::RevocationReason(pgp::packet::RevocationCode::KeyCompromised, Vec::new().into());
        let signature = self
            .config(SignatureType::KeyRevocation, reason)
            .sign_key(&self.0.primary_key, &Password::empty(), &public.primary_key)
            .unwrap();
        public.details.revocation_signatures.push(signature);
        public
    }
}

pub(crate) fn keyring_bytes(key: &SignedPublicKey) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.to_writer(&mut bytes).unwrap();
    bytes
}

/// An archive on loopback.
pub(crate) struct Archive {
    pub(crate) address: String,
    pub(crate) files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Archive {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/debian", listener.local_addr().unwrap());
        let files: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (served, seen) = (files.clone(), requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (served, seen) = (served.clone(), seen.clone());
                std::thread::spawn(move || serve(&stream.unwrap(), &served, &seen));
            }
        });
        Self {
            address,
            files,
            requests,
        }
    }

    /// Publishes a suite.
    pub(crate) fn publish(&self, suite: &str, packages: &[TestPackage], key: &Key, more_fields: &str) {
        let mut files = BTreeMap::new();
        let mut digests = String::new();
        for architecture in ARCHITECTURES {
            let mut index = String::new();
            for package in packages {
                let file = package.file(architecture);
                let path = format!("pool/{}_{}_{architecture}.deb", package.name, package.version);
                let digest = Digest::of(&file);
                writeln!(index, "{}Filename: {path}", package.control(architecture)).unwrap();
                write!(index, "Size: {}\nSHA256: {}\n\n", file.len(), digest.hex()).unwrap();
                files.insert(path, file);
            }
            let path = format!("main/binary-{architecture}/Packages.xz");
            let index = xz(index.as_bytes());
            writeln!(digests, " {} {} {path}", Digest::of(&index).hex(), index.len()).unwrap();
            files.insert(format!("dists/{suite}/{path}"), index);
        }
        let release = format!(
            "Origin: Test\nSuite: {suite}\nCodename: {suite}\nVersion: 13.7\nDate: {}\n{more_fields}\
             Architectures: all {}\nComponents: main\nSHA256:\n{digests}",
            date(now()),
            ARCHITECTURES.join(" "),
        );
        files.insert(
            format!("dists/{suite}/InRelease"),
            key.sign(&release).into_bytes(),
        );
        self.files.lock().unwrap().extend(files);
    }

    /// Changes what is served at the one path that ends so.
    pub(crate) fn alter(&self, end: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut files = self.files.lock().unwrap();
        let mut found = files.iter_mut().filter(|(path, _)| path.ends_with(end));
        change(
            found
                .next()
                .unwrap_or_else(|| panic!("the archive has no {end}"))
                .1,
        );
        assert!(found.next().is_none(), "the archive has several {end}");
    }

    pub(crate) fn remove(&self, end: &str) {
        self.files.lock().unwrap().retain(|path, _| !path.ends_with(end));
    }

    /// How often something was asked for since the last call.
    pub(crate) fn take_requests(&self) -> usize {
        std::mem::take(&mut *self.requests.lock().unwrap()).len()
    }
}

fn serve(stream: &TcpStream, files: &Mutex<BTreeMap<String, Vec<u8>>>, seen: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(first)) = lines.next() {
        while lines
            .next()
            .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
        {}
        let path = first
            .split(' ')
            .nth(1)
            .unwrap()
            .trim_start_matches("/debian/")
            .to_owned();
        let body = files.lock().unwrap().get(&path).cloned();
        seen.lock().unwrap().push(path);
        let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
        let body = body.unwrap_or_default();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut stream = stream;
        if stream.write_all(head.as_bytes()).is_err() || stream.write_all(&body).is_err() {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests may ask for the time")]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Timestamp(i64::try_from(since.as_secs()).unwrap())
}

/// The form that release files have, from RFC 3339.
pub(crate) fn date(time: Timestamp) -> String {
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = time.to_string();
    let month = months[text[5..7].parse::<usize>().unwrap() - 1];
    format!(
        "Mon, {} {month} {} {} UTC",
        &text[8..10],
        &text[..4],
        &text[11..19]
    )
}

/// A machine with an empty cache and a store.
pub(crate) struct Machine {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) bases: Bases,
    pub(crate) store: MemoryStore,
    pub(crate) now: Timestamp,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::with_sources(MachineSources::default())
    }

    pub(crate) fn with_sources(sources: MachineSources) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let http = HttpClient::new(HttpSettings {
            user_agent: "lrops-test".to_owned(),
            timeouts: Timeouts::USUAL,
            proxies: Proxies::default(),
            certificate_authorities: Vec::new(),
            trust: HostTrust::default(),
            retry_waits: vec![Duration::from_millis(200); 3],
        });
        let bases = Bases::new(BasesSettings {
            cache: directory.path().join("bases"),
            configuration: directory.path().to_owned(),
            sources,
            http: Arc::new(http),
            workers: 2,
        });
        Self {
            directory,
            bases,
            store: MemoryStore::new(),
            now: now(),
        }
    }

    pub(crate) fn keyring(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn build(&self, spec: &BaseSpec, platform: &str) -> Result<BuiltBase, BaseError> {
        self.build_with(spec, platform, Freshness::Reuse, None)
    }

    pub(crate) fn build_with(
        &self,
        spec: &BaseSpec,
        platform: &str,
        freshness: Freshness,
        lock: Option<&Lock>,
    ) -> Result<BuiltBase, BaseError> {
        let platform: Platform = platform.parse().unwrap();
        let request = BuildBase {
            name: "test",
            spec,
            platform: &platform,
            freshness,
            lock,
            now: self.now,
        };
        self.bases
            .build(request, &self.store, &CancelToken::new(), &|_: BaseProgress| {})
    }
}

pub(crate) fn spec(archive: &Archive, keyring: &Path, packages: &str, more: &str) -> BaseSpec {
    let text = format!(
        "distribution = 'debian'\nsuite = 'test'\npackages = {packages}\nmirror = '{}'\nkeyring = '{}'\n{more}",
        archive.address,
        keyring.display(),
    );
    toml::from_str(&text).unwrap()
}

/// A file of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerFile {
    pub(crate) kind: tar::EntryType,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) mtime: u64,
    pub(crate) link: Option<String>,
    pub(crate) content: Vec<u8>,
}

/// Reads a whole layer.
pub(crate) fn layer_files(store: &MemoryStore, layer: &Descriptor) -> BTreeMap<String, LayerFile> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(store.open(layer).unwrap()));
    let mut files = BTreeMap::new();
    let mut last = String::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry
            .path()
            .unwrap()
            .to_string_lossy()
            .trim_end_matches('/')
            .to_owned();
        assert!(path > last, "{path} comes after {last}");
        last.clone_from(&path);
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        let file = LayerFile {
            kind: header.entry_type(),
            mode: header.mode().unwrap(),
            owner: (header.uid().unwrap(), header.gid().unwrap()),
            mtime: header.mtime().unwrap(),
            link: entry
                .link_name()
                .unwrap()
                .map(|link| link.to_string_lossy().into_owned()),
            content,
        };
        files.insert(path, file);
    }
    files
}

/// The text of an error with all its causes.
pub(crate) fn explained(error: &BaseError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        write!(text, ": {next}").unwrap();
        cause = next.source();
    }
    text
}
