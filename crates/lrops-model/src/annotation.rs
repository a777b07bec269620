//! Annotations: notes on an image's documents, and which of the documents each is for.
//!
//! Source: OCI image spec, annotations; the prefixes are those of `docker buildx build --annotation`.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;

use crate::platform::Platform;

/// An annotation, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// What is annotated.
    pub parts: Vec<AnnotatedPart>,
    /// Its key.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A part of an image that can be annotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnnotatedPart {
    /// The index.
    Index,
    /// The manifests: all, or that of one platform.
    Manifest(Option<Platform>),
    /// The entries for manifests in the index: all, or that of one platform.
    ManifestDescriptor(Option<Platform>),
}

/// All annotations of a request. A later one replaces an earlier one of the same key on the same document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations(pub Vec<Annotation>);

impl AnnotatedPart {
    /// Returns the platform that it is for, when it is for one alone.
    pub fn platform(&self) -> Option<&Platform> {
        match self {
            Self::Manifest(platform) | Self::ManifestDescriptor(platform) => platform.as_ref(),
            Self::Index => None,
        }
    }
}

impl Annotation {
    /// Annotates the index and all manifests alike.
    pub fn everywhere(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            parts: vec![AnnotatedPart::Index, AnnotatedPart::Manifest(None)],
            name: name.into(),
            value: value.into(),
        }
    }
}

impl Annotations {
    /// Returns those of the index.
    pub fn of_index(&self) -> BTreeMap<String, String> {
        self.of(|part| *part == AnnotatedPart::Index)
    }

    /// Returns those of a platform's manifest.
    pub fn of_manifest(&self, platform: &Platform) -> BTreeMap<String, String> {
        self.of(|part| matches!(part, AnnotatedPart::Manifest(one) if is_for(one.as_ref(), platform)))
    }

    /// Returns those of the index's entry for a platform's manifest.
    pub fn of_manifest_descriptor(&self, platform: &Platform) -> BTreeMap<String, String> {
        self.of(
            |part| matches!(part, AnnotatedPart::ManifestDescriptor(one) if is_for(one.as_ref(), platform)),
        )
    }

    /// Returns those that are not the index's.
    #[must_use]
    pub fn without_index(&self) -> Self {
        let mut annotations = self.clone();
        for annotation in &mut annotations.0 {
            annotation.parts.retain(|part| *part != AnnotatedPart::Index);
        }
        annotations
    }

    fn of(&self, is_meant: impl Fn(&AnnotatedPart) -> bool) -> BTreeMap<String, String> {
        let meant = self.0.iter().filter(|one| one.parts.iter().any(&is_meant));
        meant.map(|one| (one.name.clone(), one.value.clone())).collect()
    }
}

fn is_for(wanted: Option<&Platform>, platform: &Platform) -> bool {
    wanted.is_none_or(|wanted| wanted == platform)
}

/// Reads `NAME=VALUE`, perhaps with the parts before it: `index,manifest[linux/arm64]:NAME=VALUE`. Without them it is for
/// the index and all manifests.
impl FromStr for Annotation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(format!("{text:?} is not NAME=VALUE"));
        };
        let prefix = name.split_once(':').and_then(|(parts, name)| {
            let parts = parts.split(',').map(part).collect::<Option<Vec<_>>>()?;
            Some((parts, name))
        });
        let Some((parts, name)) = prefix else {
            return Ok(Self::everywhere(name, value));
        };
        if name.is_empty() {
            return Err(format!("{text:?} has no name"));
        }
        Ok(Self {
            parts: parts.into_iter().collect::<Result<_, _>>()?,
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// Reads a part; none when it is another word: names of annotations may have a colon.
fn part(text: &str) -> Option<Result<AnnotatedPart, String>> {
    let (kind, platform) = match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((kind, platform)) => (kind, Some(platform)),
        None => (text, None),
    };
    if !matches!(
        kind,
        "index" | "index-descriptor" | "manifest" | "manifest-descriptor"
    ) {
        return None;
    }
    let platform = match platform.map(str::parse::<Platform>).transpose() {
        Ok(platform) => platform,
        Err(error) => return Some(Err(error.to_string())),
    };
    Some(match kind {
        "manifest" => Ok(AnnotatedPart::Manifest(platform)),
        "manifest-descriptor" => Ok(AnnotatedPart::ManifestDescriptor(platform)),
        _ if platform.is_some() => Err(format!("{text:?}: there is one index for all platforms")),
        "index" => Ok(AnnotatedPart::Index),
        // Names, in the store and in registries, are written without any.
        _ => Err(format!(
            "{text:?}: the entry that names an index takes no annotation; annotate the index itself, with index:NAME=VALUE"
        )),
    })
}

impl Display for AnnotatedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, platform) = match self {
            Self::Index => ("index", None),
            Self::Manifest(platform) => ("manifest", platform.as_ref()),
            Self::ManifestDescriptor(platform) => ("manifest-descriptor", platform.as_ref()),
        };
        match platform {
            Some(platform) => write!(f, "{kind}[{platform}]"),
            None => f.write_str(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_stand_before_the_name() {
        let read = |text: &str| {
            let read = text.parse::<Annotation>().map(|one| {
                let parts: Vec<String> = one.parts.iter().map(ToString::to_string).collect();
                format!("{} {}={}", parts.join(","), one.name, one.value)
            });
            read.unwrap_or_else(|error| error)
        };
        for (text, expected) in [
            ("a=b=c", "index,manifest a=b=c"),
            ("a=", "index,manifest a="),
            ("index:a=b", "index a=b"),
            (
                "manifest[linux/arm/v7],manifest-descriptor:a=b",
                "manifest[linux/arm/v7],manifest-descriptor a=b",
            ),
            (
                "index-descriptor:a=b",
                "\"index-descriptor\": the entry that names an index takes no annotation; annotate the index itself, with index:NAME=VALUE",
            ),
            ("org:a=b", "index,manifest org:a=b"),
            (
                "index[linux/arm64]:a=b",
                "\"index[linux/arm64]\": there is one index for all platforms",
            ),
            ("index:=b", "\"index:=b\" has no name"),
            ("a", "\"a\" is not NAME=VALUE"),
            ("=b", "\"=b\" is not NAME=VALUE"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert!("manifest[x/y/z/w]:a=b".parse::<Annotation>().is_err());
    }

    #[test]
    fn each_document_gets_its_own_and_the_last_one_wins() {
        let texts = [
            "a=1",
            "index:a=2",
            "manifest[linux/arm64]:a=3",
            "manifest-descriptor:b=4",
        ];
        let annotations = Annotations(texts.iter().map(|text| text.parse().unwrap()).collect());
        let (amd64, arm64) = ("linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap());
        let value = |map: BTreeMap<String, String>, name: &str| map.get(name).cloned();
        assert_eq!(value(annotations.of_index(), "a").as_deref(), Some("2"));
        assert_eq!(value(annotations.of_manifest(&amd64), "a").as_deref(), Some("1"));
        assert_eq!(value(annotations.of_manifest(&arm64), "a").as_deref(), Some("3"));
        assert_eq!(value(annotations.of_manifest(&arm64), "b"), None);
        assert_eq!(
            value(annotations.of_manifest_descriptor(&arm64), "b").as_deref(),
            Some("4")
        );
    }
}
