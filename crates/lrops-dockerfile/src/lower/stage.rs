//! Stages: where each starts, what its lines do one after the other, and the image that the target stage makes.

use std::collections::BTreeMap;
use std::rc::Rc;

use lrops_model::finding::{Finding, Place};
use lrops_model::graph::{
    ContextOp, CopyInstruction, CopyOp, CopySource, Graph, HistoryPlan, ImagePlan, Op, Step, StepId,
    StepLabel,
};
use lrops_model::oci::{History, ImageConfig};
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;

use super::environment::{Environment, split};
use super::{ImageRef, LowerInputs, Resolved, arguments, rules};
use crate::instruction::{Dockerfile, Instruction, Origin, Stage, parse_trigger, suggestion};
use crate::syntax::Word;
use crate::words::{Escapes, Expander, Quotes, UnsetVariables};

/// The search path of an image whose config sets none; what Docker and `BuildKit` take.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The image that is nothing.
const SCRATCH: &str = "scratch";

/// Lowers the stages that one target platform needs.
pub(super) struct StageLowering<'a> {
    pub(super) dockerfile: &'a Dockerfile,
    pub(super) inputs: &'a LowerInputs,
    pub(super) target: &'a Platform,
    pub(super) graph: &'a mut Graph,
    pub(super) globals: Environment,
    /// Stages that were lowered, by number; `None` while one waits for an image or is wrong.
    done: BTreeMap<usize, Option<Rc<StageState>>>,
    pub(super) needs: BTreeMap<ImageRef, Place>,
    pub(super) findings: Vec<Finding>,
}

/// What a stage has come to after some of its lines.
#[derive(Clone, Debug)]
pub(super) struct StageState {
    /// The stage's number.
    pub(super) index: usize,
    /// The stage's name for people.
    pub(super) name: String,
    /// The file system.
    pub(super) root: Option<StepId>,
    /// A context that stands in the stage's place.
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
    /// Whether this stage set `CMD`.
    pub(super) cmd_is_set: bool,
    /// `ONBUILD` triggers that this stage declares, to be run by stages that start from it.
    pub(super) triggers: Vec<String>,
    /// How many steps were lowered, and how many there are.
    pub(super) position: u32,
    pub(super) total: u32,
}

impl<'a> StageLowering<'a> {
    pub(super) fn new(
        dockerfile: &'a Dockerfile,
        inputs: &'a LowerInputs,
        target: &'a Platform,
        graph: &'a mut Graph,
    ) -> Self {
        let last = dockerfile.stages.last().and_then(|stage| stage.name.as_deref());
        let target_stage = inputs.target.as_deref().or(last).unwrap_or("default");
        let globals = arguments::predefined(&inputs.build_platform, target, target_stage, &inputs.build_args);
        let mut lowering = Self {
            dockerfile,
            inputs,
            target,
            graph,
            globals,
            done: BTreeMap::new(),
            needs: BTreeMap::new(),
            findings: Vec::new(),
        };
        lowering.define_globals();
        lowering
    }

    /// Lowers the target stage and what it needs; `None` while images are missing or when something is wrong.
    pub(super) fn target_image(&mut self) -> Option<ImagePlan> {
        let index = self.target_index()?;
        let state = self.stage(index)?;
        let mut config = state.config.clone();
        config.config.labels.extend(self.inputs.labels.clone());
        config.os.clone_from(&self.target.os);
        config.architecture.clone_from(&self.target.architecture);
        config.variant.clone_from(&self.target.variant);
        Some(ImagePlan {
            platform: self.target.clone(),
            root: state.root,
            config,
            base_history: state.base_history.clone(),
            history: state.history.clone(),
        })
    }

    /// Reads the arguments before the first `FROM`.
    fn define_globals(&mut self) {
        for arg in &self.dockerfile.global_args {
            for definition in &arg.definitions {
                let Some(name) = self.expand_with(&definition.name, &self.globals.clone()) else {
                    continue;
                };
                let given = self.inputs.build_args.get(&name).cloned();
                let default = || {
                    let value = definition.value.as_ref()?;
                    self.expand_with(value, &self.globals.clone())
                };
                let value = given.or_else(default);
                if let Some(value) = value {
                    self.globals.set(&name, &value);
                }
            }
        }
    }

