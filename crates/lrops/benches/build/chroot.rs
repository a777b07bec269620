//! A directory as the root of commands: nothing of a container beside that.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Mounts what programs expect and what the arguments name, in a mount namespace of its own, and changes the root: the
/// root, how many directories are mounted, pairs of such a directory and its place, a directory to be in, a command.
const SCRIPT: &str = r#"
set -e
root=$1 mounts=$2
shift 2
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$mounts" -gt 0 ]; do
    mount --bind "$1" "$root/$2"
    shift 2
    mounts=$((mounts - 1))
done
exec chroot "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$@"
"#;

/// A root, and what else is seen in it.
pub(crate) struct Chroot {
    root: PathBuf,
    mounts: Vec<(PathBuf, String)>,
}

impl Chroot {
    /// Returns a directory with `/proc` and `/dev`.
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            mounts: Vec::new(),
        }
    }

    /// Shows a directory at a place, which is made when it is not there.
    pub(crate) fn mount(&mut self, directory: &Path, place: &str) {
        for made in [directory, &self.path(place)] {
            std::fs::create_dir_all(made).expect("a directory to mount");
        }
        self.mounts.push((directory.to_owned(), place.to_owned()));
    }

    /// Returns where a path in the root lies outside.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Returns a command that runs in a directory of the root, as root.
    pub(crate) fn command(&self, directory: &str, words: &[String]) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", SCRIPT, "sh"])
            .arg(&self.root);
        command.arg(self.mounts.len().to_string());
        for (directory, place) in &self.mounts {
            command.arg(directory).arg(place);
        }
        command.arg(directory).args(words);
        command
    }
}
