//! `WORKDIR`: a directory that must exist.

use std::path::Path;

use lrops_model::change::Owner;
use lrops_model::engine::StepFailure;
use lrops_model::graph::MakeDirectoryOp;
use lrops_sandbox::{SnapshotId, users};
use lrops_store::tree::{NewDirectories, RootDir};

use super::{commit, prepare, user};
use crate::keys::{CacheKey, KeyBuilder};
use crate::step::{Execution, StepResult, chain, internal};

/// Returns the key: the directory, who owns it, and what it is made in.
pub(crate) fn key(make_directory: &MakeDirectoryOp, inputs: &[StepResult]) -> CacheKey {
    KeyBuilder::new("make-directory.v1")
        .json(make_directory)
        .key(Some(inputs[0].key))
        .finish()
}

/// Makes the directory; one that exists stays untouched.
pub(crate) fn execute(
    execution: &Execution<'_>,
    make_directory: &MakeDirectoryOp,
    inputs: &[StepResult],
    snapshot: &SnapshotId,
) -> Result<(), StepFailure> {
    let active = prepare(execution, &inputs[0])?;
    let root = RootDir::open(active.root(), execution.owner_style);
    let root = root.map_err(|error| internal("failed to open the stage's files", error))?;
    let owner = owner(active.root(), &make_directory.user)?;
    let new = NewDirectories {
        mode: 0o755,
        owner,
        time: None,
    };
    root.make_dirs(Path::new(&make_directory.path), new)
        .map_err(|error| {
            user(format!(
                "failed to make the directory {}: {}",
                make_directory.path,
                chain(&error)
            ))
        })?;
    commit(execution, active, snapshot, Vec::new())
}

/// Returns the owner that `USER`, or `--chown`, names in a file system.
pub(super) fn owner(root: &Path, name: &str) -> Result<Owner, StepFailure> {
    if name.is_empty() {
        return Ok(Owner::ROOT);
    }
    // A number alone names the group too, where files are concerned (Dockerfile reference, "COPY --chown").
    if let Ok(id) = name.parse() {
        return Ok(Owner { uid: id, gid: id });
    }
    let resolved = users::resolve(root, user_name(name)).map_err(|error| user(chain(&error)))?;
    Ok(Owner {
        uid: resolved.ids.uid,
        gid: resolved.ids.gid,
    })
}

/// `root` is 0 in an image without `/etc/passwd` too; and whoever names nobody means root.
pub(super) fn user_name(name: &str) -> &str {
    match name {
        "" | "root" => "0",
        "root:root" => "0:0",
        name => name,
    }
}
