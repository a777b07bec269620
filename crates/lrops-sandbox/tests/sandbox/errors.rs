//! What a command that cannot be started says.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use lrops_model::cancel::CancelToken;
use lrops_sandbox::{RunError, Step};

use crate::Test;
use crate::fixture::{World, run_in, words};

pub(crate) const TESTS: &[Test] = &[
    (
        "a_command_that_cannot_be_started_says_why",
        a_command_that_cannot_be_started_says_why,
    ),
    ("a_step_that_fails_is_named", a_step_that_fails_is_named),
    (
        "a_cancelled_token_starts_nothing",
        a_cancelled_token_starts_nothing,
    ),
];

/// The message of an error and of its causes.
pub(crate) fn messages(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[track_caller]
fn check(world: &World, file: &[u8], mode: u32, program: &str, expected: &str) {
    let tree = world.tree();
    fs::write(tree.root().join("bin/program"), file).unwrap();
    fs::set_permissions(tree.root().join("bin/program"), fs::Permissions::from_mode(mode)).unwrap();
    let error = run_in(tree.root(), |spec| spec.arguments = words(&[program])).unwrap_err();
    assert!(matches!(error, RunError::Command { .. }), "{error:?}");
    assert_eq!(messages(&error), expected);
}

/// A program that leaves with 42, for a 64-bit ARM.
pub(crate) fn arm64_program() -> Vec<u8> {
    elf64(
        183,
        &[
            0x40, 0x05, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4,
        ],
    )
}

fn elf64(machine: u16, code: &[u8]) -> Vec<u8> {
    const ADDRESS: u64 = 0x40_0000;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let mut number = |value: u64, len: usize| file.extend_from_slice(&value.to_le_bytes()[..len]);
    for (value, len) in [
        (2, 2),
        (u64::from(machine), 2),
        (1, 4),
        (ADDRESS + 120, 8),
        (64, 8),
        (0, 8),
        (0, 4),
        (64, 2),
    ] {
        number(value, len);
    }
    for (value, len) in [(56, 2), (1, 2), (64, 2), (0, 2), (0, 2)] {
        number(value, len);
    }
    let size = 120 + code.len() as u64;
    for (value, len) in [
        (1, 4),
        (5, 4),
        (0, 8),
        (ADDRESS, 8),
        (ADDRESS, 8),
        (size, 8),
        (size, 8),
        (0x1_0000, 8),
    ] {
        number(value, len);
    }
    file.extend_from_slice(code);
    file
}

fn a_command_that_cannot_be_started_says_why(world: &World) {
    check(
        world,
        b"",
        0o755,
        "nope",
        "failed to start nope: there is no such program in PATH (/bin)",
    );
    check(
        world,
        b"",
        0o755,
        "/nope",
        "failed to start /nope: there is no such file",
    );
    check(
        world,
        b"",
        0o755,
        "/data/one/x",
        "failed to start /data/one/x: there is no such file",
    );
    check(
        world,
        b"x",
        0o644,
        "program",
        "failed to start program: it is not executable for user 0",
    );
    check(
        world,
        b"x",
        0o755,
        "/data",
        "failed to start /data: it is not executable for user 0",
    );
    let no_program =
        "failed to start program: it is neither a program nor a script whose first line begins with #!";
    check(world, b"echo hello\n", 0o755, "program", no_program);
    let missing = "failed to start program: it needs /usr/bin/perl, which is not there";
    check(world, b"#!/usr/bin/perl -w\n", 0o755, "program", missing);
    #[cfg(target_arch = "x86_64")]
    check(
        world,
        &arm64_program(),
        0o755,
        "program",
        "failed to start program: it is a program for linux/arm64, which this machine runs only by emulation",
    );
    check(world, b"", 0o755, "", "failed to start : no command was given");
}

fn a_step_that_fails_is_named(world: &World) {
    let error = world
        .run(|spec| spec.working_directory = "/not/there".into())
        .unwrap_err();
    let text = "the sandbox failed to change to the working directory /not/there: No such file or directory (os error 2)";
    assert_eq!(messages(&error), text);
    assert!(
        matches!(
            error,
            RunError::Step {
                step: Step::WorkingDirectory { .. },
                ..
            }
        ),
        "{error:?}"
    );
}

fn a_cancelled_token_starts_nothing(world: &World) {
    let tree = world.tree();
    let cancel = CancelToken::new();
    cancel.cancel();
    let result = lrops_sandbox::run(
        &crate::fixture::spec(tree.root()),
        &mut |_, _| panic!("output"),
        &cancel,
    );
    assert!(matches!(result, Err(RunError::Cancelled(_))), "{result:?}");
}
