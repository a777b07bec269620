//! `lrops builder` with real docker. The image that a builder of its own runs in is on Docker Hub, which tests cannot
//! reach: starting one is tried up to that, and by the text of `--dry-run`.

use lrops_testkit::docker::{DockerClient, DockerDaemon, SshServer};
use serde_json::Value;

use crate::workshop::{Workshop, daemon};

const LATER: [&str; 5] = ["builder", "setup", "--builder", "farm", "--no-bootstrap"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    LATER.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn an_old_daemon_gets_a_builder_that_is_listed_shown_replaced_and_removed() {
    let daemon = DockerDaemon::start_old();
    let client = DockerClient::to(&daemon.host());
    let workshop = Workshop::new(&client);
    let made = workshop.run(&with(&[])).succeeded();
    assert!(
        made.stderr
            .contains("$ docker buildx create --name farm --driver docker-container"),
        "{}",
        made.stderr
    );
    let again = workshop.run(&with(&[])).succeeded();
    assert!(
        again.stderr.contains("all is as wished; nothing is done"),
        "{}",
        again.stderr
    );

    let listed = workshop.run(&["builder", "ls"]).succeeded();
    assert!(
        listed.stdout.contains("farm") && listed.stdout.contains("default"),
        "{}",
        listed.stdout
    );
    let shown = workshop
        .run(&["builder", "inspect", "farm", "--format=json"])
        .succeeded();
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["driver"], "docker-container");
    assert_eq!(shown["nodes"][0]["endpoint"], daemon.host());

    let replaced = workshop.run(&with(&["--driver-opt", "network=host"])).succeeded();
    let why = "remove the builder that is there: it lacks the driver option network=host";
    assert!(replaced.stderr.contains(why), "{}", replaced.stderr);
    let shown = workshop
        .run(&["builder", "inspect", "farm", "--format=json"])
        .succeeded();
    assert!(shown.stdout.contains("network=host"), "{}", shown.stdout);

    workshop.run(&["builder", "rm", "farm"]).succeeded();
    let gone = workshop.run(&["builder", "rm", "farm"]).succeeded();
    assert!(
        gone.stderr.contains("there is no builder farm"),
        "{}",
        gone.stderr
    );
    workshop.run(&["builder", "inspect", "farm"]).failed(7);
}

#[test]
fn a_builders_image_that_cannot_be_fetched_is_recognised() {
    let daemon = daemon();
    let client = DockerClient::to(&daemon.host());
    let workshop = Workshop::new(&client);
    let wish = [
        "builder",
        "setup",
        "--builder",
        "farm",
        "--driver-opt",
        "image=127.0.0.1:1/buildkit:x",
    ];
    let failed = workshop.run(&wish).failed(7);
    for text in ["(builder-image-missing)", "--driver-opt image=", "127.0.0.1:1"] {
        assert!(
            failed.stderr.contains(text),
            "{text:?} is not in:\n{}",
            failed.stderr
        );
    }
}

#[test]
fn a_build_says_that_it_starts_the_builder_first() {
    let daemon = daemon();
    let client = DockerClient::to(&daemon.host());
    let workshop = Workshop::new(&client);
    let image = ["--driver-opt", "image=127.0.0.1:1/buildkit:x"];
    workshop.run(&with(&image)).succeeded();
    let build = ["build", "--builder=farm", "--retries=0", "."];
    let failed = workshop.run(&build).failed(7);
    let (said, failure) = failed.stderr.split_once("(builder-image-missing)").unwrap();
    assert!(said.contains("starting the builder farm"), "{said}{failure}");
    let planned = workshop.run(&["plan", "--builder=farm", "."]).succeeded();
    assert!(!planned.stderr.contains("starting"), "{}", planned.stderr);
}

