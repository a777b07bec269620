//! Live, in a terminal: finished steps are one line each, running ones move below, each with the end of its output.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
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

/// How often a running step's sign turns.
const TURN: Duration = Duration::from_millis(120);

/// Draws.
pub(super) struct Tty {
    screen: MultiProgress,
    platforms: usize,
    running: BTreeMap<StepNumber, Running>,
    coloured: bool,
}

/// A step that runs: its line, and below it the end of its output, each line cut to the terminal's width.
struct Running {
    bar: ProgressBar,
    title: String,
    lines: Lines,
    tail: VecDeque<String>,
    tail_bars: Vec<ProgressBar>,
}

impl Tty {
    pub(super) fn new(platforms: usize) -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(REDRAWS));
        Self {
            screen,
            platforms,
            running: BTreeMap::new(),
            coloured: AutoStream::choice(&std::io::stderr()) != ColorChoice::Never,
        }
    }

    fn line(&self, text: &str) {
        let plain = anstream::adapter::strip_str(text);
        // As for every line of progress: a terminal that is gone is no reason to fail a build.
        let _ = if self.coloured {
            self.screen.println(text)
        } else {
            self.screen.println(plain.to_string())
        };
    }

    fn started(&mut self, step: StepNumber, title: String) {
        let bar = ProgressBar::new_spinner().with_style(style("{spinner:.cyan} {elapsed:>4} {wide_msg}"));
        let bar = self.screen.add(bar);
        bar.set_message(title.clone());
        bar.enable_steady_tick(TURN);
        let running = Running {
            bar,
            title,
            lines: Lines::default(),
            tail: VecDeque::new(),
            tail_bars: Vec::new(),
        };
        self.running.insert(step, running);
    }

    fn output(&mut self, step: StepNumber, text: &str) {
        let Some(running) = self.running.get_mut(&step) else {
            return;
        };
        running.take(text);
        while running.tail_bars.len() < running.tail.len() {
            let above = running.tail_bars.last().unwrap_or(&running.bar);
            let bar = ProgressBar::new_spinner().with_style(style("       {wide_msg:.dim}"));
            let bar = self.screen.insert_after(above, bar);
            running.tail_bars.push(bar);
        }
        for (bar, line) in running.tail_bars.iter().zip(&running.tail) {
            bar.set_message(line.clone());
        }
    }

    fn finished(&mut self, step: StepNumber, outcome: &StepOutcome, seconds: f64) {
        let Some(running) = self.running.remove(&step) else {
            return;
        };
        self.line(&ended(&running.title, outcome, seconds));
        self.clear(&running);
    }

    fn clear(&self, running: &Running) {
        for bar in running.tail_bars.iter().rev().chain([&running.bar]) {
            bar.finish_and_clear();
            self.screen.remove(bar);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// The line that stays of a step.
fn ended(title: &str, outcome: &StepOutcome, seconds: f64) -> String {
    let (sign, note) = match outcome {
        StepOutcome::Done => (painted(GOOD, "✔"), amounts::seconds(seconds)),
        StepOutcome::Cached => (painted(ACCENT, "✔"), "cached".to_owned()),
        StepOutcome::Failed { .. } => return format!("{} {title}", painted(BAD, "✘")),
        StepOutcome::Cancelled => (painted(DIM, "·"), "stopped".to_owned()),
    };
    format!("{sign} {title} {}", painted(DIM, &note))
}

impl Running {
    fn take(&mut self, text: &str) {
        for line in self.lines.push(text) {
            if self.tail.len() == TAIL_LINES {
                self.tail.pop_front();
            }
            self.tail.push_back(harmless(&line));
        }
    }

    fn show_amount(&self, amount: &str) {
        self.bar
            .set_message(format!("{} {}", self.title, painted(DIM, amount)));
    }
}

/// Returns a line of a command's output as it may stand on the screen: its escape sequences and other control
/// characters would move the cursor of the whole.
fn harmless(line: &str) -> String {
    anstream::adapter::strip_str(line)
        .to_string()
        .replace('\t', "    ")
        .replace(char::is_control, "")
}

impl Renderer for Tty {
    fn event(&mut self, event: &BuildEvent, _: Duration) {
        match event {
            BuildEvent::Started { step, name } => self.started(*step, title(name, self.platforms)),
            BuildEvent::Output { step, text, .. } => self.output(*step, text),
            BuildEvent::Progress {
                step,
                what,
                current,
                total,
            } => {
                if let Some(running) = self.running.get(step) {
                    let total = total
                        .map(|total| format!(" / {}", amounts::size(total)))
                        .unwrap_or_default();
                    running.show_amount(&format!("{what} {}{total}", amounts::size(*current)));
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
            BuildEvent::Planned { .. } | BuildEvent::Layer { .. } | BuildEvent::Image { .. } => {}
        }
    }

    fn notice(&mut self, text: &str) {
        self.line(text);
    }

    fn finish(&mut self) {
        for running in std::mem::take(&mut self.running).into_values() {
            self.clear(&running);
        }
        let _ = self.screen.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_ended_leaves_one_line() {
        let failed = StepOutcome::Failed {
            reason: "exit code: 1".into(),
        };
        let lines: Vec<String> = [
            StepOutcome::Done,
            StepOutcome::Cached,
            failed,
            StepOutcome::Cancelled,
        ]
        .iter()
        .map(|outcome| anstream::adapter::strip_str(&ended("[ui 2/4] RUN npm ci", outcome, 1.25)).to_string())
        .collect();
        let expected = [
            "✔ [ui 2/4] RUN npm ci 1.2s",
            "✔ [ui 2/4] RUN npm ci cached",
            "✘ [ui 2/4] RUN npm ci",
            "· [ui 2/4] RUN npm ci stopped",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn output_cannot_move_the_cursor() {
        assert_eq!(
            harmless("\u{1b}[2J\u{1b}[31mred\u{1b}[0m\u{8}\tend\u{7}"),
            "red    end"
        );
    }
}
