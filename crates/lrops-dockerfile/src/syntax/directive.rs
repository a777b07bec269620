//! Parser directives: `# syntax=`, `# escape=`, `# check=` at the top of a file.

use super::{Fault, Span, Word, rules};

const KNOWN: [&str; 3] = ["syntax", "escape", "check"];

/// The parser directives of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directives {
    /// The frontend image asked for by `# syntax=`, with whatever follows it.
    pub syntax: Option<Word>,
    /// The character that escapes and continues lines: a backslash, unless `# escape=` says a backtick.
    pub escape: char,
    /// The options of `# check=`.
    pub check: Option<Word>,
}

impl Default for Directives {
    fn default() -> Self {
        Self {
            syntax: None,
            escape: '\\',
            check: None,
        }
    }
}

/// Reads directives until the first line that is none: after it, a comment is only a comment.
#[derive(Debug, Default)]
pub(super) struct DirectiveReader {
    pub(super) directives: Directives,
    seen: Vec<&'static str>,
    done: bool,
}

impl DirectiveReader {
    /// Reads a line without leading spaces; returns whether it was a directive.
    pub(super) fn read(&mut self, line: &str, start: usize) -> Result<bool, Fault> {
        if self.done {
            return Ok(false);
        }
        let Some((name, value)) = split_directive(line) else {
            self.done = true;
            return Ok(false);
        };
        let from = start + value.start;
        let word = Word {
            text: line[value.clone()].to_owned(),
            span: from..from + value.len(),
        };
        if self.seen.contains(&name) {
            let message = format!("only one {name} parser directive can be used");
            return Err(Fault::error(
                rules::INVALID_DIRECTIVE,
                message,
                &(start..start + line.len()),
            ));
        }
        self.seen.push(name);
        self.apply(name, word)?;
        Ok(true)
    }

    fn apply(&mut self, name: &'static str, value: Word) -> Result<(), Fault> {
        match (name, value.as_str()) {
            ("syntax", _) => self.directives.syntax = Some(value),
            ("check", _) => self.directives.check = Some(value),
            (_, "\\") => self.directives.escape = '\\',
            (_, "`") => self.directives.escape = '`',
            _ => {
                let message = format!("invalid escape token '{value}' does not match ` or \\");
                return Err(Fault::error(rules::INVALID_DIRECTIVE, message, &value.span));
            }
        }
        Ok(())
    }
}

/// Splits `# name = value` into its name and the place of its value.
fn split_directive(line: &str) -> Option<(&'static str, Span)> {
    let body = line.strip_prefix('#')?.trim_start();
    let (name, value) = body.split_once('=')?;
    let name = name.trim_end_matches(is_space);
    let known = KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name))?;
    let trimmed = value.trim_start_matches(is_space);
    let start = line.len() - trimmed.len();
    let length = trimmed.trim_end_matches(is_space).len();
    (length > 0).then_some((known, start..start + length))
}

fn is_space(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\x0c' | '\r' | ' ')
}
