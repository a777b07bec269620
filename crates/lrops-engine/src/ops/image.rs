//! The file system of an image: its layers, unpacked one over the other. Images share the layers they have in common.

use lrops_model::blob::{BlobError, BlobSource, BlobStore, open_verified};
use lrops_model::digest::{DiffId, Digest};
use lrops_model::engine::StepFailure;
use lrops_model::event::StepOutcome;
use lrops_model::graph::ImageOp;
use lrops_model::oci::Descriptor;
use lrops_model::timestamp::Timestamp;
use lrops_sandbox::{SnapshotId, Whiteouts};
use lrops_store::layer::{self, ApplyRequest, ExtractLimits};
use lrops_store::tree::RootDir;

use super::commit;
use crate::keys::{CacheKey, KeyBuilder};
use crate::reporter::Activity;
use crate::step::{Execution, Files, StepResult, internal};

/// Returns the key of an image: what its layers hold.
pub(crate) fn key(diff_ids: &[DiffId]) -> CacheKey {
    KeyBuilder::new("image.v1").json(&diff_ids).finish()
}

/// Makes sure that the image's layers are in the store and unpacked.
pub(crate) fn result(
    execution: &Execution<'_>,
    image: &ImageOp,
    activity: &Activity<'_>,
) -> Result<(StepResult, StepOutcome), StepFailure> {
    let mut outcome = StepOutcome::Cached;
    let mut parent: Option<SnapshotId> = None;
    for (index, (descriptor, diff_id)) in image.layers.iter().zip(&image.diff_ids).enumerate() {
        execution
            .cancel
            .check()
            .map_err(|error| internal("the build was stopped", error))?;
        let id = chain_id(parent.as_ref(), *diff_id);
        if fetch(execution, image, descriptor, activity)? {
            outcome = StepOutcome::Done;
        }
        if !execution.snapshotter().contains(&id) {
            let what = format!("unpacking layer {} of {}", index + 1, image.layers.len());
            activity.progress(&what, 0, Some(descriptor.size));
            unpack(execution, descriptor, *diff_id, parent.as_ref(), &id)?;
            outcome = StepOutcome::Done;
        }
        parent = Some(id);
    }
    let files = parent.map_or(Files::Nothing, Files::Snapshot);
    Ok((image_result(image, files), outcome))
}

/// All of an image's files are older than any build that uses them.
fn image_result(image: &ImageOp, files: Files) -> StepResult {
    StepResult {
        key: key(&image.diff_ids),
        files,
        keeps_times_before: Some(Timestamp(i64::MAX)),
    }
}

/// Returns the image's files if they are there, unpacked.
pub(crate) fn look_up(execution: &Execution<'_>, image: &ImageOp) -> Option<StepResult> {
    let top = image
        .diff_ids
        .iter()
        .fold(None, |parent, diff_id| Some(chain_id(parent.as_ref(), *diff_id)));
    let there = top
        .as_ref()
        .is_none_or(|top| execution.snapshotter().contains(top));
    let files = top.map_or(Files::Nothing, Files::Snapshot);
    there.then(|| image_result(image, files))
}

/// Returns the identity of a stack of layers: that of the OCI image spec, "Layer `ChainID`".
fn chain_id(parent: Option<&SnapshotId>, diff_id: DiffId) -> SnapshotId {
    let digest = match parent {
        None => diff_id.0,
        Some(parent) => Digest::of(format!("sha256:{} {diff_id}", parent.as_str())),
    };
    digest
        .hex()
        .parse()
        .expect("a digest's digits are a snapshot's identity")
}

/// Brings a layer's blob into the store; returns whether it had to be fetched.
fn fetch(
    execution: &Execution<'_>,
    image: &ImageOp,
    descriptor: &Descriptor,
    activity: &Activity<'_>,
) -> Result<bool, StepFailure> {
    let layout = execution.store().layout();
    let failed = |error| internal(&format!("failed to get a layer of {}", image.name), error);
    if layout.contains(descriptor).map_err(failed)? {
        return Ok(false);
    }
    activity.progress("fetching", 0, Some(descriptor.size));
    let source = execution.images.source_of(descriptor.digest).ok_or_else(|| {
        let missing = BlobError::Missing {
            digest: descriptor.digest,
            place: image.name.clone(),
        };
        failed(missing)
    })?;
    let mut content = source.open(descriptor).map_err(failed)?;
    let mut kept = layout.put(descriptor, &mut content);
    if matches!(kept, Err(BlobError::Read { .. })) {
        // That a mirror sends wrong bytes is known at their end. It is not asked again: another place has the right ones.
        content = source.open(descriptor).map_err(failed)?;
        kept = layout.put(descriptor, &mut content);
    }
    kept.map_err(failed)?;
    Ok(true)
}

fn unpack(
    execution: &Execution<'_>,
    descriptor: &Descriptor,
    diff_id: DiffId,
    parent: Option<&SnapshotId>,
    id: &SnapshotId,
) -> Result<(), StepFailure> {
    let failed =
        |error: Box<dyn std::error::Error + Send + Sync>| internal("failed to unpack a layer", error);
    let compression = descriptor.media_type.layer_compression().ok_or_else(|| {
        internal(
            "failed to unpack a layer",
            format!("its type {} is unknown", descriptor.media_type),
        )
    })?;
    let snapshotter = execution.snapshotter();
    let view = parent
        .map(|parent| snapshotter.view(parent))
        .transpose()
        .map_err(|error| failed(error.into()))?;
    let active = snapshotter
        .prepare_layer(parent)
        .map_err(|error| failed(error.into()))?;
    let root = RootDir::open(active.root(), execution.owner_style).map_err(|error| failed(error.into()))?;
    let lower = |path: &std::path::Path| {
        let found = view.as_ref()?.root().join(path);
        found.symlink_metadata().is_ok().then_some(found)
    };
    let request = ApplyRequest {
        compression,
        diff_id: Some(diff_id),
        whiteouts: match active.whiteouts() {
            Whiteouts::Overlay => layer::Whiteouts::Overlay,
            Whiteouts::Remove => layer::Whiteouts::Remove,
        },
        lower: view.is_some().then_some(&lower),
        limits: ExtractLimits::USUAL,
        cancel: &execution.cancel,
    };
    let blob = open_verified(execution.store().layout(), descriptor).map_err(|error| failed(error.into()))?;
    let applied = layer::apply(&root, blob, &request).map_err(|error| failed(error.into()))?;
    drop(root);
    commit(execution, active, id, applied.unstored_owners)
}
