//! Layers: what a step changed, packed into a blob in the store.

use lrops_model::blob::BlobSource;
use lrops_model::engine::BuildError;
use lrops_model::event::{StepName, StepOutcome};
use lrops_model::graph::StepId;
use lrops_model::oci::Compression;
use lrops_model::request::Timestamps;
use lrops_model::timestamp::Timestamp;
use lrops_sandbox::SnapshotId;
use lrops_store::layer::{self, CompressionSettings, LayerTimes, WriteLayerRequest};
use lrops_store::records::{LayerRecord, StepRecord};
use lrops_store::tree::RootDir;

use crate::keys::KeyBuilder;
use crate::step::{Execution, Files, Layer};

/// Rises when the same snapshot would give other bytes: another compressor, other headers.
const ENCODING: &str = "layer.v1";

/// Returns the layer of a step that ran, packing it the first time; `None` when the step changed nothing.
pub(crate) fn layer(execution: &Execution<'_>, id: StepId) -> Result<Option<Layer>, BuildError> {
    let result = execution.result(Some(id));
    let Files::Snapshot(snapshot) = result.files else {
        return Ok(None);
    };
    let key = layer_key(execution, &snapshot);
    let records = execution.store().records();
    if let Some(found) = records
        .get::<StepRecord>(&key)
        .and_then(|record| recorded(execution, &record))
    {
        records.touch(&key, execution.request.now);
        return Ok(found);
    }
    let changes = execution.snapshotter().changes(&snapshot).map_err(failed)?;
    let layer = if changes.changes.is_empty() {
        None
    } else {
        let label = &execution.plan.graph.step(id).label;
        let name = format!(
            "packing the layer of [{} {}/{}]",
            label.stage, label.position, label.total
        );
        let activity = execution.reporter.start(StepName::Activity(name));
        let written = pack(execution, &changes, times(execution, result.keeps_times_before));
        activity.finish(match &written {
            Ok(_) => StepOutcome::Done,
            Err(error) => StepOutcome::Failed {
                reason: error.to_string(),
            },
        });
        Some(written?)
    };
    let record = StepRecord {
        snapshot: snapshot.as_str().to_owned(),
        created: execution.request.now,
        description: "layer".to_owned(),
        content: None,
        keeps_times_before: None,
        layers: layer
            .iter()
            .map(|(descriptor, diff_id)| {
                let record = LayerRecord {
                    descriptor: descriptor.clone(),
                    diff_id: *diff_id,
                };
                (ENCODING.to_owned(), record)
            })
            .collect(),
        size: 0,
    };
    records.put(&key, &record).map_err(failed)?;
    Ok(layer)
}

/// Returns what a record says, if the blob is still there: a layer, or that there is none.
#[expect(
    clippy::option_option,
    reason = "not recorded, recorded as nothing, recorded as a layer"
)]
fn recorded(execution: &Execution<'_>, record: &StepRecord) -> Option<Option<Layer>> {
    let Some(layer) = record.layers.get(ENCODING) else {
        return Some(None);
    };
    let there = execution
        .store()
        .layout()
        .contains(&layer.descriptor)
        .unwrap_or(false);
    there.then(|| Some((layer.descriptor.clone(), layer.diff_id)))
}

fn layer_key(execution: &Execution<'_>, snapshot: &SnapshotId) -> lrops_model::digest::Digest {
    let compression = format!("{:?}", execution.request.compression);
    let times = match execution.request.timestamps {
        Timestamps::Fixed(time) => format!("fixed {}", time.0),
        Timestamps::Keep => "keep".to_owned(),
    };
    KeyBuilder::new(ENCODING)
        .field(snapshot.as_str())
        .field(compression)
        .field(times)
        .finish()
        .0
}

/// Returns the times that a layer's entries get.
fn times(execution: &Execution<'_>, keeps_times_before: Option<Timestamp>) -> LayerTimes {
    match (execution.request.timestamps, keeps_times_before) {
        (Timestamps::Keep, _) => LayerTimes::Keep,
        (Timestamps::Fixed(fixed), None) => LayerTimes::Fixed(fixed),
        (Timestamps::Fixed(fixed), Some(since)) => LayerTimes::KeepOlder { since, fixed },
    }
}

fn pack(
    execution: &Execution<'_>,
    changes: &lrops_sandbox::Changes,
    times: LayerTimes,
) -> Result<Layer, BuildError> {
    let tree = RootDir::open(&changes.tree, execution.owner_style).map_err(failed)?;
    let threads = match execution.request.compression {
        Compression::Zstd | Compression::None => 1,
        Compression::Gzip => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    let request = WriteLayerRequest {
        tree: &tree,
        changes: &changes.changes,
        times,
        compression: CompressionSettings::usual(execution.request.compression, threads),
        cancel: &execution.cancel,
    };
    let mut blob = execution.store().layout().writer().map_err(failed)?;
    let written = layer::write(&request, &mut blob).map_err(failed)?;
    let descriptor = blob
        .finish(written.descriptor.media_type.clone())
        .map_err(failed)?;
    Ok((descriptor, written.diff_id))
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> BuildError {
    BuildError::Other {
        message: "failed to pack a layer".to_owned(),
        source: Box::new(error),
    }
}
