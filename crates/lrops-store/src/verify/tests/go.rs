//! Real programs, made by Go.

use std::path::Path;

use expect_test::expect;
use lrops_testkit::programs::go;

use super::check;
use super::maker::{Layer, Maker, single};

/// Leaves symbols and debug information out, as most people do.
const STRIPPED: &[&str] = &["-ldflags", "-s -w"];

/// Builds the smallest Go program for a platform.
fn build(directory: &Path, architecture: &str, arm: &str, flags: &[&str]) -> Vec<u8> {
    std::fs::write(directory.join("go.mod"), "module hello\n\ngo 1.18\n").unwrap();
    std::fs::write(
        directory.join("main.go"),
        "package main\n\nfunc main() { println(\"hello\") }\n",
    )
    .unwrap();
    let output = go()
        .args(["build", "-o", "hello"])
        .args(flags)
        .current_dir(directory)
        .envs([("GOOS", "linux"), ("GOARCH", architecture), ("GOARM", arm)])
        .output()
        .expect("Go starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::read(directory.join("hello")).unwrap()
}

/// Takes the section headers away, as some tools that shrink programs do.
fn without_sections(mut program: Vec<u8>) -> Vec<u8> {
    program[0x20..0x24].fill(0);
    program[0x30..0x34].fill(0);
    program
}

#[test]
fn programs_of_go_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let build = |architecture, arm, flags| build(directory.path(), architecture, arm, flags);
    let programs = [
        ("amd64", build("amd64", "", &[])),
        ("arm64", build("arm64", "", STRIPPED)),
        ("armv5", build("arm", "5", &[])),
        ("armv6", build("arm", "6", STRIPPED)),
        ("armv7", build("arm", "7", STRIPPED)),
        (
            "armv7-no-sections",
            without_sections(build("arm", "7,softfloat", STRIPPED)),
        ),
    ];
    let tar = programs
        .iter()
        .fold(Layer::new(), |layer, (name, bytes)| layer.file(name, bytes))
        .tar();
    let image = |platform| Maker::new().platform(platform, &[&tar]).finish();
    check(
        &image("linux/amd64"),
        expect![[r#"
        error ForeignProgram: linux/amd64: /arm64 is a program for arm64 instead of amd64
        error ForeignProgram: linux/amd64: /armv5 is a program for arm instead of amd64
        error ForeignProgram: linux/amd64: /armv6 is a program for arm instead of amd64
        error ForeignProgram: linux/amd64: /armv7 is a program for arm instead of amd64
        error ForeignProgram: linux/amd64: /armv7-no-sections is a program for arm instead of amd64
    "#]],
    );
    check(
        &image("linux/arm64"),
        expect![[r#"
        error ForeignProgram: linux/arm64: /amd64 is a program for amd64 instead of arm64
        error ForeignProgram: linux/arm64: /armv5 is a program for arm instead of arm64
        error ForeignProgram: linux/arm64: /armv6 is a program for arm instead of arm64
        error ForeignProgram: linux/arm64: /armv7 is a program for arm instead of arm64
        error ForeignProgram: linux/arm64: /armv7-no-sections is a program for arm instead of arm64
    "#]],
    );
    check(
        &image("linux/arm/v5"),
        expect![[r#"
        error ArmVersionTooHigh: linux/arm/v5: /armv6 needs ARM version 6 (GOARM in Go's build information), but the platform has version 5
        error ArmVersionTooHigh: linux/arm/v5: /armv7 needs ARM version 7 (GOARM in Go's build information), but the platform has version 5
        error ArmVersionTooHigh: linux/arm/v5: /armv7-no-sections needs ARM version 7 (GOARM in Go's build information), but the platform has version 5
        error ForeignProgram: linux/arm/v5: /amd64 is a program for amd64 instead of arm
        error ForeignProgram: linux/arm/v5: /arm64 is a program for arm64 instead of arm
    "#]],
    );
    check(
        &image("linux/arm/v6"),
        expect![[r#"
        error ArmVersionTooHigh: linux/arm/v6: /armv7 needs ARM version 7 (GOARM in Go's build information), but the platform has version 6
        error ArmVersionTooHigh: linux/arm/v6: /armv7-no-sections needs ARM version 7 (GOARM in Go's build information), but the platform has version 6
        error ForeignProgram: linux/arm/v6: /amd64 is a program for amd64 instead of arm
        error ForeignProgram: linux/arm/v6: /arm64 is a program for arm64 instead of arm
    "#]],
    );
    check(
        &image("linux/arm/v7"),
        expect![[r#"
        error ForeignProgram: linux/arm/v7: /amd64 is a program for amd64 instead of arm
        error ForeignProgram: linux/arm/v7: /arm64 is a program for arm64 instead of arm
    "#]],
    );
}

#[test]
fn a_position_independent_program_of_go_is_a_program() {
    let directory = tempfile::tempdir().unwrap();
    let program = build(directory.path(), "amd64", "", &["-buildmode=pie"]);
    check(
        &single("linux/arm64", Layer::new().file("app", program)),
        expect![[r#"
        error ForeignProgram: linux/arm64: /app is a program for amd64 instead of arm64
    "#]],
    );
}
