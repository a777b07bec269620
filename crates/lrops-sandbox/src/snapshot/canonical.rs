//! What a tree changes in its parent, in one form whichever way the tree is kept.
//!
//! The rules: a file that was written or touched is present, whatever became of its content; a directory is present
//! when its mode, owner or attributes differ or anything below it changed, but not for its times; a removed path is
//! listed once, without what was below it; and every change has its directories before it.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lrops_model::change::{Change, ChangeKind, Owner};

use super::SnapshotError;
use super::copy::Baseline;
use super::place::RecordedOwner;
use super::tree;

/// Returns the changes that an overlay's upper directory makes to the tree below it.
pub(crate) fn overlay_changes(upper: &Path, lower: Option<&Path>) -> Result<Vec<Change>, SnapshotError> {
    let mut walk = OverlayWalk {
        upper,
        lower,
        changes: Vec::new(),
    };
    walk.directory(
        Path::new(""),
        if lower.is_some() {
            Below::Seen
        } else {
            Below::Nothing
        },
    )?;
    Ok(sorted(walk.changes))
}

/// Returns the changes of a whole tree against the whole tree that it was copied from.
pub(crate) fn copy_changes(
    tree: &Path,
    parent: Option<(&Path, &Baseline)>,
) -> Result<Vec<Change>, SnapshotError> {
    let mut walk = CopyWalk {
        tree,
        changes: Vec::new(),
    };
    walk.directory(
        Path::new(""),
        parent.map(|(path, baseline)| Original {
            path,
            baseline,
            moved: false,
        }),
    )?;
    Ok(sorted(walk.changes))
}

/// Adds the owners that the tree cannot say.
pub(crate) fn with_owners(mut changes: Vec<Change>, owners: &[RecordedOwner]) -> Vec<Change> {
    let owners: HashMap<&Path, Owner> = owners
        .iter()
        .map(|entry| (entry.path.as_path(), entry.owner))
        .collect();
    for change in &mut changes {
        if let ChangeKind::Present { owner } = &mut change.kind {
            *owner = owners.get(change.path.as_path()).copied();
        }
    }
    changes
}

fn sorted(mut changes: Vec<Change>) -> Vec<Change> {
    changes.sort_by(|a, b| a.path.as_os_str().as_bytes().cmp(b.path.as_os_str().as_bytes()));
    changes
}

fn present(path: &Path) -> Change {
    Change {
        path: path.to_owned(),
        kind: ChangeKind::Present { owner: None },
    }
}

fn removed(path: &Path) -> Change {
    Change {
        path: path.to_owned(),
        kind: ChangeKind::Removed,
    }
}

/// What a directory of the upper tree has below it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    /// A directory whose entries are seen through.
    Seen,
    /// A directory whose entries are hidden: this one, or one above it, was made anew.
    Hidden,
    /// No directory.
    Nothing,
}

struct OverlayWalk<'a> {
    upper: &'a Path,
    lower: Option<&'a Path>,
    changes: Vec<Change>,
}

impl OverlayWalk<'_> {
    fn directory(&mut self, path: &Path, below: Below) -> Result<(), SnapshotError> {
        let mut names = BTreeSet::new();
        for name in tree::names(&self.upper.join(path))? {
            let entry = path.join(&name);
            if self.entry(&entry, below)? {
                names.insert(name);
            }
        }
        if let (Below::Hidden, Some(lower)) = (below, self.lower) {
            for name in tree::names(&lower.join(path))?
                .into_iter()
                .filter(|name| !names.contains(name))
            {
                self.changes.push(removed(&path.join(name)));
            }
        }
        Ok(())
    }

    /// Takes in an entry of the upper tree, and returns whether it is a file of the tree and no marker.
    fn entry(&mut self, path: &Path, below: Below) -> Result<bool, SnapshotError> {
        let full = self.upper.join(path);
        let metadata = tree::metadata(&full)?;
        let lower = match below {
            Below::Nothing => None,
            _ => self.lower_metadata(path)?,
        };
        if tree::is_whiteout(&metadata) {
            // In a directory made anew, what is missing is found by comparing.
            if below == Below::Seen && lower.is_some() {
                self.changes.push(removed(path));
            }
            return Ok(false);
        }
        if !metadata.is_dir() {
            self.changes.push(present(path));
            return Ok(true);
        }
        let before = self.changes.len();
        let lower = lower.filter(Metadata::is_dir);
        let inside = match (&lower, below) {
            (None, _) => Below::Nothing,
            (Some(_), Below::Seen) if !tree::is_opaque(&full)? => Below::Seen,
            _ => Below::Hidden,
        };
        self.directory(path, inside)?;
        let same = match (lower, self.lower) {
            (Some(lower), Some(root)) => same_directory((&full, &metadata), (&root.join(path), &lower))?,
            _ => false,
        };
        if self.changes.len() > before || !same {
            self.changes.push(present(path));
        }
        Ok(true)
    }

    fn lower_metadata(&self, path: &Path) -> Result<Option<Metadata>, SnapshotError> {
        self.lower
            .map_or(Ok(None), |lower| tree::metadata_if_there(&lower.join(path)))
    }
}

