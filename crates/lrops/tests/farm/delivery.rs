//! Where an image goes that buildx builds: to the store, to its registry by the builder, through ssh.

use lrops_model::digest::Digest;
use lrops_testkit::debian_registry::{DebianRegistry, skopeo};
use lrops_testkit::docker::{DockerClient, SshServer};
use serde_json::Value;

use crate::laboratory::{Ended, busybox};
use crate::workshop::{TWO, Workshop, daemon};

#[test]
fn the_image_comes_to_the_store_and_lrops_pushes_it() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    let registry = DebianRegistry::start();
    let name = format!("{}/team/sample:1.2.3", registry.name());
    let built = workshop.build(&["--tag", &name, "--push"]).succeeded();
    assert!(
        built.stderr.contains("buildx: --engine says so"),
        "{}",
        built.stderr
    );
    let digest = built.stdout.trim();
    assert_eq!(
        platforms_of(&name),
        ["amd64", "arm64"],
        "and no attestation among them"
    );
    workshop.run(&["verify", &format!("docker://{name}")]).succeeded();
    workshop.run(&["verify", digest]).succeeded();
    let again = workshop.build(&["--tag", &name, "--push"]).succeeded();
    assert_eq!(again.stdout.trim(), digest);
    assert!(again.stderr.contains("0 blobs sent"), "{}", again.stderr);
}

#[test]
fn a_build_beside_another_does_not_wait_for_its_index() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    workshop.build(&["--tag=sample"]).succeeded();
    // As BuildKit's client of another build holds it while it writes.
    let lock = workshop
        .laboratory
        .store()
        .join("exchange/images/index.json.lock");
    let lock = std::fs::File::create(lock).unwrap();
    lock.lock().unwrap();
    workshop.laboratory.file("words", "other\n");
    workshop.build(&["--tag=sample"]).succeeded();
}

#[test]
fn a_store_whose_name_has_a_comma_works() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    let store = format!("--store={}", workshop.laboratory.path("a,b").display());
    workshop.build(&[&store, "--tag=sample"]).succeeded();
}

#[test]
fn what_is_loaded_is_what_was_proved() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    workshop
        .build(&["--no-cache", "--load", "--tag=loaded:1"])
        .succeeded();
    // docker writes its own documents around the same config, which says when it was made.
    let inspect = ["image", "inspect", "loaded:1", "--format", "{{.Created}}"];
    let made = String::from_utf8(daemon.client().docker(&inspect).stdout).unwrap();
    let proved = workshop.run(&["image", "inspect", "loaded:1"]).succeeded();
    assert!(
        made.starts_with("20") && proved.stdout.contains(made.trim()),
        "{made}{}",
        proved.stdout
    );
}

#[test]
fn values_from_the_environment_are_not_shown() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    workshop
        .laboratory
        .dockerfile("FROM scratch\nARG TOKEN\nLABEL token=$TOKEN\nCOPY words /\n");
    let arguments = [
        "plan",
        "--engine=buildx",
        "--build-arg=TOKEN",
        "--tag=sample",
        ".",
    ];
    let mut command = workshop.command(&arguments);
    let planned = Ended::of(command.env("TOKEN", "s3cret").output().unwrap()).succeeded();
    assert!(
        planned.stdout.contains("--build-arg TOKEN "),
        "{}",
        planned.stdout
    );
    assert!(!format!("{}{}", planned.stdout, planned.stderr).contains("s3cret"));
    let mut command = workshop.command(&[
        "build",
        "--engine=buildx",
        "--build-arg=TOKEN",
        "--tag=sample",
        ".",
    ]);
    Ended::of(command.env("TOKEN", "s3cret").output().unwrap()).succeeded();
    let blobs = std::fs::read_dir(workshop.laboratory.store().join("blobs/sha256")).unwrap();
    let has = |blob: std::fs::DirEntry| {
        let content = std::fs::read(blob.path()).unwrap();
        content.windows(6).any(|window| window == b"s3cret")
    };
    assert!(
        blobs.flatten().any(has),
        "buildx took it from the environment, for the label"
    );
}

/// Returns a document of a registry.
pub(crate) fn raw(name: &str) -> Vec<u8> {
    let name = format!("docker://{name}");
    skopeo(&["inspect", "--raw", "--tls-verify=false", &name])
}

/// Returns the digest that a name of a registry has.
pub(crate) fn digest_of(name: &str) -> String {
    Digest::of(raw(name)).to_string()
}

/// Returns the architectures of an index in a registry, in their order.
pub(crate) fn platforms_of(name: &str) -> Vec<String> {
    let index: Value = serde_json::from_slice(&raw(name)).unwrap();
    let manifests = index["manifests"].as_array().unwrap().iter();
    let architecture = |manifest: &Value| manifest["platform"]["architecture"].as_str().unwrap().to_owned();
    manifests.map(architecture).collect()
}

