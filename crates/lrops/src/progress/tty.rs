//! Live, in a terminal: finished steps are one line each, running ones move below, each with the end of its output.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use lrops_model::event::{BuildEvent, StepNumber, StepOutcome};
use lrops_model::finding::Severity;

use super::Renderer;
use super::label::title;
use super::lines::Lines;
use crate::amounts;
use crate::report::finding_title;
use crate::style::{ACCENT, BAD, DIM, GOOD, WARN, painted};

/// How many lines of a running step's output are shown.
const TAIL_LINES: usize = 3;
/// How often the terminal is redrawn a second.
const REDRAWS: u8 = 12;

/// Draws.
pub(super) struct Tty {
    screen: MultiProgress,
    platforms: usize,
    running: BTreeMap<StepNumber, Running>,
}

struct Running {
    bar: ProgressBar,
    title: String,
    amount: String,
    lines: Lines,
    tail: VecDeque<String>,
}

impl Tty {
    pub(super) fn new(platforms: usize) -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(REDRAWS));
        Self {
            screen,
            platforms,
            running: BTreeMap::new(),
        }
    }

    fn line(&self, text: &str) {
        // As for every line of progress: a terminal that is gone is no reason to fail a build.
        let _ = self.screen.println(text);
    }

    fn started(&mut self, step: StepNumber, title: String) {
        let style = ProgressStyle::with_template("{spinner:.cyan} {elapsed:>4} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = self.screen.add(ProgressBar::new_spinner().with_style(style));
        bar.set_message(title.clone());
        bar.enable_steady_tick(Duration::from_millis(120));
        let running = Running {
            bar,
            title,
            amount: String::new(),
            lines: Lines::default(),
            tail: VecDeque::new(),
        };
        self.running.insert(step, running);
    }

    fn finished(&mut self, step: StepNumber, outcome: &StepOutcome, seconds: f64) {
        let Some(running) = self.running.remove(&step) else {
            return;
        };
        running.bar.finish_and_clear();
        self.screen.remove(&running.bar);
        let title = &running.title;
        let line = match outcome {
            StepOutcome::Done => {
                format!(
                    "{} {title} {}",
                    painted(GOOD, "✔"),
                    painted(DIM, &amounts::seconds(seconds))
                )
            }
            StepOutcome::Cached => format!("{} {title} {}", painted(ACCENT, "✔"), painted(DIM, "cached")),
            StepOutcome::Failed { .. } => format!("{} {title}", painted(BAD, "✘")),
            StepOutcome::Cancelled => format!("{} {title} {}", painted(DIM, "·"), painted(DIM, "stopped")),
        };
        self.line(&line);
    }
}

impl Running {
    fn output(&mut self, text: &str) {
        for line in self.lines.push(text) {
            if self.tail.len() == TAIL_LINES {
                self.tail.pop_front();
            }
            // A command's own escape sequences would move the cursor of the whole screen.
            self.tail
                .push_back(anstream::adapter::strip_str(&line).to_string());
        }
        self.show();
    }

    fn show(&self) {
        let mut message = self.title.clone();
        if !self.amount.is_empty() {
            message = format!("{message} {}", painted(DIM, &self.amount));
        }
        for line in &self.tail {
            message = format!("{message}\n       {}", painted(DIM, line));
        }
        self.bar.set_message(message);
    }
}

impl Renderer for Tty {
    fn event(&mut self, event: &BuildEvent, _: Duration) {
        match event {
            BuildEvent::Started { step, name } => self.started(*step, title(name, self.platforms)),
            BuildEvent::Output { step, text, .. } => {
                if let Some(running) = self.running.get_mut(step) {
                    running.output(text);
                }
            }
            BuildEvent::Progress {
                step,
                what,
                current,
                total,
            } => {
                if let Some(running) = self.running.get_mut(step) {
                    let total = total
                        .map(|total| format!(" / {}", amounts::size(total)))
                        .unwrap_or_default();
                    running.amount = format!("{what} {}{total}", amounts::size(*current));
                    running.show();
                }
            }
            BuildEvent::Finished {
                step,
                outcome,
                seconds,
            } => self.finished(*step, outcome, *seconds),
            BuildEvent::Found { finding } => {
                let (style, kind) = match finding.severity {
                    Severity::Error => (BAD, "error"),
                    Severity::Warning => (WARN, "warning"),
                };
                let advice = finding
                    .advice
                    .as_ref()
                    .map(|advice| format!("\n  {advice}"))
                    .unwrap_or_default();
                self.line(&format!(
                    "{}: {}{advice}",
                    painted(style, kind),
                    finding_title(finding)
                ));
            }
            BuildEvent::Planned { .. } | BuildEvent::Image { .. } => {}
        }
    }

    fn finish(&mut self) {
        for running in std::mem::take(&mut self.running).into_values() {
            running.bar.finish_and_clear();
        }
        let _ = self.screen.clear();
    }
}
