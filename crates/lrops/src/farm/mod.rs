//! The build farm: what a request means for `docker buildx`.
//!
//! Before buildx is asked for anything, the Dockerfile is outlined: that tells which contexts it uses, for which
//! platforms, and which of its lines would be emulated. Bases come to the store, from where buildx reads them. A builder
//! with several nodes is asked once for each node, and lrops puts the index together.

mod bases;
mod combine;
mod outline;
mod passed_on;
mod share;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use lrops_buildx::{
    BuilderFacts, BuildxEngine, BuildxSettings, BuildxVersion, CommandLine, Delivery, Docker, KnownFailure,
    PassedOn, Question, Start,
};
use lrops_dockerfile::check::cross_platform;
use lrops_dockerfile::emulation;
use lrops_dockerfile::instruction::Dockerfile;
use lrops_model::blob::BlobStore;
use lrops_model::digest::Digest;
use lrops_model::engine::{BuildError, Delivered, Engine};
use lrops_model::event::{BuildEvent, OnEvent};
use lrops_model::finding::{Finding, Severity};
use lrops_model::graph::Graph;
use lrops_model::oci::Descriptor;
use lrops_model::request::BuildRequest;
use lrops_store::exchange::ExchangeName;

use crate::configuration::DeliverWord;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::registries::retry_waits;
use crate::request::Intent;
use crate::session::Session;

pub(crate) use combine::together;
pub(crate) use outline::{emulated_platforms, graph};
pub(crate) use passed_on::{FarmFlags, farm_flags};
pub(crate) use share::{Emulated, Share, emulated_at, findings};

/// A request, ready for buildx.
pub(crate) struct Farm<'a> {
    intent: &'a Intent,
    directory: &'a Path,
    docker: Docker,
    version: BuildxVersion,
    /// What each node builds; one for a builder with one node.
    shares: Vec<Share>,
    bases: BTreeMap<String, Digest>,
    passed_on: PassedOn,
    delivery: Delivery,
    exchange: PathBuf,
    numbers: AtomicU32,
    retry_waits: Vec<Duration>,
}

/// Where what was built is.
pub(crate) enum Built {
    /// In the store, whole.
    Stored(Descriptor),
    /// In its registry, under these digests: several when several nodes pushed, each for platforms of its own.
    Pushed(Vec<Digest>),
}

impl<'a> Farm<'a> {
    /// Looks at the builder and the Dockerfile, and brings the bases to the store that buildx will read.
    ///
    /// # Errors
    /// When docker, buildx or the builder cannot do it; when emulation is denied; when a base cannot be assembled.
    pub(crate) fn prepare(
        intent: &'a Intent,
        session: &Session,
        progress: &Progress,
        environment: &'a Environment,
        start: Start,
    ) -> Result<Self, Failure> {
        let retry_waits = retry_waits(&intent.configuration, &intent.registries.retry);
        let notices = progress.notices();
        let docker = Docker::new(intent.builder.clone(), intent.request.cancel.clone())
            .persistent(retry_waits.clone())
            .talkative(notices);
        let failed = |error| Failure::docker(error, docker.place());
        docker.check_context().map_err(failed)?;
        let version = supported_version(&docker)?;
        let builder = BuilderFacts::ready(&docker, start).map_err(failed)?;
        let exchange = |name: &ExchangeName| {
            let made = session.store.exchange(name);
            made.map_err(|source| Failure::work("failed to open the store for buildx", source))
        };
        let delivery = delivery(intent, &builder);
        let shares = Share::all(&intent.request, &builder, &delivery, &exchange)?;
        refuse_besides(intent, &shares)?;
        share::announce(&intent.request, &shares, &builder, progress)?;
        let needs = shares.iter().map(|share| share.outlined.needs.as_slice());
        let bases = bases::assemble(needs, &intent.request, session, progress)?;
        let mounts_host_ca = shares.iter().any(|share| share.outlined.mounts_host_ca);
        let note = |message| {
            let finding = Finding::warning("HostAuthorities", message);
            progress.event(&BuildEvent::Found { finding });
        };
        let passed_on = intent.farm.passed_on(&intent.request, mounts_host_ca, note);
        Ok(Self {
            intent,
            directory: &environment.directory,
            version,
            bases,
            passed_on,
            delivery,
            exchange: exchange(&ExchangeName::Images)?,
            numbers: AtomicU32::new(progress.next_number().0),
            retry_waits,
            shares,
            docker,
        })
    }

    /// Returns what each node builds.
    pub(crate) fn shares(&self) -> &[Share] {
        &self.shares
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
        let mut commands = Vec::new();
        for share in &self.shares {
            let engine = BuildxEngine::new(self.settings(share, self.delivery.clone()));
            commands.extend(engine.commands(&share.request)?);
        }
        Ok(commands)
    }

