//! The request to the engine, put together from what was found, what was typed and what `lrops.toml` says.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use lrops_model::cancel::CancelToken;
use lrops_model::graph::RunNetwork;
use lrops_model::oci::Compression;
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;
use lrops_model::request::{BuildRequest, CacheUse, EmulationPolicy, NamedContext, PullPolicy};

use super::build_info::{Arguments, Listeners};
use super::outputs::Outputs;
use super::places::Place;
use super::state::State;
use super::times::Times;
use super::{
    build_info, contexts, flag, host, hosts, names, outputs, pairs, places, platforms, secrets, times,
};
use crate::arguments::{BuildArguments, EngineName};
use crate::configuration::{Configuration, EmulationWord, NetworkWord};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::fields;
use crate::version::Version;

/// What a request is made from.
pub(super) struct Basis<'a> {
    pub(super) arguments: &'a BuildArguments,
    pub(super) configuration: &'a Configuration,
    pub(super) environment: &'a Environment,
    pub(super) engine: EngineName,
    /// The context, unless one is named.
    pub(super) project: &'a Path,
    pub(super) outputs: &'a Outputs,
    pub(super) store: &'a Path,
}

/// What was found for a request.
struct Parts {
    place: Place,
    named_contexts: BTreeMap<String, NamedContext>,
    build_args: Arguments,
    tags: Vec<Reference>,
    times: Times,
}

impl Basis<'_> {
    /// Returns the request, and what Dockerfiles are told of the project's state. `version` is what that is called, where
    /// it is known.
    pub(super) fn request(
        &self,
        version: Option<Version>,
        notices: &mut Vec<String>,
    ) -> Result<(BuildRequest, Arguments), Failure> {
        let (parts, told) = self.parts(version, notices)?;
        Ok((self.put_together(parts)?, told))
    }

    /// Finds what is told by files, and by git.
    fn parts(
        &self,
        version: Option<Version>,
        notices: &mut Vec<String>,
    ) -> Result<(Parts, Arguments), Failure> {
        let Self {
            arguments,
            configuration,
            environment,
            ..
        } = *self;
        let section = &configuration.sections.build;
        let place = places::find(arguments, configuration, self.project, environment, self.store)?;
        let mut build_args = pairs::build_args(&arguments.build_arg, section, environment)?;
        let mut times = times::find(arguments, section, &build_args, &place.context.path, environment)?;
        notices.extend(times.notice.take());
        if let Some(time) = times
            .source_date_epoch
            .filter(|_| self.engine == EngineName::Buildx)
        {
            build_args.insert("SOURCE_DATE_EPOCH".to_owned(), time.0.to_string());
        }
        let mut named_contexts = contexts::find(&arguments.build_context, configuration, environment)?;
        let state = State::of(&place.context.path, version, environment);
        let tags = names::find(arguments, configuration, &self.outputs.names, &state, notices)?;
        let listeners = Listeners {
            dockerfile: &place.dockerfile,
            build_args: &mut build_args,
            contexts: &mut named_contexts,
            typed: &arguments.build_arg,
        };
        let told = build_info::tell(listeners, &state, arguments.build_time, environment.now, notices);
        let parts = Parts {
            place,
            named_contexts,
            build_args,
            tags,
            times,
        };
        Ok((parts, told))
    }

    fn put_together(&self, parts: Parts) -> Result<BuildRequest, Failure> {
        let Self {
            arguments,
            configuration,
            environment,
            outputs,
            ..
        } = *self;
        let section = &configuration.sections.build;
        Ok(BuildRequest {
            named_contexts: parts.named_contexts,
            dockerfile: parts.place.dockerfile,
            context: parts.place.context,
            target: arguments.target.clone().or_else(|| section.target.clone()),
            platforms: platforms(arguments, configuration, environment)?,
            build_platform: Platform::host(),
            proxy_variables: host::proxy_variables(&parts.build_args, environment)?,
            build_args: parts.build_args,
            labels: pairs::labels(&arguments.label, section),
            annotations: pairs::annotations(&arguments.annotation, section, &outputs.annotations)?,
            tags: parts.tags,
            secrets: secrets::read(&arguments.secret, environment)?,
            cache: cache_use(arguments),
            pull: pull(arguments),
            jobs: jobs(arguments, section.jobs)?,
            network: network(arguments, section.network)?,
            emulation: emulation(arguments, section.emulation)?,
            emulators: host::emulators(arguments, configuration, environment)?,
            host_ca: host::certificate_authorities(arguments, section, environment)?,
            extra_hosts: hosts::parse(&arguments.add_host)?,
            shm_size: shm_size(arguments.shm_size.as_deref())?,
            allow_insecure: allow_insecure(&arguments.allow)?,
            compression: compression(arguments, outputs.compression, section.compression)?,
            timestamps: parts.times.timestamps,
            created: parts.times.created,
            now: environment.now,
            cancel: CancelToken::new(),
        })
    }
}

