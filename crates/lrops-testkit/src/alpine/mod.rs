//! A small signed Alpine archive, made by a test in the bytes of apk format 2 and served on loopback.

mod package;
mod server;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use rsa::sha2::Sha256;
use rsa::{RsaPrivateKey, RsaPublicKey};
use sha1::{Digest as _, Sha1};

pub use package::{ApkContent, ApkFile, ApkPackage};

use package::{gzip, tar};

/// The architectures that are published, by platform.
pub const ARCHITECTURES: [(&str, &str); 3] = [
    ("linux/amd64", "x86_64"),
    ("linux/arm64", "aarch64"),
    ("linux/arm/v7", "armv7"),
];

/// How an index is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApkSignature {
    /// Over SHA-1: what Alpine has.
    Rsa,
    /// Over SHA-256.
    Rsa256,
    /// Not at all.
    None,
}

/// An archive on loopback.
pub struct ApkArchive {
    address: String,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Default for ApkArchive {
    fn default() -> Self {
        Self::new()
    }
}

impl ApkArchive {
    /// The file name of the key that signs it.
    pub const KEY_NAME: &str = "packages@example.org-4a6a0840.rsa.pub";

    /// Returns an archive without packages.
    #[must_use]
    pub fn new() -> Self {
        let files: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
        let address = format!("http://{}/alpine", server::serve(files.clone()));
        Self { address, files }
    }

    /// Returns its address, which a configuration names as mirror.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Writes the public key that signs the archive into a directory.
    pub fn write_key(&self, directory: &Path) {
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join(Self::KEY_NAME), public_key()).unwrap();
    }

    /// Publishes a repository, such as `v3.20/main`, for each architecture.
    pub fn publish(&self, repository: &str, packages: &[ApkPackage]) {
        self.publish_signed(repository, packages, ApkSignature::Rsa);
    }

    /// Publishes a repository whose index is signed in this way.
    pub fn publish_signed(&self, repository: &str, packages: &[ApkPackage], signature: ApkSignature) {
        for (_, architecture) in ARCHITECTURES {
            let mut index = String::new();
            for package in packages {
                let file = package.file(architecture, |control| signed(control, ApkSignature::Rsa));
                index += &file.index;
                let path = format!(
                    "{repository}/{architecture}/{}-{}.apk",
                    package.name(),
                    package.version()
                );
                self.put(&path, file.bytes);
            }
            let content = gzip(&tar(&[
                ApkFile::new("DESCRIPTION", "made by a test"),
                ApkFile::new("APKINDEX", index),
            ]));
            let path = format!("{repository}/{architecture}/APKINDEX.tar.gz");
            self.put(&path, signed(&content, signature));
        }
    }

    /// Serves a file.
    pub fn put(&self, path: &str, content: Vec<u8>) {
        self.files.lock().unwrap().insert(path.to_owned(), content);
    }

    /// Returns what is served at a path.
    pub fn get(&self, path: &str) -> Vec<u8> {
        self.files.lock().unwrap()[path].clone()
    }

    /// Changes what is served at a path.
    pub fn alter(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut files = self.files.lock().unwrap();
        change(
            files
                .get_mut(path)
                .unwrap_or_else(|| panic!("the archive has no {path}")),
        );
    }

    /// Stops to serve what ends so.
    pub fn remove(&self, end: &str) {
        self.files.lock().unwrap().retain(|path, _| !path.ends_with(end));
    }
}

/// Puts the stream of signatures before a signed stream.
fn signed(content: &[u8], signature: ApkSignature) -> Vec<u8> {
    let (kind, signature) = match signature {
        ApkSignature::Rsa => (
            "RSA",
            key().sign(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(content)),
        ),
        ApkSignature::Rsa256 => (
            "RSA256",
            key().sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(content)),
        ),
        ApkSignature::None => return content.to_vec(),
    };
    let name = format!(".SIGN.{kind}.{}", ApkArchive::KEY_NAME);
    let signature = ApkFile::new(&name, signature.unwrap());
    let mut file = gzip(package::without_end(&tar(&[signature])));
    file.extend_from_slice(content);
    file
}

/// One key for all archives: making one takes a while.
fn key() -> &'static RsaPrivateKey {
    static KEY: OnceLock<RsaPrivateKey> = OnceLock::new();
    KEY.get_or_init(|| RsaPrivateKey::new(&mut rand::thread_rng(), 1024).unwrap())
}

fn public_key() -> String {
    RsaPublicKey::from(key())
        .to_public_key_pem(LineEnding::LF)
        .unwrap()
}
