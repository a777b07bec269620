//! What reading a layer gave, and that an image was sound, remembered for as long as the files are untouched.
//!
//! A blob is written once, under another name, and never again by lrops. So a file that has the same size, times and inode as when
//! its bytes were read and found right still has them, unless the disk fails; who sends it anywhere reads it, and its digest
//! with it. What only [`super::verify_image`] reads is never remembered.
//!
//! One gap is left on kernels before 6.13, whose files' times move in steps of milliseconds: another program that writes into a
//! blob in place, within the step in which it was read, is not noticed here.

use std::fs;

use lrops_model::digest::Digest;
use lrops_model::oci::{Compression, Descriptor};
use serde::{Deserialize, Serialize};

use super::documents::Documents;
use super::expectations::Expectations;
use super::scan::Scanned;
use crate::store::Store;
use crate::tree::Identity;

/// The form of the records, of the facts in them, and of the rules. Records of another form are not believed: it changes with
/// what the verifier looks for.
const FORM: u32 = 1;

/// How many entries are remembered. A layer with more takes longer to look up than is saved.
const ENTRIES_MAX: usize = 20_000;

/// A record.
#[derive(Serialize, Deserialize)]
struct Reading<S> {
    form: u32,
    identity: Identity,
    compression: Compression,
    scanned: S,
}

/// That an image was what it promises: nothing at all was found.
#[derive(Serialize, Deserialize)]
struct Sound {
    form: u32,
    /// What was expected of it, in full.
    expectations: String,
    files: Files,
    /// How many programs each platform has.
    programs: Vec<usize>,
}

/// The files of an image's layers and attachments.
pub(super) type Files = Vec<(Digest, Identity)>;

/// Returns the files of an image, if all are there.
pub(super) fn files(store: &Store, documents: &Documents) -> Option<Files> {
    let layers = documents.images.iter().flat_map(|image| &image.manifest.layers);
    let attachments = documents.attachments.iter().map(|(_, blob)| blob);
    layers
        .chain(attachments)
        .map(|blob| Some((blob.digest, identity(store, blob)?)))
        .collect()
}

/// Returns how many programs the platforms of an image have that was sound when it had these files.
pub(super) fn recall_sound(
    store: &Store,
    root: &Descriptor,
    files: &Files,
    expectations: &Expectations,
) -> Option<Vec<usize>> {
    let sound: Sound = store.readings().get(&root.digest)?;
    let holds =
        sound.form == FORM && sound.files == *files && sound.expectations == format!("{expectations:?}");
    holds.then_some(sound.programs)
}

/// Remembers that an image with these files was sound.
pub(super) fn remember_sound(
    store: &Store,
    root: &Descriptor,
    files: Files,
    expectations: &Expectations,
    programs: Vec<usize>,
) {
    let sound = Sound {
        form: FORM,
        expectations: format!("{expectations:?}"),
        files,
        programs,
    };
    let _ = store.readings().put_hint(&root.digest, &sound);
}

/// Returns the identity of a blob's file, if it has one of the promised size.
pub(super) fn identity(store: &Store, layer: &Descriptor) -> Option<Identity> {
    let metadata = fs::symlink_metadata(store.layout().blob_path(&layer.digest)).ok()?;
    (metadata.is_file() && metadata.len() == layer.size).then(|| Identity::of_file(&metadata))
}

/// Returns whether there is a record of a layer, whatever it is worth.
pub(super) fn is_remembered(store: &Store, layer: &Descriptor) -> bool {
    store.readings().contains(&layer.digest)
}

/// Returns what reading a layer gave whose file has this identity.
pub(super) fn recall(
    store: &Store,
    layer: &Descriptor,
    identity: Identity,
    compression: Compression,
) -> Option<Scanned> {
    let reading: Reading<Scanned> = store.readings().get(&layer.digest)?;
    let holds = reading.form == FORM && reading.identity == identity && reading.compression == compression;
    holds.then_some(reading.scanned)
}

/// Remembers what reading a layer gave whose file had this identity before. What cannot be written is read again.
pub(super) fn remember(
    store: &Store,
    layer: &Descriptor,
    identity: Identity,
    compression: Compression,
    scanned: &Scanned,
) {
    if scanned.entries.len() > ENTRIES_MAX {
        return;
    }
    let reading = Reading {
        form: FORM,
        identity,
        compression,
        scanned,
    };
    let _ = store.readings().put_hint(&layer.digest, &reading);
}
