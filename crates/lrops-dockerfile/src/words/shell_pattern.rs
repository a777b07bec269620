//! The patterns after `#`, `%` and `/`: `*` is any text, `?` any character, `\` escapes.
//!
//! They are the patterns of the POSIX shell (section 2.13) without brackets. In them the escape is always `\`,
//! whatever the escape character of the file.

use regex::{NoExpand, Regex};

/// Which of several matches is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// `*` takes as little as it can.
    Shortest,
    /// `*` takes as much as it can.
    Longest,
}

/// Where a match may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// At the beginning of the value.
    Start,
    /// Anywhere in it.
    Anywhere,
}

/// A pattern that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShellPatternError {
    /// `\` stands before a character that needs no escape.
    #[error("invalid escape '\\{0}'")]
    InvalidEscape(char),
    /// `\` is the last character.
    #[error("invalid escape: nothing follows the last '\\'")]
    EscapeAtEnd,
    /// The pattern is too long to be prepared.
    #[error("the pattern is too long")]
    TooLong,
}

/// Returns the value without the beginning that the pattern matches.
///
/// # Errors
/// If the pattern cannot be read.
pub fn trim_start(value: &str, pattern: &str, reach: Reach) -> Result<String, ShellPatternError> {
    let regex = compile(pattern, reach, Anchor::Start)?;
    let end = regex.find(value).map_or(0, |found| found.end());
    Ok(value[end..].to_owned())
}

/// Returns the value without the end that the pattern matches.
///
/// Value and pattern are reversed and the beginning is trimmed: a search from the left cannot find the shortest match
/// at the right.
///
/// # Errors
/// If the pattern cannot be read.
pub fn trim_end(value: &str, pattern: &str, reach: Reach) -> Result<String, ShellPatternError> {
    let reversed_value: String = value.chars().rev().collect();
    let trimmed = trim_start(&reversed_value, &reversed(pattern), reach)?;
    Ok(trimmed.chars().rev().collect())
}

/// Returns the value with the longest matches replaced, at most `count_max` of them; `None` if the result would be
/// larger than `size_max` bytes.
///
/// # Errors
/// If the pattern cannot be read.
pub fn replace(
    value: &str,
    pattern: &str,
    replacement: &str,
    count_max: usize,
    size_max: usize,
) -> Result<Option<String>, ShellPatternError> {
    let regex = compile(pattern, Reach::Longest, Anchor::Anywhere)?;
    let count = regex.find_iter(value).take(count_max).count();
    if count == 0 {
        return Ok(Some(value.to_owned()));
    }
    if count
        .saturating_mul(replacement.len())
        .saturating_add(value.len())
        > size_max
    {
        return Ok(None);
    }
    Ok(Some(
        regex.replacen(value, count, NoExpand(replacement)).into_owned(),
    ))
}

/// Returns the regular expression that matches what the pattern does.
///
/// # Errors
/// If the pattern cannot be read.
pub fn regex_source(pattern: &str, reach: Reach, anchor: Anchor) -> Result<String, ShellPatternError> {
    let mut source = String::with_capacity(pattern.len() + 4);
    if anchor == Anchor::Start {
        source.push('^');
    }
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '*' if reach == Reach::Shortest => source.push_str(".*?"),
            '*' => source.push_str(".*"),
            '?' => source.push('.'),
            // A `}` or `/` had to be escaped to be read as part of the pattern; the escape is not part of it.
            '\\' if matches!(characters.peek(), Some('}' | '/')) => {}
            '\\' => match characters.next() {
                Some(escaped @ ('*' | '?' | '\\')) => source.extend(['\\', escaped]),
                Some(other) => return Err(ShellPatternError::InvalidEscape(other)),
                None => return Err(ShellPatternError::EscapeAtEnd),
            },
            '[' | ']' | '{' | '}' | '.' | '+' | '(' | ')' | '|' | '^' | '$' => {
                source.extend(['\\', character]);
            }
            _ => source.push(character),
        }
    }
    Ok(source)
}

/// Returns the pattern from right to left, each escape still before the character it escapes.
pub fn reversed(pattern: &str) -> String {
    let mut units = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let escaped = rest[first.len_utf8()..].chars().next().filter(|_| first == '\\');
        let length = first.len_utf8() + escaped.map_or(0, char::len_utf8);
        let (unit, after) = rest.split_at(length);
        units.push(unit);
        rest = after;
    }
    units.into_iter().rev().collect()
}

fn compile(pattern: &str, reach: Reach, anchor: Anchor) -> Result<Regex, ShellPatternError> {
    // The source is valid by construction, so only its size can be refused.
    Regex::new(&regex_source(pattern, reach, anchor)?).map_err(|_| ShellPatternError::TooLong)
}
