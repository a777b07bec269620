//! The sandbox against the real kernel: as root, as a user with subordinate ids, and as a user with one id.
//!
//! The program tests itself: run as root it starts itself again once for each identity, in a mount namespace where
//! `/etc/subuid` says what the identity needs. Run by an ordinary user it tests as that user only, and says so. Needed
//! on the machine: busybox, statically linked (Debian: busybox-static), uidmap, and qemu-user-static.

mod changes;
mod errors;
mod fixture;
mod isolation;
mod lifetime;
mod mapping;
mod mounting;
mod running;
mod store;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use fixture::World;

/// A test: its name, and what it does.
type Test = (&'static str, fn(&World));

fn main() -> ExitCode {
    lrops_sandbox::run_if_child();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let code = match words[..] {
        ["--as", name, ref rest @ ..] => tests_as(name, rest).code(),
        ["--victim", scratch] => lifetime::victim(Path::new(scratch)),
        ["--measure"] => store::measure(),
        ["--list", ..] => list(),
        _ if rustix::process::getuid().is_root() => every_identity(&words),
        _ => {
            println!("run by an ordinary user: only this user's identity is tested");
            let counts = tests_as("own", &words);
            println!("{counts}");
            counts.code()
        }
    };
    ExitCode::from(code)
}

/// All tests, by area.
fn tests() -> Vec<Test> {
    [
        running::TESTS,
        errors::TESTS,
        isolation::TESTS,
        mounting::TESTS,
        mapping::TESTS,
        lifetime::TESTS,
        changes::TESTS,
        store::TESTS,
    ]
    .concat()
}

fn list() -> u8 {
    for (name, _) in tests() {
        println!("{name}: test");
    }
    0
}

/// How many tests passed and failed.
#[derive(Clone, Copy, Default)]
struct Counts {
    passed: usize,
    failed: usize,
}

impl Counts {
    fn code(self) -> u8 {
        if self.failed == 0 { 0 } else { 101 }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { passed, failed } = self;
        let word = if *failed == 0 { "ok" } else { "FAILED" };
        write!(
            f,
            "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out"
        )
    }
}

/// Runs the tests in this process, which enters the namespaces first.
fn tests_as(identity: &str, filters: &[&str]) -> Counts {
    let filters: Vec<&&str> = filters.iter().filter(|word| !word.starts_with('-')).collect();
    let world = World::enter(identity);
    let mut counts = Counts::default();
    let chosen = tests()
        .into_iter()
        .filter(|(name, _)| filters.is_empty() || filters.iter().any(|filter| name.contains(**filter)));
    for (name, test) in chosen {
        let passed = catch_unwind(AssertUnwindSafe(|| test(&world))).is_ok();
        println!(
            "test {identity}::{name} ... {}",
            if passed { "ok" } else { "FAILED" }
        );
        *(if passed {
            &mut counts.passed
        } else {
            &mut counts.failed
        }) += 1;
    }
    counts
}

/// Starts this program once for each identity, and adds up what they say.
fn every_identity(filters: &[&str]) -> u8 {
    let scratch = tempfile::Builder::new()
        .prefix("lrops-sandbox")
        .tempdir()
        .expect("a temporary directory");
    allow_everyone(scratch.path());
    // The build's directory may be closed to other users.
    let program = scratch.path().join("sandbox-tests");
    std::fs::copy(std::env::current_exe().expect("this program"), &program).expect("a copy of this program");
    allow_everyone(&program);
    let mut counts = Counts::default();
    // 65534 is `nobody` on every Debian, and 64999 is nobody at all.
    for (identity, uid, subordinate) in [
        ("root", 0, ""),
        ("subordinate", 65534, "nobody:1700000000:65536\n"),
        ("single", 64999, ""),
    ] {
        let more = run_identity(scratch.path(), &program, (identity, uid, subordinate), filters);
        counts.passed += more.passed;
        counts.failed += more.failed;
    }
    println!("{counts}");
    counts.code()
}

fn run_identity(
    scratch: &Path,
    program: &Path,
    (identity, uid, subordinate): (&str, u32, &str),
    filters: &[&str],
) -> Counts {
    let ids = scratch.join(format!("{identity}.ids"));
    std::fs::write(&ids, subordinate).expect("a file of ids");
    // In a mount namespace of its own the machine's files are as this identity needs them.
    let script =
        "set -e; mount --bind \"$1\" /etc/subuid; mount --bind \"$1\" /etc/subgid; shift; exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&ids)
        .args([
            "setpriv",
            &format!("--reuid={uid}"),
            &format!("--regid={uid}"),
            "--clear-groups",
            "--",
        ])
        .arg(program)
        .args(["--as", identity])
        .args(filters)
        .stderr(Stdio::inherit())
        .output()
        .expect("unshare, of util-linux");
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let count = |word: &str| {
        text.lines()
            .filter(|line| line.starts_with("test ") && line.ends_with(word))
            .count()
    };
    let counts = Counts {
        passed: count("... ok"),
        failed: count("... FAILED"),
    };
    assert!(
        output.status.success() == (counts.failed == 0),
        "{identity}: {}",
        output.status
    );
    counts
}

fn allow_everyone(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("own files have a mode");
}
