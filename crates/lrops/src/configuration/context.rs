//! Named contexts: what follows `NAME=` in `--build-context`, and the values of `[contexts]`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use lrops_model::digest::Digest;
use lrops_model::reference::Reference;
use lrops_model::request::LayoutSelector;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};

/// Where a named context is. Paths are as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ContextPlace {
    /// A directory.
    Directory(PathBuf),
    /// An OCI layout.
    Layout(PathBuf, LayoutSelector),
    /// An image in a registry.
    Image(Reference),
    /// A base of the configuration.
    Base(String),
    /// An address that lrops cannot read yet.
    Remote(String),
}

impl FromStr for ContextPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err(
                "a context needs a place: a directory, oci-layout://, docker-image:// or base:".to_owned(),
            );
        }
        if let Some(layout) = text.strip_prefix("oci-layout://") {
            return layout_place(layout);
        }
        if let Some(image) = text.strip_prefix("docker-image://") {
            return image.parse().map(Self::Image).map_err(|error| format!("{error}"));
        }
        if let Some(name) = text.strip_prefix("base:") {
            return Ok(Self::Base(name.to_owned()));
        }
        if text.starts_with("target:") {
            let advice = "write a table with dockerfile and target in lrops.toml";
            return Err(format!("target: belongs to buildx bake; {advice}"));
        }
        if is_remote(text) {
            return Ok(Self::Remote(text.to_owned()));
        }
        Ok(Self::Directory(PathBuf::from(text)))
    }
}

/// Returns whether a text is an address that Docker would download or clone.
pub(crate) fn is_remote(text: &str) -> bool {
    let prefixes = ["http://", "https://", "git://", "ssh://", "git@", "github.com/"];
    prefixes.iter().any(|prefix| text.starts_with(prefix))
}

fn layout_place(text: &str) -> Result<ContextPlace, String> {
    let (path, selector) = if let Some((path, digest)) = text.rsplit_once('@') {
        let digest: Digest = digest.parse().map_err(|error| format!("{error}"))?;
        // `PATH:TAG@DIGEST`: the digest decides.
        (
            path.rsplit_once(':').map_or(path, |(path, _)| path),
            LayoutSelector::Digest(digest),
        )
    } else {
        match text.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, LayoutSelector::Tag(tag.to_owned())),
            _ => (text, LayoutSelector::Only),
        }
    };
    if path.is_empty() {
        return Err("oci-layout:// needs the path of a directory".to_owned());
    }
    Ok(ContextPlace::Layout(PathBuf::from(path), selector))
}

/// A value in `[contexts]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ContextEntry {
    /// A place.
    Place(ContextPlace),
    /// A Dockerfile of its own.
    Nested(NestedEntry),
}

/// A context that is another Dockerfile's target.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NestedEntry {
    /// The Dockerfile.
    pub(crate) dockerfile: PathBuf,
    /// The stage; the last one when absent.
    #[serde(default)]
    pub(crate) target: Option<String>,
    /// What its `COPY` reads; without it, the Dockerfile's directory.
    #[serde(default)]
    pub(crate) context: Option<PathBuf>,
    /// Its build arguments.
    #[serde(default)]
    pub(crate) args: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for ContextEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

/// Reads a text or a table. An untagged enum would lose the place and the reason of a mistake within the table.
struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = ContextEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a directory, an oci-layout://, docker-image:// or base: text, or a table with dockerfile",
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ContextEntry, E> {
        match text.parse().map_err(E::custom)? {
            ContextPlace::Remote(text) => Err(E::custom(format!(
                "{text:?}: contexts from the network are not supported yet"
            ))),
            place => Ok(ContextEntry::Place(place)),
        }
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<ContextEntry, M::Error> {
        NestedEntry::deserialize(MapAccessDeserializer::new(map)).map(ContextEntry::Nested)
    }
}
