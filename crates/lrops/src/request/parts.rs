//! The request to the engine, put together from what was found, what was typed and what `lrops.toml` says.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use lrops_model::cancel::CancelToken;
use lrops_model::graph::RunNetwork;
use lrops_model::oci::Compression;
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;
use lrops_model::request::{BuildRequest, CacheUse, EmulationPolicy, NamedContext, PullPolicy};

use super::build_info::Arguments;
use super::places::Place;
use super::times::Times;
use super::{flag, host, hosts, outputs, pairs, platforms, secrets};
use crate::arguments::BuildArguments;
use crate::configuration::{Configuration, EmulationWord, NetworkWord};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::fields;

/// What was found for a request.
pub(super) struct Parts {
    pub(super) place: Place,
    pub(super) named_contexts: BTreeMap<String, NamedContext>,
    pub(super) build_args: Arguments,
    pub(super) tags: Vec<Reference>,
    pub(super) times: Times,
    pub(super) annotations: BTreeMap<String, String>,
    /// What outputs say of it.
    pub(super) compression: Option<Compression>,
}

impl Parts {
    /// Returns the request.
    pub(super) fn request(
        self,
        arguments: &BuildArguments,
        configuration: &Configuration,
        environment: &Environment,
    ) -> Result<BuildRequest, Failure> {
        let section = &configuration.sections.build;
        Ok(BuildRequest {
            named_contexts: self.named_contexts,
            dockerfile: self.place.dockerfile,
            context: self.place.context,
            target: arguments.target.clone().or_else(|| section.target.clone()),
            platforms: platforms(arguments, configuration, environment)?,
            build_platform: Platform::host(),
            proxy_variables: host::proxy_variables(&self.build_args, environment)?,
            build_args: self.build_args,
            labels: pairs::labels(&arguments.label, section),
            annotations: self.annotations,
            tags: self.tags,
            secrets: secrets::read(&arguments.secret, environment)?,
            cache: cache_use(arguments),
            pull: pull(arguments),
            jobs: jobs(arguments, section.jobs)?,
            network: network(arguments, section.network)?,
            emulation: emulation(arguments, section.emulation)?,
            host_ca: host::certificate_authorities(arguments, section, environment)?,
            extra_hosts: hosts::parse(&arguments.add_host)?,
            shm_size: shm_size(arguments.shm_size.as_deref())?,
            allow_insecure: allow_insecure(&arguments.allow)?,
            compression: compression(arguments, self.compression, section.compression)?,
            timestamps: self.times.timestamps,
            created: self.times.created,
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
