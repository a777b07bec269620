use expect_test::{Expect, expect};

use super::*;

/// Resolves in a made-up archive: paragraphs of `name version` and then fields; those after `== backports` are of
/// a suite that is not automatic.
#[expect(clippy::needless_pass_by_value, reason = "expect! gives a value")]
#[track_caller]
fn check(archive: &str, wanted: &[&str], expected: Expect) {
    let mut index = Index::default();
    for (suite, part) in archive.split("== backports").enumerate() {
        let mut text = String::new();
        for package in part.split("\n\n").filter(|package| !package.trim().is_empty()) {
            let mut lines = package.trim().lines().map(str::trim);
            let (name, version) = lines.next().unwrap().split_once(' ').unwrap();
            let head = [
                "Package: ",
                name,
                "\nVersion: ",
                version,
                "\nArchitecture: amd64\n",
            ]
            .concat();
            let tail = ["Filename: pool/", name, "\nSize: 1\nSHA256: 00\n"].concat();
            let fields: Vec<&str> = lines.by_ref().collect();
            text += &[head, tail, fields.join("\n"), "\n\n".to_owned()].concat();
        }
        let suite = u16::try_from(suite).unwrap();
        index.read(&mut text.as_bytes(), suite, suite == 0).unwrap();
    }
    index.finish();
    let wanted: Vec<String> = wanted.iter().map(|&name| name.to_owned()).collect();
    let wish = Wish {
        packages: &wanted,
        excluded: BTreeSet::from(["debconf"]),
        suites: vec!["main", "backports"],
    };
    let found = match resolve(&index, &wish, "amd64") {
        Ok(ids) => {
            let names: Vec<_> = ids
                .iter()
                .map(|id| format!("{} {}", index.name(*id), index.version(*id)))
                .collect();
            names.join(", ")
        }
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&found);
}

#[test]
fn needs_come_along_and_circles_end() {
    let archive = "a 1\nDepends: b (>= 2)\nPre-Depends: c\n\nb 2\nDepends: a\n\nc 1\n\nd 1";
    check(archive, &["a"], expect!["a 1, b 2, c 1"]);
}

#[test]
fn the_first_alternative_is_taken_unless_another_comes_anyway() {
    let archive = "a 1\nDepends: x | y\n\nb 1\nDepends: y\n\nx 1\n\ny 1";
    check(archive, &["a"], expect!["a 1, x 1"]);
    check(archive, &["a", "b"], expect!["a 1, b 1, y 1"]);
    check("a 1\nDepends: gone | y\n\ny 1", &["a"], expect!["a 1, y 1"]);
}

#[test]
fn among_providers_priority_decides_and_then_the_name() {
    let archive = "a 1\nDepends: awk\n\ngawk 1\nProvides: awk\nPriority: optional\n\n\
                   mawk 1\nProvides: awk\nPriority: required\n\nbawk 1\nProvides: awk\nPriority: optional";
    check(archive, &["a"], expect!["a 1, mawk 1"]);
    check(archive, &["a", "gawk"], expect!["a 1, gawk 1"]);
}

#[test]
fn a_versioned_need_is_met_only_by_a_versioned_provision() {
    let archive = "a 1\nDepends: v (>= 2)\n\nold 1\nProvides: v\n\nnew 1\nProvides: v (= 2.1)";
    check(archive, &["a"], expect!["a 1, new 1"]);
}

#[test]
fn excluded_packages_are_not_followed() {
    let archive = "a 1\nDepends: debconf (>= 0.5) | debconf-2.0\n\ndebconf 1\nDepends: perl\n\nperl 1\n\n\
                   cdebconf 1\nProvides: debconf-2.0";
    check(archive, &["a"], expect!["a 1"]);
}

#[test]
fn backports_are_taken_when_asked_for_and_for_what_only_they_have() {
    let archive = "a 1\n\nlib 1\n\n== backports\na 2\nDepends: lib (>= 2)\n\nlib 2\n\nonly 1";
    check(archive, &["a"], expect!["a 1"]);
    check(archive, &["only"], expect!["only 1"]);
    check(archive, &["a/backports"], expect!["a 2, lib 2"]);
    check(archive, &["lib", "a=2"], expect!["a 2, lib 2"]);
}

#[test]
fn qualifiers_of_the_one_architecture_are_met() {
    check(
        "a 1\nDepends: b:any, c:amd64\n\nb 1\n\nc 1",
        &["a"],
        expect!["a 1, b 1, c 1"],
    );
    check(
        "a 1\nDepends: b:arm64\n\nb 1",
        &["a"],
        expect!["b is needed and cannot be had: a 1; b 1 is in main"],
    );
}

#[test]
fn mistakes_and_contradictions_are_explained() {
    check(
        "busybox 1\n\nlibc6 2\n\nlibc6-dev 2",
        &["busibox"],
        expect!["there is no package busibox in main, backports for amd64; did you mean busybox?"],
    );
    check(
        "libc6 2\n\nx 1",
        &["libc6=3"],
        expect!["there is no package libc6=3 in main, backports for amd64; did you mean libc6=2 in main?"],
    );
    check(
        "a 1\nDepends: b\n\nb 1\nDepends: c (>= 3)\n\nc 2",
        &["a"],
        expect!["c (>= 3) is needed and cannot be had: a → b 1; c 2 is in main"],
    );
    check(
        "a 1\nDepends: b\n\nb 1\nConflicts: v\n\nc 1\nProvides: v",
        &["a", "c"],
        expect!["b cannot be with c: it conflicts with v; a → b 1; c 1"],
    );
}

#[test]
fn a_package_may_conflict_with_what_it_provides_itself() {
    check(
        "a 1\nConflicts: v\nProvides: v\n\nb 1",
        &["a", "b"],
        expect!["a 1, b 1"],
    );
}
