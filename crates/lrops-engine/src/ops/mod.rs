//! What can be done, one file an op: its cache key and its execution side by side.

pub(crate) mod context;
pub(crate) mod copy;
pub(crate) mod image;
pub(crate) mod make_directory;
pub(crate) mod merge;
pub(crate) mod mounts;
pub(crate) mod run;

use std::path::PathBuf;

use lrops_dockerfile::patterns::PathPatterns;
use lrops_model::change::Owner;
use lrops_model::engine::StepFailure;
use lrops_model::graph::{Op, Step};
use lrops_sandbox::{ActiveSnapshot, SnapshotId, View};
use lrops_store::tree::{RootDir, UnstoredOwner};

use crate::contexts::SourceTree;
use crate::keys::CacheKey;
use crate::reporter::Activity;
use crate::step::{Execution, FileTimes, Files, StepResult, internal};

/// Returns the key that follows from what the step is and from the keys of its inputs. Contexts are read for it.
pub(crate) fn definition_key(
    execution: &Execution<'_>,
    step: &Step,
    inputs: &[StepResult],
) -> Result<CacheKey, StepFailure> {
    match &step.op {
        Op::Run(run) => run::definition_key(execution, run, inputs),
        Op::Copy(copy) => copy::definition_key(execution, copy, inputs),
        Op::MakeDirectory(make_directory) => Ok(make_directory::key(make_directory, inputs)),
        Op::Image(_) | Op::Context(_) | Op::Merge(_) => unreachable!("these are never looked up"),
    }
}

/// Returns the key that follows from what the inputs hold, where that is another than the definition's.
pub(crate) fn content_key(
    execution: &Execution<'_>,
    step: &Step,
    inputs: &[StepResult],
) -> Result<Option<CacheKey>, StepFailure> {
    match &step.op {
        Op::Copy(copy) => copy::content_key(execution, copy, inputs).map(Some),
        _ => Ok(None),
    }
}

/// Executes a step into a new snapshot, and says where the times of its files come from.
pub(crate) fn execute(
    execution: &Execution<'_>,
    step: &Step,
    inputs: &[StepResult],
    snapshot: &SnapshotId,
    activity: &Activity<'_>,
) -> Result<FileTimes, StepFailure> {
    match &step.op {
        Op::Run(run) => {
            run::execute(execution, run, &step.label, inputs, snapshot, activity).map(|()| FileTimes::Made)
        }
        Op::Copy(copy) => copy::execute(execution, copy, inputs, snapshot),
        Op::MakeDirectory(make_directory) => {
            make_directory::execute(execution, make_directory, inputs, snapshot).map(|()| FileTimes::Made)
        }
        Op::Image(_) | Op::Context(_) | Op::Merge(_) => unreachable!("these are not executed"),
    }
}

/// Begins a tree that goes on from an input.
pub(super) fn prepare(execution: &Execution<'_>, base: &StepResult) -> Result<ActiveSnapshot, StepFailure> {
    let parent = match &base.files {
        Files::Snapshot(id) => Some(id),
        Files::Nothing => None,
        Files::Context(name) => unreachable!("nothing is built upon the context {name}"),
    };
    let active = execution.snapshotter().prepare(parent);
    active.map_err(|error| internal("failed to prepare a file system", error))
}

/// Keeps a finished tree.
pub(super) fn commit(
    execution: &Execution<'_>,
    active: ActiveSnapshot,
    id: &SnapshotId,
    owners: Vec<UnstoredOwner>,
) -> Result<(), StepFailure> {
    let owners: Vec<(PathBuf, Owner)> = owners
        .into_iter()
        .map(|owner| (owner.path, owner.owner))
        .collect();
    let result = execution.snapshotter().commit(active, id, owners);
    result.map_err(|error| internal("failed to keep the step's files", error))
}

/// A source of files that is open for reading.
pub(super) enum OpenSource<'a> {
    /// A context.
    Context(SourceTree<'a>),
    /// A snapshot, mounted as long as this lives.
    Snapshot {
        root: RootDir,
        everything: PathPatterns,
        _view: View,
    },
    /// Nothing.
    Nothing,
}

impl<'a> OpenSource<'a> {
    /// Opens an input for reading.
    pub(super) fn open(execution: &Execution<'a>, input: &StepResult) -> Result<Self, StepFailure> {
        match &input.files {
            Files::Nothing => Ok(Self::Nothing),
            Files::Context(name) => Ok(Self::Context(execution.contexts.tree(name))),
            Files::Snapshot(id) => {
                let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
                    internal("failed to open the files of a stage", error)
                };
                let view = execution
                    .snapshotter()
                    .view(id)
                    .map_err(|error| failed(error.into()))?;
                let owners = execution
                    .snapshotter()
                    .owners(id)
                    .map_err(|error| failed(error.into()))?;
                let owners = owners
                    .into_iter()
                    .map(|(path, owner)| UnstoredOwner { path, owner });
                let root = RootDir::open(view.root(), execution.owner_style)
                    .map_err(|error| failed(error.into()))?;
                let root = root.with_unstored_owners(owners);
                let everything = PathPatterns::new(Vec::<String>::new()).expect("no pattern is wrong");
                Ok(Self::Snapshot {
                    root,
                    everything,
                    _view: view,
                })
            }
        }
    }

    /// Returns the tree; `None` when there are no files at all.
    pub(super) fn tree(&self) -> Option<SourceTree<'_>> {
        match self {
            Self::Context(tree) => Some(SourceTree {
                root: tree.root,
                ignore: tree.ignore,
                stat_cache: tree.stat_cache,
            }),
            Self::Snapshot { root, everything, .. } => Some(SourceTree {
                root,
                ignore: everything,
                stat_cache: None,
            }),
            Self::Nothing => None,
        }
    }
}

/// Returns a failure that the user can mend.
pub(super) fn user(message: impl Into<String>) -> StepFailure {
    StepFailure::User {
        message: message.into(),
    }
}
