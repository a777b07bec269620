//! The Makefile's targets, each on `examples/hello` in a repository of its own.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lrops_testkit::registry::{Access, RegistryServer};

use crate::project::{Project, Ran};
use crate::sample::{hello, program, tags};

/// Targets that are tried elsewhere, or that try everything.
const NOT_HERE: [&str; 3] = ["demo", "help", "test"];

/// Who types targets, and which were typed.
struct Maker {
    project: Project,
    server: RegistryServer,
    typed: BTreeSet<String>,
}

impl Maker {
    fn new() -> Self {
        let server = RegistryServer::start(Access::Open);
        Self {
            project: hello(&server.name()),
            server,
            typed: BTreeSet::new(),
        }
    }

    /// Returns `make TARGET`.
    fn command(&mut self, target: &str, arguments: &str) -> Command {
        self.typed.insert(target.to_owned());
        let mut command = program(&self.project, "make", &root());
        command
            .args(["--no-print-directory", target])
            .arg(format!("IMAGE_DIR={}", self.project.path().display()))
            .arg(format!("LROPS={}", env!("CARGO_BIN_EXE_lrops")))
            .arg(format!("ARGS={arguments}"));
        command
    }

    #[track_caller]
    fn make(&mut self, target: &str, arguments: &str) -> Ran {
        Ran(self.command(target, arguments).output().unwrap()).exits(0)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_target_does_what_its_name_says() {
    let mut maker = Maker::new();
    versions(&mut maker);
    images(&mut maker);
    releases(&mut maker);
    let help = maker.make("help", "").stdout();
    let listed: BTreeSet<String> = help
        .lines()
        .map(|line| line.split(' ').nth(1).unwrap().to_owned())
        .collect();
    maker.typed.extend(NOT_HERE.map(str::to_owned));
    assert_eq!(listed, maker.typed);
}

fn versions(maker: &mut Maker) {
    let dev = format!("0.0.0-dev+{}\n", maker.project.short());
    maker.make("version", "").prints(&dev);
    for (kind, tag) in [("patch", "v0.0.1"), ("minor", "v0.1.0"), ("major", "v1.0.0")] {
        let dry = maker.make(&format!("version-{kind}-dry"), "");
        dry.prints(&format!("{tag}\n"));
        maker
            .make(&format!("version-{kind}"), "")
            .prints(&format!("{tag}\n"));
        maker.project.commit("next");
    }
    let origin = maker.project.origin();
    assert_eq!(maker.project.tags_in(&origin), ["v0.0.1", "v0.1.0", "v1.0.0"]);
}

fn images(maker: &mut Maker) {
    let dev = format!("dev-{}", maker.project.short());
    let planned = maker.make("docker-multiarch-dry", "").stdout();
    for line in ["linux/amd64, linux/arm64, linux/arm/v7", &dev] {
        assert!(planned.contains(line), "{planned}");
    }
    maker.make("docker-multiarch", "").says("3 platforms");
    assert!(maker.server.requests().is_empty());
    let built = maker.make("docker-multiarch-push", "--architectures amd64 arm64 arm/v7");
    let digest = built.says("3 platforms").stdout();
    assert_eq!(tags(&maker.server)[&dev], digest.trim());
    assert_eq!(tags(&maker.server).len(), 1, "no latest");
    maker.make("docker-build", "").says("1 platform,");
    assert_eq!(tags(&maker.server)[&dev], digest.trim());
    let built = maker.make("docker-build-push", "--no-cache-filter=none");
    let one = built.says("1 platform,").stdout();
    assert_eq!(tags(&maker.server)[&dev], one.trim());
    assert_ne!(one, digest);
}

fn releases(maker: &mut Maker) {
    let command = maker.command("docker-interactive", "--push");
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    // `script` gives it the terminal that it wants.
    let mut at_terminal = program(&maker.project, "script", &root());
    at_terminal
        .args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = at_terminal.spawn().unwrap();
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(b"v1.0.0\ny\n").unwrap();
    let output = child.wait_with_output().unwrap();
    drop(keys);
    let seen = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{seen}");
    assert_eq!(tags(&maker.server)["1.0.0"], tags(&maker.server)["latest"]);
}
