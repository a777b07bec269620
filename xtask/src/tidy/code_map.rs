//! The code map of ARCHITECTURE.md names every crate.

use super::Finding;
use crate::tree::Tree;

const RULE: &str = "code map";
const PAGE: &str = "ARCHITECTURE.md";
const HEADING: &str = "## Code map";

/// Finds crates that the code map does not name.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let page = tree.text(PAGE).unwrap_or_default();
    let map = page
        .split_once(HEADING)
        .map_or("", |(_, after)| after.split("\n## ").next().unwrap_or_default());
    tree.packages()
        .iter()
        .filter(|package| !map.contains(&format!("`{}`", package.name)))
        .map(|package| {
            Finding::new(
                RULE,
                PAGE,
                format!("the section \"Code map\" does not name `{}`", package.name),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(page: &str, expected: Expect) {
        let tree = Tree::of(&[
            (
                "crates/lrops-store/Cargo.toml",
                "[package]\nname = \"lrops-store\"",
            ),
            (PAGE, page),
        ]);
        expected.assert_eq(&super::super::shown(&super::check(&tree)));
    }

    #[test]
    fn a_crate_in_the_map_is_fine() {
        check("# A\n\n## Code map\n\n`lrops-store`\n", expect![""]);
    }

    #[test]
    fn a_crate_elsewhere_in_the_page_is_not_in_the_map() {
        check(
            "# A\n\n## Code map\n\n`lrops`\n\n## Boundaries\n\n`lrops-store`\n",
            expect![[r#"ARCHITECTURE.md: code map: the section "Code map" does not name `lrops-store`"#]],
        );
    }
}
