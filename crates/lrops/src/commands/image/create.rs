//! `lrops image create`: one index over images that are there already.

use std::collections::BTreeMap;

use lrops_model::blob::{BlobSource, read_document};
use lrops_model::image::ImageNode;
use lrops_model::oci::{Descriptor, Index, MediaType, encode};
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;

use super::copy::{Transfer, destination};
use crate::arguments::CreateArguments;
use crate::commands::{print, say};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::image::{Place, PlacedImage, Several, entry};
use crate::proof::taken_as_it_is;
use crate::report;

/// Makes an index, and publishes it.
///
/// # Errors
/// When an image cannot be read, or the index cannot be published.
pub(super) fn create(arguments: &CreateArguments, environment: &Environment) -> Result<(), Failure> {
    let transfer = Transfer::begin(&arguments.transfer, environment)?;
    let result = assemble(arguments, &transfer);
    let (image, names) = match result {
        Ok(assembled) => assembled,
        Err(failure) => {
            transfer.progress.finish();
            return Err(failure);
        }
    };
    if arguments.dry_run {
        transfer.progress.finish();
        let bytes = read_document(image.source.as_ref(), &image.root)
            .map_err(|source| Failure::work("failed to read the new index", source))?;
        return print(&String::from_utf8_lossy(&bytes));
    }
    // Whoever published the parts, or the proof of each, answers for the whole.
    let published = taken_as_it_is(image.source.as_ref(), &image.root, &transfer.cancel)
        .and_then(|proved| transfer.publish_proved(&image, &proved, &names));
    transfer.end(published)
}

/// Reads all images, and makes the index of their manifests.
fn assemble(
    arguments: &CreateArguments,
    transfer: &Transfer<'_>,
) -> Result<(PlacedImage, Vec<Reference>), Failure> {
    let names: Vec<Reference> = arguments
        .tag
        .iter()
        .map(|text| destination(text))
        .collect::<Result<_, _>>()?;
    let mut images = Vec::new();
    if arguments.append
        && let Some(first) = names.first()
    {
        images.push((
            transfer.find(&format!("docker://{first}"), true)?,
            Role::AppendedTo,
        ));
    }
    for text in &arguments.sources {
        images.push((transfer.find(text, false)?, Role::Added));
    }
    let mut collection = Collection::default();
    for (image, role) in images {
        collection.add(image, role, transfer)?;
    }
    for note in &collection.notes {
        say(&report::notice(note));
    }
    let annotations = annotations(&arguments.annotation, collection.annotations)?;
    let index = Index {
        schema_version: 2,
        media_type: Some(MediaType::OCI_INDEX),
        manifests: collection
            .entries
            .into_iter()
            .map(|(_, descriptor)| descriptor)
            .collect(),
        annotations,
    };
    let bytes = encode(&index);
    let root = Descriptor::of(MediaType::OCI_INDEX, &bytes);
    let image = PlacedImage {
        name: "the new index".to_owned(),
        source: Box::new(Several::with_document(&root, &bytes, collection.sources)?),
        root,
        place: Place::Store(transfer.store.root().to_owned()),
    };
    Ok((image, names))
}

fn annotations(
    texts: &[String],
    mut annotations: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Failure> {
    for text in texts {
        // buildx lets people say which level they mean; here it is always the index.
        let text = text.strip_prefix("index:").unwrap_or(text);
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Failure::usage(format!(
                "--annotation: {text:?} is not NAME=VALUE"
            )));
        };
        annotations.insert(name.to_owned(), value.to_owned());
    }
    Ok(annotations)
}

/// Which part an image has in a new index.
#[derive(Clone, Copy)]
enum Role {
    /// It is the index so far: its annotations stay.
    AppendedTo,
    /// Its manifests are added.
    Added,
}

/// The manifests of an index in the making.
#[derive(Default)]
struct Collection {
    entries: Vec<(Platform, Descriptor)>,
    sources: Vec<Box<dyn BlobSource>>,
    /// Those of the index that is appended to.
    annotations: BTreeMap<String, String>,
    notes: Vec<String>,
}

impl Collection {
    fn add(&mut self, image: PlacedImage, role: Role, transfer: &Transfer<'_>) -> Result<(), Failure> {
        let taken = transfer.answered_for(&image)?;
        if let (Role::AppendedTo, ImageNode::Index { index, .. }) = (role, taken.tree()) {
            self.annotations.extend(index.annotations.clone());
        }
        for (descriptor, manifest) in taken.tree().manifests() {
            // Attestations are entries of `unknown/unknown`; they would belong to another index.
            if descriptor.platform.is_some() && descriptor.target_platform().is_none() {
                self.notes.push(format!(
                    "{}: {} is an attestation, and is left out",
                    image.name, descriptor.digest
                ));
                continue;
            }
            let entry = entry(image.source.as_ref(), descriptor, manifest)?;
            self.put(entry, &image.name);
        }
        self.sources.push(image.source);
        Ok(())
    }

    /// Puts an entry in the place of one of the same platform, or behind all.
    fn put(&mut self, (platform, descriptor): (Platform, Descriptor), name: &str) {
        match self.entries.iter_mut().find(|(other, _)| *other == platform) {
            Some((_, there)) => {
                if there.digest != descriptor.digest {
                    self.notes.push(format!(
                        "{platform} is taken from {name}, and {} goes",
                        there.digest
                    ));
                }
                *there = descriptor;
            }
            None => self.entries.push((platform, descriptor)),
        }
    }
}
