//! `lrops doctor` with the program as a user starts it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lrops_testkit::registry::{Access, RegistryOptions, RegistryServer};
use serde_json::Value;

struct Project {
    directory: tempfile::TempDir,
}

impl Project {
    fn new() -> Self {
        let project = Self {
            directory: lrops_testkit::scratch::scratch_directory(),
        };
        project.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn prepared(&self, mut command: Command, search_path: &Path) -> Command {
        command
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", search_path)
            .env("HOME", self.path("home"))
            .env("LROPS_ROOT", self.path("store"));
        command
    }

    fn doctor(&self, arguments: &[&str]) -> Ended {
        let program = Command::new(env!("CARGO_BIN_EXE_lrops"));
        let mut command = self.prepared(program, Path::new("/usr/sbin:/usr/bin:/sbin:/bin"));
        Ended(command.arg("doctor").args(arguments).output().unwrap())
    }
}

struct Ended(Output);

impl Ended {
    #[track_caller]
    fn exits(self, code: i32) -> String {
        let stdout = String::from_utf8(self.0.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&self.0.stderr);
        assert_eq!(self.0.status.code(), Some(code), "{stdout}{stderr}");
        stdout
    }
}

/// Returns the state and the cures of a check.
fn of(document: &str, name: &str) -> (String, String) {
    let document: Value = serde_json::from_str(document).unwrap();
    let checks = document["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name);
    let check = found.unwrap_or_else(|| panic!("there is no {name} in {document:#}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let cures: Vec<String> = check["cures"]
        .as_array()
        .into_iter()
        .flatten()
        .map(text)
        .collect();
    (text(&check["state"]), cures.join("\n"))
}

#[test]
fn a_healthy_machine_is_well_and_stays_as_it_is() {
    let project = Project::new();
    let text = project.doctor(&[]).exits(0);
    assert!(text.starts_with("engine: embedded, because "), "{text}");
    assert!(text.contains("docker           not needed"), "{text}");
    let left = fs::read_dir(project.directory.path()).unwrap();
    let left: Vec<String> = left
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["Dockerfile"], "nothing was made");
}

#[test]
fn docker_that_is_missing_is_broken_only_where_buildx_builds() {
    let project = Project::new();
    let none = project.path("none");
    let run = |arguments: &[&str]| {
        let mut command = project.prepared(Command::new(env!("CARGO_BIN_EXE_lrops")), &none);
        Ended(
            command
                .args(["doctor", "--format=json"])
                .args(arguments)
                .output()
                .unwrap(),
        )
    };
    let (state, cures) = of(&run(&["--engine=buildx"]).exits(7), "docker");
    assert_eq!(state, "broken");
    assert!(cures.contains("install docker's command line"), "{cures}");
    let (state, cures) = of(&run(&["--all"]).exits(0), "docker");
    assert_eq!(state, "not-needed");
    assert!(cures.contains("install docker's command line"), "{cures}");
}

#[test]
fn what_docker_says_is_shown_when_nobody_knows_it() {
    const SAID: &str =
        "Error response from daemon: client version 1.52 is too new. Maximum supported API version is 1.41";
    let project = Project::new();
    let programs = project.path("programs");
    fs::create_dir(&programs).unwrap();
    let docker = programs.join("docker");
    fs::write(&docker, format!("#!/bin/sh\necho '{SAID}' >&2\nexit 1\n")).unwrap();
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = project.prepared(Command::new(env!("CARGO_BIN_EXE_lrops")), &programs);
    let text = Ended(command.args(["doctor", "--engine=buildx"]).output().unwrap()).exits(7);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let row = format!("daemon broken {SAID}");
    for expected in [&row, "see all that it says: docker info --format "] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    assert!(!text.contains("daemon-unreachable"), "{text}");
}

#[test]
fn a_full_disk_is_broken() {
    let project = Project::new();
    let disk = project.path("disk");
    fs::create_dir(&disk).unwrap();
    // A mount that only this command sees.
    let script = "mount -t tmpfs -o size=64m,nr_inodes=1000 none \"$1\" && \
                  dd if=/dev/zero of=\"$1/lost+found\" bs=1M count=60 status=none && \
                  exec \"$0\" doctor --format=json --store \"$1\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_lrops")]);
    let mut command = project.prepared(command, Path::new("/usr/sbin:/usr/bin:/sbin:/bin"));
    let text = Ended(command.arg(&disk).output().unwrap()).exits(7);
    for name in ["disk space", "inodes"] {
        let (state, cures) = of(&text, name);
        assert_eq!(state, "broken", "{name}");
        assert!(cures.contains("lrops cache prune"), "{cures}");
    }
}

#[test]
fn a_registry_that_wants_a_password_is_told_with_the_cure() {
    let registry = RegistryServer::start_with(RegistryOptions::usual().with_access(Access::Basic("a:b")));
    let (name, project) = (registry.name(), Project::new());
    let tag = format!("{name}/team/app:1");
    let check = format!("registry {name}");
    let (state, cures) = of(
        &project.doctor(&["--format=json", "--tag", &tag]).exits(0),
        &check,
    );
    assert_eq!(state, "warning");
    assert!(cures.contains(&format!("lrops login {name}")), "{cures}");
    let pushing = ["--format=json", "--push", "--tag", &tag];
    assert_eq!(of(&project.doctor(&pushing).exits(7), &check).0, "broken");
    fs::create_dir_all(project.path("home/.docker")).unwrap();
    let login = format!(r#"{{"auths":{{"{name}":{{"auth":"YTpi"}}}}}}"#);
    project.write("home/.docker/config.json", &login);
    assert_eq!(of(&project.doctor(&pushing).exits(0), &check).0, "ok");
    let changing = registry
        .requests()
        .into_iter()
        .filter(|request| request.method != "GET");
    assert_eq!(changing.count(), 0, "nothing is changed at the registry");
}

#[test]
fn emulation_that_is_denied_stops_the_work_beforehand() {
    let project = Project::new();
    project.write("Dockerfile", "FROM busybox\nRUN true\n");
    project.write("lrops.toml", "[build]\nemulation = 'deny'\n");
    let text = project
        .doctor(&["--format=json", "--platform=linux/s390x"])
        .exits(7);
    assert_eq!(of(&text, "emulation").0, "broken");
}

#[test]
fn emulation_that_is_possible_is_a_warning_for_whoever_asks() {
    let project = Project::new();
    project.write("Dockerfile", "FROM busybox\nRUN true\n");
    let program = project.path("lrops");
    // By a program of its own: a copy that this process had open for writing could be held open by a child that
    // another test is just starting, and then cannot be run.
    let copied = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_lrops"))
        .arg(&program)
        .status();
    assert!(copied.unwrap().success());
    for path in [project.directory.path(), &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    for user in [0, 54_321] {
        let mut command = project.prepared(Command::new(&program), Path::new("/usr/bin:/bin"));
        command.args(["doctor", "--format=json", "--platform=linux/arm64"]);
        let text = Ended(command.uid(user).gid(user).output().unwrap()).exits(0);
        assert_eq!(of(&text, "emulation").0, "warning", "{text}");
        assert_eq!(of(&text, "overlay").0, "ok", "{text}");
    }
}

#[test]
fn without_a_project_the_machine_is_looked_at() {
    let project = Project::new();
    fs::remove_file(project.path("Dockerfile")).unwrap();
    assert_eq!(
        of(&project.doctor(&["--format=json"]).exits(0), "request").0,
        "not-needed"
    );
    assert_eq!(
        of(&project.doctor(&["--format=json", "."]).exits(7), "request").0,
        "broken"
    );
}
