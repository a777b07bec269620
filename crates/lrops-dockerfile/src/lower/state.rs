//! What a stage has come to after some of its lines.

use lrops_model::finding::Place;
use lrops_model::graph::{HistoryPlan, StepId, StepLabel};
use lrops_model::oci::{History, ImageConfig, RunConfig};
use lrops_model::platform::Platform;

use super::environment::{Environment, split};
use super::paths;
use crate::instruction::{Instruction, Stage};

/// The search path of an image whose config sets none; what Docker and `BuildKit` take.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a stage has come to after some of its lines.
#[derive(Clone, Debug)]
pub(super) struct StageState {
    /// The stage's number.
    pub(super) index: usize,
    /// The stage's name for people.
    pub(super) name: String,
    /// The file system.
    pub(super) root: Option<StepId>,
    /// A context that stands in the stage's place: who copies from the stage reads it directly.
    pub(super) directory: Option<String>,
    /// The image's config so far.
    pub(super) config: ImageConfig,
    /// What commands see: the config's `ENV`, and the stage's arguments.
    pub(super) environment: Environment,
    /// The arguments that the stage declared, in order.
    pub(super) build_args: Vec<(String, Option<String>)>,
    /// The platform whose programs run here.
    pub(super) platform: Platform,
    /// History of the base image.
    pub(super) base_history: Vec<History>,
    /// History since.
    pub(super) history: Vec<HistoryPlan>,
    /// `ONBUILD` triggers that this stage declares, to be run by stages that start from it.
    pub(super) triggers: Vec<String>,
    /// How many steps were lowered, and how many there are.
    pub(super) position: u32,
    pub(super) total: u32,
    /// Whether the Dockerfile set the working directory, here or in a stage that this one starts from.
    pub(super) workdir_is_set: bool,
    /// Where this stage set what only counts once.
    pub(super) cmd: Option<Place>,
    pub(super) entrypoint: Option<Place>,
    pub(super) healthcheck: Option<Place>,
}

impl StageState {
    /// A stage that starts from nothing.
    pub(super) fn empty(stage: &Stage, platform: &Platform) -> Self {
        let mut config = ImageConfig {
            os: platform.os.clone(),
            architecture: platform.architecture.clone(),
            variant: platform.variant.clone(),
            ..ImageConfig::default()
        };
        "/".clone_into(&mut config.config.working_dir);
        let mut state = Self {
            index: stage.index,
            name: stage_name(stage),
            root: None,
            directory: None,
            config,
            environment: Environment::default(),
            build_args: Vec::new(),
            platform: platform.clone(),
            base_history: Vec::new(),
            history: Vec::new(),
            triggers: Vec::new(),
            position: 0,
            total: 0,
            workdir_is_set: false,
            cmd: None,
            entrypoint: None,
            healthcheck: None,
        };
        state.start_from_config();
        state
    }

    /// Goes on from an image.
    pub(super) fn start_from_image(&mut self, root: Option<StepId>, config: ImageConfig) {
        self.root = root;
        self.config = config;
        // A context that is `scratch` begins as `FROM scratch` does.
        if root.is_none() && self.config.config == RunConfig::default() {
            "/".clone_into(&mut self.config.config.working_dir);
        }
        self.base_history = std::mem::take(&mut self.config.history);
        self.config.rootfs.diff_ids.clear();
        self.config.created = None;
        self.environment = Environment::default();
        self.start_from_config();
    }

    /// A stage that starts from another one goes on where that one ended, and runs the triggers it declared.
    pub(super) fn inherit(&self, stage: &Stage) -> Self {
        let mut state = self.clone();
        state.index = stage.index;
        state.name = stage_name(stage);
        state.config.config.on_build = std::mem::take(&mut state.triggers);
        state.position = 0;
        state.total = 0;
        state.cmd = None;
        state.entrypoint = None;
        state.healthcheck = None;
        state.start_from_config();
        state
    }

    /// Makes sure that there is a search path, and sets the config's variables: a stage sees them even where an
    /// argument of the stage before had covered one.
    fn start_from_config(&mut self) {
        let has_path = self.config.config.env.iter().any(|line| split(line).0 == "PATH");
        if !has_path && self.platform.os != "windows" {
            self.config.config.env.push(format!("PATH={DEFAULT_PATH}"));
        }
        for line in &self.config.config.env {
            let (name, value) = split(line);
            self.environment.set(name, value);
        }
        let directory = &mut self.config.config.working_dir;
        if !directory.is_empty() {
            *directory = paths::working_directory(&self.platform.os, "/", directory);
        }
    }

    /// Returns the working directory for what runs here: absolute and clean.
    pub(super) fn working_directory(&self) -> String {
        let directory = &self.config.config.working_dir;
        if self.platform.os == "windows" {
            paths::join("/", &paths::from_windows(directory))
        } else {
            paths::join("/", directory)
        }
    }

    /// Counts a step and returns what people see of it.
    pub(super) fn next_label(&mut self, file: &str, instruction: &str, place: Place) -> StepLabel {
        self.position += 1;
        self.label(file, instruction, place)
    }

    /// Returns what people see of the step at the stage's position.
    pub(super) fn label(&self, file: &str, instruction: &str, place: Place) -> StepLabel {
        StepLabel {
            stage: self.name.clone(),
            position: self.position,
            total: self.total,
            instruction: instruction.to_owned(),
            file: file.to_owned(),
            place: Some(place),
            platforms: Vec::new(),
            stage_platform: Some(self.platform.clone()),
            emulated: false,
        }
    }

    /// Adds an entry to the history.
    pub(super) fn record(&mut self, created_by: String, step: Option<StepId>) {
        let author = self.config.author.clone();
        self.history.push(HistoryPlan {
            created_by,
            author,
            step,
        });
    }
}

/// The stage's name as it was written, or its number in words.
pub(super) fn stage_name(stage: &Stage) -> String {
    let written = stage.from.name.as_ref().map(|name| name.text.clone());
    written.unwrap_or_else(|| format!("stage-{}", stage.index))
}

/// Counts the instructions that make steps.
pub(super) fn count_steps<'i>(instructions: impl Iterator<Item = &'i Instruction>) -> u32 {
    let steps = instructions.filter(|instruction| {
        matches!(
            instruction,
            Instruction::Add(_) | Instruction::Copy(_) | Instruction::Run(_) | Instruction::Workdir(_)
        )
    });
    u32::try_from(steps.count()).unwrap_or(u32::MAX)
}
