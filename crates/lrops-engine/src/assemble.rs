//! The documents of the result: a config and a manifest per platform, and the index over them.

use std::collections::BTreeMap;

use lrops_dockerfile::lower::HISTORY_COMMENT;
use lrops_model::blob::BlobStore;
use lrops_model::engine::BuildError;
use lrops_model::event::BuildEvent;
use lrops_model::graph::{Graph, ImagePlan, Op, StepId};
use lrops_model::oci::{
    Descriptor, DescriptorPlatform, History, ImageConfig, Index, Manifest, MediaType, RootFs, encode,
};
use lrops_model::request::BuildRequest;

use crate::reporter::Reporter;
use crate::step::Layer;

/// The layers of the graph's steps; `None` for a step that changed nothing.
pub(crate) type Layers = BTreeMap<StepId, Option<Layer>>;

/// Writes all documents into the store and returns the root: the index, or the manifest where one platform was asked.
///
/// One platform gives a plain manifest, as other builders give: many tools read nothing else.
pub(crate) fn assemble(
    request: &BuildRequest,
    graph: &Graph,
    layers: &Layers,
    store: &dyn BlobStore,
    reporter: &Reporter<'_>,
) -> Result<Descriptor, BuildError> {
    let mut manifests = Vec::new();
    for (image, manifest) in graph
        .images
        .iter()
        .zip(manifests_of(request, graph, layers, store))
    {
        let descriptor = manifest?;
        reporter.event(BuildEvent::Image {
            platform: Some(image.platform.clone()),
            descriptor: descriptor.clone(),
        });
        manifests.push(descriptor);
    }
    if let [only] = manifests.as_slice() {
        return Ok(only.clone());
    }
    let index = Index {
        schema_version: 2,
        media_type: Some(MediaType::OCI_INDEX),
        manifests,
        annotations: request.annotations.of_index(),
    };
    let descriptor = put(store, MediaType::OCI_INDEX, &encode(&index))?;
    reporter.event(BuildEvent::Image {
        platform: None,
        descriptor: descriptor.clone(),
    });
    Ok(descriptor)
}

/// Writes the documents of all platforms side by side: nearly all of their time is waiting for the disk.
fn manifests_of(
    request: &BuildRequest,
    graph: &Graph,
    layers: &Layers,
    store: &dyn BlobStore,
) -> Vec<Result<Descriptor, BuildError>> {
    std::thread::scope(|scope| {
        let write = |image| scope.spawn(move || manifest(request, graph, image, layers, store));
        let threads: Vec<_> = graph.images.iter().map(write).collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

fn manifest(
    request: &BuildRequest,
    graph: &Graph,
    image: &ImagePlan,
    layers: &Layers,
    store: &dyn BlobStore,
) -> Result<Descriptor, BuildError> {
    let (descriptors, diff_ids) = stack(graph, image, layers).into_iter().unzip();
    let created = Some(request.created.to_string());
    let config = ImageConfig {
        created: created.clone(),
        rootfs: RootFs {
            diff_ids,
            ..RootFs::default()
        },
        history: history(image, layers, created.as_ref()),
        ..image.config.clone()
    };
    let config = put(store, MediaType::OCI_CONFIG, &encode(&config))?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MediaType::OCI_MANIFEST),
        config,
        layers: descriptors,
        annotations: request.annotations.of_manifest(&image.platform),
    };
    let mut descriptor = put(store, MediaType::OCI_MANIFEST, &encode(&manifest))?;
    descriptor.platform = Some(DescriptorPlatform::from(&image.platform));
    descriptor.annotations = request.annotations.of_manifest_descriptor(&image.platform);
    Ok(descriptor)
}

/// The image's layers, lowest first: those of its base, then one a step that changed something.
fn stack(graph: &Graph, image: &ImagePlan, layers: &Layers) -> Vec<Layer> {
    let mut stack = Vec::new();
    for id in graph.chain(image.root) {
        match &graph.step(id).op {
            Op::Image(base) => {
                let plain = base.layers.iter().map(plain_layer);
                stack.extend(plain.zip(base.diff_ids.iter().copied()));
            }
            _ => stack.extend(layers.get(&id).cloned().flatten()),
        }
    }
    stack
}

/// A layer of the base, under OCI's name for what it is and without what only its own manifest said of it.
fn plain_layer(descriptor: &Descriptor) -> Descriptor {
    let compression = descriptor.media_type.layer_compression();
    let media_type = compression.map_or_else(
        || descriptor.media_type.clone(),
        lrops_model::oci::Compression::layer_media_type,
    );
    Descriptor::new(media_type, descriptor.digest, descriptor.size)
}

fn history(image: &ImagePlan, layers: &Layers, created: Option<&String>) -> Vec<History> {
    let mut history = image.base_history.clone();
    history.extend(image.history.iter().map(|entry| {
        let has_layer = entry
            .step
            .is_some_and(|step| layers.get(&step).is_some_and(Option::is_some));
        History {
            created: created.cloned(),
            author: entry.author.clone(),
            created_by: entry.created_by.clone(),
            comment: HISTORY_COMMENT.to_owned(),
            empty_layer: !has_layer,
        }
    }));
    history
}

fn put(store: &dyn BlobStore, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor, BuildError> {
    let descriptor = Descriptor::of(media_type, bytes);
    store.put(&descriptor, &mut &*bytes)?;
    Ok(descriptor)
}
