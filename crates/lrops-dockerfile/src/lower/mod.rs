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
mod environment;
mod files;
mod history;
mod metadata;
mod paths;
mod rules;
mod run;
mod signal;
mod stage;
#[cfg(test)]
mod tests;

pub use history::HISTORY_COMMENT;

use std::collections::{BTreeMap, BTreeSet};

use lrops_model::finding::{Finding, Place, Severity};
use lrops_model::graph::{Graph, RunNetwork, StepId};
use lrops_model::oci::ImageConfig;
use lrops_model::platform::Platform;

use crate::instruction::Dockerfile;
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
    let mut graph = Graph::default();
    graph.texts.insert(inputs.file.clone(), inputs.text.clone());
    let mut needs: BTreeMap<ImageRef, Place> = BTreeMap::new();
    let mut findings = Vec::new();
    for platform in &inputs.platforms {
        let mut lowering = StageLowering::new(dockerfile, inputs, platform, &mut graph);
        let image = lowering.target_image();
        for finding in lowering.findings {
            // Every platform would repeat what all of them have in common.
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        needs.append(&mut lowering.needs);
        graph.images.extend(image);
    }
    if findings
        .iter()
        .any(|finding: &Finding| finding.severity == Severity::Error)
    {
        findings.sort_by_key(|finding| finding.place.as_ref().map_or(0, |place| place.span.start));
        return Err(findings);
    }
    if !needs.is_empty() {
        return Ok(Lowered::Needs(needs.into_iter().collect()));
    }
    Ok(Lowered::Ready { graph, findings })
}
