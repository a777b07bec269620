//! A directory outside the build. Nothing is copied for it: what reads it keys itself by what it reads.

use lrops_model::graph::ContextOp;

use crate::keys::KeyBuilder;
use crate::step::{Files, StepResult};

/// Returns the result, which is the directory itself.
pub(crate) fn result(context: &ContextOp) -> StepResult {
    let key = KeyBuilder::new("context.v1").field(&context.name).finish();
    StepResult::new(key, Files::Context(context.name.clone()))
}
