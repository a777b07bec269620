//! `cargo xtask tidy`: the house rules that neither rustc nor clippy checks.
//!
//! A check is a function from the [`Tree`] to findings. It prints nothing and reads nothing else, so its tests give it a
//! tree of their own; one test at the end of this file gives all of them the checkout.

mod code_map;
mod effects;
mod layers;
mod lengths;
mod links;
mod lints;
mod lock_file;
mod machine;
mod names;
mod properties;
mod rust_text;

use std::fmt;
use std::path::Path;

use crate::failure::Failure;
use crate::tree::Tree;

/// A rule that is broken somewhere, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// A path, with `:line` where there is one.
    place: String,
    rule: &'static str,
    advice: String,
}

impl Finding {
    fn new(rule: &'static str, place: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            rule,
            advice: advice.into(),
        }
    }

    fn at_line(rule: &'static str, path: &str, line: usize, advice: impl Into<String>) -> Self {
        Self::new(rule, format!("{path}:{line}"), advice)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: {}", self.place, self.rule, self.advice)
    }
}

/// Checks the checkout and prints what is found.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let findings = check(root)?;
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy");
            Ok(())
        }
        1 => Err(Failure::new("1 rule is broken")),
        count => Err(Failure::new(format!("rules are broken in {count} places"))),
    }
}

fn check(root: &Path) -> Result<Vec<Finding>, Failure> {
    let tree = Tree::read(root)?;
    let mut findings = [
        layers::check(&tree),
        lints::check(&tree),
        effects::check(&tree),
        code_map::check(&tree),
        links::check(&tree),
        names::check(&tree),
        lengths::check(&tree),
        lock_file::check(&tree),
        properties::check(&tree),
        machine::check(&tree, &machine::Machine::read(root)),
    ]
    .concat();
    findings.sort();
    Ok(findings)
}

/// Returns findings as the person reads them, one a line: the door of the checks' tests.
#[cfg(test)]
fn shown(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(Finding::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_checkout_is_tidy() {
        let findings = check(&crate::checkout().unwrap()).unwrap();
        expect![""].assert_eq(&shown(&findings));
    }
}
