//! Who signed an index: `OpenPGP` clear-text signatures checked against a keyring (RFC 9580), at a given time.
//!
//! One good signature is enough, since archives sign with the keys of two releases. A key counts when it is in the
//! keyring, its own self-signature fits, and it is neither revoked nor past its expiry at the given time.

use std::io::Cursor;

use lrops_model::timestamp::Timestamp;
use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{Fingerprint, KeyDetails, KeyId, Tag, VerifyingKey};

/// Public keys that may sign an archive.
pub(crate) struct Keyring {
    keys: Vec<SignedPublicKey>,
}

/// Why no signature of an index counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// The file is no clear-text signed message.
    #[error("it is not signed: {0}")]
    NotSigned(String),
    /// The keyring has none of the signing keys.
    #[error("it is signed by {signers}, which the keyring does not hold", signers = signers.join(" and "))]
    UnknownKey {
        /// The ids of the keys that signed.
        signers: Vec<String>,
    },
    /// The text is not what the key signed.
    #[error("the signature of {key} does not fit: the file was altered")]
    Altered {
        /// The key's fingerprint.
        key: String,
    },
    /// The key, or the signature, is past its end.
    #[error("the key {key} expired at {expired}")]
    Expired {
        /// The key's fingerprint.
        key: String,
        /// When it ended.
        expired: Timestamp,
    },
    /// The key was revoked.
    #[error("the key {key} was revoked")]
    Revoked {
        /// The key's fingerprint.
        key: String,
    },
    /// The key lacks a good self-signature, may not sign, or the signature uses a weak digest.
    #[error("the signature of {key} does not count: {reason}")]
    Unusable {
        /// The key's fingerprint.
        key: String,
        /// Why.
        reason: &'static str,
    },
}

impl Keyring {
    /// Parses a keyring, binary or armored.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, pgp::errors::Error> {
        let (keys, _) = SignedPublicKey::from_reader_many(Cursor::new(bytes.to_vec()))?;
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.keys.extend(other.keys);
    }

    /// Verifies a clear-text signed message and returns the signed text: never anything around it.
    pub(crate) fn verify(&self, message: &str, now: Timestamp) -> Result<String, SignatureFault> {
        let (message, _) = CleartextSignedMessage::from_string(message)
            .map_err(|cause| SignatureFault::NotSigned(cause.to_string()))?;
        let text = message.signed_text();
        let mut fault = None;
        for signature in message.signatures() {
            match self.verify_one(signature, &text, now) {
                Ok(()) => return Ok(text),
                Err(SignatureFault::UnknownKey { signers }) => add_unknown(&mut fault, signers),
                Err(other) => fault = Some(other),
            }
        }
        Err(fault.unwrap_or_else(|| SignatureFault::NotSigned("there is no signature".to_owned())))
    }

    fn verify_one(&self, signature: &Signature, text: &str, now: Timestamp) -> Result<(), SignatureFault> {
        let mut fault = SignatureFault::UnknownKey {
            signers: issuers(signature),
        };
        for key in &self.keys {
            if is_issuer(signature, &key.primary_key) {
                match verify_by(signature, &key.primary_key, text, now).and_then(|()| check_primary(key, now))
                {
                    Ok(()) => return Ok(()),
                    Err(found) => fault = found,
                }
            }
            for subkey in key
                .public_subkeys
                .iter()
                .filter(|subkey| is_issuer(signature, &subkey.key))
            {
                let result = verify_by(signature, &subkey.key, text, now)
                    .and_then(|()| check_primary(key, now))
                    .and_then(|()| check_subkey(key, subkey, now));
                match result {
                    Ok(()) => return Ok(()),
                    Err(found) => fault = found,
                }
            }
        }
        Err(fault)
    }
}

/// Keeps a fault of a known key: it says more than that another key is unknown.
fn add_unknown(fault: &mut Option<SignatureFault>, more: Vec<String>) {
    match fault {
        None => *fault = Some(SignatureFault::UnknownKey { signers: more }),
        Some(SignatureFault::UnknownKey { signers }) => signers.extend(more),
        Some(_) => {}
    }
}

fn issuers(signature: &Signature) -> Vec<String> {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        return signature
            .issuer_key_id()
            .into_iter()
            .map(|id: &KeyId| id.to_string().to_uppercase())
            .collect();
    }
    fingerprints
        .into_iter()
        .map(|fingerprint: &Fingerprint| format!("{fingerprint:X}"))
        .collect()
}

