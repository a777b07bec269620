//! `lrops image inspect`: what an image consists of, wherever it is.

use std::fmt::Write as _;
use std::io::Write as _;

use lrops_model::blob::read_document;
use lrops_model::cancel::CancelToken;
use lrops_model::oci::{Descriptor, ImageConfig};
use serde::Serialize;

use crate::amounts;
use crate::arguments::{Format, InspectArguments};
use crate::commands::{print, print_json, say};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::image::{Lookup, PlacedImage, Row, read_config};
use crate::request::configuration_near;
use crate::table::{Align, Table, harmless};
use crate::{registries, signals};

/// The longest line of a layer's history that is shown, in characters.
const HISTORY_SHOWN_MAX: usize = 80;

/// Shows an image.
///
/// # Errors
/// When there is no such image, or it cannot be read.
pub(super) fn inspect(arguments: &InspectArguments, environment: &Environment) -> Result<(), Failure> {
    let configuration = configuration_near(&arguments.places, &environment.directory, environment)?;
    let store = environment.store_root(arguments.places.store.as_deref());
    let cancel = CancelToken::new();
    signals::watch(&cancel, say)?;
    let lookup = Lookup {
        store: &store,
        environment,
        registries: Some(&|| registries::open(&configuration, &arguments.registries, environment)),
        cancel: &cancel,
    };
    let image = PlacedImage::find(&arguments.image, &lookup)?;
    if arguments.raw {
        return raw(&image);
    }
    let images = platforms(&image, &cancel)?;
    match arguments.format {
        Format::Json => print_json(&Inspected {
            name: &image.name,
            place: image.place.to_string(),
            descriptor: &image.root,
            images,
        }),
        Format::Text => print(&text(&image, &images)),
    }
}

/// Prints the root document as it is: its digest is that of what is printed.
fn raw(image: &PlacedImage) -> Result<(), Failure> {
    let bytes = read_document(image.source.as_ref(), &image.root)
        .map_err(|source| Failure::image("failed to read the image", source))?;
    let mut output = std::io::stdout().lock();
    let written = output.write_all(&bytes).and_then(|()| output.flush());
    written.map_err(|error| Failure::work("failed to write to standard output", error))
}

#[derive(Serialize)]
struct Inspected<'a> {
    name: &'a str,
    place: String,
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

fn platforms(image: &PlacedImage, cancel: &CancelToken) -> Result<Vec<InspectedPlatform>, Failure> {
    let rows = image.rows(cancel)?.into_iter();
    let platforms = rows.map(|row| {
        let config_document = read_config(image.source.as_ref(), &row.manifest)?;
        Ok(InspectedPlatform {
            layer_blobs: row.manifest.layers.clone(),
            config_document,
            row,
        })
    });
    platforms.collect()
}

fn text(image: &PlacedImage, images: &[InspectedPlatform]) -> String {
    let kind = if image.root.media_type.is_index() {
        "index"
    } else {
        "manifest"
    };
    let mut text = format!(
        "image    {}\nfrom     {}\n{kind:<8} {}\n",
        image.name, image.place, image.root.digest
    );
    let created = images
        .first()
        .and_then(|image| image.config_document.created.as_ref());
    if let Some(created) = created {
        let _ = writeln!(text, "created  {}", harmless(created));
    }
    let _ = write!(text, "\n{}", summary(images));
    for image in images {
        let _ = write!(text, "\n{}\n{}", image.row.platform, layers(image));
    }
    text
}

fn summary(images: &[InspectedPlatform]) -> Table {
    let heads = [
        ("platform", Align::Left),
        ("manifest", Align::Left),
        ("size", Align::Right),
        ("layers", Align::Right),
        ("user", Align::Left),
        ("starts", Align::Left),
    ];
    let mut table = Table::new(&heads);
    for image in images {
        let config = &image.config_document.config;
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
            image.row.platform.to_string(),
            image.row.digest.to_string(),
            amounts::size(image.row.size),
            image.row.layers.to_string(),
            user.to_owned(),
            starts.join(" "),
        ]);
    }
    table
}

/// Returns a platform's config and layers, each layer with what made it.
fn layers(image: &InspectedPlatform) -> Table {
    let heads = [
        ("blob", Align::Left),
        ("size", Align::Right),
        ("what", Align::Left),
    ];
    let mut table = Table::new(&heads);
    let config = &image.row.manifest.config;
    table.row(vec![
        config.digest.to_string(),
        amounts::size(config.size),
        "config".to_owned(),
    ]);
    let history = image.config_document.history.iter();
    let mut made_by = history
        .filter(|entry| !entry.empty_layer)
        .map(|entry| entry.created_by.clone());
    for layer in &image.layer_blobs {
        let what: String = made_by
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .take(HISTORY_SHOWN_MAX)
            .collect();
        table.row(vec![layer.digest.to_string(), amounts::size(layer.size), what]);
    }
    table
}
