//! A finding before its line is known.

use lrops_model::finding::{Finding, Place, Severity};

use super::{LineIndex, Span};

/// What is wrong and where, in bytes; the line is looked up when it becomes a [`Finding`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    rule: &'static str,
    severity: Severity,
    message: String,
    span: Span,
    advice: Option<String>,
}

impl Fault {
    pub(crate) fn error(rule: &'static str, message: impl Into<String>, span: &Span) -> Self {
        Self {
            rule,
            severity: Severity::Error,
            message: message.into(),
            span: span.clone(),
            advice: None,
        }
    }

    pub(crate) fn warning(rule: &'static str, message: impl Into<String>, span: &Span) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(rule, message, span)
        }
    }

    pub(crate) fn advise(self, advice: impl Into<Option<String>>) -> Self {
        Self {
            advice: advice.into(),
            ..self
        }
    }

    pub(crate) fn into_finding(self, lines: &LineIndex<'_>) -> Finding {
        let line = lines.position(self.span.start).line;
        let finding = match self.severity {
            Severity::Error => Finding::error(self.rule, self.message),
            Severity::Warning => Finding::warning(self.rule, self.message),
        };
        let finding = finding.at(Place {
            span: self.span,
            line,
        });
        match self.advice {
            Some(advice) => finding.advise(advice),
            None => finding,
        }
    }
}

/// All that is wrong with one statement; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}
