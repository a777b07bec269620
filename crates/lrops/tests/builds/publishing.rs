//! `build --push` and `push`, against a registry in the process: what goes when, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use lrops_testkit::proxy::{Disturbance, FaultProxy, Rule};
use lrops_testkit::registry::{Access, RegistryOptions, RegistryServer, Right};

use crate::laboratory::{Ended, Laboratory, User};

pub(crate) const REPOSITORY: &str = "team/app";

/// Longer than any test needs, shorter than anybody's patience.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The two platforms of an image without programs.
pub(crate) const TWO: &str = "linux/amd64,linux/arm64";

/// Bytes that no compression makes smaller.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut noise = 1_u64;
    std::iter::repeat_with(|| {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        noise.to_be_bytes()[0]
    })
    .take(length)
    .collect()
}

/// A context whose image has a large layer and a small one for each platform.
pub(crate) fn laboratory() -> Laboratory {
    let laboratory = Laboratory::new();
    laboratory.file("noise", noise(2_000_000)).dockerfile(
        "FROM scratch AS shared\nCOPY noise /noise\n\
         FROM shared\nARG TARGETARCH\nCOPY Dockerfile /for-$TARGETARCH\n",
    );
    laboratory
}

pub(crate) fn name(server: &RegistryServer, tag: &str) -> String {
    format!("{}/{REPOSITORY}:{tag}", server.name())
}

/// The requests that change something, in their order: method, kind, and tag or digest.
fn changes(server: &RegistryServer) -> Vec<String> {
    let requests = server.requests().into_iter();
    let changes = requests.filter(|request| matches!(request.method.as_str(), "PUT" | "PATCH"));
    changes
        .map(|request| {
            let path = request.path().to_owned();
            let last = path.rsplit('/').next().unwrap_or_default();
            if path.contains("/blobs/") {
                "blob".to_owned()
            } else if last.starts_with("sha256:") {
                "document".to_owned()
            } else {
                format!("tag {last}")
            }
        })
        .collect()
}

#[test]
fn a_build_pushes_what_it_proved_and_moves_its_tags_last() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let (version, latest) = (name(&server, "1.0.0"), name(&server, "latest"));
    let digest = laboratory.digest(&["--platform", TWO, "-t", &version, "-t", &latest, "--push"]);
    server.assert_complete(REPOSITORY);
    let tags = server.tags(REPOSITORY);
    assert_eq!(tags.len(), 2);
    assert!(tags.values().all(|named| named.to_string() == digest), "{tags:?}");
    let changes = changes(&server);
    let kinds: Vec<&str> = changes.iter().map(String::as_str).collect();
    let documents = kinds.iter().position(|kind| *kind == "document").unwrap();
    assert!(kinds[..documents].iter().all(|kind| *kind == "blob"), "{kinds:?}");
    assert_eq!(
        &kinds[documents..],
        ["document", "document", "document", "tag 1.0.0", "tag latest"]
    );
    let (media_type, index) = server.manifest(REPOSITORY, "latest").unwrap();
    assert_eq!(media_type, "application/vnd.oci.image.index.v1+json");
    assert!(
        !String::from_utf8(index).unwrap().contains("unknown"),
        "no entry but those of the platforms"
    );
}

#[test]
fn the_same_image_again_is_success_and_sends_nothing() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let version = name(&server, "1.0.0");
    laboratory.digest(&["--platform", TWO, "-t", &version, "--push"]);
    let before = (server.bytes_received(), changes(&server).len());
    laboratory.digest(&["--platform", TWO, "-t", &version, "--push"]);
    let ended = laboratory.run(["push", &version, "--format=json"]).succeeded();
    let published: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(published["names"][0]["outcome"], "unchanged");
    assert_eq!(published["sent"]["bytes"], 0);
    assert_eq!((server.bytes_received(), changes(&server).len()), before);
}

/// Finds a file of this name below a directory.
fn find(directory: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?.flatten();
    entries.map(|entry| entry.path()).find_map(|path| {
        if path.file_name().is_some_and(|found| found == name) {
            Some(path)
        } else {
            find(&path, name)
        }
    })
}

