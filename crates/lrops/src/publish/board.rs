//! Shows a push as one activity: how much of how much, how fast, what was there, what had to be tried again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lrops_model::digest::Digest;
use lrops_model::event::{BuildEvent, OnEvent, OutputStream, StepName, StepNumber, StepOutcome};
use lrops_model::oci::Descriptor;
use lrops_remote::registry::{PushEvent, PushStep};

use super::place;
use crate::amounts;
use crate::failure::one_line;

/// How often progress is told: more, and telling would cost more than sending.
const TOLD_EVERY: Duration = Duration::from_millis(100);

/// The time over which the rate is measured.
const RATE_OVER: Duration = Duration::from_secs(3);

/// An activity that shows a push, beside the steps of a build.
pub(crate) struct Board<'a> {
    on_event: OnEvent<'a>,
    step: StepNumber,
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether lines say which repository they are about.
    several_places: bool,
    blobs: BTreeMap<(String, Digest), Blob>,
    sent: Sent,
    /// Bytes handed to the network so far.
    handed_over: u64,
    ended: bool,
    told_at: Option<Instant>,
    rate_from: Option<(Instant, u64)>,
    rate: Option<f64>,
}

#[derive(Default)]
struct Blob {
    size: u64,
    offset: u64,
    done: bool,
}

/// What a push came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Sent {
    /// Blobs and documents that were sent.
    pub(crate) blobs: usize,
    /// The bytes handed to the network for them, those sent again counted again.
    pub(crate) bytes: u64,
    /// Those that were there already.
    pub(crate) there: usize,
    /// Those that the registry took from other repositories of its own.
    pub(crate) mounted: usize,
    /// How often something was tried again.
    pub(crate) retries: usize,
}

impl Sent {
    /// Says it in a line.
    pub(crate) fn in_words(&self) -> String {
        let mut text = format!(
            "{} sent ({})",
            amounts::count(self.blobs, "blob"),
            amounts::size(self.bytes)
        );
        if self.there > 0 {
            let _ = write!(text, ", {} there already", self.there);
        }
        if self.mounted > 0 {
            let _ = write!(text, ", {} mounted", self.mounted);
        }
        if self.retries > 0 {
            let times = if self.retries == 1 { "retry" } else { "retries" };
            let _ = write!(text, ", {} {times}", self.retries);
        }
        text
    }
}

impl<'a> Board<'a> {
    /// Begins the activity of pushing to these repositories.
    pub(crate) fn begin(on_event: OnEvent<'a>, step: StepNumber, places: &[String]) -> Self {
        on_event(BuildEvent::Started {
            step,
            name: StepName::Activity(format!("pushing to {}", places.join(", "))),
        });
        Self {
            on_event,
            step,
            begun: Instant::now(),
            state: Mutex::new(State {
                several_places: places.len() > 1,
                ..State::default()
            }),
        }
    }

    /// Takes an event.
    pub(crate) fn take(&self, event: &PushEvent<'_>) {
        let mut state = self.state();
        let line = state.take(event);
        let progress = state.progress(line.is_some());
        drop(state);
        if let Some(line) = line {
            self.line(&line);
        }
        if let Some((what, current, total)) = progress {
            (self.on_event)(BuildEvent::Progress {
                step: self.step,
                what,
                current,
                total: Some(total),
            });
        }
    }

    /// Writes a line below the activity.
    pub(crate) fn line(&self, line: &str) {
        (self.on_event)(BuildEvent::Output {
            step: self.step,
            stream: OutputStream::Stderr,
            text: format!("{line}\n"),
        });
    }

    /// Ends the activity, if it has not ended, and returns what it came to.
    pub(crate) fn finish(&self, outcome: StepOutcome) -> Sent {
        let mut state = self.state();
        let sent = state.sent;
        if std::mem::replace(&mut state.ended, true) {
            return sent;
        }
        drop(state);
        (self.on_event)(BuildEvent::Finished {
            step: self.step,
            outcome,
            seconds: self.begun.elapsed().as_secs_f64(),
        });
        sent
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes what happened; returns a line about what a person wants to know of.
    fn take(&mut self, event: &PushEvent<'_>) -> Option<String> {
        let descriptor = event.descriptor;
        let place = place(event.repository);
        let mut name = short(descriptor);
        if self.several_places {
            name = format!("{place}@{name}");
        }
        let blob = self.blobs.entry((place, descriptor.digest)).or_default();
        blob.size = descriptor.size;
        match &event.what {
            PushStep::Sending { offset } => {
                self.handed_over += offset.saturating_sub(blob.offset);
                blob.offset = *offset;
                None
            }
            PushStep::Resumed { offset } => {
                blob.offset = *offset;
                Some(format!(
                    "{name} goes on at {} of {}",
                    amounts::size(*offset),
                    amounts::size(descriptor.size)
                ))
            }
            PushStep::There => {
                // A blob that this push brought is asked for again in another repository, or at the end.
                if blob.finish() {
                    self.sent.there += 1;
                }
                Some(format!("{name} is there already"))
            }
            PushStep::Mounted { from } => {
                blob.finish();
                self.sent.mounted += 1;
                Some(format!("{name} mounted from {from}"))
            }
            PushStep::Taken { sent } => {
                blob.finish();
                self.sent.blobs += 1;
                self.sent.bytes += sent;
                Some(format!("{name} arrived ({})", amounts::size(descriptor.size)))
            }
            PushStep::Retrying(retry) => {
                self.sent.retries += 1;
                Some(format!(
                    "{name}: {}; retry {} of {} in {}",
                    one_line(retry.problem),
                    retry.number,
                    retry.limit,
                    amounts::seconds(retry.wait.as_secs_f64())
                ))
            }
        }
    }

    /// Returns what to tell now, if it is time to.
    fn progress(&mut self, something_happened: bool) -> Option<(String, u64, u64)> {
        let now = Instant::now();
        let recently = self.told_at.is_some_and(|told| now - told < TOLD_EVERY);
        if recently && !something_happened {
            return None;
        }
        self.told_at = Some(now);
        let (mut current, mut total, mut done) = (0, 0, 0);
        for blob in self.blobs.values() {
            current += blob.offset;
            total += blob.size;
            done += usize::from(blob.done);
        }
        self.measure(now, self.handed_over);
        let rate = self
            .rate
            .map(|rate| format!(", {}/s", amounts::rounded_size(rate)));
        let what = format!(
            "{done} of {}{}:",
            amounts::count(self.blobs.len(), "blob"),
            rate.unwrap_or_default()
        );
        Some((what, current, total))
    }

    fn measure(&mut self, now: Instant, current: u64) {
        let Some((from, then)) = self.rate_from else {
            self.rate_from = Some((now, current));
            return;
        };
        let elapsed = now - from;
        if elapsed >= TOLD_EVERY {
            #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
            let bytes = current.saturating_sub(then) as f64;
            self.rate = Some(bytes / elapsed.as_secs_f64());
        }
        if elapsed >= RATE_OVER {
            self.rate_from = Some((now, current));
        }
    }
}

impl Blob {
    /// Notes that the blob is there; returns whether that is news.
    fn finish(&mut self) -> bool {
        self.offset = self.size;
        !std::mem::replace(&mut self.done, true)
    }
}

/// Returns the beginning of a digest, which is enough to tell the blobs of an image apart.
fn short(descriptor: &Descriptor) -> String {
    let hex = descriptor.digest.hex();
    format!("sha256:{}", &hex[..12.min(hex.len())])
}
