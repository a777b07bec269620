//! The files of the checkout, read once for all checks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;

/// Every file that git tracks or would track, by its path below the root.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// `None` for a file that is not UTF-8 text.
    files: BTreeMap<String, Option<String>>,
}

/// A package of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Where it lies, without a slash at the end.
    pub(crate) folder: String,
    pub(crate) manifest: toml::Table,
}

impl Tree {
    /// Reads the checkout at `root`.
    pub(crate) fn read(root: &Path) -> Result<Self, Failure> {
        // The checkout may belong to another user than the one who runs the checks, as in a container.
        let listed = Command::new("git")
            .args([
                "-c",
                "safe.directory=*",
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(root)
            .output()
            .map_err(|cause| Failure::new(format!("git did not start: {cause}")))?;
        if !listed.status.success() {
            let cause = String::from_utf8_lossy(&listed.stderr);
            return Err(Failure::new(format!(
                "git cannot list the files of {}: {cause}",
                root.display()
            )));
        }
        let mut files = BTreeMap::new();
        for path in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
            let place = root.join(path);
            // A tracked file may have been removed since, and a link may point to anywhere.
            if fs::symlink_metadata(&place).is_ok_and(|metadata| metadata.is_file()) {
                let bytes = fs::read(&place)
                    .map_err(|cause| Failure::new(format!("failed to read {path}: {cause}")))?;
                files.insert(path.to_owned(), String::from_utf8(bytes).ok());
            }
        }
        Ok(Self { files })
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned())));
        Self {
            files: files.collect(),
        }
    }

    /// Returns every path, in order.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Returns every text file with its path, in order.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Returns the text files whose path ends so.
    pub(crate) fn texts_with_ending(&self, ending: &'static str) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(move |(path, _)| path.ends_with(ending))
    }

    /// Returns the text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Tells whether there is a file at this path, or a folder with files.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        folder == "/" || self.files.contains_key(path) || self.paths().any(|file| file.starts_with(&folder))
    }

    /// Returns every package of the workspace; one whose manifest is not TOML has cargo's attention already.
    pub(crate) fn packages(&self) -> Vec<Package> {
        self.texts_with_ending("/Cargo.toml")
            .filter_map(|(path, text)| {
                let manifest: toml::Table = text.parse().ok()?;
                let name = manifest.get("package")?.get("name")?.as_str()?.to_owned();
                Some(Package {
                    name,
                    folder: path.trim_end_matches("/Cargo.toml").to_owned(),
                    manifest,
                })
            })
            .collect()
    }
}
