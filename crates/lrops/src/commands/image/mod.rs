//! `lrops image`: the images in the store, any image's inside, and what is done to images in registries.

mod copy;
mod create;
mod inspect;
mod prune;
mod remove;
mod repository;

use std::collections::BTreeMap;

use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::oci::Descriptor;
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;
use serde::Serialize;

use super::{print, print_json, say};
use crate::amounts;
use crate::arguments::{Format, ImageCommand};
use crate::delivery::Delivery;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::image::{self, Lookup, PlacedImage, Row};
use crate::request::{Output, parse_outputs};
use crate::session::open_store;
use crate::signals;
use crate::table::{Align, Table};

/// Carries out a command.
///
/// # Errors
/// When there is no such image, or it cannot be read or written.
pub(super) fn run(command: ImageCommand, environment: &Environment) -> Result<(), Failure> {
    match command {
        ImageCommand::Ls { format, places } => list(format, &environment.store_root(places.store.as_deref())),
        ImageCommand::Inspect(arguments) => inspect::inspect(&arguments, environment),
        ImageCommand::Export {
            image,
            output,
            places,
        } => {
            let store = environment.store_root(places.store.as_deref());
            export(&image, &output, &store, environment)
        }
        ImageCommand::Tag(arguments) => copy::tag(&arguments, environment),
        ImageCommand::Copy(arguments) => copy::copy(&arguments, environment),
        ImageCommand::Create(arguments) => create::create(&arguments, environment),
        ImageCommand::Rm(arguments) => remove::remove(&arguments, environment),
        ImageCommand::Prune(arguments) => prune::prune(&arguments, environment),
    }
}

#[derive(Serialize)]
struct Listed {
    name: Option<String>,
    digest: Digest,
    platforms: Vec<Platform>,
    size: u64,
}

fn list(format: Format, store: &std::path::Path) -> Result<(), Failure> {
    let store = open_store(store)?;
    let failed = |source| Failure::work("failed to read the store's images", source);
    let mut names: Vec<(Option<String>, Descriptor)> = Vec::new();
    for (name, root) in store.layout().tags().map_err(failed)? {
        let familiar = name
            .parse::<Reference>()
            .map_or(name, |reference| reference.familiar());
        names.push((Some(familiar), root));
    }
    for root in store.layout().index().map_err(failed)?.manifests {
        if !names.iter().any(|(_, other)| other.digest == root.digest) {
            names.push((None, root));
        }
    }
    let cancel = CancelToken::new();
    let listed = names.into_iter().map(|(name, root)| {
        let rows = image::rows(store.layout(), &root, &cancel)?;
        let size = blob_bytes(&root, &rows);
        Ok(Listed {
            name,
            digest: root.digest,
            platforms: rows.into_iter().map(|row| row.platform).collect(),
            size,
        })
    });
    let listed: Vec<Listed> = listed.collect::<Result<_, Failure>>()?;
    if format == Format::Json {
        return print_json(&listed);
    }
    let heads = [
        ("image", Align::Left),
        ("index", Align::Left),
        ("size", Align::Right),
        ("platforms", Align::Left),
    ];
    let mut table = Table::new(&heads);
    for image in listed {
        let platforms: Vec<String> = image.platforms.iter().map(Platform::to_string).collect();
        let name = image.name.unwrap_or_else(|| "(no name)".to_owned());
        table.row(vec![
            name,
            image.digest.to_string(),
            amounts::size(image.size),
            platforms.join(", "),
        ]);
    }
    print(&table.to_string())
}

/// The bytes of an image's blobs, each counted once: platforms share layers.
fn blob_bytes(root: &Descriptor, rows: &[Row]) -> u64 {
    let mut blobs: BTreeMap<Digest, u64> = BTreeMap::from([(root.digest, root.size)]);
    for row in rows {
        blobs.extend(row.manifest.layers.iter().map(|layer| (layer.digest, layer.size)));
        blobs.insert(row.manifest.config.digest, row.manifest.config.size);
    }
    blobs.values().sum()
}

fn export(
    text: &str,
    outputs: &[String],
    store: &std::path::Path,
    environment: &Environment,
) -> Result<(), Failure> {
    let outputs = parse_outputs(outputs, &environment.directory)?;
    outputs.refuse_foreign()?;
    let is_registry = |output: &Output| matches!(output, Output::Registry { .. });
    if outputs.places.iter().any(is_registry) {
        let advice = format!("lrops push {text}, or lrops image copy {text} NAME");
        return Err(Failure::usage_advised(
            "--output: an export goes to no registry",
            advice,
        ));
    }
    if outputs.compression.is_some() || !outputs.annotations.is_empty() {
        let advice = "an image that is there keeps its bytes; say it to lrops build";
        return Err(Failure::usage_advised(
            "--output: an export changes neither compression nor annotations",
            advice,
        ));
    }
    let cancel = CancelToken::new();
    signals::watch(&cancel, super::say)?;
    let lookup = Lookup {
        store,
        environment,
        registries: None,
        cancel: &cancel,
    };
    let image = PlacedImage::find(text, &lookup)?;
    let opened = open_store(store)?;
    // Files are unpacked in the store's temporary place, which others clean up while nobody uses the store.
    let in_use = opened.use_lock(&cancel);
    let _in_use = in_use.map_err(|source| Failure::image("failed to use the store", source))?;
    let mut names = outputs.names;
    if names.is_empty() {
        names.extend(image.name.parse::<Reference>().ok());
    }
    let delivery = Delivery {
        source: image.source.as_ref(),
        root: &image.root,
        names: &names,
        temporary: opened.tmp(),
        cancel: &cancel,
    };
    for output in &outputs.places {
        if let Some(place) = delivery.deliver(output)? {
            say(&format!("written to {place}"));
        }
    }
    Ok(())
}
