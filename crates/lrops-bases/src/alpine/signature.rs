//! Who signed an index: RSA signatures over all that follows the first stream, by keys that file names tell apart.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rsa::RsaPublicKey;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pkcs8::DecodePublicKey;
use rsa::sha2::{Sha256, Sha512};
use sha1::{Digest as _, Sha1};

use crate::debian::signature::SignatureFault;
use crate::error::BaseError;
use crate::limited::Limited;

/// Public keys that may sign an archive, by file name.
pub(crate) struct Keys(BTreeMap<String, RsaPublicKey>);

/// A signature has some hundred bytes; a stream with more than this is no stream of signatures.
const SIGNATURES_SIZE_BYTES_MAX: u64 = 1024 * 1024;

impl Keys {
    /// Reads files of keys, and directories of `.pub` files.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, BaseError> {
        let mut keys = BTreeMap::new();
        for path in paths {
            for file in key_files(path).map_err(|cause| unreadable(path, cause))? {
                let text = std::fs::read_to_string(&file).map_err(|cause| unreadable(&file, cause))?;
                let key =
                    RsaPublicKey::from_public_key_pem(&text).map_err(|cause| unreadable(&file, cause))?;
                let name = file.file_name().unwrap_or_default();
                keys.insert(name.to_string_lossy().into_owned(), key);
            }
        }
        match (keys.is_empty(), paths) {
            (true, [path, ..]) => Err(unreadable(path, io::Error::other("it holds no file NAME.pub"))),
            _ => Ok(Self(keys)),
        }
    }

    /// Verifies a signed file and returns what was signed: all after the stream of signatures.
    pub(crate) fn verify<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], SignatureFault> {
        let not_signed = |cause: &dyn std::fmt::Display| SignatureFault::NotSigned(cause.to_string());
        let mut rest = file;
        let signatures = signatures(&mut rest).map_err(|cause| not_signed(&cause))?;
        if signatures.is_empty() {
            return Err(not_signed(&"its first stream holds no signature"));
        }
        let (mut altered, mut signers) = (None, Vec::new());
        for (name, signature) in &signatures {
            let Some((scheme, digest, key_name)) = scheme(name, rest) else {
                signers.push(format!("{name}, in a way that lrops does not know,"));
                continue;
            };
            match self.0.get(key_name) {
                None => signers.push(key_name.to_owned()),
                Some(key) => match key.verify(scheme, &digest, signature) {
                    Ok(()) => return Ok(rest),
                    Err(_) => altered = Some(key_name.to_owned()),
                },
            }
        }
        Err(match altered {
            Some(key) => SignatureFault::Altered { key },
            None => SignatureFault::UnknownKey { signers },
        })
    }
}

fn unreadable(path: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BaseError {
    BaseError::ReadKeyring {
        path: path.to_owned(),
        source: cause.into(),
    }
}

fn key_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = std::fs::read_dir(path)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "pub"));
    files.sort();
    Ok(files)
}

/// The signatures of the first stream, by name; `file` then begins after it.
fn signatures(file: &mut &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut content = Vec::new();
    Limited::new(flate2::bufread::GzDecoder::new(file), SIGNATURES_SIZE_BYTES_MAX)
        .read_to_end(&mut content)?;
    let mut archive = tar::Archive::new(&content[..]);
    let mut signatures = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if let Some(name) = name.strip_prefix(".SIGN.") {
            let mut signature = Vec::new();
            entry.read_to_end(&mut signature)?;
            signatures.push((name.to_owned(), signature));
        }
    }
    Ok(signatures)
}

/// How a signature is checked, the signed digest, and the key's name: `RSA.NAME` signs SHA-1, `RSA256.NAME` SHA-256.
fn scheme<'a>(name: &'a str, signed: &[u8]) -> Option<(Pkcs1v15Sign, Vec<u8>, &'a str)> {
    let (kind, key) = name.split_once('.')?;
    let (scheme, digest) = match kind {
        "RSA" => (Pkcs1v15Sign::new::<Sha1>(), Sha1::digest(signed).to_vec()),
        "RSA256" => (Pkcs1v15Sign::new::<Sha256>(), Sha256::digest(signed).to_vec()),
        "RSA512" => (Pkcs1v15Sign::new::<Sha512>(), Sha512::digest(signed).to_vec()),
        _ => return None,
    };
    Some((scheme, digest, key))
}
