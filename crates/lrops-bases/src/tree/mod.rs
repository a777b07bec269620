//! The file tree of a base: metadata in memory, content in spools.
//!
//! Invariants: keys are canonical (no parent directory of an entry is a symbolic link) · `/bin`, `/sbin`, `/lib*` are
//! links into `/usr` · two entries with one place in a spool are hard links of one file.

mod pattern;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use lrops_model::change::Owner;

pub(crate) use pattern::Pattern;

use crate::unpacked::{PackageEntry, PackageEntryKind, Unpacked};

/// A file tree, sorted by path.
#[derive(Default)]
pub(crate) struct Tree {
    entries: BTreeMap<String, Entry>,
    spools: Vec<File>,
    newest: u64,
    /// Whether `/bin`, `/sbin`, `/lib*` are links into `/usr`.
    merged: bool,
}

/// What happens when a package brings a file that another one brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Overwrite {
    /// The new file takes its place.
    Takes,
    /// The old file stays.
    Yields,
    /// They exclude each other: the other package's name.
    Conflicts(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: EntryKind,
    pub(crate) mode: u32,
    pub(crate) owner: Owner,
    pub(crate) mtime: u64,
    /// Extended attributes by name.
    pub(crate) xattrs: BTreeMap<String, Vec<u8>>,
    /// The number of the package it is from; none for a fix-up.
    pub(crate) package: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum EntryKind {
    Directory,
    File(Content),
    Symlink(String),
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Spooled { spool: usize, offset: u64, len: u64 },
    Bytes(Arc<[u8]>),
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Spooled { len, .. } => *len,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

/// The directories that moved into `/usr` (merged /usr, Debian 12 and later).
const MERGED: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// More links in one path than any system follows (Linux: 40).
const LINKS_MAX: usize = 40;

impl Tree {
    /// Returns an empty tree with the links of a merged `/usr` that every architecture has.
    pub(crate) fn new() -> Self {
        let mut tree = Self {
            merged: true,
            ..Self::default()
        };
        for name in &MERGED[..3] {
            tree.insert(format!("usr/{name}"), Entry::new(EntryKind::Directory, 0o755));
            tree.insert(
                (*name).to_owned(),
                Entry::new(EntryKind::Symlink(format!("usr/{name}")), 0o777),
            );
        }
        tree
    }

    /// Returns an empty tree whose packages say themselves whether `/usr` is merged.
    pub(crate) fn unmerged() -> Self {
        Self::default()
    }

    /// Adds a package's files. `replaces` says what the first package does with the second's files.
    pub(crate) fn add_package(
        &mut self,
        number: usize,
        package: Unpacked,
        replaces: &dyn Fn(usize, usize) -> Overwrite,
    ) -> Result<(), MergeFault> {
        let spool = self.spools.len();
        self.spools.push(package.spool);
        for entry in package.entries {
            self.add_entry(number, spool, entry, replaces)?;
        }
        Ok(())
    }

    fn add_entry(
        &mut self,
        number: usize,
        spool: usize,
        entry: PackageEntry,
        replaces: &dyn Fn(usize, usize) -> Overwrite,
    ) -> Result<(), MergeFault> {
        self.newest = self.newest.max(entry.mtime);
        let path = self.canonical(&entry.path)?;
        let kind = match entry.kind {
            PackageEntryKind::Directory => EntryKind::Directory,
            PackageEntryKind::File { offset, len } => {
                EntryKind::File(Content::Spooled { spool, offset, len })
            }
            PackageEntryKind::Symlink(target) => EntryKind::Symlink(target),
            PackageEntryKind::HardLink(target) => {
                let target = self.canonical(&target)?;
                match self.entries.get(&target).map(|entry| entry.kind.clone()) {
                    Some(EntryKind::Directory) | None => return Err(MergeFault::HardLink { path, target }),
                    Some(kind) => kind,
                }
            }
        };
        if self.merged && MERGED.contains(&path.as_str()) && matches!(kind, EntryKind::Directory) {
            return Ok(());
        }
        if let Some(present) = self.entries.get(&path) {
            let kept = match (&present.kind, &kind, present.package) {
                // Made only for what is in it: the package knows better.
                (EntryKind::Directory, EntryKind::Directory, None) => self.merged,
                // As dpkg does: a directory stays, and a link to a directory stays when a package has a directory there.
                (EntryKind::Directory, ..) | (_, EntryKind::Directory, _) => true,
                (.., Some(other)) if other != number => match replaces(number, other) {
                    Overwrite::Takes => false,
                    Overwrite::Yields => true,
                    Overwrite::Conflicts(other) => return Err(MergeFault::Conflict { path, other }),
                },
                _ => false,
            };
            if kept {
                return Ok(());
            }
        }
        let entry = Entry {
            kind,
            mode: entry.mode,
            owner: entry.owner,
            mtime: entry.mtime,
            xattrs: entry.extended.xattrs,
            package: Some(number),
        };
        self.insert(path, entry);
        Ok(())
    }

    /// Returns where a path leads when its directories are seen through symbolic links; the last part stays as it is.
    pub(crate) fn canonical(&self, path: &str) -> Result<String, MergeFault> {
        let mut pending: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = pending.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(part),
            }
            if pending.is_empty() {
                break;
            }
            let here = done.join("/");
            let target = match self.entries.get(&here) {
                Some(Entry {
                    kind: EntryKind::Symlink(target),
                    ..
                }) => target.clone(),
                None if self.merged && MERGED.contains(&here.as_str()) => format!("usr/{here}"),
                _ => continue,
            };
            links += 1;
            if links > LINKS_MAX {
                return Err(MergeFault::Links {
                    path: path.to_owned(),
                });
            }
            done.pop();
            if target.starts_with('/') {
                done.clear();
            }
            pending.extend(target.split('/').rev().map(str::to_owned));
        }
        Ok(done.join("/"))
    }

    /// Puts an entry at a canonical path, with the directories above it, and below `/usr` for the merged ones.
    fn insert(&mut self, path: String, entry: Entry) {
        let mut above = path.as_str();
        while let Some((parent, _)) = above.rsplit_once('/') {
            if self.entries.contains_key(parent) {
                break;
            }
            self.entries
                .insert(parent.to_owned(), Entry::new(EntryKind::Directory, 0o755));
            above = parent;
        }
        if let Some(name) = path.strip_prefix("usr/").and_then(|rest| rest.split('/').next())
            && self.merged
            && MERGED.contains(&name)
            && !self.entries.contains_key(name)
        {
            let link = EntryKind::Symlink(format!("usr/{name}"));
            self.entries.insert(name.to_owned(), Entry::new(link, 0o777));
        }
        self.entries.insert(path, entry);
    }

    /// Puts a fix-up's entry at a path, in place of what is there.
    pub(crate) fn put(
        &mut self,
        path: &str,
        kind: EntryKind,
        mode: u32,
        owner: Owner,
    ) -> Result<(), MergeFault> {
        let path = self.canonical(path)?;
        if !matches!(kind, EntryKind::Directory) {
            self.remove_below(&path);
        }
        self.insert(
            path,
            Entry {
                owner,
                ..Entry::new(kind, mode)
            },
        );
        Ok(())
    }

    pub(crate) fn put_file(&mut self, path: &str, content: impl Into<Vec<u8>>) -> Result<(), MergeFault> {
        let content = Content::Bytes(content.into().into());
        self.put(path, EntryKind::File(content), 0o644, Owner::ROOT)
    }

    pub(crate) fn put_link(&mut self, path: &str, target: &str) -> Result<(), MergeFault> {
        self.put(path, EntryKind::Symlink(target.to_owned()), 0o777, Owner::ROOT)
    }

    /// Makes sure that there is something at the path: a directory, unless anything else is there.
    pub(crate) fn ensure_directory(&mut self, path: &str) -> Result<(), MergeFault> {
        if self.get(path).is_none() {
            self.put(path, EntryKind::Directory, 0o755, Owner::ROOT)
        } else {
            Ok(())
        }
    }

    fn remove_below(&mut self, path: &str) {
        let prefix = format!("{path}/");
        self.entries.retain(|key, _| !key.starts_with(&prefix));
    }

    /// Removes what a pattern of `exclude` matches and none of `include` does. Directories that hold something stay.
    pub(crate) fn remove_matching(&mut self, exclude: &[Pattern], include: &[Pattern]) {
        let matches = |patterns: &[Pattern], path: &str| patterns.iter().any(|pattern| pattern.matches(path));
        let stays = |path: &str| !matches(exclude, path) || matches(include, path);
        let mut kept: Vec<bool> = Vec::with_capacity(self.entries.len());
        // Backwards, so that a directory comes after all below it.
        let mut needed = std::collections::BTreeSet::new();
        for path in self.entries.keys().rev() {
            let keep = needed.contains(path.as_str()) || stays(path);
            if keep && let Some((parent, _)) = path.rsplit_once('/') {
                needed.insert(parent);
            }
            kept.push(keep);
        }
        let mut kept = kept.into_iter().rev();
        self.entries.retain(|_, _| kept.next().unwrap_or(true));
    }

    /// Returns the entry at a path.
    pub(crate) fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(&self.canonical(path).ok()?)
    }

    /// Returns the entries by path.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the time of the newest file of the packages: what fix-ups get, so that it follows from the packages.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Returns the content of the regular file at a path, following links, when it has at most `bytes_max` bytes.
    pub(crate) fn read(&self, path: &str, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            let Ok(canonical) = self.canonical(&path) else {
                return Ok(None);
            };
            match self.entries.get(&canonical).map(|entry| &entry.kind) {
                Some(EntryKind::File(content)) if content.len() <= bytes_max => {
                    let mut bytes = Vec::new();
                    self.open(content).read_to_end(&mut bytes)?;
                    return Ok(Some(bytes));
                }
                Some(EntryKind::Symlink(target)) => {
                    let parent = canonical.rsplit_once('/').map_or("", |(parent, _)| parent);
                    path = if target.starts_with('/') {
                        target.clone()
                    } else {
                        format!("{parent}/{target}")
                    };
                }
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Returns a reader over a content.
    pub(crate) fn open<'a>(&'a self, content: &'a Content) -> Box<dyn Read + 'a> {
        match content {
            Content::Spooled { spool, offset, len } => Box::new(SpoolReader {
                spool: &self.spools[*spool],
                offset: *offset,
                left: *len,
            }),
            Content::Bytes(bytes) => Box::new(&bytes[..]),
        }
    }
}

impl Entry {
    /// A fix-up's entry; a time of 0 stands for the tree's newest.
    fn new(kind: EntryKind, mode: u32) -> Self {
        Self {
            kind,
            mode,
            owner: Owner::ROOT,
            mtime: 0,
            xattrs: BTreeMap::new(),
            package: None,
        }
    }
}

struct SpoolReader<'a> {
    spool: &'a File,
    offset: u64,
    left: u64,
}

impl Read for SpoolReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if want == 0 {
            return Ok(0);
        }
        let read = self.spool.read_at(&mut buffer[..want], self.offset)?;
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the spool of a package was cut",
            ));
        }
        self.offset += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

/// Packages whose files do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeFault {
    /// A hard link's target is no file of the tree.
    #[error("the hard link /{path} leads to /{target}, which is no file")]
    HardLink {
        /// The link.
        path: String,
        /// Its target.
        target: String,
    },
    /// Two packages bring the same file, and neither replaces the other.
    #[error("the file /{path} is also in {other}, and neither package replaces the other")]
    Conflict {
        /// The file.
        path: String,
        /// The other package.
        other: String,
    },
    /// Symbolic links lead in a circle.
    #[error("the path /{path} leads through too many symbolic links")]
    Links {
        /// The path.
        path: String,
    },
}

#[cfg(test)]
mod tests;
