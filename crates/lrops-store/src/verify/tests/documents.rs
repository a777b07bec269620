//! Documents that do not agree.

use std::borrow::Cow;

use expect_test::expect;
use lrops_model::digest::{DiffId, Digest};
use lrops_model::oci::{Compression, Descriptor, DescriptorPlatform, MediaType, encode};

use super::elves::Elf;
use super::maker::{Documents, Image, Layer, Maker, plain};
use super::{check, check_with, expectations};

fn layer() -> Vec<u8> {
    Layer::new().file("a", "b").tar()
}

fn changed(change: impl FnOnce(&mut Documents)) -> Image {
    let tars: [&[u8]; 2] = [&layer(), &Layer::new().file("c", "d").tar()];
    Maker::new()
        .platform_with("linux/arm/v7", Compression::Gzip, &tars, change)
        .finish()
}

#[test]
fn the_config_has_the_platform_of_the_index() {
    check(
        &changed(|documents| documents.config.variant = Some("v6".to_owned())),
        expect![[r#"
        error PlatformMismatch: the index says linux/arm/v7, but that image's config says linux/arm/v6
    "#]],
    );
    check(
        &changed(|documents| documents.config.architecture = "arm64".to_owned()),
        expect![[r#"
        error PlatformMismatch: the index says linux/arm/v7, but that image's config says linux/arm64/v7
    "#]],
    );
    check(
        &changed(|documents| documents.config.os = String::new()),
        expect![[r#"
        error ConfigWithoutPlatform: the config sha256:… names no operating system or no architecture
    "#]],
    );
    // These are other spellings of the same.
    check(
        &changed(|documents| documents.config.variant = Some("7".to_owned())),
        expect![""],
    );
    check(&changed(|documents| documents.config.variant = None), expect![""]);
}

#[test]
fn layers_diff_ids_and_history_agree() {
    check(
        &changed(|documents| documents.config.rootfs.diff_ids.truncate(1)),
        expect![[r#"
            error LayerCountMismatch: linux/arm/v7: the manifest's layers are 2, the config's diff IDs 1
        "#]],
    );
    check(
        &changed(|documents| documents.config.rootfs.diff_ids.swap(0, 1)),
        expect![[r#"
        error DiffIdMismatch: layer 1 of linux/arm/v7 holds the tar sha256:…, but the config's diff ID is sha256:…
        error DiffIdMismatch: layer 2 of linux/arm/v7 holds the tar sha256:…, but the config's diff ID is sha256:…
    "#]],
    );
    check(
        &changed(|documents| documents.config.rootfs.diff_ids[1] = DiffId(Digest::of("other"))),
        expect![[r#"
            error DiffIdMismatch: layer 2 of linux/arm/v7 holds the tar sha256:…, but the config's diff ID is sha256:…
        "#]],
    );
    check(
        &changed(|documents| documents.config.history[0].empty_layer = true),
        expect![[r#"
            error HistoryMismatch: linux/arm/v7: the manifest's layers are 2, those of its history 1
        "#]],
    );
    check(
        &changed(|documents| documents.config.history.clear()),
        expect![""],
    );
}

#[test]
fn types_are_what_they_should_be() {
    let other = || MediaType(Cow::Borrowed("text/plain\u{1b}[31m"));
    check(
        &changed(|documents| documents.manifest.layers[0].media_type = other()),
        expect![[r#"
        error UnknownMediaType: layer 1 of linux/arm/v7 is of the type "text/plain\u{1b}[31m", which is no layer that lrops knows
    "#]],
    );
    check(
        &changed(|documents| documents.manifest.config.media_type = other()),
        expect![[r#"
        error UnknownMediaType: the config of linux/arm/v7 sha256:… is of the type "text/plain\u{1b}[31m", which is not an image config
    "#]],
    );
    check(
        &changed(|documents| documents.manifest.media_type = Some(MediaType::DOCKER_MANIFEST)),
        expect![[r#"
            error MediaTypeMismatch: the manifest of linux/arm/v7 sha256:… calls itself application/vnd.docker.distribution.manifest.v2+json, but its descriptor says application/vnd.oci.image.manifest.v1+json
        "#]],
    );
    check(
        &changed(|documents| documents.manifest.schema_version = 1),
        expect![[r#"
        error SchemaVersion: the manifest of linux/arm/v7 sha256:… has the schema version 1 instead of 2
    "#]],
    );
    let mut image = changed(|_| {});
    image.root.media_type = other();
    check_with(
        &image,
        &expectations(&["amd64"], &[]),
        expect![[r#"
        error UnknownMediaType: the root sha256:… is of the type "text/plain\u{1b}[31m", which is not an index or a manifest
    "#]],
    );
}

#[test]
fn what_cannot_be_parsed_is_told() {
    let maker = Maker::new();
    let root = maker.put(MediaType::OCI_INDEX, b"{\"schemaVersion\":2,");
    let image = Image {
        store: maker.store,
        root,
    };
    check_with(
        &image,
        &expectations(&["amd64"], &[]),
        expect![[r#"
        error DocumentUnreadable: the index sha256:… is not understood: EOF while parsing a value at line 1 column 19
    "#]],
    );

    let mut maker = Maker::new().platform("linux/amd64", &[&layer()]);
    let mut entry = maker.put(MediaType::OCI_MANIFEST, b"[]");
    entry.platform = Some(platform("linux", "arm64"));
    maker.index.manifests.push(entry);
    check_with(
        &maker.finish(),
        &expectations(&["amd64"], &[]),
        expect![[r#"
        error DocumentUnreadable: the manifest of linux/arm64 sha256:… is not understood: invalid length 0, expected struct Manifest with 5 elements at line 1 column 2
    "#]],
    );

    let mut maker = Maker::new();
    let mut huge = Descriptor::of(MediaType::OCI_MANIFEST, b"");
    huge.size = u64::MAX;
    huge.platform = Some(platform("linux", "arm64"));
    maker.index.manifests.push(huge);
    check(
        &maker.finish(),
        expect![[r#"
        error DocumentTooLarge: the manifest of linux/arm64 sha256:… is 18446744073709551615 bytes long; documents of more than 4 MiB are refused
    "#]],
    );
}

fn platform(os: &str, architecture: &str) -> DescriptorPlatform {
    DescriptorPlatform {
        architecture: architecture.to_owned(),
        os: os.to_owned(),
        os_version: None,
        os_features: Vec::new(),
        variant: None,
    }
}

#[test]
fn every_promised_platform_is_there_once_and_no_other() {
    let make = || {
        Maker::new()
            .platform("linux/amd64", &[&layer()])
            .platform("linux/arm/v7", &[&layer()])
    };
    let expected = expectations(&["linux/amd64", "linux/arm", "linux/arm64"], &[]);
    check_with(
        &make().finish(),
        &expected,
        expect![[r#"
        error MissingPlatform: the image has no linux/arm64; its platforms: linux/amd64, linux/arm/v7
    "#]],
    );
    check_with(
        &make().finish(),
        &expectations(&["linux/amd64"], &[]),
        expect![[r#"
        error UnexpectedPlatform: the image has linux/arm/v7, which was not asked for
    "#]],
    );
    let twice = make().platform("linux/amd64", &[]).finish();
    check_with(
        &twice,
        &expectations(&["linux/amd64", "linux/arm/v7"], &[]),
        expect![[r#"
        error DuplicatePlatform: the index has linux/amd64 more than once; sha256:… is never chosen
    "#]],
    );
    check_with(
        &Maker::new().finish(),
        &expectations(&["linux/amd64"], &[]),
        expect![[r#"
        error EmptyIndex: the index sha256:… names no manifest
        error MissingPlatform: the image has no linux/amd64; its platforms: none
    "#]],
    );
}

#[test]
fn a_version_of_windows_is_a_choice_of_its_own() {
    let version = |version: &'static str| {
        move |documents: &mut Documents| {
            let promised = documents.promised.as_mut().unwrap();
            promised.os_version = Some(version.to_owned());
        }
    };
    let image = Maker::new()
        .platform_with("windows/amd64", Compression::Gzip, &[&layer()], version("10.0.1"))
        .platform_with("windows/amd64", Compression::Gzip, &[&layer()], version("10.0.2"))
        .finish();
    check_with(&image, &expectations(&["windows/amd64"], &[]), expect![""]);
}

#[test]
fn an_entry_without_a_platform_takes_the_configs() {
    let image = changed(|documents| documents.promised = None);
    check_with(
        &image,
        &expectations(&["linux/arm/v7"], &[]),
        expect![[r#"
        warning PlatformNotNamed: the index names no platform for the manifest sha256:…
    "#]],
    );
}

#[test]
fn a_manifest_can_be_the_root() {
    let tar = Layer::new().file("app", Elf::program("amd64").bytes()).tar();
    check_with(
        &plain("linux/amd64", &[&tar]),
        &expectations(&["linux/amd64"], &[]),
        expect![""],
    );
    check_with(
        &plain("linux/arm64", &[&tar]),
        &expectations(&["linux/amd64"], &[]),
        expect![[r#"
        error MissingPlatform: the image has no linux/amd64; its platforms: linux/arm64
        error UnexpectedPlatform: the image has linux/arm64, which was not asked for
        error ForeignProgram: linux/arm64: /app is a program for amd64 instead of arm64
    "#]],
    );
}

#[test]
fn entries_for_unknown_are_told_and_their_blobs_looked_at() {
    let mut maker = Maker::new().platform("linux/amd64", &[&layer()]);
    let other = Maker::new().platform_with("linux/amd64", Compression::None, &[&layer()], |documents| {
        documents.promised = Some(platform("unknown", "unknown"));
        documents.manifest.layers[0] = Descriptor::of(
            MediaType(Cow::Borrowed("application/vnd.in-toto+json")),
            b"not in the store",
        );
    });
    for mut entry in other.index.manifests {
        let mut bytes = Vec::new();
        let opened = lrops_model::blob::BlobSource::open(&other.store, &entry);
        std::io::Read::read_to_end(&mut opened.unwrap(), &mut bytes).unwrap();
        maker.put(MediaType::OCI_MANIFEST, &bytes);
        maker.index.manifests.push(entry.clone());
        let annotation = ("vnd.docker.reference.type", "attestation-manifest");
        entry
            .annotations
            .insert(annotation.0.to_owned(), annotation.1.to_owned());
        maker.index.manifests.push(entry);
    }
    check(
        &maker.finish(),
        expect![[r#"
            error UnknownPlatform: the index has an entry for unknown/unknown: sha256:…
            warning UnknownPlatform: the index has an entry for unknown/unknown: sha256:…
            error BlobMissing: a blob of the unknown/unknown entry sha256:… is missing
        "#]],
    );
}

#[test]
fn an_index_in_an_index_is_read_and_told() {
    let inner = Maker::new().platform("linux/amd64", &[&layer()]);
    let mut maker = inner;
    for _ in 0..5 {
        let entry = maker.put(MediaType::OCI_INDEX, &encode(&maker.index));
        maker.index.manifests = vec![entry];
    }
    check(
        &maker.finish(),
        expect![[r#"
        warning NestedIndex: the index sha256:… lies in another index
        warning NestedIndex: the index sha256:… lies in another index
        warning NestedIndex: the index sha256:… lies in another index
        error NestedIndex: the index sha256:… lies more than 4 indexes deep and was not read
    "#]],
    );
}
