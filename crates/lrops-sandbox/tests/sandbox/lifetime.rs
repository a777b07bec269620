//! That nothing outlives a run.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use lrops_model::cancel::CancelToken;
use lrops_sandbox::{OverlaySnapshotter, RunError, Snapshotter};

use crate::Test;
use crate::fixture::{World, id, spec, words};

pub(crate) const TESTS: &[Test] = &[
    (
        "cancelling_kills_everything_at_once",
        cancelling_kills_everything_at_once,
    ),
    (
        "what_the_command_left_behind_is_killed_with_it",
        what_the_command_left_behind_is_killed_with_it,
    ),
    (
        "killing_the_program_kills_everything",
        killing_the_program_kills_everything,
    ),
];

/// How many processes of the machine have this text among their arguments.
fn processes(text: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let has = |path: std::path::PathBuf| {
        std::fs::read(path.join("cmdline")).is_ok_and(|bytes| {
            String::from_utf8_lossy(&bytes)
                .split('\0')
                .any(|word| word == text)
        })
    };
    entries.filter(|entry| has(entry.path())).count()
}

fn wait_until(what: &str, limit: Duration, condition: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "{what} took longer than {limit:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    start.elapsed()
}

/// A number of seconds that no other process sleeps.
fn unique(base: u32) -> String {
    format!("{}.{}", base, std::process::id())
}

fn cancelling_kills_everything_at_once(world: &World) {
    // The best of some: on a busy machine a single one says more about the machine.
    let delays = (0..5).map(|_| cancel_a_run(world));
    let best = delays.min().unwrap();
    assert!(best < Duration::from_millis(100), "it took {best:?}");
}

/// Cancels a run of processes that ignore signals, and returns how long that took.
fn cancel_a_run(world: &World) -> Duration {
    let tree = world.tree();
    let seconds = unique(40_001);
    let mut request = spec(tree.root());
    let script = format!(
        "trap '' TERM INT; sh -c 'sleep {seconds}' & setsid sleep {seconds} & echo up; sleep {seconds}"
    );
    request.arguments = words(&["sh", "-c", &script]);
    let cancel = CancelToken::new();
    let (canceller, name) = (cancel.clone(), seconds.clone());
    let thread = std::thread::spawn(move || {
        wait_until("the start", Duration::from_secs(10), || processes(&name) >= 3);
        canceller.cancel();
        Instant::now()
    });
    let result = lrops_sandbox::run(&request, &mut |_, _| (), &cancel);
    let end = Instant::now();
    assert!(matches!(result, Err(RunError::Cancelled(_))), "{result:?}");
    assert_eq!(processes(&seconds), 0);
    end - thread.join().unwrap()
}

fn what_the_command_left_behind_is_killed_with_it(world: &World) {
    let seconds = unique(40_002);
    let start = Instant::now();
    world.check(
        &format!("setsid sleep {seconds} & sleep {seconds} & echo done"),
        "done\n",
    );
    assert_eq!(processes(&seconds), 0);
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// The program that is killed: it opens a store, and runs a command that does not end.
pub(crate) fn victim(scratch: &Path) -> u8 {
    lrops_sandbox::enter().unwrap();
    let snapshotter = OverlaySnapshotter::open(scratch).unwrap();
    let tree = snapshotter.prepare(Some(&id(1))).unwrap();
    let mut request = spec(tree.root());
    let seconds = std::fs::read_to_string(scratch.join("seconds")).unwrap();
    request.arguments = words(&[
        "sh",
        "-c",
        &format!("sh -c 'sleep {seconds}' & setsid sleep {seconds} & sleep {seconds}"),
    ]);
    lrops_sandbox::run(&request, &mut |_, _| (), &CancelToken::new()).map_or(1, |_| 0)
}

fn killing_the_program_kills_everything(world: &World) {
    let store = world.directory();
    let seconds = unique(40_003);
    std::fs::write(store.join("seconds"), &seconds).unwrap();
    // A copy of the base, made by this process: the victim has another user namespace with the same ids.
    let view = world.overlay.view(&world.base).unwrap();
    let snapshotter = OverlaySnapshotter::open(&store).unwrap();
    let active = snapshotter.prepare(None).unwrap();
    let copied = Command::new("cp")
        .arg("-a")
        .arg(format!("{}/.", view.root().display()))
        .arg(active.root())
        .status();
    assert!(copied.unwrap().success());
    snapshotter.commit(active, &id(1), Vec::new()).unwrap();
    let mut victim = Command::new("/proc/self/exe")
        .arg("--victim")
        .arg(&store)
        .spawn()
        .unwrap();
    wait_until("the start", Duration::from_secs(10), || processes(&seconds) >= 3);
    let workspaces = || std::fs::read_dir(store.join("snapshots/active")).unwrap().count();
    assert_eq!(workspaces(), 1);
    OverlaySnapshotter::open(&store).unwrap();
    assert_eq!(workspaces(), 1, "a living process's workspace stays");
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until("the end", Duration::from_secs(2), || processes(&seconds) == 0);
    let snapshotter = OverlaySnapshotter::open(&store).unwrap();
    assert_eq!(workspaces(), 0, "what the killed process left is removed");
    assert_eq!(snapshotter.list().unwrap(), [id(1)]);
}
