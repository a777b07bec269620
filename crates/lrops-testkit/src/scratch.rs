//! Directories for what tests make, which go although nobody drops them.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;

/// Ordinary users must be able to come here, whatever TMPDIR is, and overlays must work.
const PLACE: &str = "/var/tmp";

/// How the names begin, before the number of the process that has them.
const PREFIX: &str = "lrops-test-";

/// Returns a new directory, after those were removed whose process has ended: what a static holds is never dropped, and
/// neither is anything of a process that was killed.
///
/// # Panics
/// When it cannot be made.
pub fn scratch_directory() -> TempDir {
    static SWEPT: OnceLock<()> = OnceLock::new();
    SWEPT.get_or_init(sweep);
    let prefix = format!("{PREFIX}{}-", std::process::id());
    let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(PLACE);
    made.expect("a directory for the test")
}

fn sweep() {
    let entries = fs::read_dir(PLACE).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let process = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        let has_ended = |process: &str| !Path::new("/proc").join(process).exists();
        if process.is_some_and(has_ended) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_ended_process_left_is_removed() {
        // No process has this number: it is above what kernels give.
        let left = Path::new(PLACE).join(format!("{PREFIX}99999999-x"));
        fs::create_dir_all(left.join("store")).unwrap();
        sweep();
        let own = scratch_directory();
        sweep();
        assert!(!left.exists() && own.path().exists());
    }
}
