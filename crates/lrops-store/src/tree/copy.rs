//! Copying as `COPY` does: one source, resolved, to one destination.
//!
//! The rules are those of BuildKit's file operations (fsutil's `copy`): the content of a source directory is merged
//! into the destination; a file goes into an existing directory under its own name; new directories on the way get
//! mode 0755; an existing destination keeps its metadata, existing directories below it take the source's; nothing
//! is followed below the source, and a directory never replaces a file or link, nor the reverse.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::change::Owner;

use super::attributes::{attributes, is_copied, set_attribute};
use super::chmod::Chmod;
use super::content::copy_content;
use super::error::{During, TreeError};
use super::metadata::{Follow, Kind, Metadata};
use super::owner::{UnstoredOwner, make_node, set_owner};
use super::root::{NewDirectories, RootDir, open_regular};
use super::spot::Spot;

/// What to copy, to where, and how.
pub struct CopyRequest<'a> {
    /// The tree that is read.
    pub source_root: &'a RootDir,
    /// A path in it, without wildcards; symbolic links in it are followed.
    pub source: &'a Path,
    /// The tree that is written.
    pub target_root: &'a RootDir,
    /// A path in it. A trailing slash, or an existing directory, means "into".
    pub target: &'a Path,
    /// Who owns the copies.
    pub owners: Owners,
    /// The permission bits of the copies; `None` keeps the source's.
    pub chmod: Option<&'a Chmod>,
    /// What is left out.
    pub filter: &'a Filter<'a>,
    /// Stops the work between two files.
    pub cancel: &'a CancelToken,
}

/// Says of each path below the source, relative to it, whether it is copied.
pub type Filter<'a> = dyn Fn(&Path, Kind) -> Keep + 'a;

/// Whether a path is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is.
    Take,
    /// It is not, but something below it may be; the directory is then made after all.
    Skip,
    /// It is not, and nothing below it is.
    Prune,
}

/// Who owns copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// 0:0, as for files of a build context.
    Root,
    /// The source's owner, as for files of another stage.
    Keep,
    /// The owner that `--chown` names.
    Set(Owner),
}

impl Owners {
    pub(super) fn of(self, source: Owner) -> Owner {
        match self {
            Self::Root => Owner::ROOT,
            Self::Keep => source,
            Self::Set(owner) => owner,
        }
    }

    fn of_new_directories(self) -> Owner {
        match self {
            Self::Root | Self::Keep => Owner::ROOT,
            Self::Set(owner) => owner,
        }
    }
}

/// What a copy did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Owners that the target tree could not keep.
    pub unstored_owners: Vec<UnstoredOwner>,
    /// How many files, links and directories were made or replaced.
    pub entries: u64,
}

/// What can go wrong with a copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A file operation failed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The source does not exist.
    #[error("{path} not found", path = path.display())]
    Missing {
        /// The path in the source tree.
        path: PathBuf,
    },
    /// A directory would have to replace something else.
    #[error("cannot copy to non-directory: {path}", path = path.display())]
    NotADirectory {
        /// The path in the target tree.
        path: PathBuf,
    },
    /// Something else would have to replace a directory.
    #[error("cannot replace to directory {path} with file", path = path.display())]
    DirectoryInTheWay {
        /// The path in the target tree.
        path: PathBuf,
    },
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Copies one source to one destination.
///
/// # Errors
/// See [`CopyError`]. What was copied until then stays.
pub fn copy(request: &CopyRequest<'_>) -> Result<Copied, CopyError> {
    let source = request.source_root.resolve(request.source)?;
    let missing = || CopyError::Missing {
        path: Path::new("/").join(request.source),
    };
    let metadata = request
        .source_root
        .metadata(&source, Follow::No)?
        .ok_or_else(missing)?;
    let target = prepare_target(request, metadata.kind == Kind::Directory)?;
    let mut copier = Copier {
        request,
        parents: Vec::new(),
        first_names: BTreeMap::new(),
        copied: Copied::default(),
    };
    let from = request.source_root.spot(&source)?;
    let to = request.target_root.spot(&target)?;
    if metadata.kind == Kind::Directory {
        copier.parents.push(Parent::Made);
        // The destination itself keeps mode and owner; only its time becomes the source's, as in the reference.
        copier.directory_content(&from, &to.path, Path::new(""))?;
        to.set_modified(metadata.modified)
            .during("set the time of", &to.path)?;
    } else {
        copier.leaf(&from, &metadata, &to)?;
    }
    Ok(copier.copied)
}

/// Returns the real path of the destination, after making the directories that lead to it.
fn prepare_target(request: &CopyRequest<'_>, source_is_directory: bool) -> Result<PathBuf, CopyError> {
    let root = request.target_root;
    let new = NewDirectories {
        mode: request.chmod.map_or(0o755, Chmod::of_new_directories),
        owner: request.owners.of_new_directories(),
        time: None,
    };
    let written = request.target.as_os_str().as_encoded_bytes();
    let into = written.ends_with(b"/") || written.ends_with(b"/.") || written == b".";
    if into {
        root.make_dirs(request.target, new)?;
    }
    let mut target = root.resolve(request.target)?;
    let is_directory = root
        .metadata(&target, Follow::No)?
        .map(|found| found.kind == Kind::Directory);
    if source_is_directory {
        if is_directory == Some(false) {
            return Err(CopyError::NotADirectory {
                path: Path::new("/").join(target),
            });
        }
        root.make_dirs(&target, new)?;
        return Ok(target);
    }
    if is_directory == Some(true) {
        target.push(request.source.file_name().unwrap_or_default());
    }
    if let Some(parent) = target.parent() {
        root.make_dirs(parent, new)?;
    }
    Ok(target)
}

