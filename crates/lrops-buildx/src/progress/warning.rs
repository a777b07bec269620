//! BuildKit's warnings, as findings.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lrops_model::finding::{Finding, Place};
use serde::Deserialize;

/// The rule of a warning that names none.
const NO_RULE: &str = "BuildKit";

/// A warning (`client.VertexWarning`). Texts are in base64.
#[derive(Debug, Deserialize)]
pub(super) struct Warning {
    #[serde(default)]
    short: String,
    #[serde(default)]
    detail: Vec<String>,
    #[serde(default)]
    url: String,
    #[serde(rename = "sourceInfo")]
    source: Option<Source>,
    #[serde(default)]
    range: Vec<Range>,
}

#[derive(Debug, Deserialize)]
struct Source {
    #[serde(default)]
    data: String,
}

#[derive(Debug, Deserialize)]
struct Range {
    start: Option<Position>,
    end: Option<Position>,
}

#[derive(Debug, Deserialize)]
struct Position {
    #[serde(default)]
    line: u32,
}

impl Warning {
    /// Returns it as a finding, when it says anything.
    pub(super) fn finding(&self) -> Option<Finding> {
        let short = text(&self.short).filter(|short| !short.is_empty())?;
        let place = self.place();
        // `FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)`
        let message = match &place {
            Some(place) => short.strip_suffix(&format!(" (line {})", place.line)),
            None => None,
        };
        let message = message.unwrap_or(&short);
        let (rule, message) = match message.split_once(": ").filter(|(rule, _)| is_rule(rule)) {
            Some((rule, message)) => (Cow::Owned(rule.to_owned()), message),
            None => (Cow::Borrowed(NO_RULE), message),
        };
        let mut advice: Vec<String> = self.detail.iter().filter_map(|detail| text(detail)).collect();
        advice.push(self.url.clone());
        advice.retain(|part| !part.is_empty());
        Some(Finding {
            rule,
            place,
            advice: Some(advice.join("; ")).filter(|advice| !advice.is_empty()),
            ..Finding::warning(NO_RULE, message)
        })
    }

    /// Returns the lines that it is about, when they are in the text that came with it.
    fn place(&self) -> Option<Place> {
        let range = self.range.first()?;
        let first = range.start.as_ref()?.line;
        let last = range.end.as_ref().map_or(first, |end| end.line).max(first);
        let source = STANDARD.decode(&self.source.as_ref()?.data).ok()?;
        let mut spans = source.split_inclusive(|byte| *byte == b'\n').scan(0, |at, line| {
            let start = *at;
            *at += line.len();
            Some(start..start + line.trim_ascii_end().len())
        });
        let start = spans.nth(usize::try_from(first.checked_sub(1)?).ok()?)?;
        let more = usize::try_from(last - first).ok()?;
        let end = spans.take(more).last().map_or(start.end, |span| span.end);
        Some(Place {
            span: start.start..end.max(start.end),
            line: first,
        })
    }
}

fn text(base64: &str) -> Option<String> {
    let bytes = STANDARD.decode(base64).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// Names of rules are in `UpperCamelCase`.
fn is_rule(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_uppercase())
        && word.chars().all(|character| character.is_ascii_alphanumeric())
}
