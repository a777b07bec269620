use expect_test::{Expect, expect};

use super::*;
use crate::unpacked::Extended;

type Files<'a> = &'a [(&'a str, &'a str)];

/// Merges packages whose files are written as path and `dir`, `-> target`, `= target` (hard link) or content, and
/// lists what comes out.
#[expect(clippy::needless_pass_by_value, reason = "expect! gives a value")]
#[track_caller]
fn check(packages: &[Files<'_>], exclude: &[&str], expected: Expect) {
    let mut tree = Tree::new();
    for (number, files) in packages.iter().enumerate() {
        let mut spool = Vec::new();
        let entries = files.iter().map(|(path, what)| {
            let kind = match what.split_once(' ') {
                Some(("->", target)) => PackageEntryKind::Symlink(target.to_owned()),
                Some(("=", target)) => PackageEntryKind::HardLink(target.to_owned()),
                _ if *what == "dir" => PackageEntryKind::Directory,
                _ => {
                    let offset = spool.len() as u64;
                    spool.extend_from_slice(what.as_bytes());
                    PackageEntryKind::File {
                        offset,
                        len: what.len() as u64,
                    }
                }
            };
            PackageEntry {
                path: (*path).to_owned(),
                kind,
                mode: 0o644,
                owner: Owner::ROOT,
                mtime: 1,
                extended: Extended::default(),
            }
        });
        let entries: Vec<_> = entries.collect();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&spool, 0).unwrap();
        let package = Unpacked {
            control: String::new(),
            has_script: false,
            entries,
            spool: file,
        };
        tree.add_package(number, package, &|_, _| Overwrite::Yields)
            .unwrap();
    }
    let patterns: Vec<Pattern> = exclude.iter().map(|text| Pattern::new(text)).collect();
    tree.remove_matching(&patterns, &[Pattern::new("/usr/share/doc/*/copyright")]);
    let listed: Vec<String> = tree
        .iter()
        .map(|(path, entry)| match &entry.kind {
            EntryKind::Directory => format!("{path}/"),
            EntryKind::Symlink(target) => format!("{path} -> {target}"),
            EntryKind::File(_) => {
                let bytes = tree.read(path, 100).unwrap().unwrap();
                format!("{path}: {}", String::from_utf8(bytes).unwrap())
            }
        })
        .collect();
    expected.assert_eq(&listed.join("\n"));
}

#[test]
fn old_directories_lead_into_usr() {
    check(
        &[&[
            ("bin", "dir"),
            ("bin/sh", "shell"),
            ("lib64/ld.so", "loader"),
            ("usr/bin/a", "= bin/sh"),
        ]],
        &[],
        expect![[r"
            bin -> usr/bin
            lib -> usr/lib
            lib64 -> usr/lib64
            sbin -> usr/sbin
            usr/
            usr/bin/
            usr/bin/a: shell
            usr/bin/sh: shell
            usr/lib/
            usr/lib64/
            usr/lib64/ld.so: loader
            usr/sbin/"]],
    );
}

#[test]
fn files_follow_another_packages_links_and_the_first_package_keeps_its_file() {
    check(
        &[
            &[
                ("etc/alternatives", "-> ../var/x"),
                ("var/x", "dir"),
                ("f", "first"),
            ],
            &[
                ("etc/alternatives/y", "y"),
                ("etc/alternatives", "dir"),
                ("f", "second"),
            ],
        ],
        &["/usr/**", "/bin", "/sbin", "/lib"],
        expect![[r"
            etc/
            etc/alternatives -> ../var/x
            f: first
            usr/
            var/
            var/x/
            var/x/y: y"]],
    );
}

#[test]
fn what_is_excluded_goes_and_licences_stay() {
    check(
        &[&[
            ("usr/share/doc/a/copyright", "licence"),
            ("usr/share/doc/a/changelog.gz", "x"),
            ("usr/share/doc/b/readme", "x"),
            ("usr/share/man/man1/a.1", "x"),
        ]],
        &[
            "/usr/share/doc/**",
            "/usr/share/man/**",
            "/bin",
            "/sbin",
            "/lib",
            "/usr/*bin",
            "/usr/lib",
        ],
        expect![[r"
            usr/
            usr/share/
            usr/share/doc/
            usr/share/doc/a/
            usr/share/doc/a/copyright: licence
            usr/share/man/"]],
    );
}

#[test]
fn a_circle_of_links_is_an_error() {
    let mut tree = Tree::new();
    tree.put_link("a", "b").unwrap();
    tree.put_link("b", "a").unwrap();
    assert!(matches!(tree.canonical("a/x"), Err(MergeFault::Links { .. })));
}
