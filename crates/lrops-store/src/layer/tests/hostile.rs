//! Tars that mean harm.

use super::*;

const LIMITS: ExtractLimits = ExtractLimits {
    entries_max: 100,
    path_bytes_max: 4095,
    size_bytes_max: Some(1 << 20),
};

fn apply_bytes(root: &RootDir, bytes: &[u8], whiteouts: Whiteouts) -> Result<Applied, ApplyError> {
    let cancel = CancelToken::new();
    let request = ApplyRequest {
        compression: Compression::None,
        diff_id: None,
        whiteouts,
        lower: None,
        limits: LIMITS,
        cancel: &cancel,
    };
    super::super::apply(root, bytes, &request)
}

/// Applies a tar to the directory `root` of a place with a file beside it, which must stay as it is. Compares the
/// error, or the tree where there is none.
fn check(tar: &Tar, expected: &Expect) {
    let [overlay, remove] = [Whiteouts::Overlay, Whiteouts::Remove].map(|whiteouts| {
        let place = Place::new();
        place.file("outside/file", "safe", 0o644).dir("root", 0o755);
        let root = RootDir::open(&place.path("root"), OwnerStyle::Native).unwrap();
        let found = match apply_bytes(&root, &tar.end(), whiteouts) {
            Ok(_) => describe(&root, Detail::WithoutTimes),
            Err(error) => error.to_string(),
        };
        assert_eq!(fs::read_to_string(place.path("outside/file")).unwrap(), "safe");
        assert_eq!(fs::read_dir(place.path("outside")).unwrap().count(), 1);
        assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), 2);
        found
    });
    if overlay == remove {
        expected.assert_eq(&overlay);
    } else {
        expected.assert_eq(&format!("with overlay's marks:\n{overlay}by removing:\n{remove}"));
    }
}

