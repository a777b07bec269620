//! Line after line, in the manner that users of BuildKit know: `#5 [build 2/4] RUN …`, `#5 DONE 1.2s`.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use lrops_model::event::{BuildEvent, StepNumber, StepOutcome};
use lrops_model::finding::Severity;

use super::Renderer;
use super::label::title;
use super::lines::Lines;
use crate::amounts;
use crate::report::finding_title;

/// How often a step may say how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Writes lines.
pub(super) struct Plain<W> {
    output: W,
    platforms: usize,
    running: BTreeMap<StepNumber, Running>,
    begun: bool,
}

struct Running {
    started: Duration,
    lines: Lines,
    progress_at: Duration,
}

impl<W: Write> Plain<W> {
    pub(super) fn new(output: W, platforms: usize) -> Self {
        Self {
            output,
            platforms,
            running: BTreeMap::new(),
            begun: false,
        }
    }

    /// A terminal that is gone is no reason to fail a build.
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.output, "{text}");
        self.begun = true;
    }

    fn gap(&mut self) {
        if self.begun {
            self.line("");
        }
    }

    fn output_lines(&mut self, step: StepNumber, lines: Vec<String>, at: Duration) {
        let started = self.running.get(&step).map_or(at, |running| running.started);
        let seconds = at.saturating_sub(started).as_secs_f64();
        for line in lines {
            self.line(&format!("#{} {seconds:.3} {line}", step.0));
        }
    }

    fn progress(&mut self, step: StepNumber, what: &str, amount: (u64, Option<u64>), at: Duration) {
        let Some(running) = self.running.get_mut(&step) else {
            return;
        };
        if at < running.progress_at {
            return;
        }
        running.progress_at = at + PROGRESS_EVERY;
        let line = match amount {
            (0, None) => format!("#{} {what}", step.0),
            (current, None) => format!("#{} {what} {}", step.0, amounts::size(current)),
            (current, Some(total)) => {
                format!(
                    "#{} {what} {} / {}",
                    step.0,
                    amounts::size(current),
                    amounts::size(total)
                )
            }
        };
        self.line(&line);
    }

    fn finished(&mut self, step: StepNumber, outcome: &StepOutcome, seconds: f64, at: Duration) {
        let rest = self
            .running
            .get_mut(&step)
            .and_then(|running| running.lines.rest());
        self.output_lines(step, rest.into_iter().collect(), at);
        self.running.remove(&step);
        let number = step.0;
        match outcome {
            StepOutcome::Done => self.line(&format!("#{number} DONE {}", amounts::seconds(seconds))),
            StepOutcome::Cached => self.line(&format!("#{number} CACHED")),
            StepOutcome::Failed { reason } => self.line(&format!("#{number} ERROR: {reason}")),
            StepOutcome::Cancelled => self.line(&format!("#{number} CANCELED")),
        }
    }
}

impl<W: Write + Send> Renderer for Plain<W> {
    fn event(&mut self, event: &BuildEvent, at: Duration) {
        match event {
            BuildEvent::Started { step, name } => {
                self.gap();
                let title = title(name, self.platforms);
                self.line(&format!("#{} {title}", step.0));
                // What is over soon need not say how far it is.
                let progress_at = at + PROGRESS_EVERY / 4;
                self.running.insert(
                    *step,
                    Running {
                        started: at,
                        lines: Lines::default(),
                        progress_at,
                    },
                );
            }
            BuildEvent::Output { step, text, .. } => {
                let lines = self.running.get_mut(step).map(|running| running.lines.push(text));
                self.output_lines(*step, lines.unwrap_or_default(), at);
            }
            BuildEvent::Progress {
                step,
                what,
                current,
                total,
            } => {
                self.progress(*step, what, (*current, *total), at);
            }
            BuildEvent::Finished {
                step,
                outcome,
                seconds,
            } => self.finished(*step, outcome, *seconds, at),
            BuildEvent::Found { finding } => {
                self.gap();
                let kind = if finding.severity == Severity::Error {
                    "error"
                } else {
                    "warning"
                };
                self.line(&format!("{kind}: {}", finding_title(finding)));
                if let Some(advice) = &finding.advice {
                    self.line(&format!("  {advice}"));
                }
            }
            BuildEvent::Planned { .. } | BuildEvent::Layer { .. } | BuildEvent::Image { .. } => {}
        }
    }

    fn finish(&mut self) {
        let _ = self.output.flush();
    }
}
