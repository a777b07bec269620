//! One JSON object a line: the events as they are, with the seconds since the beginning.

use std::io::Write;
use std::time::Duration;

use lrops_model::event::BuildEvent;
use serde::Serialize;

use super::Renderer;

/// Writes objects.
pub(super) struct RawJson<W> {
    output: W,
}

impl<W: Write> RawJson<W> {
    pub(super) fn new(output: W) -> Self {
        Self { output }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    at: f64,
    #[serde(flatten)]
    event: &'a BuildEvent,
}

impl<W: Write + Send> Renderer for RawJson<W> {
    fn event(&mut self, event: &BuildEvent, at: Duration) {
        let line = Line {
            at: (at.as_secs_f64() * 1000.0).round() / 1000.0,
            event,
        };
        let text = serde_json::to_string(&line).expect("events have string keys");
        let _ = writeln!(self.output, "{text}");
    }

    fn finish(&mut self) {
        let _ = self.output.flush();
    }
}
