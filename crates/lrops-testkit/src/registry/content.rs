//! What a registry holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use lrops_model::digest::Digest;
use serde_json::Value;

use super::session::Session;

/// What a registry holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) repositories: BTreeMap<String, Repository>,
    pub(super) sessions: BTreeMap<String, Session>,
    pub(super) sessions_opened: usize,
}

/// What a repository holds.
#[derive(Debug, Default)]
pub(super) struct Repository {
    pub(super) blobs: BTreeMap<Digest, Arc<Vec<u8>>>,
    pub(super) manifests: BTreeMap<Digest, StoredManifest>,
    pub(super) tags: BTreeMap<String, Digest>,
}

/// A manifest or an index.
#[derive(Clone, Debug)]
pub(super) struct StoredManifest {
    pub(super) media_type: String,
    pub(super) bytes: Arc<Vec<u8>>,
}

impl Content {
    /// Returns a repository, which comes to be when it is not there.
    pub(super) fn repository(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }

    /// Returns a blob.
    pub(super) fn blob(&self, repository: &str, digest: &Digest) -> Option<Arc<Vec<u8>>> {
        self.repositories.get(repository)?.blobs.get(digest).cloned()
    }

    /// Returns a manifest by tag or digest.
    pub(super) fn manifest(&self, repository: &str, reference: &str) -> Option<(Digest, StoredManifest)> {
        let repository = self.repositories.get(repository)?;
        let digest = match reference.parse() {
            Ok(digest) => digest,
            Err(_) => *repository.tags.get(reference)?,
        };
        Some((digest, repository.manifests.get(&digest)?.clone()))
    }
}

impl Repository {
    /// Returns what a manifest names that is not there as promised, in words.
    pub(super) fn missing(&self, manifest: &Value) -> Vec<String> {
        let one = ["config"].into_iter().filter_map(|key| manifest.get(key));
        let many = ["layers", "blobs"]
            .into_iter()
            .filter_map(|key| manifest.get(key)?.as_array());
        let blobs = one
            .chain(many.flatten())
            .filter(|descriptor| !is_elsewhere(descriptor));
        let children = manifest
            .get("manifests")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let blobs = blobs.filter_map(|descriptor| {
            mismatch("blob", descriptor, |digest| {
                self.blobs.get(digest).map(|blob| blob.len())
            })
        });
        let children = children.filter_map(|descriptor| {
            mismatch("manifest", descriptor, |digest| {
                self.manifests.get(digest).map(|manifest| manifest.bytes.len())
            })
        });
        blobs.chain(children).collect()
    }

    /// Returns every promise that the repository does not keep, in words.
    pub(super) fn broken_promises(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for (tag, digest) in &self.tags {
            if !self.manifests.contains_key(digest) {
                broken.push(format!("tag {tag} names {digest}, which is not there"));
            }
        }
        for (digest, blob) in &self.blobs {
            if Digest::of(blob.as_slice()) != *digest {
                broken.push(format!("blob {digest} has other bytes"));
            }
        }
        for (digest, manifest) in &self.manifests {
            if Digest::of(manifest.bytes.as_slice()) != *digest {
                broken.push(format!("manifest {digest} has other bytes"));
            }
            let missing = match serde_json::from_slice(&manifest.bytes) {
                Ok(value) => self.missing(&value),
                Err(error) => vec![error.to_string()],
            };
            broken.extend(
                missing
                    .into_iter()
                    .map(|problem| format!("manifest {digest}: {problem}")),
            );
        }
        broken
    }
}

/// Returns whether a layer may be left out of registries.
fn is_elsewhere(descriptor: &Value) -> bool {
    let media_type = descriptor
        .get("mediaType")
        .and_then(Value::as_str)
        .unwrap_or_default();
    media_type.contains("nondistributable") || media_type.contains(".foreign.")
}

/// Compares a descriptor with the size of what is there.
fn mismatch(kind: &str, descriptor: &Value, size: impl Fn(&Digest) -> Option<usize>) -> Option<String> {
    let text = descriptor
        .get("digest")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let Ok(digest) = text.parse::<Digest>() else {
        return Some(format!("{kind} {text:?} has no digest"));
    };
    let promised = descriptor.get("size").and_then(Value::as_u64);
    match size(&digest) {
        None => Some(format!("{kind} {digest} is not there")),
        Some(found) if promised != Some(found as u64) => {
            Some(format!("{kind} {digest} has {found} bytes, not {promised:?}"))
        }
        Some(_) => None,
    }
}