/// A source directory on the way down, and its counterpart.
enum Parent {
    Made,
    Awaited {
        source: Spot,
        metadata: Metadata,
        target: PathBuf,
    },
}

struct Copier<'a> {
    request: &'a CopyRequest<'a>,
    parents: Vec<Parent>,
    /// The first copy of each source file that has several names, by device and inode.
    first_names: BTreeMap<(u64, u64), Spot>,
    copied: Copied,
}

impl Copier<'_> {
    fn directory_content(&mut self, source: &Spot, target: &Path, relative: &Path) -> Result<(), CopyError> {
        for child in source.children().during("list", &source.path)? {
            self.request.cancel.check()?;
            let relative = relative.join(child.name());
            let Some(metadata) = self.request.source_root.metadata_at(&child)? else {
                continue;
            };
            let keep = (self.request.filter)(&relative, metadata.kind);
            if keep == Keep::Prune || (keep == Keep::Skip && metadata.kind != Kind::Directory) {
                continue;
            }
            self.child(&child, &metadata, target, &relative, keep)?;
        }
        Ok(())
    }

    fn child(
        &mut self,
        source: &Spot,
        metadata: &Metadata,
        directory: &Path,
        relative: &Path,
        keep: Keep,
    ) -> Result<(), CopyError> {
        if keep == Keep::Take {
            self.make_awaited_parents()?;
        }
        let path = directory.join(source.name());
        if metadata.kind != Kind::Directory {
            let target = self.request.target_root.spot(&path)?;
            return self.leaf(source, metadata, &target);
        }
        let parent = if keep == Keep::Take {
            let target = self.request.target_root.spot(&path)?;
            self.directory(source, metadata, &target)?;
            Parent::Made
        } else {
            Parent::Awaited {
                source: source.clone(),
                metadata: *metadata,
                target: path.clone(),
            }
        };
        self.parents.push(parent);
        self.directory_content(source, &path, relative)?;
        if matches!(self.parents.pop(), Some(Parent::Made)) {
            let target = self.request.target_root.spot(&path)?;
            target
                .set_modified(metadata.modified)
                .during("set the time of", &path)?;
        }
        Ok(())
    }

    fn make_awaited_parents(&mut self) -> Result<(), CopyError> {
        for index in 0..self.parents.len() {
            let Parent::Awaited {
                source,
                metadata,
                target,
            } = std::mem::replace(&mut self.parents[index], Parent::Made)
            else {
                continue;
            };
            let target = self.request.target_root.spot(&target)?;
            self.directory(&source, &metadata, &target)?;
        }
        Ok(())
    }

    fn directory(&mut self, source: &Spot, metadata: &Metadata, target: &Spot) -> Result<(), CopyError> {
        match target.stat().during("look up", &target.path)? {
            None => target
                .make_directory()
                .during("make the directory", &target.path)?,
            Some(stat) if Kind::of(&stat) == Kind::Directory => {}
            Some(_) => {
                return Err(CopyError::NotADirectory {
                    path: Path::new("/").join(&target.path),
                });
            }
        }
        self.finish(source, metadata, target)
    }

    /// Copies what is no directory.
    fn leaf(&mut self, source: &Spot, metadata: &Metadata, target: &Spot) -> Result<(), CopyError> {
        match target.stat().during("look up", &target.path)? {
            None => {}
            Some(stat) if Kind::of(&stat) == Kind::Directory => {
                return Err(CopyError::DirectoryInTheWay {
                    path: Path::new("/").join(&target.path),
                });
            }
            Some(_) => target.remove_file().during("replace", &target.path)?,
        }
        if metadata.kind == Kind::File && metadata.links > 1 {
            let identity = (metadata.device, metadata.inode);
            if let Some(first) = self.first_names.get(&identity) {
                target.make_hard_link(first).during("link", &target.path)?;
                self.copied.entries += 1;
                return Ok(());
            }
            self.first_names.insert(identity, target.clone());
        }
        Self::make_leaf(source, metadata.kind, target).during("copy", &source.path)?;
        self.finish(source, metadata, target)
    }

    fn make_leaf(source: &Spot, kind: Kind, target: &Spot) -> io::Result<()> {
        match kind {
            Kind::File => copy_content(&open_regular(source)?, &target.create_file()?),
            Kind::Symlink => target.make_link(&source.read_link()?),
            // A socket means nothing without its process: the reference leaves an empty file in its place.
            Kind::Socket => target.create_file().map(|_| ()),
            _ => make_node(target, kind),
        }
    }

    /// Gives a copy its owner, permission bits, attributes and time.
    ///
    /// The order matters: changing the owner clears set-id bits and file capabilities (chown(2)).
    fn finish(&mut self, source: &Spot, metadata: &Metadata, target: &Spot) -> Result<(), CopyError> {
        let request = self.request;
        let owner = request.owners.of(metadata.owner);
        let unstored = set_owner(target, metadata.kind, owner, request.target_root.owner_style())
            .during("set the owner of", &target.path)?;
        self.copied.unstored_owners.extend(unstored);
        self.copied.entries += 1;
        let finish = || {
            if metadata.kind != Kind::Symlink {
                let is_directory = metadata.kind == Kind::Directory;
                target.chmod(
                    request
                        .chmod
                        .map_or(metadata.mode, |it| it.apply(metadata.mode, is_directory)),
                )?;
                for (name, value) in attributes(source, is_copied)? {
                    set_attribute(target, &name, &value)?;
                }
            }
            target.set_modified(metadata.modified)
        };
        Ok(finish().during("set the metadata of", &target.path)?)
    }
}
