//! `lrops pull`: brings an image from its registry into the store, blob by blob, and only what is missing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::event::{BuildEvent, StepNumber};
use lrops_model::image::{ImageNode, walk_image};
use lrops_model::oci::Descriptor;
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;
use lrops_model::upload::{Upload, UploadJournal};
use lrops_store::layout::LayoutName;
use lrops_store::store::Store;
use lrops_store::transfer::{Copied, CopyProgress, copy_tree};

use super::build::activity;
use super::{print, say};
use crate::amounts;
use crate::arguments::{ProgressMode, PullArguments};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::image::{Lookup, Place, PlacedImage, registry_name, store_name};
use crate::progress::Progress;
use crate::registries::Registries;
use crate::request::{configuration_near, parse_platforms, progress};
use crate::session::open_store;
use crate::signals;

/// Brings an image into the store.
///
/// # Errors
/// When its registry does not have it, or it does not arrive whole. What arrived stays, and is not fetched again.
pub(super) fn run(arguments: &PullArguments, environment: &Environment) -> Result<(), Failure> {
    let configuration = configuration_near(&arguments.places, &environment.directory, environment)?;
    let reference = registry_name(&arguments.image)?;
    let mode = progress(arguments.progress, false, environment)?;
    let root = environment.store_root(arguments.places.store.as_deref());
    let store = open_store(&root)?;
    let progress = Progress::begin(mode, 1);
    let cancel = CancelToken::new();
    signals::watch(&cancel, progress.notices())?;
    let in_use = store.use_lock(&cancel);
    let _in_use = in_use.map_err(|source| Failure::image("failed to use the store", source))?;
    let lookup = Lookup {
        store: &root,
        environment,
        registries: Some(&|| {
            let clients = Registries::open(&configuration, &arguments.registries, environment)?;
            Ok(clients.registry)
        }),
        cancel: &cancel,
    };
    let platform = arguments
        .platform
        .as_ref()
        .map(|text| parse_platforms("--platform", std::slice::from_ref(text)))
        .transpose()?
        .and_then(|platforms| platforms.into_iter().next());
    let title = format!("pulling {}", reference.familiar());
    let pulled = activity(&progress, &title, || {
        let mut image = lookup.in_registry(&reference)?;
        if let Some(platform) = &platform {
            image.root = one_platform(&image, platform, &cancel)?;
        }
        let copied = copy(&image, &store, &progress, &cancel)?;
        Ok((image.root, copied))
    });
    progress.finish();
    let (descriptor, copied) = pulled?;
    if reference.digest().is_none() {
        let name = LayoutName::full(&store_name(&reference));
        let named = store.layout().tag(name, &descriptor);
        named.map_err(|source| Failure::work("failed to name the image in the store", source))?;
    }
    if !matches!(
        mode,
        ProgressMode::Quiet | ProgressMode::None | ProgressMode::Rawjson
    ) {
        let blobs = amounts::count(usize::try_from(copied.blobs).unwrap_or(usize::MAX), "blob");
        say(&format!("pulled    {blobs}, {}", amounts::size(copied.bytes)));
    }
    print(&format!("{}\n", descriptor.digest))
}

/// Returns the manifest of one platform.
fn one_platform(
    image: &PlacedImage,
    platform: &Platform,
    cancel: &CancelToken,
) -> Result<Descriptor, Failure> {
    let tree = walk_image(image.source.as_ref(), &image.root, cancel)
        .map_err(|source| Failure::image("failed to read the image", source))?;
    let rows = image.rows(cancel)?;
    let digest = rows
        .iter()
        .find(|row| row.platform == *platform)
        .map(|row| row.digest);
    let manifests = tree.manifests();
    let found = manifests
        .into_iter()
        .find(|(descriptor, _)| Some(descriptor.digest) == digest);
    found.map(|(descriptor, _)| descriptor.clone()).ok_or_else(|| {
        let there: Vec<String> = rows.iter().map(|row| row.platform.to_string()).collect();
        Failure::usage_advised(
            format!("{} has no image for {platform}", image.name),
            format!("it has {}", there.join(", ")),
        )
    })
}

/// Copies what is missing, and notes where it came from.
fn copy(
    image: &PlacedImage,
    store: &Store,
    progress: &Progress,
    cancel: &CancelToken,
) -> Result<Copied, Failure> {
    let failed = |source| match source {
        lrops_model::image::ImageError::Cancelled(_) => Failure::Cancelled,
        source => Failure::image(format!("failed to pull {}", image.name), source),
    };
    let tree = walk_image(image.source.as_ref(), &image.root, cancel).map_err(failed)?;
    let total: u64 = tree.parts().iter().map(|part| part.descriptor.size).sum();
    let step = StepNumber(progress.next_number().0 - 1);
    let received: Mutex<(BTreeMap<Digest, u64>, Instant)> = Mutex::new((BTreeMap::new(), Instant::now()));
    let tell = |event: CopyProgress<'_>| {
        let mut guard = received.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, told) = &mut *guard;
        let ended = match event {
            CopyProgress::There(descriptor) | CopyProgress::Copied(descriptor) => {
                known.insert(descriptor.digest, descriptor.size);
                true
            }
            CopyProgress::Received { descriptor, received } => {
                known.insert(descriptor.digest, received);
                false
            }
        };
        if ended || told.elapsed() >= TOLD_EVERY {
            *told = Instant::now();
            progress.event(&BuildEvent::Progress {
                step,
                what: amounts::count(known.len(), "blob"),
                current: known.values().sum(),
                total: Some(total),
            });
        }
    };
    let copied = copy_tree(image.source.as_ref(), &tree, store.layout(), cancel, &tell).map_err(failed)?;
    if let Place::Registry(reference) = &image.place {
        note(store, reference, &tree);
    }
    Ok(copied)
}

/// How often progress is told.
const TOLD_EVERY: std::time::Duration = std::time::Duration::from_millis(100);

/// Notes where the blobs of an image are, so that a push to the same registry can have them mounted.
pub(super) fn note(store: &Store, reference: &Reference, tree: &ImageNode) {
    for part in tree.parts().iter().filter(|part| part.bytes.is_none()) {
        store.uploads().note(&Upload {
            registry: reference.registry().to_owned(),
            repository: reference.repository().to_owned(),
            digest: part.descriptor.digest,
        });
    }
}