fn cache_use(arguments: &BuildArguments) -> CacheUse {
    if arguments.no_cache == Some(true) {
        CacheUse::None
    } else if arguments.no_cache_filter.is_empty() {
        CacheUse::All
    } else {
        CacheUse::Except(arguments.no_cache_filter.clone())
    }
}

fn pull(arguments: &BuildArguments) -> PullPolicy {
    if arguments.pull == Some(true) {
        PullPolicy::Always
    } else {
        PullPolicy::Missing
    }
}

fn jobs(arguments: &BuildArguments, configured: Option<NonZeroUsize>) -> Result<usize, Failure> {
    match (arguments.jobs, configured) {
        (Some(0), _) => Err(Failure::usage("--jobs: at least one step must run at a time")),
        (Some(jobs), _) => Ok(jobs),
        (None, Some(jobs)) => Ok(jobs.get()),
        (None, None) => Ok(std::thread::available_parallelism().map_or(2, NonZeroUsize::get)),
    }
}

fn network(arguments: &BuildArguments, configured: Option<NetworkWord>) -> Result<RunNetwork, Failure> {
    match arguments.network.as_deref() {
        Some("default" | "host" | "") => Ok(RunNetwork::Host),
        Some("none") => Ok(RunNetwork::None),
        Some(other) => Err(Failure::usage_advised(
            format!("--network: there is no network {other:?}"),
            "commands can have the host's network (default) or none",
        )),
        None if configured == Some(NetworkWord::None) => Ok(RunNetwork::None),
        None => Ok(RunNetwork::Host),
    }
}

fn emulation(
    arguments: &BuildArguments,
    configured: Option<EmulationWord>,
) -> Result<EmulationPolicy, Failure> {
    match (arguments.emulation.as_deref(), configured) {
        (Some("deny"), _) | (None, Some(EmulationWord::Deny)) => Ok(EmulationPolicy::Deny),
        (Some("allow"), _) | (None, Some(EmulationWord::Allow)) => Ok(EmulationPolicy::Allow),
        (Some("warn"), _) | (None, Some(EmulationWord::Warn) | None) => Ok(EmulationPolicy::Warn),
        (Some(other), _) => Err(Failure::usage(format!(
            "--emulation: {other:?} is none of deny, warn and allow"
        ))),
    }
}

fn allow_insecure(allowed: &[String]) -> Result<bool, Failure> {
    let mut insecure = false;
    for entitlement in allowed {
        match entitlement.as_str() {
            "security.insecure" => insecure = true,
            // Commands share the host's network anyway.
            "network.host" => {}
            // Judged with the engine in mind.
            device if device == "device" || device.starts_with("device=") => {}
            "buildx.local.delete" => {
                return Err(Failure::not_yet(
                    "--allow=buildx.local.delete",
                    "lrops deletes no files of an output",
                ));
            }
            other => {
                let message = format!("--allow: unknown entitlement {other:?}");
                return Err(Failure::usage_advised(
                    message,
                    "known are network.host and security.insecure",
                ));
            }
        }
    }
    Ok(insecure)
}

fn shm_size(typed: Option<&str>) -> Result<Option<u64>, Failure> {
    let size = typed.map(|size| flag("--shm-size", fields::bytes(size)));
    size.transpose()
}

fn compression(
    arguments: &BuildArguments,
    from_output: Option<Compression>,
    configured: Option<Compression>,
) -> Result<Compression, Failure> {
    let typed = arguments
        .compression
        .as_deref()
        .map(|text| flag("--compression", outputs::parse_compression(text)))
        .transpose()?;
    Ok(typed.or(from_output).or(configured).unwrap_or(Compression::Gzip))
}
