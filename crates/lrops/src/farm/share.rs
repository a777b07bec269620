//! What one node of the builder builds: the request for its platforms, as its machine carries it out.

use std::path::PathBuf;

use lrops_buildx::{BuilderFacts, Delivery, NodeFacts, NodeShare};
use lrops_dockerfile::emulation;
use lrops_model::engine::BuildError;
use lrops_model::event::BuildEvent;
use lrops_model::finding::Finding;
use lrops_model::platform::Platform;
use lrops_model::request::{BuildRequest, EmulationPolicy};
use lrops_store::exchange::ExchangeName;

use super::outline::{Outlined, emulated_platforms};
use crate::failure::Failure;
use crate::progress::Progress;

/// What one node builds.
pub(crate) struct Share {
    /// The node's name.
    pub(crate) node: String,
    /// The request for its platforms.
    pub(crate) request: BuildRequest,
    /// What its Dockerfile comes to.
    pub(crate) outlined: Outlined,
    /// Where its content comes to, while it is built.
    pub(super) run: PathBuf,
    /// Whether the node runs, so that it is known what it can.
    runs: bool,
}

impl Share {
    /// Shares a request out to the nodes of a builder.
    ///
    /// # Errors
    /// When the Dockerfile's contexts go round in a circle; when the store cannot be opened for it.
    pub(super) fn all(
        request: &BuildRequest,
        builder: &BuilderFacts,
        delivery: &Delivery,
        exchange: &dyn Fn(&ExchangeName) -> Result<PathBuf, Failure>,
    ) -> Result<Vec<Self>, Failure> {
        let nodeless = NodeFacts::default();
        let mut shares: Vec<(&NodeFacts, &[Platform])> = Vec::new();
        let assigned = builder.shares(&request.platforms);
        shares.extend(
            assigned
                .iter()
                .map(|share| (share.node, share.platforms.as_slice())),
        );
        if shares.is_empty() {
            shares.push((&nodeless, &request.platforms));
        }
        let is_whole = shares.len() == 1;
        let build = |(build, (node, platforms)): (usize, &(&NodeFacts, &[Platform]))| {
            let request = for_node(request, node, platforms, (!is_whole).then_some(delivery));
            // The builds of a context by several nodes are several images.
            let own = |name: &ExchangeName| match name {
                ExchangeName::Context(context) if !is_whole => {
                    exchange(&ExchangeName::Context(format!("{context}-{build}")))
                }
                other => exchange(other),
            };
            Ok(Self {
                node: node.name.clone(),
                outlined: Outlined::of(&request, &own)?,
                run: exchange(&ExchangeName::Run(std::process::id()))?,
                runs: node.build_platform().is_some(),
                request,
            })
        };
        shares.iter().enumerate().map(build).collect()
    }
}

/// Returns the request as a node carries it out. One that builds a part only knows of no index, and of no name where the
/// part comes to the store.
fn for_node(
    request: &BuildRequest,
    node: &NodeFacts,
    platforms: &[Platform],
    part: Option<&Delivery>,
) -> BuildRequest {
    let mut own = request.clone();
    own.platforms = platforms.to_vec();
    // Tools run where the node is, which may be another kind of machine than this one.
    if let Some(platform) = node.build_platform() {
        own.build_platform = platform.clone();
    }
    if let Some(delivery) = part {
        own.annotations = own.annotations.without_index();
        // A failing node stops the others, and not the whole of lrops.
        own.cancel = request.cancel.child();
        if *delivery == Delivery::Store {
            own.tags.clear();
        }
    }
    own
}

