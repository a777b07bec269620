//! The next version's tag: at both places, or at neither.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::project::{Project, Ran};

#[test]
fn the_next_version_is_tagged_and_that_tag_alone_is_pushed() {
    let project = Project::with_origin();
    project.tag("private");
    project.commit("not pushed");
    let check = |kind: &[&str], tag: &str| {
        let ran = project.lrops(&[&["bump"], kind].concat()).exits(0);
        ran.prints(&format!("{tag}\n")).says("origin");
        assert_eq!(project.git(&["cat-file", "-t", tag]), "tag");
        let here = project.git(&["rev-parse", tag]);
        assert_eq!(project.git_in(&project.origin(), &["rev-parse", tag]), here);
        project.commit("next");
    };
    check(&["patch"], "v0.0.1");
    check(&["minor"], "v0.1.0");
    check(&["major"], "v1.0.0");
    check(&["--type", "patch"], "v1.0.1");
    let message = project.git(&["tag", "--list", "--format=%(contents)", "v1.0.1"]);
    assert_eq!(message.trim(), "Release 1.0.1");
    assert_eq!(
        project.tags_in(&project.origin()),
        ["v0.0.1", "v0.1.0", "v1.0.0", "v1.0.1"]
    );
    let branch = project.git_in(&project.origin(), &["log", "-1", "--format=%s", "main"]);
    assert_eq!(branch, "begin", "only tags are pushed");
}

#[test]
fn a_configuration_that_pushes_more_is_not_followed() {
    let project = Project::with_origin();
    project.git(&["config", "push.followTags", "true"]);
    project.git(&["config", "remote.origin.push", "refs/heads/*:refs/heads/*"]);
    project.git(&["tag", "--annotate", "--message=x", "private"]);
    project.git(&["branch", "draft"]);
    project.lrops(&["bump", "minor"]).exits(0);
    assert_eq!(project.tags_in(&project.origin()), ["v0.1.0"]);
    let branches = project.git_in(&project.origin(), &["branch", "--list", "draft"]);
    assert_eq!(branches, "");
}

#[test]
fn the_highest_release_of_the_repository_counts() {
    let check = |tags: &[&str], kind: &str, expected: &str| {
        let project = Project::new();
        for tag in tags {
            project.tag(tag);
        }
        project.commit("later");
        let ran = project.lrops(&["bump", kind, "--no-push"]).exits(0);
        ran.prints(&format!("{expected}\n"));
    };
    check(&["v1.9.0", "1.10.0", "v1.2.0"], "patch", "v1.10.1");
    check(&["v1.0.0", "v1.1.0-rc.1"], "patch", "v1.0.1");
    check(&["v1.1.0-rc.1", "v1.1"], "minor", "v0.1.0");
}

#[test]
fn a_branch_goes_on_from_its_own_release() {
    let project = Project::new();
    project.tag("v1.2.3");
    project.git(&["checkout", "--quiet", "-b", "1.x"]);
    project.git(&["checkout", "--quiet", "main"]);
    project.commit("breaking");
    project.tag("v2.0.0");
    project.git(&["checkout", "--quiet", "1.x"]);
    project.commit("fix: it");
    let higher = "there is a higher release, 2.0.0: an image of 1.2.4 is not called latest";
    let ran = project
        .lrops(&["bump", "--ci", "--no-push", "--dry-run"])
        .exits(0);
    ran.prints("v1.2.4\n").says(higher);
    project
        .lrops(&["bump", "patch", "--no-push"])
        .exits(0)
        .prints("v1.2.4\n");
    // Main does not have that release, and cannot make it again.
    project.git(&["checkout", "--quiet", "--detach", "v1.2.3"]);
    project.commit("another fix");
    project
        .lrops(&["bump", "patch", "--no-push"])
        .exits(1)
        .says("1.2.4 comes after 1.2.3, and v1.2.4 is there already, at another commit");
}

#[test]
fn a_pre_release_becomes_a_release() {
    let project = Project::new();
    project.tag("v1.0.0-rc.1");
    let ran = project.lrops(&["bump", "major", "--no-push"]).exits(0);
    ran.prints("v1.0.0\n");
    assert_eq!(project.version(), "1.0.0");
}

