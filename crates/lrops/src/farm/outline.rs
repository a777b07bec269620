//! Which contexts a request's Dockerfiles use and for which platforms, told without looking at any image.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lrops_buildx::NeededContext;
use lrops_dockerfile::emulation;
use lrops_dockerfile::instruction::Dockerfile;
use lrops_dockerfile::lower::{LowerInputs, Outline, outline};
use lrops_model::graph::{ContextOp, Graph, StepLabel};
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;
use lrops_model::request::{BuildRequest, DockerfileText, NamedContext, named_context};
use lrops_store::exchange::ExchangeName;

use crate::failure::Failure;

/// How deep contexts may be builds of their own. A configuration that needs more is a circle.
const NESTING_MAX: usize = 8;

/// How a `RUN` line mounts the host's certificate authorities.
const HOST_CA_MOUNT: &str = "id=host-ca";

/// How the images are called that read Dockerfiles as this program does.
const OWN_FRONT_ENDS: [&str; 2] = ["docker/dockerfile", "docker/dockerfile-upstream"];

/// What a request's Dockerfiles come to.
pub(crate) struct Outlined {
    /// The contexts that are handed over.
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
        let source = Source::main(request);
        let read = outliner.read(&source);
        let needs = outliner.needs(&source, &read)?;
        let graph = read.outline.graph;
        Ok(Self {
            needs,
            labels: graph.steps.values().map(|step| step.label.clone()).collect(),
            graph,
            mounts_host_ca: outliner.mounts_host_ca,
        })
    }
}

/// Returns the steps of a request's Dockerfile, as far as they can be told without looking at any image.
pub(crate) fn graph(request: &BuildRequest) -> Graph {
    let mut outliner = Outliner {
        request,
        exchange: &|_| Ok(PathBuf::new()),
        mounts_host_ca: false,
    };
    outliner.read(&Source::main(request)).outline.graph
}

/// Returns the platforms whose programs a request's Dockerfile would run under emulation.
pub(crate) fn emulated_platforms(request: &BuildRequest) -> Vec<Platform> {
    let graph = graph(request);
    let mut platforms: Vec<Platform> = Vec::new();
    for (_, platform) in emulation::steps(&graph, &request.build_platform) {
        if !platforms.contains(platform) {
            platforms.push(platform.clone());
        }
    }
    platforms
}

/// A Dockerfile, and what it is built with.
struct Source<'s> {
    text: &'s DockerfileText,
    target: Option<&'s str>,
    platforms: &'s [Platform],
    build_args: &'s BTreeMap<String, String>,
    /// The contexts whose builds it is nested in.
    inside: &'s [String],
}

impl<'s> Source<'s> {
    fn main(request: &'s BuildRequest) -> Self {
        Self {
            text: &request.dockerfile,
            target: request.target.as_deref(),
            platforms: &request.platforms,
            build_args: &request.build_args,
            inside: &[],
        }
    }
}

/// A Dockerfile that was outlined.
struct Read {
    outline: Outline,
    /// Whether another program reads it (`# syntax=`), which may use what is not seen here.
    is_foreign: bool,
}

struct Outliner<'a> {
    request: &'a BuildRequest,
    exchange: Exchange<'a>,
    mounts_host_ca: bool,
}