fn is_issuer(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        signature.issuer_key_id().contains(&&key.legacy_key_id())
    } else {
        fingerprints.contains(&&key.fingerprint())
    }
}

fn name(key: &impl KeyDetails) -> String {
    format!("{:X}", key.fingerprint())
}

fn verify_by(
    signature: &Signature,
    key: &impl VerifyingKey,
    text: &str,
    now: Timestamp,
) -> Result<(), SignatureFault> {
    let unusable = |reason| {
        Err(SignatureFault::Unusable {
            key: name(key),
            reason,
        })
    };
    let strong = [
        HashAlgorithm::Sha256,
        HashAlgorithm::Sha384,
        HashAlgorithm::Sha512,
        HashAlgorithm::Sha3_256,
        HashAlgorithm::Sha3_512,
    ];
    if !signature
        .hash_alg()
        .is_some_and(|algorithm| strong.contains(&algorithm))
    {
        return unusable("its digest algorithm is weak");
    }
    if !matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary)) {
        return unusable("it is no signature over a document");
    }
    signature
        .verify(key, text.as_bytes())
        .map_err(|_| SignatureFault::Altered { key: name(key) })?;
    let created = signature
        .created()
        .map(|created| i64::from(created.as_secs()))
        .unwrap_or_default();
    check_end(key, created, signature.signature_expiration_time(), now)
}

/// Checks `start + span <= now`; a span of zero means none (RFC 9580, section 5.2.3.13).
fn check_end(
    key: &impl KeyDetails,
    start: i64,
    span: Option<pgp::types::Duration>,
    now: Timestamp,
) -> Result<(), SignatureFault> {
    match span
        .map(|span| i64::from(span.as_secs()))
        .filter(|span| *span != 0)
    {
        Some(span) if start + span <= now.0 => Err(SignatureFault::Expired {
            key: name(key),
            expired: Timestamp(start + span),
        }),
        _ => Ok(()),
    }
}

/// The primary key: not revoked, vouched for by its newest self-signature, not past its end.
fn check_primary(key: &SignedPublicKey, now: Timestamp) -> Result<(), SignatureFault> {
    let primary = &key.primary_key;
    if !key.details.revocation_signatures.is_empty() {
        return Err(SignatureFault::Revoked { key: name(primary) });
    }
    let certifications = key.details.users.iter().flat_map(|user| {
        user.signatures.iter().filter(move |signature| {
            signature.is_certification()
                && is_issuer(signature, primary)
                && signature
                    .verify_certification(primary, Tag::UserId, &user.id)
                    .is_ok()
        })
    });
    let direct = key
        .details
        .direct_signatures
        .iter()
        .filter(|signature| signature.verify_key(primary).is_ok());
    let Some(newest) = certifications
        .chain(direct)
        .max_by_key(|signature| signature.created())
    else {
        let reason = "the key has no self-signature that fits";
        return Err(SignatureFault::Unusable {
            key: name(primary),
            reason,
        });
    };
    let created = i64::from(primary.created_at().as_secs());
    check_end(primary, created, newest.key_expiration_time(), now)
}

/// A signing subkey: bound by the primary key, binding it in turn, not revoked, not past its end.
fn check_subkey(
    key: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    now: Timestamp,
) -> Result<(), SignatureFault> {
    let revoked = subkey
        .signatures
        .iter()
        .any(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation));
    if revoked {
        return Err(SignatureFault::Revoked {
            key: name(&subkey.key),
        });
    }
    let good = |signature: &&Signature| {
        signature.key_flags().sign()
            && signature
                .verify_subkey_binding(&key.primary_key, &subkey.key)
                .is_ok()
            && signature.embedded_signature().is_some_and(|back| {
                back.verify_primary_key_binding(&subkey.key, &key.primary_key)
                    .is_ok()
            })
    };
    let Some(newest) = subkey
        .signatures
        .iter()
        .filter(good)
        .max_by_key(|signature| signature.created())
    else {
        let reason = "no binding allows the subkey to sign";
        return Err(SignatureFault::Unusable {
            key: name(&subkey.key),
            reason,
        });
    };
    let created = i64::from(subkey.key.created_at().as_secs());
    check_end(&subkey.key, created, newest.key_expiration_time(), now)
}
