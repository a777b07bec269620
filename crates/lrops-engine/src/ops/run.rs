//! `RUN`: a command in a sandbox, on a copy-on-write tree of the stage's files.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use lrops_model::change::Owner;
use lrops_model::engine::StepFailure;
use lrops_model::event::OutputStream;
use lrops_model::graph::{RunMountKind, RunNetwork, RunOp, RunSecurity, StepLabel};
use lrops_sandbox::{
    ActiveSnapshot, Emulator, Exit, ExtraHost, Network, NewPrivileges, RootAccess, RunError, RunSpec,
    Security, SnapshotId, Stream, users,
};
use lrops_store::tree::{NewDirectories, RootDir};

use super::make_directory::user_name;
use super::mounts::{MountSet, context_digest};
use super::{commit, prepare, user};
use crate::emulator::Means;
use crate::keys::{CacheKey, KeyBuilder};
use crate::reporter::Activity;
use crate::step::{Execution, Files, StepResult, chain, internal};

/// Where commands find the host's certificate authorities.
const HOST_CA_PATH: &str = "/run/lrops/ca-certificates.crt";
/// The variables by which programs learn of a bundle: OpenSSL, Go and Rust; Node; pip and requests; curl; git; the
/// AWS tools; Deno.
const HOST_CA_VARIABLES: [&str; 7] = [
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
];
/// The size of `/dev/shm` where none is asked for; Docker's.
const SHARED_MEMORY_BYTES: u64 = 64 << 20;
/// The name of the machine that commands see, and the build argument that changes it; both `BuildKit`'s.
const HOST_NAME: &str = "buildkitsandbox";
const HOST_NAME_ARGUMENT: &str = "BUILDKIT_SANDBOX_HOSTNAME";

/// Returns the key: the command and all that it is given, and what its files are.
///
/// Secrets, proxies, the host's certificate authorities and what emulates the command are not in it: with others of them
/// the same command makes the same files.
pub(crate) fn definition_key(
    execution: &Execution<'_>,
    run: &RunOp,
    inputs: &[StepResult],
) -> Result<CacheKey, StepFailure> {
    let mut key = KeyBuilder::new("run.v1")
        .json(run)
        .json(&execution.request.extra_hosts)
        .field(host_name(execution));
    for (index, input) in inputs.iter().enumerate() {
        key = match &input.files {
            Files::Context(name) if reads(run, index) => key.field(context_digest(execution, name)?.hex()),
            _ => key.key(Some(input.key)),
        };
    }
    Ok(key.finish())
}

fn reads(run: &RunOp, index: usize) -> bool {
    run.mounts
        .iter()
        .any(|mount| matches!(mount.kind, RunMountKind::Bind { input, .. } if input == index))
}

/// Runs the command and keeps what it changed.
pub(crate) fn execute(
    execution: &Execution<'_>,
    run: &RunOp,
    label: &StepLabel,
    inputs: &[StepResult],
    snapshot: &SnapshotId,
    activity: &Activity<'_>,
) -> Result<(), StepFailure> {
    if run.security == RunSecurity::Insecure && !execution.request.allow_insecure {
        return Err(user(
            "RUN --security=insecure is refused: it needs --allow security.insecure",
        ));
    }
    let active = prepare(execution, &inputs[0])?;
    make_working_directory(execution, &active, &run.working_directory)?;
    let mounts = MountSet::open(execution, run, inputs)?;
    let spec = specification(execution, run, &active, &mounts)?;
    let mut output = |stream: Stream, bytes: &[u8]| {
        let stream = match stream {
            Stream::Stdout => OutputStream::Stdout,
            Stream::Stderr => OutputStream::Stderr,
        };
        activity.output(stream, bytes);
    };
    let exit = lrops_sandbox::run(&spec, &mut output, &execution.cancel);
    drop(mounts);
    let command = label.instruction.clone();
    match exit {
        Ok(exit) if exit.success() => commit(execution, active, snapshot, Vec::new()),
        Ok(Exit::Code(code)) => Err(StepFailure::Exit { command, code }),
        Ok(Exit::Signal(signal)) => Err(StepFailure::Signal { command, signal }),
        Err(error @ RunError::Command { .. }) => Err(user(chain(&error))),
        Err(error) => Err(internal("the command could not be run", error)),
    }
}

