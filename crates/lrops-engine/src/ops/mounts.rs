//! What `RUN --mount` mounts: files of other stages and contexts, caches that outlive builds, secrets.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lrops_dockerfile::patterns::PathPatterns;
use lrops_model::change::Owner;
use lrops_model::digest::Digest;
use lrops_model::engine::StepFailure;
use lrops_model::graph::{CacheSharing, RunMount, RunMountKind, RunOp};
use lrops_sandbox::{ActiveSnapshot, Mount, MountKind, Secret, SnapshotId, View};
use lrops_store::tree::{self, CopyRequest, DigestOwners, DigestRequest, Owners, RootDir, content_digest};

use super::user;
use crate::keys::KeyBuilder;
use crate::step::{Execution, Files, StepResult, chain, internal};

/// How many directories a private cache may have: as many as steps of this user that run at the same time.
const PRIVATE_CACHES_MAX: u32 = 256;
/// How often a wait for a locked cache looks whether the build was stopped.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// What a command's mounts need while it runs.
#[derive(Default)]
pub(super) struct MountSet {
    /// What the sandbox mounts.
    pub(super) mounts: Vec<Mount>,
    /// Variables that hold secrets.
    pub(super) variables: Vec<(String, String)>,
    views: Vec<View>,
    scratch: Vec<ActiveSnapshot>,
    locks: Vec<File>,
    directories: Vec<tempfile::TempDir>,
}

impl MountSet {
    /// Opens everything that the command mounts.
    pub(super) fn open(
        execution: &Execution<'_>,
        run: &RunOp,
        inputs: &[StepResult],
    ) -> Result<Self, StepFailure> {
        let mut set = Self::default();
        for mount in &run.mounts {
            set.add(execution, mount, inputs)?;
        }
        set.scripts(execution, run)?;
        Ok(set)
    }

    fn add(
        &mut self,
        execution: &Execution<'_>,
        mount: &RunMount,
        inputs: &[StepResult],
    ) -> Result<(), StepFailure> {
        let kind = match &mount.kind {
            RunMountKind::Bind {
                input,
                source,
                writable,
            } => self.bind(execution, &inputs[*input], source, *writable)?,
            RunMountKind::Cache { .. } => self.cache(execution, &mount.kind, inputs)?,
            RunMountKind::Tmpfs { size } => MountKind::Tmpfs {
                size_bytes: (*size > 0).then_some(*size),
            },
            RunMountKind::Secret {
                id,
                required,
                variable,
                as_file,
                mode,
                owner,
            } => {
                let Some(secret) = execution.request.secrets.get(id) else {
                    if *required {
                        let advice =
                            format!("pass it with --secret id={id},src=FILE or --secret id={id},env=NAME");
                        return Err(user(format!("secret {id}: not found. {advice}")));
                    }
                    return Ok(());
                };
                if let Some(variable) = variable {
                    let text = String::from_utf8(secret.0.clone()).map_err(|_| {
                        user(format!(
                            "secret {id} is no text, so the variable {variable} cannot hold it"
                        ))
                    })?;
                    self.variables.push((variable.clone(), text));
                }
                if !as_file {
                    return Ok(());
                }
                MountKind::SecretFile {
                    secret: Secret(secret.0.clone()),
                    mode: *mode,
                    uid: owner.uid,
                    gid: owner.gid,
                }
            }
        };
        self.mounts.push(Mount {
            target: PathBuf::from(&mount.target),
            kind,
        });
        Ok(())
    }

