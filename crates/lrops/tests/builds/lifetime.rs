//! Builds that are interrupted or killed.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::laboratory::{Ended, Laboratory};

/// A long build: one step that is quick, one that is not.
const LONG: &str =
    "FROM busybox\nRUN echo quick >/quick\nRUN echo started >/started; sleep 977 & sleep 978; wait\n";

fn start(laboratory: &Laboratory) -> Child {
    let mut command = laboratory.command(Laboratory::build_arguments(&[]));
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until a process with this argument runs below the given one, or none does any more.
fn wait_for(argument: &str, present: bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while running(argument) != present {
        assert!(
            Instant::now() < deadline,
            "sleep {argument}: still {}",
            if present { "absent" } else { "there" }
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn running(argument: &str) -> bool {
    let wanted = format!("sleep\0{argument}\0");
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .any(|entry| fs::read(entry.path().join("cmdline")).is_ok_and(|text| text == wanted.as_bytes()))
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Builds what is quick of the long build, and checks that it is sound and that only the rest is done again.
fn assert_store_is_sound(laboratory: &Laboratory) {
    laboratory.dockerfile("FROM busybox\nRUN echo quick >/quick\nRUN test ! -e /started && echo end >/end\n");
    let again = laboratory.build(&["--tag", "sound"]).succeeded();
    assert_eq!(again.ran(), ["RUN test ! -e /started && echo end >/end"]);
    laboratory.run(["verify", "sound"]).succeeded();
    for name in ["snapshots/active", "tmp"] {
        let left: Vec<_> = fs::read_dir(laboratory.store().join(name))
            .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect())
            .unwrap_or_default();
        let trees: Vec<_> = left
            .iter()
            .filter(|name| {
                Path::new(name)
                    .extension()
                    .is_none_or(|extension| extension != "lock")
            })
            .collect();
        assert!(trees.is_empty(), "{name} holds {trees:?}");
    }
}

#[test]
fn an_interrupt_ends_what_runs_and_leaves_the_store_sound() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile(&LONG.replace("977", "979").replace("978", "980"));
    let build = start(&laboratory);
    wait_for("980", true);
    signal(&build, "-INT");
    let ended = Ended::of(build.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    wait_for("979", false);
    wait_for("980", false);
    assert_store_is_sound(&laboratory);
}

#[test]
fn a_killed_build_takes_its_commands_along_and_the_next_one_goes_on() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile(LONG);
    let mut build = start(&laboratory);
    wait_for("978", true);
    signal(&build, "-KILL");
    build.wait().unwrap();
    wait_for("977", false);
    wait_for("978", false);
    assert_store_is_sound(&laboratory);
}

#[test]
fn a_build_killed_at_any_moment_leaves_nothing_wrong() {
    let text = "FROM busybox AS one\nCOPY big /big\nRUN cat /big /big >/twice\nFROM busybox\nCOPY --from=one /twice /\nRUN ls /\n";
    let big: Vec<u8> = (0..4_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let reference = Laboratory::new();
    reference.dockerfile(text).file("big", &big);
    let expected = reference.digest(&[]);
    let laboratory = Laboratory::new();
    laboratory.dockerfile(text).file("big", &big);
    for milliseconds in [30, 60, 120, 200, 300, 450] {
        let mut build = start(&laboratory);
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = build.kill();
        build.wait().unwrap();
    }
    assert_eq!(laboratory.digest(&["--tag", "whole"]), expected);
    laboratory.run(["verify", "whole"]).succeeded();
}

#[test]
fn an_export_keeps_its_files_while_others_use_the_store() {
    let laboratory = Laboratory::new();
    // Several files, each larger than what a pipe holds.
    for name in ["one", "two", "three"] {
        laboratory.file(name, vec![b'x'; 1_000_000]);
    }
    laboratory.dockerfile("FROM scratch\nCOPY one two three /\n");
    laboratory.build(&["--tag", "large"]).succeeded();
    let export = ["image", "export", "large", "--output=type=tar,dest=-"];
    let mut command = laboratory.command(export);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut archive = child.stdout.take().unwrap();
    let mut bytes = vec![0; 512];
    archive.read_exact(&mut bytes).unwrap();
    // It has begun, and waits for its reader; the first who uses the store otherwise cleans up.
    laboratory.build(&["--tag", "large"]).succeeded();
    archive.read_to_end(&mut bytes).unwrap();
    assert!(child.wait().unwrap().success());
    let mut archive = tar::Archive::new(bytes.as_slice());
    let sizes = archive.entries().unwrap().map(|entry| entry.unwrap().size());
    assert_eq!(sizes.sum::<u64>(), 3_000_000);
}
