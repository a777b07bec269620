//! What happens in a build, as data. Renderers and logs are readers of one stream of [`BuildEvent`].

use std::time::Duration;

use serde::Serialize;

use crate::finding::Finding;
use crate::graph::StepLabel;
use crate::oci::Descriptor;
use crate::platform::Platform;

/// A number that names a step (or other activity) of a running build to people: `#5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct StepNumber(pub u32);

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum BuildEvent {
    /// What will be done is known.
    Planned {
        /// How many steps there are.
        steps: u32,
        /// How many of them serve more than one target platform.
        shared: u32,
        /// How many run programs under emulation.
        emulated: u32,
    },
    /// A step, or an activity around the steps (a base, an export), began.
    Started {
        /// Its number.
        step: StepNumber,
        /// What it is.
        name: StepName,
    },
    /// How far a step is.
    Progress {
        /// Its number.
        step: StepNumber,
        /// What is being done.
        what: String,
        /// How much is done, in bytes.
        current: u64,
        /// How much there is, in bytes, when known.
        total: Option<u64>,
    },
    /// A step's command wrote something.
    Output {
        /// Its number.
        step: StepNumber,
        /// Where it wrote to.
        stream: OutputStream,
        /// What it wrote; bytes that are no UTF-8 are replaced.
        text: String,
    },
    /// A step ended.
    Finished {
        /// Its number.
        step: StepNumber,
        /// How.
        outcome: StepOutcome,
        /// How long it took.
        seconds: f64,
    },
    /// Something that a person should know.
    Found {
        /// The finding.
        finding: Finding,
    },
    /// A blob that the image will consist of is in the store, while other steps may still run.
    Layer {
        /// The blob.
        descriptor: Descriptor,
    },
    /// An image is complete.
    Image {
        /// Its platform; `None` for the index.
        platform: Option<Platform>,
        /// Its manifest or index.
        descriptor: Descriptor,
    },
}

/// What a numbered activity is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// A step of the graph.
    Step(StepLabel),
    /// Anything else, as text: `exporting layers`.
    Activity(String),
}

/// Where a command wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// It was done.
    Done,
    /// Its result was there already.
    Cached,
    /// It failed.
    Failed {
        /// Why, in one line.
        reason: String,
    },
    /// The build was stopped before it ended.
    Cancelled,
}

/// Takes events as they happen, from several threads.
pub type OnEvent<'a> = &'a (dyn Fn(BuildEvent) + Send + Sync);

/// Returns a duration as the seconds that events carry.
pub fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
