//! The proof that an image is what it promises, without which nothing of it can be published.

use lrops_model::blob::BlobSource;
use lrops_model::cancel::CancelToken;
use lrops_model::finding::Severity;
use lrops_model::image::{ImageNode, walk_image};
use lrops_model::oci::Descriptor;
use lrops_store::store::Store;
use lrops_store::verify::{Expectations, Report, VerifyError, read_early, verify_image, verify_stored};

use crate::amounts;
use crate::failure::Failure;

/// An image that was proved. There is no other way to have one than [`prove`], [`prove_built`] and
/// [`taken_as_it_is`].
pub(crate) struct Proved {
    tree: ImageNode,
    report: Option<Report>,
}

impl Proved {
    /// Returns the image's documents.
    pub(crate) fn tree(&self) -> &ImageNode {
        &self.tree
    }

    /// Returns how many programs were looked at.
    pub(crate) fn programs(&self) -> usize {
        let platforms = self.report.iter().flat_map(|report| &report.platforms);
        platforms.map(|platform| platform.programs).sum()
    }

    /// Returns what was found, where lrops looked for itself.
    pub(crate) fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }
}

/// What looking at an image came to.
pub(crate) enum Verdict {
    /// It is what it promises.
    Proved(Box<Proved>),
    /// It is not; the report says why.
    Broken(Box<Report>),
}

/// Proves an image: every blob, every platform, every program.
///
/// # Errors
/// When it cannot be read, or the work was stopped.
pub(crate) fn prove(
    source: &dyn BlobSource,
    root: &Descriptor,
    expectations: &Expectations,
    cancel: &CancelToken,
) -> Result<Verdict, Failure> {
    let report = verify_image(source, root, expectations, cancel).map_err(stopped)?;
    verdict(source, root, report, cancel)
}

/// As [`prove`], for an image that was just built into the store: layers that were proved there before are not read again
/// while their files are untouched.
///
/// # Errors
/// As [`prove`].
pub(crate) fn prove_built(
    store: &Store,
    root: &Descriptor,
    expectations: &Expectations,
    cancel: &CancelToken,
) -> Result<Verdict, Failure> {
    let report = verify_stored(store, root, expectations, cancel).map_err(stopped)?;
    verdict(store.layout(), root, report, cancel)
}

/// Reads a layer while the build that made it still runs, so that [`prove_built`] has less to read. Returns whether there is a
/// point in going on.
pub(crate) fn begin(store: &Store, layer: &Descriptor, cancel: &CancelToken) -> bool {
    read_early(store, layer, cancel).is_ok()
}

fn verdict(
    source: &dyn BlobSource,
    root: &Descriptor,
    report: Report,
    cancel: &CancelToken,
) -> Result<Verdict, Failure> {
    if !report.is_sound() {
        return Ok(Verdict::Broken(Box::new(report)));
    }
    let tree = documents(source, root, cancel)?;
    Ok(Verdict::Proved(Box::new(Proved {
        tree,
        report: Some(report),
    })))
}

/// Takes an image that is published already, to publish it byte for byte under another name: whoever published it has
/// answered for it.
///
/// # Errors
/// When its documents cannot be read.
pub(crate) fn taken_as_it_is(
    source: &dyn BlobSource,
    root: &Descriptor,
    cancel: &CancelToken,
) -> Result<Proved, Failure> {
    let tree = documents(source, root, cancel)?;
    Ok(Proved { tree, report: None })
}

fn documents(source: &dyn BlobSource, root: &Descriptor, cancel: &CancelToken) -> Result<ImageNode, Failure> {
    walk_image(source, root, cancel).map_err(|source| Failure::image("failed to read the image", source))
}

/// Returns why an image could not be verified at all.
pub(crate) fn stopped(error: VerifyError) -> Failure {
    match error {
        VerifyError::Cancelled(_) => Failure::Cancelled,
        other => Failure::image("failed to verify the image", other),
    }
}

/// Returns that an image failed to verify.
pub(crate) fn failed(report: &Report) -> Failure {
    let errors = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    Failure::Verify {
        problems: amounts::count(errors, "broken promise"),
    }
}
