//! From a request to a graph: read the Dockerfile, look up what it names, lower, until everything is known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use lrops_dockerfile::check::{CheckOptions, check, lower_checked};
use lrops_dockerfile::emulation;
use lrops_dockerfile::instruction::Dockerfile;
use lrops_dockerfile::lower::{ImageRef, LowerInputs, Lowered, Resolved, Stages, outline, source_date_epoch};
use lrops_model::engine::BuildError;
use lrops_model::event::{BuildEvent, StepName, StepOutcome};
use lrops_model::finding::{Finding, Place, Severity};
use lrops_model::graph::{ContextOp, Graph, Op, StepId};
use lrops_model::platform::Platform;
use lrops_model::request::{
    BuildRequest, DirectoryContext, DockerfileText, EmulationPolicy, NamedContext, NestedBuild, named_context,
};
use lrops_model::timestamp::Timestamp;

use crate::images::{IMAGE_ACCESS_DENIED, IMAGE_NOT_REACHED, Images, ResolvedImage};
use crate::reporter::Reporter;

/// How deep contexts may be builds of their own. A configuration that needs more is a circle.
const NESTING_MAX: usize = 8;

/// What will be done for a request.
#[derive(Debug)]
pub struct Plan {
    /// The steps and the images.
    pub graph: Graph,
    /// What a person should know before it starts.
    pub findings: Vec<Finding>,
    /// `SOURCE_DATE_EPOCH`, where the request or the Dockerfile gives it.
    pub epoch: Option<Timestamp>,
    /// The directories that the graph's contexts mean.
    pub(crate) directories: BTreeMap<String, DirectoryContext>,
}

impl Plan {
    /// Returns whether a step runs programs of a platform that the build platform cannot run by itself.
    pub fn is_emulated(&self, request: &BuildRequest, id: StepId) -> bool {
        emulation::platform(&self.graph, &request.build_platform, id).is_some()
    }
}

/// Plans a request.
pub(crate) struct Planner<'a> {
    request: &'a BuildRequest,
    images: &'a Images<'a>,
    reporter: &'a Reporter<'a>,
    directories: Mutex<BTreeMap<String, DirectoryContext>>,
}

/// One Dockerfile among those of a request.
struct Source<'a> {
    dockerfile: &'a DockerfileText,
    target: Option<String>,
    platforms: Vec<Platform>,
    build_args: &'a BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    /// Lines of the ignore file of its context.
    ignore: &'a [String],
    main_context: String,
    /// Names that may not be looked up as contexts again: the builds that this one is nested in.
    inside: Vec<String>,
}

/// A Dockerfile lowered.
struct Lowering {
    graph: Graph,
    findings: Vec<Finding>,
    epoch: Option<Timestamp>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(request: &'a BuildRequest, images: &'a Images<'a>, reporter: &'a Reporter<'a>) -> Self {
        Self {
            request,
            images,
            reporter,
            directories: Mutex::default(),
        }
    }

    /// Returns the plan.
    ///
    /// # Errors
    /// Findings of the Dockerfile; images that cannot be had; emulation where it is denied.
    pub(crate) fn plan(self) -> Result<Plan, BuildError> {
        let Lowering {
            mut graph,
            mut findings,
            epoch,
        } = self.lower(&self.main_source())?;
        findings.extend(self.emulation_findings(&graph)?);
        emulation::mark(&mut graph, &self.request.build_platform);
        let directories = self
            .directories
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(Plan {
            graph,
            findings,
            epoch,
            directories,
        })
    }

    fn add_directory(&self, name: &str, directory: &DirectoryContext) {
        let mut directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        directories.insert(name.to_owned(), directory.clone());
    }

