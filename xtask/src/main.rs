//! The one program for all automation: what CI runs, what a person runs before a commit, and the demonstration.
//!
//! Invariants: a check is data and a pure function of the [`tree::Tree`], so that each has tests of its own; a missing
//! tool is installed or is an error, never a skipped test; the last line of `ci` is the sum over all test binaries.

#![cfg_attr(
    test,
    allow(
        clippy::needless_pass_by_value,
        reason = "`check(input, expect![…])` reads as a sentence"
    )
)]

mod bench;
mod ci;
mod demo;
mod failure;
mod fuzz;
mod programs;
mod system_packages;
mod test_counts;
mod test_programs;
mod tidy;
mod tree;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use failure::Failure;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  ci                  everything that has to hold before a commit: system packages, fmt, clippy, tidy, tests, fuzz
  tidy                the house rules that no compiler checks
  fuzz [--seconds N]  the property tests with as many random cases as fit into N seconds (60)
  bench push [--megabytes N] [--registry PROGRAM]
                      pushes a large image to registries on loopback, uncut and cut, beside other programs
  bench build [--rounds N] [--only PROGRAM,...] [--parts PART,...] [--example NAME] [--platforms LIST] [--quick]
                      builds the examples from nothing, again, and with one line changed, beside other programs;
                      programs are bare, lrops, buildx, buildah; parts are changes, platforms, emulation; takes root
  test-programs       unpacks, below the target directory, what the tests run of other suites
  demo                builds lrops, then examples/hello for three platforms, twice
";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = checkout()?;
    match arguments.as_slice() {
        ["ci"] => return Ok(ci::run(&root)),
        ["tidy"] => tidy::run(&root)?,
        ["fuzz"] => fuzz::run(&root, fuzz::SECONDS_DEFAULT)?.into_result()?,
        ["fuzz", "--seconds", seconds] => {
            let not_a_number = |_| Failure::new(format!("`{seconds}` is not a number of seconds"));
            fuzz::run(&root, seconds.parse().map_err(not_a_number)?)?.into_result()?;
        }
        ["bench", "push", options @ ..] => bench::push(&root, options)?,
        ["bench", "build", options @ ..] => bench::build(&root, options)?,
        ["test-programs"] => test_programs::install(&target_directory()?)?,
        ["demo"] => demo::run(&root)?,
        ["help" | "--help" | "-h"] => print!("{USAGE}"),
        _ => return Err(Failure::new(format!("no such command\n\n{USAGE}"))),
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the target directory: the one that this program was built into.
fn target_directory() -> Result<PathBuf, Failure> {
    let own = env::current_exe()
        .map_err(|cause| Failure::new(format!("failed to find where this program is: {cause}")))?;
    let tagged = own
        .ancestors()
        .find(|directory| directory.join("CACHEDIR.TAG").is_file());
    let target = tagged.ok_or_else(|| Failure::new("this program is in no target directory"))?;
    Ok(target.to_owned())
}

/// Returns the root of the checkout.
///
/// Cargo says at run time where this package lies. The same variable at compile time would be wrong after the checkout
/// was moved together with its target directory.
fn checkout() -> Result<PathBuf, Failure> {
    let package = env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| {
        Failure::new("CARGO_MANIFEST_DIR is not set: start this program with `cargo xtask`")
    })?;
    let mut root = PathBuf::from(package);
    root.pop();
    Ok(root)
}
