//! The file system that an image's layers give, as names and kinds only.
//!
//! Layers are applied as an engine applies them: entry after entry, through the symbolic links that are there, and
//! whiteouts remove what lower layers have, never what their own layer brings.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::elf::ElfFile;
use super::scan::{Change, Entry};

/// How many symbolic links may lie on one path, as on Linux.
const LINKS_MAX: usize = 40;

/// The number of a node in its file system.
type Id = usize;

const ROOT: Id = 0;

/// A file system in memory.
///
/// The nodes lie in one list and name each other by number: links in layers can make paths of any depth, and nothing
/// here recurses. Nodes that lost their name stay in the list.
pub(super) struct FileSystem {
    nodes: Vec<Node>,
    layer: usize,
}

struct Node {
    kind: Kind,
    /// The last layer that put this node or something in it here.
    layer: usize,
}

enum Kind {
    Directory(BTreeMap<OsString, Id>),
    File(Option<Arc<ElfFile>>),
    Symlink(Box<[u8]>),
    Special,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An ELF file that can be a program of its platform.
    Elf,
    /// Something else.
    Other,
    Nothing,
}

/// A place for a node: a directory and a name in it.
struct Spot {
    /// The directories from the root on, the place's own last.
    directories: Vec<Id>,
    name: OsString,
}

impl FileSystem {
    pub(super) fn new() -> Self {
        let root = Node {
            kind: Kind::Directory(BTreeMap::new()),
            layer: 0,
        };
        Self {
            nodes: vec![root],
            layer: 0,
        }
    }

    /// Applies one more layer.
    ///
    /// # Errors
    /// What an engine would stumble over. The rest of the layer is applied all the same.
    pub(super) fn apply(&mut self, entries: &[Entry]) -> Result<(), String> {
        self.layer += 1;
        let mut result = Ok(());
        for entry in entries {
            let applied = self.apply_entry(entry);
            result = result.and(applied);
        }
        result
    }

    fn apply_entry(&mut self, entry: &Entry) -> Result<(), String> {
        let kind = match &entry.change {
            Change::Whiteout => return self.remove(&entry.path),
            Change::Opaque => return self.empty(&entry.path),
            Change::HardLink(target) => return self.link(&entry.path, target),
            Change::Directory => Kind::Directory(BTreeMap::new()),
            Change::File(elf) => Kind::File(elf.clone()),
            Change::Symlink(target) => Kind::Symlink(target.clone()),
            Change::Special => Kind::Special,
        };
        let Some(spot) = self.spot(&entry.path, true)? else {
            return Ok(());
        };
        let existing = self.child(&spot);
        let keeps = matches!(kind, Kind::Directory(_))
            && existing.is_some_and(|id| matches!(self.nodes[id].kind, Kind::Directory(_)));
        match existing {
            Some(id) if keeps => self.touch(&spot, id),
            _ => {
                let id = self.add(kind);
                self.put(&spot, id);
            }
        }
        Ok(())
    }

