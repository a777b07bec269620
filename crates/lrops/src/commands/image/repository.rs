//! A repository as it is now: its tags, and what each of them needs.

use std::collections::BTreeMap;

use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::image::{ImageNode, walk_image};
use lrops_model::oci::Descriptor;
use lrops_model::reference::Reference;
use lrops_remote::registry::Registry;

use crate::failure::Failure;
use crate::image::read_config;

/// A tag, and what it needs.
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) root: Digest,
    /// All manifests and indexes of its image, the root among them.
    pub(super) documents: Vec<Document>,
    /// When its image was made, RFC 3339; nothing where that is not said.
    pub(super) created: String,
}

/// A manifest or an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) digest: Digest,
    /// How many levels of documents are below it: a document is higher than all that it names.
    pub(super) height: usize,
}

impl Tag {
    /// Returns whether the tag's image is this document, or names it at any depth.
    pub(super) fn needs(&self, digest: Digest) -> bool {
        self.documents.iter().any(|document| document.digest == digest)
    }
}

/// Reads all tags of a repository with the trees of their images.
///
/// # Errors
/// When the registry cannot be asked, or an image is broken; the error says which, and how to be rid of it.
pub(super) fn read_tags(
    registry: &Registry,
    repository: &Reference,
    cancel: &CancelToken,
) -> Result<Vec<Tag>, Failure> {
    let mut tags = Vec::new();
    let mut known: BTreeMap<Digest, (Vec<Document>, String)> = BTreeMap::new();
    for name in registry.tags(repository, cancel).map_err(Failure::registry)? {
        cancel.check()?;
        let Ok(reference) = repository.with_tag(&name) else {
            continue;
        };
        let resolved = match registry.resolve(&reference, cancel) {
            Ok(resolved) => resolved,
            // It went since the tags were listed.
            Err(error) if error.problem.status() == Some(404) => continue,
            Err(error) => return Err(Failure::registry(error)),
        };
        let root = resolved.descriptor.digest;
        let (documents, created) = match known.get(&root) {
            Some(known) => known.clone(),
            None => read_image(registry, &reference, &resolved.descriptor, cancel)?,
        };
        known.insert(root, (documents.clone(), created.clone()));
        tags.push(Tag {
            name,
            root,
            documents,
            created,
        });
    }
    Ok(tags)
}

/// Returns an image's documents, and when it was made.
fn read_image(
    registry: &Registry,
    reference: &Reference,
    root: &Descriptor,
    cancel: &CancelToken,
) -> Result<(Vec<Document>, String), Failure> {
    let image = registry.image(reference, cancel);
    let tree = walk_image(&image, root, cancel).map_err(|source| {
        let name = reference.familiar();
        let said = format!("failed to read {name}; if it is broken, lrops image rm docker://{name}");
        Failure::image(said, source)
    })?;
    let manifests = tree.manifests().into_iter();
    let configs = manifests.filter_map(|(_, manifest)| read_config(&image, manifest).ok());
    let created = configs
        .filter_map(|config| config.created)
        .max()
        .unwrap_or_default();
    let mut documents = Vec::new();
    add_documents(&tree, &mut documents);
    Ok((documents, created))
}

/// Adds the documents of a tree, and returns how high it is; nothing where it is a blob.
fn add_documents(tree: &ImageNode, documents: &mut Vec<Document>) -> Option<usize> {
    let digest = tree.descriptor().digest;
    let height = match tree {
        ImageNode::Blob(_) => return None,
        ImageNode::Manifest { .. } => 0,
        ImageNode::Index { children, .. } => {
            let below = children
                .iter()
                .filter_map(|child| add_documents(child, documents));
            1 + below.max().unwrap_or(0)
        }
    };
    documents.push(Document { digest, height });
    Some(height)
}
