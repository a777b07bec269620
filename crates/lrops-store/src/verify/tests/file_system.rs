//! Only the final file system counts.

use expect_test::{Expect, expect};

use super::elves::Elf;
use super::maker::{Layer, Maker, single};
use super::{check, expectations, verify};

/// A program of the wrong platform.
fn foreign() -> Vec<u8> {
    Elf::program("s390x").bytes()
}

/// A program of the right platform.
fn right() -> Vec<u8> {
    Elf::program("amd64").bytes()
}

#[track_caller]
fn check_layers(layers: impl IntoIterator<Item = Layer>, expected: Expect) {
    let tars: Vec<Vec<u8>> = layers.into_iter().map(Layer::tar).collect();
    let tars: Vec<&[u8]> = tars.iter().map(Vec::as_slice).collect();
    check(&Maker::new().platform("linux/amd64", &tars).finish(), expected);
}

#[test]
fn a_wrong_program_that_a_later_layer_hides_is_not_told() {
    let lower = || Layer::new().directory("bin").file("bin/tool", foreign());
    check_layers(
        [lower()],
        expect![[r#"
        error ForeignProgram: linux/amd64: /bin/tool is a program for s390x instead of amd64
    "#]],
    );
    check_layers([lower(), Layer::new().file("bin/tool", right())], expect![""]);
    check_layers([lower(), Layer::new().file("bin/.wh.tool", "")], expect![""]);
    check_layers([lower(), Layer::new().file(".wh.bin", "")], expect![""]);
    check_layers([lower(), Layer::new().file("bin/.wh..wh..opq", "")], expect![""]);
    check_layers([lower(), Layer::new().file(".wh..wh..opq", "")], expect![""]);
    check_layers([lower(), Layer::new().symlink("bin", "elsewhere")], expect![""]);
    // These hide something else.
    check_layers(
        [lower(), Layer::new().file("bin/.wh.other", "")],
        expect![[r#"
        error ForeignProgram: linux/amd64: /bin/tool is a program for s390x instead of amd64
    "#]],
    );
    check_layers(
        [lower(), Layer::new().directory("bin")],
        expect![[r#"
        error ForeignProgram: linux/amd64: /bin/tool is a program for s390x instead of amd64
    "#]],
    );
}

#[test]
fn whiteouts_leave_their_own_layer_alone() {
    let lower = || Layer::new().file("d/old", foreign());
    let new = || Layer::new().file("d/new", foreign());
    for upper in [
        new().file("d/.wh..wh..opq", ""),
        Layer::new().file("d/.wh..wh..opq", "").file("d/new", foreign()),
        new().file(".wh.d", ""),
        Layer::new().file(".wh.d", "").file("d/new", foreign()),
    ] {
        let image = Maker::new()
            .platform("linux/amd64", &[&lower().tar(), &upper.tar()])
            .finish();
        let report = verify(&image, &expectations(&[], &[]));
        assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
        assert!(report.findings[0].message.contains("/d/new "));
    }
    let deep = Layer::new()
        .file("d/e/f/new", foreign())
        .file("d/.wh..wh..opq", "");
    check_layers(
        [Layer::new().file("d/e/f/old", foreign()), deep],
        expect![[r#"
        error ForeignProgram: linux/amd64: /d/e/f/new is a program for s390x instead of amd64
    "#]],
    );
}

#[test]
fn a_hard_link_outlives_its_first_name() {
    let lower = || Layer::new().file("a", foreign()).hard_link("b", "a");
    check_layers(
        [lower()],
        expect![[r#"
        error ForeignProgram: linux/amd64: /a is a program for s390x instead of amd64
    "#]],
    );
    check_layers(
        [lower(), Layer::new().file(".wh.a", "")],
        expect![[r#"
        error ForeignProgram: linux/amd64: /b is a program for s390x instead of amd64
    "#]],
    );
    check_layers(
        [
            Layer::new().file("a", foreign()),
            Layer::new().hard_link("b", "a").file(".wh.a", ""),
        ],
        expect![[r#"
        error ForeignProgram: linux/amd64: /b is a program for s390x instead of amd64
    "#]],
    );
}

#[test]
fn entries_go_through_the_links_that_are_there() {
    let lower = || {
        Layer::new()
            .file("usr/lib/x", foreign())
            .symlink("lib", "usr/lib")
    };
    check_layers([lower(), Layer::new().file("lib/x", right())], expect![""]);
    check_layers([lower(), Layer::new().file("lib/.wh.x", "")], expect![""]);
    check_layers(
        [
            lower(),
            Layer::new().directory("lib").file("lib/.wh..wh..opq", ""),
        ],
        expect![[r#"
        error ForeignProgram: linux/amd64: /usr/lib/x is a program for s390x instead of amd64
    "#]],
    );
    let upwards = Layer::new()
        .symlink("up", "../../../usr")
        .file("up/lib/x", right());
    check_layers([lower(), upwards], expect![""]);
}

#[test]
fn what_an_engine_would_stumble_over_is_told() {
    check_layers(
        [Layer::new().hard_link("a", "missing")],
        expect![[r#"
        error LayerUnreadable: layer 1 of linux/amd64 cannot be unpacked: /a is a link to /missing, which does not exist
    "#]],
    );
    check_layers(
        [Layer::new().directory("d").hard_link("a", "d")],
        expect![[r#"
        error LayerUnreadable: layer 1 of linux/amd64 cannot be unpacked: /a is a hard link to a directory
    "#]],
    );
    check_layers(
        [Layer::new().file("a", "").file("a/b", "")],
        expect![[r#"
        error LayerUnreadable: layer 1 of linux/amd64 cannot be unpacked: something lies below /a, which is no directory
    "#]],
    );
    check_layers(
        [Layer::new().symlink("a", "b").symlink("b", "a").file("a/x", "")],
        expect![[r#"
        error LayerUnreadable: layer 1 of linux/amd64 cannot be unpacked: the links in /a do not come to an end
    "#]],
    );
    check_layers(
        [Layer::new().file(".wh.", "")],
        expect![[r#"
        error LayerUnreadable: layer 1 of linux/amd64 sha256:… cannot be unpacked: the archive's entry ".wh." is refused: it removes nothing that has a name
    "#]],
    );
}

#[test]
fn an_interpreter_is_found_through_links() {
    let program = || {
        Elf::program("amd64")
            .interpreter("/lib64/ld-linux-x86-64.so.2")
            .bytes()
    };
    let make = || Layer::new().file("app", program());
    let found = make()
        .symlink("lib64", "usr/lib64")
        .symlink(
            "usr/lib64/ld-linux-x86-64.so.2",
            "../lib/x86_64-linux-gnu/ld-2.so",
        )
        .symlink("usr/lib/x86_64-linux-gnu", "/opt/libraries")
        .file("opt/libraries/ld-2.so", Elf::library("amd64").bytes());
    check(&single("linux/amd64", found), expect![""]);
    check(
        &single("linux/amd64", make()),
        expect![[r#"
        error MissingInterpreter: linux/amd64: /app needs the program interpreter /lib64/ld-linux-x86-64.so.2, which is not in the image
    "#]],
    );
    let script = make().file("lib64/ld-linux-x86-64.so.2", "#!/bin/sh");
    check(
        &single("linux/amd64", script),
        expect![[r#"
        error MissingInterpreter: linux/amd64: /app needs the program interpreter /lib64/ld-linux-x86-64.so.2, which is no program
    "#]],
    );
    let directory = make().directory("lib64/ld-linux-x86-64.so.2");
    check(
        &single("linux/amd64", directory),
        expect![[r#"
        error MissingInterpreter: linux/amd64: /app needs the program interpreter /lib64/ld-linux-x86-64.so.2, which is no program
    "#]],
    );
    let circle = make().symlink("lib64", "lib64");
    check(
        &single("linux/amd64", circle),
        expect![[r#"
        error MissingInterpreter: linux/amd64: /app needs the program interpreter /lib64/ld-linux-x86-64.so.2, which is not in the image
    "#]],
    );
    let dangling = make().symlink("lib64/ld-linux-x86-64.so.2", "/nowhere");
    check(
        &single("linux/amd64", dangling),
        expect![[r#"
        error MissingInterpreter: linux/amd64: /app needs the program interpreter /lib64/ld-linux-x86-64.so.2, which is not in the image
    "#]],
    );
}

#[test]
fn a_wrong_interpreter_is_told_where_it_lies() {
    let layer = Layer::new()
        .file("app", Elf::program("amd64").interpreter("/lib/ld.so").bytes())
        .file("lib/ld.so", Elf::library("arm64").bytes());
    check(
        &single("linux/amd64", layer),
        expect![[r#"
        error ForeignLibrary: linux/amd64: /lib/ld.so is a shared library for arm64 instead of amd64
    "#]],
    );
}

#[test]
fn a_missing_interpreter_can_come_with_another_layer() {
    let upper = Layer::new().file("lib/ld.so", Elf::library("amd64").bytes());
    let lower = Layer::new().file("app", Elf::program("amd64").interpreter("/lib/ld.so").bytes());
    check_layers([lower, upper], expect![""]);
}