    fn link(&mut self, path: &Path, target: &Path) -> Result<(), String> {
        let missing = || {
            let (path, target) = (path.display(), target.display());
            format!("/{path} is a link to /{target}, which does not exist")
        };
        let from = self.spot(target, false)?.ok_or_else(missing)?;
        let id = self.child(&from).ok_or_else(missing)?;
        // A node of its own, because whiteouts ask which layer brought a name. The content is shared all the same.
        let kind = match &self.nodes[id].kind {
            Kind::Directory(_) => {
                return Err(format!("/{} is a hard link to a directory", path.display()));
            }
            Kind::File(elf) => Kind::File(elf.clone()),
            Kind::Symlink(target) => Kind::Symlink(target.clone()),
            Kind::Special => Kind::Special,
        };
        if let Some(spot) = self.spot(path, true)? {
            let id = self.add(kind);
            self.put(&spot, id);
        }
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> Result<(), String> {
        let Some(spot) = self.spot(path, false)? else {
            return Ok(());
        };
        match self.child(&spot) {
            // This layer brings something at or below the path; only what is older goes.
            Some(id) if self.nodes[id].layer == self.layer => self.remove_older(id),
            Some(_) => {
                self.directory(spot.parent()).remove(&spot.name);
            }
            None => {}
        }
        Ok(())
    }

    fn empty(&mut self, path: &Path) -> Result<(), String> {
        let id = match self.spot(path, false)? {
            Some(spot) => self.child(&spot),
            None => path.as_os_str().is_empty().then_some(ROOT),
        };
        if let Some(id) = id {
            self.remove_older(id);
        }
        Ok(())
    }

    /// Removes everything below a directory that the present layer did not bring.
    fn remove_older(&mut self, directory: Id) {
        let mut pending = vec![directory];
        while let Some(id) = pending.pop() {
            let Kind::Directory(mut children) = std::mem::replace(&mut self.nodes[id].kind, Kind::Special)
            else {
                continue;
            };
            children.retain(|_, child| self.nodes[*child].layer == self.layer);
            for child in children.values() {
                if matches!(self.nodes[*child].kind, Kind::Directory(_)) {
                    pending.push(*child);
                }
            }
            self.nodes[id].kind = Kind::Directory(children);
        }
    }

    fn add(&mut self, kind: Kind) -> Id {
        self.nodes.push(Node {
            kind,
            layer: self.layer,
        });
        self.nodes.len() - 1
    }

    fn put(&mut self, spot: &Spot, id: Id) {
        self.directory(spot.parent()).insert(spot.name.clone(), id);
        self.touch(spot, id);
    }

    /// Notes that the present layer brought a node, and that the directories above it hold something of this layer.
    fn touch(&mut self, spot: &Spot, id: Id) {
        self.nodes[id].layer = self.layer;
        for directory in &spot.directories {
            self.nodes[*directory].layer = self.layer;
        }
    }

    fn directory(&mut self, id: Id) -> &mut BTreeMap<OsString, Id> {
        match &mut self.nodes[id].kind {
            Kind::Directory(children) => children,
            Kind::File(_) | Kind::Symlink(_) | Kind::Special => {
                unreachable!("a spot's parent is a directory")
            }
        }
    }

    fn child(&self, spot: &Spot) -> Option<Id> {
        self.lookup(spot.parent(), &spot.name)
    }

    fn lookup(&self, directory: Id, name: &OsStr) -> Option<Id> {
        match &self.nodes[directory].kind {
            Kind::Directory(children) => children.get(name).copied(),
            Kind::File(_) | Kind::Symlink(_) | Kind::Special => None,
        }
    }

    /// Finds the place that a path names, through symbolic links, its last part excepted. Makes directories on the way
    /// if asked to, else gives `None` where one is missing; also for the root, which has no name.
    fn spot(&mut self, path: &Path, make: bool) -> Result<Option<Spot>, String> {
        let Some(name) = path.file_name() else {
            return Ok(None);
        };
        let parent = path.parent().unwrap_or(Path::new(""));
        let directories = self.walk(parent, make)?;
        Ok(directories.map(|directories| Spot {
            directories,
            name: name.to_owned(),
        }))
    }

    /// Follows a path to a directory, and returns all directories from the root to it.
    fn walk(&mut self, path: &Path, make: bool) -> Result<Option<Vec<Id>>, String> {
        let mut left = parts(path.as_os_str().as_bytes());
        let mut directories = vec![ROOT];
        let mut links = 0;
        while let Some(part) = left.pop_front() {
            if part == ".." {
                if directories.len() > 1 {
                    directories.pop();
                }
                continue;
            }
            let present = directories[directories.len() - 1];
            let Some(child) = self.lookup(present, &part) else {
                if !make {
                    return Ok(None);
                }
                let id = self.add(Kind::Directory(BTreeMap::new()));
                self.directory(present).insert(part, id);
                directories.push(id);
                continue;
            };
            match &self.nodes[child].kind {
                Kind::Directory(_) => directories.push(child),
                Kind::Symlink(target) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(format!("the links in /{} do not come to an end", path.display()));
                    }
                    if target.first() == Some(&b'/') {
                        directories.truncate(1);
                    }
                    let mut follow = parts(target);
                    follow.append(&mut left);
                    left = follow;
                }
                Kind::File(_) | Kind::Special if make => {
                    return Err(format!(
                        "something lies below /{}, which is no directory",
                        path.display()
                    ));
                }
                Kind::File(_) | Kind::Special => return Ok(None),
            }
        }
        Ok(Some(directories))
    }

    /// Finds what a path leads to through all symbolic links.
    pub(super) fn find(&mut self, path: &Path) -> Found {
        let mut path = path.to_path_buf();
        for _ in 0..=LINKS_MAX {
            let Ok(Some(spot)) = self.spot(&path, false) else {
                return Found::Nothing;
            };
            let Some(id) = self.child(&spot) else {
                return Found::Nothing;
            };
            match &self.nodes[id].kind {
                Kind::File(Some(_)) => return Found::Elf,
                Kind::File(None) | Kind::Directory(_) | Kind::Special => return Found::Other,
                Kind::Symlink(target) => {
                    // An absolute target replaces the directory it is joined to.
                    path = path
                        .parent()
                        .unwrap_or(Path::new("/"))
                        .join(OsStr::from_bytes(target));
                }
            }
        }
        Found::Nothing
    }

    /// Returns all ELF files, sorted by path; one with several names is listed under its first.
    pub(super) fn elf_files(&self) -> Vec<(PathBuf, Arc<ElfFile>)> {
        let mut files = BTreeMap::new();
        let mut pending = vec![(PathBuf::new(), ROOT)];
        while let Some((path, id)) = pending.pop() {
            match &self.nodes[id].kind {
                Kind::Directory(children) => {
                    pending.extend(children.iter().map(|(name, child)| (path.join(name), *child)));
                }
                Kind::File(Some(elf)) => {
                    let first = files
                        .entry(Arc::as_ptr(elf))
                        .or_insert_with(|| (path.clone(), elf.clone()));
                    if path < first.0 {
                        first.0 = path;
                    }
                }
                Kind::File(None) | Kind::Symlink(_) | Kind::Special => {}
            }
        }
        let mut files: Vec<_> = files.into_values().collect();
        files.sort_by(|one, other| one.0.cmp(&other.0));
        files
    }
}

impl Spot {
    fn parent(&self) -> Id {
        self.directories[self.directories.len() - 1]
    }
}

/// Returns the names in a path that mean something.
fn parts(path: &[u8]) -> VecDeque<OsString> {
    path.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(|part| OsStr::from_bytes(part).to_owned())
        .collect()
}
