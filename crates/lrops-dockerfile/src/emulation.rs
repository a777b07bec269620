//! Steps that would run programs of a platform that the build platform cannot run by itself.

use std::collections::BTreeMap;

use lrops_model::finding::Finding;
use lrops_model::graph::{Graph, Op, StepId, StepLabel};
use lrops_model::platform::Platform;
use lrops_model::request::{BuildRequest, EmulationPolicy};

use crate::check::CheckOptions;
use crate::instruction::{Dockerfile, Instruction};

/// The rule of findings about steps that would be emulated.
pub const EMULATED_RUN: &str = "EmulatedRun";

/// Returns the platform whose programs a step would run under emulation, if it does.
pub fn platform<'g>(graph: &'g Graph, build_platform: &Platform, id: StepId) -> Option<&'g Platform> {
    match &graph.step(id).op {
        Op::Run(run) if !build_platform.runs_natively(&run.platform) => Some(&run.platform),
        _ => None,
    }
}

/// Returns the steps that would be emulated, each with its platform.
pub fn steps<'g>(
    graph: &'g Graph,
    build_platform: &Platform,
) -> impl Iterator<Item = (StepId, &'g Platform)> {
    let emulated = |id: &StepId| Some((*id, platform(graph, build_platform, *id)?));
    graph.order.iter().filter_map(emulated)
}

/// Marks the steps that would be emulated, for those who show them.
pub fn mark(graph: &mut Graph, build_platform: &Platform) {
    let emulated: Vec<StepId> = steps(graph, build_platform).map(|(id, _)| id).collect();
    for id in emulated {
        if let Some(step) = graph.steps.get_mut(&id) {
            step.label.emulated = true;
        }
    }
}

/// Says which steps would be emulated, with the cure: errors where the request denies it, nothing where it allows it.
///
/// `# check=skip=EmulatedRun` silences the warning. It does not make a request allow what it denies.
pub fn findings(graph: &Graph, request: &BuildRequest) -> Vec<Finding> {
    let mut files = Files {
        graph,
        request,
        read: BTreeMap::new(),
    };
    let finding = |(id, platform): (StepId, &Platform)| {
        let label = &graph.step(id).label;
        let message = format!(
            "this RUN runs {platform} programs on {}: they would be emulated, 10 to 35 times slower",
            request.build_platform
        );
        let finding = match request.emulation {
            EmulationPolicy::Allow => return None,
            EmulationPolicy::Warn if files.skips(label) => return None,
            EmulationPolicy::Warn => Finding::warning(EMULATED_RUN, message),
            EmulationPolicy::Deny => Finding::error(EMULATED_RUN, message),
        };
        let finding = finding.advise(format!(
            "give its stage {:?} FROM --platform=$BUILDPLATFORM and cross-compile, or COPY what it makes",
            label.stage
        ));
        Some(match &label.place {
            Some(place) if label.file == request.dockerfile.name => finding.at(place.clone()),
            _ => finding,
        })
    };
    steps(graph, &request.build_platform)
        .filter_map(finding)
        .collect()
}

/// The Dockerfiles that steps come from, read when one is asked about.
struct Files<'a> {
    graph: &'a Graph,
    request: &'a BuildRequest,
    read: BTreeMap<String, (Dockerfile, CheckOptions)>,
}

impl Files<'_> {
    /// Returns whether the Dockerfile of a step says that the rule is not reported there.
    fn skips(&mut self, label: &StepLabel) -> bool {
        let (dockerfile, options) = self.read.entry(label.file.clone()).or_insert_with(|| {
            let text = self.graph.texts.get(&label.file).map_or("", String::as_str);
            let (dockerfile, _) = Dockerfile::parse(text);
            // A directive that cannot be read is an error of its own.
            let options = CheckOptions::of(&dockerfile, &self.request.build_args).unwrap_or_default();
            (dockerfile, options)
        });
        let instructions = dockerfile.stages.iter().flat_map(|stage| &stage.instructions);
        let origin = instructions
            .map(Instruction::origin)
            .find(|origin| label.place.as_ref() == Some(&origin.place()));
        let comments = origin.map_or(&[][..], |origin| &origin.comments);
        !options.with_comments(comments).reports(EMULATED_RUN)
    }
}