    fn target_index(&mut self) -> Option<usize> {
        let stages = &self.dockerfile.stages;
        let Some(name) = &self.inputs.target else {
            return stages.len().checked_sub(1);
        };
        let found = self.stage_index(name, stages.len());
        if found.is_none() {
            let names: Vec<&str> = stages.iter().filter_map(|stage| stage.name.as_deref()).collect();
            let message = format!("target stage {name:?} could not be found");
            let finding = Finding::error(rules::UNKNOWN_STAGE, message);
            self.findings.push(match suggestion(name, &names) {
                Some(close) => finding.advise(format!("did you mean {close}?")),
                None => finding.advise(format!("the stages are: {}", names.join(", "))),
            });
        }
        found
    }

    /// Finds a stage among the first `before` ones by its name, whatever its case, or by its number.
    fn stage_index(&self, name: &str, before: usize) -> Option<usize> {
        let stages = &self.dockerfile.stages[..before];
        let lower = name.to_lowercase();
        let by_name = stages
            .iter()
            .rposition(|stage| stage.name.as_deref() == Some(lower.as_str()));
        by_name.or_else(|| name.parse().ok().filter(|index| *index < before))
    }

    /// Returns a stage, lowering it the first time.
    pub(super) fn stage(&mut self, index: usize) -> Option<Rc<StageState>> {
        if let Some(done) = self.done.get(&index) {
            return done.clone();
        }
        let errors = self.findings.len();
        let state = self.lower_stage(index);
        // A stage with mistakes is not to be built on, but what it names was collected.
        let state = state.filter(|_| self.findings.len() == errors).map(Rc::new);
        self.done.insert(index, state.clone());
        state
    }

    fn lower_stage(&mut self, index: usize) -> Option<StageState> {
        let stage = &self.dockerfile.stages[index];
        if let Some(name) = stage
            .name
            .as_ref()
            .filter(|name| self.inputs.named_contexts.contains(*name))
        {
            let platform = self.stage_platform(stage)?;
            let word = stage.from.name.as_ref().unwrap_or(&stage.from.image);
            return self.image_state(stage, name, &platform, &word.span.clone());
        }
        let mut state = self.base_state(stage)?;
        let triggers = self.triggers(&mut state, stage);
        state.total += count_steps(triggers.iter()) + count_steps(stage.instructions.iter());
        if let (1, Some(root)) = (state.position, state.root) {
            let label = state.label(&self.inputs.file, &stage.from.origin.text, &stage.from.origin);
            self.relabel(root, label);
        }
        for instruction in &triggers {
            self.instruction(&mut state, instruction, Trigger::Yes);
        }
        for instruction in &stage.instructions {
            self.instruction(&mut state, instruction, Trigger::No);
        }
        Some(state)
    }

    /// What the stage starts from.
    fn base_state(&mut self, stage: &Stage) -> Option<StageState> {
        let base = self.expand_with(&stage.from.image, &self.globals.clone())?;
        if base.is_empty() {
            let message = format!("base name ({}) should not be blank", stage.from.image);
            let advice = "give the ARG that it is made of a default, or pass it with --build-arg";
            self.error(
                rules::INVALID_FROM,
                message,
                &stage.from.image.span,
                Some(advice.to_owned()),
            );
            return None;
        }
        let platform = self.stage_platform(stage)?;
        // Here the case counts, as in BuildKit: the names of stages are kept in small letters, the base's is not.
        let earlier = self.dockerfile.stages[..stage.index].iter();
        let earlier = earlier
            .rev()
            .find(|earlier| earlier.name.as_deref() == Some(base.as_str()));
        if let Some(earlier) = earlier {
            let parent = self.stage(earlier.index)?;
            return Some(inherit(&parent, stage));
        }
        if base == SCRATCH {
            return Some(empty_state(stage, self.target));
        }
        self.image_state(stage, &base, &platform, &stage.from.image.span)
    }

    fn stage_platform(&mut self, stage: &Stage) -> Option<Platform> {
        let Some(word) = &stage.from.platform else {
            return Some(self.target.clone());
        };
        let text = self.expand_with(word, &self.globals.clone())?;
        if text.is_empty() {
            let message = format!("empty platform value from expression {word}");
            let names: Vec<&str> = self
                .globals
                .pairs()
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            let close = suggestion(word.text.trim_matches(['$', '{', '}']), &names);
            let advice = close.map(|close| format!("did you mean ${close}?"));
            self.error(rules::INVALID_PLATFORM, message, &word.span, advice);
            return None;
        }
        match text.parse() {
            Ok(platform) => Some(platform),
            Err(error) => {
                let message = format!("failed to parse platform {word}: {error}");
                self.error(rules::INVALID_PLATFORM, message, &word.span, None);
                None
            }
        }
    }

