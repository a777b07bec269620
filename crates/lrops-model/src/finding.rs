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
    /// What mends it, when that is safe to do by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cure: Option<Box<Cure>>,
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
            cure: None,
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

    /// Returns the finding with the edits that mend it.
    pub fn mended_by(mut self, edits: Vec<Edit>) -> Self {
        self.cure = Some(Box::new(Cure { edits }));
        self
    }

    /// Returns the edits that mend it; none when it has no cure.
    pub fn edits(&self) -> &[Edit] {
        self.cure.as_ref().map_or(&[], |cure| &cure.edits)
    }
}

/// What mends a finding: all of the edits together, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cure {
    /// The edits, in any order; none touches another one.
    pub edits: Vec<Edit>,
}

/// A piece of a text, and what it is replaced by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Edit {
    /// Bytes from the start of the text; none where something is put in.
    pub span: Range<usize>,
    /// What takes their place.
    pub text: String,
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
