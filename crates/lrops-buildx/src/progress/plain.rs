//! `--progress=plain`: lines for people, of buildx before 0.13.
//!
//! Each line of a step begins with its number: `#5 [build 2/4] RUN make`, then `#5 0.312 its output`, and at the end
//! `#5 DONE 1.2s`, `#5 CACHED`, `#5 CANCELED` or `#5 ERROR: why`. What has no number is said to people.

use std::collections::HashSet;
use std::time::Duration;

use lrops_model::event::OutputStream;

use super::Steps;
use super::steps::Ending;

/// Reads the lines.
pub(crate) struct PlainText<'a> {
    steps: Steps<'a>,
    unread: Vec<u8>,
    text: String,
    begun: HashSet<String>,
}

impl<'a> PlainText<'a> {
    pub(super) fn new(steps: Steps<'a>) -> Self {
        Self {
            steps,
            unread: Vec::new(),
            text: String::new(),
            begun: HashSet::new(),
        }
    }

    pub(super) fn take(&mut self, piece: &[u8]) {
        self.unread.extend_from_slice(piece);
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            self.line(String::from_utf8_lossy(&line).trim_end());
        }
    }

    pub(super) fn finish(mut self) -> (Steps<'a>, String) {
        let rest = std::mem::take(&mut self.unread);
        self.line(String::from_utf8_lossy(&rest).trim_end());
        (self.steps, self.text)
    }

    fn line(&mut self, line: &str) {
        match numbered(line) {
            Some((number, words)) => self.step_line(number, words),
            None if line.is_empty() && self.text.is_empty() => {}
            None => {
                self.text.push_str(line);
                self.text.push('\n');
            }
        }
    }

    fn step_line(&mut self, number: &str, words: &str) {
        // `#0 building with "x" instance` is no step.
        if number == "0" {
            return;
        }
        if self.begun.insert(number.to_owned()) {
            self.steps.started(number, words);
            return;
        }
        let took = words.strip_prefix("DONE ").and_then(seconds);
        if let Some(took) = took {
            self.steps.ended(number, &Ending::Done, Some(took));
        } else if words == "CACHED" {
            self.steps.ended(number, &Ending::Cached, None);
        } else if words == "CANCELED" {
            self.steps
                .ended(number, &Ending::Failed("context canceled"), None);
        } else if let Some(error) = words.strip_prefix("ERROR: ") {
            self.steps.ended(number, &Ending::Failed(error), None);
        } else if let Some(output) = timed_output(words) {
            self.steps
                .output(number, OutputStream::Stdout, &format!("{output}\n"));
        }
    }
}

/// Returns the number and the words of a step's line. `#5 ...` says only that the output of another step was shown.
fn numbered(line: &str) -> Option<(&str, &str)> {
    let (number, words) = line.strip_prefix('#')?.split_once(' ')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some((number, words))
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Returns what a command wrote: after the seconds that its step has run.
fn timed_output(words: &str) -> Option<&str> {
    let (time, output) = words.split_once(' ').unwrap_or((words, ""));
    let (whole, part) = time.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(part)).then_some(output)
}
