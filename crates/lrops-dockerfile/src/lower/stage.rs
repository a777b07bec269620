//! Stages: what their lines do one after the other, and the image that the target stage makes.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use lrops_model::finding::{Finding, Place};
use lrops_model::graph::{Graph, ImagePlan};
use lrops_model::oci::ImageConfig;
use lrops_model::platform::Platform;

use super::base::Base;
use super::contexts::is_named_context;
use super::digests::Pinned;
use super::environment::Environment;
use super::report::{Spot, SpotSource};
use super::source::From;
use super::state::{StageState, count_steps};
use super::{ImageRef, LowerInputs, Scope, Stages, arguments, rules};
use crate::check::CheckOptions;
use crate::instruction::{Dockerfile, Instruction, Stage, suggestion};
use crate::syntax::{LineIndex, quoted};

/// Lowers the stages that one target platform needs.
pub(super) struct StageLowering<'a> {
    pub(super) dockerfile: &'a Dockerfile,
    pub(super) inputs: &'a LowerInputs,
    pub(super) target: &'a Platform,
    pub(super) graph: &'a mut Graph,
    pub(super) scope: &'a Scope,
    pub(super) options: &'a CheckOptions,
    pub(super) lines: LineIndex<'a>,
    pub(super) globals: Environment,
    /// What each stage starts from; `None` where that is wrong.
    pub(super) bases: Vec<Option<Base>>,
    /// Stages that copy from each other in a circle, or from such ones: that has been reported.
    pub(super) circular: BTreeSet<usize>,
    /// Stages that were lowered, by number; `None` while one waits for an image or is wrong.
    done: BTreeMap<usize, Option<Rc<StageState>>>,
    pub(super) needs: BTreeMap<ImageRef, Place>,
    /// Images that are taken by the digest of another platform's manifest.
    pub(super) pinned: Pinned,
    pub(super) findings: Vec<Finding>,
    /// How many of the findings are errors.
    pub(super) errors: usize,
    pub(super) spot: Spot,
}

impl<'a> StageLowering<'a> {
    pub(super) fn new(
        dockerfile: &'a Dockerfile,
        inputs: &'a LowerInputs,
        target: &'a Platform,
        graph: &'a mut Graph,
        scope: &'a Scope,
        options: &'a CheckOptions,
    ) -> Self {
        Self {
            dockerfile,
            inputs,
            target,
            graph,
            scope,
            options,
            lines: LineIndex::new(&inputs.text),
            globals: Environment::default(),
            bases: Vec::new(),
            circular: BTreeSet::new(),
            done: BTreeMap::new(),
            needs: BTreeMap::new(),
            pinned: Pinned::default(),
            findings: Vec::new(),
            errors: 0,
            spot: Spot {
                place: Place { span: 0..0, line: 1 },
                options: options.clone(),
                source: SpotSource::File,
            },
        }
    }

    /// Lowers the target stage and what it needs; `None` while images are missing or when something is wrong.
    pub(super) fn target_image(&mut self) -> Option<ImagePlan> {
        self.define_globals();
        self.read_bases();
        self.find_circle();
        self.check_epoch();
        let target = self.target_index();
        if self.scope.stages == Stages::All {
            for index in 0..self.dockerfile.stages.len() {
                self.stage(index);
            }
        }
        let mut state = self.stage(target?)?.as_ref().clone();
        self.fill_replaced(&mut state);
        let mut config = state.config.clone();
        config.config.labels.extend(self.inputs.labels.clone());
        set_platform(&mut config, self.target);
        Some(ImagePlan {
            platform: self.target.clone(),
            root: state.root,
            config,
            base_history: state.base_history,
            history: state.history,
        })
    }

    /// Reads the arguments before the first `FROM`. Their names are not expanded.
    pub(super) fn define_globals(&mut self) {
        self.globals = arguments::predefined(
            &self.inputs.build_platform,
            self.target,
            self.target_stage(),
            &self.inputs.build_args,
        );
        for arg in &self.dockerfile.global_args {
            for definition in &arg.definitions {
                let name = definition.name.as_str();
                let value = match (self.inputs.build_args.get(name), &definition.value) {
                    (Some(given), _) => Some(given.clone()),
                    (None, Some(default)) => {
                        let globals = self.globals.clone();
                        self.expand_with(default, &globals).map(|expanded| expanded.text)
                    }
                    (None, None) => None,
                };
                if let Some(value) = value {
                    self.globals.set(name, &value);
                }
            }
        }
    }

