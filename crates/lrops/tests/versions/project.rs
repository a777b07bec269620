//! A project in a git repository of its own, and `lrops` started in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The time of every commit.
pub(crate) const COMMIT_TIME: &str = "2024-05-06T07:08:09Z";

/// A directory with a repository `project` in it, and others beside.
pub(crate) struct Project {
    directory: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

impl Project {
    /// Makes a repository without a commit.
    pub(crate) fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("project")).unwrap();
        let project = Self {
            directory,
            variables: BTreeMap::new(),
        };
        project.git(&["init", "--quiet", "--initial-branch=main"]);
        project
    }

    /// Makes a repository with one commit of two files.
    pub(crate) fn new() -> Self {
        let project = Self::empty();
        project.write("main.c", "int main;\n");
        fs::create_dir(project.path().join("part")).unwrap();
        project.write("part/part.c", "int part;\n");
        project.git(&["add", "."]);
        project.commit("begin");
        project
    }

    /// Makes one whose origin is a bare repository beside it, with all that it has.
    pub(crate) fn with_origin() -> Self {
        let project = Self::new();
        let origin = project.origin().display().to_string();
        project.git(&["init", "--quiet", "--bare", &origin]);
        project.git(&["remote", "add", "origin", &origin]);
        project.git(&["push", "--quiet", "origin", "main"]);
        project
    }

    /// The project's directory.
    pub(crate) fn path(&self) -> PathBuf {
        self.beside("project")
    }

    /// A place beside the project.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The bare repository that tags are pushed to.
    pub(crate) fn origin(&self) -> PathBuf {
        self.beside("origin.git")
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    /// Makes a commit that changes no file.
    pub(crate) fn commit(&self, message: &str) {
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
    }

    /// Makes a lightweight tag.
    pub(crate) fn tag(&self, name: &str) {
        self.git(&["tag", name]);
    }

    /// The first digits of HEAD's commit.
    pub(crate) fn short(&self) -> String {
        self.git(&["rev-parse", "HEAD"])[..7].to_owned()
    }

    /// Has the origin run a program before it takes anything.
    pub(crate) fn hook(&self, script: &str) {
        write_program(&self.origin().join("hooks/pre-receive"), script);
    }

    fn prepare<'a>(&self, command: &'a mut Command, directory: &Path) -> &'a mut Command {
        command
            .current_dir(directory)
            .env_clear()
            .env("HOME", self.directory.path())
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_CEILING_DIRECTORIES", self.directory.path());
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "A Person")
                .env(format!("GIT_{role}_EMAIL"), "person@example.com")
                .env(format!("GIT_{role}_DATE"), COMMIT_TIME);
        }
        command
    }

    /// Runs git in the project.
    #[track_caller]
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.path(), arguments)
    }

    /// Runs git in a directory.
    #[track_caller]
    pub(crate) fn git_in(&self, directory: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        let output = self
            .prepare(&mut command, directory)
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs lrops in the project.
    pub(crate) fn lrops(&self, arguments: &[&str]) -> Ran {
        self.lrops_in(&self.path(), arguments)
    }

    /// Runs lrops in a directory.
    pub(crate) fn lrops_in(&self, directory: &Path, arguments: &[&str]) -> Ran {
        let mut command = self.lrops_command(directory);
        Ran(command.args(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// Returns lrops, to be started in a directory.
    pub(crate) fn lrops_command(&self, directory: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lrops"));
        self.prepare(&mut command, directory).envs(&self.variables);
        command
    }

    /// Runs lrops at a terminal, which `script` gives, and answers its questions. Returns what was seen, and whether it
    /// succeeded.
    pub(crate) fn lrops_at_terminal(&self, arguments: &str, answers: &[(&str, &str)]) -> (String, bool) {
        let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_lrops"));
        let mut command = Command::new("script");
        self.prepare(&mut command, &self.path()).envs(&self.variables);
        let mut child = command
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut seen = Vec::new();
        for (question, answer) in answers {
            while !seen.ends_with(question.as_bytes()) {
                let mut byte = [0];
                let length = screen.read(&mut byte).unwrap();
                assert_eq!(length, 1, "{}", String::from_utf8_lossy(&seen));
                seen.push(byte[0]);
            }
            keys.write_all(answer.as_bytes()).unwrap();
        }
        screen.read_to_end(&mut seen).unwrap();
        let success = child.wait().unwrap().success();
        (String::from_utf8(seen).unwrap(), success)
    }

    /// What `lrops version` prints, which must succeed in silence.
    #[track_caller]
    pub(crate) fn version(&self) -> String {
        self.version_in(&self.path())
    }

    /// The same in another directory.
    #[track_caller]
    pub(crate) fn version_in(&self, directory: &Path) -> String {
        let ran = self.lrops_in(directory, &["version"]).exits(0);
        assert_eq!(ran.stderr(), "");
        ran.stdout().trim().to_owned()
    }

    /// The names of all tags here.
    pub(crate) fn tags(&self) -> Vec<String> {
        self.tags_in(&self.path())
    }

    /// The names of all tags of a repository.
    pub(crate) fn tags_in(&self, directory: &Path) -> Vec<String> {
        let names = self.git_in(directory, &["tag", "--list"]);
        names.lines().map(str::to_owned).collect()
    }
}

/// How a run of lrops ended.
pub(crate) struct Ran(pub(crate) Output);

impl Ran {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        let said = format!("{}{}", self.stdout(), self.stderr());
        assert_eq!(self.0.status.code(), Some(code), "{said}");
        self
    }

    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        assert_eq!(self.stdout(), text, "{}", self.stderr());
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let said = self.stderr();
        assert!(said.contains(text), "{text:?} is not in:\n{said}");
        self
    }
}

/// Another process writes it: one that has a program open for writing, as a thread's child may have for a moment, hinders
/// its start.
pub(crate) fn write_program(path: &Path, script: &str) {
    let status = Command::new("sh")
        .args(["-c", "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .arg(script)
        .status();
    assert!(status.unwrap().success());
}
