//! What is counted while a build runs, for the summary after it.

use std::collections::{BTreeMap, BTreeSet};

use lrops_model::event::{BuildEvent, StepName, StepNumber, StepOutcome};
use lrops_model::finding::Severity;

/// Counts of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Steps that were done.
    pub(crate) done: usize,
    /// Steps whose result was there already.
    pub(crate) cached: usize,
    /// Steps that served several platforms, done or cached.
    pub(crate) shared: usize,
    /// The stages of those steps.
    pub(crate) shared_stages: BTreeSet<String>,
    /// Steps that run programs under emulation.
    pub(crate) emulated: u32,
    /// Warnings.
    pub(crate) warnings: usize,
    /// The highest number of an activity.
    pub(crate) highest: u32,
    running: BTreeMap<StepNumber, Known>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    stage: String,
    shared: bool,
}

impl Tally {
    /// Counts an event.
    pub(crate) fn event(&mut self, event: &BuildEvent) {
        if let BuildEvent::Started { step, .. } = event {
            self.highest = self.highest.max(step.0);
        }
        match event {
            BuildEvent::Planned { emulated, .. } => self.emulated = *emulated,
            BuildEvent::Started {
                step,
                name: StepName::Step(label),
            } => {
                let known = Known {
                    stage: label.stage.clone(),
                    shared: label.platforms.len() > 1,
                };
                self.running.insert(*step, known);
            }
            BuildEvent::Finished { step, outcome, .. } => {
                if let Some(known) = self.running.remove(step) {
                    self.finished(known, outcome);
                }
            }
            BuildEvent::Found { finding } if finding.severity == Severity::Warning => self.warnings += 1,
            _ => {}
        }
    }

    fn finished(&mut self, known: Known, outcome: &StepOutcome) {
        match outcome {
            StepOutcome::Done => self.done += 1,
            StepOutcome::Cached => self.cached += 1,
            StepOutcome::Failed { .. } | StepOutcome::Cancelled => return,
        }
        if known.shared {
            self.shared += 1;
            self.shared_stages.insert(known.stage);
        }
    }
}
