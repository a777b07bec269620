//! Programs of other suites, which `cargo xtask test-programs` unpacks below the target directory.

use std::path::PathBuf;
use std::process::Command;

/// Where Go's program is in its installation.
const GO_PROGRAM: &str = "usr/lib/go-1.24/bin/go";

/// Returns Go's command for programs without C, which knows nothing of what a person has set for other projects.
///
/// # Panics
/// When Go was not unpacked.
pub fn go() -> Command {
    let mut go = Command::new(installation("go-1.24").join(GO_PROGRAM));
    go.envs([("GOFLAGS", ""), ("GOWORK", "off"), ("GOTOOLCHAIN", "local")])
        .env("CGO_ENABLED", "0")
        .env_remove("GOROOT");
    go
}

/// Returns the directory of an installation.
pub(crate) fn installation(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows where its program is");
    let tagged = own
        .ancestors()
        .find(|directory| directory.join("CACHEDIR.TAG").is_file());
    let target = tagged.expect("a test's program lies below a target directory");
    let found = target.join("test-programs").join(name);
    assert!(
        found.is_dir(),
        "{} is not there: run `cargo xtask test-programs`",
        found.display()
    );
    found
}
