//! `RUN`

use super::flags::{Flags, Known, Takes};
use super::{CommandLine, Device, MountFlag, Origin};
use crate::syntax::{Fault, Faults, Heredoc, Statement, quoted, rules};

const FLAGS: Known = &[
    ("mount", Takes::Values),
    ("network", Takes::Value),
    ("security", Takes::Value),
    ("device", Takes::Values),
];

/// `RUN [flags] command`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where it comes from.
    pub origin: Origin,
    /// What is run; not expanded, since the shell does that.
    pub command: CommandLine,
    /// The heredocs of the command, in their order.
    pub heredocs: Vec<Heredoc>,
    /// The mounts, to be expanded and then resolved.
    pub mounts: Vec<MountFlag>,
    /// The network that the command sees; none when not said.
    pub network: Option<Network>,
    /// What the command may do.
    pub security: Security,
    /// The devices that the command asks for.
    pub devices: Vec<Device>,
}

/// The network that a command sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// The builder's choice.
    Default,
    /// None.
    None,
    /// The host's.
    Host,
}

/// What a command may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    /// What a container may.
    Sandbox,
    /// Whatever the builder may.
    Insecure,
}

impl Run {
    pub(super) fn read(statement: &Statement) -> Result<Self, Faults> {
        let flags = Flags::read(statement, FLAGS)?;
        let mut faults = Vec::new();
        let mut mounts = Vec::new();
        for word in flags.values("mount") {
            match MountFlag::read(&word) {
                Ok(mount) => mounts.push(mount),
                Err(fault) => faults.push(fault),
            }
        }
        let mut devices = Vec::new();
        for word in flags.values("device") {
            match Device::read(&word) {
                Ok(device) => devices.push(device),
                Err(fault) => faults.push(fault),
            }
        }
        let network = network(&flags).unwrap_or_else(|fault| keep(&mut faults, fault, None));
        let security = security(&flags).unwrap_or_else(|fault| keep(&mut faults, fault, Security::Sandbox));
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        let command = CommandLine::read(&statement.arguments, statement.span.end);
        let heredocs = statement.heredocs.clone();
        Ok(Self {
            origin: Origin::of(statement),
            command,
            heredocs,
            mounts,
            network,
            security,
            devices,
        })
    }
}

fn keep<T>(faults: &mut Vec<Fault>, fault: Fault, instead: T) -> T {
    faults.push(fault);
    instead
}

fn network(flags: &Flags) -> Result<Option<Network>, Fault> {
    let Some(word) = flags.written("network") else {
        return Ok(None);
    };
    match word.as_str() {
        "default" => Ok(Some(Network::Default)),
        "none" => Ok(Some(Network::None)),
        "host" => Ok(Some(Network::Host)),
        other => {
            let message = format!("invalid network mode {}", quoted(other));
            Err(Fault::error(rules::INVALID_FLAG, message, &word.span)
                .advise("it is default, none or host".to_owned()))
        }
    }
}

fn security(flags: &Flags) -> Result<Security, Fault> {
    let Some(word) = flags.written("security") else {
        return Ok(Security::Sandbox);
    };
    match word.as_str() {
        "sandbox" => Ok(Security::Sandbox),
        "insecure" => Ok(Security::Insecure),
        other => {
            let message = format!("security {} is not valid", quoted(other));
            Err(Fault::error(rules::INVALID_FLAG, message, &word.span)
                .advise("it is sandbox or insecure".to_owned()))
        }
    }
}
