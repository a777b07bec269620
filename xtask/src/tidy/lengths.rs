//! A file of more than 500 lines is looked at again; those that are longer are listed, and the list may only shrink.
//!
//! Functions are clippy's business (`too_many_lines`).

use super::Finding;
use crate::tree::Tree;

const RULE: &str = "file length";
const LINES_MAX: usize = 500;
const RATCHET: &str = "xtask/ratchet.toml";

/// Compares the length of every Rust file with the limit, or with its number in the ratchet.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let ratchet: toml::Table = tree
        .text(RATCHET)
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    let listed = ratchet
        .get("file_lines")
        .and_then(toml::Value::as_table)
        .cloned()
        .unwrap_or_default();
    let allowed = |path: &str| {
        listed
            .get(path)
            .and_then(toml::Value::as_integer)
            .and_then(|lines| usize::try_from(lines).ok())
    };
    let mut findings: Vec<Finding> = tree
        .texts_with_ending(".rs")
        .filter_map(|(path, text)| of_file(path, text.lines().count(), allowed(path)))
        .collect();
    let gone = listed.keys().filter(|path| tree.text(path).is_none());
    findings
        .extend(gone.map(|path| Finding::new(RULE, RATCHET, format!("{path} is gone: remove its entry"))));
    findings
}

fn of_file(path: &str, lines: usize, allowed: Option<usize>) -> Option<Finding> {
    match allowed {
        None if lines > LINES_MAX => Some(Finding::new(
            RULE,
            path,
            format!("{lines} lines, and at most {LINES_MAX} are allowed: split it by noun"),
        )),
        Some(allowed) if lines > allowed => Some(Finding::new(
            RULE,
            path,
            format!("grew from {allowed} to {lines} lines: split it by noun"),
        )),
        Some(_) if lines <= LINES_MAX => Some(Finding::new(
            RULE,
            RATCHET,
            format!("{path} is short enough now: remove its entry"),
        )),
        Some(allowed) if lines < allowed => Some(Finding::new(
            RULE,
            RATCHET,
            format!("{path} shrank: lower its number to {lines}"),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(lines: usize, ratchet: &str, expected: Expect) {
        let tree = Tree::of(&[
            ("a.rs", &"\n".repeat(lines)),
            (RATCHET, &format!("[file_lines]\n{ratchet}")),
        ]);
        expected.assert_eq(&super::super::shown(&super::check(&tree)));
    }

    #[test]
    fn five_hundred_lines_are_fine() {
        check(500, "", expect![""]);
    }

    #[test]
    fn a_longer_file_is_found() {
        check(
            501,
            "",
            expect!["a.rs: file length: 501 lines, and at most 500 are allowed: split it by noun"],
        );
    }

    #[test]
    fn a_listed_file_may_stay_as_it_is() {
        check(600, "\"a.rs\" = 600", expect![""]);
    }

    #[test]
    fn a_listed_file_may_not_grow() {
        check(
            601,
            "\"a.rs\" = 600",
            expect!["a.rs: file length: grew from 600 to 601 lines: split it by noun"],
        );
    }

    #[test]
    fn a_listed_file_that_shrank_lowers_its_number() {
        check(
            590,
            "\"a.rs\" = 600",
            expect!["xtask/ratchet.toml: file length: a.rs shrank: lower its number to 590"],
        );
    }

    #[test]
    fn an_entry_that_is_not_needed_goes() {
        check(
            400,
            "\"a.rs\" = 600\n\"b.rs\" = 700",
            expect![[r"
                xtask/ratchet.toml: file length: a.rs is short enough now: remove its entry
                xtask/ratchet.toml: file length: b.rs is gone: remove its entry"]],
        );
    }
}
