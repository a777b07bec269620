//! Contexts that are addresses of git repositories.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::laboratory::{Ended, Laboratory};

const ADDRESS: &str = "https://git.example/team/app.git";

/// A laboratory whose git finds a repository at the address: with a tag, a commit after it, and another directory with a
/// Dockerfile on a branch.
struct Remote {
    laboratory: Laboratory,
    first: String,
}

impl Remote {
    fn new() -> Self {
        let laboratory = Laboratory::new();
        let origin = laboratory.path("origin");
        fs::create_dir(&origin).unwrap();
        let configuration = format!(
            "[url \"file://{}\"]\n\tinsteadOf = {ADDRESS}\n[user]\n\tname = a\n\temail = a@b.example\n[safe]\n\tdirectory = *\n",
            origin.display()
        );
        laboratory.file("../.gitconfig", configuration);
        let mut remote = Self {
            laboratory,
            first: String::new(),
        };
        remote.git(&["init", "--quiet", "--initial-branch=main"]);
        remote.write(
            "Dockerfile",
            "FROM scratch\nARG VERSION\nLABEL version=$VERSION\nCOPY . /\n",
        );
        remote.write("words", "first\n");
        remote.commit();
        remote.git(&["tag", "v1.2.3"]);
        remote.first = remote.git(&["rev-parse", "HEAD"]).lines().collect();
        remote.write("words", "second\n");
        remote.commit();
        remote.git(&["checkout", "--quiet", "-b", "other"]);
        remote.write("ui/Dockerfile.ui", "FROM scratch\nCOPY page /\n");
        remote.write("ui/page", "page\n");
        remote.commit();
        remote.git(&["checkout", "--quiet", "main"]);
        remote
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(arguments).current_dir(self.laboratory.path("origin"));
        git.env_clear()
            .env("HOME", self.laboratory.path(""))
            .env("PATH", "/usr/bin:/bin");
        let output = git.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.laboratory.path("origin").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn commit(&self) {
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "-m", "change"]);
    }

    /// Builds what a fragment of the address means, as files.
    fn build(&self, fragment: &str, more: &[&str]) -> Ended {
        let output = format!("--output={}", self.files().display());
        let context = format!("{ADDRESS}{fragment}");
        let _ = fs::remove_dir_all(self.files());
        self.laboratory.run(
            [
                &["build", "--platform=linux/amd64", "--tag=app", &output],
                more,
                &[&context],
            ]
            .concat(),
        )
    }

    fn files(&self) -> std::path::PathBuf {
        self.laboratory.path("files")
    }

    fn words(&self) -> String {
        fs::read_to_string(self.files().join("words")).unwrap()
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_repositorys_address_is_built_at_its_branch_tag_or_commit() {
    let remote = Remote::new();
    remote.build("", &[]).succeeded();
    assert_eq!(remote.words(), "second\n");
    assert_eq!(
        names(&remote.files()),
        ["Dockerfile", "words"],
        "and nothing of git's"
    );
    remote.build("#v1.2.3", &[]).succeeded();
    assert_eq!(remote.words(), "first\n");
    let shown = remote
        .laboratory
        .run(["image", "inspect", "--format=json", "app"])
        .succeeded();
    assert!(shown.stdout.contains("1.2.3"), "{}", shown.stdout);
    for commit in [&remote.first, &remote.first[..9]] {
        remote.build(&format!("#{commit}"), &[]).succeeded();
        assert_eq!(remote.words(), "first\n", "{commit}");
    }
    remote.build("#other:ui", &["--file=Dockerfile.ui"]).succeeded();
    assert_eq!(names(&remote.files()), ["page"]);
    assert_eq!(
        names(&remote.laboratory.store().join("tmp")),
        Vec::<String>::new(),
        "nothing is left of it"
    );
    let context = format!("{ADDRESS}#main");
    let planned = remote.laboratory.run(["plan", &context]).succeeded();
    assert!(planned.stdout.contains("COPY . /"), "{}", planned.stdout);
}

#[test]
fn what_is_not_there_is_said() {
    let remote = Remote::new();
    let missing = remote.build("#nowhere", &[]).failed(1);
    assert!(missing.stderr.contains("nowhere"), "{}", missing.stderr);
    let missing = remote.build("#main:nowhere", &[]).failed(2);
    let why = format!("{ADDRESS} has no directory nowhere");
    assert!(missing.stderr.contains(&why), "{}", missing.stderr);
    let outside = remote.build("#main:../x", &[]).failed(2);
    assert!(
        outside.stderr.contains("no directory of the repository"),
        "{}",
        outside.stderr
    );
    let gone = remote
        .laboratory
        .run(["build", "https://127.0.0.1:1/a.git"])
        .failed(1);
    assert!(
        gone.stderr.contains("failed to bring https://127.0.0.1:1/a.git"),
        "{}",
        gone.stderr
    );
}
