//! [`verify_image()`]: proves that an image is what it promises to be.
//!
//! Rules: OCI image spec (`descriptor.md`, `image-index.md`, `manifest.md`, `config.md`, `layer.md`), System V ABI (ELF
//! header, program header, dynamic section), "Addenda to, and Errata in, the ABI for the Arm Architecture" (build
//! attributes), and Go's `debug/buildinfo`.
//!
//! What is promised, and looked at:
//! - every blob that the root reaches is there, with its size and digest, and is of the type that it is said to be;
//! - index, manifest and config agree: platforms, number of layers, history, diff IDs;
//! - every platform that was asked for is there once;
//! - the programs, shared libraries and program interpreters of each platform's final file system are of that
//!   platform, and no program is the same file for different architectures.
//!
//! Invariants:
//! - All broken promises are collected. Only what says nothing about the image stops the work: see [`VerifyError`].
//! - Bytes are believed only when their digest is right: what a damaged blob seems to hold gives no further finding.
//! - A layer is read once, however many platforms share it, and streamed: memory holds names and facts, never files.
//!   [`verify_stored()`] does not even do that where it was read before and its file is untouched.
//! - The content is foreign: every loop over it has a limit, and no content makes the verifier panic.
//!
//! Left alone are scripts, eBPF programs, relocatable objects (kernel modules are such), core files, and firmware
//! (below `lib/firmware` and `usr/lib/firmware`): none of them runs on the platform's processor as a process. A
//! 32-bit x86 program in an amd64 image is a warning, not an error: most kernels run it, some are built not to.

mod advice;
mod arm;
mod blob;
mod documents;
mod elf;
mod expectations;
mod file_system;
mod go_build_info;
mod image;
mod judge;
mod layers;
mod machine;
mod pattern;
mod promises;
mod remembered;
mod report;
mod scan;
mod tally;
mod twins;

pub use expectations::{AllowRule, Expectations};
pub use pattern::{ParsePathPatternError, PathPattern};
pub use report::{PlatformReport, Report, VerifyError};

use lrops_model::blob::BlobSource;
use lrops_model::cancel::CancelToken;
use lrops_model::oci::Descriptor;

use crate::store::Store;

/// Reads everything that `root` reaches and compares it with what it promises.
///
/// `root` names an index or a manifest. Findings of severity error mean that the image must not be published.
///
/// # Errors
/// When the work was stopped, the place cannot be read at all, or there is no room for temporary files.
pub fn verify_image(
    source: &dyn BlobSource,
    root: &Descriptor,
    expectations: &Expectations,
    cancel: &CancelToken,
) -> Result<Report, VerifyError> {
    verify(source, None, root, expectations, cancel)
}

/// As [`verify_image`], for an image of the store. Layers that were read here before, and whose files are untouched since,
/// are not read again: what they held is remembered in the store.
///
/// # Errors
/// As [`verify_image`].
pub fn verify_stored(
    store: &Store,
    root: &Descriptor,
    expectations: &Expectations,
    cancel: &CancelToken,
) -> Result<Report, VerifyError> {
    verify(store.layout(), Some(store), root, expectations, cancel)
}

/// Reads a layer of the store for a [`verify_stored`] to come, unless it is remembered. What is wrong with it is told then.
///
/// # Errors
/// As [`verify_image`].
pub fn read_early(store: &Store, layer: &Descriptor, cancel: &CancelToken) -> Result<(), VerifyError> {
    match layer.media_type.layer_compression() {
        Some(compression) if !remembered::is_remembered(store, layer) => {
            layers::layer(store.layout(), Some(store), layer, compression, cancel).map(drop)
        }
        _ => Ok(()),
    }
}

fn verify(
    source: &dyn BlobSource,
    store: Option<&Store>,
    root: &Descriptor,
    expectations: &Expectations,
    cancel: &CancelToken,
) -> Result<Report, VerifyError> {
    let mut documents = documents::read(source, root, cancel)?;
    let mut findings = std::mem::take(&mut documents.findings);
    if documents.complete {
        promises::check(&documents, expectations, &mut findings);
    }
    for image in &documents.images {
        image::check(image, &mut findings);
    }
    // Before anything is read: what changes a file meanwhile changes its identity.
    let files = store.and_then(|store| Some((store, remembered::files(store, &documents)?)));
    if let (Some((store, files)), []) = (&files, &*findings)
        && let Some(programs) = remembered::recall_sound(store, root, files, expectations)
    {
        return Ok(sound(root, &documents, &programs));
    }
    let layers = layers::read(source, store, &documents.images, &documents.attachments, cancel)?;
    layers.report_damage(&mut findings);
    let mut platforms = Vec::new();
    let mut twins = twins::Twins::default();
    for image in &documents.images {
        cancel.check()?;
        layers.report_diff_ids(image, &mut findings);
        let programs = judge::check(image, &layers, expectations, &mut twins, &mut findings);
        platforms.push(PlatformReport::new(image, programs));
    }
    twins.check(&mut findings);
    if let (Some((store, files)), []) = (files, &*findings) {
        let programs = platforms.iter().map(|platform| platform.programs).collect();
        remembered::remember_sound(store, root, files, expectations, programs);
    }
    Ok(Report {
        root: root.clone(),
        platforms,
        findings,
    })
}

/// Returns the report of an image without a finding, whose platforms have so many programs.
fn sound(root: &Descriptor, documents: &documents::Documents, programs: &[usize]) -> Report {
    let platforms = documents.images.iter().zip(programs);
    Report {
        root: root.clone(),
        platforms: platforms
            .map(|(image, programs)| PlatformReport::new(image, *programs))
            .collect(),
        findings: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
