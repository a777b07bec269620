//! The tag's tree: what the user has at hand is neither read nor changed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use lrops_testkit::registry::{Access, RegistryServer};

use crate::project::{Project, Ran};
use crate::sample::{everything, program, sample, tags, temporary_trees};

#[test]
fn a_work_tree_that_is_at_work_is_left_alone() {
    let server = RegistryServer::start(Access::Open);
    let project = sample(&server.name());
    project.tag("v1.0.0");
    project.git(&["checkout", "--quiet", "-b", "draft"]);
    project.write("Dockerfile", "THIS IS NO DOCKERFILE\n");
    project.write("main.c", "int staged;\n");
    project.git(&["add", "main.c"]);
    project.write("main.c", "int modified;\n");
    project.write("unknown.txt", "x\n");
    fs::remove_file(project.path().join("noise")).unwrap();
    let before = everything(&project.path());
    let ran = project.lrops(&["release", "--tag=v1.0.0", "--push", "--yes"]);
    ran.exits(0);
    assert!(everything(&project.path()) == before, "something changed");
    assert_eq!(project.git(&["worktree", "list"]).lines().count(), 1);
    assert!(temporary_trees(&project).is_empty());
    assert_eq!(tags(&server).len(), 2);
}

#[test]
fn the_directory_of_the_project_may_be_a_part_of_the_repository() {
    let server = RegistryServer::start(Access::Open);
    let project = Project::with_origin();
    project.tag("v0.9.0");
    let part = project.path().join("services/web");
    fs::create_dir_all(&part).unwrap();
    fs::write(part.join("Dockerfile"), "FROM scratch\nCOPY page /\n").unwrap();
    fs::write(part.join("page"), "hello\n").unwrap();
    let text = format!("[build]\nrepositories = ['{}/team/app']\n", server.name());
    fs::write(part.join("lrops.toml"), text).unwrap();
    project.git(&["add", "."]);
    project.commit("web");
    project.tag("v1.0.0");
    let release = ["release", "--tag=v1.0.0", "--push", "--yes"];
    project.lrops_in(&part, &release).exits(0);
    let again = project.lrops(&[&release[..], &["-C", "services/web"]].concat());
    again.exits(0).says("unchanged: it named this image already");
    let old = ["release", "--tag=v0.9.0", "--yes", "-C", "services/web"];
    project
        .lrops(&old)
        .exits(2)
        .says("v0.9.0 has no directory services/web");
}

#[test]
fn the_configuration_is_the_tags_own() {
    let server = RegistryServer::start(Access::Open);
    let project = sample(&server.name());
    project.git(&["mv", "Dockerfile", "Dockerfile.old"]);
    project.git(&["rm", "--quiet", "--force", "lrops.toml"]);
    project.commit("before lrops");
    project.tag("v0.9.0");
    let text = format!(
        "[build]\ndockerfile = 'Dockerfile.old'\nrepositories = ['{}/team/app']\n",
        server.name()
    );
    project.write("lrops.toml", &text);
    let release = ["release", "--tag=v0.9.0", "--push", "--yes"];
    let repository = format!("--repository={}/team/app", server.name());
    project
        .lrops(&[&release[..], &[&repository]].concat())
        .exits(2)
        .says("failed to read the Dockerfile");
    project.write("Dockerfile.old", "THIS IS NO DOCKERFILE\n");
    let ran = project.lrops(&[&release[..], &["--config=lrops.toml"]].concat());
    ran.exits(0);
    assert_eq!(tags(&server).keys().collect::<Vec<_>>(), ["0.9.0", "latest"]);
    project.git(&["mv", "--force", "Dockerfile.old", "Dockerfile"]);
    project.git(&["add", "Dockerfile"]);
    project.write("Dockerfile", crate::sample::DOCKERFILE);
    project.git(&["add", "Dockerfile"]);
    project.commit("a Dockerfile");
    project.tag("v0.9.1");
    let ran = project.lrops(&["release", "--tag=v0.9.1", "--dry-run", &repository]);
    ran.exits(0)
        .says("v0.9.1 has no lrops.toml")
        .says("--config ")
        .says("uses it all the same");
}

#[test]
fn the_image_depends_neither_on_who_releases_nor_on_where_nor_on_when() {
    let server = RegistryServer::start(Access::Open);
    let project = sample(&server.name());
    fs::set_permissions(project.path().join("main.c"), fs::Permissions::from_mode(0o755)).unwrap();
    project.git(&["add", "."]);
    project.commit("a program");
    project.tag("v1.0.0");
    let line = format!("umask 077; exec {} release", env!("CARGO_BIN_EXE_lrops"));
    let digests = ["one", "two"].map(|store| {
        let store = project.beside(store).display().to_string();
        let line = format!("{line} --tag=v1.0.0 --yes --store={store}");
        let mut command = program(&project, "sh", &project.path());
        let ran = Ran(command.args(["-c", &line]).output().unwrap());
        ran.exits(0).stdout()
    });
    assert_eq!(digests[0], digests[1]);
    let ran = project.lrops(&["release", "--tag=v1.0.0", "--yes"]).exits(0);
    ran.prints(&digests[0]);
}

