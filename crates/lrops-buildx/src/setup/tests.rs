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
        default_endpoint: Some("unix:///var/run/docker.sock".into()),
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

fn node(endpoint: &str, platforms: &[&str]) -> NodeWish {
    NodeWish {
        endpoint: endpoint.into(),
        platforms: platforms.iter().map(|name| name.parse().unwrap()).collect(),
    }
}

fn check(wish: &BuilderSetup, facts: &SetupFacts, expected: Expect) {
    let steps = wish.plan(facts).unwrap();
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
    facts.builder.as_mut().unwrap().driver = "kubernetes".into();
    check(
        &wish(),
        &facts,
        expect![[r"
        remove the builder that is there: it has the driver kubernetes, and not docker-container
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
        nodes: vec![node("arm-server", &[])],
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
    let with_node = BuilderSetup {
        nodes: vec![node("arm", &["linux/arm64"])],
        start: Start::Later,
        ..wish
    };
    check(
        &with_node,
        &there(),
        expect![[r"
            add the node arm
              docker --context gitlab buildx create --name gitlab-multiarch --driver docker-container --platform linux/arm64 --append arm
        "]],
    );
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

#[test]
fn builders_of_contexts_are_left_alone() {
    let refused = |context: Option<&str>, name: &str, facts: &SetupFacts| {
        let place = BuilderPlace {
            context: context.map(str::to_owned),
            builder: Some(name.into()),
        };
        BuilderSetup { place, ..wish() }.plan(facts).unwrap_err().name
    };
    let none = SetupFacts::default();
    assert_eq!(refused(None, "default", &none), "default");
    assert_eq!(refused(Some("gitlab"), "gitlab", &none), "gitlab");
    // The driver is not known where the context's daemon does not answer.
    for driver in ["docker", ""] {
        let mut facts = there();
        facts.builder.as_mut().unwrap().driver = driver.into();
        assert_eq!(refused(None, "other", &facts), "other");
    }
}

#[test]
fn a_builder_on_dockers_own_context_is_noted_by_its_address() {
    let on_default = BuilderSetup {
        place: BuilderPlace {
            context: Some("default".into()),
            ..wish().place
        },
        host: None,
        nodes: vec![node("tcp://10.0.0.1", &[])],
        ..wish()
    };
    let mut facts = there();
    let nodes = &mut facts.builder.as_mut().unwrap().nodes;
    nodes[0].endpoint = "unix:///var/run/docker.sock".into();
    nodes.push(NodeFacts {
        endpoint: "tcp://10.0.0.1:2375".into(),
        status: "running".into(),
        ..NodeFacts::default()
    });
    check(&on_default, &facts, expect![[""]]);
    facts.default_endpoint = Some("unix:///elsewhere.sock".into());
    let reasons: Vec<String> = on_default
        .plan(&facts)
        .unwrap()
        .into_iter()
        .map(|step| step.reason)
        .collect();
    let why = "remove the builder that is there: it is on unix:///var/run/docker.sock, tcp://10.0.0.1:2375, and not on default";
    assert_eq!(reasons[0], why);
}

#[test]
fn options_in_one_flag_are_several() {
    let wish = BuilderSetup {
        driver_options: vec!["image=a/b:x,network=host".into(), "\"env.A=x, y\"".into()],
        ..wish()
    };
    let mut facts = there();
    facts.builder.as_mut().unwrap().nodes[0].driver_options =
        vec!["network=host".into(), "image=a/b:x".into(), "env.A=x, y".into()];
    check(&wish, &facts, expect![[""]]);
    assert_eq!(fields("\"a=say \"\"hi\"\"\",b=c\"d"), ["a=say \"hi\"", "b=c\"d"]);
}

#[test]
fn a_node_gets_its_platforms_and_keeps_what_it_has_cached() {
    let wish = BuilderSetup {
        nodes: vec![node("arm-server", &["linux/arm64", "linux/arm/v7"])],
        start: Start::Later,
        ..wish()
    };
    let mut facts = there();
    check(
        &wish,
        &facts,
        expect![[r"
        add the node arm-server
          docker --context gitlab buildx create --name gitlab-multiarch --driver docker-container --platform linux/arm64,linux/arm/v7 --append arm-server
    "]],
    );
    let nodes = &mut facts.builder.as_mut().unwrap().nodes;
    nodes.push(NodeFacts {
        name: "gitlab-multiarch1".into(),
        endpoint: "arm-server".into(),
        platforms: vec!["linux/arm64".parse().unwrap()],
        ..NodeFacts::default()
    });
    check(
        &wish,
        &facts,
        expect![[r"
        let the node arm-server build for linux/arm64,linux/arm/v7
          docker --context gitlab buildx create --name gitlab-multiarch --driver docker-container --node gitlab-multiarch1 --platform linux/arm64,linux/arm/v7
    "]],
    );
    let nodes = &mut facts.builder.as_mut().unwrap().nodes;
    nodes[1].platforms.push("linux/arm/v7".parse().unwrap());
    check(&wish, &facts, expect![[""]]);
}

#[test]
fn without_a_context_the_host_is_where_the_builder_is() {
    let wish = BuilderSetup {
        place: BuilderPlace {
            context: None,
            builder: Some("farm".into()),
        },
        start: Start::Later,
        ..wish()
    };
    check(
        &wish,
        &SetupFacts::default(),
        expect![[r"
        create the builder with the driver docker-container
          docker buildx create --name farm --driver docker-container ssh://gitlab
    "]],
    );
}

#[test]
fn a_node_of_a_buildkit_that_runs_already_is_changed_at_its_address() {
    let wish = BuilderSetup {
        place: BuilderPlace {
            context: None,
            builder: Some("far".into()),
        },
        host: Some("tcp://a:1".into()),
        driver: "remote".into(),
        nodes: vec![node("tcp://b:1", &["linux/arm64"])],
        start: Start::Later,
        ..wish()
    };
    let at = |name: &str, endpoint: &str| NodeFacts {
        name: name.into(),
        endpoint: endpoint.into(),
        ..NodeFacts::default()
    };
    let facts = SetupFacts {
        builder: Some(BuilderFacts {
            name: "far".into(),
            driver: "remote".into(),
            nodes: vec![at("far0", "tcp://a:1"), at("far1", "tcp://b:1")],
            error: None,
        }),
        ..SetupFacts::default()
    };
    check(
        &wish,
        &facts,
        expect![[r"
            let the node tcp://b:1 build for linux/arm64
              docker buildx create --name far --driver remote --node far1 --platform linux/arm64 tcp://b:1
        "]],
    );
}