    /// Says what is wrong or doubtful in the Dockerfile, all stages included unless a target is asked for. Images that
    /// cannot be had are among the findings; where a registry cannot be asked that is no mistake of the Dockerfile.
    ///
    /// # Errors
    /// When the request was cancelled.
    pub(crate) fn check(self) -> Result<Vec<Finding>, BuildError> {
        let source = self.main_source();
        let (dockerfile, mut findings) = match read(source.dockerfile, source.build_args) {
            Ok(read) => read,
            Err(findings) => return Ok(findings),
        };
        let stages = if source.target.is_some() {
            Stages::Needed
        } else {
            Stages::All
        };
        let mut inputs = self.lower_inputs(&source);
        let mut missing: BTreeSet<ImageRef> = BTreeSet::new();
        loop {
            self.request.cancel.check()?;
            let checked = check(&dockerfile, &inputs, source.ignore, stages);
            let needs: Vec<_> = checked
                .needs
                .into_iter()
                .filter(|(image, _)| !missing.contains(image))
                .collect();
            if needs.is_empty() {
                findings.extend(checked.findings);
                findings.extend(emulation::findings(
                    &outline(&dockerfile, &inputs).graph,
                    self.request,
                ));
                return Ok(findings);
            }
            for (image, place) in needs {
                match self.resolve(&source, &image, &place) {
                    Ok(resolved) => {
                        inputs.images.insert(image, resolved);
                    }
                    Err(BuildError::Dockerfile { findings: more, .. }) => {
                        findings.extend(more.into_iter().map(not_looked_at));
                        missing.insert(image);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }

    fn main_source(&self) -> Source<'a> {
        let request = self.request;
        self.add_directory(ContextOp::MAIN, &request.context);
        Source {
            dockerfile: &request.dockerfile,
            target: request.target.clone(),
            platforms: request.platforms.clone(),
            build_args: &request.build_args,
            labels: request.labels.clone(),
            ignore: &request.context.ignore,
            main_context: ContextOp::MAIN.to_owned(),
            inside: Vec::new(),
        }
    }

    /// Lowers one Dockerfile, looking up what it needs until nothing is missing.
    fn lower(&self, source: &Source<'_>) -> Result<Lowering, BuildError> {
        let wrong = |findings| dockerfile_error(source.dockerfile, findings);
        let (dockerfile, mut findings) = read(source.dockerfile, source.build_args).map_err(wrong)?;
        let mut inputs = self.lower_inputs(source);
        let epoch = source_date_epoch(&dockerfile, &inputs).map(Timestamp);
        loop {
            self.request.cancel.check()?;
            match lower_checked(&dockerfile, &inputs, source.ignore).map_err(wrong)? {
                Lowered::Ready {
                    graph,
                    findings: more,
                } => {
                    findings.extend(more);
                    return Ok(Lowering {
                        graph,
                        findings,
                        epoch,
                    });
                }
                Lowered::Needs(needs) => inputs.images.extend(self.resolve_all(source, needs)?),
            }
        }
    }

    fn lower_inputs(&self, source: &Source<'_>) -> LowerInputs {
        let named_contexts = self.request.named_contexts.keys();
        let named_contexts = named_contexts
            .filter(|name| !source.inside.contains(name))
            .map(|name| name.to_lowercase());
        LowerInputs {
            file: source.dockerfile.name.clone(),
            text: source.dockerfile.text.clone(),
            target: source.target.clone(),
            platforms: source.platforms.clone(),
            build_platform: self.request.build_platform.clone(),
            build_args: source.build_args.clone(),
            labels: source.labels.clone(),
            network: self.request.network,
            main_context: source.main_context.clone(),
            named_contexts: named_contexts.collect(),
            images: BTreeMap::new(),
        }
    }

    /// Looks up several images at a time.
    fn resolve_all(
        &self,
        source: &Source<'_>,
        needs: Vec<(ImageRef, Place)>,
    ) -> Result<Vec<(ImageRef, Resolved)>, BuildError> {
        std::thread::scope(|scope| {
            let lookups: Vec<_> = needs
                .into_iter()
                .map(|(image, place)| {
                    (
                        scope.spawn({
                            let (image, place) = (image.clone(), place.clone());
                            move || self.resolve(source, &image, &place)
                        }),
                        image,
                    )
                })
                .collect();
            let mut resolved = Vec::new();
            let mut failure = None;
            for (lookup, image) in lookups {
                match lookup.join() {
                    Ok(Ok(found)) => resolved.push((image, found)),
                    Ok(Err(error)) => failure = failure.or(Some(error)),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            failure.map_or(Ok(resolved), Err)
        })
    }

    /// Finds out what a name means for a platform.
    fn resolve(&self, source: &Source<'_>, image: &ImageRef, place: &Place) -> Result<Resolved, BuildError> {
        if let Some((name, context)) = self.named_context(source, &image.name) {
            match context {
                NamedContext::Directory(directory) => {
                    self.add_directory(name, directory);
                    return Ok(Resolved::Directory {
                        context: name.to_owned(),
                    });
                }
                NamedContext::Dockerfile(nested) => return self.resolve_nested(source, name, nested, image),
                _ => {}
            }
        }
        let context = self
            .named_context(source, &image.name)
            .map(|(_, context)| context);
        let activity = self.reporter.start(StepName::Activity(format!(
            "[{} {}] resolving",
            image.name, image.platform
        )));
        let found = self
            .images
            .resolve(&image.name, context, &image.platform, &activity);
        match found {
            Ok(ResolvedImage { config, graph, root }) => {
                activity.finish(StepOutcome::Done);
                Ok(Resolved::Image {
                    config: Box::new(config),
                    graph,
                    root,
                })
            }
            Err(error) => {
                let message = error.to_string();
                activity.finish(StepOutcome::Failed { reason: message });
                Err(error.at(source.dockerfile, place))
            }
        }
    }

    /// Finds the context that a name in the Dockerfile means.
    fn named_context(&self, source: &Source<'_>, name: &str) -> Option<(&'a str, &'a NamedContext)> {
        named_context(&self.request.named_contexts, name, &source.inside)
    }

    /// Plans a context that is a build of its own, for the one platform that asks.
    fn resolve_nested(
        &self,
        source: &Source<'_>,
        name: &str,
        nested: &NestedBuild,
        image: &ImageRef,
    ) -> Result<Resolved, BuildError> {
        if source.inside.len() >= NESTING_MAX {
            let message =
                format!("the context {name:?} is nested in {NESTING_MAX} others; is there a circle?");
            return Err(BuildError::Request { message });
        }
        let main_context = format!("{name}:context");
        self.add_directory(&main_context, &nested.context);
        let mut inside = source.inside.clone();
        inside.push(name.to_owned());
        let nested_source = Source {
            dockerfile: &nested.dockerfile,
            target: nested.target.clone(),
            platforms: vec![image.platform.clone()],
            build_args: &nested.build_args,
            labels: BTreeMap::new(),
            ignore: &nested.context.ignore,
            main_context,
            inside,
        };
        let Lowering {
            mut graph, findings, ..
        } = self.lower(&nested_source)?;
        for finding in findings {
            self.reporter.finding(finding);
        }
        let plan = graph.images.pop().expect("one platform was asked for");
        for step in graph.steps.values_mut() {
            step.label.platforms.clear();
        }
        let mut config = plan.config;
        config.history = plan.base_history;
        let added = plan.history.into_iter().map(|entry| lrops_model::oci::History {
            created_by: entry.created_by,
            author: entry.author,
            comment: lrops_dockerfile::lower::HISTORY_COMMENT.to_owned(),
            empty_layer: entry.step.is_none(),
            created: None,
        });
        config.history.extend(added);
        Ok(Resolved::Image {
            config: Box::new(config),
            graph,
            root: plan.root,
        })
    }

    /// Says which steps would be emulated, and stops the build where that is denied.
    fn emulation_findings(&self, graph: &Graph) -> Result<Vec<Finding>, BuildError> {
        let request = self.request;
        let findings = emulation::findings(graph, request);
        let emulated = emulation::steps(graph, &request.build_platform).count();
        let steps = graph
            .order
            .iter()
            .map(|id| graph.step(*id))
            .filter(|step| is_shown(&step.op));
        self.reporter.event(BuildEvent::Planned {
            steps: count(steps.clone().count()),
            shared: count(steps.filter(|step| step.label.platforms.len() > 1).count()),
            emulated: count(emulated),
        });
        if self.request.emulation == EmulationPolicy::Deny && !findings.is_empty() {
            return Err(dockerfile_error(&self.request.dockerfile, findings));
        }
        Ok(findings)
    }
}

/// Returns whether people are shown an op as a step of its own.
pub fn is_shown(op: &Op) -> bool {
    !matches!(op, Op::Context(_) | Op::Merge(_))
}

/// What could not be asked for was not looked at, and may be right.
fn not_looked_at(finding: Finding) -> Finding {
    if finding.rule != IMAGE_NOT_REACHED && finding.rule != IMAGE_ACCESS_DENIED {
        return finding;
    }
    Finding {
        severity: Severity::Warning,
        message: format!("what starts from it was not looked at: {}", finding.message),
        ..finding
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Reads a Dockerfile; its own check options decide which warnings count.
fn read(
    text: &DockerfileText,
    build_args: &BTreeMap<String, String>,
) -> Result<(Dockerfile, Vec<Finding>), Vec<Finding>> {
    let (dockerfile, mut findings) = Dockerfile::parse(&text.text);
    match CheckOptions::of(&dockerfile, build_args) {
        Ok(options) => options.apply(&mut findings),
        Err(finding) => findings.push(finding),
    }
    let wrong = findings.iter().any(|finding| finding.severity == Severity::Error);
    if wrong {
        Err(findings)
    } else {
        Ok((dockerfile, findings))
    }
}

fn dockerfile_error(dockerfile: &DockerfileText, findings: Vec<Finding>) -> BuildError {
    BuildError::Dockerfile {
        name: dockerfile.name.clone(),
        text: dockerfile.text.clone(),
        findings,
    }
}
