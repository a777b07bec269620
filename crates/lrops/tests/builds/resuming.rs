//! Pushes that end early: what is said, and how they go on, in the same process and in the next.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lrops_testkit::proxy::{Disturbance, FaultProxy, Rule};
use lrops_testkit::registry::{Access, Fault, RegistryServer};

use crate::laboratory::{Ended, Laboratory};
use crate::publishing::{PATIENCE, REPOSITORY, TWO, laboratory, name};

/// Returns the command that an error names to go on.
fn continuation(ended: &Ended) -> String {
    let mut lines = ended
        .stderr
        .lines()
        .map(|line| line.trim_start_matches(['|', ' ', '=']));
    let command = lines.find(|line| line.starts_with("lrops push "));
    command
        .unwrap_or_else(|| panic!("no command in:\n{}", ended.stderr))
        .to_owned()
}

/// Runs a command as a person would who pastes it.
fn paste(laboratory: &Laboratory, command: &str) -> Ended {
    let program = laboratory.command(["--version"]).get_program().to_owned();
    let command = command.replacen("lrops", program.to_str().unwrap(), 1);
    let output = Command::new("sh")
        .args(["-c", &command])
        .env("LROPS_ROOT", laboratory.store())
        .output()
        .unwrap();
    Ended::of(output)
}

#[test]
fn when_retries_are_used_up_the_command_that_continues_is_said_and_works() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let version = name(&server, "1.0.0");
    let digest = laboratory.digest(&["--platform", TWO, "-t", &version]);
    // All four attempts at the third chunk of the large layer find the registry ill.
    let proxy = FaultProxy::start(server.address());
    let ill = Disturbance::Answer {
        status: 503,
        headers: Vec::new(),
        body: Vec::new(),
    };
    proxy.rule(Rule::once("", ill).method("PATCH").skip(2).times(4));
    let through = format!("{}/{REPOSITORY}:1.0.0", proxy.name());
    let flags = ["--chunk-size=256k", "--parallel=1", "--retry-wait=0.01"];
    let ended = laboratory
        .run(["push", &version, "--tag", &through].into_iter().chain(flags))
        .failed(5);
    assert!(
        ended.stderr.contains("503") && ended.stderr.contains("retry 3 of 3"),
        "{}",
        ended.stderr
    );
    assert!(server.tags(REPOSITORY).is_empty());
    let received = server.bytes_received();
    assert!(received > 500_000, "two chunks arrived: {received}");

    let command = continuation(&ended);
    let pasted = paste(&laboratory, &command).succeeded();
    assert!(pasted.stderr.contains("goes on at"), "{}", pasted.stderr);
    server.assert_complete(REPOSITORY);
    assert_eq!(server.tags(REPOSITORY)["1.0.0"].to_string(), digest);
    assert!(
        server.bytes_received() < 2_010_000 + 2_000,
        "{}",
        server.bytes_received()
    );
}

#[test]
fn a_build_whose_push_fails_keeps_the_image_and_says_how_to_go_on() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let version = name(&server, "1.0.0");
    let ill = || Fault::Answer {
        status: 502,
        headers: Vec::new(),
        body: Vec::new(),
    };
    server.times(4, "PUT", "/manifests/", ill());
    let ended = laboratory
        .build(&["--platform", TWO, "-t", &version, "--push", "--retry-wait=0.01"])
        .failed(5);
    assert!(server.tags(REPOSITORY).is_empty());
    paste(&laboratory, &continuation(&ended)).succeeded();
    server.assert_complete(REPOSITORY);
    assert_eq!(server.tags(REPOSITORY).len(), 1);
}

#[test]
fn tags_that_did_not_all_move_are_named() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let (one, two) = (name(&server, "one"), name(&server, "two"));
    let refused = || Fault::Answer {
        status: 500,
        headers: Vec::new(),
        body: Vec::new(),
    };
    server.times(1, "PUT", "/manifests/two", refused());
    let flags = ["--platform", TWO, "-t", &one, "-t", &two, "--push", "--retries=0"];
    let ended = laboratory.build(&flags).failed(5);
    let said = format!("{one} moved, but not {two}");
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    paste(&laboratory, &continuation(&ended)).succeeded();
    assert_eq!(server.tags(REPOSITORY).len(), 2);
}

#[test]
fn a_push_that_was_killed_goes_on_in_the_next_process() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let version = name(&server, "1.0.0");
    laboratory.digest(&["--platform", TWO, "-t", &version]);
    let proxy = FaultProxy::start(server.address());
    // The fifth chunk hangs on its way until the push is dead.
    proxy.rule(
        Rule::once("", Disturbance::StallRequest(PATIENCE))
            .method("PATCH")
            .skip(4),
    );
    let through = format!("{}/{REPOSITORY}:1.0.0", proxy.name());
    let arguments = [
        "push",
        &version,
        "--tag",
        &through,
        "--chunk-size=256k",
        "--parallel=1",
    ];
    let mut child = laboratory
        .command(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let chunks = |proxy: &FaultProxy| {
        proxy
            .requests()
            .iter()
            .filter(|(method, _)| method == "PATCH")
            .count()
    };
    while chunks(&proxy) < 5 {
        assert!(begun.elapsed() < PATIENCE, "five chunks never came");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(server.tags(REPOSITORY).is_empty());
    let received = server.bytes_received();

    let ended = laboratory.run(arguments).succeeded();
    assert!(ended.stderr.contains("goes on at"), "{}", ended.stderr);
    server.assert_complete(REPOSITORY);
    let rest = server.bytes_received() - received;
    assert!(
        rest < 2_010_000 - 4 * 256 * 1024 + 256 * 1024,
        "{rest} of {received}"
    );
}

#[test]
fn a_push_that_is_interrupted_stops_and_leaves_no_tag() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let version = name(&server, "1.0.0");
    laboratory.digest(&["--platform", TWO, "-t", &version]);
    let slow = Fault::Slow {
        bytes: 4096,
        every: Duration::from_millis(20),
    };
    server.times(100, "PATCH", "", slow);
    let child = laboratory
        .command(["push", &version, "--chunk-size=256k"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while server.bytes_received() < 10_000 {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(server.tags(REPOSITORY).is_empty());
}

#[test]
fn what_goes_on_with_a_push_by_digest_moves_no_tag_either() {
    let server = RegistryServer::start(Access::Open);
    let laboratory = laboratory();
    let ill = Fault::Answer {
        status: 502,
        headers: Vec::new(),
        body: Vec::new(),
    };
    server.once_for("PUT", "/manifests/", ill);
    let output = format!(
        "type=registry,name={}/{REPOSITORY}:1.0.0,push-by-digest=true",
        server.name()
    );
    let flags = ["--platform", TWO, "--output", &output, "--retries=0"];
    let ended = laboratory.build(&flags).failed(5);
    paste(&laboratory, &continuation(&ended)).succeeded();
    server.assert_complete(REPOSITORY);
    assert!(server.tags(REPOSITORY).is_empty());
}