/// Carries out all shares, each in a thread of its own; the first that fails stops the others.
///
/// # Errors
/// What the first one failed by.
pub(super) fn at_a_time<T: Send>(
    shares: &[Share],
    work: impl Fn(&Share) -> Result<T, BuildError> + Sync,
) -> Result<Vec<T>, BuildError> {
    let work = &work;
    let one = |share: &Share| {
        let result = work(share);
        if result.is_err() && shares.len() > 1 {
            for other in shares {
                other.request.cancel.cancel();
            }
        }
        result
    };
    let results: Vec<Result<T, BuildError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = shares.iter().map(|share| scope.spawn(|| one(share))).collect();
        let joined = threads.into_iter().map(|thread| {
            let joined = thread.join();
            joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        joined.collect()
    });
    let (done, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let mut errors = failed.into_iter().filter_map(Result::err).collect::<Vec<_>>();
    // Those that were stopped because of it have nothing to say.
    errors.sort_by_key(|error| matches!(error, BuildError::Cancelled(_)));
    match errors.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(done.into_iter().filter_map(Result::ok).collect()),
    }
}

/// Tells of what would be emulated at the builder, and stops where that is denied or cannot be.
pub(super) fn announce(
    request: &BuildRequest,
    shares: &[Share],
    builder: &BuilderFacts,
    progress: &Progress,
) -> Result<(), Failure> {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let emulated = shares.iter().flat_map(emulated_steps).count();
    progress.event(&BuildEvent::Planned {
        steps: number(shares.iter().map(|share| share.outlined.labels.len()).sum()),
        shared: 0,
        emulated: number(emulated),
    });
    let findings = super::unless_denied(findings(request, shares), request)?;
    let missing = shares.iter().filter_map(|share| cannot_emulate(share, builder));
    for finding in findings.into_iter().chain(missing) {
        progress.event(&BuildEvent::Found { finding });
    }
    Ok(())
}

/// Returns what is to be said of a request before it is carried out: of lines that would be emulated, the same of two nodes
/// once, and what lrops' own rules say.
pub(crate) fn findings(request: &BuildRequest, shares: &[Share]) -> Vec<Finding> {
    let mut all = super::doubts(request);
    for share in shares {
        for finding in emulation::findings(&share.outlined.graph, &share.request) {
            if !all.contains(&finding) {
                all.push(finding);
            }
        }
    }
    all
}

/// A platform whose programs a node would emulate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Emulated {
    /// The platform.
    pub(crate) platform: Platform,
    /// Whether the node says that it can.
    pub(crate) is_listed: bool,
}

/// Returns what the nodes of a builder would emulate for a request; none before they run.
pub(crate) fn emulated_at(builder: &BuilderFacts, request: &BuildRequest) -> Option<Vec<Emulated>> {
    let mut all: Vec<Emulated> = Vec::new();
    for NodeShare { node, platforms } in builder.shares(&request.platforms) {
        node.build_platform()?;
        let own = for_node(request, node, &platforms, None);
        let emulated = emulated_platforms(&own).into_iter().map(|platform| Emulated {
            is_listed: node.platforms.iter().any(|own| own.runs_natively(&platform)),
            platform,
        });
        all.extend(emulated);
    }
    Some(all)
}

fn emulated_steps(share: &Share) -> impl Iterator<Item = &Platform> {
    emulation::steps(&share.outlined.graph, &share.request.build_platform).map(|(_, platform)| platform)
}

/// Says which platform a node would have to emulate and does not list.
fn cannot_emulate(share: &Share, builder: &BuilderFacts) -> Option<Finding> {
    if !share.runs || share.request.emulation == EmulationPolicy::Deny {
        return None;
    }
    let node = builder.nodes.iter().find(|node| node.name == share.node)?;
    let can = |platform: &Platform| node.platforms.iter().any(|own| own.runs_natively(platform));
    let missing = emulated_steps(share).find(|platform| !can(platform))?;
    let place = if builder.nodes.len() > 1 {
        format!("the node {:?} of the builder {:?}", node.name, builder.name)
    } else {
        format!("the builder {:?}", builder.name)
    };
    Some(Finding::warning(
        "BuilderPlatform",
        format!(
            "{place} does not list {missing} among its platforms: lines that run its programs will fail unless its \
             host emulates it"
        ),
    ))
}
