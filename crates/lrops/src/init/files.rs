//! The names of a project's files, and the texts of those that say what it is.

use std::collections::BTreeMap;

/// Directories that hold no sources of the project's own.
const LEFT_OUT: [&str; 6] = [
    "node_modules",
    "vendor",
    "target",
    "testdata",
    "__pycache__",
    "third_party",
];

/// Files whose texts are read, whatever they end with.
const READ: [&str; 14] = [
    "go.mod",
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "rust-toolchain",
    ".nvmrc",
    ".node-version",
    "svelte.config.js",
    "lrops.toml",
];

/// A project's files by their paths from its directory, which are written with `/`; with the texts of those that matter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files(BTreeMap<String, Option<String>>);

impl Files {
    /// Adds a file, with its text if that was read.
    pub(crate) fn insert(&mut self, path: impl Into<String>, text: Option<String>) {
        self.0.insert(path.into(), text);
    }

    /// Returns whether a file is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// Returns a file's text.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path)?.as_deref()
    }

    /// Returns the paths in order.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the texts of all files with an ending, below a directory.
    pub(super) fn texts<'a>(
        &'a self,
        directory: &'a str,
        ending: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let texts = self
            .0
            .iter()
            .filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)));
        texts.filter(move |(path, _)| path.ends_with(ending) && below(path, directory).is_some())
    }

    /// Returns the directories that have a file of this name: the root first, then those beside each other, then deeper ones.
    pub(super) fn directories_with(&self, name: &str) -> Vec<&str> {
        let mut directories: Vec<&str> = self
            .paths()
            .filter(|path| name_of(path) == name)
            .map(directory_of)
            .collect();
        directories.sort_by_key(|directory| (depth(directory), *directory));
        directories
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Files {
    fn from(files: [(&str, &str); N]) -> Self {
        let files = files.map(|(path, text)| (path.to_owned(), Some(text.to_owned())));
        Self(files.into())
    }
}

/// Returns whether a directory of this name is not looked into.
pub(crate) fn is_left_out(name: &str) -> bool {
    name.starts_with('.') || LEFT_OUT.contains(&name)
}

/// Returns whether the text of a file of this name matters.
pub(crate) fn is_read(name: &str) -> bool {
    READ.contains(&name)
        || [".go", ".rs"].iter().any(|ending| name.ends_with(ending))
        || name.starts_with("vite.config.")
        || name.starts_with("next.config.")
}

/// Returns the last part of a path.
pub(super) fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Returns a path's directory; that of the project itself is empty.
pub(super) fn directory_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// Returns how many directories a directory is below the project's.
pub(super) fn depth(directory: &str) -> usize {
    directory.split('/').filter(|part| !part.is_empty()).count()
}

/// Returns a path as it is seen from a directory, if it is below it.
pub(super) fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    if directory.is_empty() {
        return Some(path);
    }
    path.strip_prefix(directory)?.strip_prefix('/')
}

/// Returns a path that was written in a directory as seen from the project's, without `.` and `..`; none when it leads
/// out of the project.
pub(super) fn joined(directory: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
