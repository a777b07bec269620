//! A text of the project that cannot be understood.

use std::ops::Range;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The file's path in the project.
    pub(crate) path: String,
    /// The file's text.
    pub(crate) text: String,
    /// What is wrong.
    pub(crate) message: String,
    /// Where, in bytes.
    pub(crate) span: Range<usize>,
    /// What to do.
    pub(crate) advice: Option<String>,
}

impl Mistake {
    /// Returns a mistake in a part of a text.
    pub(super) fn at(path: &str, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            message: message.into(),
            span,
            advice: None,
        }
    }

    /// Returns a mistake with advice.
    pub(super) fn advise(self, advice: impl Into<String>) -> Self {
        Self {
            advice: Some(advice.into()),
            ..self
        }
    }
}

/// Reads JSON.
///
/// # Errors
/// When it is none.
pub(super) fn json(path: &str, text: &str) -> Result<serde_json::Value, Mistake> {
    serde_json::from_str(text).map_err(|error| {
        let start = offset(text, error.line(), error.column());
        let message = format!("{path} is no JSON: {}", without_place(&error.to_string()));
        Mistake::at(path, text, start..end_of_character(text, start), message)
    })
}

/// Reads TOML.
///
/// # Errors
/// When it is none.
pub(super) fn toml(path: &str, text: &str) -> Result<toml::Table, Mistake> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let message = format!("{path} is no TOML: {}", error.message());
        Mistake::at(path, text, error.span().unwrap_or(0..0), message)
    })
}

/// `expected value at line 1 column 2`: the excerpt shows the place.
fn without_place(message: &str) -> &str {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(cause, _)| cause)
}

/// Returns the byte at a line and a column, as serde counts them: from 1, in bytes.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let mut offset = (before + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

fn end_of_character(text: &str, start: usize) -> usize {
    start + text[start..].chars().next().map_or(0, char::len_utf8)
}
