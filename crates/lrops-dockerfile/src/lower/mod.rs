//! Dockerfile to graph: what each stage does, for each target platform.
//!
//! Lowering is pure although an image's config decides how later lines expand: it returns [`Lowered::Needs`] with the
//! images that it has to know, and is called again with them. Platforms are lowered one after the other into one
//! graph, in which steps of the same identity are one step.
//!
//! Invariants:
//! - A stage that nothing needs is not lowered, and its images are not asked for.
//! - All mistakes of the stages that are needed come out at once, each with its place.
//! - What is not supported yet is an error at its place, never ignored.
//!
//! The rules are the Dockerfile reference's; where it is silent, `BuildKit`'s results decide.

mod arguments;
mod base;
mod circle;
mod contexts;
mod digests;
mod environment;
mod epoch;
mod files;
mod from_checks;
mod history;
mod metadata;
mod outline;
mod paths;
mod report;
mod rules;
mod run;
mod signal;
mod source;
mod stage;
mod state;
#[cfg(test)]
pub(crate) mod tests;

pub use history::HISTORY_COMMENT;
pub use outline::{Outline, outline};

use std::collections::{BTreeMap, BTreeSet};

use lrops_model::finding::{Finding, Place, Severity};
use lrops_model::graph::{Graph, RunNetwork, StepId};
use lrops_model::oci::ImageConfig;
use lrops_model::platform::Platform;

use crate::check::{CheckOptions, cross_findings, file_findings};
use crate::instruction::Dockerfile;
use crate::patterns::PathPatterns;
use digests::Pinned;
use stage::StageLowering;

/// What lowering has to know besides the Dockerfile.
#[derive(Clone, Debug)]
pub struct LowerInputs {
    /// The Dockerfile's name for messages.
    pub file: String,
    /// The Dockerfile's text, for places and excerpts.
    pub text: String,
    /// The stage asked for; the last one when absent.
    pub target: Option<String>,
    /// The target platforms.
    pub platforms: Vec<Platform>,
    /// The platform that tools run on.
    pub build_platform: Platform,
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// What commands see of the network, unless their line says otherwise.
    pub network: RunNetwork,
    /// The name of the build's own context in the graph.
    pub main_context: String,
    /// Names that contexts were given for: they replace stages and images of the same name.
    pub named_contexts: BTreeSet<String>,
    /// Images that are known already.
    pub images: BTreeMap<ImageRef, Resolved>,
}

/// An image that a Dockerfile names, and the platform it is needed for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageRef {
    /// The name after expansion, as written.
    pub name: String,
    /// The platform.
    pub platform: Platform,
}

/// What an [`ImageRef`] turned out to be.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// An image.
    Image {
        /// Its config.
        config: Box<ImageConfig>,
        /// The steps that make its file system: one [`lrops_model::graph::Op::Image`], or a whole build.
        graph: Graph,
        /// Its file system; `None` when it is empty.
        root: Option<StepId>,
    },
    /// A directory: a context of this name.
    Directory {
        /// The name of the context in the graph.
        context: String,
    },
}

/// The result of lowering.
#[derive(Debug)]
pub enum Lowered {
    /// Everything is known.
    Ready {
        /// The graph.
        graph: Graph,
        /// Warnings.
        findings: Vec<Finding>,
    },
    /// These images have to be known first; each with the place that names it.
    Needs(Vec<(ImageRef, Place)>),
}

/// Lowers a Dockerfile for every platform asked.
///
/// # Errors
/// All findings, of which at least one is an error.
pub fn lower(dockerfile: &Dockerfile, inputs: &LowerInputs) -> Result<Lowered, Vec<Finding>> {
    pass(dockerfile, inputs, &Scope::new(&[], Stages::Needed)).into_lowered()
}

/// Returns the seconds that `SOURCE_DATE_EPOCH` gives, on the command line or as an argument before the first `FROM`.
///
/// What is no number is looked into by [`lower`].
pub fn source_date_epoch(dockerfile: &Dockerfile, inputs: &LowerInputs) -> Option<i64> {
    let platform = inputs.platforms.first()?;
    let (mut graph, scope) = (Graph::default(), Scope::new(&[], Stages::Needed));
    let options = CheckOptions::default();
    let mut lowering = StageLowering::new(dockerfile, inputs, platform, &mut graph, &scope, &options);
    lowering.define_globals();
    lowering.epoch()?.parse().ok()
}

/// What is looked at.
pub(crate) struct Scope {
    /// What the ignore file leaves out of the main context; `None` when nothing is known to be.
    ignore: Option<PathPatterns>,
    stages: Stages,
}

/// Which stages are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stages {
    /// The target and what it needs.
    Needed,
    /// All.
    All,
}

impl Scope {
    /// Reads the lines of the ignore file. With a pattern that cannot be read, nothing is said about ignored files:
    /// whoever reads the context reports it.
    pub(crate) fn new(ignore: &[String], stages: Stages) -> Self {
        Self {
            ignore: PathPatterns::new(ignore).ok(),
            stages,
        }
    }
}

/// What one pass over the Dockerfile has come to.
pub(crate) struct Pass {
    graph: Graph,
    /// In the order of their places.
    pub(crate) findings: Vec<Finding>,
    pub(crate) needs: BTreeMap<ImageRef, Place>,
}

impl Pass {
    pub(crate) fn into_lowered(self) -> Result<Lowered, Vec<Finding>> {
        let is_error = |finding: &Finding| finding.severity == Severity::Error;
        if self.findings.iter().any(is_error) {
            return Err(self.findings);
        }
        if !self.needs.is_empty() {
            return Ok(Lowered::Needs(self.needs.into_iter().collect()));
        }
        Ok(Lowered::Ready {
            graph: self.graph,
            findings: self.findings,
        })
    }
}

/// Goes over the Dockerfile once for each platform.
pub(crate) fn pass(dockerfile: &Dockerfile, inputs: &LowerInputs, scope: &Scope) -> Pass {
    let mut pass = Pass {
        graph: Graph::default(),
        findings: Vec::new(),
        needs: BTreeMap::new(),
    };
    pass.graph.texts.insert(inputs.file.clone(), inputs.text.clone());
    let options = match CheckOptions::of(dockerfile, &inputs.build_args) {
        Ok(options) => options,
        Err(finding) => {
            pass.findings.push(finding);
            return pass;
        }
    };
    pass.findings = file_findings(dockerfile, &options);
    pass.findings.extend(cross_findings(
        &inputs.text,
        dockerfile,
        &inputs.platforms,
        &options,
    ));
    let mut pinned = Pinned::default();
    for platform in &inputs.platforms {
        let mut lowering = StageLowering::new(dockerfile, inputs, platform, &mut pass.graph, scope, &options);
        let image = lowering.target_image();
        for finding in lowering.findings {
            // Every platform would repeat what all of them have in common.
            if !pass.findings.contains(&finding) {
                pass.findings.push(finding);
            }
        }
        pinned.append(lowering.pinned);
        pass.needs.append(&mut lowering.needs);
        pass.graph.images.extend(image);
    }
    pass.findings.extend(pinned.findings());
    pass.findings
        .sort_by_key(|finding| finding.place.as_ref().map_or(0, |place| place.span.start));
    if pass.needs.is_empty() {
        pass.findings.extend(options.violation(&pass.findings));
    }
    pass
}
