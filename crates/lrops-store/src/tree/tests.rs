//! Trees: confinement, copies, digests.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use lrops_model::cancel::CancelToken;
use lrops_model::change::Owner;
use lrops_model::timestamp::Timestamp;
use tempfile::TempDir;

use super::*;

/// A directory for one test, and a handle on it.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) root: RootDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = RootDir::open(directory.path(), OwnerStyle::Native).unwrap();
        Self { directory, root }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    pub(crate) fn file(&self, path: &str, content: &str, mode: u32) -> &Self {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), content).unwrap();
        self.mode(path, mode)
    }

    pub(crate) fn dir(&self, path: &str, mode: u32) -> &Self {
        fs::create_dir_all(self.path(path)).unwrap();
        self.mode(path, mode)
    }

    pub(crate) fn mode(&self, path: &str, mode: u32) -> &Self {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    pub(crate) fn link(&self, path: &str, target: &str) -> &Self {
        symlink(target, self.path(path)).unwrap();
        self
    }

    pub(crate) fn owner(&self, path: &str, uid: u32, gid: u32) -> &Self {
        std::os::unix::fs::lchown(self.path(path), Some(uid), Some(gid)).unwrap();
        self
    }

    pub(crate) fn time(&self, path: &str, seconds: i64) -> &Self {
        self.root
            .spot(Path::new(path))
            .unwrap()
            .set_modified(Time::from_seconds(seconds))
            .unwrap();
        self
    }

    pub(crate) fn attribute(&self, path: &str, name: &str, value: &[u8]) -> &Self {
        xattr::set(self.path(path), name, value).unwrap();
        self
    }
}

/// What a description leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    WithTimes,
    WithoutTimes,
}

/// Returns all of a tree as text, one line a file.
pub(crate) fn describe(root: &RootDir, detail: Detail) -> String {
    let mut lines = String::new();
    let mut names = std::collections::BTreeMap::new();
    describe_below(root, Path::new(""), detail, &mut names, &mut lines);
    lines
}

fn describe_below(
    root: &RootDir,
    directory: &Path,
    detail: Detail,
    names: &mut std::collections::BTreeMap<u64, PathBuf>,
    lines: &mut String,
) {
    use std::fmt::Write;
    for name in root.list(directory).unwrap() {
        let path = directory.join(name);
        let spot = root.spot(&path).unwrap();
        let found = root.metadata_at(&spot).unwrap().unwrap();
        write!(
            lines,
            "{} {:?} {:o} {}",
            path.display(),
            found.kind,
            found.mode,
            found.owner
        )
        .unwrap();
        if detail == Detail::WithTimes {
            write!(lines, " @{}", found.modified.seconds).unwrap();
        }
        match found.kind {
            Kind::Symlink => write!(lines, " -> {}", spot.read_link().unwrap().display()).unwrap(),
            Kind::File => {
                let content = root.read_file(&path, 1 << 20).unwrap();
                write!(lines, " {:?}", String::from_utf8_lossy(&content)).unwrap();
                if found.links > 1 {
                    let first = names.entry(found.inode).or_insert_with(|| path.clone());
                    write!(lines, " = {}", first.display()).unwrap();
                }
            }
            _ => {}
        }
        for (name, value) in attributes(&spot, |name| {
            name != "user.lrops.owner" && name != "user.lrops.device"
        })
        .unwrap()
        {
            write!(lines, " {}={:?}", name.display(), String::from_utf8_lossy(&value)).unwrap();
        }
        lines.push('\n');
        if found.kind == Kind::Directory {
            describe_below(root, &path, detail, names, lines);
        }
    }
}

fn check_tree(root: &RootDir, expected: &Expect) {
    expected.assert_eq(&describe(root, Detail::WithoutTimes));
}

struct CopyCase<'a> {
    source: &'a str,
    target: &'a str,
    owners: Owners,
    chmod: Option<&'a str>,
    filter: &'a Filter<'a>,
}

impl Default for CopyCase<'_> {
    fn default() -> Self {
        Self {
            source: "/",
            target: "/",
            owners: Owners::Root,
            chmod: None,
            filter: &|_, _| Keep::Take,
        }
    }
}

fn run(from: &Place, to: &Place, case: &CopyCase<'_>) -> Result<Copied, CopyError> {
    let chmod = case.chmod.map(|text| text.parse().unwrap());
    copy(&CopyRequest {
        source_root: &from.root,
        source: Path::new(case.source),
        target_root: &to.root,
        target: Path::new(case.target),
        owners: case.owners,
        chmod: chmod.as_ref(),
        filter: case.filter,
        cancel: &CancelToken::new(),
    })
}

#[test]
fn links_never_lead_out_of_the_root() {
    let place = Place::new();
    place
        .file("etc/passwd", "inside", 0o644)
        .link("absolute", "/etc")
        .link("up", "../../../../etc/passwd");
    place.link("loop", "loop");
    for path in [
        "absolute/passwd",
        "up",
        "../../etc/passwd",
        "/absolute/../../../etc/passwd",
    ] {
        assert_eq!(
            place.root.read_file(Path::new(path), 100).unwrap(),
            b"inside",
            "{path}"
        );
    }
    assert!(place.root.open_file(Path::new("loop")).is_err());
    assert!(place.root.open_file(Path::new("etc")).is_err());
}

