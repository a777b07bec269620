//! Splits arguments into words that keep their quotes, for `ARG`, `ENV` and `LABEL`.

use super::Span;

/// A word's text and its range.
pub(super) type RangedWord = (String, Span);

/// Returns the words between spaces outside quotes; quotes and escapes stay, but an escape at the very end is dropped.
pub(super) fn quoted_words(text: &str, range: &Span, escape: char) -> Vec<RangedWord> {
    let mut words = Vec::new();
    let mut start = range.start;
    while let Some(offset) = text[start..range.end].find(|character: char| !character.is_whitespace()) {
        start += offset;
        let (word, length) = quoted_word(&text[start..range.end], escape);
        if !word.is_empty() {
            words.push((word, start..start + length));
        }
        start += length;
    }
    words
}

fn quoted_word(text: &str, escape: char) -> (String, usize) {
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match quote {
            None if character.is_whitespace() => return (word, at),
            None if matches!(character, '\'' | '"') => quote = Some(character),
            Some(open) if character == open => quote = None,
            _ => {}
        }
        if character != escape || quote == Some('\'') {
            word.push(character);
        } else if let Some((_, escaped)) = characters.next() {
            word.extend([character, escaped]);
        }
    }
    (word, text.len())
}
