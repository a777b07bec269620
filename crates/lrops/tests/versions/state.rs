//! What the state of a work tree is called.

use std::fs;
use std::os::unix::fs::chown;

use crate::project::{COMMIT_TIME, Project, Ran, write_program};

#[test]
fn a_tag_is_a_version_and_what_comes_later_is_of_development() {
    let project = Project::new();
    let check = |expected: &str| assert_eq!(project.version(), expected);
    check(&format!("0.0.0-dev+{}", project.short()));
    project.tag("v1.2.3");
    check("1.2.3");
    project.commit("later");
    check(&format!("1.2.3-dev+{}", project.short()));
    project.git(&["tag", "--annotate", "--message=x", "1.3.0"]);
    check("1.3.0");
    project.commit("later still");
    project.tag("v2.0.0-rc.1");
    check("2.0.0-rc.1");
    project.commit("and later");
    check(&format!("2.0.0-rc.1.dev+{}", project.short()));
}

#[test]
fn of_several_tags_the_highest_version_wins() {
    let check = |tags: &[&str], expected: &str| {
        let project = Project::new();
        for tag in tags {
            project.tag(tag);
        }
        assert_eq!(project.version(), expected, "{tags:?}");
        project.commit("later");
        let later = project.version();
        let (base, _) = later.split_once('+').unwrap();
        let separator = if expected.contains('-') { '.' } else { '-' };
        let expected = format!("{expected}{separator}dev");
        assert_eq!(base, expected, "{tags:?}");
    };
    check(&["v1.9.0", "v1.10.0", "1.2.0"], "1.10.0");
    check(&["v1.0.0-rc.2", "v1.0.0"], "1.0.0");
    check(&["v1.0.0", "v1.1.0-rc.1"], "1.1.0-rc.1");
    check(&["1.0.0", "v1.0.0"], "1.0.0");
    check(
        &[
            "v1.0.0",
            "v7",
            "v9.9",
            "2024",
            "1.02.3",
            "latest",
            "release-8.0.0",
        ],
        "1.0.0",
    );
}

#[test]
fn an_annotated_tag_wins_by_its_version_only() {
    let project = Project::new();
    project.git(&["tag", "--annotate", "--message=x", "v1.0.0"]);
    project.tag("v1.1.0");
    assert_eq!(project.version(), "1.1.0");
    project.commit("later");
    assert!(
        project.version().starts_with("1.1.0-dev+"),
        "{}",
        project.version()
    );
}

#[test]
fn a_tag_of_a_tag_leads_to_its_commit() {
    let project = Project::new();
    project.git(&["tag", "--annotate", "--message=x", "inner"]);
    project.git(&["tag", "--annotate", "--message=x", "v1.0.0", "inner"]);
    assert_eq!(project.version(), "1.0.0");
}

#[test]
fn tags_that_are_no_versions_are_passed_over() {
    let project = Project::new();
    project.tag("v1.0.0");
    project.commit("later");
    for tag in ["v2", "v1.0.0.1", "3.0", "1.0.0-01", "stable"] {
        project.tag(tag);
    }
    assert_eq!(project.version(), format!("1.0.0-dev+{}", project.short()));
    project.git(&["tag", "--delete", "v1.0.0"]);
    assert_eq!(project.version(), format!("0.0.0-dev+{}", project.short()));
}

#[test]
fn the_nearest_tag_is_the_one_with_the_fewest_commits_since() {
    let project = Project::new();
    project.tag("v2.0.0");
    project.commit("one");
    project.tag("v1.5.0");
    project.git(&["branch", "side"]);
    project.commit("two");
    project.tag("v3.0.0");
    project.git(&["checkout", "--quiet", "side"]);
    project.commit("three");
    // What is on another branch is not before this commit, and what is farther does not count, however high.
    assert_eq!(project.version(), format!("1.5.0-dev+{}", project.short()));
}

#[test]
fn only_tracked_files_make_a_state_modified() {
    let project = Project::new();
    project.tag("v1.2.3");
    project.write("unknown.txt", "x");
    assert_eq!(project.version(), "1.2.3");
    project.write("main.c", "int other;\n");
    assert_eq!(project.version(), "1.2.3-modified");
    project.git(&["add", "main.c"]);
    assert_eq!(project.version(), "1.2.3-modified");
    project.git(&["reset", "--quiet", "--hard"]);
    assert_eq!(project.version(), "1.2.3");
    project.commit("later");
    fs::remove_file(project.path().join("main.c")).unwrap();
    assert_eq!(
        project.version(),
        format!("1.2.3-dev+{}-modified", project.short())
    );
}