#[test]
fn a_path_resolves_even_where_it_does_not_exist_yet() {
    let place = Place::new();
    place
        .dir("real", 0o755)
        .link("to", "/real")
        .link("dangling", "real/missing");
    let check = |path: &str, expected: &str| {
        assert_eq!(
            place.root.resolve(Path::new(path)).unwrap(),
            Path::new(expected),
            "{path}"
        );
    };
    check("/to/a/b", "real/a/b");
    check("dangling/x", "real/missing/x");
    check("to/../../x/./y/", "x/y");
    check("/", "");
}

#[test]
fn directories_are_made_where_missing_and_left_alone_where_not() {
    let place = Place::new();
    place.dir("real", 0o700).link("to", "/real");
    let new = NewDirectories {
        mode: 0o2755,
        owner: Owner { uid: 5, gid: 6 },
        time: Some(Time::from_seconds(7)),
    };
    let made = place.root.make_dirs(Path::new("/to/a/b"), new).unwrap();
    assert_eq!(made, [Path::new("real/a"), Path::new("real/a/b")]);
    assert!(place.root.make_dirs(Path::new("to/a"), new).unwrap().is_empty());
    expect![[r#"
        real Directory 700 0:0
        real/a Directory 2755 5:6
        real/a/b Directory 2755 5:6
        to Symlink 777 0:0 -> /real
    "#]]
    .assert_eq(&describe(&place.root, Detail::WithoutTimes));
    assert_eq!(fs::metadata(place.path("real/a")).unwrap().mtime(), 7);
    place.file("file", "", 0o644);
    let error = place.root.make_dirs(Path::new("file/x"), new).unwrap_err();
    assert_eq!(error.to_string(), "failed to resolve /file/x");
}

#[test]
fn a_file_longer_than_allowed_is_not_read() {
    let place = Place::new();
    place.file("file", "12345", 0o644);
    assert!(place.root.read_file(Path::new("file"), 5).is_ok());
    assert!(place.root.read_file(Path::new("file"), 4).is_err());
}

#[test]
fn a_directory_s_content_is_merged_into_the_target() {
    let (from, to) = (Place::new(), Place::new());
    from.file("app/bin/run", "new", 0o4755)
        .link("app/lib", "bin/run")
        .mode("app", 0o700);
    from.owner("app/bin/run", 10, 20)
        .mode("app/bin/run", 0o4755)
        .mode("app/bin", 0o711);
    to.file("srv/bin/run", "old", 0o600)
        .file("srv/bin/kept", "kept", 0o600)
        .mode("srv", 0o750);
    let case = CopyCase {
        source: "app",
        target: "/srv",
        owners: Owners::Keep,
        ..CopyCase::default()
    };
    assert_eq!(run(&from, &to, &case).unwrap().entries, 3);
    check_tree(
        &to.root,
        &expect![[r#"
            srv Directory 750 0:0
            srv/bin Directory 711 0:0
            srv/bin/kept File 600 0:0 "kept"
            srv/bin/run File 4755 10:20 "new"
            srv/lib Symlink 777 0:0 -> bin/run
        "#]],
    );
}

#[test]
fn a_file_goes_into_a_directory_or_takes_the_target_s_name() {
    let (from, to) = (Place::new(), Place::new());
    from.file("file", "x", 0o640).link("alias", "/file");
    to.dir("existing", 0o755).link("to-existing", "/existing");
    for (source, target) in [
        ("file", "/existing"),
        ("file", "new/"),
        ("file", "a/b"),
        ("alias", "to-existing"),
        ("file", "/c"),
    ] {
        run(
            &from,
            &to,
            &CopyCase {
                source,
                target,
                ..CopyCase::default()
            },
        )
        .unwrap();
    }
    check_tree(
        &to.root,
        &expect![[r#"
            a Directory 755 0:0
            a/b File 640 0:0 "x"
            c File 640 0:0 "x"
            existing Directory 755 0:0
            existing/alias File 640 0:0 "x"
            existing/file File 640 0:0 "x"
            new Directory 755 0:0
            new/file File 640 0:0 "x"
            to-existing Symlink 777 0:0 -> /existing
        "#]],
    );
}

#[test]
fn directories_and_other_files_do_not_replace_each_other() {
    let check = |from: &Place, to: &Place, expected: &Expect| {
        let error = run(from, to, &CopyCase::default()).unwrap_err();
        expected.assert_eq(&error.to_string());
    };
    let (directory, link, file) = (Place::new(), Place::new(), Place::new());
    directory.file("x/file", "", 0o644);
    link.dir("real", 0o755).link("x", "real");
    file.file("x", "", 0o644);
    check(
        &link,
        &directory,
        &expect!["cannot replace to directory /x with file"],
    );
    check(
        &file,
        &directory,
        &expect!["cannot replace to directory /x with file"],
    );
    check(&directory, &link, &expect!["cannot copy to non-directory: /x"]);
    check(&directory, &file, &expect!["cannot copy to non-directory: /x"]);
    let error = run(
        &file,
        &link,
        &CopyCase {
            source: "/none",
            ..CopyCase::default()
        },
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "/none not found");
}

#[test]
fn owners_and_modes_can_be_set_for_all_copies() {
    let (from, to) = (Place::new(), Place::new());
    from.file("d/file", "x", 0o664)
        .owner("d/file", 3, 3)
        .file("d/program", "x", 0o775)
        .link("d/link", "file");
    let owners = Owners::Set(Owner { uid: 8, gid: 9 });
    let octal = CopyCase {
        source: "d",
        target: "octal/",
        owners,
        chmod: Some("4751"),
        ..CopyCase::default()
    };
    run(&from, &to, &octal).unwrap();
    let symbolic = CopyCase {
        source: "d",
        target: "symbolic",
        chmod: Some("go-w,u+X"),
        ..CopyCase::default()
    };
    run(&from, &to, &symbolic).unwrap();
    check_tree(
        &to.root,
        &expect![[r#"
            octal Directory 751 8:9
            octal/file File 4751 8:9 "x"
            octal/link Symlink 777 8:9 -> file
            octal/program File 4751 8:9 "x"
            symbolic Directory 755 0:0
            symbolic/file File 644 0:0 "x"
            symbolic/link Symlink 777 0:0 -> file
            symbolic/program File 755 0:0 "x"
        "#]],
    );
}

#[test]
fn a_skipped_directory_is_made_for_what_is_taken_below_it() {
    let (from, to) = (Place::new(), Place::new());
    from.file("a/b/taken", "x", 0o644)
        .file("a/b/left", "", 0o644)
        .file("a/empty/left", "", 0o644);
    from.file("pruned/taken", "", 0o644)
        .mode("a/b", 0o711)
        .mode("a", 0o700);
    from.time("a/b/taken", 5).time("a/b", 6).time("a", 7);
    let filter = |path: &Path, _: Kind| match path {
        _ if path.starts_with("pruned") => Keep::Prune,
        _ if path.ends_with("taken") => Keep::Take,
        _ => Keep::Skip,
    };
    run(
        &from,
        &to,
        &CopyCase {
            filter: &filter,
            ..CopyCase::default()
        },
    )
    .unwrap();
    expect![[r#"
        a Directory 700 0:0 @7
        a/b Directory 711 0:0 @6
        a/b/taken File 644 0:0 @5 "x"
    "#]]
    .assert_eq(&describe(&to.root, Detail::WithTimes));
}

#[test]
fn hard_links_holes_pipes_and_capabilities_survive_a_copy_and_user_attributes_do_not() {
    let capability = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let (from, to) = (Place::new(), Place::new());
    from.file("one", "x", 0o755)
        .attribute("one", "security.capability", capability);
    from.attribute("one", "user.note", b"n");
    fs::hard_link(from.path("one"), from.path("two")).unwrap();
    from.root
        .spot(Path::new("pipe"))
        .unwrap()
        .make_node(Kind::Fifo)
        .unwrap();
    from.root
        .spot(Path::new("null"))
        .unwrap()
        .make_node(Kind::CharDevice { major: 1, minor: 3 })
        .unwrap();
    let sparse = fs::File::create(from.path("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"end", 64 << 20).unwrap();
    sparse.set_len(65 << 20).unwrap();
    run(
        &from,
        &to,
        &CopyCase {
            owners: Owners::Set(Owner { uid: 1, gid: 1 }),
            ..CopyCase::default()
        },
    )
    .unwrap();
    let copy = fs::metadata(to.path("sparse")).unwrap();
    assert!(
        copy.len() == 65 << 20 && copy.blocks() * 512 < 1 << 20,
        "the holes were filled"
    );
    let mut end = [0; 3];
    let sparse = fs::File::open(to.path("sparse")).unwrap();
    std::os::unix::fs::FileExt::read_exact_at(&sparse, &mut end, 64 << 20).unwrap();
    assert_eq!(&end, b"end");
    fs::remove_file(to.path("sparse")).unwrap();
    check_tree(
        &to.root,
        &expect![[r#"
            null CharDevice { major: 1, minor: 3 } 600 1:1
            one File 755 1:1 "x" = one security.capability="\u{1}\0\0\u{2}\0\u{4}\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
            pipe Fifo 600 1:1
            two File 755 1:1 "x" = one security.capability="\u{1}\0\0\u{2}\0\u{4}\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
        "#]],
    );
}

#[test]
fn a_cancelled_copy_stops() {
    let (from, to) = (Place::new(), Place::new());
    from.file("file", "", 0o644);
    let cancel = CancelToken::new();
    cancel.cancel();
    let request = CopyRequest {
        source_root: &from.root,
        source: Path::new("/"),
        target_root: &to.root,
        target: Path::new("/"),
        owners: Owners::Root,
        chmod: None,
        filter: &|_, _| Keep::Take,
        cancel: &cancel,
    };
    assert!(matches!(copy(&request), Err(CopyError::Cancelled(_))));
    check_tree(&to.root, &expect![""]);
}

mod digests;
