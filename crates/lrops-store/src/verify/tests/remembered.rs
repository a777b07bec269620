//! Images of a store are looked at again.

use std::fs;
use std::path::PathBuf;

use lrops_model::cancel::CancelToken;
use lrops_model::oci::Compression;
use tempfile::TempDir;

use super::elves::Elf;
use super::maker::{Image, Layer, Maker};
use super::{expectations, findings};
use crate::store::Store;
use crate::transfer::copy_image;
use crate::verify::{Report, verify_stored};

/// A store with an image of two platforms that share a layer; every kind of entry is in it.
struct Stored {
    _directory: TempDir,
    store: Store,
    image: Image,
}

impl Stored {
    fn new() -> Self {
        let shared = Layer::new()
            .directory("lib")
            .file("etc/motd", "hello")
            .symlink("bin", "lib")
            .hard_link("etc/issue", "etc/motd")
            .file("etc/.wh.gone", "")
            .file("etc/.wh..wh..opq", "")
            .tar();
        let of = |architecture| Layer::new().file("app", Elf::program(architecture).bytes()).tar();
        let image = Maker::new()
            .platform_with("linux/amd64", Compression::Gzip, &[&shared, &of("amd64")], |_| {})
            .platform_with(
                "linux/arm/v7",
                Compression::Zstd,
                &[&shared, &of("amd64")],
                |_| {},
            )
            .finish();
        Self::of(image)
    }

    fn of(image: Image) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("store")).unwrap();
        copy_image(&image.store, &image.root, store.layout(), &CancelToken::new()).unwrap();
        Self {
            _directory: directory,
            store,
            image,
        }
    }

    fn findings(&self) -> String {
        findings(&self.report(&[]))
    }

    fn report(&self, platforms: &[&str]) -> Report {
        let expectations = expectations(platforms, &[]);
        let root = &self.image.root;
        verify_stored(&self.store, root, &expectations, &CancelToken::new()).unwrap()
    }

    /// Returns the records, in order.
    fn records(&self) -> Vec<PathBuf> {
        let directory = self.store.root().join("readings");
        let mut records: Vec<PathBuf> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        records.sort();
        records
    }

    fn rewrite_records(&self, from: &str, to: &str) {
        for record in self.records() {
            let text = fs::read_to_string(&record).unwrap();
            fs::write(&record, text.replace(from, to)).unwrap();
        }
    }
}

#[test]
fn what_is_remembered_gives_the_same_findings() {
    let stored = Stored::new();
    let first = stored.findings();
    assert!(first.contains("ForeignProgram"), "{first}");
    assert_eq!(stored.records().len(), 4, "one for each layer's blob");
    assert_eq!(stored.findings(), first);
}

#[test]
fn a_layer_is_not_read_again_while_its_file_is_untouched() {
    let stored = Stored::new();
    let first = stored.findings();
    stored.rewrite_records("\"app\"", "\"other\"");
    assert_eq!(stored.findings(), first.replace("/app", "/other"));
}

#[test]
fn a_file_that_was_touched_is_read_and_damage_is_found() {
    let stored = Stored::new();
    stored.findings();
    for record in stored.records() {
        let name = record.file_stem().unwrap();
        let blob = stored.store.root().join("blobs/sha256").join(name);
        let modified = blob.metadata().unwrap().modified().unwrap();
        let mut bytes = fs::read(&blob).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        // In place, with its size and its time as they were.
        fs::write(&blob, bytes).unwrap();
        fs::File::open(&blob).unwrap().set_modified(modified).unwrap();
    }
    let found = stored.findings();
    assert_eq!(found.matches("BlobDigestMismatch").count(), 4, "{found}");
}

#[test]
fn a_record_of_another_form_or_none_at_all_is_no_hindrance() {
    let stored = Stored::new();
    let first = stored.findings();
    stored.rewrite_records("\"form\":1", "\"form\":0");
    stored.rewrite_records("\"app\"", "\"other\"");
    assert_eq!(stored.findings(), first);
    for record in stored.records() {
        fs::write(record, "no record").unwrap();
    }
    assert_eq!(stored.findings(), first);
}

#[test]
fn what_is_damaged_is_not_remembered() {
    let stored = Stored::new();
    let blobs = stored.store.root().join("blobs/sha256");
    for entry in fs::read_dir(blobs).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        // Documents stay as they are.
        if bytes.first() != Some(&b'{') {
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
    let found = stored.findings();
    assert_eq!(found.matches("BlobDigestMismatch").count(), 4, "{found}");
    assert_eq!(stored.records(), Vec::<PathBuf>::new());
}

/// A sound image of two platforms.
fn sound() -> Stored {
    let of = |architecture| Layer::new().file("app", Elf::program(architecture).bytes()).tar();
    Stored::of(
        Maker::new()
            .platform_with("linux/amd64", Compression::Gzip, &[&of("amd64")], |_| {})
            .platform_with("linux/arm64", Compression::Gzip, &[&of("arm64")], |_| {})
            .finish(),
    )
}

#[test]
fn a_sound_image_is_remembered_as_a_whole() {
    let stored = sound();
    let first = stored.report(&[]);
    assert!(first.findings.is_empty() && first.platforms[1].programs == 1);
    assert_eq!(
        stored.records().len(),
        3,
        "one for each layer's blob, and one for the image"
    );
    // The layers' records are not even looked at.
    stored.rewrite_records("\"app\"", "\"other\"");
    assert_eq!(stored.report(&[]), first);
}

#[test]
fn other_expectations_are_not_answered_from_memory() {
    let stored = sound();
    stored.report(&[]);
    let missing = findings(&stored.report(&["linux/amd64", "linux/arm64", "linux/arm/v7"]));
    assert!(missing.contains("MissingPlatform"), "{missing}");
}

#[test]
fn an_image_with_a_touched_layer_is_looked_at_again() {
    let stored = sound();
    stored.report(&[]);
    let blobs = stored.store.root().join("blobs/sha256");
    for entry in fs::read_dir(blobs).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if bytes.first() != Some(&b'{') {
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
    let found = findings(&stored.report(&[]));
    assert_eq!(found.matches("BlobDigestMismatch").count(), 2, "{found}");
}
