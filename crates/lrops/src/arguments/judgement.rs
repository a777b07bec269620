//! Flags that do not do here what they do elsewhere: each is a row of a table that says why.

use super::{BuildArguments, EngineName};
use crate::fields::{Fields, boolean};

/// What becomes of a flag that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It means nothing here; the build goes on.
    MeansNothing {
        /// The flag, with its dashes.
        flag: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// It asks for something that lrops cannot do yet.
    NotYet {
        /// The flag.
        flag: &'static str,
        /// What can be done instead.
        advice: &'static str,
    },
}

const NO_CGROUP: &str =
    "lrops puts commands into no cgroup; limit lrops itself, for example with systemd-run";
const NO_DAEMON: &str = "there is no daemon that the context would be sent to";
const NO_CONTAINERS: &str =
    "there are no intermediate containers; nothing of a step stays behind but its result";
const LATER_ATTESTATIONS: &str = "images get no attestations; leave the flag out, or say false";

/// Judges all flags that were given.
pub(crate) fn judge(arguments: &BuildArguments, engine: EngineName) -> Vec<Judgement> {
    let mut judgements = of_the_farm(arguments);
    judgements.extend(foreign(arguments));
    judgements.extend(later(arguments));
    if engine == EngineName::Buildx {
        judgements.retain(|judgement| !BUILDX_TAKES.contains(&judgement.flag()));
        judgements.extend(of_the_embedded_engine(arguments));
    }
    judgements
}

/// Flags that buildx gets as they are, where it carries out the build.
const BUILDX_TAKES: [&str; 15] = [
    "--resource",
    "--policy",
    "--builder",
    "--docker-context",
    "--deliver",
    "--cgroup-parent",
    "--ulimit",
    "--cache-from",
    "--cache-to",
    "--ssh",
    "--attest",
    "--sbom",
    "--provenance",
    "--allow=device",
    "--load",
];

impl Judgement {
    /// Returns the flag, with its dashes.
    fn flag(&self) -> &'static str {
        match self {
            Self::MeansNothing { flag, .. } | Self::NotYet { flag, .. } => flag,
        }
    }
}

fn foreign(arguments: &BuildArguments) -> Vec<Judgement> {
    let foreign = &arguments.foreign;
    let isolated = foreign
        .isolation
        .as_deref()
        .is_some_and(|isolation| !matches!(isolation, "" | "default"));
    let rows = [
        (
            foreign.debug == Some(true),
            "--debug",
            "errors always come whole, and every command's output is kept in the store's builds/",
        ),
        (foreign.cgroup_parent.is_some(), "--cgroup-parent", NO_CGROUP),
        (
            !foreign.ulimit.is_empty(),
            "--ulimit",
            "commands have the limits that lrops was started with; set them with ulimit before",
        ),
        (!foreign.resource.is_empty(), "--resource", NO_CGROUP),
        (foreign.memory.is_some(), "--memory", NO_CGROUP),
        (foreign.memory_swap.is_some(), "--memory-swap", NO_CGROUP),
        (foreign.cpu_shares.is_some(), "--cpu-shares", NO_CGROUP),
        (foreign.cpu_period.is_some(), "--cpu-period", NO_CGROUP),
        (foreign.cpu_quota.is_some(), "--cpu-quota", NO_CGROUP),
        (foreign.cpuset_cpus.is_some(), "--cpuset-cpus", NO_CGROUP),
        (foreign.cpuset_mems.is_some(), "--cpuset-mems", NO_CGROUP),
        (foreign.compress == Some(true), "--compress", NO_DAEMON),
        (
            isolated,
            "--isolation",
            "commands always run in the one sandbox that lrops has",
        ),
        (
            !foreign.security_opt.is_empty(),
            "--security-opt",
            "BuildKit has no such option for builds either; see --allow=security.insecure",
        ),
        (
            foreign.squash == Some(true),
            "--squash",
            "BuildKit does not squash either; copy from a stage of its own into a last one",
        ),
        (foreign.rm.is_some(), "--rm", NO_CONTAINERS),
        (foreign.force_rm.is_some(), "--force-rm", NO_CONTAINERS),
        (
            foreign.allow_dirty,
            "--allow-dirty",
            "builds take the work tree as it is; a version by git says that it is modified",
        ),
        (
            foreign.disable_content_trust.is_some(),
            "--disable-content-trust",
            "Docker's content trust is not used: digests are always verified",
        ),
        (
            !arguments.cache_from.is_empty(),
            "--cache-from",
            "the embedded engine reads results of earlier builds from its store only",
        ),
    ];
    meaning_nothing(rows)
}

