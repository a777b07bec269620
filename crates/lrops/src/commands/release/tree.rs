//! The tag's tree, in the store's place for what is temporary: what a killed process leaves there, the next one removes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lrops_model::cancel::CancelToken;
use lrops_model::timestamp::Timestamp;
use lrops_store::store::{Store, UseLock};
use rustix::fs::{AtFlags, CWD, Mode, Timespec, Timestamps, utimensat};
use rustix::process::umask;

use crate::failure::Failure;
use crate::git::Repository;
use crate::version::Version;

/// A checked-out commit, until it is dropped.
pub(super) struct Tree {
    path: PathBuf,
    // Dropped after the tree is removed: until then nobody takes it for a leftover.
    _in_use: UseLock,
}

impl Tree {
    /// Checks a version's commit out.
    ///
    /// # Errors
    /// When git or the disk fails; when the work is stopped.
    pub(super) fn check_out(
        repository: &Repository,
        version: &Version,
        store: &Store,
        cancel: &CancelToken,
    ) -> Result<Self, Failure> {
        let in_use = store.use_lock(cancel);
        let in_use = in_use.map_err(|source| Failure::work("failed to use the store", source))?;
        let tree = Self {
            path: new_directory(store.tmp())?,
            _in_use: in_use,
        };
        // Modes of files are part of an image, and are not to depend on who makes the release.
        let before = umask(Mode::WGRP | Mode::WOTH);
        let checked_out = repository.check_out(&version.facts.commit, &tree.path, cancel);
        umask(before);
        // Ctrl-C reaches git as well, which then fails by itself.
        cancel.check().map_err(|_| Failure::Cancelled)?;
        checked_out?;
        let failed = |source| Failure::work("failed to set the times of the tag's files", source);
        set_times(&tree.path, version.facts.commit_time).map_err(failed)?;
        Ok(tree)
    }

    /// Returns its directory.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // What hooks made may not let itself be removed so simply; the store's next user removes it.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Makes a directory that nobody else has: processes of different containers may share a store, and a number.
fn new_directory(parent: &Path) -> Result<PathBuf, Failure> {
    let mut number = std::process::id();
    loop {
        let path = parent.join(format!("release-{number}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number = number.wrapping_add(1),
            Err(source) => return Err(Failure::write(path, source)),
        }
    }
}

/// Gives all files below a directory the commit's time: `--timestamps=keep` gives the same image each time.
fn set_times(directory: &Path, time: Timestamp) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_name() == ".git" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            set_times(&path, time)?;
        }
        let moment = Timespec {
            tv_sec: time.0,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: moment,
            last_modification: moment,
        };
        utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}