    /// A stage that starts from an image or a named context.
    fn image_state(
        &mut self,
        stage: &Stage,
        name: &str,
        platform: &Platform,
        span: &std::ops::Range<usize>,
    ) -> Option<StageState> {
        let resolved = self.resolve(name, platform, span)?;
        let mut state = empty_state(stage, platform);
        match resolved {
            Resolved::Directory { context } => {
                state.root = Some(self.directory_root(&context, platform));
                state.directory = Some(context);
            }
            Resolved::Image { config, graph, root } => {
                self.adopt(&graph);
                self.warn_of_other_platform(name, platform, &config, span);
                state.root = root;
                state.base_history = config.history.clone();
                state.config = *config;
                state.config.history.clear();
                state.config.rootfs.diff_ids.clear();
                state.config.created = None;
                state.start_from_config();
            }
        }
        state.total = 1;
        state.position = 1;
        Some(state)
    }

    /// Returns what a name means, or remembers that it has to be found out.
    pub(super) fn resolve(
        &mut self,
        name: &str,
        platform: &Platform,
        span: &std::ops::Range<usize>,
    ) -> Option<Resolved> {
        let image = ImageRef {
            name: name.to_owned(),
            platform: platform.clone(),
        };
        if let Some(resolved) = self.inputs.images.get(&image) {
            return Some(resolved.clone());
        }
        if !self.inputs.named_contexts.contains(name)
            && let Err(error) = name.parse::<Reference>()
        {
            let names: Vec<&str> = self
                .dockerfile
                .stages
                .iter()
                .filter_map(|stage| stage.name.as_deref())
                .collect();
            let advice = suggestion(name, &names).map(|close| format!("did you mean the stage {close}?"));
            let message = format!("failed to parse stage name {name:?}: invalid reference format: {error}");
            self.error(rules::INVALID_FROM, message, span, advice);
            return None;
        }
        let place = self.place(span);
        self.needs.entry(image).or_insert(place);
        None
    }

    /// Brings the steps of a resolved image into the graph.
    fn adopt(&mut self, other: &Graph) {
        for id in &other.order {
            self.graph.add(other.step(*id).clone(), self.target);
        }
        self.graph.texts.extend(other.texts.clone());
    }

    /// Names the step of a base after the stage that starts from it, unless another stage did so before, or it
    /// belongs to a nested build.
    fn relabel(&mut self, root: StepId, label: StepLabel) {
        if let Some(step) = self.graph.steps.get_mut(&root)
            && step.label.file.is_empty()
        {
            let platforms = std::mem::take(&mut step.label.platforms);
            step.label = StepLabel { platforms, ..label };
        }
    }

    /// A context as a file system: all its files copied into nothing.
    fn directory_root(&mut self, context: &str, platform: &Platform) -> StepId {
        let source = self.context_step(context);
        let op = Op::Copy(CopyOp {
            sources: vec![CopySource::Path {
                input: 0,
                pattern: "/".to_owned(),
            }],
            destination: "/".to_owned(),
            owner: None,
            mode: None,
            exclude: Vec::new(),
            unpack: false,
            link: true,
            instruction: CopyInstruction::Copy,
        });
        let label = StepLabel {
            stage_platform: Some(platform.clone()),
            ..StepLabel::default()
        };
        self.graph.add(
            Step {
                op,
                inputs: vec![Some(source)],
                label,
            },
            self.target,
        )
    }

    /// Returns the step that stands for a context.
    pub(super) fn context_step(&mut self, name: &str) -> StepId {
        let op = Op::Context(ContextOp {
            name: name.to_owned(),
        });
        let label = StepLabel {
            instruction: format!("load context {name}"),
            ..StepLabel::default()
        };
        self.graph.add(
            Step {
                op,
                inputs: Vec::new(),
                label,
            },
            self.target,
        )
    }