/// Flags that say how the embedded engine builds.
fn of_the_embedded_engine(arguments: &BuildArguments) -> Vec<Judgement> {
    meaning_nothing([
        (
            arguments.jobs.is_some(),
            "--jobs",
            "the builder decides how many steps it runs at a time: max-parallelism in its buildkitd.toml",
        ),
        (
            arguments.qemu.is_some(),
            "--qemu",
            "the builder's machine emulates, with what is registered there",
        ),
    ])
}

/// Flags that say where and how buildx builds.
fn of_the_farm(arguments: &BuildArguments) -> Vec<Judgement> {
    meaning_nothing([
        (
            arguments.builder.builder.is_some(),
            "--builder",
            "it names an instance of buildx; the embedded engine needs none",
        ),
        (
            arguments.builder.docker_context.is_some(),
            "--docker-context",
            "the embedded engine needs no docker",
        ),
        (
            arguments.deliver.is_some(),
            "--deliver",
            "the embedded engine builds into the store, from where lrops publishes",
        ),
    ])
}

fn meaning_nothing<const ROWS: usize>(rows: [(bool, &'static str, &'static str); ROWS]) -> Vec<Judgement> {
    let given = rows.into_iter().filter(|(given, ..)| *given);
    given
        .map(|(_, flag, reason)| Judgement::MeansNothing { flag, reason })
        .collect()
}

fn later(arguments: &BuildArguments) -> Vec<Judgement> {
    let attests = arguments
        .attest
        .iter()
        .any(|attestation| wants_attestation(attestation));
    let device = arguments
        .allow
        .iter()
        .any(|allowed| allowed == "device" || allowed.starts_with("device="));
    let rows = [
        (
            arguments.load == Some(true),
            "--load",
            "build with --output=type=oci,dest=FILE and load that where it is needed",
        ),
        (
            !arguments.cache_to.is_empty(),
            "--cache-to",
            "keep the store's directory between builds instead",
        ),
        (
            !arguments.ssh.is_empty(),
            "--ssh",
            "give the command a key as a secret: --secret id=NAME,src=FILE",
        ),
        (attests, "--attest", LATER_ATTESTATIONS),
        (
            arguments.sbom.as_deref().is_some_and(wants_attestation),
            "--sbom",
            LATER_ATTESTATIONS,
        ),
        (
            arguments.provenance.as_deref().is_some_and(wants_attestation),
            "--provenance",
            LATER_ATTESTATIONS,
        ),
        (
            !arguments.foreign.policy.is_empty(),
            "--policy",
            "lrops evaluates no source policies",
        ),
        (
            arguments.foreign.server_config.is_some(),
            "--server-config",
            "lrops has no server",
        ),
        (
            arguments.foreign.detach,
            "--detach",
            "lrops has no server that could go on alone",
        ),
        (device, "--allow=device", "commands see the usual devices only"),
    ];
    let given = rows.into_iter().filter(|(given, ..)| *given);
    given
        .map(|(_, flag, advice)| Judgement::NotYet { flag, advice })
        .collect()
}

/// `false` and `disabled=true` ask for nothing, which is what lrops does.
fn wants_attestation(value: &str) -> bool {
    if boolean(value) == Ok(false) {
        return false;
    }
    let disabled = Fields::parse(value)
        .ok()
        .and_then(|mut fields| fields.take("disabled"));
    disabled.is_none_or(|disabled| boolean(&disabled) != Ok(true))
}

#[cfg(test)]
mod tests;
