//! How an image is named in `index.json`.

use lrops_model::reference::Reference;

/// The annotation that the OCI image spec defines; skopeo and podman look for it.
pub(crate) const REFERENCE_NAME: &str = "org.opencontainers.image.ref.name";

/// The annotation that containerd and Docker look for: the full reference.
pub(crate) const IMAGE_NAME: &str = "io.containerd.image.name";

/// The name of an image in a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutName {
    pub(crate) reference_name: String,
    pub(crate) image: Option<Reference>,
}

impl LayoutName {
    /// Returns a name that means nothing but itself.
    pub fn plain(name: impl Into<String>) -> Self {
        Self {
            reference_name: name.into(),
            image: None,
        }
    }

    /// Returns the name under which images of several repositories live side by side: the whole reference.
    pub fn full(reference: &Reference) -> Self {
        Self {
            reference_name: reference.to_string(),
            image: Some(reference.clone()),
        }
    }

    /// Returns the name that other builders give an exported layout: the tag, and for Docker the whole reference.
    ///
    /// A reference with a digest only has no tag; it is named in full.
    pub fn exported(reference: &Reference) -> Self {
        match reference.tag_or_latest() {
            Some(tag) => Self {
                reference_name: tag.to_owned(),
                image: Some(reference.clone()),
            },
            None => Self::full(reference),
        }
    }

    /// Returns the annotations that an entry of this name has.
    pub fn annotations(&self) -> Vec<(String, String)> {
        let image = self
            .image
            .iter()
            .map(|image| (IMAGE_NAME.to_owned(), with_tag(image)));
        image
            .chain([(REFERENCE_NAME.to_owned(), self.reference_name.clone())])
            .collect()
    }
}

/// Docker names no image without a tag.
fn with_tag(image: &Reference) -> String {
    match (image.tag(), image.tag_or_latest()) {
        (None, Some(tag)) => format!("{image}:{tag}"),
        _ => image.to_string(),
    }
}

impl From<&str> for LayoutName {
    fn from(name: &str) -> Self {
        Self::plain(name)
    }
}

impl From<&Reference> for LayoutName {
    fn from(reference: &Reference) -> Self {
        Self::full(reference)
    }
}
