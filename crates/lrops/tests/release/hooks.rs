//! What runs before the build.

use lrops_testkit::registry::{Access, RegistryServer};

use crate::project::{COMMIT_TIME, Project};
use crate::sample::{everything, sample, tags, temporary_trees};

/// Adds hooks to the project, and tags it.
fn with_hooks(server: &RegistryServer, lines: &str) -> Project {
    let project = sample(&server.name());
    let path = project.path().join("lrops.toml");
    let text = std::fs::read_to_string(path).unwrap();
    project.write(
        "lrops.toml",
        &format!("{text}[hooks]\nbefore_build = [{lines}]\n"),
    );
    project.git(&["add", "."]);
    project.commit("hooks");
    project.tag("v1.2.3");
    project
}

const RELEASE: [&str; 4] = ["release", "--tag=v1.2.3", "--push", "--yes"];

#[test]
fn hooks_see_the_version_and_work_in_the_tags_tree() {
    let server = RegistryServer::start(Access::Open);
    let project = with_hooks(
        &server,
        "'echo told $VERSION $BUILD_TIME $GIT_COMMIT $GIT_TAG; echo made by the hook > main.c', 'git describe --tags --dirty'",
    );
    let before = everything(&project.path());
    let commit = project.git(&["rev-parse", "HEAD"]);
    let ran = project.lrops(&RELEASE).exits(0);
    let ran = ran
        .says(&format!("told 1.2.3 {COMMIT_TIME} {commit} v1.2.3\n"))
        .says("v1.2.3-dirty\n");
    let ran = ran
        .says("2. run the hook: echo told")
        .says("3. run the hook: git");
    assert_eq!(ran.stdout().lines().count(), 1, "hooks say nothing to programs");
    assert!(everything(&project.path()) == before);
    let digest = &tags(&server)["1.2.3"];
    let files = project.beside("files");
    let output = format!("--output=type=local,dest={}", files.display());
    let export = ["image", "export", digest, &output];
    project.lrops(&export).exits(0);
    let built = std::fs::read_to_string(files.join("linux_amd64/for-amd64")).unwrap();
    assert_eq!(built, "made by the hook\n");
}

#[test]
fn a_hook_that_fails_stops_the_release() {
    let server = RegistryServer::start(Access::Open);
    let project = with_hooks(
        &server,
        "'echo one', 'echo no compiler here >&2; exit 3', 'echo never'",
    );
    let ran = project.lrops(&RELEASE).exits(1).prints("");
    let ran = ran
        .says("no compiler here")
        .says("failed: exit status: 3")
        .says("nothing was built or published");
    assert!(!ran.stderr().contains("\nnever\n"));
    assert!(server.requests().is_empty());
    assert!(temporary_trees(&project).is_empty());
    // Nothing runs that was not asked for.
    let ran = project.lrops(&["release", "--tag=v1.2.3", "--dry-run"]).exits(0);
    assert_eq!(ran.stderr(), "");
    project.lrops(&["build", "."]).exits(0);
}

#[test]
fn a_dockerfile_that_cannot_be_built_is_refused_before_any_hook() {
    let server = RegistryServer::start(Access::Open);
    let project = with_hooks(&server, "'echo never'");
    project.write("Dockerfile", "FROM scratch\nCOPI noise /\n");
    project.git(&["commit", "--quiet", "--all", "--message=broken"]);
    project.git(&["tag", "--force", "v1.2.3"]);
    let ran = project.lrops(&RELEASE).exits(1).says("COPI");
    assert!(!ran.stderr().contains("never"), "{}", ran.stderr());
}
