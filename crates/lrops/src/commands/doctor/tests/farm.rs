//! The same for docker and what is behind it.

use expect_test::expect;
use lrops_buildx::{BuilderFacts, BuilderPlace, BuildxVersion, DaemonFacts, KnownFailure, NodeFacts};

use super::super::buildx::{self, FarmFacts, FarmWanted, Problem};
use super::{check, platforms};

/// A builder on another machine, which is as it should be.
fn farm() -> (FarmWanted, FarmFacts) {
    let wanted = FarmWanted {
        place: BuilderPlace {
            context: Some("gitlab".to_owned()),
            builder: Some("gitlab-multiarch".to_owned()),
        },
        host: Some("ssh://gitlab".to_owned()),
        platforms: platforms(&["linux/amd64", "linux/arm64"]),
        pushes: false,
        request: None,
    };
    let facts = FarmFacts {
        version: Ok(BuildxVersion { major: 0, minor: 13 }),
        endpoint: Ok("ssh://gitlab".to_owned()),
        daemon: Ok(DaemonFacts {
            version: "26.1.5".to_owned(),
            platform: Some("linux/amd64".parse().unwrap()),
            holds_platforms: false,
        }),
        builder: Ok(BuilderFacts {
            error: None,
            name: "gitlab-multiarch".to_owned(),
            driver: "docker-container".to_owned(),
            nodes: vec![NodeFacts {
                name: "gitlab-multiarch0".to_owned(),
                endpoint: "gitlab".to_owned(),
                status: "running".to_owned(),
                platforms: platforms(&["linux/amd64"]),
                ..NodeFacts::default()
            }],
        }),
        usage: Some("1.5GB".to_owned()),
        emulated: None,
    };
    (wanted, facts)
}

