//! Reads a project's names, and the texts that say what it is.

use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::init::{Files, is_left_out, is_read};

/// How many files are looked at. A project has some thousands; a whole disk is a mistake.
const FILES_MAX: usize = 200_000;

/// How deep directories are looked into.
const DEPTH_MAX: usize = 24;

/// The longest text that is read, in bytes. Lock files are the longest; the largest known have a few MiB.
const TEXT_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Reads a project.
///
/// # Errors
/// When its directory cannot be read, or holds too much.
pub(super) fn gather(directory: &Path) -> Result<Files, Failure> {
    let mut gathering = Gathering {
        files: Files::default(),
        left: FILES_MAX,
    };
    gathering.directory(directory, "", 0)?;
    Ok(gathering.files)
}

struct Gathering {
    files: Files,
    left: usize,
}

impl Gathering {
    fn directory(&mut self, path: &Path, within: &str, depth: usize) -> Result<(), Failure> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            // A directory of another user's, such as a database's, is no source of the project.
            Err(_) if depth > 0 => return Ok(()),
            Err(source) => {
                return Err(Failure::work(
                    format!("failed to read {}", path.display()),
                    source,
                ));
            }
        };
        for entry in entries {
            let entry = entry
                .map_err(|source| Failure::work(format!("failed to read {}", path.display()), source))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            self.left = self.left.checked_sub(1).ok_or_else(|| {
                Failure::usage_advised(
                    format!("{} holds more than {FILES_MAX} files", path.display()),
                    "name the project's own directory",
                )
            })?;
            let place = format!("{within}{name}");
            // A link to a file is one; links to directories may lead round in circles.
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_directory && depth < DEPTH_MAX && !is_left_out(&name) {
                self.directory(&entry.path(), &format!("{place}/"), depth + 1)?;
            } else if !is_directory {
                self.file(&entry.path(), &name, place)?;
            } else if name == "vendor" && entry.path().join("modules.txt").is_file() {
                self.files.insert(format!("{place}/modules.txt"), None);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, name: &str, place: String) -> Result<(), Failure> {
        let Some(metadata) = fs::metadata(path).ok().filter(fs::Metadata::is_file) else {
            return Ok(());
        };
        let text = if is_read(name) && metadata.len() <= TEXT_BYTES_MAX {
            let bytes = fs::read(path);
            let bytes = bytes
                .map_err(|source| Failure::work(format!("failed to read {}", path.display()), source))?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        } else {
            None
        };
        self.files.insert(place, text);
        Ok(())
    }
}