#[test]
fn a_detached_head_and_a_directory_below_are_of_the_same_project() {
    let project = Project::new();
    project.tag("v1.2.3");
    project.git(&["checkout", "--quiet", "--detach"]);
    assert_eq!(project.version(), "1.2.3");
    project.write("main.c", "int other;\n");
    assert_eq!(project.version_in(&project.path().join("part")), "1.2.3-modified");
    project
        .lrops_in(project.beside("").as_path(), &["version", "project/part"])
        .exits(0)
        .prints("1.2.3-modified\n");
}

#[test]
fn a_shallow_clone_says_that_it_cannot_know() {
    let project = Project::new();
    project.tag("v1.2.3");
    project.commit("one");
    project.commit("two");
    let short = project.short();
    let clone = |depth: &str, name: &str| {
        let from = format!("file://{}", project.path().display());
        let to = project.beside(name);
        project.git(&["clone", "--quiet", "--depth", depth, &from, to.to_str().unwrap()]);
        to
    };
    let cut = clone("1", "cut");
    project
        .lrops_in(&cut, &["version"])
        .exits(0)
        .prints(&format!("0.0.0-dev+{short}\n"))
        .says("shallow clone")
        .says("git fetch --unshallow --tags");
    // The tag is there, but not how far it is.
    project.git_in(
        &cut,
        &["fetch", "--quiet", "--depth=1", "origin", "tag", "v1.2.3"],
    );
    project
        .lrops_in(&cut, &["version"])
        .exits(0)
        .prints(&format!("0.0.0-dev+{short}\n"))
        .says("shallow clone");
    project
        .lrops_in(&cut, &["bump", "patch"])
        .exits(1)
        .says("shallow clone");
    project.git_in(&cut, &["checkout", "--quiet", "v1.2.3"]);
    let json = project.lrops_in(&cut, &["version", "--json"]).exits(0);
    assert!(!json.stdout().contains("latest"), "{}", json.stdout());
    json.says("latest does not move");
    assert_eq!(project.version_in(&cut), "1.2.3");
    project.git_in(&cut, &["checkout", "--quiet", "main"]);
    let deep = clone("3", "deep");
    assert_eq!(project.version_in(&deep), format!("1.2.3-dev+{short}"));
    // One state has one name, whatever the clone.
    project.git_in(&cut, &["fetch", "--quiet", "--unshallow", "--tags"]);
    assert_eq!(project.version_in(&cut), project.version());
}

#[test]
fn a_bare_repository_is_never_modified() {
    let project = Project::with_origin();
    project.tag("v1.2.3");
    project.git(&["push", "--quiet", "origin", "v1.2.3"]);
    let origin = project.origin();
    project.git_in(&origin, &["symbolic-ref", "HEAD", "refs/heads/main"]);
    assert_eq!(project.version_in(&origin), "1.2.3");
}

#[test]
fn where_there_is_no_version_the_error_says_what_to_do() {
    let project = Project::empty();
    project
        .lrops(&["version"])
        .exits(1)
        .says("has no commit yet")
        .says("make the first commit");
    let outside = project.beside("outside");
    fs::create_dir(&outside).unwrap();
    project
        .lrops_in(&outside, &["version"])
        .exits(2)
        .says("is not in a git repository")
        .says("git init");
    project
        .lrops(&["version", "nowhere"])
        .exits(2)
        .says("there is no directory");
    project.lrops(&["version", "--json", "--build-info"]).exits(2);
    project.lrops(&["version", "--build-time=now"]).exits(2);
}

#[test]
fn a_machine_without_git_exits_with_7() {
    let mut project = Project::new();
    project.set("PATH", "/nowhere");
    for arguments in [&["version"][..], &["bump", "patch"]] {
        project
            .lrops(arguments)
            .exits(7)
            .says("failed to start git")
            .says("install it");
    }
}

