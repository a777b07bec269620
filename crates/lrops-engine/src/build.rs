//! The engine's door: plan, run the steps, pack the layers, assemble the image.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use lrops_dockerfile::emulation;
use lrops_model::blob::BlobStore;
use lrops_model::engine::{BuildError, Delivered, Engine};
use lrops_model::event::{BuildEvent, OnEvent};
use lrops_model::finding::Finding;
use lrops_model::graph::{Graph, Op, StepId};
use lrops_model::oci::Descriptor;
use lrops_model::platform::Platform;
use lrops_model::request::{BuildRequest, Timestamps};
use lrops_model::timestamp::Timestamp;
use lrops_remote::registry::Registry;
use lrops_sandbox::Snapshotter;
use lrops_store::store::Store;
use lrops_store::tree::OwnerStyle;

use crate::assemble::{Layers, assemble};
use crate::contexts::Contexts;
use crate::images::Images;
use crate::layers::layer;
use crate::plan::{Plan, Planner};
use crate::reporter::Reporter;
use crate::schedule::{self, Jobs};
use crate::step::Execution;

/// Gives the root descriptor of a base's image for a platform, its blobs being in the engine's store. The last
/// argument takes progress: what is done, how much, and of how much.
pub type ProvideBase<'a> = &'a (
        dyn Fn(
    &str,
    &Platform,
    &dyn Fn(&str, u64, Option<u64>),
) -> Result<Descriptor, Box<dyn std::error::Error + Send + Sync>>
            + Send
            + Sync
    );

/// What the engine works with.
pub struct EngineSettings<'a> {
    /// Where blobs, records and caches are.
    pub store: &'a Store,
    /// Where file trees are.
    pub snapshotter: &'a dyn Snapshotter,
    /// Gives the bases of the configuration.
    pub provide_base: Option<ProvideBase<'a>>,
    /// Asks registries.
    pub registry: Option<&'a Registry>,
    /// Names this build among all builds of the store: for its logs, and for identities that must be new.
    pub build_id: String,
}

/// The engine that needs no daemon.
pub struct EmbeddedEngine<'a> {
    settings: EngineSettings<'a>,
}

/// Steps first, then the layers of those that images consist of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Job {
    Step(StepId),
    Layer(StepId),
}

impl<'a> EmbeddedEngine<'a> {
    /// Returns an engine.
    pub fn new(settings: EngineSettings<'a>) -> Self {
        Self { settings }
    }

    /// Says what would be done for a request, without doing it. Names of images are looked up for it, and bases
    /// assembled, since what they hold decides.
    ///
    /// # Errors
    /// Findings of the Dockerfile, and images that cannot be had.
    pub fn plan(&self, request: &BuildRequest, on_event: OnEvent<'_>) -> Result<Plan, BuildError> {
        let reporter = self.reporter(on_event);
        let images = Images::new(&self.settings, request);
        Planner::new(request, &images, &reporter).plan()
    }

    /// Says which steps of a plan have their results already. Contexts are read for it, and nothing is changed.
    ///
    /// # Errors
    /// When a context cannot be read.
    pub fn cached(&self, request: &BuildRequest, plan: &Plan) -> Result<BTreeSet<StepId>, BuildError> {
        let reporter = self.reporter(&|_| {});
        let images = Images::new(&self.settings, request);
        let contexts = self.contexts(request, plan)?;
        let owner_style = self.owner_style()?;
        let execution = Execution::new(
            &self.settings,
            request,
            plan,
            &images,
            &contexts,
            &reporter,
            owner_style,
        );
        let cached = plan
            .graph
            .order
            .iter()
            .filter(|id| execution.look_up(**id))
            .copied()
            .collect();
        contexts.save();
        Ok(cached)
    }

    /// Makes sure, before anything runs, that every step can be emulated that will be. One whose result is there will
    /// not.
    fn can_emulate(&self, execution: &Execution<'_>) -> Result<(), BuildError> {
        let Execution { request, plan, .. } = *execution;
        let mut emulated = emulation::steps(&plan.graph, &request.build_platform).peekable();
        if emulated.peek().is_none() {
            return Ok(());
        }
        let cached = self.cached(request, plan)?;
        for (id, platform) in emulated.filter(|(id, _)| !cached.contains(id)) {
            let label = &plan.graph.step(id).label;
            execution
                .emulation(platform)
                .map_err(|cause| BuildError::Environment {
                    message: format!(
                        "{platform} programs cannot run on {}, and line {} of {} needs them: {}",
                        request.build_platform,
                        label.place.as_ref().map_or(0, |place| place.line),
                        label.file,
                        label.instruction.lines().next().unwrap_or_default(),
                    ),
                    source: Box::new(cause),
                })?;
        }
        Ok(())
    }

