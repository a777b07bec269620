//! One step of a build: found among the results of earlier builds, or executed.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use lrops_model::cancel::CancelToken;
use lrops_model::engine::{BuildError, StepError, StepFailure};
use lrops_model::event::{StepName, StepOutcome};
use lrops_model::graph::{Op, Step, StepId};
use lrops_model::oci::Descriptor;
use lrops_model::platform::Platform;
use lrops_model::request::BuildRequest;
use lrops_model::timestamp::Timestamp;
use lrops_sandbox::trial::{Attempt, attempt};
use lrops_sandbox::{SnapshotId, Snapshotter};
use lrops_store::records::StepRecord;
use lrops_store::store::Store;
use lrops_store::tree::OwnerStyle;

use crate::build::EngineSettings;
use crate::contexts::Contexts;
use crate::emulator::{self, NoEmulation};
use crate::images::Images;
use crate::keys::{CacheKey, KeyBuilder};
use crate::ops;
use crate::plan::Plan;
use crate::reporter::{Activity, Reporter};

/// What a step came to.
#[derive(Clone, Debug)]
pub(crate) struct StepResult {
    /// Stands for the content in the keys of the steps that use it.
    pub(crate) key: CacheKey,
    /// The files.
    pub(crate) files: Files,
    /// Files older than this keep their own times in layers; see [`StepRecord::keeps_times_before`].
    pub(crate) keeps_times_before: Option<Timestamp>,
}

impl StepResult {
    /// Returns the result of a step whose files, if any, the build made.
    pub(crate) fn new(key: CacheKey, files: Files) -> Self {
        Self {
            key,
            files,
            keeps_times_before: None,
        }
    }
}

/// Where a step's files are.
#[derive(Clone, Debug)]
pub(crate) enum Files {
    /// There are none: `FROM scratch`.
    Nothing,
    /// In a snapshot.
    Snapshot(SnapshotId),
    /// In a context of this name.
    Context(String),
}

/// Where the times of a step's files come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileTimes {
    /// From the build, or from a context: in layers they are replaced, or the image would differ each time.
    Made,
    /// From archives and images, which say them: in layers they stay.
    Kept,
}

impl FileTimes {
    /// Returns what holds of two sources together.
    pub(crate) fn and(self, other: Self) -> Self {
        if self == Self::Kept { other } else { Self::Made }
    }
}

/// All that steps need to run.
pub(crate) struct Execution<'a> {
    pub(crate) settings: &'a EngineSettings<'a>,
    pub(crate) request: &'a BuildRequest,
    pub(crate) plan: &'a Plan,
    pub(crate) images: &'a Images<'a>,
    pub(crate) contexts: &'a Contexts,
    pub(crate) reporter: &'a Reporter<'a>,
    pub(crate) owner_style: OwnerStyle,
    pub(crate) cancel: CancelToken,
    /// Whether a sandbox can have a table of binary formats; tried when the first emulated command is met.
    table: OnceLock<Attempt>,
    results: Mutex<BTreeMap<StepId, StepResult>>,
}

impl<'a> Execution<'a> {
    pub(crate) fn new(
        settings: &'a EngineSettings<'a>,
        request: &'a BuildRequest,
        plan: &'a Plan,
        images: &'a Images<'a>,
        contexts: &'a Contexts,
        reporter: &'a Reporter<'a>,
        owner_style: OwnerStyle,
    ) -> Self {
        let cancel = request.cancel.child();
        let results = Mutex::default();
        Self {
            settings,
            request,
            plan,
            images,
            contexts,
            reporter,
            owner_style,
            cancel,
            table: OnceLock::new(),
            results,
        }
    }

    /// Returns how a platform's programs are emulated.
    ///
    /// # Errors
    /// When they cannot be.
    pub(crate) fn emulation(&self, platform: &Platform) -> Result<emulator::Means, NoEmulation> {
        let table = self.table.get_or_init(|| match attempt(self.store().root()) {
            Ok(trial) => trial.emulation,
            Err(error) => Attempt::Fails {
                message: chain(&error),
            },
        });
        emulator::means(platform, &self.request.emulators, table)
    }

