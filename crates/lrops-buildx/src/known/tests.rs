mod said;

use super::signs::{LINE_SIGNS, PULL_SIGNS, SIGNS, TRANSFER_SIGNS};
use super::*;
use crate::docker::error_part;
use said::{ORDINARY, SAID};

fn check(output: &str, expected: Option<KnownFailure>) {
    assert_eq!(KnownFailure::recognise(output), expected, "{output}");
}

#[test]
fn every_name_is_its_own() {
    let names: std::collections::BTreeSet<_> =
        KnownFailure::ALL.iter().map(|failure| failure.name()).collect();
    assert_eq!(names.len(), KnownFailure::ALL.len());
}

#[test]
fn what_programs_say_is_recognised() {
    for (expected, outputs) in SAID {
        for output in *outputs {
            check(output, Some(*expected));
        }
    }
}

#[test]
fn what_is_ordinary_is_not_recognised() {
    for output in ORDINARY {
        check(error_part(output), None);
    }
}

/// Each sign is the only one of its row in an output, so that none is there that no program needs.
#[test]
fn every_sign_is_said_by_some_program() {
    let rows = SIGNS.iter().chain(TRANSFER_SIGNS).copied();
    let others = [
        (KnownFailure::BuilderImageMissing, PULL_SIGNS),
        (KnownFailure::Network, LINE_SIGNS),
    ];
    for (failure, signs) in rows.chain(others) {
        for sign in signs {
            let alone = |output: &str| {
                let output = format!("\n{}", output.to_lowercase());
                let mut found = signs.iter().filter(|other| output.contains(**other));
                found.next() == Some(sign) && found.next().is_none()
            };
            let mut rows = SAID.iter().filter(|(expected, _)| *expected == failure);
            let said = rows.any(|(_, outputs)| outputs.iter().any(|output| alone(output)));
            assert!(said, "nobody says {sign:?} alone for {failure:?}");
        }
    }
}

#[test]
fn a_registrys_answer_is_known_by_its_number() {
    let push = |status: &str| {
        format!(
            "ERROR: failed to push h.example:5000/a:1: failed commit on ref \"x\": unexpected status from PUT request to http://h.example:5000/v2/a/manifests/1: {status}"
        )
    };
    check(&push("503 Proxy"), Some(KnownFailure::RegistryBusy));
    check(&push("429 Too Many"), Some(KnownFailure::RegistryBusy));
    check(&push("401 Who"), Some(KnownFailure::Unauthorized));
    check(&push("400 Bad Request"), None);
}

#[test]
fn a_line_that_failed_for_the_moment_is_no_refused_login() {
    let ssh = |why: &str| {
        format!(
            "error during connect: Get \"http://docker.example.com/v1.45/version\": command [ssh -- h docker system dial-stdio] has exited with exit status 255, please make sure the URL is valid: stderr={why}"
        )
    };
    check(
        &ssh("ssh: connect to host h port 22: Connection timed out"),
        Some(KnownFailure::Network),
    );
    check(
        &ssh("Connection closed by remote host"),
        Some(KnownFailure::Network),
    );
    check(
        &ssh("Permission denied (publickey)."),
        Some(KnownFailure::SshFailed),
    );
    check(
        &ssh("Host key verification failed."),
        Some(KnownFailure::SshFailed),
    );
}

#[test]
fn a_builder_that_does_not_start_is_no_missing_image_by_that() {
    let boot = |why: &str| format!("------\n > [internal] booting buildkit:\n------\nERROR: {why}");
    check(
        &boot(
            "Error response from daemon: failed to resolve reference \"x\": failed to do request: connection refused",
        ),
        Some(KnownFailure::BuilderImageMissing),
    );
    check(
        &boot("Error response from daemon: failed to create task: runc: cgroups"),
        None,
    );
}

#[test]
fn docker_20_words_a_missing_context_otherwise() {
    check(
        "unable to resolve docker endpoint: context \"nowhere\" does not exist",
        Some(KnownFailure::ContextMissing),
    );
    check(
        "context \"nowhere\" does not exist",
        Some(KnownFailure::ContextMissing),
    );
}

#[test]
fn a_failing_command_is_no_failure_of_the_network() {
    check(
        "ERROR: failed to solve: process \"/bin/sh -c curl x\" did not complete successfully: exit code: 6\n\
         curl: (6) connection refused",
        None,
    );
    check(
        "git@h.example: Permission denied (publickey).\nERROR: failed to solve: process \"/bin/sh -c git clone x\" did not complete successfully: exit code: 128",
        None,
    );
    check(
        "executor failed running [/bin/sh -c curl x]: connection refused",
        None,
    );
    check(
        "go: cannot install cross-compiled binaries when GOBIN is set\nERROR: failed to solve: process \"/bin/sh -c go install .\" did not complete successfully: exit code: 1",
        Some(KnownFailure::CrossInstallWithGobin),
    );
    check(
        "exec /bin/sh: exec format error\nERROR: process \"/bin/sh -c apk add curl\" did not complete successfully: exit code: 255",
        Some(KnownFailure::EmulationMissing),
    );
}
