//! `lrops init` on kinds of project: what it writes plans without emulation, and builds.

#[path = "../builds/laboratory.rs"]
#[expect(dead_code, reason = "these tests need less of it than others")]
mod laboratory;

mod manual;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use laboratory::{Ended, Laboratory};
use lrops_testkit::scratch::scratch_directory;

/// What an ELF file says it is for: `e_machine` of 64-bit x86 and of 64-bit ARM.
const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// A project; all share one store, and so the tool chains.
struct Project {
    laboratory: Laboratory,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let laboratory = Laboratory::new();
        for (name, text) in files {
            let path = laboratory.context().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self { laboratory }
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        static STORE: OnceLock<tempfile::TempDir> = OnceLock::new();
        let store = STORE.get_or_init(scratch_directory);
        let mut command = self.laboratory.command(arguments);
        Ended::of(command.env("LROPS_ROOT", store.path()).output().unwrap())
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.laboratory.context().join(name)).unwrap()
    }

    /// The names of the project's files, without those in directories.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.laboratory.context()).unwrap().flatten();
        let files = entries.filter(|entry| entry.path().is_file());
        let mut names: Vec<String> = files
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Has the files written, and the build planned with emulation denied.
    #[track_caller]
    fn init(&self, found: &str) {
        let written = self.run(&["init"]).succeeded();
        assert!(
            written.stderr.contains(found),
            "{found:?} is not in:\n{}",
            written.stderr
        );
        assert!(self.text("lrops.toml").contains("emulation = \"deny\""));
        let planned = self.run(&["plan"]).succeeded();
        assert!(
            planned.stdout.contains("nothing is emulated"),
            "{}",
            planned.stdout
        );
        assert!(
            planned.stdout.contains("linux/amd64, linux/arm64"),
            "{}",
            planned.stdout
        );
    }

    /// Builds the image, proves it, and returns its files: a directory for each platform.
    #[track_caller]
    fn build(&self, name: &str) -> PathBuf {
        let out = self.laboratory.path("files");
        let output = format!("--output=type=local,dest={}", out.display());
        self.run(&["build", &output]).succeeded();
        self.run(&["verify", name]).succeeded();
        out
    }
}

/// Returns what machine a program is for.
fn machine(program: &Path) -> u16 {
    let bytes = fs::read(program).unwrap();
    assert_eq!(&bytes[..4], b"\x7fELF", "{}", program.display());
    u16::from_le_bytes([bytes[18], bytes[19]])
}

#[track_caller]
fn check_program(files: &Path, program: &str) {
    for (platform, expected) in [("linux_amd64", X86_64), ("linux_arm64", AARCH64)] {
        let program = files.join(platform).join(program);
        assert_eq!(machine(&program), expected, "{}", program.display());
    }
}

const GO: [(&str, &str); 3] = [
    ("go.mod", "module example.com/team/shop\n\ngo 1.22\n"),
    (
        "cmd/shop/main.go",
        "package main\n\nfunc main() { println(\"shop\") }\n",
    ),
    (
        "cmd/worker/main.go",
        "package main\n\nfunc main() { println(\"worker\") }\n",
    ),
];

#[test]
fn a_go_module_is_built_with_all_its_programs() {
    let project = Project::new(&GO);
    project.init("found the Go module example.com/team/shop with the programs shop, worker");
    let files = project.build("shop");
    for program in ["usr/local/bin/shop", "usr/local/bin/worker"] {
        check_program(&files, program);
    }
    let inspected = project
        .run(&["image", "inspect", "--format=json", "shop"])
        .succeeded();
    assert!(
        inspected.stdout.contains("/usr/local/bin/shop"),
        "{}",
        inspected.stdout
    );
}

#[test]
fn a_go_module_embeds_the_user_interface_that_is_built_once() {
    let project = Project::new(&[]);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hello");
    for part in ["server", "ui", ".dockerignore"] {
        let copied = Command::new("cp")
            .arg("-r")
            .args([example.join(part), project.laboratory.context()])
            .status();
        assert!(copied.unwrap().success());
    }
    project.init("found a user interface in ui/, built by Vite into ui/dist/");
    let planned = project.run(&["plan"]).succeeded();
    let once = planned
        .stdout
        .split("For linux/amd64 alone")
        .next()
        .unwrap()
        .to_owned();
    assert!(once.contains("npm run build"), "{}", planned.stdout);
    let files = project.build("hello");
    check_program(&files, "usr/local/bin/hello");
    let program = fs::read(files.join("linux_arm64/usr/local/bin/hello")).unwrap();
    let page = b"<!doctype html>";
    let has = program
        .windows(page.len())
        .any(|window| window.eq_ignore_ascii_case(page));
    assert!(has, "the page is in the program");
}