#[test]
fn a_dry_run_says_what_would_be_done() {
    let project = Project::with_origin();
    project.tag("v1.2.3");
    project.commit("later");
    let commit = project.git(&["rev-parse", "HEAD"]);
    let arguments = ["bump", "minor", "--dry-run", "--message", "the second"];
    project
        .lrops(&arguments)
        .exits(0)
        .prints("v1.3.0\n")
        .says("1.3.0 comes after 1.2.3")
        .says(&format!(
            "git tag --annotate --message='the second' v1.3.0 {commit}"
        ))
        .says("git push origin refs/tags/v1.3.0");
    assert_eq!(project.tags(), ["v1.2.3"]);
    assert!(project.tags_in(&project.origin()).is_empty());
}

#[test]
fn what_would_be_wrong_is_refused() {
    let project = Project::with_origin();
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let before = project.tags();
        for dry in [&[][..], &["--dry-run"]] {
            let all = [&["bump"], arguments, dry].concat();
            project.lrops(&all).exits(code).prints("").says(words);
        }
        assert_eq!(project.tags(), before);
        assert!(project.tags_in(&project.origin()).is_empty());
    };
    refused(&[], 2, "there is no terminal");
    refused(&[], 2, "lrops bump patch, minor or major");
    refused(&["huge"], 2, "huge");
    refused(&["patch", "--type=minor"], 2, "cannot be used with");
    refused(&["patch", "--ci"], 2, "cannot be used with");
    refused(
        &["patch", "--remote=upstream"],
        2,
        "there is no remote \"upstream\"",
    );
    refused(&["patch", "--remote=--all"], 2, "there is no remote");
    project.write("unknown.txt", "x");
    project.write("main.c", "int other;\n");
    refused(&["patch"], 1, "--allow-dirty");
    project.git(&["checkout", "--quiet", "main.c"]);
    project.tag("1.2.3");
    refused(&["patch"], 1, "HEAD is tagged already: 1.2.3");
}

#[test]
fn a_dirty_tree_may_be_left_behind() {
    let project = Project::new();
    project.write("main.c", "int other;\n");
    let ran = project
        .lrops(&["bump", "patch", "--no-push", "--allow-dirty"])
        .exits(0);
    ran.prints("v0.0.1\n").says("here only");
    assert_eq!(project.version(), "0.0.1-modified");
}

#[test]
fn a_repository_without_a_remote_needs_no_push() {
    let project = Project::new();
    project.lrops(&["bump", "patch"]).exits(2).says("--no-push");
    assert!(project.tags().is_empty());
    let elsewhere = project.path().display().to_string();
    let ran = project.lrops_in(
        &project.beside(""),
        &["bump", "patch", "--no-push", "-C", &elsewhere],
    );
    ran.exits(0).prints("v0.0.1\n");
}

#[test]
fn a_remote_that_refuses_leaves_no_tag_here() {
    let project = Project::with_origin();
    project.hook("#!/bin/sh\necho 'releases are made on Fridays' >&2\nexit 1\n");
    project
        .lrops(&["bump", "patch"])
        .exits(1)
        .prints("")
        .says("v0.0.1 is not at origin, and was removed here again")
        .says("failed to push the tag v0.0.1 to origin")
        .says("releases are made on Fridays");
    assert!(project.tags().is_empty());
    assert!(project.tags_in(&project.origin()).is_empty());
}

#[test]
fn a_tag_that_the_remote_has_already_is_not_replaced() {
    let project = Project::with_origin();
    let origin = project.origin();
    project.git_in(&origin, &["tag", "v0.0.1", "main"]);
    project.commit("mine");
    project
        .lrops(&["bump", "patch"])
        .exits(1)
        .says("already exists")
        .says("git fetch --tags origin");
    assert!(project.tags().is_empty());
    project.git(&["fetch", "--quiet", "--tags", "origin"]);
    project.lrops(&["bump", "patch"]).exits(0).prints("v0.0.2\n");
}

#[test]
fn a_remote_that_is_gone_is_told_apart() {
    let project = Project::with_origin();
    fs::remove_dir_all(project.origin()).unwrap();
    project
        .lrops(&["bump", "patch"])
        .exits(1)
        .says("was removed here again")
        .says("git ls-remote --tags origin v0.0.1");
    assert!(project.tags().is_empty());
}

#[test]
fn whoever_makes_tags_has_a_name() {
    let project = Project::new();
    let mut command = project.lrops_command(&project.path());
    for variable in ["GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"] {
        command.env_remove(variable);
    }
    // Git would make a name up from the account's.
    command.env("GIT_CONFIG_COUNT", "1");
    command
        .env("GIT_CONFIG_KEY_0", "user.useConfigOnly")
        .env("GIT_CONFIG_VALUE_0", "true");
    let output = command.args(["bump", "patch", "--no-push"]).output().unwrap();
    Ran(output)
        .exits(1)
        .says("failed to make the tag v0.0.1")
        .says("set user.name and user.email");
    assert!(project.tags().is_empty());
}

