//! What a build knows of git: arguments that it is told, and names that a repository's images have.

use std::fs;

use lrops_testkit::registry::{Access, RegistryServer};
use serde_json::Value;

use crate::project::{COMMIT_TIME, Project, write_program};

const DOCKERFILE: &str = "\
FROM scratch AS base
ARG GIT_COMMIT
LABEL commit=$GIT_COMMIT

FROM base
ARG VERSION=development BUILD_TIME
LABEL version=$VERSION time=$BUILD_TIME
COPY main.c /
";

/// A project with a Dockerfile that declares all that can be told.
fn project() -> Project {
    let project = Project::new();
    project.write("Dockerfile", DOCKERFILE);
    project.git(&["add", "."]);
    project.commit("build it");
    project
}

/// What `lrops plan` says, as data.
#[track_caller]
fn plan(project: &Project, flags: &[&str]) -> Value {
    let ran = project.lrops(&[&["plan", "--format=json", "."], flags].concat());
    serde_json::from_str(&ran.exits(0).stdout()).unwrap()
}

/// What the config of `app:test` says, with all else that is known of it.
fn inspected(project: &Project) -> String {
    let inspect = ["image", "inspect", "--format=json", "app:test"];
    project.lrops(&inspect).exits(0).stdout()
}

/// The image's names, as a plan has them.
#[track_caller]
fn names(project: &Project, flags: &[&str]) -> Vec<String> {
    let names = plan(project, flags)["names"].clone();
    serde_json::from_value(names).unwrap()
}

#[test]
fn a_build_is_told_what_its_dockerfile_declares() {
    let project = project();
    let commit = project.git(&["rev-parse", "HEAD"]);
    project.tag("v1.2.3");
    let build = ["build", "--progress=rawjson", "--tag=app:test", "."];
    let built = project.lrops(&build).exits(0);
    let config = inspected(&project);
    for text in ["1.2.3", COMMIT_TIME, &commit] {
        assert!(config.contains(text), "{text} is not in {config}");
    }
    let again = project.lrops(&build).exits(0);
    assert_eq!(
        again.stdout(),
        built.stdout(),
        "the same commit gives the same image"
    );
    let told = &plan(&project, &[])["told"];
    assert_eq!(told["VERSION"], "1.2.3");
    let text = project.lrops(&["build", "--dry-run", "."]).exits(0).stdout();
    let line = format!("told BUILD_TIME={COMMIT_TIME} GIT_COMMIT={commit} VERSION=1.2.3\n");
    assert!(text.contains(&line), "{text}");
}

#[test]
fn the_time_is_the_clocks_when_asked() {
    let project = project();
    let time = |flags: &[&str]| plan(&project, flags)["told"]["BUILD_TIME"].clone();
    assert_eq!(time(&[]), COMMIT_TIME);
    assert_eq!(time(&["--build-time=commit"]), COMMIT_TIME);
    assert_ne!(time(&["--build-time=now"]), COMMIT_TIME);
    project.write("Dockerfile", "FROM scratch\n");
    let ran = project.lrops(&["plan", "--build-time=now", "."]).exits(0);
    ran.says("--build-time means nothing here");
}

#[test]
fn what_the_user_gives_goes_before() {
    let mut project = project();
    let told = |project: &Project, flags: &[&str]| plan(project, flags)["told"]["VERSION"].clone();
    assert_eq!(told(&project, &["--build-arg=VERSION=mine"]), Value::Null);
    // The value would be the environment's, had it one.
    assert_eq!(told(&project, &["--build-arg=VERSION"]), Value::Null);
    project.set("VERSION", "the environment's");
    assert!(told(&project, &[]).as_str().unwrap().starts_with("0.0.0-dev+"));
    project.write("lrops.toml", "[build.args]\nVERSION = \"the file's\"\n");
    assert_eq!(told(&project, &[]), Value::Null);
    project.lrops(&["build", "--tag=app:test", "."]).exits(0);
    let config = inspected(&project);
    assert!(config.contains("the file's"), "{config}");
}

#[test]
fn nested_dockerfiles_are_told_what_they_declare() {
    let project = project();
    project.tag("v1.2.3");
    fs::create_dir(project.path().join("tool")).unwrap();
    let nested = "FROM scratch\nARG VERSION\nLABEL tool=$VERSION-tool\nCOPY Dockerfile /tool\n";
    project.write("tool/Dockerfile", nested);
    project.write("Dockerfile", "FROM tool\n");
    project.write(
        "lrops.toml",
        "[contexts.tool]\ndockerfile = \"tool/Dockerfile\"\n",
    );
    project.git(&["add", "."]);
    project.git(&["commit", "--quiet", "--amend", "--no-edit"]);
    project.git(&["tag", "--force", "v1.2.3"]);
    let config = |flags: &[&str]| {
        project
            .lrops(&[&["build", "--tag=app:test", "."], flags].concat())
            .exits(0);
        inspected(&project)
    };
    let told = config(&[]);
    assert!(told.contains("1.2.3-tool"), "{told}");
    let own = config(&["--build-arg=VERSION=9"]);
    assert!(
        !own.contains("1.2.3-tool"),
        "lrops does not contradict the user: {own}"
    );
    let text = "[contexts.tool]\ndockerfile = \"tool/Dockerfile\"\nargs = { VERSION = \"7\" }\n";
    project.write("lrops.toml", text);
    assert!(config(&[]).contains("7-tool"));
}

