//! A place to build in: a store, a context, and the program under test.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use lrops_testkit::scratch::scratch_directory;
use serde_json::Value;
use tempfile::TempDir;

/// The platforms of most tests: busybox is amd64's, so only builds without programs use more than the first.
pub(crate) const AMD64: &str = "linux/amd64";

/// A store and a context, thrown away at the end.
pub(crate) struct Laboratory {
    directory: TempDir,
    user: User,
}

/// Who runs lrops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    Root,
    /// An ordinary user with this id.
    Ordinary(u32),
}

/// How a run of lrops ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Laboratory {
    pub(crate) fn new() -> Self {
        Self::of(User::Root)
    }

    pub(crate) fn of(user: User) -> Self {
        let directory = scratch_directory();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let laboratory = Self { directory, user };
        fs::create_dir(laboratory.context()).unwrap();
        fs::set_permissions(laboratory.context(), fs::Permissions::from_mode(0o755)).unwrap();
        laboratory
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn context(&self) -> PathBuf {
        self.path("context")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Writes a file of the context.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.context().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        self
    }

    pub(crate) fn dockerfile(&self, text: &str) -> &Self {
        self.file("Dockerfile", text)
    }

    /// Returns a command of lrops that is still to be run.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(self.context())
            .stdin(Stdio::null());
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.directory.path());
        command.env("LROPS_ROOT", self.store());
        if let User::Ordinary(id) = self.user {
            command.uid(id).gid(id);
        }
        command
    }

    /// Runs lrops to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }

    /// Returns the arguments of a build of the context whose `FROM busybox` is the tests' own.
    pub(crate) fn build_arguments(more: &[&str]) -> Vec<String> {
        let base = format!("busybox=oci-layout://{}", busybox().display());
        let mut arguments = vec!["build", "--progress=rawjson", "--build-context", &base];
        if !more.contains(&"--platform") {
            arguments.extend(["--platform", AMD64]);
        }
        arguments.extend(more);
        arguments.push(".");
        arguments.into_iter().map(str::to_owned).collect()
    }

    /// Builds the context.
    pub(crate) fn build(&self, more: &[&str]) -> Ended {
        self.run(Self::build_arguments(more))
    }

    /// Builds the context and returns the digest of the result.
    #[track_caller]
    pub(crate) fn digest(&self, more: &[&str]) -> String {
        let ended = self.build(more).succeeded();
        let digest = ended.stdout.trim().to_owned();
        assert!(
            digest.starts_with("sha256:") && digest.len() == 71,
            "stdout is the digest: {digest:?}"
        );
        digest
    }

    /// Builds the context into a directory, as files.
    #[track_caller]
    pub(crate) fn files(&self, more: &[&str]) -> PathBuf {
        let out = self.path("files");
        let output = format!("type=local,dest={}", out.display());
        let mut arguments = vec!["--output", &output];
        arguments.extend(more);
        self.build(&arguments).succeeded();
        out
    }
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Returns the events of a build.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.stderr
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Returns the instructions of the steps, each with how it ended: `RUN true: done`.
    pub(crate) fn steps(&self) -> Vec<String> {
        let events = self.events();
        let ends = |step: &Value| {
            let end = events
                .iter()
                .find(|event| event["event"] == "finished" && event["step"] == *step);
            end.map_or_else(
                || "unfinished".to_owned(),
                |end| match &end["outcome"] {
                    Value::String(outcome) => outcome.clone(),
                    _ => "failed".to_owned(),
                },
            )
        };
        let started = events.iter().filter(|event| event["event"] == "started");
        let steps = started.filter_map(|event| {
            let label = event["name"].get("step")?;
            Some(format!(
                "{}: {}",
                label["instruction"].as_str()?,
                ends(&event["step"])
            ))
        });
        steps.collect()
    }

    /// Returns the steps that really ran, sorted.
    pub(crate) fn ran(&self) -> Vec<String> {
        let steps = self.steps().into_iter();
        let mut ran: Vec<String> = steps
            .filter_map(|step| step.strip_suffix(": done").map(str::to_owned))
            .collect();
        ran.sort();
        ran
    }
}

/// Returns the program under test, in a place where every user can run it.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = PROGRAM.get_or_init(|| {
        let directory = scratch_directory();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = directory.path().join("lrops");
        // By another process: a program that this one has open for writing cannot be started, and neither can it while a
        // child that was forked meanwhile has it open.
        let copied = Command::new("cp")
            .args([env!("CARGO_BIN_EXE_lrops").as_ref(), path.as_os_str()])
            .status();
        assert!(copied.unwrap().success());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        (directory, path)
    });
    path
}

/// Returns a layout with the base image of the tests: static busybox, its applets, and a few users.
pub(crate) fn busybox() -> &'static Path {
    static LAYOUT: OnceLock<(Laboratory, PathBuf)> = OnceLock::new();
    let (_, path) = LAYOUT.get_or_init(|| {
        let laboratory = Laboratory::new();
        let busybox = fs::read("/bin/busybox").expect("the package busybox-static is installed");
        laboratory.file("busybox", busybox);
        laboratory.file("passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n");
        laboratory.file("group", "root:x:0:\napp:x:1000:\nextra:x:2000:app\n");
        laboratory.dockerfile(
            "FROM scratch\nCOPY --chmod=755 busybox /bin/busybox\nCOPY passwd group /etc/\n\
             RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nRUN mkdir -m 1777 /tmp && mkdir /root\n",
        );
        let layout = laboratory.path("layout");
        let output = format!("type=oci,tar=false,dest={}", layout.display());
        laboratory.run(["build", "--platform", AMD64, "--output", &output, "."]).succeeded();
        let chmod = Command::new("chmod").args(["-R", "a+rX"]).arg(laboratory.directory.path()).status().unwrap();
        assert!(chmod.success());
        (laboratory, layout)
    });
    path
}
