//! Every blob is damaged in turn.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

use expect_test::expect;
use lrops_model::blob::{BlobError, BlobSource};
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::oci::{Compression, Descriptor, ImageConfig, Index, Manifest};

use super::elves::Elf;
use super::maker::{Image, Layer, Maker};
use super::{check, expectations, findings, verify};
use crate::verify::{VerifyError, verify_image};

/// Two platforms, three compressions, one shared layer.
fn sound() -> Image {
    let shared = Layer::new().file("etc/motd", "hello").tar();
    let of = |architecture| Layer::new().file("app", Elf::program(architecture).bytes()).tar();
    Maker::new()
        .platform_with("linux/amd64", Compression::Gzip, &[&shared, &of("amd64")], |_| {})
        .platform_with("linux/arm64", Compression::Gzip, &[&shared, &of("arm64")], |_| {})
        .platform_with("linux/s390x", Compression::Zstd, &[&of("s390x")], |_| {})
        .platform_with("linux/386", Compression::None, &[&of("386")], |_| {})
        .finish()
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    FlippedByte,
    CutOff,
    Longer,
    Missing,
}

struct Damaged<'a> {
    image: &'a Image,
    digest: Digest,
    damage: Damage,
}

impl BlobSource for Damaged<'_> {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
        let mut reader = self.image.store.open(descriptor)?;
        if descriptor.digest != self.digest {
            return Ok(reader);
        }
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        match self.damage {
            Damage::FlippedByte => {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
            Damage::CutOff => bytes.truncate(bytes.len() - 1),
            Damage::Longer => bytes.push(b'\n'),
            Damage::Missing => {
                let digest = self.digest;
                return Err(BlobError::Missing {
                    digest,
                    place: "memory".to_owned(),
                });
            }
        }
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn contains(&self, descriptor: &Descriptor) -> Result<bool, BlobError> {
        self.image.store.contains(descriptor)
    }
}

fn blobs(image: &Image) -> Vec<Descriptor> {
    fn read<T: serde::de::DeserializeOwned>(image: &Image, descriptor: &Descriptor) -> T {
        serde_json::from_reader(image.store.open(descriptor).unwrap()).unwrap()
    }
    let mut blobs: Vec<Descriptor> = vec![image.root.clone()];
    let index: Index = read(image, &image.root);
    for entry in index.manifests {
        let manifest: Manifest = read(image, &entry);
        let _: ImageConfig = read(image, &manifest.config);
        blobs.push(entry);
        blobs.push(manifest.config);
        blobs.extend(manifest.layers);
    }
    let mut seen = BTreeSet::new();
    blobs.retain(|blob| seen.insert(blob.digest));
    blobs
}

#[test]
fn each_damage_to_each_blob_is_one_finding() {
    let image = sound();
    let blobs = blobs(&image);
    assert_eq!(blobs.len(), 1 + 4 + 4 + 5);
    for blob in &blobs {
        for (damage, rule) in [
            (Damage::FlippedByte, "BlobDigestMismatch"),
            (Damage::CutOff, "BlobSizeMismatch"),
            (Damage::Longer, "BlobSizeMismatch"),
            (Damage::Missing, "BlobMissing"),
        ] {
            let source = Damaged {
                image: &image,
                digest: blob.digest,
                damage,
            };
            let expectations = expectations(&["amd64", "arm64", "s390x", "386"], &[]);
            let report = verify_image(&source, &image.root, &expectations, &CancelToken::new()).unwrap();
            let rules: Vec<_> = report.findings.iter().map(|finding| &finding.rule).collect();
            assert_eq!(rules, [rule], "{damage:?} of {blob:?}: {}", findings(&report));
            assert!(report.findings[0].message.contains(&blob.digest.hex()));
            assert!(!report.is_sound());
        }
    }
}

#[test]
fn a_sound_image_has_no_findings() {
    let image = sound();
    check(&image, expect![""]);
    let report = verify(&image, &expectations(&["amd64", "arm64", "s390x", "386"], &[]));
    assert!(report.is_sound());
    let rows: Vec<_> = report
        .platforms
        .iter()
        .map(|row| (row.platform.to_string(), row.layers, row.programs))
        .collect();
    let row = |platform: &str, layers| (platform.to_owned(), layers, 1);
    assert_eq!(
        rows,
        [
            row("linux/amd64", 2),
            row("linux/arm64", 2),
            row("linux/s390x", 1),
            row("linux/386", 1)
        ]
    );
    for row in &report.platforms {
        let manifest: Manifest = serde_json::from_reader(image.store.open(&row.manifest).unwrap()).unwrap();
        let size: u64 = manifest.layers.iter().map(|layer| layer.size).sum();
        assert_eq!(row.size_bytes, size + manifest.config.size);
    }
}

