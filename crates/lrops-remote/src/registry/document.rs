//! What a document is: an index or a manifest.
//!
//! A document that could be read as both is refused, since two readers would see two images in it (the OCI
//! distribution spec's advisory on ambiguous documents, CVE-2021-41190).

use lrops_model::oci::MediaType;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error::RegistryProblem;

const KNOWN: [MediaType; 4] = [
    MediaType::OCI_INDEX,
    MediaType::DOCKER_INDEX,
    MediaType::OCI_MANIFEST,
    MediaType::DOCKER_MANIFEST,
];

/// Returns the header that asks for the types lrops can read.
pub(crate) fn accept() -> (&'static str, String) {
    (
        "Accept",
        KNOWN.map(|media_type| media_type.to_string()).join(", "),
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    #[serde(default)]
    schema_version: u32,
    #[serde(default)]
    media_type: Option<MediaType>,
    #[serde(default)]
    manifests: Option<IgnoredAny>,
    #[serde(default)]
    config: Option<IgnoredAny>,
    #[serde(default)]
    layers: Option<IgnoredAny>,
}

/// Returns the media type of a document, from what the server and the document itself say.
pub(crate) fn media_type(content_type: &str, bytes: &[u8]) -> Result<MediaType, RegistryProblem> {
    let outline: Outline = serde_json::from_slice(bytes).map_err(|_| RegistryProblem::Document(NO_JSON))?;
    if outline.schema_version == 1 {
        return Err(RegistryProblem::Document(SCHEMA_1));
    }
    let is_index = match (
        outline.manifests.is_some(),
        outline.config.is_some() || outline.layers.is_some(),
    ) {
        (true, false) => true,
        (false, true) => false,
        (true, true) => return Err(RegistryProblem::Document(AMBIGUOUS)),
        (false, false) => return Err(RegistryProblem::Document(NEITHER)),
    };
    let content_type = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let said = KNOWN.into_iter().find(|known| known.0 == content_type);
    let own = outline.media_type.filter(|own| KNOWN.contains(own));
    if [&said, &own]
        .into_iter()
        .flatten()
        .any(|media_type| media_type.is_index() != is_index)
    {
        return Err(RegistryProblem::Document(AMBIGUOUS));
    }
    let usual = if is_index {
        MediaType::OCI_INDEX
    } else {
        MediaType::OCI_MANIFEST
    };
    Ok(own.or(said).unwrap_or(usual))
}

const NO_JSON: &str = "it is no JSON object of a known form";
const SCHEMA_1: &str =
    "it has Docker's first schema, which was given up in 2019: have the image pushed again";
const AMBIGUOUS: &str = "it can be read as an index and as a manifest";
const NEITHER: &str = "it lists neither manifests nor layers";

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;
    const MANIFEST: &str = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;

    #[track_caller]
    fn check(content_type: &str, text: &str, expected: Result<&MediaType, &str>) {
        let found = media_type(content_type, text.as_bytes()).map_err(|problem| match problem {
            RegistryProblem::Document(reason) => reason,
            other => panic!("{other}"),
        });
        assert_eq!(found.as_ref().map_err(|reason| *reason), expected);
    }

    #[test]
    fn the_server_names_the_type_and_the_document_knows_better() {
        check(
            &MediaType::DOCKER_MANIFEST.0,
            MANIFEST,
            Ok(&MediaType::DOCKER_MANIFEST),
        );
        check(
            "application/vnd.oci.image.index.v1+json; charset=utf-8",
            INDEX,
            Ok(&MediaType::OCI_INDEX),
        );
        let own = MANIFEST.replace(
            "{\"schema",
            &format!("{{\"mediaType\":\"{}\",\"schema", MediaType::DOCKER_MANIFEST),
        );
        check(&MediaType::OCI_MANIFEST.0, &own, Ok(&MediaType::DOCKER_MANIFEST));
    }

    #[test]
    fn a_server_that_names_no_type_is_understood_by_the_document() {
        check("", INDEX, Ok(&MediaType::OCI_INDEX));
        check("text/plain", MANIFEST, Ok(&MediaType::OCI_MANIFEST));
    }

    #[test]
    fn a_document_of_two_meanings_or_none_is_refused() {
        check(&MediaType::OCI_INDEX.0, MANIFEST, Err(AMBIGUOUS));
        check(
            "",
            r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#,
            Err(AMBIGUOUS),
        );
        check("", r#"{"schemaVersion":1,"fsLayers":[]}"#, Err(SCHEMA_1));
        check("", "{}", Err(NEITHER));
        check("", "<html>", Err(NO_JSON));
    }
}