/// The directory that a directory of the copied tree was copied from.
#[derive(Clone, Copy)]
struct Original<'a> {
    path: &'a Path,
    baseline: &'a Baseline,
    /// Whether the directory, or one above it, is another than the one that was copied: then none of its files is.
    moved: bool,
}

struct CopyWalk<'a> {
    tree: &'a Path,
    changes: Vec<Change>,
}

impl CopyWalk<'_> {
    fn directory(&mut self, path: &Path, original: Option<Original<'_>>) -> Result<(), SnapshotError> {
        let names: BTreeSet<OsString> = tree::names(&self.tree.join(path))?.into_iter().collect();
        for name in &names {
            self.entry(&path.join(name), original)?;
        }
        let Some(original) = original else { return Ok(()) };
        for name in tree::names(&original.path.join(path))?
            .into_iter()
            .filter(|name| !names.contains(name))
        {
            self.changes.push(removed(&path.join(name)));
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, original: Option<Original<'_>>) -> Result<(), SnapshotError> {
        let full = self.tree.join(path);
        let metadata = tree::metadata(&full)?;
        let source = original.map_or(Ok(None), |original| {
            tree::metadata_if_there(&original.path.join(path))
        })?;
        if !metadata.is_dir() {
            let same_kind = source.is_some_and(|source| source.mode() == metadata.mode());
            let untouched = original.is_some_and(|original| {
                same_kind && !original.moved && original.baseline.is_untouched(&metadata)
            });
            if !untouched {
                self.changes.push(present(path));
            }
            return Ok(());
        }
        let before = self.changes.len();
        let source = source.filter(Metadata::is_dir);
        let inside = original.zip(source.as_ref()).map(|(original, source)| Original {
            moved: original.moved || !original.baseline.is_copy(source, &metadata),
            ..original
        });
        self.directory(path, inside)?;
        let same = match (&source, original) {
            (Some(source), Some(original)) => {
                same_directory((&full, &metadata), (&original.path.join(path), source))?
            }
            _ => false,
        };
        if self.changes.len() > before || !same {
            self.changes.push(present(path));
        }
        Ok(())
    }
}

/// Whether two directories differ in nothing but their times and entries.
fn same_directory(one: (&Path, &Metadata), other: (&Path, &Metadata)) -> Result<bool, SnapshotError> {
    let key = |metadata: &Metadata| (metadata.mode(), metadata.uid(), metadata.gid());
    Ok(key(one.1) == key(other.1) && tree::attributes(one.0)? == tree::attributes(other.0)?)
}

/// A list of changes on disk.
pub(crate) fn to_lines(changes: &[Change]) -> Vec<u8> {
    let mut lines = Vec::new();
    for change in changes {
        let mark = if change.kind == ChangeKind::Removed {
            '-'
        } else {
            '+'
        };
        lines.extend_from_slice(
            format!("{mark}{}\n", crate::text::escape(change.path.as_os_str())).as_bytes(),
        );
    }
    lines
}

/// Reads back what [`to_lines`] wrote; a line that it did not write is `None`.
pub(crate) fn from_lines(lines: &str) -> Option<Vec<Change>> {
    let change = |line: &str| {
        let path = PathBuf::from(crate::text::unescape(line.get(1..)?)?);
        match line.as_bytes()[0] {
            b'+' => Some(present(&path)),
            b'-' => Some(removed(&path)),
            _ => None,
        }
    };
    lines.lines().map(change).collect()
}
