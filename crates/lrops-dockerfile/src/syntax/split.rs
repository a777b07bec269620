//! Splits a logical line into keyword, flags and the rest.

use super::joined::JoinedLine;
use super::{Span, Word};

/// The parts of a logical line.
pub(super) struct Split {
    pub(super) keyword: Span,
    pub(super) flags: Vec<Word>,
    pub(super) rest: Span,
}

/// Splits a range of a logical line.
pub(super) fn split(line: &JoinedLine, range: &Span, escape: char) -> Split {
    let body = line.trimmed(range);
    let text = &line.text()[..body.end];
    let Some(length) = text[body.start..].find(is_blank) else {
        return Split {
            rest: body.end..body.end,
            keyword: body,
            flags: Vec::new(),
        };
    };
    let keyword = body.start..body.start + length;
    let after = body.end - text[keyword.end..].trim_start_matches(is_blank).len();
    let (flags, rest) = flags(line, &(after..body.end), escape);
    Split {
        keyword,
        flags,
        rest: line.trimmed(&rest),
    }
}

/// Returns whether a character separates words of the plain form.
pub(super) fn is_blank(character: char) -> bool {
    matches!(character, '\t' | '\x0b' | '\x0c' | '\r' | ' ')
}

/// Takes the flags off the front; a lone `--` ends them.
fn flags(line: &JoinedLine, range: &Span, escape: char) -> (Vec<Word>, Span) {
    let text = &line.text()[..range.end];
    let mut flags = Vec::new();
    let mut start = range.start;
    loop {
        start = range.end - text[start..].trim_start().len();
        if !text[start..].starts_with("--") {
            return (flags, start..range.end);
        }
        let (word, length) = flag_word(&text[start..], escape);
        let end = start + length;
        if word == "--" {
            return (flags, end..range.end);
        }
        flags.push(line.word_reading(&(start..end), word));
        start = end;
    }
}

/// Reads one flag, dropping quotes and escapes; returns it and the length it took.
fn flag_word(text: &str, escape: char) -> (String, usize) {
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match quote {
            Some(open) if character == open => quote = None,
            None if character.is_whitespace() => return (word, at),
            None if matches!(character, '\'' | '"') => quote = Some(character),
            _ if character == escape => word.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => word.push(character),
        }
    }
    (word, text.len())
}
