//! The directories that a build may read, seen through their ignore files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lrops_dockerfile::patterns::{DirectoryMatch, PathPatterns, Wildcard};
use lrops_model::digest::Digest;
use lrops_model::engine::{BuildError, StepFailure};
use lrops_model::request::DirectoryContext;
use lrops_model::timestamp::Timestamp;
use lrops_store::tree::{Follow, Keep, Kind, OwnerStyle, RootDir, StatCache};

use crate::step::internal;

/// A file tree that files are taken from: a context, or another stage.
pub(crate) struct SourceTree<'a> {
    /// The tree.
    pub(crate) root: &'a RootDir,
    /// What of it does not exist as far as the build is concerned.
    pub(crate) ignore: &'a PathPatterns,
    /// What is known of its files from earlier builds.
    pub(crate) stat_cache: Option<&'a StatCache>,
}

impl SourceTree<'_> {
    /// Returns the paths that a `COPY` source means, sorted. A source without wildcards is returned as it is, whether
    /// it exists or not.
    ///
    /// Wildcards match as Go's `filepath.Match` does, one component at a time.
    pub(crate) fn matches(&self, pattern: &str) -> Result<Vec<PathBuf>, StepFailure> {
        let cleaned = clean_source(pattern);
        if !Wildcard::is_needed(&cleaned) {
            return Ok(vec![PathBuf::from(cleaned)]);
        }
        let mut found = vec![PathBuf::new()];
        for component in cleaned.split('/').filter(|component| !component.is_empty()) {
            found = self.step_down(&found, component)?;
        }
        found.retain(|path| !self.is_ignored(path));
        Ok(found)
    }

    fn step_down(&self, directories: &[PathBuf], component: &str) -> Result<Vec<PathBuf>, StepFailure> {
        if !Wildcard::is_needed(component) {
            return Ok(directories
                .iter()
                .map(|directory| directory.join(component))
                .collect());
        }
        let wildcard = Wildcard::parse(component).map_err(|error| StepFailure::User {
            message: format!("the source pattern {component:?}: {error}"),
        })?;
        let mut found = Vec::new();
        for directory in directories {
            let metadata = self.root.metadata(directory, Follow::Yes);
            let is_directory =
                metadata.is_ok_and(|metadata| metadata.is_some_and(|m| m.kind == Kind::Directory));
            if !is_directory {
                continue;
            }
            let names = self
                .root
                .list(directory)
                .map_err(|error| internal("failed to list a source directory", error))?;
            let names = names
                .into_iter()
                .filter(|name| wildcard.matches(name.as_encoded_bytes()));
            found.extend(names.map(|name| directory.join(name)));
        }
        Ok(found)
    }

    /// Returns whether a path exists and the ignore file leaves it, or something below it, in.
    pub(crate) fn has(&self, path: &Path) -> Result<bool, StepFailure> {
        let metadata = self.root.metadata(path, Follow::Yes);
        let metadata = metadata.map_err(|error| internal("failed to look up a source", error))?;
        Ok(metadata.is_some() && !self.is_ignored(path))
    }

    /// Returns whether the ignore file leaves a path out, with all that is below it.
    fn is_ignored(&self, path: &Path) -> bool {
        if self.ignore.is_empty() || path.as_os_str().is_empty() {
            return false;
        }
        let state = walk_to(self.ignore, path);
        state.is_matched() && !self.has_exception_below(path, &state)
    }

    /// Returns whether a directory that is left out is there nevertheless, because something below it is left in.
    fn has_exception_below(&self, path: &Path, state: &DirectoryMatch) -> bool {
        let metadata = self.root.metadata(path, Follow::Yes);
        let is_directory = matches!(metadata, Ok(Some(metadata)) if metadata.kind == Kind::Directory);
        if !is_directory || prunes(self.ignore, state, path) {
            return false;
        }
        self.root.list(path).unwrap_or_default().into_iter().any(|name| {
            let below = path.join(name);
            let state = self.ignore.enter(state, below.as_os_str().as_encoded_bytes());
            !state.is_matched() || self.has_exception_below(&below, &state)
        })
    }

    /// Says of a path below `source` whether it is taken: the ignore file speaks of paths in the tree, the exclusions
    /// of paths as they are copied.
    pub(crate) fn keep(&self, source: &Path, exclude: &PathPatterns, below: &Path, kind: Kind) -> Keep {
        let name = source.file_name().map(PathBuf::from).unwrap_or_default();
        let excluded_path = if below.as_os_str().is_empty() {
            name.as_path()
        } else {
            below
        };
        let by_ignore = verdict(self.ignore, &source.join(below), kind);
        let whole_directory = below.as_os_str().is_empty() && kind == Kind::Directory;
        let by_exclude = if whole_directory {
            Keep::Take
        } else {
            verdict(exclude, excluded_path, kind)
        };
        match (by_ignore, by_exclude) {
            (Keep::Prune, _) | (_, Keep::Prune) => Keep::Prune,
            (Keep::Skip, _) | (_, Keep::Skip) => Keep::Skip,
            (Keep::Take, Keep::Take) => Keep::Take,
        }
    }
}

