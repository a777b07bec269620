//! `lrops image`: the images in the store, and any image's inside.

use std::collections::BTreeMap;

use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::oci::{Descriptor, ImageConfig};
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;
use serde::Serialize;

use super::{print, print_json, say};
use crate::amounts;
use crate::arguments::{Format, ImageCommand};
use crate::delivery::Delivery;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::image::{self, PlacedImage, Row, read_config};
use crate::request::parse_outputs;
use crate::session::open_store;
use crate::signals;
use crate::table::{Align, Table};

/// Carries out a command.
///
/// # Errors
/// When there is no such image, or it cannot be read.
pub(super) fn run(command: ImageCommand, environment: &Environment) -> Result<(), Failure> {
    match command {
        ImageCommand::Ls { format, places } => list(format, &environment.store_root(places.store.as_deref())),
        ImageCommand::Inspect {
            image,
            format,
            places,
            registries: _,
        } => {
            let store = environment.store_root(places.store.as_deref());
            inspect(&PlacedImage::find(&image, &store, environment)?, format)
        }
        ImageCommand::Export {
            image,
            output,
            places,
        } => {
            let store = environment.store_root(places.store.as_deref());
            export(&image, &output, &store, environment)
        }
        ImageCommand::Rm { images, places } => {
            let store = open_store(&environment.store_root(places.store.as_deref()))?;
            for text in images {
                let (_, root) = image::in_store(&text, &store)?;
                remove(&store, &text, &root)?;
            }
            Ok(())
        }
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

#[derive(Serialize)]
struct Inspected<'a> {
    name: &'a str,
    descriptor: &'a Descriptor,
    images: Vec<InspectedPlatform>,
}

#[derive(Serialize)]
struct InspectedPlatform {
    #[serde(flatten)]
    row: Row,
    layer_blobs: Vec<Descriptor>,
    config_document: ImageConfig,
}

fn inspect(image: &PlacedImage, format: Format) -> Result<(), Failure> {
    let rows = image.rows(&CancelToken::new())?;
    let images = rows.into_iter().map(|row| {
        let config_document = read_config(image.source.as_ref(), &row.manifest)?;
        Ok(InspectedPlatform {
            layer_blobs: row.manifest.layers.clone(),
            config_document,
            row,
        })
    });
    let images: Vec<InspectedPlatform> = images.collect::<Result<_, Failure>>()?;
    if format == Format::Json {
        return print_json(&Inspected {
            name: &image.name,
            descriptor: &image.root,
            images,
        });
    }
    let heads = [
        ("platform", Align::Left),
        ("manifest", Align::Left),
        ("size", Align::Right),
        ("layers", Align::Right),
        ("user", Align::Left),
        ("starts", Align::Left),
    ];
    let mut table = Table::new(&heads);
    for InspectedPlatform {
        row, config_document, ..
    } in &images
    {
        let config = &config_document.config;
        let words = config
            .entrypoint
            .iter()
            .flatten()
            .chain(config.cmd.iter().flatten());
        let starts: Vec<&str> = words.map(String::as_str).collect();
        let user = if config.user.is_empty() {
            "root"
        } else {
            &config.user
        };
        table.row(vec![
            row.platform.to_string(),
            row.digest.to_string(),
            amounts::size(row.size),
            row.layers.to_string(),
            user.to_owned(),
            starts.join(" "),
        ]);
    }
    let created = images
        .first()
        .and_then(|image| image.config_document.created.clone());
    let created = created
        .map(|created| format!("created  {created}\n"))
        .unwrap_or_default();
    print(&format!(
        "image    {}\nindex    {}\n{created}\n{table}",
        image.name, image.root.digest
    ))
}

fn export(
    text: &str,
    outputs: &[String],
    store: &std::path::Path,
    environment: &Environment,
) -> Result<(), Failure> {
    let outputs = parse_outputs(outputs, &environment.directory)?;
    if outputs.compression.is_some() || !outputs.annotations.is_empty() {
        let advice = "an image that is there keeps its bytes; say it to lrops build";
        return Err(Failure::usage_advised(
            "--output: an export changes neither compression nor annotations",
            advice,
        ));
    }
    let image = PlacedImage::find(text, store, environment)?;
    let opened = open_store(store)?;
    let cancel = CancelToken::new();
    signals::watch(&cancel, super::say)?;
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

fn remove(store: &lrops_store::store::Store, text: &str, root: &Descriptor) -> Result<(), Failure> {
    let failed = |source| Failure::work(format!("failed to remove {text}"), source);
    let names: Vec<String> = match text.parse::<Digest>() {
        // By its digest an image goes under all its names.
        Ok(digest) => {
            let tags = store.layout().tags().map_err(failed)?;
            tags.into_iter()
                .filter(|(_, root)| root.digest == digest)
                .map(|(name, _)| name)
                .collect()
        }
        Err(_) => text
            .parse::<Reference>()
            .map(|name| image::store_name(&name).to_string())
            .into_iter()
            .collect(),
    };
    for name in &names {
        store.layout().untag(name).map_err(failed)?;
        say(&format!("removed {name} ({})", root.digest));
    }
    if names.is_empty() {
        say(&format!("{text} has no name; `lrops cache prune` frees it"));
    }
    Ok(())
}