    fn warn_of_other_platform(
        &mut self,
        name: &str,
        platform: &Platform,
        config: &ImageConfig,
        span: &std::ops::Range<usize>,
    ) {
        let found = config.platform();
        let same = found.os == platform.os && found.architecture == platform.architecture;
        if config.os.is_empty() || same {
            return;
        }
        let message = format!(
            "Base image {name} was pulled with platform {:?}, expected {:?} for current build",
            found.to_string(),
            platform.to_string()
        );
        let place = self.place(span);
        self.findings
            .push(Finding::warning(rules::BASE_PLATFORM, message).at(place));
    }

    /// The triggers that the base brings along, parsed.
    fn triggers(&mut self, state: &mut StageState, stage: &Stage) -> Vec<Instruction> {
        let texts = std::mem::take(&mut state.config.config.on_build);
        let mut instructions = Vec::new();
        for text in texts {
            match parse_trigger(&text) {
                Ok(instruction) => instructions.push(instruction),
                Err(finding) => {
                    let message = format!("the trigger {text:?} of the base image: {}", finding.message);
                    self.error(
                        rules::INVALID_TRIGGER,
                        message,
                        &stage.from.image.span,
                        finding.advice,
                    );
                }
            }
        }
        instructions
    }

    /// Finds what `--from` names: a stage before this one, a context, or an image. Returns the step of its files.
    pub(super) fn source(
        &mut self,
        state: &StageState,
        name: &str,
        span: &std::ops::Range<usize>,
    ) -> Option<Option<StepId>> {
        if let Ok(index) = name.parse::<usize>()
            && index >= self.dockerfile.stages.len()
        {
            self.error(
                rules::UNKNOWN_STAGE,
                format!("invalid stage index {index}"),
                span,
                None,
            );
            return None;
        }
        if let Some(index) = self.stage_index(name, self.dockerfile.stages.len()) {
            if index >= state.index {
                let message = format!(
                    "cannot copy from stage {name:?}, it needs to be defined before current stage {:?}",
                    state.name
                );
                self.error(
                    rules::UNKNOWN_STAGE,
                    message,
                    span,
                    Some("move that stage up".to_owned()),
                );
                return None;
            }
            let source = self.stage(index)?;
            return Some(match &source.directory {
                Some(context) => Some(self.context_step(&context.clone())),
                None => source.root,
            });
        }
        if name == SCRATCH {
            return Some(None);
        }
        match self.resolve(name, &self.target.clone(), span)? {
            Resolved::Directory { context } => Some(Some(self.context_step(&context))),
            Resolved::Image { graph, root, .. } => {
                self.adopt(&graph);
                if let Some(root) = root {
                    let instruction = format!("FROM {name}");
                    let place = Some(self.place(span));
                    let file = self.inputs.file.clone();
                    self.relabel(
                        root,
                        StepLabel {
                            stage: name.to_owned(),
                            instruction,
                            file,
                            place,
                            ..StepLabel::default()
                        },
                    );
                }
                Some(root)
            }
        }
    }

    fn instruction(&mut self, state: &mut StageState, instruction: &Instruction, trigger: Trigger) {
        match instruction {
            Instruction::Add(add) => self.add(state, add, trigger),
            Instruction::Copy(copy) => self.copy(state, copy, trigger),
            Instruction::Run(run) => self.run(state, run, trigger),
            Instruction::Workdir(workdir) => self.workdir(state, workdir, trigger),
            other => self.metadata(state, other),
        }
    }

    // What the instructions share.

    /// Expands a word with the variables of a stage.
    pub(super) fn expand(&mut self, state: &StageState, word: &Word) -> Option<String> {
        self.expand_with(word, &state.environment)
    }

    /// Expands a word with these variables; a mistake becomes a finding at its place.
    fn expand_with(&mut self, word: &Word, variables: &Environment) -> Option<String> {
        let expander = Expander::new(self.dockerfile.directives.escape);
        match expander.expand(&word.text, &|name| variables.get(name)) {
            Ok(expanded) => Some(expanded.text),
            Err(error) => {
                let message = format!("failed to process {:?}: {}", word.text, error.problem);
                self.error(rules::BAD_WORD, message, &word.span, None);
                None
            }
        }
    }