#[test]
fn the_password_of_a_proxy_reaches_the_builder_and_nobody_else() {
    let daemon = daemon();
    let client = DockerClient::to(&daemon.host());
    let workshop = Workshop::new(&client);
    let option = [
        "--driver-opt",
        "env.http_proxy=http://me:s3cret@proxy.example:3128",
    ];
    let planned = workshop
        .run(&[&with(&option)[..], &["--dry-run"]].concat())
        .succeeded();
    assert!(!planned.stdout.contains("s3cret"), "{}", planned.stdout);
    let made = workshop.run(&with(&option)).succeeded();
    assert!(!made.stderr.contains("s3cret"), "{}", made.stderr);
    for text in ["http://me:***@proxy.example:3128", "*** stands for a password"] {
        assert!(made.stderr.contains(text), "{text:?} is not in:\n{}", made.stderr);
    }
    let told = client.docker(&["buildx", "inspect", "farm"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("me:s3cret@proxy.example:3128"), "{told}");
    let other = [
        "--driver-opt",
        "env.http_proxy=http://me:0ther@proxy.example:3128",
    ];
    let changed = workshop.run(&with(&other)).succeeded();
    assert!(
        changed.stderr.contains("it lacks the driver option"),
        "{}",
        changed.stderr
    );
    assert!(!changed.stderr.contains("0ther"), "{}", changed.stderr);
}

#[test]
fn a_dry_run_prints_what_can_be_pasted_and_changes_nothing() {
    let daemon = daemon();
    let client = DockerClient::to(&daemon.host());
    let workshop = Workshop::new(&client);
    let text = "FROM busybox\nRUN true\n";
    workshop.laboratory.dockerfile(text);
    let planned = workshop
        .run(&[
            "builder",
            "setup",
            "--builder=farm",
            "--platform=linux/amd64,linux/arm64",
            "--dry-run",
        ])
        .succeeded();
    let commands: Vec<&str> = planned
        .stdout
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert_eq!(
        commands,
        [
            "docker buildx create --name farm --driver docker-container",
            "docker run --privileged --rm tonistiigi/binfmt --install all",
            "docker buildx inspect --bootstrap farm",
        ]
    );
    let native = workshop
        .run(&[
            "builder",
            "setup",
            "--builder=farm",
            "--platform=linux/amd64",
            "--dry-run",
        ])
        .succeeded();
    assert!(
        !native.stdout.contains("binfmt"),
        "nothing is emulated: {}",
        native.stdout
    );
    workshop.run(&["builder", "inspect", "farm"]).failed(7);
}

#[test]
fn a_context_is_defined_and_corrected() {
    let daemon = daemon();
    let server = SshServer::start(&daemon.host());
    let client = DockerClient::new();
    server.introduce(&client, "gitlab");
    let workshop = Workshop::new(&client);
    let wrong = client.docker(&[
        "context",
        "create",
        "gitlab",
        "--docker",
        "host=ssh://nobody@nowhere",
    ]);
    assert!(wrong.status.success());
    workshop.laboratory.file(
        "lrops.toml",
        "[buildx]\ncontext = \"gitlab\"\nhost = \"ssh://gitlab\"\nbuilder = \"gitlab-multiarch\"\n",
    );
    let made = workshop.run(&["builder", "setup", "--no-bootstrap"]).succeeded();
    for text in [
        "the docker context gitlab points to ssh://nobody@nowhere, and not to ssh://gitlab",
        "$ docker --context gitlab version",
        "$ docker --context gitlab buildx create --name gitlab-multiarch --driver docker-container gitlab",
    ] {
        assert!(made.stderr.contains(text), "{text:?} is not in:\n{}", made.stderr);
    }
    let again = workshop.run(&["builder", "setup", "--no-bootstrap"]).succeeded();
    assert!(again.stderr.contains("nothing is done"), "{}", again.stderr);
}

#[test]
fn a_builder_elsewhere_is_made_anew_where_it_belongs() {
    let daemon = daemon();
    let client = DockerClient::to(&daemon.host());
    let workshop = Workshop::new(&client);
    workshop.run(&with(&[])).succeeded();
    let created = client.docker(&[
        "context",
        "create",
        "other",
        "--docker",
        &format!("host={}", daemon.host()),
    ]);
    assert!(created.status.success());
    let moved = workshop.run(&with(&["--docker-context", "other"])).succeeded();
    let why = format!("it is on {}, and not on other", daemon.host());
    assert!(moved.stderr.contains(&why), "{}", moved.stderr);
    workshop.run(&["builder", "rm", "farm"]).succeeded();
}