#[test]
fn names_that_lead_out_are_refused() {
    check(
        &Tar::new().file("../outside/file", "x"),
        &expect![[r#"the archive's entry "../outside/file" is refused: it leads out of the root"#]],
    );
    check(
        &Tar::new().file("a/../../outside/file", "x"),
        &expect![[r#"the archive's entry "a/../../outside/file" is refused: it leads out of the root"#]],
    );
    check(
        &Tar::new().file(".wh...", ""),
        &expect![[r#"the archive's entry ".wh..." is refused: it removes nothing that has a name"#]],
    );
}

#[test]
fn absolute_names_are_inside() {
    check(
        &Tar::new().file("/outside/file", "x"),
        &expect![[r#"
        outside Directory 755 0:0
        outside/file File 644 0:0 "x"
    "#]],
    );
}

#[test]
fn writing_and_removing_through_a_link_stays_inside() {
    check(
        &Tar::new()
            .link(b'2', "up", "../../../../outside")
            .file("up/file", "x")
            .file("up/.wh..wh..opq", "")
            .link(b'2', "self", "/proc/self/cwd")
            .file("self/y", "y"),
        &expect![[r#"
            with overlay's marks:
            outside Directory 755 0:0 user.overlay.opaque="y"
            outside/file File 644 0:0 "x"
            proc Directory 755 0:0
            proc/self Directory 755 0:0
            proc/self/cwd Directory 755 0:0
            proc/self/cwd/y File 644 0:0 "y"
            self Symlink 777 0:0 -> /proc/self/cwd
            up Symlink 777 0:0 -> ../../../../outside
            by removing:
            outside Directory 755 0:0
            outside/file File 644 0:0 "x"
            proc Directory 755 0:0
            proc/self Directory 755 0:0
            proc/self/cwd Directory 755 0:0
            proc/self/cwd/y File 644 0:0 "y"
            self Symlink 777 0:0 -> /proc/self/cwd
            up Symlink 777 0:0 -> ../../../../outside
        "#]],
    );
    check(
        &Tar::new()
            .link(b'2', "file", "../outside/file")
            .file("file", "replaces the link"),
        &expect![[r#"
            file File 644 0:0 "replaces the link"
        "#]],
    );
}

#[test]
fn hard_links_reach_only_what_is_inside() {
    check(
        &Tar::new().link(b'1', "alias", "../outside/file"),
        &expect![[r#"the archive's entry "../outside/file" is refused: it leads out of the root"#]],
    );
    check(
        &Tar::new()
            .link(b'2', "up", "../outside")
            .link(b'1', "alias", "up/file"),
        &expect!["the archive's entry alias links to /up/file, which does not exist"],
    );
    // A further name of the link itself, and a write to it, which must not follow it.
    check(
        &Tar::new()
            .link(b'2', "up", "../outside/file")
            .link(b'1', "alias", "up")
            .file("alias", "x"),
        &expect![[r#"
            alias File 644 0:0 "x"
            up Symlink 777 0:0 -> ../outside/file
        "#]],
    );
    check(
        &Tar::new().file("a", "x").link(b'1', "a", "a"),
        &expect![[r#"
        a File 644 0:0 "x"
    "#]],
    );
}

#[test]
fn limits_hold() {
    let many = (0..101).fold(Tar::new(), |tar, index| tar.file(&format!("f{index}"), ""));
    check(
        &many,
        &expect!["the archive holds more than the allowed 100 entries"],
    );
    let large = Tar::new().file("large", &"x".repeat((1 << 20) + 1));
    check(
        &large,
        &expect!["the archive holds more than the allowed 1048576 bytes"],
    );
    let huge_name = "n/".repeat(2100);
    let error = apply_bytes(
        &Place::new().root,
        &Tar::new().file(&huge_name, "").end(),
        Whiteouts::Remove,
    );
    assert!(
        error
            .unwrap_err()
            .to_string()
            .ends_with("is refused: it is too long")
    );
    let mut extension = entry(b'x', "huge");
    extension.size = 2 << 20;
    let mut bytes = Vec::new();
    extension.write(&mut bytes).unwrap();
    bytes.resize(4 << 20, b'x');
    let error = apply_bytes(&Place::new().root, &bytes, Whiteouts::Remove).unwrap_err();
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "an extended header is longer than 1 MiB"
    );
}

#[test]
fn the_root_is_not_replaced_and_a_file_is_no_directory() {
    check(
        &Tar::new().file(".", "x"),
        &expect![[r#"the archive's entry "." is refused: the root is a directory"#]],
    );
    check(
        &Tar::new().file("file", "").file("file/below", ""),
        &expect!["failed to make the directory /file"],
    );
}

#[test]
fn marks_of_overlay_and_of_lrops_cannot_be_smuggled_in() {
    let tar = Tar::new()
        .attribute("a", "user.overlay.redirect", "/etc")
        .attribute("b", "user.lrops.owner", "0:0")
        .attribute("c", "trusted.overlay.opaque", "y")
        .attribute("d", "user.fine", "kept");
    check(
        &tar,
        &expect![[r#"
        a File 644 0:0 ""
        b File 644 0:0 ""
        c File 644 0:0 ""
        d File 644 0:0 "" user.fine="kept"
    "#]],
    );
}

proptest::proptest! {
    /// Random damage to a valid tar never leads out of the root and never panics.
    #[test]
    fn damaged_tars_do_no_harm(position in 0_usize..8192, byte: u8, length in 0_usize..8192) {
        let tar = Tar::new()
            .with(&entry(b'5', "d/"), "")
            .link(b'2', "d/up", "../../outside")
            .attribute("d/note", "user.note", "text")
            .file(&"long/".repeat(60), "x")
            .file("d/up/file", "x")
            .link(b'1', "d/alias", "d/note");
        let mut bytes = tar.end();
        let position = position % bytes.len();
        bytes[position] = byte;
        bytes.truncate(bytes.len() - length % bytes.len());
        let place = Place::new();
        place.file("outside/file", "safe", 0o644).dir("root", 0o755);
        let root = RootDir::open(&place.path("root"), OwnerStyle::Native).unwrap();
        let _ = apply_bytes(&root, &bytes, Whiteouts::Overlay);
        proptest::prop_assert_eq!(fs::read_to_string(place.path("outside/file")).unwrap(), "safe");
        proptest::prop_assert_eq!(fs::read_dir(place.path("outside")).unwrap().count(), 1);
    }
}
