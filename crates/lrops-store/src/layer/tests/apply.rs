//! Applying layers: removals, lower layers, verification.

use lrops_model::blob::VerifyingReader;
use lrops_model::digest::DiffId;
use lrops_model::oci::{Descriptor, MediaType};

use super::*;

struct Case<'a> {
    whiteouts: Whiteouts,
    lower: Option<&'a Lower<'a>>,
}

fn run(root: &RootDir, tar: &Tar, case: &Case<'_>) -> Result<Applied, ApplyError> {
    let cancel = CancelToken::new();
    let bytes = tar.end();
    let request = ApplyRequest {
        compression: Compression::None,
        diff_id: Some(DiffId(Digest::of(&bytes))),
        whiteouts: case.whiteouts,
        lower: case.lower,
        limits: ExtractLimits::USUAL,
        cancel: &cancel,
    };
    super::super::apply(root, bytes.as_slice(), &request)
}

const REMOVE: Case<'_> = Case {
    whiteouts: Whiteouts::Remove,
    lower: None,
};
const OVERLAY: Case<'_> = Case {
    whiteouts: Whiteouts::Overlay,
    lower: None,
};

fn check(place: &Place, tar: &Tar, case: &Case<'_>, expected: &Expect) {
    run(&place.root, tar, case).unwrap();
    expected.assert_eq(&describe(&place.root, Detail::WithoutTimes));
}