fn verdict(patterns: &PathPatterns, path: &Path, kind: Kind) -> Keep {
    if patterns.is_empty() || path.as_os_str().is_empty() {
        return Keep::Take;
    }
    let state = walk_to(patterns, path);
    match (state.is_matched(), kind) {
        (false, _) => Keep::Take,
        (true, Kind::Directory) if !prunes(patterns, &state, path) => Keep::Skip,
        (true, _) => Keep::Prune,
    }
}

fn prunes(patterns: &PathPatterns, state: &DirectoryMatch, path: &Path) -> bool {
    state.is_matched() && patterns.covers_all_below(state, path.as_os_str().as_encoded_bytes())
}

/// Follows a path from the root, directory by directory, as a walk would.
fn walk_to(patterns: &PathPatterns, path: &Path) -> DirectoryMatch {
    let mut state = DirectoryMatch::root();
    let mut walked = PathBuf::new();
    for component in path {
        walked.push(component);
        state = patterns.enter(&state, walked.as_os_str().as_encoded_bytes());
    }
    state
}

/// Returns a source pattern relative to the root: `/a/../b/` and `./b` are `b`.
fn clean_source(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The contexts of a build by name.
pub(crate) struct Contexts {
    open: BTreeMap<String, OpenContext>,
}

struct OpenContext {
    root: RootDir,
    ignore: PathPatterns,
    stat_cache: StatCache,
    stat_cache_path: PathBuf,
}

impl Contexts {
    /// Opens the directories. `caches` is where their stat caches are kept.
    pub(crate) fn open(
        directories: &BTreeMap<String, DirectoryContext>,
        caches: &Path,
        now: Timestamp,
    ) -> Result<Self, BuildError> {
        let mut open = BTreeMap::new();
        for (name, directory) in directories {
            let path = &directory.path;
            let root = RootDir::open(path, OwnerStyle::Native).map_err(|error| BuildError::Request {
                message: format!(
                    "the context {name:?} cannot be opened: {}",
                    crate::step::chain(&error)
                ),
            })?;
            let ignore = PathPatterns::new(&directory.ignore).map_err(|error| BuildError::Request {
                message: format!(
                    "the ignore file of the context {name:?} ({}): {error}",
                    path.display()
                ),
            })?;
            let file = format!("{}.stat", Digest::of(path.as_os_str().as_encoded_bytes()).hex());
            let stat_cache_path = caches.join(file);
            let stat_cache = StatCache::load(&stat_cache_path, now);
            open.insert(
                name.clone(),
                OpenContext {
                    root,
                    ignore,
                    stat_cache,
                    stat_cache_path,
                },
            );
        }
        Ok(Self { open })
    }

    /// Returns a context of the graph.
    pub(crate) fn tree(&self, name: &str) -> SourceTree<'_> {
        let context = &self.open[name];
        SourceTree {
            root: &context.root,
            ignore: &context.ignore,
            stat_cache: Some(&context.stat_cache),
        }
    }

    /// Keeps what was learned of the files. A cache that cannot be written only costs time.
    pub(crate) fn save(&self) {
        for context in self.open.values() {
            if let Some(directory) = context.stat_cache_path.parent() {
                let _ = std::fs::create_dir_all(directory);
            }
            let _ = context.stat_cache.save(&context.stat_cache_path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_there_as_long_as_something_in_it_is() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("folder")).unwrap();
        std::fs::write(directory.path().join("folder/file1"), "").unwrap();
        let root = RootDir::open(directory.path(), OwnerStyle::Native).unwrap();
        let has = |exception: &str| {
            let ignore = PathPatterns::new(["**", exception]).unwrap();
            let tree = SourceTree {
                root: &root,
                ignore: &ignore,
                stat_cache: None,
            };
            tree.has(Path::new("folder")).unwrap()
        };
        assert!(!has("!folder/file"));
        assert!(has("!folder/file1"));
        assert!(has("!folder"));
    }

    #[test]
    fn sources_are_relative_to_the_root() {
        for (pattern, cleaned) in [
            ("/a/../b/", "b"),
            ("./b", "b"),
            ("/", ""),
            (".", ""),
            ("../../x", "x"),
        ] {
            assert_eq!(clean_source(pattern), cleaned, "{pattern}");
        }
    }
}
