//! JSON arrays of strings, the exec form.

use serde_json::Value;

use super::Span;
use super::words::RangedWord;

/// What a text is when it is read as JSON.
pub(super) enum Json {
    /// Not a JSON array, so it has another form.
    Other,
    /// A JSON array that holds something else than strings.
    NotOnlyStrings,
    /// The decoded strings and their ranges.
    Strings(Vec<RangedWord>),
}

/// Reads a range as a JSON array of strings.
pub(super) fn read_json(text: &str, range: &Span) -> Json {
    let array = text[range.clone()].trim_start();
    if !array.starts_with('[') {
        return Json::Other;
    }
    let Ok(values) = serde_json::from_str::<Vec<Value>>(array) else {
        return Json::Other;
    };
    let spans = string_ranges(array, range.end - array.len());
    let mut strings = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        match (value, spans.get(index)) {
            (Value::String(string), Some(span)) => strings.push((string, span.clone())),
            _ => return Json::NotOnlyStrings,
        }
    }
    Json::Strings(strings)
}

/// Returns the ranges of the string literals, quotes included, of a text that is known to be valid JSON.
fn string_ranges(text: &str, start: usize) -> Vec<Span> {
    let mut ranges = Vec::new();
    let mut open = None;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (byte, open) {
            (b'"', None) => open = Some(at),
            (b'"', Some(from)) => {
                ranges.push(start + from..start + at + 1);
                open = None;
            }
            (b'\\', Some(_)) => drop(bytes.next()),
            _ => {}
        }
    }
    ranges
}
