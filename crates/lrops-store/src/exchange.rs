//! `exchange/`: directories of OCI content that other builders read from and write to.
//!
//! Each looks like an OCI layout: its `blobs` is a link to the store's, and its `index.json` is written by the other
//! builder alone. Builders that keep to containerd's content store write a blob beside it, in `ingest/`, and move it to
//! its place when it is complete and its digest is right.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::durable::{explained, write};
use crate::store::StoreError;

/// The document that makes a directory an OCI layout.
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// How the directories of running processes begin.
const RUN_PREFIX: &str = "exchange/run-";

/// What such a directory is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeName {
    /// Images that are asked for, and what they start from.
    Images,
    /// What one process is building, until it ends: a directory that nobody else has, another one each time.
    Run(u32),
    /// One named context that is a build of its own.
    Context(String),
}

impl ExchangeName {
    fn directory(&self) -> (String, &'static str) {
        match self {
            Self::Images => ("exchange/images".to_owned(), "../../blobs"),
            Self::Run(process) => (format!("{RUN_PREFIX}{process}"), "../../blobs"),
            Self::Context(name) => (format!("exchange/context-{}", plain(name)), "../../blobs"),
        }
    }
}

/// Returns a name for a file. Two contexts of one such name only share a directory that nothing is read from by name.
fn plain(name: &str) -> String {
    let plain = |character: char| {
        if character.is_ascii_alphanumeric() || character == '-' {
            character
        } else {
            '_'
        }
    };
    name.chars().map(plain).take(100).collect()
}

/// Makes a directory when it is not there, and returns it.
pub(crate) fn open(root: &Path, name: &ExchangeName) -> Result<PathBuf, StoreError> {
    let (directory, blobs) = name.directory();
    let mut directory = root.join(directory);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::Disk {
            action: "make",
            source: explained(&path, source),
            path,
        }
    };
    if let ExchangeName::Run(_) = name {
        directory = own_directory(&directory).map_err(failed(&directory))?;
    }
    fs::create_dir_all(&directory).map_err(failed(&directory))?;
    let link = directory.join("blobs");
    match symlink(blobs, &link) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(&link)(error)),
        _ => {}
    }
    let layout = directory.join("oci-layout");
    if !layout.exists() {
        write(&root.join("tmp"), &layout, LAYOUT).map_err(failed(&layout))?;
    }
    Ok(directory)
}

/// Makes a directory that nobody else has: processes of different containers may share a store, and a number.
fn own_directory(wished: &Path) -> std::io::Result<PathBuf> {
    if let Some(parent) = wished.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut number = 0;
    loop {
        let own = PathBuf::from(format!("{}-{number}", wished.display()));
        match fs::create_dir(&own) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            made => return made.map(|()| own),
        }
    }
}

/// Removes what killed builders left half written. Nobody may be building.
pub(crate) fn remove_leftovers(root: &Path) {
    let Ok(directories) = fs::read_dir(root.join("exchange")) else {
        return;
    };
    for directory in directories.flatten() {
        let path = directory.path();
        let of_run = path.to_string_lossy().contains(RUN_PREFIX);
        // What cannot be removed now is only space, and is tried again by the next.
        let _ = fs::remove_dir_all(if of_run { path } else { path.join("ingest") });
    }
}

#[cfg(test)]
mod tests {
    use lrops_model::cancel::CancelToken;

    use super::*;
    use crate::store::Store;

    #[test]
    fn an_exchange_has_the_stores_blobs_and_no_names() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path().join("store")).unwrap();
        let exchange = store.exchange(&ExchangeName::Context("a/b c".into())).unwrap();
        assert_eq!(exchange, store.root().join("exchange/context-a_b_c"));
        assert_eq!(
            exchange.join("blobs").canonicalize().unwrap(),
            store.root().join("blobs").canonicalize().unwrap()
        );
        assert!(!exchange.join("index.json").exists());
        assert_eq!(
            store.exchange(&ExchangeName::Context("a/b c".into())).unwrap(),
            exchange
        );
    }

    #[test]
    fn what_killed_builders_left_goes_with_the_next_use() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path().join("store")).unwrap();
        let ingest = store.exchange(&ExchangeName::Images).unwrap().join("ingest/x");
        fs::create_dir_all(&ingest).unwrap();
        let run = store.exchange(&ExchangeName::Run(7)).unwrap();
        let other = store.exchange(&ExchangeName::Run(7)).unwrap();
        assert_ne!(run, other, "each is somebody's own");
        fs::write(store.root().join("blobs/kept"), b"").unwrap();
        let _lock = store.use_lock(&CancelToken::new()).unwrap();
        assert!(!ingest.exists() && !run.exists());
        assert!(
            store.root().join("blobs/kept").exists(),
            "the link goes, and not what it leads to"
        );
    }
}
