//! One room per effect: who may lift which ban of the root's `clippy.toml`.
//!
//! The nearest `clippy.toml` replaces the root's whole. So a crate that has its own repeats every ban except those on the
//! effect it owns.

use std::collections::BTreeSet;

use super::Finding;
use crate::tree::Tree;

const RULE: &str = "effects";

const STARTS_PROCESSES: &[&str] = &["std::process::Command::new"];
const READS_ENVIRONMENT: &[&str] = &["std::env::var", "std::env::var_os", "std::env::vars"];
const KNOWS_TIME: &[&str] = &["std::time::SystemTime::now"];
const ENDS_THE_PROCESS: &[&str] = &["std::process::exit"];

/// The crates with an effect of their own, and the bans that do not hold for it.
const OWNERS: &[(&str, &[&[&str]])] = &[
    ("lrops-sandbox", &[STARTS_PROCESSES]),
    // Credential helpers, and git for `ADD` of a repository.
    ("lrops-remote", &[STARTS_PROCESSES]),
    ("lrops-buildx", &[STARTS_PROCESSES]),
    // Git, for versions.
    (
        "lrops",
        &[STARTS_PROCESSES, READS_ENVIRONMENT, KNOWS_TIME, ENDS_THE_PROCESS],
    ),
    // Not shipped.
    (
        "lrops-testkit",
        &[STARTS_PROCESSES, READS_ENVIRONMENT, KNOWS_TIME],
    ),
    ("xtask", &[STARTS_PROCESSES, READS_ENVIRONMENT]),
];

/// Compares every `clippy.toml` with the root's, and looks for bans lifted in the source.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let root = Configuration::read(tree.text("clippy.toml").unwrap_or_default());
    let mut findings = Vec::new();
    for package in tree.packages() {
        let owned = owned(&package.name);
        let path = format!("{}/clippy.toml", package.folder);
        if let Some(text) = tree.text(&path) {
            findings.extend(differences(&path, &root, &Configuration::read(text), &owned));
        }
        let sources = format!("{}/", package.folder);
        for (path, text) in tree
            .texts_with_ending(".rs")
            .filter(|(path, _)| path.starts_with(&sources))
        {
            if owned.is_empty() && !is_test_file(path) {
                findings.extend(lifted(path, text));
            }
        }
    }
    findings
}

fn owned(package: &str) -> BTreeSet<&'static str> {
    let effects = OWNERS
        .iter()
        .find(|(name, _)| *name == package)
        .map_or(&[][..], |(_, effects)| effects);
    effects.iter().copied().flatten().copied().collect()
}

/// The part of a `clippy.toml` that every crate repeats.
struct Configuration {
    bans: BTreeSet<String>,
    function_lines: Option<i64>,
}

impl Configuration {
    fn read(text: &str) -> Self {
        let table: toml::Table = text.parse().unwrap_or_default();
        let bans = table
            .get("disallowed-methods")
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten();
        let path = |ban: &toml::Value| Some(ban.as_str().or_else(|| ban.get("path")?.as_str())?.to_owned());
        Self {
            bans: bans.filter_map(path).collect(),
            function_lines: table
                .get("too-many-lines-threshold")
                .and_then(toml::Value::as_integer),
        }
    }
}

fn differences(
    path: &str,
    root: &Configuration,
    own: &Configuration,
    owned: &BTreeSet<&str>,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = root
        .bans
        .difference(&own.bans)
        .filter(|ban| !owned.contains(ban.as_str()))
        .map(|ban| Finding::new(RULE, path, format!("must repeat the root's ban on `{ban}`")))
        .collect();
    if own.function_lines != root.function_lines {
        findings.push(Finding::new(
            RULE,
            path,
            "must repeat the root's `too-many-lines-threshold`",
        ));
    }
    findings
}

fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.contains("/benches/") || path.ends_with("/tests.rs")
}

/// Finds attributes that lift a ban outside tests, which come last in a file.
fn lifted(path: &str, text: &str) -> Vec<Finding> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.trim_start().starts_with("#[cfg(test)]"))
        .filter(|(_, line)| line.contains("clippy::disallowed_methods"))
        .map(|(index, _)| {
            Finding::at_line(
                RULE,
                path,
                index + 1,
                "this crate owns no effect, so it lifts no ban",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const ROOT: &str = "too-many-lines-threshold = 70\ndisallowed-methods = [\n\
        { path = \"std::process::Command::new\", reason = \"rooms\" },\n\
        { path = \"std::time::SystemTime::now\", reason = \"rooms\" },\n]\n";

    fn check(name: &str, file: &str, text: &str, expected: Expect) {
        let manifest = format!("[package]\nname = \"{name}\"\n");
        let tree = Tree::of(&[
            ("clippy.toml", ROOT),
            (&format!("crates/{name}/Cargo.toml"), &manifest),
            (&format!("crates/{name}/{file}"), text),
        ]);
        expected.assert_eq(&super::super::shown(&super::check(&tree)));
    }

    #[test]
    fn the_owner_of_an_effect_lifts_its_ban_and_repeats_the_rest() {
        let text = "too-many-lines-threshold = 70\ndisallowed-methods = [\"std::time::SystemTime::now\"]";
        check("lrops-sandbox", "clippy.toml", text, expect![""]);
    }

    #[test]
    fn a_forgotten_ban_and_threshold_are_found() {
        check(
            "lrops-sandbox",
            "clippy.toml",
            "disallowed-methods = []",
            expect![[r"
                crates/lrops-sandbox/clippy.toml: effects: must repeat the root's ban on `std::time::SystemTime::now`
                crates/lrops-sandbox/clippy.toml: effects: must repeat the root's `too-many-lines-threshold`"]],
        );
    }

    #[test]
    fn a_crate_without_an_effect_repeats_everything() {
        check(
            "lrops-store",
            "clippy.toml",
            "too-many-lines-threshold = 70\ndisallowed-methods = [\"std::time::SystemTime::now\"]",
            expect![
                "crates/lrops-store/clippy.toml: effects: must repeat the root's ban on `std::process::Command::new`"
            ],
        );
    }

    #[test]
    fn a_ban_lifted_in_the_source_is_found() {
        check(
            "lrops-store",
            "src/layer.rs",
            "//! Layers.\n#![allow(clippy::disallowed_methods)]\n",
            expect![
                "crates/lrops-store/src/layer.rs:2: effects: this crate owns no effect, so it lifts no ban"
            ],
        );
    }

    #[test]
    fn tests_may_lift_bans() {
        let text = "#[expect(clippy::disallowed_methods, reason = \"a test\")]";
        check("lrops-store", "tests/layer.rs", text, expect![""]);
        check(
            "lrops-store",
            "src/layer.rs",
            &format!("fn layer() {{}}\n#[cfg(test)]\n{text}"),
            expect![""],
        );
    }
}