#[test]
fn a_layer_that_is_ready_arrives_while_another_step_runs() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = Laboratory::new();
    // The step ends only when the gate opens, which is when the registry has taken a layer.
    laboratory.file("noise", noise(100_000)).dockerfile(
        "FROM busybox AS waiting\n\
         RUN --mount=type=cache,target=/gate touch /gate/waiting; for second in $(seq 60); do \
           [ -e /gate/open ] && touch /answer && exit 0; sleep 1; done; exit 1\n\
         FROM scratch\nCOPY noise /noise\nCOPY --from=waiting /answer /answer\n",
    );
    let version = name(&server, "1.0.0");
    let arguments = Laboratory::build_arguments(&["-t", &version, "--push"]);
    let child = laboratory
        .command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let gate = loop {
        let waiting = find(&laboratory.store().join("cache-mounts"), "waiting");
        match waiting {
            Some(waiting) if changes(&server).iter().any(|change| change == "blob") => break waiting,
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
        assert!(begun.elapsed() < PATIENCE, "no layer arrived while the step ran");
    };
    fs::write(gate.with_file_name("open"), "").unwrap();
    Ended::of(child.wait_with_output().unwrap()).succeeded();
    server.assert_complete(REPOSITORY);
}

#[test]
fn no_manifest_goes_of_an_image_that_is_not_proved() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = Laboratory::new();
    let busybox = std::fs::read("/bin/busybox").unwrap();
    laboratory
        .file("busybox", busybox)
        .dockerfile("FROM scratch\nCOPY busybox /busybox\n");
    let version = name(&server, "1.0.0");
    let ended = laboratory
        .build(&["--platform", TWO, "-t", &version, "--push"])
        .failed(4);
    assert!(ended.stderr.contains("/busybox"), "{}", ended.stderr);
    let layout = laboratory.path("layout");
    let output = format!("type=oci,tar=false,dest={}", layout.display());
    laboratory
        .build(&["--platform", TWO, "--output", &output])
        .failed(4);
    assert!(
        changes(&server).iter().all(|change| change == "blob"),
        "{:?}",
        changes(&server)
    );
    assert_eq!(server.tags(REPOSITORY).len(), 0);
}

#[test]
fn whoever_may_not_push_learns_it_before_the_build() {
    let options = RegistryOptions::usual()
        .with_access(Access::Token {
            credentials: None,
            expires_in_seconds: 300,
        })
        .with_right(REPOSITORY, Right::Pull);
    let server = RegistryServer::start_with(options);
    let laboratory = laboratory();
    let version = name(&server, "1.0.0");
    let ended = laboratory
        .build(&["--platform", TWO, "-t", &version, "--push"])
        .failed(6);
    assert_eq!(ended.steps(), Vec::<String>::new(), "no step began");
    assert!(
        ended.stderr.contains("does not let you push") && ended.stderr.contains("lrops login"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_version_is_not_taken_from_another_image() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let (version, dev) = (name(&server, "v1.2.3"), name(&server, "dev"));
    let first = laboratory.digest(&["--platform", TWO, "-t", &version, "-t", &dev, "--push"]);
    laboratory.file("noise", b"other");
    let ended = laboratory
        .build(&["--platform", TWO, "-t", &dev, "-t", &version, "--push"])
        .failed(1);
    assert!(
        ended.stderr.contains("names another image already") && ended.stderr.contains("--force"),
        "{}",
        ended.stderr
    );
    let all_first = |server: &RegistryServer| {
        let tags = server.tags(REPOSITORY);
        tags.values().all(|named| named.to_string() == first)
    };
    assert!(all_first(&server), "neither tag moved");
    laboratory.run(["push", &dev, "--tag", &version]).failed(1);
    assert!(all_first(&server));
    laboratory
        .run(["push", &dev, "--tag", &version, "--force"])
        .succeeded();
    assert!(!all_first(&server));
    server.assert_complete(REPOSITORY);
}

#[test]
fn an_image_in_two_repositories_of_a_registry_is_sent_once() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let (one, two) = (name(&server, "v1"), format!("{}/other/place:v1", server.name()));
    laboratory.digest(&["--platform", TWO, "-t", &one]);
    let ended = laboratory
        .run(["push", &one, "--tag", &one, "--tag", &two])
        .succeeded();
    assert!(ended.stderr.contains("mounted from team/app"), "{}", ended.stderr);
    assert!(server.bytes_received() < 2_010_000 + 2_000);
    server.assert_complete(REPOSITORY);
    server.assert_complete("other/place");
    assert_eq!(
        ended.stdout.lines().count(),
        2,
        "one line a repository: {}",
        ended.stdout
    );
}

#[test]
fn the_layers_of_a_base_image_are_mounted_from_its_repository() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let base = format!("{}/library/base:1", server.name());
    laboratory.digest(&["-t", &base, "--push"]);
    let received = server.bytes_received();
    laboratory.dockerfile(&format!("FROM {base}\nCOPY Dockerfile /mine\n"));
    laboratory.digest(&["-t", &name(&server, "1.0.0"), "--push", "--no-cache"]);
    server.assert_complete(REPOSITORY);
    assert!(
        server.bytes_received() - received < 10_000,
        "the base was mounted"
    );
}

