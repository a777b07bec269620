//! Property tests leave the number of their cases to the caller, so that `cargo xtask fuzz` can run more of them.

use super::Finding;
use super::rust_text::code_only;
use crate::tree::Tree;

const RULE: &str = "property tests";

/// Finds property tests that fix their number of cases, which proptest then prefers to `PROPTEST_CASES`.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree
        .texts_with_ending(".rs")
        .filter(|(_, text)| text.contains("proptest"))
    {
        for (index, line) in code_only(text).lines().enumerate() {
            if line.contains("with_cases(") {
                findings.push(Finding::at_line(
                    RULE,
                    path,
                    index + 1,
                    "`with_cases` overrides `PROPTEST_CASES`: leave it out",
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&super::super::shown(&super::check(&Tree::of(&[("a.rs", text)]))));
    }

    #[test]
    fn a_fixed_number_of_cases_is_found() {
        check(
            "proptest! {\n    #![proptest_config(Config::with_cases(10))]\n}",
            expect!["a.rs:2: property tests: `with_cases` overrides `PROPTEST_CASES`: leave it out"],
        );
    }

    #[test]
    fn a_comment_about_it_is_not() {
        check("// with_cases( would be wrong\nproptest! {}", expect![""]);
    }
}