#[test]
fn a_repository_of_another_user_is_refused_as_git_refuses_it() {
    let project = Project::new();
    project.tag("v1.2.3");
    let mut command = if rustix::process::geteuid().is_root() {
        for path in [project.path(), project.path().join(".git")] {
            chown(path, Some(65_534), Some(65_534)).unwrap();
        }
        project.lrops_command(&project.path())
    } else {
        let mut command = project.lrops_command(&project.path());
        command.env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
        command
    };
    let output = command.args(["version", "part"]).output().unwrap();
    Ran(output)
        .exits(7)
        .says("belongs to another user")
        .says("git config --global --add safe.directory /")
        .says("/project\n");
}

#[test]
fn the_variables_of_a_hook_do_not_mislead() {
    let (mut project, other) = (Project::new(), Project::new());
    project.tag("v1.2.3");
    other.tag("v9.9.9");
    let git = other.path().join(".git").display().to_string();
    project.set("GIT_DIR", &git);
    project.set("GIT_WORK_TREE", &other.path().display().to_string());
    project.set("GIT_INDEX_FILE", &format!("{git}/index"));
    project.set("GIT_PREFIX", "part/");
    assert_eq!(project.version(), "1.2.3");
    project
        .lrops(&["version", other.path().to_str().unwrap()])
        .exits(0)
        .prints("9.9.9\n");
}

#[test]
fn looking_changes_nothing() {
    let project = Project::new();
    project.tag("v1.2.3");
    // The index remembers another time, which `git status` would mend.
    let file = fs::File::open(project.path().join("main.c")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let index = project.path().join(".git/index");
    let before = fs::read(&index).unwrap();
    assert_eq!(project.version(), "1.2.3");
    assert_eq!(fs::read(&index).unwrap(), before);
}

#[test]
fn a_build_is_told_the_version_and_the_commits_time() {
    let project = Project::new();
    project.tag("v1.2.3");
    let commit = project.git(&["rev-parse", "HEAD"]);
    let lines = format!("VERSION=1.2.3\nBUILD_TIME={COMMIT_TIME}\nGIT_COMMIT={commit}\n");
    project
        .lrops(&["version", "--build-info"])
        .exits(0)
        .prints(&lines);
    let now = project
        .lrops(&["version", "--build-info", "--build-time=now"])
        .exits(0)
        .stdout();
    assert!(now.contains("BUILD_TIME=2") && now != lines, "{now}");
}

#[test]
fn json_says_all_of_it() {
    let project = Project::new();
    project.tag("v2.0.0");
    project.git(&["checkout", "--quiet", "-b", "maintenance"]);
    project.commit("mend");
    project.tag("v1.2.3");
    let commit = project.git(&["rev-parse", "HEAD"]);
    let expected = format!(
        r#"{{
  "version": "1.2.3",
  "tag": "v1.2.3",
  "commit": "{commit}",
  "short_commit": "{}",
  "commit_time": "{COMMIT_TIME}",
  "is_release": true,
  "is_modified": false,
  "distance": 0,
  "image_tags": [
    "1.2.3"
  ]
}}
"#,
        project.short()
    );
    project.lrops(&["version", "--json"]).exits(0).prints(&expected);
    project
        .lrops(&["version", "--format=json"])
        .exits(0)
        .prints(&expected);
    let image_tags = |arguments: &[&str]| {
        let ran = project
            .lrops(&[&["version", "--json"], arguments].concat())
            .exits(0);
        let value: serde_json::Value = serde_json::from_str(&ran.stdout()).unwrap();
        value["image_tags"].to_string()
    };
    // 2.0.0 is higher, and keeps `latest`.
    assert_eq!(image_tags(&["--latest"]), r#"["1.2.3","latest"]"#);
    project.git(&["tag", "--delete", "v2.0.0"]);
    assert_eq!(image_tags(&[]), r#"["1.2.3","latest"]"#);
    assert_eq!(image_tags(&["--no-latest"]), r#"["1.2.3"]"#);
    project.write("main.c", "int other;\n");
    assert_eq!(
        image_tags(&["--latest"]),
        format!(r#"["dev-{}"]"#, project.short())
    );
}

#[test]
fn git_that_fails_is_quoted() {
    let mut project = Project::new();
    let programs = project.beside("programs");
    fs::create_dir(&programs).unwrap();
    let script = "#!/bin/sh\necho 'fatal: the disk is on fire' >&2\nexit 128\n";
    write_program(&programs.join("git"), script);
    project.set("PATH", &format!("{}:/usr/bin:/bin", programs.display()));
    project
        .lrops(&["version"])
        .exits(1)
        .says("failed to open the repository")
        .says("git said: fatal: the disk is on fire");
}
