//! `--iidfile` and `--metadata-file`, in the form of buildx.

use std::fs;
use std::path::Path;

use lrops_model::oci::Descriptor;
use lrops_model::reference::Reference;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::image::Row;

/// Writes the image's ID: its config's digest when it is for one platform, else its index's.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write_image_id(path: &Path, root: &Descriptor, rows: &[Row]) -> Result<(), Failure> {
    let id = match rows {
        [only] => only.config,
        _ => root.digest,
    };
    fs::write(path, id.to_string()).map_err(|source| Failure::write(path, source))
}

/// Writes what was built.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write(path: &Path, root: &Descriptor, rows: &[Row], tags: &[Reference]) -> Result<(), Failure> {
    let text =
        serde_json::to_string_pretty(&document(root, rows, tags)).expect("the document has string keys");
    fs::write(path, text + "\n").map_err(|source| Failure::write(path, source))
}

fn document(root: &Descriptor, rows: &[Row], tags: &[Reference]) -> Value {
    let mut document = Map::new();
    if let [only] = rows {
        document.insert("containerimage.config.digest".to_owned(), json!(only.config));
    }
    document.insert("containerimage.descriptor".to_owned(), json!(root));
    document.insert("containerimage.digest".to_owned(), json!(root.digest));
    if !tags.is_empty() {
        let names: Vec<String> = tags.iter().map(Reference::to_string).collect();
        document.insert("image.name".to_owned(), json!(names.join(",")));
    }
    Value::Object(document)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use lrops_model::digest::Digest;
    use lrops_model::oci::{Manifest, MediaType};

    use super::*;

    #[test]
    fn the_document_has_the_fields_of_buildx() {
        let root = Descriptor::of(MediaType::OCI_INDEX, b"index");
        let manifest = Manifest {
            schema_version: 2,
            media_type: None,
            config: Descriptor::of(MediaType::OCI_CONFIG, b"config"),
            layers: vec![],
            annotations: std::collections::BTreeMap::new(),
        };
        let row = Row {
            platform: "linux/amd64".parse().unwrap(),
            digest: Digest::of("manifest"),
            config: Digest::of("config"),
            size: 1,
            layers: 0,
            manifest,
        };
        let tags = ["hello:demo".parse().unwrap(), "example.com/a:b".parse().unwrap()];
        expect![[r#"
            {
              "containerimage.config.digest": "sha256:b79606fb3afea5bd1609ed40b622142f1c98125abcfe89a76a661b0e8e343910",
              "containerimage.descriptor": {
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "digest": "sha256:1bc04b5291c26a46d918139138b992d2de976d6851d0893b0476b85bfbdfc6e6",
                "size": 5
              },
              "containerimage.digest": "sha256:1bc04b5291c26a46d918139138b992d2de976d6851d0893b0476b85bfbdfc6e6",
              "image.name": "docker.io/library/hello:demo,example.com/a:b"
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&document(&root, std::slice::from_ref(&row), &tags)).unwrap());
        let several = document(&root, &[row.clone(), row], &[]);
        assert_eq!(several.as_object().unwrap().keys().count(), 2);
    }
}
