//! An image, wherever it is: in the store, in a layout, in an archive, in a registry.

mod several;

use std::path::{Path, PathBuf};

use lrops_model::blob::{BlobSource, DOCUMENT_SIZE_BYTES_MAX, read_document};
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::image::walk_image;
use lrops_model::oci::{Descriptor, ImageConfig, Index, Manifest, MediaType};
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;
use lrops_model::request::LayoutSelector;
use lrops_remote::registry::Registry;
use lrops_store::archive::Archive;
use lrops_store::layout::Layout;
use lrops_store::store::Store;
use serde::Serialize;

use crate::configuration::ContextPlace;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::session::open_store;

pub(crate) use several::{Several, entry};

/// An image and the place that its blobs are in.
pub(crate) struct PlacedImage {
    /// What it was asked by.
    pub(crate) name: String,
    /// The place.
    pub(crate) source: Box<dyn BlobSource>,
    /// Its index or manifest.
    pub(crate) root: Descriptor,
    /// Where it was found.
    pub(crate) place: Place,
}

/// Where an image was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the store, at this directory.
    Store(PathBuf),
    /// In an OCI layout.
    Layout(PathBuf),
    /// In an OCI archive.
    Archive(PathBuf),
    /// In a registry, under this name.
    Registry(Reference),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(path) => write!(f, "the store {}", path.display()),
            Self::Layout(path) => write!(f, "the OCI layout {}", path.display()),
            Self::Archive(path) => write!(f, "the OCI archive {}", path.display()),
            Self::Registry(name) => write!(f, "the registry {}", name.registry()),
        }
    }
}

/// Returns whether a name says which registry it is in. Docker Hub is meant only by those who say so: a name that is
/// spelt wrongly should not be looked for in the whole world.
fn names_its_registry(text: &str) -> bool {
    let registry = text.split('/').next().unwrap_or_default();
    text.contains('/')
        && text
            .parse::<Reference>()
            .is_ok_and(|reference| reference.registry() == registry)
}

/// How a name is written that means a registry and nothing else.
const REGISTRY_PREFIX: &str = "docker://";

/// Returns the reference of a name that means a registry and nothing else: `docker://registry.example/app:1`.
///
/// # Errors
/// When it begins so, and is no reference.
pub(crate) fn registry_reference(text: &str) -> Result<Option<Reference>, Failure> {
    match text.strip_prefix(REGISTRY_PREFIX) {
        Some(name) => parse_reference(name).map(Some),
        None => Ok(None),
    }
}

/// Reads the name of what can only be in a registry, written with the prefix or without.
///
/// # Errors
/// When it is none.
pub(crate) fn registry_name(text: &str) -> Result<Reference, Failure> {
    parse_reference(text.strip_prefix(REGISTRY_PREFIX).unwrap_or(text))
}

/// Reads the name of an image.
///
/// # Errors
/// When it is none.
pub(crate) fn parse_reference(text: &str) -> Result<Reference, Failure> {
    text.parse()
        .map_err(|error: lrops_model::reference::ParseReferenceError| Failure::usage(error.to_string()))
}

/// Where images are looked for.
pub(crate) struct Lookup<'a> {
    /// The store's directory.
    pub(crate) store: &'a Path,
    /// What the process was started with.
    pub(crate) environment: &'a Environment,
    /// Asks registries; opened when the first is asked.
    pub(crate) registries: Option<&'a dyn Fn() -> Result<Registry, Failure>>,
    /// Stops the work.
    pub(crate) cancel: &'a CancelToken,
}

impl Lookup<'_> {
    /// Finds an image in a registry.
    ///
    /// # Errors
    /// When the registry has none of this name, or cannot be asked.
    pub(crate) fn in_registry(&self, reference: &Reference) -> Result<PlacedImage, Failure> {
        let Some(open) = self.registries else {
            let message = format!(
                "{} is in a registry, and is wanted from elsewhere",
                reference.familiar()
            );
            return Err(Failure::usage(message));
        };
        PlacedImage::in_registry(&open()?, reference, self.cancel)
    }
}

impl PlacedImage {
    /// Finds an image in a registry.
    ///
    /// # Errors
    /// When the registry has none of this name, or cannot be asked.
    pub(crate) fn in_registry(
        registry: &Registry,
        reference: &Reference,
        cancel: &CancelToken,
    ) -> Result<Self, Failure> {
        let resolved = registry.resolve(reference, cancel).map_err(Failure::registry)?;
        // What a tag names may change meanwhile; the digest does not.
        let pinned = reference.with_digest(resolved.descriptor.digest);
        Ok(Self {
            name: reference.familiar(),
            source: Box::new(registry.image(&pinned, cancel)),
            root: resolved.descriptor,
            place: Place::Registry(reference.clone()),
        })
    }

