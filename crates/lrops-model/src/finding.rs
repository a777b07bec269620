//! Findings: what check, doctor and verify tell a person.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// One thing that a person should know, with its place and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's name, in `UpperCamelCase` as BuildKit names its own.
    pub rule: Cow<'static, str>,
    /// Whether the work can go on.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where, when it has a place in a text.
    pub place: Option<Place>,
    /// What to do next.
    pub advice: Option<String>,
}

impl Finding {
    /// Returns a finding that stops the work.
    pub fn error(rule: &'static str, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Error, message.into())
    }

    /// Returns a finding that lets the work go on.
    pub fn warning(rule: &'static str, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Warning, message.into())
    }

    fn new(rule: &'static str, severity: Severity, message: String) -> Self {
        Self {
            rule: Cow::Borrowed(rule),
            severity,
            message,
            place: None,
            advice: None,
        }
    }

    /// Returns the finding at a place.
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Returns the finding with advice.
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The work goes on.
    Warning,
    /// The work stops.
    Error,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Bytes from the start of the text.
    pub span: Range<usize>,
    /// The line of the span's start, from 1.
    pub line: u32,
}
