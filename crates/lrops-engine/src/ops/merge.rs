//! One file system laid over another, without looking at either (`COPY --link`).

use lrops_model::engine::StepFailure;
use lrops_model::graph::Step;
use lrops_sandbox::SnapshotId;

use crate::keys::KeyBuilder;
use crate::step::{Execution, Files, StepResult, internal};

/// Returns the merged files. The identity follows from the two, so that it is made once.
pub(crate) fn result(execution: &Execution<'_>, step: &Step) -> Result<StepResult, StepFailure> {
    let merged = describe(execution, step);
    if let Some((lower, upper, id)) = &merged.parts
        && !execution.snapshotter().contains(id)
    {
        let made = execution.snapshotter().merge(Some(lower), upper, id);
        made.map_err(|error| internal("failed to merge a linked copy into its stage", error))?;
    }
    Ok(merged.result)
}

/// Returns the merged files if they are there.
pub(crate) fn look_up(execution: &Execution<'_>, step: &Step) -> Option<StepResult> {
    let merged = describe(execution, step);
    let there = merged
        .parts
        .is_none_or(|(_, _, id)| execution.snapshotter().contains(&id));
    there.then_some(merged.result)
}

/// What a merge comes to, and what it is made of unless one side is empty.
struct Merged {
    result: StepResult,
    parts: Option<(SnapshotId, SnapshotId, SnapshotId)>,
}

fn describe(execution: &Execution<'_>, step: &Step) -> Merged {
    let inputs = execution.inputs(step);
    let [lower, upper] = inputs.as_slice() else {
        unreachable!("a merge has two inputs")
    };
    let key = KeyBuilder::new("merge.v1")
        .key(Some(lower.key))
        .key(Some(upper.key))
        .finish();
    let (Files::Snapshot(lower_id), Files::Snapshot(upper_id)) = (&lower.files, &upper.files) else {
        let files = if matches!(upper.files, Files::Nothing) {
            lower.files.clone()
        } else {
            upper.files.clone()
        };
        return Merged {
            result: StepResult::new(key, files),
            parts: None,
        };
    };
    let identity = KeyBuilder::new("merge.v1")
        .field(lower_id.as_str())
        .field(upper_id.as_str())
        .finish();
    let id: SnapshotId = identity
        .0
        .hex()
        .parse()
        .expect("a digest's digits are a snapshot's identity");
    let result = StepResult::new(key, Files::Snapshot(id.clone()));
    Merged {
        result,
        parts: Some((lower_id.clone(), upper_id.clone(), id)),
    }
}
