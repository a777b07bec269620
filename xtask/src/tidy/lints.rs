//! Every crate takes the workspace's lints; one of them, the sandbox, may say `unsafe`.

use super::Finding;
use crate::tree::{Package, Tree};

const RULE: &str = "lints";

/// The only crate with `unsafe`. Cargo takes the workspace's lints whole or not at all, so this one repeats the others.
const UNSAFE_CRATE: &str = "lrops-sandbox";

/// Compares every crate's lints with the workspace's.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let root = tree
        .text("Cargo.toml")
        .and_then(|text| text.parse::<toml::Table>().ok())
        .unwrap_or_default();
    let workspace = root
        .get("workspace")
        .and_then(|table| table.get("lints"))
        .cloned();
    let workspace = workspace.unwrap_or_else(|| toml::Value::Table(toml::Table::new()));
    let mut findings: Vec<_> = tree
        .packages()
        .iter()
        .flat_map(|package| of_package(package, &workspace))
        .collect();
    let unsafe_code = workspace.get("rust").and_then(|rust| rust.get("unsafe_code"));
    if unsafe_code.and_then(level) != Some("forbid") {
        findings.push(Finding::new(
            RULE,
            "Cargo.toml",
            "the workspace's lints must forbid `unsafe_code`",
        ));
    }
    findings
}

fn of_package(package: &Package, workspace: &toml::Value) -> Vec<Finding> {
    let place = format!("{}/Cargo.toml", package.folder);
    let lints = package.manifest.get("lints");
    if lints
        .and_then(|lints| lints.get("workspace"))
        .and_then(toml::Value::as_bool)
        == Some(true)
    {
        return vec![];
    }
    if package.name != UNSAFE_CRATE {
        return vec![Finding::new(RULE, place, "needs `[lints] workspace = true`")];
    }
    let mut findings = Vec::new();
    for (tool, expected) in workspace.as_table().into_iter().flatten() {
        for (name, expected) in expected.as_table().into_iter().flatten() {
            let own = lints
                .and_then(|lints| lints.get(tool))
                .and_then(|lints| lints.get(name));
            if name != "unsafe_code" && own != Some(expected) {
                let advice =
                    format!("`{tool}::{name}` must be as in the workspace; only `unsafe_code` may differ");
                findings.push(Finding::new(RULE, place.clone(), advice));
            }
        }
    }
    findings
}

/// Returns a lint's level, which may be written alone or beside a priority.
fn level(lint: &toml::Value) -> Option<&str> {
    lint.as_str().or_else(|| lint.get("level")?.as_str())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const WORKSPACE: &str = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\nmissing_docs = \"warn\"\n";

    fn check(name: &str, lints: &str, expected: Expect) {
        let manifest = format!("[package]\nname = \"{name}\"\n{lints}");
        let tree = Tree::of(&[
            ("Cargo.toml", WORKSPACE),
            (&format!("crates/{name}/Cargo.toml"), &manifest),
        ]);
        expected.assert_eq(&super::super::shown(&super::check(&tree)));
    }

    #[test]
    fn the_workspace_lints_are_fine_everywhere() {
        check("lrops-store", "[lints]\nworkspace = true", expect![""]);
        check("lrops-sandbox", "[lints]\nworkspace = true", expect![""]);
    }

    #[test]
    fn a_crate_without_them_is_found() {
        check(
            "lrops-store",
            "",
            expect!["crates/lrops-store/Cargo.toml: lints: needs `[lints] workspace = true`"],
        );
    }

    #[test]
    fn another_crate_may_not_allow_unsafe() {
        check(
            "lrops-store",
            "[lints.rust]\nunsafe_code = \"allow\"\nmissing_docs = \"warn\"",
            expect!["crates/lrops-store/Cargo.toml: lints: needs `[lints] workspace = true`"],
        );
    }

    #[test]
    fn the_sandbox_may_allow_unsafe() {
        check(
            "lrops-sandbox",
            "[lints.rust]\nunsafe_code = \"warn\"\nmissing_docs = \"warn\"",
            expect![""],
        );
    }

    #[test]
    fn the_sandbox_keeps_the_other_lints() {
        check(
            "lrops-sandbox",
            "[lints.rust]\nunsafe_code = \"warn\"",
            expect![
                "crates/lrops-sandbox/Cargo.toml: lints: `rust::missing_docs` must be as in the workspace; only `unsafe_code` may differ"
            ],
        );
    }

    #[test]
    fn the_workspace_forbids_unsafe() {
        let tree = Tree::of(&[("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"deny\"")]);
        expect!["Cargo.toml: lints: the workspace's lints must forbid `unsafe_code`"]
            .assert_eq(&super::super::shown(&super::check(&tree)));
    }
}
