//! The steps of a build, by whatever buildx calls them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use lrops_model::event::{BuildEvent, OnEvent, OutputStream, StepName, StepNumber, StepOutcome};
use lrops_model::finding::Finding;

use super::{Told, step_name};

/// How many lines of a failing command's output are repeated after the build.
const TAIL_LINES_MAX: usize = 20;

/// How BuildKit says that a step ended because another one failed.
const CANCELED: &str = "context canceled";

/// The steps of a build.
pub(crate) struct Steps<'a> {
    on_event: OnEvent<'a>,
    known: HashMap<String, Step>,
    numbers: &'a AtomicU32,
    failed: Option<FailedStep>,
    found: Vec<Finding>,
}

struct Step {
    number: StepNumber,
    name: StepName,
    begun: Instant,
    ended: bool,
    tail: VecDeque<String>,
}

/// A step that failed.
#[derive(Clone, Debug)]
pub(crate) struct FailedStep {
    /// What it is.
    pub(crate) name: StepName,
    /// What BuildKit says.
    pub(crate) error: String,
    /// The end of its command's output.
    pub(crate) tail: Vec<String>,
}

impl FailedStep {
    /// Returns whether the builder itself did not start.
    pub(crate) fn boots(&self) -> bool {
        matches!(&self.name, StepName::Activity(name) if name.contains("booting buildkit"))
    }
}

/// How a step ended.
pub(crate) enum Ending<'t> {
    Done,
    Cached,
    Failed(&'t str),
}

impl<'a> Steps<'a> {
    pub(super) fn new(numbers: &'a AtomicU32, on_event: OnEvent<'a>) -> Self {
        Self {
            on_event,
            known: HashMap::new(),
            numbers,
            failed: None,
            found: Vec::new(),
        }
    }

    /// A step began. One that begins again, as BuildKit's do that are asked for twice, began once.
    pub(super) fn started(&mut self, key: &str, name: &str) {
        if self.known.contains_key(key) {
            return;
        }
        let number = StepNumber(self.numbers.fetch_add(1, Ordering::Relaxed));
        let name = step_name(name);
        (self.on_event)(BuildEvent::Started {
            step: number,
            name: name.clone(),
        });
        let step = Step {
            number,
            name,
            begun: Instant::now(),
            ended: false,
            tail: VecDeque::new(),
        };
        self.known.insert(key.to_owned(), step);
    }

    /// A step ended; its time is BuildKit's where it says one.
    pub(super) fn ended(&mut self, key: &str, ending: &Ending<'_>, took: Option<Duration>) {
        let Some(step) = self.known.get_mut(key) else {
            return;
        };
        let outcome = match ending {
            Ending::Done => StepOutcome::Done,
            Ending::Cached => StepOutcome::Cached,
            Ending::Failed(error) if error.contains(CANCELED) => StepOutcome::Cancelled,
            Ending::Failed(error) => {
                self.failed.get_or_insert_with(|| FailedStep {
                    name: step.name.clone(),
                    error: (*error).to_owned(),
                    tail: step.tail.iter().cloned().collect(),
                });
                StepOutcome::Failed {
                    reason: error.lines().next().unwrap_or_default().to_owned(),
                }
            }
        };
        if !std::mem::replace(&mut step.ended, true) {
            (self.on_event)(BuildEvent::Finished {
                step: step.number,
                outcome,
                seconds: took.unwrap_or_else(|| step.begun.elapsed()).as_secs_f64(),
            });
        }
    }

    /// A step's command wrote something.
    pub(super) fn output(&mut self, key: &str, stream: OutputStream, text: &str) {
        let Some(step) = self.known.get_mut(key) else {
            return;
        };
        for line in text.lines() {
            if step.tail.len() == TAIL_LINES_MAX {
                step.tail.pop_front();
            }
            step.tail.push_back(line.to_owned());
        }
        if !step.ended {
            (self.on_event)(BuildEvent::Output {
                step: step.number,
                stream,
                text: text.to_owned(),
            });
        }
    }

    /// Something is worth knowing. BuildKit says it again for each platform.
    pub(super) fn found(&mut self, finding: Finding) {
        if !self.found.contains(&finding) {
            self.found.push(finding.clone());
            (self.on_event)(BuildEvent::Found { finding });
        }
    }

    /// A step is so far.
    pub(super) fn progress(&self, key: &str, what: &str, current: u64, total: Option<u64>) {
        let Some(step) = self.known.get(key).filter(|step| !step.ended) else {
            return;
        };
        (self.on_event)(BuildEvent::Progress {
            step: step.number,
            what: what.to_owned(),
            current,
            total,
        });
    }

    /// Nothing more comes: what still runs was cancelled.
    pub(super) fn finish(mut self, text: String) -> Told {
        let mut open: Vec<&Step> = self.known.values().filter(|step| !step.ended).collect();
        open.sort_by_key(|step| step.number);
        for step in open {
            (self.on_event)(BuildEvent::Finished {
                step: step.number,
                outcome: StepOutcome::Cancelled,
                seconds: step.begun.elapsed().as_secs_f64(),
            });
        }
        Told {
            failed: self.failed.take(),
            text,
        }
    }
}
