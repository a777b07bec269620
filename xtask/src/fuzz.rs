//! `cargo xtask fuzz`: the property tests with as many random cases as fit into the given time.
//!
//! This is not coverage-guided fuzzing: proptest draws cases at random, within what the tests' generators can make. Every
//! run draws others; a case that fails is shrunk and shown, and proptest writes its seed beside the source.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::programs;
use crate::test_counts::TestCounts;
use crate::tree::Tree;

/// How long `cargo xtask ci` lets the property tests run.
pub(crate) const SECONDS_DEFAULT: u64 = 60;

/// What proptest runs by itself; the first round measures how long these take.
const CASES_FIRST: u64 = 256;

/// Above this, a minute would be spent on a test that has long seen all that its generator can make.
const CASES_MAX: u64 = 1_000_000;

/// What the rounds found.
pub(crate) struct Outcome {
    counts: TestCounts,
}

impl Outcome {
    /// Returns how many property tests failed.
    pub(crate) fn failed(&self) -> u64 {
        self.counts.failed
    }

    /// Returns the failure that the rounds amount to, if any.
    pub(crate) fn into_result(self) -> Result<(), Failure> {
        match self.counts {
            TestCounts {
                failed: 0, passed: 0, ..
            } => Err(Failure::new("there is no property test to run")),
            TestCounts { failed: 0, .. } => Ok(()),
            TestCounts { failed, .. } => Err(Failure::new(format!("{failed} property tests failed"))),
        }
    }
}

/// Runs the property tests of the workspace for about `seconds`.
pub(crate) fn run(root: &Path, seconds: u64) -> Result<Outcome, Failure> {
    let selection = Selection::of(&Tree::read(root)?);
    for mut command in selection.commands(root, &["--no-run"]) {
        programs::run(&mut command)?;
    }

    let budget = Duration::from_secs(seconds);
    let started = Instant::now();
    let mut cases = CASES_FIRST;
    loop {
        println!("{cases} random cases a property test.");
        let before = started.elapsed();
        let counts = round(root, &selection, cases)?;
        let took = started.elapsed().saturating_sub(before);
        let left = budget.saturating_sub(started.elapsed());
        // Starting cargo takes its share of a round, so the first guess is too low, and a later one fills the time. Less
        // than half a round's time is not worth another one.
        if counts.failed > 0 || counts.passed == 0 || cases == CASES_MAX || left < took / 2 {
            println!("{} s for all rounds.", started.elapsed().as_secs());
            return Ok(Outcome { counts });
        }
        cases = cases_that_fit(left, took, cases);
    }
}

fn round(root: &Path, selection: &Selection, cases: u64) -> Result<TestCounts, Failure> {
    let mut counts = TestCounts::default();
    for mut command in selection.commands(root, &[]) {
        counts += TestCounts::of(command.env("PROPTEST_CASES", cases.to_string()))?;
    }
    Ok(counts)
}

/// Returns how many cases fit into `left` when `cases` took `took`.
fn cases_that_fit(left: Duration, took: Duration, cases: u64) -> u64 {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let fit = milliseconds(left).saturating_mul(cases) / milliseconds(took).max(1);
    fit.clamp(CASES_FIRST, CASES_MAX)
}

/// The files with property tests, as `cargo test` selects them.
#[derive(Debug, Default)]
struct Selection {
    /// Modules of crates; the empty name of a root module selects everything.
    modules: BTreeSet<String>,
    /// Integration tests.
    tests: BTreeSet<String>,
}

impl Selection {
    /// Finds the files that use proptest: no list to forget an entry in.
    fn of(tree: &Tree) -> Self {
        let mut selection = Self::default();
        for (path, text) in tree.texts_with_ending(".rs") {
            if text.contains("proptest!") {
                selection.add(path);
            }
        }
        selection
    }

    fn add(&mut self, path: &str) -> Option<()> {
        let (_package, inside) = path.strip_prefix("crates/")?.split_once('/')?;
        let stem = inside.strip_suffix(".rs")?;
        if let Some(name) = stem.strip_prefix("tests/") {
            self.tests.insert(name.split('/').next()?.to_owned());
        } else {
            let module = stem.strip_prefix("src/")?.trim_end_matches("/mod");
            let module = if ["lib", "main"].contains(&module) {
                ""
            } else {
                module
            };
            self.modules.insert(module.replace('/', "::"));
        }
        Some(())
    }

    /// Returns the commands that run the selected tests.
    ///
    /// The whole workspace is named each time: with one package alone cargo would choose other features of the
    /// dependencies, and compile them all again.
    fn commands(&self, root: &Path, more: &[&str]) -> Vec<Command> {
        let mut commands = Vec::new();
        if !self.modules.is_empty() {
            let mut command = programs::cargo(root, &["test", "--workspace", "--quiet", "--lib", "--bins"]);
            command.args(more).arg("--").args(&self.modules);
            commands.push(command);
        }
        if !self.tests.is_empty() {
            let mut command = programs::cargo(root, &["test", "--workspace", "--quiet"]);
            command
                .args(more)
                .args(self.tests.iter().flat_map(|name| ["--test", name]));
            commands.push(command);
        }
        commands
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(path: &str, text: &str, expected: Expect) {
        let commands = Selection::of(&Tree::of(&[(path, text)])).commands(Path::new("/"), &[]);
        let shown: Vec<String> = commands.iter().map(programs::shown).collect();
        expected.assert_eq(&shown.join("\n"));
    }

    #[test]
    fn a_module_with_property_tests_is_selected_by_its_path() {
        check(
            "crates/lrops-store/src/layer/tests/mod.rs",
            "proptest! {}",
            expect!["cargo test --workspace --quiet --lib --bins -- layer::tests"],
        );
    }

    #[test]
    fn an_integration_test_is_selected_by_its_name() {
        check(
            "crates/lrops-store/tests/layer.rs",
            "proptest! {}",
            expect!["cargo test --workspace --quiet --test layer"],
        );
    }

    #[test]
    fn files_without_property_tests_are_not_run_again() {
        check(
            "crates/lrops-store/src/layer.rs",
            "#[test] fn holds() {}",
            expect![""],
        );
    }

    #[test]
    fn the_number_of_cases_fills_the_time_that_is_left() {
        let ten = Duration::from_secs(10);
        assert_eq!(cases_that_fit(Duration::from_secs(50), ten, 1000), 5000);
        assert_eq!(cases_that_fit(Duration::ZERO, ten, 1000), CASES_FIRST);
        assert_eq!(
            cases_that_fit(Duration::from_hours(1), Duration::ZERO, 1000),
            CASES_MAX
        );
    }
}
