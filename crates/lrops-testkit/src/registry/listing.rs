//! Tags and referrers.

use std::collections::BTreeMap;

use lrops_model::digest::Digest;
use serde_json::{Value, json};

use super::answer::Answer;
use super::connection::Exchange;
use super::content::StoredManifest;
use super::pull::unsupported;
use crate::http::encode;

impl Exchange<'_> {
    /// Lists tags in their order, from behind `last`, at most `n`.
    pub(super) fn tags(&self, name: &str) -> Answer {
        if self.request.method != "GET" {
            return unsupported();
        }
        let limit = match self.request.query("n").map(|text| text.parse::<usize>()) {
            None => usize::MAX,
            Some(Ok(limit)) => limit,
            Some(Err(_)) => return Answer::refusal(400, "PAGINATION_NUMBER_INVALID", "n is no number"),
        };
        let limit = limit.min(self.registry.options.tags_page_max);
        let content = self.registry.content();
        let Some(repository) = content.repositories.get(name) else {
            return Answer::refusal(404, "NAME_UNKNOWN", "repository name not known to registry");
        };
        let last = self.request.query("last").unwrap_or_default();
        let following = repository.tags.keys().filter(|tag| **tag > last);
        let left = following.clone().count();
        let tags: Vec<&String> = following.take(limit).collect();
        let answer = Answer::json(&json!({"name": name, "tags": tags}));
        match tags.last() {
            Some(last) if tags.len() < left => {
                let target = format!("/v2/{name}/tags/list?n={limit}&last={}", encode(last));
                answer.header("Link", format!("<{target}>; rel=\"next\""))
            }
            _ => answer,
        }
    }

    /// Lists the manifests whose subject is this one.
    pub(super) fn referrers(&self, name: &str, digest: &str) -> Answer {
        if self.request.method != "GET" {
            return unsupported();
        }
        let Ok(subject) = digest.parse::<Digest>() else {
            return Answer::refusal(400, "DIGEST_INVALID", "no sha256 digest");
        };
        let wanted = self.request.query("artifactType");
        let content = self.registry.content();
        let none = BTreeMap::new();
        let manifests = content
            .repositories
            .get(name)
            .map_or(&none, |repository| &repository.manifests);
        let descriptors: Vec<Value> = manifests
            .iter()
            .filter_map(|(digest, manifest)| referrer(subject, *digest, manifest))
            .filter(|descriptor| {
                wanted
                    .as_deref()
                    .is_none_or(|wanted| descriptor["artifactType"] == wanted)
            })
            .collect();
        let media_type = "application/vnd.oci.image.index.v1+json";
        let mut answer = Answer::json(&json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": descriptors,
        }));
        answer.headers = vec![("Content-Type", media_type.to_owned())];
        if wanted.is_some() {
            answer = answer.header("OCI-Filters-Applied", "artifactType");
        }
        answer
    }
}

/// Returns a manifest's descriptor when it refers to `subject`.
fn referrer(subject: Digest, digest: Digest, manifest: &StoredManifest) -> Option<Value> {
    let value: Value = serde_json::from_slice(&manifest.bytes).ok()?;
    if value["subject"]["digest"] != subject.to_string() {
        return None;
    }
    let artifact_type = value
        .get("artifactType")
        .or_else(|| value.get("config")?.get("mediaType"));
    let mut descriptor = json!({
        "mediaType": manifest.media_type,
        "digest": digest.to_string(),
        "size": manifest.bytes.len(),
    });
    for (key, value) in [
        ("artifactType", artifact_type),
        ("annotations", value.get("annotations")),
    ] {
        if let Some(value) = value {
            descriptor[key] = value.clone();
        }
    }
    Some(descriptor)
}