    /// Returns the instruction as people see it: with the variables that have a value in place.
    pub(super) fn display(&self, state: &StageState, origin: &Origin) -> String {
        let expander = Expander {
            escape: self.dockerfile.directives.escape,
            quotes: Quotes::Keep,
            escapes: Escapes::Keep,
            unset: UnsetVariables::Keep,
        };
        let text = match expander.expand(&origin.text, &|name| state.environment.get(name)) {
            Ok(expanded) => expanded.text,
            Err(_) => origin.text.clone(),
        };
        let keyword = origin.keyword.text.len().min(text.len());
        format!("{}{}", text[..keyword].to_uppercase(), &text[keyword..])
    }

    pub(super) fn place(&self, span: &std::ops::Range<usize>) -> Place {
        let text = self.graph.texts.get(&self.inputs.file);
        let line = text.map_or(0, |text| {
            let before = &text.as_bytes()[..span.start.min(text.len())];
            before.iter().filter(|byte| **byte == b'\n').count()
        });
        Place {
            span: span.clone(),
            line: u32::try_from(line).unwrap_or(u32::MAX).saturating_add(1),
        }
    }

    pub(super) fn error(
        &mut self,
        rule: &'static str,
        message: impl Into<String>,
        span: &std::ops::Range<usize>,
        advice: Option<String>,
    ) {
        let finding = Finding::error(rule, message).at(self.place(span));
        self.findings.push(match advice {
            Some(advice) => finding.advise(advice),
            None => finding,
        });
    }

    /// Reports something that the reference has and lrops has not yet.
    pub(super) fn not_yet(&mut self, what: &str, span: &std::ops::Range<usize>) {
        self.error(
            rules::NOT_YET,
            format!("{what} is not supported yet by the embedded engine"),
            span,
            None,
        );
    }
}

/// Whether an instruction came from an image's `ONBUILD`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// It did.
    Yes,
    /// It stands in the Dockerfile.
    No,
}

impl StageState {
    /// Takes over variables from the config, and makes sure that there is a search path.
    fn start_from_config(&mut self) {
        let has_path = self.config.config.env.iter().any(|line| split(line).0 == "PATH");
        if !has_path && self.platform.os != "windows" {
            self.config.config.env.push(format!("PATH={DEFAULT_PATH}"));
        }
        self.environment = Environment::default();
        for line in &self.config.config.env {
            let (name, value) = split(line);
            self.environment.set(name, value);
        }
        if self.config.config.working_dir.is_empty() {
            "/".clone_into(&mut self.config.config.working_dir);
        }
    }

    /// Counts a step and returns what people see of it.
    pub(super) fn next_label(&mut self, file: &str, instruction: &str, origin: &Origin) -> StepLabel {
        self.position += 1;
        self.label(file, instruction, origin)
    }

    fn label(&self, file: &str, instruction: &str, origin: &Origin) -> StepLabel {
        StepLabel {
            stage: self.name.clone(),
            position: self.position,
            total: self.total,
            instruction: instruction.to_owned(),
            file: file.to_owned(),
            place: Some(origin.place()),
            platforms: Vec::new(),
            stage_platform: Some(self.platform.clone()),
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

fn empty_state(stage: &Stage, platform: &Platform) -> StageState {
    let config = ImageConfig {
        os: platform.os.clone(),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone(),
        ..ImageConfig::default()
    };
    let mut state = StageState {
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
        cmd_is_set: false,
        triggers: Vec::new(),
        position: 0,
        total: 0,
    };
    state.start_from_config();
    state
}

/// A stage that starts from another stage goes on where that one ended, and runs its `ONBUILD` triggers.
fn inherit(parent: &StageState, stage: &Stage) -> StageState {
    let mut state = parent.clone();
    state.index = stage.index;
    state.name = stage_name(stage);
    state.config.config.on_build = std::mem::take(&mut state.triggers);
    state.cmd_is_set = false;
    state.position = 0;
    state.total = 0;
    state
}

fn stage_name(stage: &Stage) -> String {
    let written = stage.from.name.as_ref().map(|name| name.text.clone());
    written.unwrap_or_else(|| format!("stage-{}", stage.index))
}

fn count_steps<'i>(instructions: impl Iterator<Item = &'i Instruction>) -> u32 {
    let steps = instructions.filter(|instruction| {
        matches!(
            instruction,
            Instruction::Add(_) | Instruction::Copy(_) | Instruction::Run(_) | Instruction::Workdir(_)
        )
    });
    u32::try_from(steps.count()).unwrap_or(u32::MAX)
}
