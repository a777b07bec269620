//! `COPY` and `ADD` of files: which files are meant, what they hold, and the copying itself.
//!
//! The key of a copy follows from the content, modes and relative paths of exactly the files that it selects, so a
//! source that was built again with the same result stops there.

use std::path::{Path, PathBuf};

use lrops_dockerfile::patterns::PathPatterns;
use lrops_model::change::Owner;
use lrops_model::engine::StepFailure;
use lrops_model::graph::{CopyOp, CopySource, InlineFile};
use lrops_model::timestamp::Timestamp;
use lrops_sandbox::SnapshotId;
use lrops_store::layer::ExtractLimits;
use lrops_store::tree::{
    self, Chmod, CopyError, CopyRequest, DigestOwners, DigestRequest, NewDirectories, Owners, RootDir, Time,
    UnstoredOwner, content_digest,
};
use lrops_store::unpack::{ArchiveOwners, UnpackRequest, Unpacked, unpack};

use super::make_directory::owner;
use super::{OpenSource, commit, prepare, user};
use crate::contexts::SourceTree;
use crate::keys::{CacheKey, KeyBuilder};
use crate::step::{Execution, FileTimes, Files, StepResult, chain, internal};

/// Returns the key by what the inputs are: contexts by the selected files, other stages by their own keys.
pub(crate) fn definition_key(
    execution: &Execution<'_>,
    copy: &CopyOp,
    inputs: &[StepResult],
) -> Result<CacheKey, StepFailure> {
    key(execution, copy, inputs, "copy-definition.v1", |input| {
        matches!(input.files, Files::Context(_))
    })
}

/// Returns the key by what the selected files hold, wherever they come from.
pub(crate) fn content_key(
    execution: &Execution<'_>,
    copy: &CopyOp,
    inputs: &[StepResult],
) -> Result<CacheKey, StepFailure> {
    key(execution, copy, inputs, "copy.v1", |_| true)
}

fn key(
    execution: &Execution<'_>,
    copy: &CopyOp,
    inputs: &[StepResult],
    kind: &str,
    reads: impl Fn(&StepResult) -> bool,
) -> Result<CacheKey, StepFailure> {
    let mut key = KeyBuilder::new(kind).json(copy);
    if !copy.link {
        key = key.key(Some(inputs[0].key));
    }
    let exclude = exclusions(copy)?;
    for source in &copy.sources {
        let CopySource::Path { input, pattern } = source else {
            continue;
        };
        let input = &inputs[*input];
        if !reads(input) {
            key = key.key(Some(input.key));
            continue;
        }
        let source = OpenSource::open(execution, input)?;
        for (path, tree) in selected(&source, pattern)? {
            let owners = if keeps_owners(copy, input) {
                DigestOwners::Count
            } else {
                DigestOwners::Ignore
            };
            let filter = |below: &Path, kind| tree.keep(&path, &exclude, below, kind);
            let digest = content_digest(&DigestRequest {
                root: tree.root,
                path: &path,
                filter: &filter,
                owners,
                cache: tree.stat_cache,
                cancel: &execution.cancel,
            });
            let digest = digest.map_err(|error| copy_failure(&path, error))?;
            let name = path.file_name().unwrap_or_default();
            key = key.field(name.as_encoded_bytes()).field(digest.hex());
        }
    }
    Ok(key.finish())
}

/// Files of a context belong to root in the image; those of another stage or image keep their owners.
fn keeps_owners(copy: &CopyOp, input: &StepResult) -> bool {
    copy.owner.is_none() && matches!(input.files, Files::Snapshot(_))
}

fn exclusions(copy: &CopyOp) -> Result<PathPatterns, StepFailure> {
    PathPatterns::new(&copy.exclude).map_err(|error| user(format!("--exclude: {error}")))
}

/// Returns the paths that a source means; one that names nothing is an error, a wildcard that matches nothing is not.
fn selected<'s>(
    source: &'s OpenSource<'_>,
    pattern: &str,
) -> Result<Vec<(PathBuf, SourceTree<'s>)>, StepFailure> {
    let Some(tree) = source.tree() else {
        return Err(not_found(Path::new(pattern)));
    };
    let mut selected = Vec::new();
    for path in tree.matches(pattern)? {
        if !tree.has(&path)? {
            return Err(not_found(&path));
        }
        selected.push((
            path,
            SourceTree {
                root: tree.root,
                ignore: tree.ignore,
                stat_cache: tree.stat_cache,
            },
        ));
    }
    Ok(selected)
}

fn not_found(path: &Path) -> StepFailure {
    let path = path.strip_prefix("/").unwrap_or(path).display();
    user(format!(
        "\"/{path}\": not found. Is the path right, and does no line of the ignore file leave it out?"
    ))
}