#[test]
fn an_interrupted_push_leaves_no_tag_here() {
    // Ctrl-C reaches git as well, another program's signal lrops alone.
    for kill in [kill_process, kill_process_group] {
        let project = Project::with_origin();
        let begun = project.beside("begun");
        let name = begun.display();
        project.hook(&format!(
            "#!/bin/sh\n: > {name}\nwhile test -e {name}; do sleep 0.1; done\nexit 1\n"
        ));
        let mut child = project
            .lrops_command(&project.path())
            .args(["bump", "patch"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let started = Instant::now();
        while !begun.exists() {
            assert!(started.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(project.tags(), ["v0.0.1"]);
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill(pid, Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert!(project.tags().is_empty());
    }
}

#[test]
fn commits_say_which_version_comes_next() {
    let check = |base: Option<&str>, messages: &[&str], expected: &str| {
        let project = Project::with_origin();
        if let Some(tag) = base {
            project.tag(tag);
        }
        for message in messages {
            project.commit(message);
        }
        let ran = project.lrops(&["bump", "--ci"]).exits(0);
        ran.prints(&format!("{expected}\n"));
        assert_eq!(project.tags_in(&project.origin()), [expected], "{messages:?}");
    };
    check(Some("v1.2.3"), &["fix: a"], "v1.2.4");
    check(Some("v1.2.3"), &["words of a person"], "v1.2.4");
    check(Some("v1.2.3"), &["feat(web): a", "fix: b"], "v1.3.0");
    check(Some("v1.2.3"), &["fix!: a", "feat: b"], "v2.0.0");
    check(
        Some("v1.2.3"),
        &["fix: a\n\nMore.\n\nBREAKING CHANGE: all", "chore: b"],
        "v2.0.0",
    );
    check(Some("v0.2.3"), &["feat!: a"], "v0.3.0");
    check(Some("v0.2.3"), &["fix: a"], "v0.2.4");
    check(None, &["feat: a"], "v0.1.0");
    check(None, &[], "v0.0.1");
}

#[test]
fn commits_before_a_pre_release_are_not_released_yet() {
    let project = Project::new();
    project.tag("v1.2.3");
    project.commit("feat: a");
    project.tag("v1.3.0-rc.1");
    project.commit("fix: b");
    let ran = project.lrops(&["bump", "--ci", "--no-push"]).exits(0);
    ran.prints("v1.3.0\n");
}

#[test]
fn without_a_commit_since_the_release_there_is_nothing_to_do() {
    let project = Project::with_origin();
    project.tag("v1.2.3");
    project
        .lrops(&["bump", "--ci"])
        .exits(0)
        .prints("")
        .says("there is no commit since v1.2.3: nothing to do");
    assert_eq!(project.tags(), ["v1.2.3"]);
}

#[test]
fn a_person_at_a_terminal_chooses() {
    const QUESTION: &str = "Number or word [patch]: ";
    let check = |answers: &[(&str, &str)], expected: &str| {
        let project = Project::with_origin();
        project.tag("v1.2.3");
        project.commit("later");
        let (seen, success) = project.lrops_at_terminal("bump", answers);
        assert!(success, "{seen}");
        for line in [
            "Which version comes after 1.2.3?",
            "1) patch  1.2.4",
            "2) minor  1.3.0",
            "3) major  2.0.0",
        ] {
            assert!(seen.contains(line), "{line}: {seen}");
        }
        assert_eq!(project.tags_in(&project.origin()), [expected], "{seen}");
    };
    check(&[(QUESTION, "\n")], "v1.2.4");
    check(&[(QUESTION, "2\n")], "v1.3.0");
    check(&[(QUESTION, "major\n")], "v2.0.0");
    check(
        &[(QUESTION, "none\n"), (QUESTION, "4\n"), (QUESTION, "Minor\n")],
        "v1.3.0",
    );
}

#[test]
fn who_gives_no_answer_gets_no_tag() {
    let project = Project::with_origin();
    let (seen, success) = project.lrops_at_terminal("bump", &[("[patch]: ", "\u{4}")]);
    assert!(!success && seen.contains("Which version is the first?"), "{seen}");
    assert!(project.tags().is_empty());
}
