//! `examples/livereview` for three platforms: four Go programs each, with the real tool chains from the real mirrors.
//!
//! One cold build of a tagged commit serves all tests. Each program is run: amd64's as it is, the others under QEMU. The
//! amd64 image is tried out as a whole, against a real database and in a real browser.

#[path = "../builds/laboratory.rs"]
#[expect(dead_code, reason = "these tests need less of it than others")]
mod laboratory;
mod try_out;
#[path = "../builds/web.rs"]
mod web;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use laboratory::{Ended, Laboratory};
use serde_json::Value;

/// What git says of the commit that is built.
pub(crate) const VERSION: &str = "1.4.2";

/// Which of the classical forms the last stage has.
const ALPINE: [&str; 2] = ["--build-arg", "RUNTIME_IMAGE=runtime-alpine"];
const DEBIAN: [&str; 2] = ["--build-arg", "RUNTIME_IMAGE=runtime-debian"];

pub(crate) struct LiveReview {
    laboratory: Laboratory,
    cold: Ended,
}

impl LiveReview {
    /// Returns the image's layout.
    pub(crate) fn layout(&self) -> PathBuf {
        layout(&self.laboratory)
    }
}

fn layout(laboratory: &Laboratory) -> PathBuf {
    laboratory.path("layout")
}

/// Returns a laboratory with a copy of the example, in a repository at a tag.
fn copied() -> Laboratory {
    let laboratory = Laboratory::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/livereview");
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(example.join(".")).arg(laboratory.context());
    assert!(copy.status().unwrap().success());
    let tag = format!("v{VERSION}");
    for arguments in [
        vec!["init", "--quiet"],
        vec!["add", "."],
        vec!["commit", "--quiet", "--message", "LiveReview"],
        vec!["tag", &tag],
    ] {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=Tester", "-c", "user.email=tester@example.org"])
            .args(arguments)
            .current_dir(laboratory.context());
        assert!(git.status().unwrap().success());
    }
    laboratory
}

