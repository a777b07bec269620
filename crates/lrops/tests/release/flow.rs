//! From the choice of a tag to its digest.

use lrops_testkit::registry::{Access, RegistryServer};

use crate::project::Project;
use crate::sample::{REPOSITORY, everything, sample, tags, temporary_trees};

#[test]
fn a_version_is_bumped_built_proved_and_published() {
    let server = RegistryServer::start(Access::Open);
    let project = sample(&server.name());
    project.lrops(&["bump", "minor"]).exits(0).prints("v0.1.0\n");
    let released = project
        .lrops(&["release", "--tag", "v0.1.0", "--push", "--yes"])
        .exits(0);
    let place = format!("{}/{REPOSITORY}", server.name());
    let tags = tags(&server);
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["0.1.0", "latest"]);
    assert_eq!(tags["0.1.0"], tags["latest"]);
    let released = released.prints(&format!("{place}@{}\n", tags["latest"]));
    for line in [
        "Release of v0.1.0, commit ",
        "engine: embedded, because ",
        "Dockerfile for linux/amd64, linux/arm64, built on ",
        &format!("called {place}:0.1.0, {place}:latest"),
        "told VERSION=0.1.0",
        "nothing is emulated",
        "1. check out v0.1.0 in a temporary place",
        "2. build",
        "3. verify the image",
        &format!("4. push to {place}, under its digest"),
        &format!("5. move the tags, in this order: {place}:0.1.0, {place}:latest"),
        "2 platforms, 0 programs",
    ] {
        assert!(
            released.stderr().contains(line),
            "{line:?} is not in:\n{}",
            released.stderr()
        );
    }
    let verified = project.lrops(&["verify", &format!("docker://{place}:0.1.0")]);
    verified.exits(0);
    server.assert_complete(REPOSITORY);
    // The same as a build of the same commit in a clone.
    let clone = project.beside("clone");
    let origin = project.origin().display().to_string();
    project.git(&["clone", "--quiet", &origin, &clone.display().to_string()]);
    project.git_in(&clone, &["checkout", "--quiet", "v0.1.0"]);
    let built = project.lrops_in(&clone, &["build", "."]).exits(0);
    built.prints(&format!("{}\n", tags["latest"]));
}

#[test]
fn without_push_the_image_stays_in_the_store_under_its_names() {
    let server = RegistryServer::start(Access::Open);
    let project = sample(&server.name());
    project.tag("v1.0.0");
    let place = format!("{}/{REPOSITORY}", server.name());
    let ran = project.lrops(&["release", "--tag=1.0.0", "--yes"]).exits(0);
    ran.says("nothing is pushed without --push");
    assert!(server.requests().is_empty());
    for tag in ["1.0.0", "latest"] {
        project.lrops(&["verify", &format!("{place}:{tag}")]).exits(0);
    }
    let pushed = project.lrops(&["push", &format!("{place}:1.0.0")]).exits(0);
    assert!(pushed.stdout().contains("@sha256:"));
}

#[test]
fn a_dry_run_shows_the_plan_and_does_nothing() {
    let server = RegistryServer::start(Access::Open);
    let project = sample(&server.name());
    project.tag("v1.0.0");
    let before = everything(&project.path());
    let ran = project
        .lrops(&["release", "--tag=v1.0.0", "--push", "--dry-run"])
        .exits(0);
    for line in ["Release of v1.0.0", "told VERSION=1.0.0", "5. move the tags"] {
        assert!(ran.stdout().contains(line), "{}", ran.stdout());
    }
    assert_eq!(ran.stderr(), "");
    assert!(server.requests().is_empty());
    assert_eq!(
        project
            .lrops(&["image", "ls", "--format=json"])
            .exits(0)
            .stdout()
            .trim(),
        "[]"
    );
    assert!(everything(&project.path()) == before);
    assert!(temporary_trees(&project).is_empty());
}