#[test]
fn an_image_can_be_pushed_by_its_digest_alone() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let output = format!(
        "type=image,name={}/{REPOSITORY},push-by-digest=true,push=true",
        server.name()
    );
    let digest = laboratory.digest(&["--platform", TWO, "--output", &output]);
    server.assert_complete(REPOSITORY);
    assert!(server.tags(REPOSITORY).is_empty());
    assert!(server.manifest(REPOSITORY, &digest).is_some());
}

#[test]
fn a_version_that_another_push_takes_meanwhile_stays_with_it() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let version = name(&server, "1.0.0");
    laboratory.digest(&["--platform", TWO, "-t", &version]);
    let other = server.put_manifest(
        REPOSITORY,
        None,
        lrops_model::oci::MediaType::OCI_INDEX,
        br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
    );
    let proxy = FaultProxy::start(server.address());
    // The last document is on its way for a while, long after versions were looked at.
    let slow = Disturbance::StallRequest(Duration::from_secs(2));
    proxy.rule(Rule::once("/manifests/sha256:", slow).method("PUT").skip(2));
    let through = format!("{}/{REPOSITORY}:1.0.0", proxy.name());
    let child = laboratory
        .command(["push", &version, "--tag", &through])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let is_late = |proxy: &FaultProxy| {
        let requests = proxy.requests();
        requests
            .iter()
            .filter(|(method, path)| method == "PUT" && path.contains("/manifests/"))
            .count()
            == 3
    };
    while !is_late(&proxy) {
        assert!(begun.elapsed() < PATIENCE, "the documents never came");
        std::thread::sleep(Duration::from_millis(5));
    }
    server.put_tag(REPOSITORY, "1.0.0", other.digest);
    let ended = Ended::of(child.wait_with_output().unwrap()).failed(1);
    assert!(ended.stderr.contains("--force"), "{}", ended.stderr);
    assert_eq!(server.tags(REPOSITORY)["1.0.0"], other.digest);
}

#[test]
fn a_layout_is_pushed_under_a_name_of_ones_choice() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let layout = laboratory.path("layout");
    let output = format!("type=oci,tar=false,dest={}", layout.display());
    let digest = laboratory.digest(&["--platform", TWO, "--output", &output]);
    let layout = layout.to_str().unwrap();
    let ended = laboratory.run(["push", layout]).failed(2);
    assert!(ended.stderr.contains("--tag"), "{}", ended.stderr);
    laboratory
        .run(["push", layout, "--tag", &name(&server, "from-layout")])
        .succeeded();
    assert_eq!(server.tags(REPOSITORY)["from-layout"].to_string(), digest);
}

#[test]
fn an_ordinary_user_pushes_the_same_image() {
    let server = RegistryServer::start(Access::Open);
    let root = laboratory().digest(&["--platform", TWO]);
    let laboratory = Laboratory::of(User::Ordinary(61_234));
    laboratory.file("noise", noise(2_000_000)).dockerfile(
        "FROM scratch AS shared\nCOPY noise /noise\n\
         FROM shared\nARG TARGETARCH\nCOPY Dockerfile /for-$TARGETARCH\n",
    );
    let digest = laboratory.digest(&["--platform", TWO, "-t", &name(&server, "v1"), "--push"]);
    assert_eq!(digest, root);
    server.assert_complete(REPOSITORY);
}

#[test]
fn a_registry_that_is_not_there_is_pushed_to_later_with_the_command_that_is_said() {
    let laboratory = laboratory();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = gone.local_addr().unwrap().to_string();
    drop(gone);
    let tag = format!("{place}/{REPOSITORY}:1");
    let build = [
        "build",
        "--platform",
        TWO,
        "--tag",
        &tag,
        "--push",
        "--retry-wait=0.01",
        ".",
    ];
    let ended = laboratory.run(build).failed(5);
    for text in [
        "Connection refused",
        "tried 4 times",
        "to go on:\n",
        "build --platform",
    ] {
        assert!(
            ended.stderr.contains(text),
            "{text:?} is not in:\n{}",
            ended.stderr
        );
    }
    laboratory.digest(&["--platform", TWO, "-t", &tag]);
    let ended = laboratory.run(["push", &tag, "--retry-wait=0.01"]).failed(5);
    assert!(ended.stderr.contains("to go on:\n"), "{}", ended.stderr);
    // What the name itself says is wrong does not mend itself.
    let nonsense = ["build", "--tag", "a:b:c", "--push", "."];
    laboratory.run(nonsense).failed(2);
}
