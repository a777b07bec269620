//! Which crate may use which: the house as data.
//!
//! A crate uses rows below it, never its own row. ARCHITECTURE.md draws the same picture.

use super::Finding;
use crate::tree::{Package, Tree};

const RULE: &str = "layers";

/// A crate, and the crates of lrops that it may use.
struct Room {
    name: &'static str,
    may_use: &'static [&'static str],
}

/// The whole house.
const ROOMS: &[Room] = &[
    Room {
        name: "lrops-model",
        may_use: &[],
    },
    Room {
        name: "lrops-dockerfile",
        may_use: &["lrops-model"],
    },
    Room {
        name: "lrops-store",
        may_use: &["lrops-model"],
    },
    Room {
        name: "lrops-remote",
        may_use: &["lrops-model"],
    },
    Room {
        name: "lrops-sandbox",
        may_use: &["lrops-model"],
    },
    Room {
        name: "lrops-engine",
        may_use: &[
            "lrops-model",
            "lrops-dockerfile",
            "lrops-store",
            "lrops-remote",
            "lrops-sandbox",
        ],
    },
    Room {
        name: "lrops-buildx",
        may_use: &["lrops-model"],
    },
    Room {
        name: "lrops-bases",
        may_use: &["lrops-model", "lrops-store", "lrops-remote"],
    },
    Room {
        name: "lrops",
        may_use: &[
            "lrops-model",
            "lrops-dockerfile",
            "lrops-store",
            "lrops-remote",
            "lrops-sandbox",
            "lrops-engine",
            "lrops-buildx",
            "lrops-bases",
        ],
    },
    // Not shipped.
    Room {
        name: TESTKIT,
        may_use: &["lrops-model"],
    },
    Room {
        name: "xtask",
        may_use: &[],
    },
];

/// What tests share. Any crate's tests may use it, and nothing that is shipped.
const TESTKIT: &str = "lrops-testkit";

/// Compares every manifest with the house.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.packages().iter().flat_map(of_package).collect()
}

fn of_package(package: &Package) -> Vec<Finding> {
    let place = format!("{}/Cargo.toml", package.folder);
    let Some(room) = ROOMS.iter().find(|room| room.name == package.name) else {
        let advice = format!(
            "`{}` has no room: give it one in xtask/src/tidy/layers.rs",
            package.name
        );
        return vec![Finding::new(RULE, place, advice)];
    };
    dependencies(&package.manifest)
        .into_iter()
        .filter(|edge| ROOMS.iter().any(|room| room.name == edge.to) && !is_allowed(room, edge))
        .map(|edge| {
            let advice = match edge.kind {
                Kind::Shipped if edge.to == TESTKIT => format!("`{TESTKIT}` may only be a dev-dependency"),
                _ => format!("`{}` may not use `{}`", room.name, edge.to),
            };
            Finding::new(RULE, place.clone(), advice)
        })
        .collect()
}

fn is_allowed(room: &Room, edge: &Edge) -> bool {
    room.may_use.contains(&edge.to.as_str()) || edge.kind == Kind::ForTests && edge.to == TESTKIT
}

struct Edge {
    to: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Shipped,
    ForTests,
}

/// Returns the dependencies of every table that can hold some, also those for one target only.
fn dependencies(manifest: &toml::Table) -> Vec<Edge> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let tables = targets
        .into_iter()
        .flat_map(|targets| targets.values().filter_map(toml::Value::as_table));
    std::iter::once(manifest)
        .chain(tables)
        .flat_map(|table| {
            [
                ("dependencies", Kind::Shipped),
                ("build-dependencies", Kind::Shipped),
                ("dev-dependencies", Kind::ForTests),
            ]
            .into_iter()
            .filter_map(|(section, kind)| Some((table.get(section)?.as_table()?, kind)))
        })
        .flat_map(|(section, kind)| {
            section.iter().map(move |(name, value)| Edge {
                to: package_of(name, value),
                kind,
            })
        })
        .collect()
}

/// Returns the package behind a dependency, which `package = …` may have given another name.
fn package_of(name: &str, value: &toml::Value) -> String {
    value
        .get("package")
        .and_then(toml::Value::as_str)
        .unwrap_or(name)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(name: &str, rest: &str, expected: Expect) {
        let manifest = format!("[package]\nname = \"{name}\"\n{rest}");
        let tree = Tree::of(&[(&format!("crates/{name}/Cargo.toml"), &manifest)]);
        expected.assert_eq(&super::super::shown(&super::check(&tree)));
    }

    /// The house from the ground up; a room that is not shipped stands in no row.
    const ROWS: &[&[&str]] = &[
        &["lrops-model"],
        &["lrops-dockerfile", "lrops-store", "lrops-remote", "lrops-sandbox"],
        &["lrops-engine", "lrops-buildx", "lrops-bases"],
        &["lrops"],
    ];

    #[test]
    fn a_room_uses_only_rows_below_it() {
        for (height, row) in ROWS.iter().enumerate() {
            for name in *row {
                let room = ROOMS.iter().find(|room| room.name == *name).unwrap();
                let below = ROWS[..height].concat();
                assert!(
                    room.may_use.iter().all(|used| below.contains(used)),
                    "{name} uses its own row or one above"
                );
            }
        }
    }

    #[test]
    fn an_edge_that_the_house_has_is_fine_used_or_not() {
        check(
            "lrops-engine",
            "[dependencies]\nlrops-model.workspace = true\nserde = \"1\"",
            expect![""],
        );
    }

    #[test]
    fn an_edge_within_a_row_is_found() {
        check(
            "lrops-store",
            "[dependencies]\nlrops-remote.workspace = true",
            expect!["crates/lrops-store/Cargo.toml: layers: `lrops-store` may not use `lrops-remote`"],
        );
    }

    #[test]
    fn an_edge_under_another_name_for_one_target_is_found() {
        check(
            "lrops-model",
            "[target.'cfg(unix)'.build-dependencies]\nstore = { package = \"lrops-store\", path = \"../lrops-store\" }",
            expect!["crates/lrops-model/Cargo.toml: layers: `lrops-model` may not use `lrops-store`"],
        );
    }

    #[test]
    fn tests_may_use_the_testkit() {
        check(
            "lrops-store",
            "[dev-dependencies]\nlrops-testkit.workspace = true",
            expect![""],
        );
    }

    #[test]
    fn what_is_shipped_may_not_use_the_testkit() {
        check(
            "lrops-store",
            "[dependencies]\nlrops-testkit.workspace = true",
            expect!["crates/lrops-store/Cargo.toml: layers: `lrops-testkit` may only be a dev-dependency"],
        );
    }

    #[test]
    fn tests_may_not_reach_upwards_either() {
        check(
            "lrops-store",
            "[dev-dependencies]\nlrops-engine.workspace = true",
            expect!["crates/lrops-store/Cargo.toml: layers: `lrops-store` may not use `lrops-engine`"],
        );
    }

    #[test]
    fn a_crate_without_a_room_is_found() {
        check(
            "lrops-extra",
            "",
            expect![
                "crates/lrops-extra/Cargo.toml: layers: `lrops-extra` has no room: give it one in xtask/src/tidy/layers.rs"
            ],
        );
    }
}