#[test]
fn latest_is_the_highest_release_and_as_wished() {
    let check = |tag: &str, flags: &[&str], expected: &[&str]| {
        let server = RegistryServer::start(Access::Open);
        let project = sample(&server.name());
        for tag in ["v1.2.3", "v1.3.0", "v2.0.0-rc.1", "v1.3.1-rc.1"] {
            project.commit("next");
            project.tag(tag);
        }
        // The same commit: what is released is what was asked for.
        project.tag("v2.0.0-rc.2");
        let tag = format!("--tag={tag}");
        let ran = project.lrops(&[&["release", &tag, "--push", "--yes"], flags].concat());
        ran.exits(0);
        let tags = tags(&server);
        assert_eq!(tags.keys().collect::<Vec<_>>(), expected, "{tag} {flags:?}");
    };
    check("v1.3.0", &[], &["1.3.0", "latest"]);
    check("v1.3.0", &["--no-latest"], &["1.3.0"]);
    check("v1.2.3", &[], &["1.2.3"]);
    check("v1.2.3", &["--latest"], &["1.2.3", "latest"]);
    check("v1.3.1-rc.1", &["--latest"], &["1.3.1-rc.1"]);
}

#[test]
fn what_cannot_be_released_is_refused_before_anything_happens() {
    let project = Project::with_origin();
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let ran = project.lrops(&[&["release"], arguments].concat());
        ran.exits(code).prints("").says(words);
    };
    refused(&["--yes"], 2, "`lrops bump` makes one");
    project.tag("v1.2.3");
    project.tag("v1.10.0");
    refused(&["--yes"], 2, "say it: --tag v1.10.0");
    refused(&["--tag=v1.2.3"], 2, "--yes begins without asking");
    refused(&["--tag=v9.9.9", "--yes"], 2, "there is no tag \"v9.9.9\"");
    refused(&["--tag=v9.9.9", "--yes"], 2, "the highest is v1.10.0");
    refused(&["--tag=main", "--yes"], 2, "\"main\" is no version");
    refused(
        &["--tag=v1.2.3", "--yes"],
        2,
        "nothing says in which repository v1.2.3 is released",
    );
    refused(
        &["--tag=v1.2.3", "--yes", "--repository=registry.example/app"],
        2,
        "failed to read the Dockerfile",
    );
    assert!(temporary_trees(&project).is_empty());
}

#[test]
fn a_person_at_a_terminal_chooses_and_agrees() {
    const WHICH: &str = "Number or word [v1.10.0]: ";
    const AGREE: &str = "Release it? [y/N]: ";
    let check = |arguments: &str, answers: &[(&str, &str)], expected: &[&str]| {
        let server = RegistryServer::start(Access::Open);
        let project = sample(&server.name());
        for tag in ["v1.9.0", "v1.10.0-rc.1", "v1.10.0"] {
            project.commit("next");
            project.tag(tag);
        }
        let (seen, success) = project.lrops_at_terminal(arguments, answers);
        assert_eq!(success, !expected.is_empty(), "{seen}");
        assert_eq!(tags(&server).keys().collect::<Vec<_>>(), expected, "{seen}");
        assert!(temporary_trees(&project).is_empty());
        seen
    };
    let seen = check(
        "release --push",
        &[(WHICH, "\n"), (AGREE, "y\n")],
        &["1.10.0", "latest"],
    );
    for line in [
        "Which version is released?",
        "1) v1.10.0       of 2024-05-06",
        "2) v1.10.0-rc.1  of 2024-05-06, a pre-release",
        "3) v1.9.0        of 2024-05-06",
        "5. move the tags",
    ] {
        assert!(seen.contains(line), "{line}: {seen}");
    }
    check(
        "release --push",
        &[(WHICH, "nope\n"), (WHICH, "v1.9.0\n"), (AGREE, "Yes\n")],
        &["1.9.0"],
    );
    check("release --push --yes", &[(WHICH, "2\n")], &["1.10.0-rc.1"]);
    for no in ["\n", "n\n"] {
        let seen = check("release --push", &[(WHICH, "3\n"), (AGREE, no)], &[]);
        assert!(
            seen.contains("nothing is released, since the answer was no"),
            "{seen}"
        );
        assert!(!seen.contains("interrupted"), "{seen}");
    }
    for end in ["\u{4}", "\u{3}"] {
        let seen = check("release --push", &[(WHICH, "3\n"), (AGREE, end)], &[]);
        assert!(!seen.contains("since the answer was no"), "{seen}");
    }
}
