//! The lock file stays small: every package in it is code that somebody has to trust.

use super::Finding;
use crate::tree::Tree;

const RULE: &str = "lock file";
/// Without `OpenPGP` there would be about 170: `pgp` alone, which verifies Debian's signatures, brings 115.
const PACKAGES_MAX: usize = 300;

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
    fn three_hundred_packages_are_allowed() {
        check(300, expect![""]);
    }

    #[test]
    fn one_more_is_found() {
        check(
            301,
            expect![
                "Cargo.lock: lock file: 301 packages, and at most 300 are allowed; `cargo tree` shows who brings them"
            ],
        );
    }
}
