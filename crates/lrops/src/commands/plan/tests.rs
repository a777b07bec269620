use expect_test::{Expect, expect};
use lrops_model::digest::Digest;

use super::*;

fn row(stage: &str, position: u32, instruction: &str, platforms: &[&str]) -> Row {
    let platforms: Vec<Platform> = platforms
        .iter()
        .map(|platform| platform.parse().unwrap())
        .collect();
    Row {
        id: StepId(Digest::of(instruction)),
        op: "run",
        stage: stage.to_owned(),
        position,
        total: 2,
        instruction: instruction.to_owned(),
        file: "Dockerfile".to_owned(),
        line: Some(position),
        once: platforms.len() > 1,
        platforms,
        emulated: instruction.contains("apt-get"),
        cached: instruction.contains("npm ci") || instruction.contains("upgrade"),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "expect! gives a value")]
fn check(platforms: &[&str], steps: Vec<Row>, expected: Expect) {
    let outline = Outline {
        engine: "embedded",
        because: String::new(),
        commands: vec![],
        dockerfile: "Dockerfile".to_owned(),
        platforms: platforms
            .iter()
            .map(|platform| platform.parse().unwrap())
            .collect(),
        build_platform: "linux/amd64".parse().unwrap(),
        nodes: vec![],
        names: vec!["app:1.2.3".to_owned(), "app:latest".to_owned()],
        told: [("VERSION".to_owned(), "1.2.3".to_owned())].into(),
        steps,
        findings: vec![],
    };
    expected.assert_eq(&anstream::adapter::strip_str(&outline.to_string()).to_string());
}

#[test]
fn steps_are_grouped_by_the_platforms_that_they_serve() {
    let (amd64, arm64, arm) = ("linux/amd64", "linux/arm64", "linux/arm/v7");
    let steps = vec![
        row("server", 1, "RUN GOARCH=amd64 go build", &[amd64]),
        row("ui", 1, "FROM node", &[amd64, arm64, arm]),
        row("server", 2, "RUN GOARCH=arm64 go build", &[arm64]),
        row("ui", 2, "RUN npm ci", &[amd64, arm64, arm]),
        row("arm", 1, "RUN both", &[arm64, arm]),
        row("", 1, "RUN apt-get upgrade", &[arm]),
        row("", 2, "RUN apt-get update", &[arm]),
    ];
    check(
        &[amd64, arm64, arm],
        steps,
        expect![[r"
        Dockerfile for linux/amd64, linux/arm64, linux/arm/v7, built on linux/amd64
        called app:1.2.3, app:latest
        told VERSION=1.2.3

        Once, for all 3 platforms
          [ui 1/2]  FROM node
          [ui 2/2]  RUN npm ci  cached

        Once, for linux/arm64, linux/arm/v7
          [arm 1/2]  RUN both

        For linux/amd64 alone
          [server 1/2]  RUN GOARCH=amd64 go build

        For linux/arm64 alone
          [server 2/2]  RUN GOARCH=arm64 go build

        For linux/arm/v7 alone
          [1/2]  RUN apt-get upgrade  cached
          [2/2]  RUN apt-get update  emulated

        7 steps: 3 once for several platforms, 4 for one platform each; 2 are cached; 1 step would run under emulation
    "]],
    );
}

#[test]
fn one_platform_has_one_group() {
    check(
        &["linux/amd64"],
        vec![row("0", 1, "RUN true", &["linux/amd64"])],
        expect![[r"
            Dockerfile for linux/amd64, built on linux/amd64
            called app:1.2.3, app:latest
            told VERSION=1.2.3

            For linux/amd64
              [0 1/2]  RUN true

            1 step; nothing is emulated
        "]],
    );
}