    pub(crate) fn store(&self) -> &'a Store {
        self.settings.store
    }

    pub(crate) fn snapshotter(&self) -> &'a dyn Snapshotter {
        self.settings.snapshotter
    }

    /// Returns the result of a step that ran before; nothing for an input that is empty.
    pub(crate) fn result(&self, id: Option<StepId>) -> StepResult {
        match id {
            Some(id) => self.results()[&id].clone(),
            None => StepResult::new(KeyBuilder::new("nothing.v1").finish(), Files::Nothing),
        }
    }

    /// Returns the results of all inputs of a step.
    pub(crate) fn inputs(&self, step: &Step) -> Vec<StepResult> {
        step.inputs.iter().map(|input| self.result(*input)).collect()
    }

    fn results(&self) -> MutexGuard<'_, BTreeMap<StepId, StepResult>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings a step to its result. All its inputs have theirs.
    pub(crate) fn run(&self, id: StepId) -> Result<(), BuildError> {
        let step = self.plan.graph.step(id);
        let result = match &step.op {
            // Nothing is done for these two, so people are told nothing.
            Op::Context(context) => Ok(ops::context::result(context)),
            Op::Merge(_) => ops::merge::result(self, step).map_err(|cause| self.failed(step, cause, None)),
            _ => self.run_shown(step),
        }?;
        self.results().insert(id, result);
        Ok(())
    }

    /// Finds the result of a step without making it; returns whether it is there. What depends on a missing result is
    /// missing too, as far as can be known before it is made.
    pub(crate) fn look_up(&self, id: StepId) -> bool {
        let step = self.plan.graph.step(id);
        let known = step
            .inputs
            .iter()
            .flatten()
            .all(|input| self.results().contains_key(input));
        if !known {
            return false;
        }
        let found = match &step.op {
            Op::Context(context) => Some(ops::context::result(context)),
            Op::Image(image) => ops::image::look_up(self, image),
            Op::Merge(_) => ops::merge::look_up(self, step),
            _ => self.look_up_record(step),
        };
        match found {
            Some(result) => self.results().insert(id, result).is_none(),
            None => false,
        }
    }

    fn look_up_record(&self, step: &Step) -> Option<StepResult> {
        if !self.request.cache.allows(&step.label.stage) {
            return None;
        }
        let inputs = self.inputs(step);
        let definition = ops::definition_key(self, step, &inputs).ok()?;
        self.recorded(definition)
    }

    fn run_shown(&self, step: &Step) -> Result<StepResult, BuildError> {
        let activity = self.reporter.start(StepName::Step(step.label.clone()));
        let outcome = match &step.op {
            Op::Image(image) => ops::image::result(self, image, &activity),
            _ => self.cached(step, &activity),
        };
        match outcome {
            Ok((result, outcome)) => {
                activity.finish(outcome);
                Ok(result)
            }
            Err(_) if self.cancel.is_cancelled() => {
                activity.finish(StepOutcome::Cancelled);
                Err(lrops_model::cancel::Cancelled.into())
            }
            Err(cause) => {
                let error = self.failed(step, cause, Some(&activity));
                activity.finish(StepOutcome::Failed {
                    reason: error.to_string(),
                });
                Err(error)
            }
        }
    }

    /// Looks for a result: by what the step is, then by what its inputs hold; and executes it when there is none.
    fn cached(&self, step: &Step, activity: &Activity<'_>) -> Result<(StepResult, StepOutcome), StepFailure> {
        let inputs = self.inputs(step);
        let allowed = self.request.cache.allows(&step.label.stage);
        let definition = ops::definition_key(self, step, &inputs)?;
        if allowed && let Some(result) = self.recorded(definition) {
            return Ok((result, StepOutcome::Cached));
        }
        let content = ops::content_key(self, step, &inputs)?.unwrap_or(definition);
        if allowed
            && content != definition
            && let Some(result) = self.recorded(content)
        {
            self.record_alias(definition, content)?;
            return Ok((result, StepOutcome::Cached));
        }
        let records = self.store().records();
        let _guard = records
            .lock(&content.0, &self.cancel)
            .map_err(|error| internal("failed to wait for another build that runs the same step", error))?;
        // Another process may have done it in the meantime.
        if allowed && let Some(result) = self.recorded(content) {
            self.record_alias(definition, content)?;
            return Ok((result, StepOutcome::Cached));
        }
        let snapshot = self.new_snapshot_id(content);
        let times = ops::execute(self, step, &inputs, &snapshot, activity)?;
        let keeps_times_before = (times == FileTimes::Kept).then_some(self.request.now);
        // A step that was done again although its result was there has new content under the same key: what uses it
        // must not find results that were made with the old one.
        let key = if allowed {
            content
        } else {
            KeyBuilder::new("again.v1")
                .key(Some(content))
                .field(snapshot.as_str())
                .finish()
        };
        let record = StepRecord {
            snapshot: snapshot.as_str().to_owned(),
            created: self.request.now,
            description: step.label.instruction.clone(),
            content: Some(key.0),
            keeps_times_before,
            layers: BTreeMap::new(),
            size: self.snapshotter().size(&snapshot).unwrap_or(0),
        };
        records
            .put(&content.0, &record)
            .map_err(|error| internal("failed to record the step", error))?;
        self.record_alias(definition, content)?;
        let files = Files::Snapshot(snapshot);
        Ok((
            StepResult {
                key,
                files,
                keeps_times_before,
            },
            StepOutcome::Done,
        ))
    }

    /// Returns the result that is recorded under a key, if its snapshot is still there.
    fn recorded(&self, key: CacheKey) -> Option<StepResult> {
        let record: StepRecord = self.store().records().get(&key.0)?;
        let snapshot: SnapshotId = record.snapshot.parse().ok()?;
        if !self.snapshotter().contains(&snapshot) {
            return None;
        }
        self.store().records().touch(&key.0, self.request.now);
        let key = record.content.map_or(key, CacheKey);
        let keeps_times_before = record.keeps_times_before;
        Some(StepResult {
            key,
            files: Files::Snapshot(snapshot),
            keeps_times_before,
        })
    }

    /// Records the result of `content` under what the step is too, so that the next look need not read the inputs.
    fn record_alias(&self, definition: CacheKey, content: CacheKey) -> Result<(), StepFailure> {
        if definition == content {
            return Ok(());
        }
        let records = self.store().records();
        if let Some(record) = records.get::<StepRecord>(&content.0) {
            records
                .put(&definition.0, &record)
                .map_err(|error| internal("failed to record the step", error))?;
        }
        Ok(())
    }

    /// Returns an identity that no snapshot has yet: results under one key differ when the step was done again.
    fn new_snapshot_id(&self, key: CacheKey) -> SnapshotId {
        let unique = KeyBuilder::new("snapshot.v1")
            .key(Some(key))
            .field(self.settings.build_id.as_bytes())
            .finish();
        unique
            .0
            .hex()
            .parse()
            .expect("a digest's digits are a snapshot's identity")
    }

    /// Adds to a failure what a person needs to see.
    fn failed(&self, step: &Step, cause: StepFailure, activity: Option<&Activity<'_>>) -> BuildError {
        let text = self.plan.graph.texts.get(&step.label.file);
        BuildError::Step(Box::new(StepError {
            label: step.label.clone(),
            dockerfile: text.map(|text| (step.label.file.clone(), text.clone())),
            cause,
            output_tail: activity.map(Activity::tail).unwrap_or_default(),
            log: activity.and_then(Activity::log),
        }))
    }
}

/// A layer of an image: its blob and its diff ID.
pub(crate) type Layer = (Descriptor, lrops_model::digest::DiffId);

/// Returns a failure that the user did not cause.
pub(crate) fn internal(message: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> StepFailure {
    StepFailure::Internal {
        message: message.to_owned(),
        source: source.into(),
    }
}

/// Returns an error with its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
