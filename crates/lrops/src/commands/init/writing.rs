//! Writes several new files: all of them or none, each complete, and none over another one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::failure::Failure;
use crate::init::Document;

/// Writes documents into a directory that has none of them.
///
/// # Errors
/// When one cannot be written, or came into being meanwhile. Then none is there that was not before.
pub(super) fn write_all(directory: &Path, documents: &[Document]) -> Result<(), Failure> {
    let mut written = Vec::new();
    for document in documents {
        let path = directory.join(document.name);
        let complete = written_beside(&path, &document.text).map_err(|source| failed(&path, source))?;
        written.push((complete, path));
    }
    // Whatever happens between here and the end is undone by those that are in this list.
    let mut placed = Vec::new();
    for (mut complete, path) in written {
        placed_at(&complete.0, &path).map_err(|source| failed(&path, source))?;
        complete.0 = path;
        placed.push(complete);
    }
    for complete in placed {
        complete.keep();
    }
    Ok(())
}

fn failed(path: &Path, source: io::Error) -> Failure {
    Failure::work_advised(
        format!("failed to write {}", path.display()),
        source,
        Some("nothing was written".to_owned()),
    )
}

/// A file that goes away unless it is kept.
struct Temporary(PathBuf);

impl Temporary {
    fn keep(mut self) {
        self.0 = PathBuf::new();
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.0 != Path::new("") {
            // It is not there when making it failed.
            let _ = fs::remove_file(&self.0);
        }
    }
}

/// Writes a text to a new file beside the one that it is for.
fn written_beside(path: &Path, text: &str) -> io::Result<Temporary> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let mut file = fs::File::create_new(&beside)?;
    let temporary = Temporary(beside);
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(temporary)
}

/// Gives a file its name, unless there is one of that name.
fn placed_at(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Network file systems cannot rename so; a second name is refused just the same where there is a first.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(name: &'static str) -> Document {
        Document {
            name,
            text: name.to_owned(),
        }
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn all_are_written_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        write_all(directory.path(), &[document("a"), document("b")]).unwrap();
        assert_eq!(names(directory.path()), ["a", "b"]);
        assert_eq!(fs::read_to_string(directory.path().join("b")).unwrap(), "b");
    }

    #[test]
    fn none_is_written_when_one_came_into_being_meanwhile() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("b"), "before").unwrap();
        let failure =
            write_all(directory.path(), &[document("a"), document("b"), document("c")]).unwrap_err();
        assert!(failure.to_string().contains("failed to write"), "{failure}");
        assert_eq!(names(directory.path()), ["b"]);
        assert_eq!(fs::read_to_string(directory.path().join("b")).unwrap(), "before");
    }

    #[test]
    fn none_is_written_when_a_name_cannot_be_had() {
        let directory = tempfile::tempdir().unwrap();
        write_all(directory.path(), &[document("a"), document("no/such/place")]).unwrap_err();
        assert_eq!(names(directory.path()), [""; 0]);
    }
}
