//! The program as a user starts it: exit codes and what goes where, as far as no engine is needed.

mod check;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

struct Desk {
    directory: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.path().join(name), text).unwrap();
        self
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran(self.command(arguments).output().unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lrops"));
        command.args(arguments).current_dir(self.path()).env_clear();
        command
            .env("HOME", self.path())
            .env("LROPS_ROOT", self.path().join("store"));
        command
    }
}

struct Ran(Output);

impl Ran {
    fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.0.status.code(),
            Some(code),
            "{}{}",
            self.stdout(),
            self.stderr()
        );
        self
    }

    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(
            self.stderr().contains(text),
            "{text:?} is not in:\n{}",
            self.stderr()
        );
        self
    }
}

#[test]
fn help_and_version_are_data() {
    let desk = Desk::new();
    for arguments in [
        &["--version"][..],
        &["--help"],
        &["build", "--help"],
        &["cache", "prune", "--help"],
    ] {
        let ran = desk.run(arguments).exits(0);
        assert!(ran.stdout().contains("lrops"), "{arguments:?}: {}", ran.stdout());
        assert_eq!(ran.stderr(), "", "{arguments:?}");
    }
}

#[test]
fn what_is_typed_wrongly_exits_with_2() {
    let desk = Desk::new();
    desk.run(&[]).exits(2);
    desk.run(&["biuld"]).exits(2).says("build");
    desk.run(&["build", "--platfrom", "x"])
        .exits(2)
        .says("--platform");
    desk.run(&["build", "."])
        .exits(2)
        .says("failed to read the Dockerfile");
    desk.write("Dockerfile", "FROM scratch\n");
    desk.run(&["build", "--platform", "nope"])
        .exits(2)
        .says("\"nope\" is no platform");
    desk.run(&["build", "--push", "."])
        .exits(2)
        .says("the image has no name to be published under");
    desk.run(&["build", "--load", "."])
        .exits(2)
        .says("not supported yet");
}

#[test]
fn a_mistake_in_the_configuration_is_shown_at_its_place() {
    let desk = Desk::new();
    desk.write("Dockerfile", "FROM scratch\n")
        .write("lrops.toml", "[build]\n\nplatform = ['linux/amd64']\n");
    desk.run(&["build", "."])
        .exits(2)
        .says("lrops.toml:3:1")
        .says("did you mean platforms?");
    desk.run(&["plan", "--config", "other.toml", "."])
        .exits(2)
        .says("there is no configuration file");
}

#[test]
fn check_finds_errors_in_a_dockerfile_and_exits_with_3() {
    let desk = Desk::new();
    desk.write("Dockerfile", "FROM scratch\nCOPPY a b\n");
    let ran = desk
        .run(&["build", "--check", "."])
        .exits(3)
        .says("the check found 1 error");
    assert!(
        ran.stdout()
            .contains("dockerfile parse error on line 2: unknown instruction: COPPY"),
        "{}",
        ran.stdout()
    );
    assert!(ran.stdout().contains("did you mean COPY?"), "{}", ran.stdout());
    let ran = desk.run(&["build", "--call=check,format=json", "."]).exits(3);
    assert!(ran.stdout().contains("\"start\""), "{}", ran.stdout());
}

#[test]
fn a_dockerfile_comes_from_standard_input() {
    let desk = Desk::new();
    desk.write("in", "FROM scratch\nCOPPY a b\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lrops"));
    command
        .args(["build", "--check", "-"])
        .env("LROPS_ROOT", desk.path().join("store"));
    command.stdin(fs::File::open(desk.path().join("in")).unwrap());
    Ran(command.output().unwrap()).exits(3);
}

#[test]
fn flags_that_mean_nothing_warn_with_their_reason() {
    let desk = Desk::new();
    desk.write("Dockerfile", "FROM scratch\nCOPPY a b\n");
    desk.run(&[
        "build",
        "--check",
        "--memory=2g",
        "--engine=embedded",
        "--builder",
        "x",
        ".",
    ])
    .exits(3)
    .says("--memory means nothing here")
    .says("--builder means nothing here");
}

#[test]
fn an_image_that_is_not_there_is_named() {
    let desk = Desk::new();
    desk.run(&["verify", "hello:demo"])
        .exits(2)
        .says("there is no image hello:demo in the store");
    desk.run(&["image", "inspect", "."])
        .exits(2)
        .says("no OCI layout");
    desk.run(&["image", "rm", "hello"]).exits(2).says("hello:latest");
    assert_eq!(
        desk.run(&["image", "ls", "--format=json"]).exits(0).stdout(),
        "[]\n"
    );
}

#[test]
fn a_base_that_is_not_configured_is_named() {
    let desk = Desk::new();
    desk.run(&["base", "ls"])
        .exits(2)
        .says("no lrops.toml with [bases]");
    let base = "[bases.one]\ndistribution = 'debian'\nsuite = 'trixie'\npackages = ['libc6']\n";
    desk.write("lrops.toml", base)
        .run(&["base", "build", "two"])
        .exits(2)
        .says("there are one");
}

#[test]
fn builders_are_asked_for_in_words_that_docker_can_carry_out() {
    let desk = Desk::new();
    let setup = |more: &[&str]| {
        let arguments: Vec<&str> = ["builder", "setup"]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        desk.run(&arguments)
    };
    setup(&["--driver=docker"])
        .exits(2)
        .says("known are docker-container, kubernetes and remote");
    setup(&["--driver=remote"])
        .exits(2)
        .says("--host says where BuildKit listens");
    setup(&["--driver=kubernetes", "--node=other"])
        .exits(2)
        .says("have no endpoints");
    setup(&["--driver=kubernetes", "--host=ssh://gitlab"])
        .exits(2)
        .says("--host");
    setup(&["--docker-context=default", "--host=ssh://gitlab"])
        .exits(2)
        .says("cannot be changed");
    setup(&["--node=arm-server=arm/x/y/z"]).exits(2).says("--node");
}

#[test]
fn builders_need_docker_except_to_say_how_one_is_removed() {
    let desk = Desk::new();
    for command in [&["builder", "setup", "--dry-run"][..], &["builder", "ls"]] {
        let ran = desk.run(command).exits(7).says("(docker-missing)");
        assert_eq!(ran.stdout(), "");
    }
    let shown = desk
        .run(&[
            "builder",
            "rm",
            "--docker-context=gitlab",
            "it's mine",
            "--dry-run",
        ])
        .exits(0);
    assert_eq!(
        shown.stdout(),
        "docker --context gitlab buildx rm 'it'\\''s mine'\n"
    );
}
