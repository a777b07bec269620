//! Names are whole words: the abbreviations and empty words that STYLE bans do not appear.

use std::collections::BTreeSet;

use super::Finding;
use super::rust_text::code_only;
use crate::tree::Tree;

const RULE: &str = "names";

/// A shape of names that are not used, and what to write instead.
struct Ban {
    matches: fn(&str) -> bool,
    advice: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        matches: |name| has_word(name, "desc"),
        advice: "write `descriptor` or `description`",
    },
    Ban {
        matches: |name| has_word(name, "dgst"),
        advice: "write `digest`",
    },
    Ban {
        matches: |name| has_word(name, "mgr"),
        advice: "say what it does",
    },
    Ban {
        matches: |name| name == "ref_",
        advice: "write `reference`",
    },
    Ban {
        matches: |name| name.ends_with("Manager"),
        advice: "say what it does",
    },
    Ban {
        matches: |name| name.starts_with("handle_"),
        advice: "say what is done",
    },
    Ban {
        matches: |name| ["util", "utils", "helper", "helpers", "common"].contains(&name),
        advice: "a module is a noun that says what is in it",
    },
];

/// Finds banned names in Rust sources and in the paths of all files, each once a file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in tree.paths() {
        let parts = path.split(['/', '.']);
        findings.extend(parts.filter_map(|part| banned(part).map(|ban| finding(path.to_owned(), part, ban))));
    }
    for (path, text) in tree.texts_with_ending(".rs") {
        let mut seen = BTreeSet::new();
        for (index, line) in code_only(text).lines().enumerate() {
            for name in identifiers(line) {
                if let Some(ban) = banned(name)
                    && seen.insert(name.to_owned())
                {
                    findings.push(finding(format!("{path}:{}", index + 1), name, ban));
                }
            }
        }
    }
    findings
}

fn banned(name: &str) -> Option<&'static Ban> {
    BANS.iter().find(|ban| (ban.matches)(name))
}

fn finding(place: String, name: &str, ban: &Ban) -> Finding {
    Finding::new(RULE, place, format!("`{name}`: {}", ban.advice))
}

fn identifiers(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|name| !name.is_empty())
}

/// Tells whether one of a name's words, in snake or camel case, is `word`.
fn has_word(name: &str, word: &str) -> bool {
    let mut current = String::new();
    let mut before_is_small = false;
    for character in name.chars() {
        if character == '_' || character.is_uppercase() && before_is_small {
            if current == word {
                return true;
            }
            current.clear();
        }
        if character != '_' {
            current.extend(character.to_lowercase());
        }
        before_is_small = character.is_lowercase();
    }
    current == word
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(path: &str, text: &str, expected: Expect) {
        expected.assert_eq(&super::super::shown(&super::check(&Tree::of(&[(path, text)]))));
    }

    #[test]
    fn abbreviations_are_found_in_snake_and_camel_case() {
        check(
            "a.rs",
            "let layer_desc = 1;\nstruct DescReader;\nconst DGST_MAX: u8 = 1;",
            expect![[r"
                a.rs:1: names: `layer_desc`: write `descriptor` or `description`
                a.rs:2: names: `DescReader`: write `descriptor` or `description`
                a.rs:3: names: `DGST_MAX`: write `digest`"]],
        );
    }

    #[test]
    fn empty_words_are_found() {
        check(
            "a.rs",
            "mod utils; fn handle_line(ref_: u8) {} struct CacheManager;",
            expect![[r"
                a.rs:1: names: `utils`: a module is a noun that says what is in it
                a.rs:1: names: `handle_line`: say what is done
                a.rs:1: names: `ref_`: write `reference`
                a.rs:1: names: `CacheManager`: say what it does"]],
        );
    }

    #[test]
    fn a_path_is_a_name_too() {
        check(
            "crates/lrops/tests/common/page.txt",
            "",
            expect![
                "crates/lrops/tests/common/page.txt: names: `common`: a module is a noun that says what is in it"
            ],
        );
    }

    #[test]
    fn a_name_is_reported_once_a_file() {
        check(
            "a.rs",
            "desc\ndesc",
            expect!["a.rs:1: names: `desc`: write `descriptor` or `description`"],
        );
    }

    #[test]
    fn whole_words_prose_and_literals_are_fine() {
        check(
            "a.rs",
            "let descriptor = description(\"desc\"); // desc, utils\nhandle(common_prefix)",
            expect![""],
        );
    }
}
