//! Which contexts a request's Dockerfiles use and for which platforms, told without looking at any image.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lrops_buildx::NeededContext;
use lrops_dockerfile::emulation;
use lrops_dockerfile::instruction::Dockerfile;
use lrops_dockerfile::lower::{LowerInputs, Outline, outline};
use lrops_model::finding::Finding;
use lrops_model::graph::{ContextOp, Graph, StepLabel};
use lrops_model::platform::Platform;
use lrops_model::request::{BuildRequest, DockerfileText, NamedContext, named_context};
use lrops_store::exchange::ExchangeName;

use crate::failure::Failure;

/// How deep contexts may be builds of their own. A configuration that needs more is a circle.
const NESTING_MAX: usize = 8;

/// How a `RUN` line mounts the host's certificate authorities.
const HOST_CA_MOUNT: &str = "id=host-ca";

/// What a request's Dockerfiles come to.
pub(crate) struct Outlined {
    /// The contexts that are used.
    pub(crate) needs: Vec<NeededContext>,
    /// The steps of the request's own Dockerfile.
    pub(crate) graph: Graph,
    /// What those steps are called, and where they stand.
    pub(crate) labels: Vec<StepLabel>,
    /// Whether a `RUN` mounts the host's certificate authorities.
    pub(crate) mounts_host_ca: bool,
}

/// Makes the directory through which a context comes to the store.
type Exchange<'a> = &'a dyn Fn(&ExchangeName) -> Result<PathBuf, Failure>;

impl Outlined {
    /// Outlines a request.
    ///
    /// # Errors
    /// When contexts go round in a circle; when a directory for a context cannot be made.
    pub(crate) fn of(request: &BuildRequest, exchange: Exchange<'_>) -> Result<Self, Failure> {
        let mut outliner = Outliner {
            request,
            exchange,
            mounts_host_ca: false,
        };
        let outline = outliner.outline(
            &request.dockerfile,
            request.target.clone(),
            &request.platforms,
            (&request.build_args, &[]),
        );
        let needs = outliner.needs(&outline, &[])?;
        Ok(Self {
            needs,
            labels: outline
                .graph
                .steps
                .values()
                .map(|step| step.label.clone())
                .collect(),
            graph: outline.graph,
            mounts_host_ca: outliner.mounts_host_ca,
        })
    }
}

/// Returns the platforms whose programs a request's Dockerfile would run under emulation.
pub(crate) fn emulated_platforms(request: &BuildRequest) -> Vec<Platform> {
    let mut platforms: Vec<Platform> = Vec::new();
    for (_, platform) in emulation::steps(&own_graph(request), &request.build_platform) {
        if !platforms.contains(platform) {
            platforms.push(platform.clone());
        }
    }
    platforms
}

/// Says which lines of a request's Dockerfile would run under emulation.
pub(crate) fn emulation_findings(request: &BuildRequest) -> Vec<Finding> {
    emulation::findings(&own_graph(request), request)
}

/// Returns the steps of a request's own Dockerfile.
fn own_graph(request: &BuildRequest) -> Graph {
    let mut outliner = Outliner {
        request,
        exchange: &|_| Ok(PathBuf::new()),
        mounts_host_ca: false,
    };
    let outline = outliner.outline(
        &request.dockerfile,
        request.target.clone(),
        &request.platforms,
        (&request.build_args, &[]),
    );
    outline.graph
}

struct Outliner<'a> {
    request: &'a BuildRequest,
    exchange: Exchange<'a>,
    mounts_host_ca: bool,
}

impl Outliner<'_> {
    fn outline(
        &mut self,
        text: &DockerfileText,
        target: Option<String>,
        platforms: &[Platform],
        (build_args, inside): (&BTreeMap<String, String>, &[String]),
    ) -> Outline {
        self.mounts_host_ca |= text.text.contains(HOST_CA_MOUNT);
        let request = self.request;
        let names = request.named_contexts.keys();
        let (dockerfile, _) = Dockerfile::parse(&text.text);
        let inputs = LowerInputs {
            file: text.name.clone(),
            text: text.text.clone(),
            target,
            platforms: platforms.to_vec(),
            build_platform: request.build_platform.clone(),
            build_args: build_args.clone(),
            labels: BTreeMap::new(),
            network: request.network,
            main_context: ContextOp::MAIN.to_owned(),
            named_contexts: names
                .filter(|name| !inside.contains(name))
                .map(|name| name.to_lowercase())
                .collect(),
            images: BTreeMap::new(),
        };
        outline(&dockerfile, &inputs)
    }

    /// Returns the contexts among the images that a Dockerfile names, in the order of their names.
    fn needs(&mut self, outline: &Outline, inside: &[String]) -> Result<Vec<NeededContext>, Failure> {
        let request = self.request;
        if inside.len() >= NESTING_MAX {
            return Err(Failure::usage(format!(
                "the context {:?} is nested in {NESTING_MAX} others; is there a circle?",
                inside[NESTING_MAX - 1]
            )));
        }
        let mut wanted: BTreeMap<&str, (&NamedContext, Vec<Platform>)> = BTreeMap::new();
        for image in &outline.images {
            if let Some((name, context)) = named_context(&request.named_contexts, &image.name, inside) {
                let (_, platforms) = wanted.entry(name).or_insert_with(|| (context, Vec::new()));
                platforms.push(image.platform.clone());
            }
        }
        let mut needs = Vec::new();
        for (name, (context, platforms)) in wanted {
            let mut need = NeededContext {
                name: name.to_owned(),
                platforms,
                exchange: PathBuf::new(),
                needs: Vec::new(),
            };
            if let NamedContext::Dockerfile(nested) = context {
                let inside: Vec<String> = inside.iter().cloned().chain([name.to_owned()]).collect();
                let outline = self.outline(
                    &nested.dockerfile,
                    nested.target.clone(),
                    &need.platforms,
                    (&nested.build_args, &inside),
                );
                need.needs = self.needs(&outline, &inside)?;
                need.exchange = (self.exchange)(&ExchangeName::Context(name.to_owned()))?;
            }
            needs.push(need);
        }
        Ok(needs)
    }
}