    fn contexts(&self, request: &BuildRequest, plan: &Plan) -> Result<Contexts, BuildError> {
        Contexts::open(
            &plan.directories,
            &self.settings.store.root().join("contexts"),
            request.now,
        )
    }

    fn owner_style(&self) -> Result<OwnerStyle, BuildError> {
        let store = self.settings.store;
        OwnerStyle::probe(store.tmp()).map_err(|source| BuildError::Environment {
            message: format!("failed to write to the store at {}", store.root().display()),
            source: Box::new(source),
        })
    }

    /// Says what is wrong or doubtful in a request's Dockerfile, without building it.
    ///
    /// # Errors
    /// When the request was cancelled, or cannot be looked into.
    pub fn check(&self, request: &BuildRequest, on_event: OnEvent<'_>) -> Result<Vec<Finding>, BuildError> {
        let reporter = self.reporter(on_event);
        let images = Images::new(&self.settings, request);
        Planner::new(request, &images, &reporter).check()
    }

    fn reporter<'e>(&self, on_event: OnEvent<'e>) -> Reporter<'e> {
        Reporter::new(
            on_event,
            self.settings.store.builds().join(&self.settings.build_id),
        )
    }
}

impl Engine for EmbeddedEngine<'_> {
    fn build(
        &self,
        request: &BuildRequest,
        store: &dyn BlobStore,
        on_event: OnEvent<'_>,
    ) -> Result<Delivered, BuildError> {
        let reporter = self.reporter(on_event);
        let images = Images::new(&self.settings, request);
        let mut plan = Planner::new(request, &images, &reporter).plan()?;
        for finding in plan.findings.drain(..) {
            reporter.finding(finding);
        }
        let request = &with_epoch(request, plan.epoch);
        let contexts = self.contexts(request, &plan)?;
        let owner_style = self.owner_style()?;
        let execution = Execution::new(
            &self.settings,
            request,
            &plan,
            &images,
            &contexts,
            &reporter,
            owner_style,
        );
        self.can_emulate(&execution)?;
        let result = run(&execution, &plan.graph);
        contexts.save();
        let layers = result?;
        request.cancel.check()?;
        assemble(request, &plan.graph, &layers, store, &reporter).map(Delivered::Stored)
    }
}

/// Returns the request with the times that `SOURCE_DATE_EPOCH` asks for, which the Dockerfile may say too.
fn with_epoch(request: &BuildRequest, epoch: Option<Timestamp>) -> BuildRequest {
    let mut request = request.clone();
    if let Some(epoch) = epoch {
        request.created = epoch;
        if matches!(request.timestamps, Timestamps::Fixed(_)) {
            request.timestamps = Timestamps::Fixed(epoch);
        }
    }
    request
}

/// Runs all steps, and packs layers as soon as their steps have ended.
fn run(execution: &Execution<'_>, graph: &Graph) -> Result<Layers, BuildError> {
    let mut jobs = Jobs::new();
    for id in &graph.order {
        let waits_for = graph
            .step(*id)
            .inputs
            .iter()
            .flatten()
            .map(|input| Job::Step(*input))
            .collect();
        jobs.add(Job::Step(*id), waits_for);
    }
    let mut in_images = BTreeSet::new();
    for image in &graph.images {
        for id in graph.chain(image.root) {
            in_images.insert(id);
            if !matches!(graph.step(id).op, Op::Image(_)) {
                jobs.add(Job::Layer(id), vec![Job::Step(id)]);
            }
        }
    }
    let layers: Mutex<Layers> = Mutex::default();
    let announce = |descriptor: &Descriptor| {
        execution.reporter.event(BuildEvent::Layer {
            descriptor: descriptor.clone(),
        });
    };
    schedule::run(
        &jobs,
        execution.request.jobs,
        &execution.cancel,
        |job| -> Result<(), BuildError> {
            match job {
                Job::Step(id) => {
                    execution.run(*id)?;
                    if in_images.contains(id)
                        && let Op::Image(image) = &graph.step(*id).op
                    {
                        image.layers.iter().for_each(&announce);
                    }
                }
                Job::Layer(id) => {
                    let packed = layer(execution, *id)?;
                    if let Some((descriptor, _)) = &packed {
                        announce(descriptor);
                    }
                    layers
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(*id, packed);
                }
            }
            Ok(())
        },
    )?;
    execution.request.cancel.check()?;
    Ok(layers.into_inner().unwrap_or_else(PoisonError::into_inner))
}
