//! `ADD` of archives.

use std::io::Write;

use expect_test::{Expect, expect};

use super::*;
use crate::layer::tests::{Tar, entry};
use crate::tree::tests::{Detail, Place, describe};

fn run(
    from: &Place,
    to: &Place,
    source: &str,
    target: &str,
    owners: ArchiveOwners,
) -> Result<Unpacked, UnpackError> {
    unpack(&UnpackRequest {
        source_root: &from.root,
        source: Path::new(source),
        target_root: &to.root,
        target: Path::new(target),
        owners,
        limits: ExtractLimits::USUAL,
        cancel: &CancelToken::new(),
    })
}

/// Extracts `tar` into `to` at `target` and compares the whole tree.
fn check(tar: &Tar, to: &Place, target: &str, owners: ArchiveOwners, expected: &Expect) {
    let from = Place::new();
    std::fs::write(from.path("archive"), tar.end()).unwrap();
    assert!(matches!(
        run(&from, to, "archive", target, owners).unwrap(),
        Unpacked::Extracted { .. }
    ));
    expected.assert_eq(&describe(&to.root, Detail::WithoutTimes));
}

fn compressed(format: Format, bytes: &[u8]) -> Vec<u8> {
    match format {
        Format::Plain => bytes.to_vec(),
        Format::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Format::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Format::Xz => {
            let options = lzma_rust2::XzOptions::with_preset(1);
            let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Format::Zstd => zstd::encode_all(bytes, 1).unwrap(),
    }
}

#[test]
fn archives_of_every_format_are_extracted() {
    let tar = Tar::new().file("dir/file", "hello").end();
    for format in [
        Format::Plain,
        Format::Gzip,
        Format::Bzip2,
        Format::Xz,
        Format::Zstd,
    ] {
        let (from, to) = (Place::new(), Place::new());
        std::fs::write(from.path("a"), compressed(format, &tar)).unwrap();
        assert!(is_archive(&from.root, Path::new("a")).unwrap(), "{format:?}");
        run(&from, &to, "a", "/", ArchiveOwners::Archive).unwrap();
        assert_eq!(
            std::fs::read_to_string(to.path("dir/file")).unwrap(),
            "hello",
            "{format:?}"
        );
    }
}

#[test]
fn what_does_not_begin_with_a_tar_header_is_no_archive() {
    let from = Place::new();
    let text = "just text, longer than a block. ".repeat(40);
    let cases = [
        ("empty", Vec::new()),
        ("zeros", vec![0; 10240]),
        ("text", text.clone().into_bytes()),
        ("gzipped-text", compressed(Format::Gzip, text.as_bytes())),
        ("gzip-magic", b"\x1f\x8b\x08 and no more".to_vec()),
        ("bzip2-magic", b"BZh, I said".to_vec()),
    ];
    for (name, bytes) in cases {
        std::fs::write(from.path(name), bytes).unwrap();
        assert!(!is_archive(&from.root, Path::new(name)).unwrap(), "{name}");
        let to = Place::new();
        let result = run(&from, &to, name, "/", ArchiveOwners::Archive).unwrap();
        assert_eq!(result, Unpacked::NotAnArchive, "{name}");
    }
    from.dir("directory", 0o755);
    assert!(!is_archive(&from.root, Path::new("directory")).unwrap());
}

#[test]
fn owners_modes_and_times_come_from_the_archive_and_implied_directories_belong_to_root() {
    let mut file = entry(b'0', "etc/app/file");
    (file.uid, file.gid, file.mode, file.modified) = (10, 20, 0o4750, 12345);
    let to = Place::new();
    let tar = Tar::new()
        .with(&file, "x")
        .attribute("etc/note", "user.note", "dropped");
    check(
        &tar,
        &to,
        "/new/place",
        ArchiveOwners::Archive,
        &expect![[r#"
        new Directory 755 0:0
        new/place Directory 755 0:0
        new/place/etc Directory 755 0:0
        new/place/etc/app Directory 755 0:0
        new/place/etc/app/file File 4750 10:20 "x"
        new/place/etc/note File 644 0:0 ""
    "#]],
    );
    assert_eq!(
        to.root
            .metadata(Path::new("new/place/etc/app/file"), Follow::No)
            .unwrap()
            .unwrap()
            .modified
            .seconds,
        12345
    );
}

#[test]
fn chown_applies_to_the_destination_and_all_entries() {
    let owner = Owner { uid: 100, gid: 200 };
    let tar = Tar::new().with(&entry(b'5', "d/"), "").file("d/foo", "content0");
    let to = Place::new();
    let owners = ArchiveOwners::Set(owner);
    check(
        &tar,
        to.dir("existing", 0o700),
        "/existing",
        owners,
        &expect![[r#"
            existing Directory 700 0:0
            existing/d Directory 755 100:200
            existing/d/foo File 644 100:200 "content0"
        "#]],
    );
    check(
        &tar,
        &Place::new(),
        "/new/",
        owners,
        &expect![[r#"
        new Directory 755 100:200
        new/d Directory 755 100:200
        new/d/foo File 644 100:200 "content0"
    "#]],
    );
}

#[test]
fn an_absolute_link_leads_through_the_destination() {
    let to = Place::new();
    to.dir("run", 0o755).dir("var", 0o755).link("var/run", "/run");
    let mut link = entry(b'1', "var/run/act/link");
    link.link = b"var/run/act/file";
    let tar = Tar::new().file("var/run/act/file", "x").with(&link, "");
    check(
        &tar,
        &to,
        "/",
        ArchiveOwners::Archive,
        &expect![[r#"
        run Directory 755 0:0
        run/act Directory 755 0:0
        run/act/file File 644 0:0 "x" = run/act/file
        run/act/link File 644 0:0 "x" = run/act/file
        var Directory 755 0:0
        var/run Symlink 777 0:0 -> /run
    "#]],
    );
}

#[test]
fn entries_replace_files_and_merge_directories_and_names_stay_inside() {
    let to = Place::new();
    to.file("into/file-to-dir", "", 0o644)
        .file("into/dir-to-file/x", "", 0o644)
        .file("into/merged/kept", "k", 0o600);
    to.file("outside", "safe", 0o644).link("into/link", "../outside");
    let tar = Tar::new()
        .with(&entry(b'5', "./"), "")
        .with(&entry(b'5', "file-to-dir/"), "")
        .file("dir-to-file", "f")
        .file("merged/new", "n")
        .file("link", "replaced")
        .file("../../outside", "confined")
        .file(".wh.name", "an ordinary file");
    check(
        &tar,
        &to,
        "into",
        ArchiveOwners::Archive,
        &expect![[r#"
        into Directory 755 0:0
        into/.wh.name File 644 0:0 "an ordinary file"
        into/dir-to-file File 644 0:0 "f"
        into/file-to-dir Directory 755 0:0
        into/link File 644 0:0 "replaced"
        into/merged Directory 755 0:0
        into/merged/kept File 600 0:0 "k"
        into/merged/new File 644 0:0 "n"
        into/outside File 644 0:0 "confined"
        outside File 644 0:0 "safe"
    "#]],
    );
}
