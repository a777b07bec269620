//! Progress: every renderer is a reader of the one stream of events.
//!
//! Renderers know no clock: each event comes with the time since the build began.

mod label;
mod lines;
mod plain;
mod raw_json;
mod tally;
#[cfg(test)]
mod tests;
mod tty;

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lrops_model::event::{BuildEvent, StepNumber};

use crate::arguments::ProgressMode;

pub(crate) use label::instruction_line;
pub(crate) use tally::Tally;

/// Shows events, as they come, on standard error.
pub(crate) trait Renderer: Send {
    /// Shows an event that came so long after the beginning.
    fn event(&mut self, event: &BuildEvent, at: Duration);

    /// Says something that is no event of the build.
    fn notice(&mut self, text: &str) {
        // Nobody is there to be told that telling fails.
        let _ = writeln!(StandardError, "{text}");
    }

    /// Leaves the terminal as it should be when nothing more comes.
    fn finish(&mut self);
}

/// Shows nothing.
struct Silent;

impl Renderer for Silent {
    fn event(&mut self, _: &BuildEvent, _: Duration) {}

    fn finish(&mut self) {}
}

/// Reads the stream of events of a build, from several threads.
pub(crate) struct Progress {
    begun: Instant,
    readers: Arc<Mutex<Readers>>,
}

struct Readers {
    renderer: Box<dyn Renderer>,
    tally: Tally,
}

impl Progress {
    /// Begins, for a build of so many platforms.
    pub(crate) fn begin(mode: ProgressMode, platforms: usize) -> Self {
        let renderer: Box<dyn Renderer> = match mode {
            ProgressMode::Tty => Box::new(tty::Tty::new(platforms)),
            ProgressMode::Plain | ProgressMode::Auto => Box::new(plain::Plain::new(StandardError, platforms)),
            ProgressMode::Rawjson => Box::new(raw_json::RawJson::new(StandardError)),
            ProgressMode::Quiet | ProgressMode::None => Box::new(Silent),
        };
        Self {
            begun: Instant::now(),
            readers: Arc::new(Mutex::new(Readers {
                renderer,
                tally: Tally::default(),
            })),
        }
    }

    /// Takes an event.
    pub(crate) fn event(&self, event: &BuildEvent) {
        let at = self.begun.elapsed();
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.tally.event(event);
        readers.renderer.event(event, at);
    }

    /// Returns what says something between the events, from any thread.
    pub(crate) fn notices(&self) -> impl Fn(&str) + Send + 'static {
        let readers = Arc::clone(&self.readers);
        move |text| {
            let mut readers = readers.lock().unwrap_or_else(PoisonError::into_inner);
            readers.renderer.notice(text);
        }
    }

    /// Returns a number for an activity of this room, above those that were used so far.
    ///
    /// To be used when the engine has ended: it counts for itself.
    pub(crate) fn next_number(&self) -> StepNumber {
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        StepNumber(readers.tally.highest + 1)
    }

    /// Returns how long it has been.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Ends it, and returns what was counted.
    pub(crate) fn finish(self) -> Tally {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.renderer.finish();
        std::mem::take(&mut readers.tally)
    }
}

/// Standard error, with colours where they are wanted; locked for each write only.
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        anstream::stderr().write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        anstream::stderr().flush()
    }
}