    /// Has the request carried out: by all nodes at a time, where there are several.
    ///
    /// # Errors
    /// Whatever hinders it.
    pub(crate) fn build(&self, store: &dyn BlobStore, on_event: OnEvent<'_>) -> Result<Built, BuildError> {
        let delivered = share::at_a_time(&self.shares, |share| {
            let engine = BuildxEngine::new(self.settings(share, self.delivery.clone()));
            engine.build(&share.request, store, on_event)
        })?;
        let (mut stored, mut pushed) = (Vec::new(), Vec::new());
        for one in delivered {
            match one {
                Delivered::Stored(root) => stored.push(root),
                Delivered::Pushed(digest) => pushed.push(digest),
            }
        }
        match <[Descriptor; 1]>::try_from(stored) {
            Ok([only]) => Ok(Built::Stored(only)),
            Err(none) if none.is_empty() => Ok(Built::Pushed(pushed)),
            Err(several) => combine::in_store(&several, &self.intent.request, store).map(Built::Stored),
        }
    }

    /// Brings the image elsewhere, too, by flags such as `--load`: the same build once more, of which all is cached.
    ///
    /// # Errors
    /// When it does not come there.
    pub(crate) fn build_besides(
        &self,
        flags: &[String],
        store: &dyn BlobStore,
        progress: &Progress,
    ) -> Result<(), BuildError> {
        let on_event = |event: BuildEvent| progress.event(&event);
        for share in &self.shares {
            let settings = self.settings(share, Delivery::Besides(flags.to_vec()));
            BuildxEngine::new(settings).build(&share.request, store, &on_event)?;
        }
        Ok(())
    }

    /// Asks the front end about the Dockerfile (`--call`), and returns its answer.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn describe(&self, method: &str, on_event: OnEvent<'_>) -> Result<String, BuildError> {
        let question = Question {
            method,
            version: self.version,
        };
        let share = &self.shares[0];
        let engine = BuildxEngine::new(self.settings(share, self.delivery.clone()));
        engine.describe(&share.request, &question, on_event)
    }

    fn settings<'s>(&'s self, share: &'s Share, delivery: Delivery) -> BuildxSettings<'s> {
        BuildxSettings {
            docker: &self.docker,
            progress: self.version.progress(),
            delivery,
            exchange: &self.exchange,
            run: &share.run,
            directory: self.directory,
            needs: &share.outlined.needs,
            labels: &share.outlined.labels,
            passed_on: &self.passed_on,
            retry_waits: &self.retry_waits,
            bases: &self.bases,
            numbers: &self.numbers,
        }
    }
}

fn supported_version(docker: &Docker) -> Result<BuildxVersion, Failure> {
    let version = BuildxVersion::ask(docker).map_err(|error| Failure::docker(error, docker.place()))?;
    if version >= BuildxVersion::OLDEST {
        return Ok(version);
    }
    Err(Failure::known(
        KnownFailure::BuildxTooOld,
        docker.place(),
        format!(
            "this buildx is {version}, and lrops needs {} or newer",
            BuildxVersion::OLDEST
        ),
    ))
}

/// What several nodes built is nowhere together before lrops puts it together.
fn refuse_besides(intent: &Intent, shares: &[Share]) -> Result<(), Failure> {
    if shares.len() < 2 {
        return Ok(());
    }
    let nodes: Vec<&str> = shares.iter().map(|share| share.node.as_str()).collect();
    let nodes = nodes.join(", ");
    if !intent.farm.besides.is_empty() {
        return Err(Failure::usage_advised(
            format!("the nodes {nodes} build parts of the image: no daemon can load it from them"),
            "publish it and pull it there; or build the one platform that is wanted there: --platform",
        ));
    }
    if let Some(cache) = intent.farm.caches.first() {
        return Err(Failure::usage_advised(
            format!(
                "--cache-to {cache}: the nodes {nodes} would each write there, and the last one's cache alone would stay"
            ),
            "leave it out, since each node keeps a cache of its own; or have the cache in the image: --cache-to type=inline",
        ));
    }
    Ok(())
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

/// Returns what a person should know before a request is carried out, above all of the emulation that it takes.
///
/// # Errors
/// When it is denied.
pub(crate) fn emulation_findings(graph: &Graph, request: &BuildRequest) -> Result<Vec<Finding>, Failure> {
    let mut findings = doubts(request);
    findings.extend(emulation::findings(graph, request));
    unless_denied(findings, request)
}

/// Returns what lrops' own rules say of a request's Dockerfile. Those of Docker's are reported by whoever builds.
fn doubts(request: &BuildRequest) -> Vec<Finding> {
    let text = &request.dockerfile.text;
    let (dockerfile, _) = Dockerfile::parse(text);
    cross_platform(text, &dockerfile, &request.platforms, &request.build_args)
}

/// Stops where findings are errors.
fn unless_denied(findings: Vec<Finding>, request: &BuildRequest) -> Result<Vec<Finding>, Failure> {
    if findings.iter().all(|finding| finding.severity != Severity::Error) {
        return Ok(findings);
    }
    Err(Failure::Build(BuildError::Dockerfile {
        name: request.dockerfile.name.clone(),
        text: request.dockerfile.text.clone(),
        findings,
    }))
}
