//! Manifests: read, put and deleted.

use std::io;
use std::sync::Arc;

use lrops_model::digest::Digest;
use serde_json::Value;

use super::answer::Answer;
use super::connection::Exchange;
use super::content::StoredManifest;
use super::incoming::Incoming;
use super::options::Deletion;
use super::pull::unsupported;
use super::route::is_tag;

const MANIFEST_SIZE_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl Exchange<'_> {
    /// Reads, puts or deletes a manifest by tag or digest.
    pub(super) fn manifest(
        &self,
        repository: &str,
        reference: &str,
        incoming: &mut Incoming<'_, '_>,
    ) -> io::Result<Answer> {
        if !is_tag(reference) && reference.parse::<Digest>().is_err() {
            return Ok(Answer::refusal(
                400,
                "MANIFEST_INVALID",
                "neither a tag nor a sha256 digest",
            ));
        }
        Ok(match self.request.method.as_str() {
            "GET" | "HEAD" => self.get_manifest(repository, reference),
            "PUT" => {
                let bytes = incoming.document(MANIFEST_SIZE_BYTES_MAX)?;
                self.put_manifest(repository, reference, bytes)
                    .unwrap_or_else(|refusal| refusal)
            }
            "DELETE" => self.delete_manifest(repository, reference),
            _ => unsupported(),
        })
    }

    fn get_manifest(&self, repository: &str, reference: &str) -> Answer {
        match self.registry.content().manifest(repository, reference) {
            Some((digest, manifest)) => Answer::with_body(200, manifest.bytes)
                .header("Content-Type", manifest.media_type)
                .header("Docker-Content-Digest", digest),
            None => Answer::refusal(404, "MANIFEST_UNKNOWN", "unknown to registry"),
        }
    }

    fn put_manifest(&self, name: &str, reference: &str, bytes: Vec<u8>) -> Result<Answer, Answer> {
        let invalid = |message: &str| Answer::refusal(400, "MANIFEST_INVALID", message);
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| invalid(&error.to_string()))?;
        if !value.is_object() {
            return Err(invalid("no object"));
        }
        let media_type = self
            .request
            .header("content-type")
            .ok_or_else(|| invalid("no Content-Type"))?;
        if value.get("mediaType").is_some_and(|told| told != media_type) {
            return Err(invalid("the mediaType is not the Content-Type"));
        }
        let digest = Digest::of(&bytes);
        let expected = reference.parse::<Digest>();
        if expected.as_ref().is_ok_and(|expected| *expected != digest) {
            return Err(Answer::refusal(
                400,
                "DIGEST_INVALID",
                "the manifest has another digest",
            ));
        }
        let mut content = self.registry.content();
        let repository = content.repository(name);
        let missing = repository.missing(&value);
        if !missing.is_empty() {
            return Err(Answer::refusal(400, "MANIFEST_BLOB_UNKNOWN", &missing.join("; ")));
        }
        let manifest = StoredManifest {
            media_type: media_type.to_owned(),
            bytes: Arc::new(bytes),
        };
        repository.manifests.insert(digest, manifest);
        if expected.is_err() {
            repository.tags.insert(reference.to_owned(), digest);
        }
        let answer = Answer::empty(201)
            .header(
                "Location",
                self.location(&format!("/v2/{name}/manifests/{digest}")),
            )
            .header("Docker-Content-Digest", digest);
        Ok(match value["subject"]["digest"].as_str() {
            Some(subject) => answer.header("OCI-Subject", subject),
            None => answer,
        })
    }

    fn delete_manifest(&self, name: &str, reference: &str) -> Answer {
        let deletion = self.registry.options.deletion;
        let mut content = self.registry.content();
        let repository = content.repository(name);
        let is_deleted = match reference.parse::<Digest>() {
            _ if deletion == Deletion::Nothing => return unsupported(),
            Ok(digest) => {
                repository.tags.retain(|_, tagged| *tagged != digest);
                repository.manifests.remove(&digest).is_some()
            }
            Err(_) if deletion == Deletion::NotTags => return unsupported(),
            Err(_) => repository.tags.remove(reference).is_some(),
        };
        if is_deleted {
            Answer::empty(202)
        } else {
            Answer::refusal(404, "MANIFEST_UNKNOWN", "unknown to registry")
        }
    }
}
