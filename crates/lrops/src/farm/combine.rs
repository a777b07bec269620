//! One index over what several nodes built.

use lrops_model::blob::{BlobSource, BlobStore};
use lrops_model::engine::BuildError;
use lrops_model::image::walk_image;
use lrops_model::oci::{Descriptor, Index, MediaType, encode};
use lrops_model::request::BuildRequest;

use crate::failure::Failure;
use crate::image::{PlacedImage, Several, entry};

/// Puts images that are in the store together, in the store.
///
/// # Errors
/// When their documents cannot be read, or the index cannot be written.
pub(super) fn in_store(
    roots: &[Descriptor],
    request: &BuildRequest,
    store: &dyn BlobStore,
) -> Result<Descriptor, BuildError> {
    let mut manifests = Vec::new();
    for root in roots {
        let parts = manifests_of(store, root, request);
        manifests.extend(parts.map_err(|failure| BuildError::Other {
            message: "failed to put together what the nodes built".to_owned(),
            source: Box::new(failure),
        })?);
    }
    let (root, bytes) = index(manifests, request);
    store.put(&root, &mut bytes.as_slice())?;
    Ok(root)
}

/// Puts images that are in their registry together: the index is here, and all else is there.
///
/// # Errors
/// When their documents cannot be read.
pub(crate) fn together(images: Vec<PlacedImage>, request: &BuildRequest) -> Result<PlacedImage, Failure> {
    let mut images = images.into_iter();
    let first = images
        .next()
        .ok_or_else(|| Failure::because("the builder pushed nothing"))?;
    if images.len() == 0 {
        return Ok(first);
    }
    let (name, place) = (first.name.clone(), first.place.clone());
    let mut manifests = Vec::new();
    let mut sources = Vec::new();
    for image in std::iter::once(first).chain(images) {
        manifests.extend(manifests_of(image.source.as_ref(), &image.root, request)?);
        sources.push(image.source);
    }
    let (root, bytes) = index(manifests, request);
    Ok(PlacedImage {
        name,
        source: Box::new(Several::with_document(&root, &bytes, sources)?),
        root,
        place,
    })
}

/// Returns the entries for one node's image. Attestations are entries, too, and stay.
fn manifests_of(
    source: &dyn BlobSource,
    root: &Descriptor,
    request: &BuildRequest,
) -> Result<Vec<Descriptor>, Failure> {
    let tree = walk_image(source, root, &request.cancel)
        .map_err(|source| Failure::image("failed to read what a node built", source))?;
    let mut entries = Vec::new();
    for (descriptor, manifest) in tree.manifests() {
        let is_attestation = descriptor.platform.is_some() && descriptor.target_platform().is_none();
        entries.push(if is_attestation {
            descriptor.clone()
        } else {
            let (platform, mut descriptor) = entry(source, descriptor, manifest)?;
            let annotations = request.annotations.of_manifest_descriptor(&platform);
            descriptor.annotations.extend(annotations);
            descriptor
        });
    }
    Ok(entries)
}

/// Returns the index and its bytes: the manifests in the order in which their platforms were asked for.
fn index(mut manifests: Vec<Descriptor>, request: &BuildRequest) -> (Descriptor, Vec<u8>) {
    manifests.sort_by_key(|descriptor| {
        let platform = descriptor.target_platform();
        let asked = request
            .platforms
            .iter()
            .position(|one| Some(one) == platform.as_ref());
        asked.unwrap_or(usize::MAX)
    });
    let bytes = encode(&Index {
        schema_version: 2,
        media_type: Some(MediaType::OCI_INDEX),
        manifests,
        annotations: request.annotations.of_index(),
    });
    (Descriptor::of(MediaType::OCI_INDEX, &bytes), bytes)
}