/// Counts how often blobs are opened.
struct Counting<'a>(&'a Image, AtomicUsize);

impl BlobSource for Counting<'_> {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.store.open(descriptor)
    }

    fn contains(&self, descriptor: &Descriptor) -> Result<bool, BlobError> {
        self.0.store.contains(descriptor)
    }
}

#[test]
fn a_shared_layer_is_read_once() {
    let image = sound();
    let source = Counting(&image, AtomicUsize::new(0));
    verify_image(&source, &image.root, &expectations(&[], &[]), &CancelToken::new()).unwrap();
    assert_eq!(source.1.into_inner(), 1 + 4 + 4 + 5);
}

#[test]
fn a_damaged_shared_layer_names_all_who_share_it() {
    let image = sound();
    let shared = blobs(&image)[3].digest;
    let source = Damaged {
        image: &image,
        digest: shared,
        damage: Damage::Missing,
    };
    let report = verify_image(&source, &image.root, &expectations(&[], &[]), &CancelToken::new()).unwrap();
    expect![[r#"
        error BlobMissing: layer 1 of linux/amd64 and layer 1 of linux/arm64 sha256:… is missing
    "#]]
    .assert_eq(&findings(&report));
}

#[test]
fn what_is_no_tar_is_told_with_its_reason() {
    let tar = Layer::new().file("a", "b").tar();
    let maker = Maker::new()
        .platform("linux/amd64", &[b"no tar", &tar[..700], &[]])
        .platform_with("linux/arm64", Compression::Gzip, &[&tar], |documents| {
            documents.manifest.layers[0].media_type = Compression::Zstd.layer_media_type();
        });
    check(
        &maker.finish(),
        expect![[r#"
            error LayerUnreadable: layer 1 of linux/amd64 sha256:… cannot be unpacked: the archive is cut off
            error LayerUnreadable: layer 2 of linux/amd64 sha256:… cannot be unpacked: the archive is cut off
            error LayerUnreadable: layer 1 of linux/arm64 sha256:… cannot be unpacked: Unknown frame descriptor
        "#]],
    );
}

#[test]
fn stopping_is_no_finding() {
    let cancel = CancelToken::new();
    cancel.cancel();
    let image = sound();
    let result = verify_image(&image.store, &image.root, &expectations(&[], &[]), &cancel);
    assert!(matches!(result, Err(VerifyError::Cancelled(_))));
}

/// Stops the work as soon as a layer is opened, and then goes on giving bytes.
struct Stopping<'a>(&'a Image, CancelToken);

impl BlobSource for Stopping<'_> {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
        if descriptor.media_type.layer_compression().is_some() {
            self.1.cancel();
        }
        self.0.store.open(descriptor)
    }

    fn contains(&self, descriptor: &Descriptor) -> Result<bool, BlobError> {
        self.0.store.contains(descriptor)
    }
}

#[test]
fn stopping_works_in_the_middle_of_a_layer() {
    let image = sound();
    let source = Stopping(&image, CancelToken::new());
    let result = verify_image(&source, &image.root, &expectations(&[], &[]), &source.1);
    assert!(matches!(result, Err(VerifyError::Cancelled(_))));
}

/// A place that cannot be reached.
struct Unreachable;

impl BlobSource for Unreachable {
    fn open(&self, _: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
        Err(BlobError::Other {
            message: "failed to connect".to_owned(),
            source: "connection refused".into(),
        })
    }

    fn contains(&self, _: &Descriptor) -> Result<bool, BlobError> {
        Ok(false)
    }
}

#[test]
fn a_place_that_fails_as_a_whole_says_nothing_about_the_image() {
    let result = verify_image(
        &Unreachable,
        &sound().root,
        &expectations(&[], &[]),
        &CancelToken::new(),
    );
    assert!(matches!(result, Err(VerifyError::Place { .. })));
}