/// Builds the example the first time. When that fails, every test says why, and none tries it again.
#[track_caller]
pub(crate) fn livereview() -> &'static LiveReview {
    static BUILT: OnceLock<Result<LiveReview, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let laboratory = copied();
        let output = format!("type=oci,tar=false,dest={}", layout(&laboratory).display());
        let cold = laboratory.run([
            "build",
            "--progress=rawjson",
            "--emulation=deny",
            "--tag",
            "livereview:test",
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
    assert_eq!(times("-o /out/livereview"), 3, "{ran:#?}");
}

#[test]
fn the_image_is_proved_and_says_its_version() {
    let built = livereview();
    let path = built.layout();
    let path = path.to_str().unwrap();
    let verified = built.laboratory.run(["verify", "--format", "json", path]);
    let verified = verified.succeeded();
    for platform in ["linux/amd64", "linux/arm64", "linux/arm/v7"] {
        assert!(verified.stdout.contains(platform), "{}", verified.stdout);
    }
    let inspected = built
        .laboratory
        .run(["image", "inspect", "--format", "json", path]);
    let inspected = inspected.succeeded().stdout;
    serde_json::from_str::<Value>(&inspected).unwrap();
    assert!(inspected.contains(VERSION), "{inspected}");
}

/// What each program says of itself.
const ANSWERS: [(&str, &str, &str); 4] = [
    ("livereview", "--version", "livereview 1.4.2 (commit "),
    ("dbmate", "--version", "dbmate version 2."),
    ("river", "--version", "River version v0."),
    ("riverui", "--help", "path prefix for API and UI routes"),
];

#[test]
fn each_of_the_twelve_programs_answers() {
    let built = livereview();
    let root = built.laboratory.path("files");
    let output = format!("type=local,dest={}", root.display());
    let built = built.laboratory.run(["build", "--output", &output, "."]);
    built.succeeded();
    for (platform, emulator) in [
        ("linux_amd64", None),
        ("linux_arm64", Some("qemu-aarch64-static")),
        ("linux_arm_v7", Some("qemu-arm-static")),
    ] {
        for (name, argument, answer) in ANSWERS {
            let program = root.join(platform).join("usr/local/bin").join(name);
            let mut words = emulator.map(PathBuf::from).into_iter().chain([program]);
            let said = Command::new(words.next().unwrap())
                .args(words)
                .arg(argument)
                .output()
                .unwrap();
            let text = [said.stdout, said.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            assert!(said.status.success(), "{platform} {name}: {text}");
            assert!(text.contains(answer), "{platform} {name}: {text}");
        }
    }
}

/// Runs a command over the example whose `alpine:3.18` is a small image of three platforms.
fn with_alpine(laboratory: &Laboratory, command: &[&str]) -> Ended {
    let alpine = Laboratory::new();
    let output = format!("type=oci,tar=false,dest={}", layout(&alpine).display());
    let platforms = "linux/amd64,linux/arm64,linux/arm/v7";
    alpine
        .file("os-release", "ID=alpine\n")
        .dockerfile("FROM scratch\nCOPY os-release /etc/\n");
    alpine
        .run(["build", "--platform", platforms, "--output", &output, "."])
        .succeeded();
    let context = format!("alpine:3.18=oci-layout://{}", layout(&alpine).display());
    let arguments = command
        .iter()
        .copied()
        .chain(ALPINE)
        .chain(["--build-context", &context, "."]);
    laboratory.run(arguments)
}

/// Returns the last line of a plan.
fn summary(plan: Ended) -> String {
    plan.succeeded()
        .stdout
        .trim_end()
        .lines()
        .last()
        .unwrap()
        .to_owned()
}

#[test]
fn the_plans_tell_the_forms_of_the_last_stage_apart() {
    let laboratory = copied();
    let without = summary(laboratory.run(["plan", "."]));
    assert!(without.ends_with("nothing is emulated"), "{without}");
    let debian = summary(laboratory.run(["plan", DEBIAN[0], DEBIAN[1], "."]));
    assert!(debian.ends_with("2 steps would run under emulation"), "{debian}");
    let alpine = summary(with_alpine(&laboratory, &["plan"]));
    assert!(alpine.ends_with("2 steps would run under emulation"), "{alpine}");
}

#[test]
fn checks_find_the_emulated_line_of_the_classical_form_alone() {
    let laboratory = copied();
    let clean = laboratory.run(["build", "--check", "."]).succeeded();
    assert!(!clean.stdout.contains("EmulatedRun"), "{}", clean.stdout);
    let checked = with_alpine(&laboratory, &["build", "--check", "--emulation=deny"]).failed(3);
    let text = checked.stdout + &checked.stderr;
    assert!(text.contains("EmulatedRun") && text.contains("apk add"), "{text}");
    let denied = with_alpine(&laboratory, &["build", "--emulation=deny"]);
    assert_ne!(denied.code, Some(0));
    assert!(denied.stderr.contains("apk add"), "{}", denied.stderr);
}

/// The classical form for one foreign platform. It takes the store of the cold build, so only its last stage is new.
#[test]
fn the_classical_form_is_built_under_emulation_when_that_is_allowed() {
    let built = livereview();
    let sources = built.laboratory.path("build.sources");
    std::fs::write(&sources, debian_sources()).unwrap();
    let out = built.laboratory.path("debian-files");
    let output = format!("type=local,dest={}", out.display());
    let secret = format!("id=apt-sources,src={}", sources.display());
    let more = [
        "--platform",
        "linux/arm64",
        "--emulation=allow",
        "--secret",
        &secret,
        "--output",
        &output,
        ".",
    ];
    let arguments = ["build", "--progress=rawjson"]
        .into_iter()
        .chain(DEBIAN)
        .chain(more);
    let ended = built.laboratory.run(arguments).succeeded();
    let ran = ended.ran();
    assert!(
        ran.iter().any(|step| step.contains("apt-get install")),
        "{ran:#?}"
    );
    assert!(!ran.iter().any(|step| step.contains("go build")), "{ran:#?}");
    let passwd = std::fs::read_to_string(out.join("etc/passwd")).unwrap();
    assert!(passwd.contains("livereview:x:1001:1001:"), "{passwd}");
    let status = std::fs::read_to_string(out.join("var/lib/dpkg/status")).unwrap();
    assert!(status.contains("Package: postgresql-client-15\nStatus: install ok installed"));
}

/// Returns bookworm's source in deb822 form, from where this machine has its own release's packages.
fn debian_sources() -> String {
    let listed = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(SITE) $(RELEASE) $(COMPONENT) $(CREATED_BY)",
            "--no-release-info",
        ])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let site = listed.lines().find_map(|line| {
        let (site, rest) = line.split_once(' ')?;
        // Updates and security are suites of their own, and not whole releases.
        (rest.ends_with(" main Packages") && !rest.contains('-')).then_some(site)
    });
    let site = site.unwrap_or_else(|| panic!("this machine has no source of a Debian release: {listed}"));
    format!(
        "Types: deb\nURIs: {site}\nSuites: bookworm\nComponents: main\n\
         Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
}