#[test]
fn submodules_attributes_and_links_are_those_of_a_fresh_clone() {
    let server = RegistryServer::start(Access::Open);
    let mut project = sample(&server.name());
    // Git takes no submodule from a path unless it is told to.
    for (name, value) in [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "protocol.file.allow"),
        ("GIT_CONFIG_VALUE_0", "always"),
    ] {
        project.set(name, value);
    }
    // A path from the work tree's top.
    project.git(&["remote", "set-url", "origin", "../origin.git"]);
    let library = project.beside("library");
    fs::create_dir(&library).unwrap();
    for arguments in [
        &["init", "--quiet"][..],
        &["commit", "--quiet", "--allow-empty", "--message=x"],
    ] {
        project.git_in(&library, arguments);
    }
    fs::write(library.join("words"), "of the library\n").unwrap();
    project.git_in(&library, &["add", "."]);
    project.git_in(&library, &["commit", "--quiet", "--message=words"]);
    let add = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        "../library",
        "library",
    ];
    project.git(&add);
    project.write(".gitattributes", "main.c export-ignore\n");
    std::os::unix::fs::symlink("main.c", project.path().join("link")).unwrap();
    project.write("Dockerfile", "FROM scratch\nCOPY library/words main.c link /\n");
    project.git(&["add", "."]);
    project.commit("all kinds");
    project.tag("v1.0.0");
    let before = everything(&project.path());
    project
        .lrops(&["release", "--tag=v1.0.0", "--push", "--yes"])
        .exits(0);
    assert!(everything(&project.path()) == before);
    assert!(temporary_trees(&project).is_empty());
}

#[test]
fn a_bare_repository_is_released_too() {
    let server = RegistryServer::start(Access::Open);
    let project = sample(&server.name());
    project.lrops(&["bump", "major"]).exits(0);
    let before = everything(&project.origin());
    let ran = project.lrops_in(&project.origin(), &["release", "--tag=v1.0.0", "--push", "--yes"]);
    ran.exits(0);
    assert!(everything(&project.origin()) == before);
    assert_eq!(tags(&server).len(), 2);
}

#[test]
fn a_linked_work_tree_and_a_shallow_clone_are_repositories_too() {
    let server = RegistryServer::start(Access::Open);
    let project = sample(&server.name());
    project.lrops(&["bump", "major"]).exits(0);
    let release = ["release", "--tag=v1.0.0", "--push", "--yes"];
    let linked = project.beside("linked");
    project.git(&[
        "worktree",
        "add",
        "--quiet",
        "--detach",
        &linked.display().to_string(),
    ]);
    let before = everything(&project.path());
    let released = project.lrops_in(&linked, &release).exits(0);
    assert!(everything(&project.path()) == before);
    let shallow = project.beside("shallow");
    let origin = format!("file://{}", project.origin().display());
    let clone = ["clone", "--quiet", "--depth=1", "--branch=v1.0.0", &origin];
    project.git(&[&clone[..], &[&shallow.display().to_string()]].concat());
    let again = project.lrops_in(&shallow, &release).exits(0);
    let again = again.says("latest does not move");
    assert_eq!(again.stdout(), released.stdout());
}

#[test]
fn an_ordinary_user_releases_the_same_image_and_hooks_are_that_user() {
    const USER: u32 = 4321;
    let server = RegistryServer::start(Access::Open);
    let project = sample(&server.name());
    let path = project.path().join("lrops.toml");
    let text = fs::read_to_string(path).unwrap();
    project.write(
        "lrops.toml",
        &format!("{text}[hooks]\nbefore_build = ['echo hook of $(id -u)']\n"),
    );
    project.git(&["commit", "--quiet", "--all", "--message=hook"]);
    project.tag("v1.0.0");
    let by_root = project.lrops(&["release", "--tag=v1.0.0", "--yes", "--store=../store"]);
    let by_root = by_root.exits(0).says("hook of 0\n").stdout();
    let own = project.beside("lrops");
    fs::copy(env!("CARGO_BIN_EXE_lrops"), &own).unwrap();
    let owner = format!("{USER}:{USER}");
    let chown = Command::new("chown")
        .args(["-R", &owner])
        .arg(project.beside(""))
        .status();
    assert!(chown.unwrap().success());
    let mut command = program(&project, own, &project.path());
    command.args(["release", "--tag=v1.0.0", "--push", "--yes"]);
    let ran = Ran(command.uid(USER).gid(USER).output().unwrap()).exits(0);
    ran.says(&format!("hook of {USER}\n")).prints(&by_root);
    assert!(temporary_trees(&project).is_empty());
}

/// What lies in a store's temporary place when nobody uses it is removed by whoever uses it next.
#[test]
fn a_tree_that_a_killed_release_left_is_removed() {
    let server = RegistryServer::start(Access::Open);
    let project = sample(&server.name());
    project.tag("v1.0.0");
    project.lrops(&["release", "--tag=v1.0.0", "--yes"]).exits(0);
    let left = project.beside(".cache/lrops/tmp/release-1");
    fs::create_dir_all(left.join("part")).unwrap();
    project.lrops(&["release", "--tag=v1.0.0", "--yes"]).exits(0);
    assert!(temporary_trees(&project).is_empty());
}
