//! What buildx says while it builds, as events.
//!
//! Two readers feed one [`Steps`]: `--progress=rawjson` of buildx 0.13 and later, and the plain text of earlier ones.

mod name;
mod plain;
mod raw_json;
mod steps;
#[cfg(test)]
mod tests;
mod warning;

use std::sync::atomic::AtomicU32;

use lrops_model::event::OnEvent;

pub(crate) use name::step_name;
pub(crate) use plain::PlainText;
pub(crate) use raw_json::RawJson;
pub(crate) use steps::{FailedStep, Steps};

/// How buildx is asked to tell of its progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressForm {
    /// One JSON document after the other.
    RawJson,
    /// Lines for people.
    Plain,
}

impl ProgressForm {
    /// Returns the value of `--progress`.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::RawJson => "rawjson",
            Self::Plain => "plain",
        }
    }
}

/// Reads what buildx says, piece by piece.
pub(crate) enum Reader<'a> {
    RawJson(RawJson<'a>),
    Plain(PlainText<'a>),
}

impl<'a> Reader<'a> {
    pub(crate) fn new(form: ProgressForm, numbers: &'a AtomicU32, on_event: OnEvent<'a>) -> Self {
        let steps = Steps::new(numbers, on_event);
        match form {
            ProgressForm::RawJson => Self::RawJson(RawJson::new(steps)),
            ProgressForm::Plain => Self::Plain(PlainText::new(steps)),
        }
    }

    /// Takes the next piece.
    pub(crate) fn take(&mut self, piece: &[u8]) {
        match self {
            Self::RawJson(reader) => reader.take(piece),
            Self::Plain(reader) => reader.take(piece),
        }
    }

    /// Ends: what is left is read, and what runs has been cancelled.
    pub(crate) fn finish(self) -> Told {
        let (steps, text) = match self {
            Self::RawJson(reader) => reader.finish(),
            Self::Plain(reader) => reader.finish(),
        };
        steps.finish(text)
    }
}

/// What a build told of itself besides its events.
#[derive(Debug)]
pub(crate) struct Told {
    /// The step that failed first.
    pub(crate) failed: Option<FailedStep>,
    /// What was said for people outside of steps: warnings, and the error at the end.
    pub(crate) text: String,
}
