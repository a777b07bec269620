//! `examples/livereview` for three platforms: four Go programs each, with the real tool chains from the real mirrors.
//!
//! One cold build serves all tests. Each program is run: amd64's as it is, the others under QEMU.

#[path = "../builds/laboratory.rs"]
#[expect(dead_code, reason = "these tests need less of it than others")]
mod laboratory;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use laboratory::{Ended, Laboratory};

struct LiveReview {
    laboratory: Laboratory,
    cold: Ended,
}

/// Returns a laboratory with a copy of the example.
fn copied() -> Laboratory {
    let laboratory = Laboratory::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/livereview");
    let copied = Command::new("cp")
        .args(["-r"])
        .arg(example.join("."))
        .arg(laboratory.context())
        .status();
    assert!(copied.unwrap().success());
    laboratory
}

/// Builds the example the first time. When that fails, every test says why, and none tries it again.
#[track_caller]
fn livereview() -> &'static LiveReview {
    static BUILT: OnceLock<Result<LiveReview, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let laboratory = copied();
        let output = format!("type=oci,tar=false,dest={}", layout(&laboratory).display());
        let cold = laboratory.run([
            "build",
            "--progress=rawjson",
            "--emulation=deny",
            "--output",
            &output,
            ".",
        ]);
        if cold.code == Some(0) {
            Ok(LiveReview { laboratory, cold })
        } else {
            Err(cold.stderr)
        }
    });
    match built {
        Ok(built) => built,
        Err(why) => panic!("the example was not built: {why}"),
    }
}

fn layout(laboratory: &Laboratory) -> PathBuf {
    laboratory.path("layout")
}

#[test]
fn the_page_is_built_once_and_the_programs_once_a_platform_without_emulation() {
    let built = livereview();
    let events = built.cold.events();
    let planned = events.iter().find(|event| event["event"] == "planned").unwrap();
    assert_eq!(planned["emulated"], 0);
    let ran = built.cold.ran();
    let times = |what: &str| ran.iter().filter(|step| step.contains(what)).count();
    assert_eq!(times("npm ci"), 1, "{ran:#?}");
    assert_eq!(times("npm run build"), 1, "{ran:#?}");
    // The tools in one step, the server in another.
    assert_eq!(times("cmd/riverui"), 3, "{ran:#?}");
    assert_eq!(times("/out/livereview"), 3, "{ran:#?}");
}

#[test]
fn the_image_is_proved() {
    let built = livereview();
    let path = layout(&built.laboratory);
    let verified = built
        .laboratory
        .run(["verify", "--format", "json", path.to_str().unwrap()])
        .succeeded();
    for platform in ["linux/amd64", "linux/arm64", "linux/arm/v7"] {
        assert!(verified.stdout.contains(platform), "{}", verified.stdout);
    }
}

/// Runs each program of one platform's image, without or with an emulator, and compares what it says of itself.
#[track_caller]
fn each_program_answers(platform: &str, emulator: Option<&str>) {
    let built = livereview();
    let root = built
        .laboratory
        .path(&format!("files-{}", platform.replace('/', "_")));
    let output = format!("type=local,dest={}", root.display());
    built
        .laboratory
        .run(["build", "--platform", platform, "--output", &output, "."])
        .succeeded();
    for (name, argument, answer) in [
        ("livereview", "--version", "livereview development"),
        ("dbmate", "--version", "dbmate version 2."),
        ("river", "--version", "River version v0."),
        ("riverui", "--help", "path prefix for API and UI routes"),
    ] {
        let program = root.join("usr/local/bin").join(name);
        let mut command = match emulator {
            Some(emulator) => {
                let mut command = Command::new(emulator);
                command.arg(program);
                command
            }
            None => Command::new(program),
        };
        let said = command.arg(argument).output().unwrap();
        let text = [said.stdout, said.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(said.status.success(), "{platform} {name}: {text}");
        assert!(text.contains(answer), "{platform} {name}: {text}");
    }
}

#[test]
fn each_program_of_amd64_answers() {
    each_program_answers("linux/amd64", None);
}

#[test]
fn each_program_of_arm64_answers() {
    each_program_answers("linux/arm64", Some("qemu-aarch64-static"));
}

#[test]
fn each_program_of_arm_v7_answers() {
    each_program_answers("linux/arm/v7", Some("qemu-arm-static"));
}

/// Returns the last line of a form's plan.
#[track_caller]
fn planned(dockerfile: &str) -> String {
    let plan = copied().run(["plan", "--file", dockerfile, "."]).succeeded();
    plan.stdout.trim_end().lines().last().unwrap().to_owned()
}

#[test]
fn the_plans_tell_the_forms_of_the_last_stage_apart() {
    let without = planned("Dockerfile.crosscompile");
    assert!(without.ends_with("nothing is emulated"), "{without}");
    let with = planned("Dockerfile.debian");
    assert!(with.ends_with("2 steps would run under emulation"), "{with}");
}