#[test]
fn a_node_server_gets_its_packages_and_node_for_each_platform() {
    let package = r#"{"name": "@team/greeter", "version": "1.0.0", "private": true, "type": "module",
        "scripts": {"start": "node server.js"}, "dependencies": {"ms": "2.1.3"}}"#;
    let lock = r#"{"name": "@team/greeter", "version": "1.0.0", "lockfileVersion": 3, "requires": true, "packages": {
        "": {"name": "@team/greeter", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}},
        "node_modules/ms": {"version": "2.1.3",
            "integrity": "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA=="}}}"#;
    let project = Project::new(&[
        ("package.json", package),
        ("package-lock.json", lock),
        (
            "server.js",
            "import ms from \"ms\";\nconsole.log(ms(\"1 day\"));\n",
        ),
    ]);
    project.init("found a Node.js server, installed by npm");
    let files = project.build("greeter");
    check_program(&files, "usr/bin/node");
    for platform in ["linux_amd64", "linux_arm64"] {
        let place = files.join(platform).join("app");
        assert!(place.join("node_modules/ms/index.js").is_file());
        assert!(place.join("server.js").is_file());
        assert!(!place.join("Dockerfile").exists(), "it is ignored");
    }
}

#[test]
fn a_cargo_package_is_cross_compiled() {
    let project = Project::new(&[
        (
            "Cargo.toml",
            "[package]\nname = \"tool\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        ),
        (
            "Cargo.lock",
            "version = 4\n\n[[package]]\nname = \"tool\"\nversion = \"0.1.0\"\n",
        ),
        ("src/main.rs", "fn main() {}\n"),
        ("src/bin/helper.rs", "fn main() {}\n"),
    ]);
    project.init("found the Cargo project with the programs helper, tool");
    let dockerfile = project.text("Dockerfile");
    for text in [
        "FROM --platform=$BUILDPLATFORM ${RUST_IMAGE} AS build",
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc",
        "ENTRYPOINT [\"/usr/local/bin/tool\"]",
    ] {
        assert!(dockerfile.contains(text), "{text:?} is not in:\n{dockerfile}");
    }
}

#[test]
fn a_dockerfile_that_is_there_stays_and_its_emulated_lines_are_told() {
    let dockerfile =
        "FROM golang:1.24 AS build\nRUN go build -o /app .\nFROM alpine:3.20\nCOPY --from=build /app /app\n";
    let project = Project::new(&[("Dockerfile", dockerfile), ("go.mod", "module example.com/a\n")]);
    let written = project.run(&["init"]).succeeded();
    for text in [
        "found Dockerfile, which stays as it is",
        "this RUN runs linux/arm64 programs",
        "Dockerfile needs emulation for linux/amd64, linux/arm64: 1 step",
    ] {
        assert!(
            written.stderr.contains(text),
            "{text:?} is not in:\n{}",
            written.stderr
        );
    }
    assert_eq!(project.text("Dockerfile"), dockerfile);
    assert_eq!(project.names(), ["Dockerfile", "go.mod", "lrops.toml"]);
    // What was written is read the next time: nothing in it is a mistake.
    let again = project.run(&["init"]).succeeded();
    assert!(again.stderr.contains("nothing was written"), "{}", again.stderr);
}

#[test]
fn nothing_is_written_over_and_a_second_run_writes_nothing() {
    let project = Project::new(&GO);
    let shown = project.run(&["init", "--dry-run"]).succeeded();
    assert!(shown.stdout.contains("==> Dockerfile <=="), "{}", shown.stdout);
    assert_eq!(project.names(), ["go.mod"]);

    fs::write(project.laboratory.context().join(".dockerignore"), "mine\n").unwrap();
    let written = project.run(&["init"]).succeeded();
    assert!(
        written.stderr.contains("kept .dockerignore"),
        "{}",
        written.stderr
    );
    assert_eq!(project.text(".dockerignore"), "mine\n");

    let before = [project.text("lrops.toml"), project.text("Dockerfile")];
    let again = project.run(&["init"]).succeeded();
    assert!(again.stderr.contains("nothing was written"), "{}", again.stderr);
    assert_eq!([project.text("lrops.toml"), project.text("Dockerfile")], before);
}

#[test]
fn a_broken_project_is_told_its_place_and_gets_no_file() {
    for (name, text, place) in [
        ("package.json", "{\"name\": }\n", "package.json:1:10"),
        ("go.mod", "modul example.com/a\n", "go.mod:1"),
        ("Cargo.toml", "[package\n", "Cargo.toml:1:9"),
    ] {
        let project = Project::new(&[(name, text)]);
        let refused = project.run(&["init"]).failed(2);
        assert!(
            refused.stderr.contains(place),
            "{place:?} is not in:\n{}",
            refused.stderr
        );
        assert_eq!(project.names(), [name]);
    }
}

#[test]
fn what_is_of_no_known_kind_is_said() {
    let project = Project::new(&[("notes.txt", "hello\n")]);
    let written = project.run(&["init"]).succeeded();
    assert!(
        written.stderr.contains("it looked for a Dockerfile"),
        "{}",
        written.stderr
    );
    assert_eq!(project.names(), ["lrops.toml", "notes.txt"]);
    project.run(&["init", "nowhere"]).failed(2);
}