    /// Scripts that name their own interpreter. The kernel starts them, so they are files that can be executed.
    fn scripts(&mut self, execution: &Execution<'_>, run: &RunOp) -> Result<(), StepFailure> {
        if run.scripts.is_empty() {
            return Ok(());
        }
        let failed = |error: io::Error| internal("failed to write a heredoc's script", error);
        let directory = tempfile::tempdir_in(execution.store().tmp()).map_err(failed)?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).map_err(failed)?;
        for script in &run.scripts {
            let path = directory.path().join(&script.name);
            fs::write(&path, &script.content).map_err(failed)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(failed)?;
        }
        let source = directory.path().to_path_buf();
        self.mounts.push(Mount {
            target: PathBuf::from("/dev/pipes"),
            kind: MountKind::BindReadOnly { source },
        });
        self.directories.push(directory);
        Ok(())
    }

    /// Files of an input. What the command writes to them is thrown away.
    fn bind(
        &mut self,
        execution: &Execution<'_>,
        input: &StepResult,
        source: &str,
        writable: bool,
    ) -> Result<MountKind, StepFailure> {
        let failed = |error| internal("failed to open the files of a mount", error);
        let snapshot = match &input.files {
            Files::Nothing => None,
            Files::Snapshot(id) => Some(id.clone()),
            Files::Context(name) => Some(context_snapshot(execution, name)?),
        };
        if writable || snapshot.is_none() {
            let active = execution
                .snapshotter()
                .prepare(snapshot.as_ref())
                .map_err(failed)?;
            let source = source_path(execution, active.root(), source)?;
            self.scratch.push(active);
            return Ok(MountKind::BindReadWrite { source });
        }
        let id = snapshot.expect("the empty case was handled");
        let view = execution.snapshotter().view(&id).map_err(failed)?;
        let source = source_path(execution, view.root(), source)?;
        self.views.push(view);
        Ok(MountKind::BindReadOnly { source })
    }

    fn cache(
        &mut self,
        execution: &Execution<'_>,
        kind: &RunMountKind,
        inputs: &[StepResult],
    ) -> Result<MountKind, StepFailure> {
        let RunMountKind::Cache {
            id,
            sharing,
            initial,
            read_only,
            mode,
            owner,
        } = kind
        else {
            unreachable!("called for caches only")
        };
        let name = Digest::of(id).hex();
        let caches = execution.store().cache_mounts();
        let failed = |error: io::Error| internal(&format!("failed to open the cache mount {id:?}"), error);
        let directory = match sharing {
            CacheSharing::Shared => caches.join(&name),
            CacheSharing::Locked => {
                self.locks
                    .push(wait_for_lock(execution, &caches.join(format!("{name}.lock")))?);
                caches.join(&name)
            }
            CacheSharing::Private => {
                let (lock, directory) = free_private_cache(caches, &name).map_err(failed)?;
                self.locks.push(lock);
                directory
            }
        };
        if !directory.exists() {
            let initial = initial
                .as_ref()
                .map(|(input, path)| (&inputs[*input], path.as_str()));
            create_cache(execution, &directory, *mode, *owner, initial)?;
        }
        // Least recently used caches go first when the store is full; a directory's time says when it was used.
        let now = execution.request.now;
        if let Ok(handle) = File::open(&directory) {
            let seconds = u64::try_from(now.0).unwrap_or(0);
            let _ = handle.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(seconds));
        }
        Ok(if *read_only {
            MountKind::BindReadOnly { source: directory }
        } else {
            MountKind::BindReadWrite { source: directory }
        })
    }
}

/// Returns a path inside a tree, through symbolic links that stay in it.
fn source_path(execution: &Execution<'_>, root: &Path, source: &str) -> Result<PathBuf, StepFailure> {
    let tree = RootDir::open(root, execution.owner_style);
    let tree = tree.map_err(|error| internal("failed to open the files of a mount", error))?;
    let found = tree
        .metadata(Path::new(source), tree::Follow::Yes)
        .map_err(|error| user(chain(&error)))?;
    if found.is_none() {
        return Err(user(format!("mount source {source:?}: not found")));
    }
    let resolved = tree
        .resolve(Path::new(source))
        .map_err(|error| user(chain(&error)))?;
    Ok(root.join(resolved))
}

/// Returns a snapshot of a context's files, as the ignore file leaves them: a command never sees the user's directory
/// itself.
fn context_snapshot(execution: &Execution<'_>, name: &str) -> Result<SnapshotId, StepFailure> {
    let digest = context_digest(execution, name)?;
    let key = KeyBuilder::new("context-snapshot.v1")
        .field(digest.hex())
        .finish();
    let id: SnapshotId = key
        .0
        .hex()
        .parse()
        .expect("a digest's digits are a snapshot's identity");
    if execution.snapshotter().contains(&id) {
        return Ok(id);
    }
    let active = execution.snapshotter().prepare(None);
    let active = active.map_err(|error| internal("failed to prepare a copy of the context", error))?;
    let target = RootDir::open(active.root(), execution.owner_style);
    let target = target.map_err(|error| internal("failed to prepare a copy of the context", error))?;
    let tree = execution.contexts.tree(name);
    let nothing = PathPatterns::new(Vec::<String>::new()).expect("no pattern is wrong");
    let filter = |below: &Path, kind| tree.keep(Path::new(""), &nothing, below, kind);
    let copied = tree::copy(&CopyRequest {
        source_root: tree.root,
        source: Path::new(""),
        target_root: &target,
        target: Path::new("/"),
        owners: Owners::Root,
        chmod: None,
        filter: &filter,
        cancel: &execution.cancel,
    })
    .map_err(|error| user(chain(&error)))?;
    drop(target);
    super::commit(execution, active, &id, copied.unstored_owners)?;
    Ok(id)
}