/// Copies the files into a new tree.
pub(crate) fn execute(
    execution: &Execution<'_>,
    copy: &CopyOp,
    inputs: &[StepResult],
    snapshot: &SnapshotId,
) -> Result<FileTimes, StepFailure> {
    let nothing = execution.result(None);
    let base = if copy.link { &nothing } else { &inputs[0] };
    let active = prepare(execution, base)?;
    let target = RootDir::open(active.root(), execution.owner_style)
        .map_err(|error| internal("failed to open the stage's files", error))?;
    let chmod = copy
        .mode
        .as_deref()
        .map(str::parse::<Chmod>)
        .transpose()
        .map_err(|error| user(chain(&error)))?;
    let chown = copy
        .owner
        .as_deref()
        .map(|name| owner(active.root(), name))
        .transpose()?;
    let copying = Copying {
        execution,
        copy,
        target: &target,
        destination: Path::new(&copy.destination),
        chmod: chmod.as_ref(),
        chown,
        exclude: exclusions(copy)?,
    };
    let mut owners = Vec::new();
    let mut times = FileTimes::Kept;
    for source in &copy.sources {
        match source {
            CopySource::Path { input, pattern } => {
                let (unstored, source_times) = copying.path(&inputs[*input], pattern)?;
                owners.extend(unstored);
                times = times.and(source_times);
            }
            CopySource::Inline(file) => {
                copying.inline(file)?;
                times = FileTimes::Made;
            }
        }
    }
    drop(target);
    commit(execution, active, snapshot, owners)?;
    Ok(times)
}

struct Copying<'a> {
    execution: &'a Execution<'a>,
    copy: &'a CopyOp,
    target: &'a RootDir,
    destination: &'a Path,
    chmod: Option<&'a Chmod>,
    chown: Option<Owner>,
    exclude: PathPatterns,
}

impl Copying<'_> {
    fn path(
        &self,
        input: &StepResult,
        pattern: &str,
    ) -> Result<(Vec<UnstoredOwner>, FileTimes), StepFailure> {
        let source = OpenSource::open(self.execution, input)?;
        let mut owners = Vec::new();
        let mut times = FileTimes::Kept;
        let is_image = input.keeps_times_before == Some(Timestamp(i64::MAX));
        for (path, tree) in selected(&source, pattern)? {
            if self.copy.unpack
                && let Unpacked::Extracted { unstored_owners } = self.unpack(&tree, &path)?
            {
                owners.extend(unstored_owners);
                continue;
            }
            let filter = |below: &Path, kind| tree.keep(&path, &self.exclude, below, kind);
            let request = CopyRequest {
                source_root: tree.root,
                source: &path,
                target_root: self.target,
                target: self.destination,
                owners: match self.chown {
                    Some(owner) => Owners::Set(owner),
                    None if keeps_owners(self.copy, input) => Owners::Keep,
                    None => Owners::Root,
                },
                chmod: self.chmod,
                filter: &filter,
                cancel: &self.execution.cancel,
            };
            let copied = tree::copy(&request).map_err(|error| copy_failure(&path, error))?;
            owners.extend(copied.unstored_owners);
            times = times.and(if is_image {
                FileTimes::Kept
            } else {
                FileTimes::Made
            });
        }
        Ok((owners, times))
    }

    fn unpack(&self, tree: &SourceTree<'_>, path: &Path) -> Result<Unpacked, StepFailure> {
        let request = UnpackRequest {
            source_root: tree.root,
            source: path,
            target_root: self.target,
            target: self.destination,
            owners: self.chown.map_or(ArchiveOwners::Archive, ArchiveOwners::Set),
            limits: ExtractLimits::USUAL,
            cancel: &self.execution.cancel,
        };
        unpack(&request).map_err(|error| user(chain(&error)))
    }

    /// Writes a heredoc's content. Its time says nothing, so it is the epoch.
    fn inline(&self, file: &InlineFile) -> Result<(), StepFailure> {
        let failed = |error| user(chain(&error));
        let owner = self.chown.unwrap_or(Owner::ROOT);
        let time = Some(Time::from_seconds(0));
        let directory_mode = self.chmod.map_or(0o755, Chmod::of_new_directories);
        let into_directory = self.copy.destination.ends_with('/') || self.is_directory(self.destination)?;
        let path = if into_directory {
            self.destination.join(&file.name)
        } else {
            self.destination.to_path_buf()
        };
        if let Some(parent) = path.parent() {
            self.target
                .make_dirs(
                    parent,
                    NewDirectories {
                        mode: directory_mode,
                        owner,
                        time: None,
                    },
                )
                .map_err(failed)?;
        }
        let mode = self.chmod.map_or(0o644, |chmod| chmod.apply(0o644, false));
        self.target
            .write_file(
                &path,
                file.content.as_bytes(),
                NewDirectories { mode, owner, time },
            )
            .map_err(failed)
    }

    fn is_directory(&self, path: &Path) -> Result<bool, StepFailure> {
        let metadata = self
            .target
            .metadata(path, tree::Follow::Yes)
            .map_err(|error| user(chain(&error)))?;
        Ok(metadata.is_some_and(|metadata| metadata.kind == tree::Kind::Directory))
    }
}

fn copy_failure(path: &Path, error: CopyError) -> StepFailure {
    match error {
        CopyError::Missing { .. } => not_found(path),
        error => user(chain(&error)),
    }
}