    /// Finds an image: the directory of a layout, an archive, a name in the store, or else in its registry.
    /// `docker://NAME` means the registry's in any case.
    ///
    /// # Errors
    /// When there is none, or several where one is meant.
    pub(crate) fn find(text: &str, lookup: &Lookup<'_>) -> Result<Self, Failure> {
        let environment = lookup.environment;
        if let Some(reference) = registry_reference(text)? {
            return lookup.in_registry(&reference);
        }
        if text.starts_with("oci-layout://") {
            let place: ContextPlace = text.parse().map_err(Failure::usage)?;
            if let ContextPlace::Layout(path, selector) = place {
                return Self::in_layout(text, &environment.absolute(&path), &selector);
            }
        }
        let path = environment.absolute(Path::new(text));
        if path.join("oci-layout").is_file() {
            return Self::in_layout(text, &path, &LayoutSelector::Only);
        }
        if path.is_file() {
            let archive = Archive::open(&path).map_err(|source| unreadable(text, source))?;
            let root = only_image(text, &archive.index())?;
            return Ok(Self {
                name: text.to_owned(),
                source: Box::new(archive),
                root,
                place: Place::Archive(path),
            });
        }
        if path.is_dir() {
            return Err(Failure::usage(format!(
                "{text} is a directory, but no OCI layout"
            )));
        }
        let store = open_store(lookup.store)?;
        if let Some((name, root)) = look_in_store(text, &store)? {
            return Ok(Self {
                name,
                source: Box::new(store.layout().clone()),
                root,
                place: Place::Store(store.root().to_owned()),
            });
        }
        match (lookup.registries, text.parse::<Reference>()) {
            (Some(_), Ok(reference)) if names_its_registry(text) => lookup.in_registry(&reference),
            (Some(_), Ok(reference)) if text.parse::<Digest>().is_err() => Err(Failure::usage_advised(
                format!(
                    "there is no image {} in the store",
                    store_name(&reference).familiar()
                ),
                format!("`lrops image ls` lists what is there; to ask Docker Hub: {REGISTRY_PREFIX}{text}"),
            )),
            _ => Err(not_in_store(text)),
        }
    }

    fn in_layout(text: &str, path: &Path, selector: &LayoutSelector) -> Result<Self, Failure> {
        let layout = Layout::open(path).map_err(|source| unreadable(text, source))?;
        let index = layout.index().map_err(|source| unreadable(text, source))?;
        let missing = || Failure::because(format!("there is no such image in {}", path.display()));
        let root = match selector {
            LayoutSelector::Only => only_image(text, &index)?,
            LayoutSelector::Tag(tag) => layout
                .resolve(tag)
                .map_err(|source| unreadable(text, source))?
                .ok_or_else(missing)?,
            LayoutSelector::Digest(digest) => {
                let mut manifests = index.manifests.into_iter();
                manifests
                    .find(|descriptor| descriptor.digest == *digest)
                    .ok_or_else(missing)?
            }
        };
        Ok(Self {
            name: text.to_owned(),
            source: Box::new(layout),
            root,
            place: Place::Layout(path.to_owned()),
        })
    }

    /// Returns one row a platform.
    ///
    /// # Errors
    /// When a document of the image is missing or wrong.
    pub(crate) fn rows(&self, cancel: &CancelToken) -> Result<Vec<Row>, Failure> {
        rows(self.source.as_ref(), &self.root, cancel)
    }
}

fn unreadable(text: &str, source: impl Into<crate::failure::Cause>) -> Failure {
    Failure::work(format!("failed to read the images in {text}"), source)
}

fn only_image(text: &str, index: &Index) -> Result<Descriptor, Failure> {
    let mut digests: Vec<Digest> = index
        .manifests
        .iter()
        .map(|descriptor| descriptor.digest)
        .collect();
    digests.sort_unstable();
    digests.dedup();
    match (&digests[..], index.manifests.first()) {
        ([_], Some(descriptor)) => Ok(descriptor.clone()),
        ([], _) | (_, None) => Err(Failure::because(format!("there is no image in {text}"))),
        (several, _) => Err(Failure::usage_advised(
            format!("there are {} images in {text}", several.len()),
            "name one: oci-layout://DIR:TAG or oci-layout://DIR@DIGEST",
        )),
    }
}