#[test]
fn a_builder_without_push_by_digest_pushes_tags_and_lrops_says_so_and_proves() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    let registry = DebianRegistry::start();
    let name = format!("{}/team/sample:stable", registry.name());
    let built = workshop.deliver(&name, &[]).succeeded();
    for text in [
        "the tags move before the image is proved",
        "verifying the image in its registry",
        "unchanged: it named this image already",
    ] {
        assert!(
            built.stderr.contains(text),
            "{text:?} is not in:\n{}",
            built.stderr
        );
    }
    assert_eq!(platforms_of(&name), ["amd64", "arm64"]);
}

#[test]
fn a_version_is_not_given_away_to_a_builder_that_cannot_compare() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    let registry = DebianRegistry::start();
    let name = format!("{}/team/sample:1.2.3", registry.name());
    workshop.deliver(&name, &[]).succeeded();
    let refused = workshop.deliver(&name, &[]).failed(2);
    assert!(refused.stderr.contains("names sha256:"), "{}", refused.stderr);
}

#[test]
fn a_context_over_ssh_builds() {
    let daemon = daemon();
    let server = SshServer::start(&daemon.host());
    let client = DockerClient::new();
    server.introduce(&client, "gitlab");
    let created = client.docker(&["context", "create", "gitlab", "--docker", "host=ssh://gitlab"]);
    assert!(created.status.success());
    let workshop = Workshop::new(&client);
    workshop
        .laboratory
        .file("lrops.toml", "[buildx]\ncontext = \"gitlab\"\n");
    let built = workshop.run(&["build", TWO, "--tag", "sample", "."]).succeeded();
    let why = "buildx: [buildx] in lrops.toml names the context gitlab";
    assert!(built.stderr.contains(why), "{}", built.stderr);
    workshop.run(&["verify", "sample"]).succeeded();
}

#[test]
fn the_plan_is_the_command_that_a_person_would_paste() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    let registry = DebianRegistry::start();
    let name = format!("{}/team/sample:pasted", registry.name());
    let planned = workshop
        .deliver(&name, &["--dry-run", "--build-arg=VERSION=1.2.3"])
        .succeeded();
    let command = docker_line(&planned);
    assert_eq!(
        command,
        format!(
            "docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=1.2.3 -f Dockerfile --tag {name} --push ."
        )
    );
    workshop.paste(&command).succeeded();
    workshop
        .run(&["verify", &format!("docker://{name}"), TWO])
        .succeeded();
}

/// Returns the last line that begins with docker.
pub(crate) fn docker_line(ended: &Ended) -> String {
    let text = format!("{}\n{}", ended.stdout, ended.stderr);
    let line = text
        .lines()
        .map(|line| line.trim_start_matches([' ', '|']))
        .rfind(|line| line.starts_with("docker "));
    line.unwrap_or_else(|| panic!("no command of docker in:\n{text}"))
        .to_owned()
}

#[test]
fn the_front_end_says_what_a_dockerfile_has() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    workshop
        .laboratory
        .dockerfile("# What is published.\nFROM scratch AS first\nARG VERSION=1\nCOPY words /\n");
    let targets = workshop.build(&["--call=targets"]).succeeded();
    assert!(targets.stdout.contains("first"), "{}", targets.stdout);
    let outline = workshop.build(&["--call=outline,format=json"]).succeeded();
    let outline: Value = serde_json::from_str(&outline.stdout).unwrap();
    assert_eq!(outline["args"][0]["name"], "VERSION");
}

#[test]
fn commands_that_mount_the_hosts_certificate_authorities_get_them() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    let base = format!("--build-context=busybox=oci-layout://{}", busybox().display());
    let build = |test: &str, more: &[&str]| {
        workshop.laboratory.dockerfile(&format!(
            "FROM busybox\nRUN --mount=type=secret,id=host-ca {test} /run/secrets/host-ca\n"
        ));
        let fixed = ["build", "--engine=buildx", "--platform=linux/amd64", &base];
        workshop.run(&[&fixed[..], more, &["."]].concat())
    };
    build("grep -q CERTIFICATE", &[]).succeeded();
    build("test ! -e", &["--host-ca=off"]).succeeded();
    workshop.laboratory.file("mine", "mine\n");
    build("grep -qx mine", &["--secret=id=host-ca,src=mine"]).succeeded();
    // BuildKit takes no secret of this size.
    workshop.laboratory.file("large.pem", vec![b'#'; 600 * 1024]);
    let large = workshop.laboratory.context().join("large.pem");
    workshop.laboratory.dockerfile(
        "FROM busybox\nRUN --mount=type=secret,id=host-ca test ! -e /run/secrets/host-ca && true\n",
    );
    let arguments = ["build", "--engine=buildx", "--platform=linux/amd64", &base, "."];
    let mut command = workshop.command(&arguments);
    let said = Ended::of(command.env("SSL_CERT_FILE", large).output().unwrap()).succeeded();
    assert!(
        said.stderr.contains("are not handed over as the secret host-ca"),
        "{}",
        said.stderr
    );
}