impl Outliner<'_> {
    fn read(&mut self, source: &Source<'_>) -> Read {
        let text = source.text;
        self.mounts_host_ca |= text.text.contains(HOST_CA_MOUNT);
        let request = self.request;
        let names = request.named_contexts.keys();
        let (dockerfile, _) = Dockerfile::parse(&text.text);
        let inputs = LowerInputs {
            file: text.name.clone(),
            text: text.text.clone(),
            target: source.target.map(str::to_owned),
            platforms: source.platforms.to_vec(),
            build_platform: request.build_platform.clone(),
            build_args: source.build_args.clone(),
            labels: BTreeMap::new(),
            network: request.network,
            main_context: ContextOp::MAIN.to_owned(),
            named_contexts: names
                .filter(|name| !source.inside.contains(name))
                .map(|name| name.to_lowercase())
                .collect(),
            images: BTreeMap::new(),
        };
        let front_end = dockerfile.directives.syntax.as_ref();
        Read {
            outline: outline(&dockerfile, &inputs),
            is_foreign: front_end.is_some_and(|word| is_foreign(&word.text)),
        }
    }

    /// Returns the contexts that are handed over for a Dockerfile, in the order of their names: those that it names,
    /// and all others that cost nothing, for an image's `ONBUILD` lines may name them.
    fn needs(&mut self, source: &Source<'_>, read: &Read) -> Result<Vec<NeededContext>, Failure> {
        let inside = source.inside;
        if inside.len() >= NESTING_MAX {
            return Err(Failure::usage(format!(
                "the context {:?} is nested in {NESTING_MAX} others; is there a circle?",
                inside[NESTING_MAX - 1]
            )));
        }
        let mut needs = Vec::new();
        for (name, (context, platforms)) in self.wanted(source, read) {
            let mut need = NeededContext {
                name: name.to_owned(),
                platforms,
                exchange: PathBuf::new(),
                needs: Vec::new(),
            };
            if let NamedContext::Dockerfile(nested) = context {
                let inside: Vec<String> = inside.iter().cloned().chain([name.to_owned()]).collect();
                let source = Source {
                    text: &nested.dockerfile,
                    target: nested.target.as_deref(),
                    platforms: &need.platforms,
                    build_args: &nested.build_args,
                    inside: &inside,
                };
                let read = self.read(&source);
                need.needs = self.needs(&source, &read)?;
                need.exchange = (self.exchange)(&ExchangeName::Context(name.to_owned()))?;
            }
            needs.push(need);
        }
        Ok(needs)
    }

    /// Returns the contexts that a Dockerfile gets, each with the platforms that it is for.
    fn wanted<'r>(
        &self,
        source: &Source<'_>,
        read: &Read,
    ) -> BTreeMap<&'r str, (&'r NamedContext, Vec<Platform>)>
    where
        Self: 'r,
    {
        let contexts = &self.request.named_contexts;
        let mut wanted: BTreeMap<&str, (&NamedContext, Vec<Platform>)> = BTreeMap::new();
        for image in &read.outline.images {
            if let Some((name, context)) = named_context(contexts, &image.name, source.inside) {
                let (_, platforms) = wanted.entry(name).or_insert_with(|| (context, Vec::new()));
                platforms.push(image.platform.clone());
            }
        }
        for (name, context) in contexts {
            let has_to_be_made = matches!(context, NamedContext::Base(_) | NamedContext::Dockerfile(_));
            let is_handed = !has_to_be_made || read.is_foreign;
            if is_handed && !source.inside.contains(name) {
                wanted
                    .entry(name)
                    .or_insert_with(|| (context, source.platforms.to_vec()));
            }
        }
        wanted
    }
}

/// Returns whether a front end reads another language than Dockerfiles, or reads them otherwise.
fn is_foreign(front_end: &str) -> bool {
    let image = front_end.split_whitespace().next().unwrap_or_default();
    let Ok(reference) = image.parse::<Reference>() else {
        return true;
    };
    let is_own = OWN_FRONT_ENDS.contains(&reference.repository());
    !(is_own && reference.registry() == "docker.io")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_own_front_ends_read_what_lrops_reads() {
        for own in [
            "docker/dockerfile:1",
            "docker.io/docker/dockerfile",
            "docker/dockerfile-upstream:master",
            "docker/dockerfile:1@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        ] {
            assert!(!is_foreign(own), "{own}");
        }
        for foreign in [
            "registry.example/docker/dockerfile:1",
            "team/frontend",
            "docker/other",
        ] {
            assert!(is_foreign(foreign), "{foreign}");
        }
    }
}
