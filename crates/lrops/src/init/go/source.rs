//! One Go source file, as far as it can be understood without a parser for Go.

use super::super::files::{directory_of, joined};

/// What a source says.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) path: &'a str,
    /// Whether it belongs to a package main that is built without asking for it.
    pub(super) is_main: bool,
    pub(super) imports_c: bool,
    /// The variable that holds the version.
    pub(super) version_variable: Option<&'static str>,
    /// The patterns of `//go:embed`.
    patterns: Vec<&'a str>,
}

impl<'a> Source<'a> {
    pub(super) fn read(path: &'a str, text: &'a str) -> Self {
        let code = Code::of(text);
        let left_out = code.directives.iter().any(|line| {
            line.strip_prefix("//go:build ")
                .is_some_and(|condition| condition.trim() == "ignore")
                || line.trim() == "// +build ignore"
        });
        let package = code.lines.iter().find_map(|line| line.strip_prefix("package "));
        let is_main = !left_out && package.is_some_and(|name| words(name).eq(["main"]));
        let imports_c = code.lines.iter().any(|line| {
            let import = line.strip_prefix("import ").unwrap_or(line).trim();
            import == "\"C\""
        });
        let version_variable = if is_main {
            version_variable(&code.lines)
        } else {
            None
        };
        let patterns = code
            .directives
            .iter()
            .filter_map(|line| line.strip_prefix("//go:embed "))
            .flat_map(str::split_whitespace)
            .map(|pattern| pattern.trim_matches(['"', '`']))
            .collect();
        Self {
            path,
            is_main,
            imports_c,
            version_variable,
            patterns,
        }
    }

    /// Returns what it embeds, from the project's directory. A pattern counts as the directory that it is about.
    pub(super) fn embedded(&self) -> impl Iterator<Item = String> {
        self.patterns.iter().filter_map(|pattern| {
            let pattern = pattern.strip_prefix("all:").unwrap_or(pattern);
            let end = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
            joined(directory_of(self.path), pattern[..end].trim_end_matches('/'))
        })
    }
}

/// A text without its comments, apart from those that the compiler reads.
struct Code<'a> {
    lines: Vec<&'a str>,
    directives: Vec<&'a str>,
}

impl<'a> Code<'a> {
    fn of(text: &'a str) -> Self {
        let mut code = Self {
            lines: Vec::new(),
            directives: Vec::new(),
        };
        let mut in_comment = false;
        for line in text.lines() {
            let line = if in_comment {
                let Some((_, after)) = line.split_once("*/") else {
                    continue;
                };
                in_comment = false;
                after
            } else {
                line
            };
            if line.starts_with("//go:") || line.starts_with("// +build") {
                code.directives.push(line);
                continue;
            }
            let line = line.trim_start();
            // Comments within a line are left to what looks at it: they come behind what matters.
            if line.starts_with("//") {
                continue;
            }
            if let Some(comment) = line.strip_prefix("/*") {
                in_comment = !comment.contains("*/");
                continue;
            }
            code.lines
                .push(line.split("//").next().unwrap_or_default().trim_end());
        }
        code
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.trim_end_matches(';').split_whitespace()
}

/// Finds `var version = "…"`, alone or in a group; the linker can set such a variable.
fn version_variable(lines: &[&str]) -> Option<&'static str> {
    let mut in_group = false;
    for line in lines {
        if *line == "var (" {
            in_group = true;
            continue;
        }
        if line.starts_with(')') {
            in_group = false;
        }
        let declaration = match line.strip_prefix("var ") {
            Some(declaration) => declaration,
            None if in_group => line,
            None => continue,
        };
        let name = words(declaration).next().unwrap_or_default();
        let found = ["version", "Version"].into_iter().find(|known| *known == name);
        let is_text = declaration.contains('"') || words(declaration).eq([name, "string"]);
        if found.is_some() && is_text {
            return found;
        }
    }
    None
}
