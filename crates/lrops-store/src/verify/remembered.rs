//! What reading a layer gave, remembered for as long as its file is untouched.
//!
//! A blob is written once, under another name, and never again. So a file that has the same size, times and inode as when
//! its bytes were read and found right still has them, unless the disk fails; who sends it anywhere reads it, and its digest
//! with it. What only [`super::verify_image`] reads is never remembered.

use std::fs;

use lrops_model::oci::{Compression, Descriptor};
use serde::{Deserialize, Serialize};

use super::scan::Scanned;
use crate::store::Store;
use crate::tree::Identity;

/// The form of the records and of the facts in them. Records of another form are not believed: it changes with what the
/// verifier looks for.
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