/// Returns the digest of all files of a context that the ignore file leaves in.
pub(super) fn context_digest(execution: &Execution<'_>, name: &str) -> Result<Digest, StepFailure> {
    let tree = execution.contexts.tree(name);
    let nothing = PathPatterns::new(Vec::<String>::new()).expect("no pattern is wrong");
    let filter = |below: &Path, kind| tree.keep(Path::new(""), &nothing, below, kind);
    let digest = content_digest(&DigestRequest {
        root: tree.root,
        path: Path::new(""),
        filter: &filter,
        owners: DigestOwners::Ignore,
        cache: tree.stat_cache,
        cancel: &execution.cancel,
    });
    digest.map_err(|error| user(chain(&error)))
}

/// Makes a cache directory, complete or not at all.
fn create_cache(
    execution: &Execution<'_>,
    directory: &Path,
    mode: u32,
    owner: Owner,
    initial: Option<(&StepResult, &str)>,
) -> Result<(), StepFailure> {
    let parent = directory.parent().expect("a cache lies in the store");
    let failed =
        |error: Box<dyn std::error::Error + Send + Sync>| internal("failed to make a cache mount", error);
    let holder = tempfile::tempdir_in(parent).map_err(|error| failed(error.into()))?;
    let root = RootDir::open(holder.path(), execution.owner_style).map_err(|error| failed(error.into()))?;
    let new = tree::NewDirectories {
        mode,
        owner,
        time: None,
    };
    root.make_dirs(Path::new("cache"), new)
        .map_err(|error| failed(error.into()))?;
    if let Some((
        StepResult {
            files: Files::Snapshot(id),
            ..
        },
        path,
    )) = initial
    {
        let view = execution
            .snapshotter()
            .view(id)
            .map_err(|error| failed(error.into()))?;
        let source =
            RootDir::open(view.root(), execution.owner_style).map_err(|error| failed(error.into()))?;
        tree::copy(&CopyRequest {
            source_root: &source,
            source: Path::new(path),
            target_root: &root,
            target: Path::new("/cache/"),
            owners: Owners::Keep,
            chmod: None,
            filter: &|_, _| tree::Keep::Take,
            cancel: &execution.cancel,
        })
        .map_err(|error| user(chain(&error)))?;
    }
    match fs::rename(holder.path().join("cache"), directory) {
        // Another step made it in the meantime.
        Err(_) if directory.exists() => Ok(()),
        result => result.map_err(|error| failed(error.into())),
    }
}

fn wait_for_lock(execution: &Execution<'_>, path: &Path) -> Result<File, StepFailure> {
    let file = File::create(path).map_err(|error| internal("failed to make a cache mount's lock", error))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => {}
            Err(fs::TryLockError::Error(error)) => {
                return Err(internal("failed to lock a cache mount", error));
            }
        }
        execution
            .cancel
            .check()
            .map_err(|error| internal("the build was stopped", error))?;
        std::thread::sleep(LOCK_POLL);
    }
}

/// Returns the first directory of a private cache that nobody uses now.
fn free_private_cache(caches: &Path, name: &str) -> io::Result<(File, PathBuf)> {
    for number in 0..PRIVATE_CACHES_MAX {
        let file = File::create(caches.join(format!("{name}-{number}.lock")))?;
        match file.try_lock() {
            Ok(()) => return Ok((file, caches.join(format!("{name}-{number}")))),
            Err(fs::TryLockError::WouldBlock) => {}
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other("all private copies of it are in use"))
}