fn host_name<'a>(execution: &Execution<'a>) -> &'a str {
    execution
        .request
        .build_args
        .get(HOST_NAME_ARGUMENT)
        .map_or(HOST_NAME, String::as_str)
}

/// The working directory is there even when no `WORKDIR` made it: a base image's may be missing.
fn make_working_directory(
    execution: &Execution<'_>,
    active: &ActiveSnapshot,
    path: &str,
) -> Result<(), StepFailure> {
    let root = RootDir::open(active.root(), execution.owner_style);
    let root = root.map_err(|error| internal("failed to open the stage's files", error))?;
    let new = NewDirectories {
        mode: 0o755,
        owner: Owner::ROOT,
        time: None,
    };
    let made = root.make_dirs(Path::new(path), new);
    made.map(drop)
        .map_err(|error| user(format!("the working directory {path}: {}", chain(&error))))
}

fn specification(
    execution: &Execution<'_>,
    run: &RunOp,
    active: &ActiveSnapshot,
    mounts: &MountSet,
) -> Result<RunSpec, StepFailure> {
    let resolved =
        users::resolve(active.root(), user_name(&run.user)).map_err(|error| user(chain(&error)))?;
    let home = resolved.home.clone().unwrap_or_else(|| "/".to_owned());
    Ok(RunSpec {
        root: active.root().to_path_buf(),
        root_access: RootAccess::ReadWrite,
        arguments: run.arguments.iter().map(OsString::from).collect(),
        environment: environment(execution, run, mounts, home),
        working_directory: PathBuf::from(&run.working_directory),
        user: resolved.ids,
        mounts: mounts.mounts.clone(),
        network: match run.network {
            RunNetwork::Host => Network::Host,
            RunNetwork::None => Network::None,
        },
        security: match run.security {
            RunSecurity::Sandbox => Security::Default,
            RunSecurity::Insecure => Security::Insecure,
        },
        new_privileges: NewPrivileges::Allowed,
        host_name: host_name(execution).to_owned(),
        extra_hosts: extra_hosts(execution)?,
        host_ca: execution.request.host_ca.clone(),
        emulator: emulator(execution, run)?,
        shared_memory_bytes: execution.request.shm_size.unwrap_or(SHARED_MEMORY_BYTES),
        input: None,
    })
}

/// What the Dockerfile set comes first and wins; the rest is added where it did not speak.
fn environment(
    execution: &Execution<'_>,
    run: &RunOp,
    mounts: &MountSet,
    home: String,
) -> Vec<(String, String)> {
    let mut environment = run.environment.clone();
    let mut add = |name: &str, value: String| {
        if !environment.iter().any(|(other, _)| other == name) {
            environment.push((name.to_owned(), value));
        }
    };
    for (name, value) in &execution.request.proxy_variables {
        add(name, value.clone());
    }
    add("HOME", home);
    if execution.request.host_ca.is_some() {
        for name in HOST_CA_VARIABLES {
            add(name, HOST_CA_PATH.to_owned());
        }
    }
    environment.extend(mounts.variables.iter().cloned());
    environment
}

fn extra_hosts(execution: &Execution<'_>) -> Result<Vec<ExtraHost>, StepFailure> {
    let hosts = execution.request.extra_hosts.iter().map(|(name, address)| {
        let address: IpAddr = address
            .parse()
            .map_err(|_| user(format!("--add-host {name}: {address:?} is no IP address")))?;
        Ok(ExtraHost {
            name: name.clone(),
            address,
        })
    });
    hosts.collect()
}

/// Finds what runs the programs of a foreign platform.
fn emulator(execution: &Execution<'_>, run: &RunOp) -> Result<Option<Emulator>, StepFailure> {
    if execution.request.build_platform.runs_natively(&run.platform) {
        return Ok(None);
    }
    match execution.emulation(&run.platform) {
        Ok(Means::Program(interpreter)) => Ok(Some(Emulator {
            interpreter,
            platform: run.platform.clone(),
        })),
        Ok(Means::Machine) => Ok(None),
        Err(cause) => Err(internal(
            &format!("{} programs cannot be emulated", run.platform),
            cause,
        )),
    }
}