#[test]
fn whiteouts_remove_what_lower_layers_have_and_not_what_their_own_layer_has() {
    let place = || {
        let place = Place::new();
        place
            .file("gone", "", 0o644)
            .file("d/gone", "", 0o644)
            .file("d/kept", "old", 0o644);
        place.file("opaque/old/x", "", 0o644).file("again/old", "", 0o644);
        place
    };
    let before = Tar::new()
        .file(".wh.gone", "")
        .file("d/.wh.gone", "")
        .file("d/.wh.never-there", "")
        .file("opaque/.wh..wh..opq", "")
        .file(".wh.again", "")
        .file("opaque/new", "n")
        .file("again/new", "n");
    let after = Tar::new()
        .file("opaque/new", "n")
        .file("again/new", "n")
        .file(".wh.again", "")
        .file("opaque/.wh..wh..opq", "")
        .file("d/.wh.gone", "")
        .file(".wh.gone", "");
    for tar in [before, after] {
        check(
            &place(),
            &tar,
            &REMOVE,
            &expect![[r#"
                again Directory 755 0:0
                again/new File 644 0:0 "n"
                d Directory 755 0:0
                d/kept File 644 0:0 "old"
                opaque Directory 755 0:0
                opaque/new File 644 0:0 "n"
            "#]],
        );
    }
}

#[test]
fn whiteouts_become_overlay_s_marks_in_either_order() {
    let before = Tar::new()
        .file(".wh.gone", "")
        .file(".wh.d", "")
        .file("d/new", "n")
        .file("o/.wh..wh..opq", "");
    let after = Tar::new()
        .file("o/.wh..wh..opq", "")
        .file("d/new", "n")
        .file(".wh.d", "")
        .file(".wh.gone", "");
    for tar in [before, after] {
        check(
            &Place::new(),
            &tar,
            &OVERLAY,
            &expect![[r#"
                d Directory 755 0:0 user.overlay.opaque="y"
                d/new File 644 0:0 "n"
                gone CharDevice { major: 0, minor: 0 } 600 0:0
                o Directory 755 0:0 user.overlay.opaque="y"
            "#]],
        );
    }
    let explicit = Tar::new().file(".wh.d", "").with(&entry(b'5', "d/"), "");
    check(
        &Place::new(),
        &explicit,
        &OVERLAY,
        &expect![[r#"
            d Directory 755 0:0 user.overlay.opaque="y"
        "#]],
    );
}

#[test]
fn what_a_layer_implies_is_taken_from_the_lower_layers() {
    let (upper, lower) = (Place::new(), Place::new());
    lower
        .file("usr/bin/tool", "tool", 0o4755)
        .mode("usr/bin", 0o711)
        .dir("run", 0o750)
        .dir("var", 0o755);
    lower
        .link("var/run", "/run")
        .owner("usr/bin", 5, 6)
        .time("usr/bin", 77)
        .time("usr/bin/tool", 78);
    let find = |path: &Path| {
        let path = lower.directory.path().join(path);
        path.symlink_metadata().is_ok().then_some(path)
    };
    let tar = Tar::new()
        .file("var/run/pid", "1")
        .link(b'1', "alias", "usr/bin/tool");
    run(
        &upper.root,
        &tar,
        &Case {
            whiteouts: Whiteouts::Overlay,
            lower: Some(&find),
        },
    )
    .unwrap();
    expect![[r#"
        alias File 4755 0:0 @78 "tool" = alias
        run Directory 750 0:0 @RUN
        run/pid File 644 0:0 @1000 "1"
        usr Directory 755 0:0 @USR
        usr/bin Directory 711 5:6 @77
        usr/bin/tool File 4755 0:0 @78 "tool" = alias
    "#]]
    .assert_eq(&mask_times(&describe(&upper.root, Detail::WithTimes)));
}

/// Hides the times of directories that tests made at the present time.
fn mask_times(text: &str) -> String {
    let mask = |line: &str| match line.split_once(" @1") {
        Some((start, _)) if line.starts_with("run Directory") => format!("{start} @RUN\n"),
        Some((start, _)) if line.starts_with("usr Directory") => format!("{start} @USR\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(mask).collect()
}

#[test]
fn times_of_directories_are_those_of_the_layer() {
    let place = Place::new();
    let mut directory = entry(b'5', "d/");
    directory.modified = 50;
    let mut root = entry(b'5', "./");
    (root.modified, root.mode) = (60, 0o711);
    run(
        &place.root,
        &Tar::new()
            .with(&root, "")
            .with(&directory, "")
            .file("d/file", "x"),
        &REMOVE,
    )
    .unwrap();
    expect![[r#"
        d Directory 755 0:0 @50
        d/file File 644 0:0 @1000 "x"
    "#]]
    .assert_eq(&describe(&place.root, Detail::WithTimes));
    let root = place
        .root
        .metadata(Path::new(""), crate::tree::Follow::No)
        .unwrap()
        .unwrap();
    assert_eq!((root.mode, root.modified.seconds), (0o711, 60));
}

#[test]
fn archives_of_other_tools_are_read() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(130));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o600);
    header.set_uid(4_000_000_000);
    header.set_gid(5);
    header.set_mtime(9);
    header.set_size(3);
    builder.append_data(&mut header, &long, &b"gnu"[..]).unwrap();
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    builder.append_link(&mut link, "link", "t".repeat(300)).unwrap();
    let mut old = tar::Header::new_old();
    old.set_path("old/").unwrap();
    old.set_size(0);
    old.set_mode(0o755);
    old.set_cksum();
    builder.append(&old, std::io::empty()).unwrap();
    let bytes = builder.into_inner().unwrap();
    let place = Place::new();
    let cancel = CancelToken::new();
    let request = ApplyRequest {
        compression: Compression::None,
        diff_id: None,
        whiteouts: Whiteouts::Remove,
        lower: None,
        limits: ExtractLimits::USUAL,
        cancel: &cancel,
    };
    super::super::apply(&place.root, bytes.as_slice(), &request).unwrap();
    let found = place
        .root
        .metadata(Path::new(&long), crate::tree::Follow::No)
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.mode, found.owner.uid, found.modified.seconds),
        (0o600, 4_000_000_000, 9)
    );
    assert_eq!(place.root.read_link(Path::new("link")).unwrap().len(), 300);
    assert!(place.path("old").is_dir());
}

#[test]
fn another_tar_than_the_expected_one_and_a_damaged_blob_are_refused() {
    let tar = Tar::new().file("file", &"content ".repeat(1000)).end();
    let mut gzip = Compressor::new(Vec::new(), CompressionSettings::usual(Compression::Gzip, 1)).unwrap();
    std::io::Write::write_all(&mut gzip, &tar).unwrap();
    let blob = gzip.finish().unwrap();
    let descriptor = Descriptor::of(MediaType::OCI_LAYER_GZIP, &blob);
    let apply = |blob: &[u8], diff_id| {
        let cancel = CancelToken::new();
        let request = ApplyRequest {
            compression: Compression::Gzip,
            diff_id: Some(DiffId(diff_id)),
            whiteouts: Whiteouts::Remove,
            lower: None,
            limits: ExtractLimits::USUAL,
            cancel: &cancel,
        };
        let blob = VerifyingReader::new(blob, &descriptor);
        super::super::apply(&Place::new().root, blob, &request)
    };
    let applied = apply(&blob, Digest::of(&tar)).unwrap();
    assert_eq!(applied.size_uncompressed, tar.len() as u64);
    assert!(matches!(
        apply(&blob, Digest::of("")),
        Err(ApplyError::DiffId { .. })
    ));
    for length in 0..blob.len() {
        assert!(
            apply(&blob[..length], Digest::of(&tar)).is_err(),
            "cut off after {length} bytes"
        );
    }
    for index in 0..blob.len() {
        let mut damaged = blob.clone();
        damaged[index] ^= 0x10;
        assert!(
            apply(&damaged, Digest::of(&tar)).is_err(),
            "byte {index} was changed"
        );
    }
}
