//! The lock file stays small: every package in it is code that somebody has to trust.

use super::Finding;
use crate::tree::Tree;

const RULE: &str = "lock file";
const PACKAGES_MAX: usize = 200;

/// Counts the packages of `Cargo.lock`, our own among them.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let text = tree.text("Cargo.lock").unwrap_or_default();
    let count = text.lines().filter(|line| *line == "[[package]]").count();
    if count <= PACKAGES_MAX {
        return vec![];
    }
    let advice = format!(
        "{count} packages, and at most {PACKAGES_MAX} are allowed; `cargo tree` shows who brings them"
    );
    vec![Finding::new(RULE, "Cargo.lock", advice)]
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(packages: usize, expected: Expect) {
        let tree = Tree::of(&[("Cargo.lock", &"[[package]]\nname = \"a\"\n".repeat(packages))]);
        expected.assert_eq(&super::super::shown(&super::check(&tree)));
    }

    #[test]
    fn two_hundred_packages_are_allowed() {
        check(200, expect![""]);
    }

    #[test]
    fn one_more_is_found() {
        check(
            201,
            expect![
                "Cargo.lock: lock file: 201 packages, and at most 200 are allowed; `cargo tree` shows who brings them"
            ],
        );
    }
}