#[test]
fn without_such_arguments_git_is_not_asked_for_a_version() {
    let project = project();
    let log = project.beside("asked");
    let bin = project.beside("bin");
    fs::create_dir(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {}\nexec /usr/bin/git \"$@\"\n",
        log.display()
    );
    write_program(&bin.join("git"), &script);
    let asked = |text: &str| {
        project.write("Dockerfile", text);
        let _ = fs::remove_file(&log);
        let mut command = project.lrops_command(&project.path());
        command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        let output = command.args(["build", "--tag=app:test", "."]).output().unwrap();
        assert!(output.status.success());
        fs::read_to_string(&log).unwrap()
    };
    assert!(asked(DOCKERFILE).contains("show-ref"));
    let asked = asked("FROM scratch\nARG VERSIONS VERSION_=x\nCOPY main.c /VERSION\n");
    assert_eq!(asked.lines().count(), 1, "the commit's time alone: {asked}");
}

#[test]
fn outside_of_a_repository_nothing_is_told() {
    let project = project();
    let elsewhere = project.beside("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("Dockerfile"), DOCKERFILE).unwrap();
    fs::write(elsewhere.join("main.c"), "").unwrap();
    let ran = project
        .lrops_in(&elsewhere, &["plan", "--format=json", "."])
        .exits(0);
    let plan: Value = serde_json::from_str(&ran.stdout()).unwrap();
    assert_eq!(plan["told"], serde_json::json!({}));
    assert_eq!(ran.stderr(), "");
    let flags = ["plan", "--repository=registry.example/app", "."];
    project
        .lrops_in(&elsewhere, &flags)
        .exits(2)
        .says("registry.example/app is called by git's version")
        .says("--tag");
}

#[test]
fn an_image_is_called_by_the_state_of_its_project() {
    const REPOSITORY: &str = "--repository=registry.example/app";
    let project = project();
    let dev = format!("registry.example/app:dev-{}", project.short());
    assert_eq!(names(&project, &[REPOSITORY]), [dev.as_str()]);
    let ran = project.lrops(&["plan", REPOSITORY, "--latest", "."]).exits(0);
    ran.says("is no release, and only releases are called latest");
    project.tag("v1.2.3");
    let release = ["registry.example/app:1.2.3", "registry.example/app:latest"];
    assert_eq!(names(&project, &[REPOSITORY]), release);
    assert_eq!(names(&project, &[REPOSITORY, "--no-latest"]), release[..1]);
    let own = ["--tag=registry.example/app:latest", "--tag=other:1", REPOSITORY];
    let all = ["other:1", release[0], release[1]];
    assert_eq!(names(&project, &own), all, "latest is the last one");
    project.write("main.c", "int modified;\n");
    assert_eq!(names(&project, &[REPOSITORY]), [dev.as_str()]);
}

#[test]
fn repositories_of_the_configuration_hold_unless_a_name_is_typed() {
    let project = project();
    project.tag("v1.2.3");
    let text =
        "[build]\ntags = ['app:edge']\nrepositories = ['registry.example/app', 'mirror.example/app']\n";
    project.write("lrops.toml", text);
    let all = [
        "app:edge",
        "registry.example/app:1.2.3",
        "mirror.example/app:1.2.3",
        "registry.example/app:latest",
        "mirror.example/app:latest",
    ];
    assert_eq!(names(&project, &[]), all);
    assert_eq!(names(&project, &["--tag=other:1"]), ["other:1"]);
    let typed = ["--repository=third.example/app", "--no-latest"];
    assert_eq!(names(&project, &typed), ["third.example/app:1.2.3"]);
}

#[test]
fn names_that_contradict_themselves_are_refused() {
    let project = project();
    project.tag("v1.2.3");
    let refused = |flags: &[&str], words: &str| {
        let ran = project.lrops(&[&["plan", "."], flags].concat());
        ran.exits(2).says(words);
    };
    refused(
        &["--latest", "--tag=app:1"],
        "no name of the image comes from git's version",
    );
    refused(&["--no-latest", "--tag=app"], "app:latest is called latest");
    refused(&["--repository=app:1"], "is more than a repository");
    refused(&["--latest", "--no-latest"], "cannot be used with");
    refused(&["--push", "--no-push"], "cannot be used with");
    project.write("lrops.toml", "[build]\nrepositories = ['app:1']\n");
    refused(&[], "is more than a repository");
}

#[test]
fn latest_moves_after_every_version() {
    let server = RegistryServer::start(Access::Open);
    let project = project();
    project.tag("v1.2.3");
    let repositories = ["one", "two"].map(|name| format!("--repository={}/team/{name}", server.name()));
    let mut flags = vec!["build", "--push", "."];
    flags.extend(repositories.iter().map(String::as_str));
    let digest = project.lrops(&flags).exits(0).stdout();
    let requests = server.requests();
    let moved: Vec<String> = requests
        .iter()
        .filter(|request| request.method == "PUT")
        .filter_map(|request| {
            let (repository, tag) = request.path().split_once("/manifests/")?;
            let name = repository.rsplit('/').next()?;
            (!tag.starts_with("sha256:")).then(|| format!("{name}:{tag}"))
        })
        .collect();
    assert_eq!(moved, ["one:1.2.3", "two:1.2.3", "one:latest", "two:latest"]);
    for repository in ["team/one", "team/two"] {
        let tags = server.tags(repository);
        assert!(tags.values().all(|named| named.to_string() == digest.trim()));
    }
}