    /// The name of the target for `TARGETSTAGE`.
    pub(super) fn target_stage(&self) -> &'a str {
        let last = self.dockerfile.stages.last();
        let last = last.and_then(|stage| stage.name.as_deref());
        self.inputs.target.as_deref().or(last).unwrap_or("default")
    }

    fn target_index(&mut self) -> Option<usize> {
        let stages = &self.dockerfile.stages;
        if stages.is_empty() {
            let finding = Finding::error(rules::NO_STAGE, "dockerfile contains no stages to build");
            self.report_error(finding.advise("a stage begins with FROM"));
            return None;
        }
        let Some(name) = &self.inputs.target else {
            return Some(stages.len() - 1);
        };
        let numbered = || name.parse().ok().filter(|index| *index < stages.len());
        let found = self.stage_named(name).or_else(numbered);
        if found.is_none() {
            let names: Vec<&str> = stages.iter().filter_map(|stage| stage.name.as_deref()).collect();
            let message = format!("target stage {} could not be found", quoted(name));
            let finding = Finding::error(rules::UNKNOWN_STAGE, message);
            self.report_error(match suggestion(name, &names) {
                Some(close) => finding.advise(format!("did you mean {close}?")),
                None if names.is_empty() => finding.advise("no stage has a name; write FROM image AS name"),
                None => finding.advise(format!("the stages are: {}", names.join(", "))),
            });
        }
        found
    }

    /// Finds a stage by its name, whatever its case; of equal names the last.
    pub(super) fn stage_named(&self, name: &str) -> Option<usize> {
        let lower = name.to_lowercase();
        self.dockerfile
            .stages
            .iter()
            .rposition(|stage| stage.name.as_deref() == Some(lower.as_str()))
    }

    /// Returns a stage, lowering it the first time.
    pub(super) fn stage(&mut self, index: usize) -> Option<Rc<StageState>> {
        if let Some(done) = self.done.get(&index) {
            return done.clone();
        }
        let errors = self.errors;
        let dockerfile = self.dockerfile;
        let stage = &dockerfile.stages[index];
        let spot = self.stage_spot(stage);
        let outer = std::mem::replace(&mut self.spot, spot);
        let state = self.lower_stage(stage);
        self.spot = outer;
        // A stage with mistakes is not to be built on, but what it names was collected.
        let state = state.filter(|_| self.errors == errors).map(Rc::new);
        self.done.insert(index, state.clone());
        state
    }

    fn lower_stage(&mut self, stage: &Stage) -> Option<StageState> {
        if let Some(name) = &stage.name
            && is_named_context(&self.inputs.named_contexts, name)
        {
            return self.replaced_stage(stage, name);
        }
        let Some(mut state) = self.base_state(stage) else {
            self.look_ahead(stage);
            return None;
        };
        let triggers = self.triggers(&mut state, stage);
        state.total += count_steps(triggers.iter()) + count_steps(stage.instructions.iter());
        if let (1, Some(root)) = (state.position, state.root) {
            let place = self.spot.place.clone();
            let label = state.label(&self.inputs.file, &stage.from.origin.text, place);
            self.relabel(root, label);
        }
        for instruction in &triggers {
            self.instruction(&mut state, instruction, SpotSource::Trigger);
        }
        for instruction in &stage.instructions {
            self.instruction(&mut state, instruction, SpotSource::File);
        }
        Some(state)
    }

    /// Collects what the lines of a stage copy from while its base is not known, so that all is looked up at once.
    /// What is wrong with them is reported with the other mistakes, when the base is known.
    fn look_ahead(&mut self, stage: &Stage) {
        for instruction in &stage.instructions {
            match instruction {
                Instruction::Copy(copy) => {
                    if let Some(from) = &copy.from {
                        self.expect_source(stage.index, From::Copy(&from.text), &from.span);
                    }
                }
                Instruction::Run(run) => {
                    for mount in &run.mounts {
                        if let Some(name) = mount.from() {
                            let from = From::Mount { name, target: "" };
                            self.expect_source(stage.index, from, &mount.text.span);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn instruction(&mut self, state: &mut StageState, instruction: &Instruction, source: SpotSource) {
        let origin = instruction.origin();
        let spot = Spot {
            place: match source {
                SpotSource::File => origin.place(),
                SpotSource::Trigger => self.spot.place.clone(),
            },
            options: self.options.with_comments(&origin.comments),
            source,
        };
        let outer = std::mem::replace(&mut self.spot, spot);
        match instruction {
            Instruction::Add(add) => self.add(state, add),
            Instruction::Copy(copy) => self.copy(state, copy),
            Instruction::Run(run) => self.run(state, run),
            Instruction::Workdir(workdir) => self.workdir(state, workdir),
            other => self.metadata(state, other),
        }
        self.spot = outer;
    }

    pub(super) fn stage_spot(&self, stage: &Stage) -> Spot {
        Spot {
            place: stage.from.origin.place(),
            options: self.options.with_comments(&stage.from.origin.comments),
            source: SpotSource::File,
        }
    }
}

/// Sets the platform of the result. What the base says of its variant and version stays where the target has the same
/// operating system and architecture and says nothing.
fn set_platform(config: &mut ImageConfig, target: &Platform) {
    let same = config.os == target.os && config.architecture == target.architecture;
    let own = config.platform().variant;
    config.os.clone_from(&target.os);
    config.architecture.clone_from(&target.architecture);
    config.variant.clone_from(&target.variant);
    if same {
        config.variant = config.variant.take().or(own);
    } else {
        config.os_version = None;
    }
}
