//! Running `cargo test` and adding up what the test binaries report.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::ops::AddAssign;
use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::programs;

/// What test binaries reported, added up.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TestCounts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl TestCounts {
    /// Runs a `cargo test` command, shows its output as it comes, and returns the sum.
    ///
    /// A test binary that does not compile, or that dies before its summary, reports nothing. Cargo's exit status then
    /// is the only sign, and it counts as one failure, so that the sum never looks better than the run was.
    pub(crate) fn of(command: &mut Command) -> Result<Self, Failure> {
        let shown = programs::shown(command);
        println!("$ {shown}");
        let did_not_run = |cause| Failure::new(format!("`{shown}` did not run: {cause}"));
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(did_not_run)?;
        let mut counts = Self::default();
        if let Some(output) = child.stdout.take() {
            for line in BufReader::new(output).split(b'\n') {
                let line = line.map_err(did_not_run)?;
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                counts += Self::of_line(&line).unwrap_or_default();
            }
        }
        let status = child.wait().map_err(did_not_run)?;
        if !status.success() && counts.failed == 0 {
            println!("`{shown}` ended with {status} although no test reported a failure: counted as one.");
            counts.failed = 1;
        }
        Ok(counts)
    }

    /// Reads one line of a test binary's output; `None` unless it is the summary.
    fn of_line(line: &str) -> Option<Self> {
        let (_verdict, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut counts = Self::default();
        for part in numbers.split(';') {
            let mut words = part.split_whitespace();
            let (Some(number), Some(word)) = (words.next(), words.next()) else {
                continue;
            };
            match (number.parse(), word) {
                (Ok(number), "passed") => counts.passed = number,
                (Ok(number), "failed") => counts.failed = number,
                (Ok(number), "ignored") => counts.skipped = number,
                _ => {}
            }
        }
        Some(counts)
    }
}

impl AddAssign for TestCounts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for TestCounts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(formatter, ", {} skipped", self.skipped)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(output: &str, expected: Expect) {
        let mut counts = TestCounts::default();
        for line in output.lines() {
            counts += TestCounts::of_line(line).unwrap_or_default();
        }
        expected.assert_eq(&counts.to_string());
    }

    #[test]
    fn the_binaries_are_added_up() {
        check(
            "running 3 tests\n\
             test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n\
             test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.00s\n",
            expect!["4 passed, 2 failed"],
        );
    }

    #[test]
    fn ignored_tests_are_called_skipped() {
        check(
            "test result: ok. 3 passed; 0 failed; 2 ignored; 0 measured",
            expect!["3 passed, 0 failed, 2 skipped"],
        );
    }

    #[test]
    fn only_the_summary_counts() {
        check(
            "test the_result: ok. 3 passed ... ok\n  test result: ok. 9 passed;",
            expect!["0 passed, 0 failed"],
        );
    }

    #[test]
    fn a_run_that_reports_nothing_and_fails_is_a_failure() {
        let counts = TestCounts::of(&mut Command::new("false")).unwrap();
        expect!["0 passed, 1 failed"].assert_eq(&counts.to_string());
    }
}
