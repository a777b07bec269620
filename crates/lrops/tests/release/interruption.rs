//! Releases that end early, and go on when they are started again.

use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use lrops_testkit::proxy::{Disturbance, FaultProxy, Rule};
use lrops_testkit::registry::{Access, Fault, RegistryServer};
use rustix::process::{Pid, Signal, kill_process};

use crate::project::{Project, Ran};
use crate::sample::{REPOSITORY, everything, sample, tags, temporary_trees};

const PATIENCE: Duration = Duration::from_mins(1);

fn release(flags: &[&'static str]) -> Vec<&'static str> {
    let mut arguments = vec!["release", "--tag=v1.0.0", "--push", "--yes", "--progress=rawjson"];
    arguments.extend(["--chunk-size=128k", "--parallel=1"]);
    arguments.extend(flags);
    arguments
}

fn start(project: &Project, arguments: &[&str]) -> Child {
    let mut command = project.lrops_command(&project.path());
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How many steps of a build really ran.
fn steps_that_ran(ran: &Ran) -> usize {
    let said = ran.stderr();
    let events = said
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let events: Vec<serde_json::Value> = events.collect();
    let is_step =
        |event: &&serde_json::Value| event["event"] == "started" && !event["name"]["step"].is_null();
    let done = |step: &serde_json::Value| {
        let mut ends = events.iter().filter(|event| event["event"] == "finished");
        ends.any(|event| event["step"] == step["step"] && event["outcome"] == "done")
    };
    events.iter().filter(is_step).filter(|step| done(step)).count()
}

/// Starts the same release again, which goes on: nothing runs again, and only what was missing is sent.
#[track_caller]
fn goes_on(project: &Project, server: &RegistryServer) {
    assert!(tags(server).is_empty());
    let received = server.bytes_received();
    let ran = project.lrops(&release(&[])).exits(0);
    assert_eq!(steps_that_ran(&ran), 0, "{}", ran.stderr());
    let tags = tags(server);
    assert_eq!(tags["1.0.0"], tags["latest"]);
    server.assert_complete(REPOSITORY);
    let sent = server.bytes_received() - received;
    assert!(sent < 1_000_000 - 2 * 128 * 1024, "{sent} after {received}");
    assert!(temporary_trees(project).is_empty());
}

#[test]
fn a_release_that_was_killed_in_its_push_goes_on_without_a_second_build() {
    let server = RegistryServer::start(Access::Open);
    let proxy = FaultProxy::start(server.address());
    // The fifth chunk hangs on its way until the release is dead.
    let stall = Disturbance::StallRequest(PATIENCE);
    proxy.rule(Rule::once("", stall).method("PATCH").skip(4));
    let project = sample(&proxy.name());
    project.tag("v1.0.0");
    let before = everything(&project.path());
    let mut child = start(&project, &release(&[]));
    let chunks = || {
        let requests = proxy.requests();
        requests.iter().filter(|(method, _)| method == "PATCH").count()
    };
    wait_until("five chunks never came", || chunks() >= 5);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(temporary_trees(&project).len(), 1);
    goes_on(&project, &server);
    assert!(everything(&project.path()) == before);
}

#[test]
fn a_release_that_was_interrupted_in_its_push_leaves_nothing_and_goes_on() {
    let server = RegistryServer::start(Access::Open);
    let project = sample(&server.name());
    project.tag("v1.0.0");
    let slow = Fault::Slow {
        bytes: 32 * 1024,
        every: Duration::from_millis(50),
    };
    server.times(100, "PATCH", "", slow);
    let mut child = start(&project, &release(&[]));
    wait_until("nothing is sent", || server.bytes_received() > 300_000);
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(temporary_trees(&project).is_empty());
    goes_on(&project, &server);
}

#[test]
fn when_a_push_fails_the_command_that_goes_on_is_said() {
    let server = RegistryServer::start(Access::Open);
    let project = sample(&server.name());
    project.tag("v1.0.0");
    let ill = || Fault::Answer {
        status: 502,
        headers: Vec::new(),
        body: Vec::new(),
    };
    server.times(4, "PUT", "/manifests/", ill());
    let ran = project.lrops(&release(&["--retry-wait=0.01"])).exits(5);
    ran.says("lrops release --tag=v1.0.0 --push --yes");
    assert!(tags(&server).is_empty());
    server.times(1, "PUT", "/manifests/latest", ill());
    let ran = project.lrops(&release(&["--retries=0"])).exits(5);
    ran.says(":1.0.0 moved, but not ");
    let ran = project.lrops(&release(&[])).exits(0);
    assert_eq!(steps_that_ran(&ran), 0);
    assert_eq!(tags(&server)["1.0.0"], tags(&server)["latest"]);
}

#[test]
fn a_version_that_names_another_image_is_not_taken() {
    let server = RegistryServer::start(Access::Open);
    let project = sample(&server.name());
    project.tag("v1.0.0");
    project.lrops(&release(&[])).exits(0);
    let first = tags(&server);
    project.write("main.c", "int other;\n");
    project.git(&["commit", "--quiet", "--all", "--message=other"]);
    project.git(&["tag", "--force", "v1.0.0"]);
    project.lrops(&release(&[])).exits(1).says("--force");
    assert_eq!(tags(&server), first);
    project.lrops(&release(&["--force"])).exits(0);
    assert_ne!(tags(&server), first);
}

#[test]
fn a_release_that_is_stopped_in_a_hook_leaves_nothing() {
    let server = RegistryServer::start(Access::Open);
    let project = sample(&server.name());
    let begun = project.beside("begun");
    let text = std::fs::read_to_string(project.path().join("lrops.toml")).unwrap();
    let hook = format!("'echo > {}; sleep 600'", begun.display());
    project.write("lrops.toml", &format!("{text}[hooks]\nbefore_build = [{hook}]\n"));
    project.git(&["commit", "--quiet", "--all", "--message=hook"]);
    project.tag("v1.0.0");
    let mut child = start(&project, &release(&[]));
    wait_until("the hook never ran", || begun.exists());
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(server.requests().is_empty());
    assert!(temporary_trees(&project).is_empty());
}

#[test]
fn a_release_that_is_stopped_while_git_fetches_ends_git_and_leaves_nothing() {
    let server = RegistryServer::start(Access::Open);
    let project = sample(&server.name());
    // Takes what git asks, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    project.write(
        ".gitmodules",
        &format!("[submodule \"library\"]\n\tpath = library\n\turl = http://{address}/library.git\n"),
    );
    project.git(&["add", "."]);
    let link = format!("160000,{},library", "1".repeat(40));
    project.git(&["update-index", "--add", "--cacheinfo", &link]);
    project.git(&["commit", "--quiet", "--message=library"]);
    project.tag("v1.0.0");
    let mut child = start(&project, &release(&[]));
    let (mut connection, _) = silent.accept().unwrap();
    let begun = Instant::now();
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(temporary_trees(&project).is_empty());
    // The program that fetches has gone, too: its end of the connection is closed.
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = connection.read_to_end(&mut Vec::new());
    assert!(begun.elapsed() < PATIENCE, "it fetches on");
    assert!(server.requests().is_empty());
}
