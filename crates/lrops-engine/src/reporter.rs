//! Numbers the activities of a build, passes on what they say, and keeps every command's whole output in a file.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use lrops_model::event::{BuildEvent, OnEvent, OutputStream, StepName, StepNumber, StepOutcome};
use lrops_model::finding::Finding;

/// How many lines of a failed command's output its error shows.
const TAIL_LINES_MAX: usize = 30;
/// The longest line that the tail keeps, in bytes; a progress bar without line ends is no reason to keep megabytes.
const TAIL_LINE_BYTES_MAX: usize = 2_000;

/// Speaks for a running build.
pub(crate) struct Reporter<'a> {
    on_event: OnEvent<'a>,
    logs: PathBuf,
    next: AtomicU32,
}

impl<'a> Reporter<'a> {
    /// Reports to `on_event`, and keeps logs in the directory `logs`.
    pub(crate) fn new(on_event: OnEvent<'a>, logs: PathBuf) -> Self {
        Self {
            on_event,
            logs,
            next: AtomicU32::new(1),
        }
    }

    /// Passes on an event.
    pub(crate) fn event(&self, event: BuildEvent) {
        (self.on_event)(event);
    }

    /// Passes on a finding.
    pub(crate) fn finding(&self, finding: Finding) {
        self.event(BuildEvent::Found { finding });
    }

    /// Begins an activity; it ends with [`Activity::finish`].
    pub(crate) fn start(&self, name: StepName) -> Activity<'_> {
        let step = StepNumber(self.next.fetch_add(1, Ordering::Relaxed));
        self.event(BuildEvent::Started { step, name });
        Activity {
            reporter: self,
            step,
            started: Instant::now(),
            log: Mutex::new(Log::default()),
        }
    }
}

/// Something that is being done under a number.
pub(crate) struct Activity<'a> {
    reporter: &'a Reporter<'a>,
    step: StepNumber,
    started: Instant,
    log: Mutex<Log>,
}

impl Activity<'_> {
    /// Says how far it is.
    pub(crate) fn progress(&self, what: &str, current: u64, total: Option<u64>) {
        self.reporter.event(BuildEvent::Progress {
            step: self.step,
            what: what.to_owned(),
            current,
            total,
        });
    }

    /// Passes on what a command wrote, and keeps it.
    ///
    /// A log that cannot be written is no reason to fail a build: the output still reaches the person.
    pub(crate) fn output(&self, stream: OutputStream, bytes: &[u8]) {
        let mut log = self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let path = self.log_path();
        let text = log.append(&path, bytes);
        if !text.is_empty() {
            self.reporter.event(BuildEvent::Output {
                step: self.step,
                stream,
                text,
            });
        }
    }

    /// Ends it.
    pub(crate) fn finish(self, outcome: StepOutcome) {
        let seconds = lrops_model::event::seconds(self.started.elapsed());
        self.reporter.event(BuildEvent::Finished {
            step: self.step,
            outcome,
            seconds,
        });
    }

    /// Returns the last lines that were written.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.log
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .tail()
    }

    /// Returns where the whole output is, when there was any.
    pub(crate) fn log(&self) -> Option<PathBuf> {
        let path = self.log_path();
        path.exists().then_some(path)
    }

    fn log_path(&self) -> PathBuf {
        self.reporter.logs.join(format!("{}.log", self.step.0))
    }
}

#[derive(Default)]
struct Log {
    file: Option<File>,
    lines: VecDeque<String>,
    partial: Vec<u8>,
    /// The first bytes of a character whose rest is still to come.
    incomplete: Vec<u8>,
}

impl Log {
    /// Writes bytes to the file and the tail, and returns them as text; an incomplete character waits for its rest.
    fn append(&mut self, path: &Path, bytes: &[u8]) -> String {
        if self.file.is_none() {
            self.file = create(path).ok();
        }
        if let Some(file) = &mut self.file {
            let _ = file.write_all(bytes);
        }
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                // A progress bar overwrites its line: only what stands there last is worth keeping.
                b'\r' => self.partial.clear(),
                _ if self.partial.len() < TAIL_LINE_BYTES_MAX => self.partial.push(*byte),
                _ => {}
            }
        }
        self.incomplete.extend_from_slice(bytes);
        let complete = complete_length(&self.incomplete);
        let rest = self.incomplete.split_off(complete);
        let text = String::from_utf8_lossy(&self.incomplete).into_owned();
        self.incomplete = rest;
        text
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.partial).into_owned();
        self.partial.clear();
        if self.lines.len() == TAIL_LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn tail(&mut self) -> Vec<String> {
        if !self.partial.is_empty() {
            self.end_line();
        }
        self.lines.iter().cloned().collect()
    }
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    File::create(path)
}

/// Returns how many bytes can be shown now: all but an incomplete character at the end.
fn complete_length(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_comes_in_two_pieces_is_shown_whole() {
        let mut log = Log::default();
        let nowhere = Path::new("/dev/null");
        assert_eq!(
            log.append(nowhere, "a\u{e9}".as_bytes().split_last().unwrap().1),
            "a"
        );
        assert_eq!(log.append(nowhere, &[0xa9]), "\u{e9}");
        assert_eq!(log.append(nowhere, &[0xff, b'b']), "\u{fffd}b");
    }

    #[test]
    fn the_tail_keeps_the_last_lines_and_what_stands_last_in_each() {
        let mut log = Log::default();
        let text: Vec<String> = (0..100).map(|number| format!("line {number}\n")).collect();
        log.append(Path::new("/dev/null"), text.concat().as_bytes());
        log.append(Path::new("/dev/null"), b"10 %\r100 %");
        let tail = log.tail();
        assert_eq!(
            (tail.len(), tail[0].as_str(), tail[29].as_str()),
            (30, "line 71", "100 %")
        );
    }
}
