//! Named contexts: on the command line and in the configuration.

use std::fs;

use crate::laboratory::{Laboratory, busybox};

#[test]
fn a_directory_is_a_context() {
    let laboratory = Laboratory::new();
    laboratory
        .dockerfile("FROM scratch\nCOPY --from=assets /logo /logo\nCOPY own /own\n")
        .file("own", "own");
    let assets = laboratory.path("assets");
    fs::create_dir(&assets).unwrap();
    fs::write(assets.join("logo"), "logo").unwrap();
    let files = laboratory.files(&["--build-context", &format!("assets={}", assets.display())]);
    assert_eq!(fs::read_to_string(files.join("logo")).unwrap(), "logo");
}

#[test]
fn the_configuration_names_contexts_and_arguments() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile("ARG BASE=docker.example.com/none\nFROM ${BASE}\nCOPY --from=assets logo /logo\nRUN cat /logo >/copy\n");
    laboratory.file("assets/logo", "logo");
    laboratory.file(
        "lrops.toml",
        format!(
            "[build]\nplatforms = [\"linux/amd64\"]\n[build.args]\nBASE = \"tools\"\n\
             [contexts]\ntools = \"oci-layout://{}\"\nassets = \"assets\"\n",
            busybox().display()
        ),
    );
    laboratory.run(["build", "."]).succeeded();
}

#[test]
fn a_context_can_be_another_dockerfiles_target() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile("FROM tools\nRUN cat /tool >/copy\n");
    laboratory.file(
        "tools.Dockerfile",
        "FROM busybox AS wanted\nENV FROM_TOOLS=yes\nRUN echo tool >/tool\nFROM scratch AS other\n",
    );
    laboratory.file(
        "lrops.toml",
        "[contexts.tools]\ndockerfile = \"tools.Dockerfile\"\ntarget = \"wanted\"\n",
    );
    let built = laboratory.build(&["--tag", "nested"]).succeeded();
    assert_eq!(
        built.ran(),
        [
            "FROM busybox AS wanted",
            "RUN cat /tool >/copy",
            "RUN echo tool >/tool"
        ]
    );
    let inspected = laboratory
        .run(["image", "inspect", "--format", "json", "nested"])
        .succeeded();
    assert!(
        inspected.stdout.contains("FROM_TOOLS=yes"),
        "{}",
        inspected.stdout
    );
}

#[test]
fn a_wrong_name_in_the_configuration_is_found_at_its_line() {
    let laboratory = Laboratory::new();
    laboratory
        .dockerfile("FROM scratch\n")
        .file("lrops.toml", "[build]\nplatfroms = []\n");
    let text = laboratory.run(["build", "."]).failed(2).stderr;
    assert!(
        text.contains("lrops.toml") && text.contains("platforms"),
        "{text}"
    );
}
