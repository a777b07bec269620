//! Links in Markdown pages lead somewhere: to a file of the checkout, and to a heading of it.
//!
//! Links to other machines are not followed, since a check must not depend on the network.

use std::collections::BTreeMap;

use super::Finding;
use crate::tree::Tree;

const RULE: &str = "links";

/// Finds links whose target is not there.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts_with_ending(".md") {
        for (line, target) in links(text) {
            if let Some(advice) = problem(tree, path, &target) {
                findings.push(Finding::at_line(RULE, path, line, format!("`{target}` {advice}")));
            }
        }
    }
    findings
}

fn problem(tree: &Tree, page: &str, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let place = if file.is_empty() {
        Some(page.to_owned())
    } else {
        resolve(page, file)
    };
    let Some(place) = place.filter(|place| tree.has(place)) else {
        return Some("is not a file of this checkout");
    };
    let is_missing =
        !anchor.is_empty() && !anchors(tree.text(&place).unwrap_or_default()).contains(&anchor.to_owned());
    is_missing.then_some("names no heading of that page")
}

/// Returns the path that a link in `page` leads to; `None` when it leaves the checkout.
fn resolve(page: &str, file: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Returns every link with its line: `[text](target)` and `[name]: target`.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (line, prose) in prose(text) {
        for after in prose.split("](").skip(1) {
            let target = after.split([')', ' ']).next().unwrap_or_default();
            links.push((line, target.trim_matches(['<', '>']).to_owned()));
        }
        let defined = prose
            .trim_start()
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "));
        if let Some((_, target)) = defined {
            links.push((
                line,
                target.split_whitespace().next().unwrap_or_default().to_owned(),
            ));
        }
    }
    links
}

/// Returns the lines outside code blocks with their numbers, without what is between backticks.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            lines.push((index + 1, line.split('`').step_by(2).collect::<Vec<_>>().join("")));
        }
    }
    lines
}

/// Returns the anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut anchors = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        let title = line.trim_start_matches('#');
        if is_code || title == line || !title.starts_with(' ') {
            continue;
        }
        let anchor = anchor(title.trim());
        let count = seen.entry(anchor.clone()).or_default();
        anchors.push(if *count == 0 {
            anchor
        } else {
            format!("{anchor}-{count}")
        });
        *count += 1;
    }
    anchors
}

fn anchor(title: &str) -> String {
    title
        .to_lowercase()
        .chars()
        .filter(|character| character.is_alphanumeric() || [' ', '-', '_'].contains(character))
        .map(|character| if character == ' ' { '-' } else { character })
        .collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: Expect) {
        let other = "# The store\n\n## What `lrops` keeps: it all\n\n## Twice\n\n## Twice\n";
        let tree = Tree::of(&[("docs/page.md", text), ("docs/store.md", other), ("LICENSE", "")]);
        expected.assert_eq(&super::super::shown(&super::check(&tree)));
    }

    #[test]
    fn files_folders_and_headings_are_found() {
        check(
            "# Top\n[a](store.md) [b](../LICENSE) [c](../docs/) [d](#top) [e](store.md#what-lrops-keeps-it-all)\n\
             [f](store.md#twice-1)\n[g]: ../docs/store.md\n",
            expect![""],
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        check(
            "\n[a](gone.md)",
            expect!["docs/page.md:2: links: `gone.md` is not a file of this checkout"],
        );
    }

    #[test]
    fn a_missing_heading_is_named() {
        check(
            "[a](store.md#gone)",
            expect!["docs/page.md:1: links: `store.md#gone` names no heading of that page"],
        );
    }

    #[test]
    fn a_definition_is_a_link() {
        check(
            "[a]: gone.md",
            expect!["docs/page.md:1: links: `gone.md` is not a file of this checkout"],
        );
    }

    #[test]
    fn a_link_out_of_the_checkout_is_named() {
        check(
            "[a](../../x)",
            expect!["docs/page.md:1: links: `../../x` is not a file of this checkout"],
        );
    }

    #[test]
    fn other_machines_and_code_are_left_alone() {
        check(
            "[a](https://example.org/x) `[b](gone.md)`\n```\n[c](gone.md)\n# not a heading\n```\n",
            expect![""],
        );
    }
}
