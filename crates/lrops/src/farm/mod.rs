//! The build farm: what a request means for `docker buildx`.
//!
//! Before buildx is asked for anything, the Dockerfile is outlined: that tells which contexts it uses, for which
//! platforms, and which of its lines would be emulated. Bases come to the store, from where buildx reads them.

mod bases;
mod outline;
mod passed_on;

use std::collections::BTreeMap;
use std::path::PathBuf;

use lrops_buildx::{
    BuilderFacts, BuildxEngine, BuildxSettings, BuildxVersion, CommandLine, Delivery, Docker, KnownFailure,
    PassedOn,
};
use lrops_dockerfile::emulation;
use lrops_model::blob::BlobStore;
use lrops_model::digest::Digest;
use lrops_model::engine::{BuildError, Delivered, Engine};
use lrops_model::event::{BuildEvent, OnEvent};
use lrops_model::finding::{Finding, Severity};
use lrops_model::graph::Graph;
use lrops_model::platform::Platform;
use lrops_model::request::{BuildRequest, EmulationPolicy};
use lrops_store::exchange::ExchangeName;

use crate::configuration::DeliverWord;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::registries::retry_waits;
use crate::request::Intent;
use crate::session::Session;

use outline::Outlined;
pub(crate) use outline::{emulated_platforms, emulation_findings};
pub(crate) use passed_on::{FarmFlags, farm_flags};

/// A request, ready for buildx.
pub(crate) struct Farm {
    docker: Docker,
    version: BuildxVersion,
    request: BuildRequest,
    outlined: Outlined,
    bases: BTreeMap<String, Digest>,
    passed_on: PassedOn,
    delivery: Delivery,
    exchange: PathBuf,
    run: PathBuf,
    directory: PathBuf,
    numbers_from: u32,
    retry_waits: Vec<std::time::Duration>,
}

impl Farm {
    /// Looks at the builder and the Dockerfile, and brings the bases to the store that buildx will read.
    ///
    /// # Errors
    /// When docker, buildx or the builder cannot do it; when emulation is denied; when a base cannot be assembled.
    pub(crate) fn prepare(
        intent: &Intent,
        session: &Session,
        progress: &Progress,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let docker = Docker::new(intent.builder.clone(), intent.request.cancel.clone());
        let failed = |error| Failure::docker(error, docker.place());
        docker.check_context().map_err(failed)?;
        let version = BuildxVersion::ask(&docker).map_err(failed)?;
        if version < BuildxVersion::OLDEST {
            return Err(Failure::known(
                KnownFailure::BuildxTooOld,
                docker.place(),
                format!(
                    "this buildx is {version}, and lrops needs {} or newer",
                    BuildxVersion::OLDEST
                ),
            ));
        }
        let builder = BuilderFacts::ask(&docker).map_err(failed)?;
        refuse_several_nodes(&builder)?;
        let delivery = delivery(intent, &builder);
        let mut request = intent.request.clone();
        // Tools run where the builder is, which may be another kind of machine than this one.
        if let Some(platform) = builder.build_platform() {
            request.build_platform = platform.clone();
        }
        let exchange = |name: &ExchangeName| {
            let made = session.store.exchange(name);
            made.map_err(|source| Failure::work("failed to open the store for buildx", source))
        };
        let outlined = Outlined::of(&request, &exchange)?;
        outlined.announce(&request, &builder, progress)?;
        let bases = bases::assemble(&outlined.needs, &request, session, progress)?;
        Ok(Self {
            passed_on: intent
                .farm
                .passed_on(&request, outlined.mounts_host_ca, |message| {
                    let finding = Finding::warning("HostAuthorities", message);
                    progress.event(&BuildEvent::Found { finding });
                }),
            exchange: exchange(&ExchangeName::Images)?,
            run: exchange(&ExchangeName::Run(std::process::id()))?,
            directory: environment.directory.clone(),
            numbers_from: progress.next_number().0,
            retry_waits: retry_waits(&intent.configuration, &intent.registries),
            docker,
            version,
            request,
            outlined,
            bases,
            delivery,
        })
    }

    /// Returns the request as the builder carries it out.
    pub(crate) fn request(&self) -> &BuildRequest {
        &self.request
    }

    /// Returns the steps of the Dockerfile, as far as they can be told beforehand.
    pub(crate) fn graph(&self) -> &Graph {
        &self.outlined.graph
    }

    /// Returns whether the builder pushes by itself.
    pub(crate) fn pushes(&self) -> bool {
        matches!(self.delivery, Delivery::PushByDigest | Delivery::PushTags)
    }

