//! `index.json` as others wrote it, with the few changes that lrops makes.

use std::path::Path;

use lrops_model::digest::Digest;
use lrops_model::oci::{Descriptor, Index, MediaType};
use serde::de::Error as _;
use serde_json::{Map, Value};

use super::name::{IMAGE_NAME, LayoutName, REFERENCE_NAME};
use super::{INDEX_FILE_BYTES_MAX, LayoutError};

/// An `index.json`: its fields as they came, and its entries.
#[derive(Clone, Debug)]
pub(crate) struct IndexDocument {
    fields: Map<String, Value>,
    entries: Vec<Value>,
}

impl IndexDocument {
    pub(crate) fn empty() -> Self {
        let index = Index {
            schema_version: 2,
            media_type: Some(MediaType::OCI_INDEX),
            manifests: Vec::new(),
            annotations: std::collections::BTreeMap::new(),
        };
        match serde_json::to_value(index) {
            Ok(Value::Object(fields)) => Self {
                fields,
                entries: Vec::new(),
            },
            _ => unreachable!("an index is a JSON object"),
        }
    }

    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, LayoutError> {
        if bytes.len() as u64 > INDEX_FILE_BYTES_MAX {
            return Err(LayoutError::TooLarge {
                path: path.to_owned(),
            });
        }
        let malformed = |source| LayoutError::Malformed {
            path: path.to_owned(),
            source,
        };
        let mut fields: Map<String, Value> = serde_json::from_slice(bytes).map_err(malformed)?;
        let entries = match fields.get_mut("manifests").map(Value::take) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err(malformed(serde_json::Error::custom("`manifests` is no list"))),
        };
        Ok(Self { fields, entries })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut fields = self.fields.clone();
        fields.insert("manifests".to_owned(), Value::Array(self.entries.clone()));
        serde_json::to_vec(&fields).expect("a JSON object has string keys")
    }

    pub(crate) fn index(&self) -> Index {
        let text = |name| self.fields.get(name).and_then(Value::as_str).map(str::to_owned);
        Index {
            schema_version: 2,
            media_type: text("mediaType").map(|text| MediaType(text.into())),
            manifests: self.entries.iter().filter_map(descriptor).collect(),
            annotations: self
                .fields
                .get("annotations")
                .and_then(|annotations| serde_json::from_value(annotations.clone()).ok())
                .unwrap_or_default(),
        }
    }

    pub(crate) fn tags(&self) -> Vec<(String, Descriptor)> {
        let named = |entry| Some((annotation(entry, REFERENCE_NAME)?.to_owned(), descriptor(entry)?));
        let mut tags: Vec<_> = self.entries.iter().filter_map(named).collect();
        tags.sort_by(|(one, _), (other, _)| one.cmp(other));
        tags
    }

    pub(crate) fn resolve(&self, name: &str) -> Option<Descriptor> {
        let by = |key: &str| {
            self.entries
                .iter()
                .find(|entry| annotation(entry, key) == Some(name))
        };
        by(REFERENCE_NAME).or_else(|| by(IMAGE_NAME)).and_then(descriptor)
    }

    pub(crate) fn tag(&mut self, name: &LayoutName, descriptor: &Descriptor) {
        let mut named = unnamed(descriptor);
        named.annotations.extend(name.annotations());
        self.entries.retain(|entry| {
            annotation(entry, REFERENCE_NAME) != Some(&name.reference_name)
                && !(digest(entry) == Some(descriptor.digest) && is_unnamed(entry))
        });
        self.push(&named);
    }

    pub(crate) fn add(&mut self, descriptor: &Descriptor) {
        if !self
            .entries
            .iter()
            .any(|entry| digest(entry) == Some(descriptor.digest))
        {
            self.push(&unnamed(descriptor));
        }
    }

    pub(crate) fn untag(&mut self, name: &str) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| {
            ![REFERENCE_NAME, IMAGE_NAME]
                .iter()
                .any(|key| annotation(entry, key) == Some(name))
        });
        self.entries.len() != before
    }

    pub(crate) fn forget(&mut self, gone: &Digest) {
        self.entries.retain(|entry| digest(entry) != Some(*gone));
    }

    /// Adds an entry at the place that its name gives it, so that the order of events does not show.
    fn push(&mut self, descriptor: &Descriptor) {
        self.entries
            .push(serde_json::to_value(descriptor).expect("a descriptor is JSON"));
        self.entries
            .sort_by(|one, other| annotation(one, REFERENCE_NAME).cmp(&annotation(other, REFERENCE_NAME)));
    }
}

/// Returns the descriptor without the names that it had elsewhere.
fn unnamed(descriptor: &Descriptor) -> Descriptor {
    let mut descriptor = descriptor.clone();
    descriptor
        .annotations
        .retain(|key, _| key != REFERENCE_NAME && key != IMAGE_NAME);
    descriptor
}

fn is_unnamed(entry: &Value) -> bool {
    annotation(entry, REFERENCE_NAME).is_none() && annotation(entry, IMAGE_NAME).is_none()
}

fn descriptor(entry: &Value) -> Option<Descriptor> {
    serde_json::from_value(entry.clone()).ok()
}

fn digest(entry: &Value) -> Option<Digest> {
    entry.get("digest")?.as_str()?.parse().ok()
}

fn annotation<'e>(entry: &'e Value, key: &str) -> Option<&'e str> {
    entry.get("annotations")?.get(key)?.as_str()
}
