//! `cargo xtask ci`: everything that has to hold before a commit.
//!
//! Every step runs, whatever an earlier one found, so that one run tells all there is to mend.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::failure::Failure;
use crate::system_packages;
use crate::test_counts::TestCounts;
use crate::{fuzz, programs, test_programs, tidy};

/// Names the directory with other projects' test cases, which lie outside this repository.
const CONFORMANCE_VARIABLE: &str = "LROPS_CONFORMANCE";

/// Runs every step and prints the sum of all tests as the last line.
pub(crate) fn run(root: &Path) -> ExitCode {
    let mut counts = TestCounts::default();
    let mut failures = Vec::new();
    let mut note = |step: &str, outcome: Result<(), Failure>| {
        if let Err(failure) = outcome {
            eprintln!("error: {failure}");
            failures.push(format!("{step}: {failure}"));
        }
    };

    headline("system packages");
    note(
        "system packages",
        system_packages::install(system_packages::FOR_TESTS),
    );
    headline("test programs");
    note(
        "test programs",
        crate::target_directory().and_then(|target| test_programs::install(&target)),
    );
    headline("formatting");
    note(
        "formatting",
        programs::run(&mut programs::cargo(root, &["fmt", "--all", "--check"])),
    );
    headline("clippy");
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    note("clippy", programs::run(&mut programs::cargo(root, &clippy)));
    headline("tidy");
    note("tidy", tidy::run(root));
    headline("tests");
    note("tests", conformance_cases());
    note(
        "tests",
        TestCounts::of(&mut tests(root)).and_then(|found| all_passed(&mut counts, found)),
    );
    headline("property tests");
    note(
        "property tests",
        fuzz::run(root, fuzz::SECONDS_DEFAULT).and_then(|outcome| {
            // The same tests ran above with fewer cases: only what failed now is new.
            counts.failed += outcome.failed();
            outcome.into_result()
        }),
    );

    if !failures.is_empty() {
        headline("what failed");
        for failure in &failures {
            println!("{failure}");
        }
    }
    println!("\n{counts}");
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn headline(step: &str) {
    println!("\n== {step}");
}

fn tests(root: &Path) -> Command {
    programs::cargo(root, &["test", "--workspace", "--no-fail-fast"])
}

fn all_passed(counts: &mut TestCounts, found: TestCounts) -> Result<(), Failure> {
    *counts += found;
    if found.failed == 0 {
        Ok(())
    } else {
        Err(Failure::new(format!("{} failed", found.failed)))
    }
}

/// Says which cases the tests will run.
fn conformance_cases() -> Result<(), Failure> {
    match env::var_os(CONFORMANCE_VARIABLE) {
        None => {
            println!("{CONFORMANCE_VARIABLE} is not set: only the project's own cases run.");
            Ok(())
        }
        Some(place) if Path::new(&place).is_dir() => Ok(()),
        Some(place) => {
            let place = Path::new(&place).display();
            Err(Failure::new(format!(
                "{CONFORMANCE_VARIABLE} is {place}, which is not a directory"
            )))
        }
    }
}
