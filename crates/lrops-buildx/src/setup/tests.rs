use expect_test::{Expect, expect};

use super::*;
use crate::builders::NodeFacts;

fn wish() -> BuilderSetup {
    BuilderSetup {
        place: BuilderPlace {
            context: Some("gitlab".into()),
            builder: Some("gitlab-multiarch".into()),
        },
        host: Some("ssh://gitlab".into()),
        driver: "docker-container".into(),
        driver_options: vec![],
        nodes: vec![],
        buildkitd_config: None,
        emulated: vec![],
        start: Start::Now,
    }
}

fn there() -> SetupFacts {
    SetupFacts {
        endpoint: Some("ssh://gitlab".into()),
        builder: Some(BuilderFacts {
            name: "gitlab-multiarch".into(),
            driver: "docker-container".into(),
            nodes: vec![NodeFacts {
                name: "gitlab-multiarch0".into(),
                endpoint: "gitlab".into(),
                status: "running".into(),
                platforms: vec!["linux/amd64".parse().unwrap()],
                ..NodeFacts::default()
            }],
            error: None,
        }),
    }
}

fn check(wish: &BuilderSetup, facts: &SetupFacts, expected: Expect) {
    let steps = wish.plan(facts);
    let lines: Vec<String> = steps
        .iter()
        .map(|step| format!("{}\n  {}\n", step.reason, step.command))
        .collect();
    expected.assert_eq(&lines.concat());
}

#[test]
fn where_nothing_is_there_all_is_made() {
    check(
        &wish(),
        &SetupFacts::default(),
        expect![[r"
        define the docker context gitlab
          docker context create gitlab --docker host=ssh://gitlab
        see that a daemon answers there
          docker --context gitlab version
        create the builder with the driver docker-container
          docker --context gitlab buildx create --name gitlab-multiarch --driver docker-container gitlab
        start the builder, and see its platforms
          docker --context gitlab buildx inspect --bootstrap gitlab-multiarch
    "]],
    );
}

#[test]
fn where_all_is_as_wished_nothing_is_done() {
    check(&wish(), &there(), expect![[""]]);
}

#[test]
fn a_builder_that_does_not_run_is_started() {
    let mut facts = there();
    facts.builder.as_mut().unwrap().nodes[0].status = "stopped".into();
    check(
        &wish(),
        &facts,
        expect![[r"
        start the builder, and see its platforms
          docker --context gitlab buildx inspect --bootstrap gitlab-multiarch
    "]],
    );
    let later = BuilderSetup {
        start: Start::Later,
        ..wish()
    };
    check(&later, &facts, expect![[""]]);
}

#[test]
fn a_builder_with_another_driver_or_elsewhere_is_replaced() {
    let mut facts = there();
    facts.builder.as_mut().unwrap().driver = "docker".into();
    check(
        &wish(),
        &facts,
        expect![[r"
        remove the builder that is there: it has the driver docker, and not docker-container
          docker --context gitlab buildx rm gitlab-multiarch
        create the builder with the driver docker-container
          docker --context gitlab buildx create --name gitlab-multiarch --driver docker-container gitlab
        start the builder, and see its platforms
          docker --context gitlab buildx inspect --bootstrap gitlab-multiarch
    "]],
    );
    let mut facts = there();
    facts.builder.as_mut().unwrap().nodes[0].endpoint = "unix:///var/run/docker.sock".into();
    check(
        &wish(),
        &facts,
        expect![[r"
        remove the builder that is there: it is on unix:///var/run/docker.sock, and not on gitlab
          docker --context gitlab buildx rm gitlab-multiarch
        create the builder with the driver docker-container
          docker --context gitlab buildx create --name gitlab-multiarch --driver docker-container gitlab
        start the builder, and see its platforms
          docker --context gitlab buildx inspect --bootstrap gitlab-multiarch
    "]],
    );
}

#[test]
fn a_context_that_points_elsewhere_is_corrected() {
    let facts = SetupFacts {
        endpoint: Some("ssh://old".into()),
        ..there()
    };
    check(
        &wish(),
        &facts,
        expect![[r"
        the docker context gitlab points to ssh://old, and not to ssh://gitlab
          docker context update gitlab --docker host=ssh://gitlab
        see that a daemon answers there
          docker --context gitlab version
        start the builder, and see its platforms
          docker --context gitlab buildx inspect --bootstrap gitlab-multiarch
    "]],
    );
}

#[test]
fn options_and_nodes_are_passed_on() {
    let wish = BuilderSetup {
        driver_options: vec![
            "image=registry.example/buildkit:v0.13".into(),
            "network=host".into(),
        ],
        nodes: vec!["arm-server".into()],
        buildkitd_config: Some("buildkitd.toml".into()),
        ..wish()
    };
    check(
        &wish,
        &there(),
        expect![[r"
        remove the builder that is there: it lacks the driver option image=registry.example/buildkit:v0.13
          docker --context gitlab buildx rm gitlab-multiarch
        create the builder with the driver docker-container
          docker --context gitlab buildx create --name gitlab-multiarch --driver docker-container --driver-opt image=registry.example/buildkit:v0.13 --driver-opt network=host --config buildkitd.toml gitlab
        add the node arm-server
          docker --context gitlab buildx create --name gitlab-multiarch --driver docker-container --driver-opt image=registry.example/buildkit:v0.13 --driver-opt network=host --config buildkitd.toml --append arm-server
        start the builder, and see its platforms
          docker --context gitlab buildx inspect --bootstrap gitlab-multiarch
    "]],
    );
}

#[test]
fn emulators_are_installed_only_where_lines_need_them() {
    let wish = BuilderSetup {
        emulated: vec!["linux/arm64".parse().unwrap()],
        ..wish()
    };
    check(
        &wish,
        &there(),
        expect![[r"
        the Dockerfile runs programs of linux/arm64, which are emulated
          docker --context gitlab run --privileged --rm tonistiigi/binfmt --install all
        a running builder sees them after a restart
          docker --context gitlab buildx stop gitlab-multiarch
        start the builder, and see its platforms
          docker --context gitlab buildx inspect --bootstrap gitlab-multiarch
    "]],
    );
    let mut facts = there();
    let platforms = &mut facts.builder.as_mut().unwrap().nodes[0].platforms;
    platforms.push("linux/arm64".parse().unwrap());
    check(&wish, &facts, expect![[""]]);
}

#[test]
fn a_buildkit_that_runs_already_is_named_by_its_address() {
    let wish = BuilderSetup {
        place: BuilderPlace {
            context: None,
            builder: Some("farm".into()),
        },
        host: Some("tcp://10.0.0.1:1234".into()),
        driver: "remote".into(),
        ..wish()
    };
    check(
        &wish,
        &SetupFacts::default(),
        expect![[r"
        create the builder with the driver remote
          docker buildx create --name farm --driver remote tcp://10.0.0.1:1234
        start the builder, and see its platforms
          docker buildx inspect --bootstrap farm
    "]],
    );
}