    /// Returns whether the builder moves the tags, and does so before anything is proved.
    pub(crate) fn moves_tags(&self) -> bool {
        self.delivery == Delivery::PushTags
    }

    /// Returns the commands that buildx is asked with, in their order.
    ///
    /// # Errors
    /// When a context is not known.
    pub(crate) fn commands(&self) -> Result<Vec<CommandLine>, BuildError> {
        BuildxEngine::new(self.settings()).commands(&self.request)
    }

    /// Has the request carried out.
    ///
    /// # Errors
    /// Whatever hinders it.
    pub(crate) fn build(
        &self,
        store: &dyn BlobStore,
        on_event: OnEvent<'_>,
    ) -> Result<Delivered, BuildError> {
        BuildxEngine::new(self.settings()).build(&self.request, store, on_event)
    }

    /// Puts the image into the builder's daemon, too: the same build once more, of which all is cached.
    ///
    /// # Errors
    /// When the daemon does not take it.
    pub(crate) fn load(&self, store: &dyn BlobStore, progress: &Progress) -> Result<(), BuildError> {
        let settings = BuildxSettings {
            delivery: Delivery::Load,
            numbers_from: progress.next_number().0,
            ..self.settings()
        };
        let on_event = |event: BuildEvent| progress.event(&event);
        BuildxEngine::new(settings)
            .build(&self.request, store, &on_event)
            .map(drop)
    }

    fn settings(&self) -> BuildxSettings<'_> {
        BuildxSettings {
            docker: &self.docker,
            progress: self.version.progress(),
            delivery: self.delivery,
            exchange: &self.exchange,
            run: &self.run,
            directory: &self.directory,
            needs: &self.outlined.needs,
            labels: &self.outlined.labels,
            passed_on: &self.passed_on,
            retry_waits: &self.retry_waits,
            bases: &self.bases,
            numbers_from: self.numbers_from,
        }
    }
}

/// buildx exports nothing to here from several nodes, and where it pushes their images together it moves `latest` by
/// itself: neither could be proved first.
fn refuse_several_nodes(builder: &BuilderFacts) -> Result<(), Failure> {
    let names: Vec<&str> = builder.nodes.iter().map(|node| node.name.as_str()).collect();
    if names.len() < 2 {
        return Ok(());
    }
    Err(Failure::not_yet(
        format!(
            "a builder with several nodes ({}: {})",
            builder.name,
            names.join(", ")
        ),
        "build with a builder of one node: cross-compilation needs no second; or set up one for each node",
    ))
}

/// Decides how the image leaves the builder. One that is not published has to come here.
fn delivery(intent: &Intent, builder: &BuilderFacts) -> Delivery {
    match intent.farm.deliver {
        DeliverWord::Builder if intent.publish.is_some() => {
            if builder.is_daemons_own() {
                Delivery::PushTags
            } else {
                Delivery::PushByDigest
            }
        }
        _ => Delivery::Store,
    }
}

impl Outlined {
    /// Tells of what would be emulated at the builder, and stops where that is denied or cannot be.
    fn announce(
        &self,
        request: &BuildRequest,
        builder: &BuilderFacts,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let emulated: Vec<&Platform> = emulation::steps(&self.graph, &request.build_platform)
            .map(|(_, platform)| platform)
            .collect();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        progress.event(&BuildEvent::Planned {
            steps: number(self.labels.len()),
            shared: 0,
            emulated: number(emulated.len()),
        });
        let findings = emulation::findings(&self.graph, request);
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(Failure::Build(BuildError::Dockerfile {
                name: request.dockerfile.name.clone(),
                text: request.dockerfile.text.clone(),
                findings,
            }));
        }
        for finding in findings {
            progress.event(&BuildEvent::Found { finding });
        }
        let can = |platform: &Platform| builder.platforms().any(|own| own.runs_natively(platform));
        let missing = emulated.into_iter().find(|platform| !can(platform));
        // A builder that does not run yet names no platforms.
        match missing.filter(|_| builder.build_platform().is_some()) {
            Some(platform) if request.emulation != EmulationPolicy::Deny => {
                let message = format!(
                    "the builder {:?} does not list {platform} among its platforms: lines that run its programs will \
                     fail unless its host emulates it",
                    builder.name
                );
                let finding = Finding::warning("BuilderPlatform", message);
                progress.event(&BuildEvent::Found { finding });
            }
            _ => {}
        }
        Ok(())
    }
}