/// Finds an image in the store by name or digest; returns its name there.
///
/// # Errors
/// When there is none.
pub(crate) fn in_store(text: &str, store: &Store) -> Result<(String, Descriptor), Failure> {
    look_in_store(text, store)?.ok_or_else(|| {
        let name = text.parse::<Reference>().map(|name| store_name(&name).familiar());
        not_in_store(name.as_deref().unwrap_or(text))
    })
}

fn look_in_store(text: &str, store: &Store) -> Result<Option<(String, Descriptor)>, Failure> {
    let failed = |source| Failure::work("failed to read the store's images", source);
    if let Ok(digest) = text.parse::<Digest>() {
        let index = store.layout().index().map_err(failed)?;
        let named = index
            .manifests
            .into_iter()
            .find(|descriptor| descriptor.digest == digest);
        let root = named.or_else(|| unnamed(store, digest));
        return Ok(root.map(|root| (text.to_owned(), root)));
    }
    let name = store_name(&parse_reference(text)?);
    let root = store.layout().resolve(&name.to_string()).map_err(failed)?;
    Ok(root.map(|root| (name.familiar(), root)))
}

fn not_in_store(name: &str) -> Failure {
    let advice = "`lrops image ls` lists what is there";
    Failure::usage_advised(format!("there is no image {name} in the store"), advice)
}

/// Finds an image that has no name, and so no entry in the store's index: the blob itself says what it is.
fn unnamed(store: &Store, digest: Digest) -> Option<Descriptor> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Document {
        media_type: MediaType,
    }
    let path = store.layout().blob_path(&digest);
    let size = std::fs::metadata(&path).ok()?.len();
    if size > DOCUMENT_SIZE_BYTES_MAX {
        return None;
    }
    let document: Document = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
    let kind = document.media_type;
    (kind.is_index() || kind.is_manifest()).then(|| Descriptor::new(kind, digest, size))
}

/// Returns the name that a reference has in the store: always with a tag.
pub(crate) fn store_name(reference: &Reference) -> Reference {
    reference
        .tag_or_latest()
        .and_then(|tag| reference.with_tag(tag).ok())
        .unwrap_or_else(|| reference.clone())
}

/// One platform's image.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// Its platform, from the index or else from its config.
    pub(crate) platform: Platform,
    /// Its manifest's digest.
    pub(crate) digest: Digest,
    /// Its config's digest.
    pub(crate) config: Digest,
    /// The bytes of its config and layers, as they are transferred.
    pub(crate) size: u64,
    /// How many layers it has.
    pub(crate) layers: usize,
    #[serde(skip)]
    pub(crate) manifest: Manifest,
}

/// Returns one row a platform.
///
/// # Errors
/// When a document of the image is missing or wrong.
pub(crate) fn rows(
    source: &dyn BlobSource,
    root: &Descriptor,
    cancel: &CancelToken,
) -> Result<Vec<Row>, Failure> {
    let node = walk_image(source, root, cancel)
        .map_err(|source| Failure::image("failed to read the image", source))?;
    let mut rows = Vec::new();
    for (descriptor, manifest) in node.manifests() {
        // Attestations are entries of `unknown/unknown`, and no images.
        if descriptor.platform.is_some() && descriptor.target_platform().is_none() {
            continue;
        }
        let platform = match descriptor.target_platform() {
            Some(platform) => platform,
            None => read_config(source, manifest)?.platform(),
        };
        let blobs: u64 = manifest.layers.iter().map(|layer| layer.size).sum();
        rows.push(Row {
            platform,
            digest: descriptor.digest,
            config: manifest.config.digest,
            size: manifest.config.size + blobs,
            layers: manifest.layers.len(),
            manifest: manifest.clone(),
        });
    }
    Ok(rows)
}

/// Reads an image's config.
///
/// # Errors
/// When it is missing or wrong.
pub(crate) fn read_config(source: &dyn BlobSource, manifest: &Manifest) -> Result<ImageConfig, Failure> {
    let failed = |source: crate::failure::Cause| Failure::image("failed to read the image's config", source);
    let bytes = read_document(source, &manifest.config).map_err(|error| failed(Box::new(error)))?;
    serde_json::from_slice(&bytes).map_err(|error| failed(Box::new(error)))
}