#[test]
fn a_healthy_builder_needs_nothing() {
    let (wanted, facts) = farm();
    check(
        &buildx::judge(&wanted, &facts),
        expect![[r"
        buildx               ok          buildx 0.13
        context              ok          gitlab, at ssh://gitlab
        daemon               ok          docker 26.1.5 on linux/amd64, with the classic image store
        builder              ok          gitlab-multiarch with the driver docker-container: gitlab-multiarch0 at gitlab (running)
        builder's emulation  not needed  there is no Dockerfile to look at
        builder's disk       ok          it keeps 1.5GB
    "]],
    );
}

#[test]
fn a_builder_on_another_endpoint_is_broken() {
    let (mut wanted, mut facts) = farm();
    facts.builder.as_mut().unwrap().nodes[0].endpoint = "tcp://docker.example.com:2376".to_owned();
    facts.endpoint = Ok("ssh://old-gitlab".to_owned());
    facts.version = Ok(BuildxVersion { major: 0, minor: 11 });
    wanted.platforms.truncate(1);
    check(
        &buildx::judge(&wanted, &facts),
        expect![[r"
        buildx               warning     buildx 0.11
        context              broken      gitlab, at ssh://old-gitlab
        daemon               ok          docker 26.1.5 on linux/amd64, with the classic image store
        builder              broken      gitlab-multiarch with the driver docker-container: gitlab-multiarch0 at tcp://docker.example.com:2376 (running)
        builder's emulation  not needed  there is no Dockerfile to look at
        builder's disk       ok          it keeps 1.5GB

        buildx: warning
          cause: before 0.13 buildx tells of its progress in words only: which lines ran is read from them
          cure:  install buildx 0.13 or later
          guide: docs/guide.md#buildx-too-old

        context: broken
          cause: lrops.toml says that the context gitlab is at ssh://gitlab, and it is at ssh://old-gitlab
          cure:  let it point there: docker context update gitlab --docker host=ssh://gitlab
                 or change host under [buildx] in lrops.toml
          guide: docs/guide.md#context-missing

        builder: broken
          cause: the builder gitlab-multiarch points to tcp://docker.example.com:2376, and not to the context gitlab (ssh://old-gitlab)
          cure:  a builder on the wrong endpoint is made anew by: lrops builder setup --docker-context gitlab --builder gitlab-multiarch
          guide: docs/guide.md#daemon-unreachable
    "]],
    );
}

#[test]
fn a_node_that_does_not_answer_is_broken() {
    let (mut wanted, mut facts) = farm();
    wanted.host = None;
    let node = &mut facts.builder.as_mut().unwrap().nodes[0];
    node.status.clear();
    node.error = Some(
        "error during connect: Get \"http://docker.example.com/v1.45/info\": command [ssh -l ops -p 2222 -- \
         build.example docker system dial-stdio] has exited with exit status 255, please make sure the URL is valid, and \
         Docker 18.09 or later is installed on the remote host: stderr=Host key verification failed."
            .to_owned(),
    );
    facts.endpoint = Ok("ssh://ops@build.example:2222".to_owned());
    check(
        &buildx::judge(&wanted, &facts),
        expect![[r#"
            buildx               ok          buildx 0.13
            context              ok          gitlab, at ssh://ops@build.example:2222
            daemon               ok          docker 26.1.5 on linux/amd64, with the classic image store
            builder              broken      gitlab-multiarch with the driver docker-container: gitlab-multiarch0 at gitlab (not known): error during connect: Get "http://docker.example.com/v1.45/info": command [ssh -l ops -p 2222 -- build.example docker system dial-stdio] has exited with exit status 255, please make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr=Host key verification failed.
            builder's emulation  not needed  there is no Dockerfile to look at
            builder's disk       ok          it keeps 1.5GB

            builder: broken
              cause: the context's host cannot be logged in to over ssh without a question
              cure:  log in by hand once, to accept the host's key: ssh -p 2222 ops@build.example docker version
                     load the key into an agent, since docker asks no passphrase: ssh-add
              guide: docs/guide.md#ssh-failed
        "#]],
    );
}

#[test]
fn the_classic_image_store_holds_one_platform() {
    let (mut wanted, mut facts) = farm();
    wanted.place = BuilderPlace::default();
    wanted.host = None;
    let builder = facts.builder.as_mut().unwrap();
    (builder.name, builder.driver) = ("default".to_owned(), "docker".to_owned());
    builder.nodes[0].endpoint = "default".to_owned();
    check(
        &buildx::judge(&wanted, &facts),
        expect![[r#"
        buildx               ok          buildx 0.13
        context              ok          docker's own, at ssh://gitlab
        daemon               ok          docker 26.1.5 on linux/amd64, with the classic image store
        builder              ok          default with the driver docker: gitlab-multiarch0 at default (running)
        image store          broken      the daemon's own builder on docker 26.1.5
        builder's emulation  not needed  there is no Dockerfile to look at
        builder's disk       ok          it keeps 1.5GB

        image store: broken
          cause: the builder uses the `docker` driver on the daemon's classic image store, which holds one platform an image
          cure:  create a builder with the docker-container driver: lrops builder setup
                 or switch the daemon to the containerd image store: "features": {"containerd-snapshotter": true} in its daemon.json
          guide: docs/guide.md#multi-platform-unsupported
    "#]],
    );
    wanted.pushes = true;
    wanted.platforms.truncate(1);
    let checks = buildx::judge(&wanted, &facts);
    assert!(
        checks.iter().all(|check| check.name != "image store"),
        "{checks:?}"
    );
}

#[test]
fn what_is_missing_is_said_once() {
    let (wanted, mut facts) = farm();
    let problem = |known| Problem {
        known: Some(known),
        said: "words".to_owned(),
        command: "docker buildx version".to_owned(),
    };
    let mut checks = Vec::new();
    for known in [KnownFailure::BuildxMissing, KnownFailure::DockerMissing] {
        facts.version = Err(problem(known));
        facts.builder = Err(problem(known));
        checks.extend(buildx::judge(&wanted, &facts));
    }
    check(
        &checks,
        expect![[r"
        buildx   broken  docker has no such plugin
        context  ok      gitlab, at ssh://gitlab
        daemon   ok      docker 26.1.5 on linux/amd64, with the classic image store
        docker   broken  there is none on PATH

        buildx: broken
          cause: docker is here, but its plugin buildx is not
          cure:  install the plugin (Debian: docker-buildx; Docker's own packages: docker-buildx-plugin), then look: docker buildx version
          guide: docs/guide.md#buildx-missing

        docker: broken
          cause: there is no program `docker` on PATH
          cure:  install docker's command line (Debian: docker-cli or docker.io), or build without it: --engine embedded
          guide: docs/guide.md#docker-missing
    "]],
    );
}

#[test]
fn a_failure_that_nobody_knows_is_shown_as_it_is() {
    let (wanted, mut facts) = farm();
    let problem = |command: &str, said: &str| Problem {
        known: None,
        said: said.to_owned(),
        command: command.to_owned(),
    };
    facts.version = Err(problem(
        "docker --context gitlab buildx version",
        "fork/exec /usr/libexec/docker/cli-plugins/docker-buildx: input/output error",
    ));
    facts.endpoint = Err(problem(
        "docker --context gitlab context inspect --format '{{.Endpoints.docker.Host}}'",
        "open /home/you/.docker/contexts/meta: permission denied",
    ));
    facts.daemon = Err(problem(
        "docker --context gitlab info",
        "Error response from daemon: client version 1.52 is too new. Maximum supported API version is 1.41",
    ));
    let mut checks = buildx::judge(&wanted, &facts);
    let (wanted, mut facts) = farm();
    let node = &mut facts.builder.as_mut().unwrap().nodes[0];
    node.error =
        Some("failed to list workers: Unimplemented: unknown service moby.buildkit.v1.Control".to_owned());
    checks.extend(
        buildx::judge(&wanted, &facts)
            .into_iter()
            .filter(|check| check.name == "builder"),
    );
    check(
        &checks,
        expect![[r"
            buildx   broken  fork/exec /usr/libexec/docker/cli-plugins/docker-buildx: input/output error
            context  broken  open /home/you/.docker/contexts/meta: permission denied
            daemon   broken  Error response from daemon: client version 1.52 is too new. Maximum supported API version is 1.41
            builder  broken  gitlab-multiarch with the driver docker-container: gitlab-multiarch0 at gitlab (running): failed to list workers: Unimplemented: unknown service moby.buildkit.v1.Control

            buildx: broken
              cause: `docker --context gitlab buildx version` shows a failure that lrops does not know
              cure:  see all that it says: docker --context gitlab buildx version
              guide: docs/guide.md#troubleshooting

            context: broken
              cause: `docker --context gitlab context inspect --format '{{.Endpoints.docker.Host}}'` shows a failure that lrops does not know
              cure:  see all that it says: docker --context gitlab context inspect --format '{{.Endpoints.docker.Host}}'
              guide: docs/guide.md#troubleshooting

            daemon: broken
              cause: `docker --context gitlab info` shows a failure that lrops does not know
              cure:  see all that it says: docker --context gitlab info
              guide: docs/guide.md#troubleshooting

            builder: broken
              cause: `docker --context gitlab buildx inspect gitlab-multiarch` shows a failure that lrops does not know
              cure:  see all that it says: docker --context gitlab buildx inspect gitlab-multiarch
              guide: docs/guide.md#troubleshooting
        "]],
    );
}
