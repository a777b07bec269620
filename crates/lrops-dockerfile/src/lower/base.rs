//! What a stage starts from: another stage, an image, a named context, nothing.

use std::ops::Range;

use lrops_model::graph::{
    ContextOp, CopyInstruction, CopyOp, CopySource, Graph, Op, Step, StepId, StepLabel,
};
use lrops_model::oci::ImageConfig;
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;

use super::contexts::is_named_context;
use super::stage::StageLowering;
use super::state::StageState;
use super::{ImageRef, Resolved, rules};
use crate::check::rules as checks;
use crate::instruction::{Instruction, Stage, parse_trigger, suggestion};
use crate::syntax::{Word, quoted};

/// The image that is nothing.
pub(super) const SCRATCH: &str = "scratch";

/// What a `FROM` says, expanded.
#[derive(Clone, Debug)]
pub(super) struct Base {
    /// The stage, image or context.
    pub(super) name: String,
    /// `--platform`; the target's when absent.
    pub(super) platform: Option<Platform>,
}

impl StageLowering<'_> {
    /// Reads all `FROM` lines, those of stages that nothing needs too.
    pub(super) fn read_bases(&mut self) {
        let dockerfile = self.dockerfile;
        for stage in &dockerfile.stages {
            self.spot = self.stage_spot(stage);
            let base = self.read_base(stage);
            self.bases.push(base);
        }
        self.check_default_bases();
    }

    fn read_base(&mut self, stage: &Stage) -> Option<Base> {
        let name = self.base_name(stage);
        let asked = stage.from.platform.as_ref();
        let platform = asked.map(|word| self.base_platform(stage, word));
        Some(Base {
            name: name?,
            platform: match platform {
                Some(platform) => Some(platform?),
                None => None,
            },
        })
    }

    fn base_name(&mut self, stage: &Stage) -> Option<String> {
        let globals = self.globals.clone();
        let expanded = self.expand_with(&stage.from.image, &globals)?;
        self.warn_of_undeclared(&expanded.unset);
        if expanded.text.is_empty() {
            let message = format!("base name ({}) should not be blank", stage.from.image);
            let advice = "give the ARG that it is made of a default, or pass it with --build-arg".to_owned();
            self.error(rules::INVALID_FROM, message, &stage.from.image.span, Some(advice));
            return None;
        }
        Some(expanded.text)
    }

    fn base_platform(&mut self, stage: &Stage, word: &Word) -> Option<Platform> {
        let globals = self.globals.clone();
        let expanded = self.expand_with(word, &globals)?;
        self.check_platform(stage, word, &expanded);
        let names = self.globals.names();
        let close = expanded.unset.iter().find_map(|name| suggestion(name, &names));
        let close = close
            .map(|close| format!(" (did you mean {close}?)"))
            .unwrap_or_default();
        if expanded.text.is_empty() {
            let message = format!("empty platform value from expression {word}{close}");
            self.error(rules::INVALID_PLATFORM, message, &word.span, None);
            return None;
        }
        match expanded.text.parse::<Platform>() {
            Ok(platform) => Some(platform),
            Err(error) => {
                let problem = platform_problem(&expanded.text).unwrap_or_else(|| error.to_string());
                let message = format!("failed to parse platform {word}: {problem}{close}");
                self.error(rules::INVALID_PLATFORM, message, &word.span, None);
                None
            }
        }
    }

    /// Returns the state that a stage begins with; `None` while it is not known, or wrong.
    pub(super) fn base_state(&mut self, stage: &Stage) -> Option<StageState> {
        let base = self.bases[stage.index].clone()?;
        // Here the case counts, as in BuildKit: the names of stages are kept in small letters, the base's is not.
        let earlier = self.dockerfile.stages[..stage.index].iter();
        let earlier = earlier
            .rev()
            .find(|earlier| earlier.name.as_deref() == Some(base.name.as_str()));
        if let Some(earlier) = earlier {
            let parent = self.stage(earlier.index)?;
            let mut state = parent.inherit(stage);
            self.fill_replaced(&mut state);
            return Some(state);
        }
        if base.name == SCRATCH {
            return Some(StageState::empty(stage, self.target));
        }
        let platform = base.platform.unwrap_or_else(|| self.target.clone());
        let mut state = self.image_state(stage, &base.name, &platform, &stage.from.image.span)?;
        self.fill(&mut state);
        Some(state)
    }

    /// A stage in whose place a named context stands: none of its lines count, nor the triggers of an image.
    pub(super) fn replaced_stage(&mut self, stage: &Stage, name: &str) -> Option<StageState> {
        let base = self.bases[stage.index].clone()?;
        let platform = base.platform.unwrap_or_else(|| self.target.clone());
        let word = stage.from.name.as_ref().unwrap_or(&stage.from.image);
        let mut state = self.image_state(stage, name, &platform, &word.span)?;
        state.config.config.on_build.clear();
        if let Some(root) = state.root {
            self.relabel_from(root, &state, name);
        }
        Some(state)
    }

    /// Gives a stage that is a directory the files of the directory. A stage that is only copied from needs no copy.
    pub(super) fn fill(&mut self, state: &mut StageState) {
        if let Some(context) = state.directory.take() {
            let root = self.directory_root(&context, &state.platform);
            state.root = Some(root);
            state.record(format!("FROM {context}"), Some(root));
        }
    }

    /// The same for a stage that a context stands in the place of: its step is named after it.
    pub(super) fn fill_replaced(&mut self, state: &mut StageState) {
        let name = state.directory.clone();
        self.fill(state);
        if let (Some(name), Some(root)) = (name, state.root) {
            self.relabel_from(root, state, &name);
        }
    }

    fn relabel_from(&mut self, root: StepId, state: &StageState, name: &str) {
        let place = self.spot.place.clone();
        let label = state.label(&self.inputs.file, &format!("FROM {name}"), place);
        self.relabel(root, label);
    }

    /// A stage that starts from an image or a named context.
    fn image_state(
        &mut self,
        stage: &Stage,
        name: &str,
        platform: &Platform,
        span: &Range<usize>,
    ) -> Option<StageState> {
        let resolved = self.resolve(name, platform, span)?;
        let mut state = StageState::empty(stage, platform);
        match resolved {
            Resolved::Directory { context } => {
                state.directory = Some(context);
            }
            Resolved::Image { config, graph, root } => {
                self.adopt(&graph);
                self.warn_of_other_platform(name, platform, &config);
                self.note_digest(name, platform, &config);
                state.start_from_image(root, *config);
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
        span: &Range<usize>,
    ) -> Option<Resolved> {
        let image = ImageRef {
            name: name.to_owned(),
            platform: platform.clone(),
        };
        if let Some(resolved) = self.inputs.images.get(&image) {
            return Some(resolved.clone());
        }
        if !self.can_be_resolved(name)
            && let Err(error) = name.parse::<Reference>()
        {
            let stages = self.dockerfile.stages.iter();
            let names: Vec<&str> = stages.filter_map(|stage| stage.name.as_deref()).collect();
            let advice = suggestion(name, &names).map(|close| format!("did you mean the stage {close}?"));
            let name = quoted(name);
            let message = format!("failed to parse stage name {name}: invalid reference format: {error}");
            self.error(rules::INVALID_FROM, message, span, advice);
            return None;
        }
        let place = self.place(span);
        self.needs.entry(image).or_insert(place);
        None
    }

    /// Returns whether a name is one that a context or an image can have.
    pub(super) fn can_be_resolved(&self, name: &str) -> bool {
        is_named_context(&self.inputs.named_contexts, name) || name.parse::<Reference>().is_ok()
    }

    /// Brings the steps of a resolved image into the graph.
    pub(super) fn adopt(&mut self, other: &Graph) {
        for id in &other.order {
            self.graph.add(other.step(*id).clone(), self.target);
        }
        self.graph.texts.extend(other.texts.clone());
    }

    /// Names the step of a base after the stage that starts from it, unless another stage did so before, or it
    /// belongs to a nested build.
    pub(super) fn relabel(&mut self, root: StepId, label: StepLabel) {
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
        let inputs = vec![Some(source)];
        self.graph.add(Step { op, inputs, label }, self.target)
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
        let inputs = Vec::new();
        self.graph.add(Step { op, inputs, label }, self.target)
    }

    fn warn_of_other_platform(&mut self, name: &str, platform: &Platform, config: &ImageConfig) {
        let found = config.platform();
        let same = found.os == platform.os && found.architecture == platform.architecture;
        if config.os.is_empty() || same {
            return;
        }
        let message = format!(
            "Base image {name} was pulled with platform \"{found}\", expected \"{platform}\" for current build"
        );
        self.warn(checks::INVALID_BASE_IMAGE_PLATFORM, message);
    }

    /// The triggers that the base brings along, parsed.
    pub(super) fn triggers(&mut self, state: &mut StageState, stage: &Stage) -> Vec<Instruction> {
        let texts = std::mem::take(&mut state.config.config.on_build);
        let mut instructions = Vec::new();
        for text in texts {
            match parse_trigger(&text) {
                Ok(instruction) => instructions.push(instruction),
                Err(finding) => {
                    let message = format!(
                        "the trigger {} of the base image: {}",
                        quoted(&text),
                        finding.message
                    );
                    let span = &stage.from.image.span;
                    self.error(rules::INVALID_TRIGGER, message, span, finding.advice);
                }
            }
        }
        instructions
    }
}

/// What is wrong with a platform, as containerd words it.
fn platform_problem(text: &str) -> Option<String> {
    let is_word = |part: &&str| {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        !part.is_empty() && part.bytes().all(word)
    };
    let whole = quoted(text);
    if let Some(part) = text.split('/').find(|part| !is_word(part)) {
        let part = quoted(part);
        return Some(format!(
            "{part} is an invalid component of {whole}: platform specifier component must match \
             \"^[A-Za-z0-9_.-]+$\": invalid argument"
        ));
    }
    (!text.contains('/'))
        .then(|| format!("{whole}: unknown operating system or architecture: invalid argument"))
}
