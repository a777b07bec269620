//! `HEALTHCHECK`

use std::time::Duration;

use super::flags::{Flags, Known, Takes};
use super::go_values::{SignedDuration, duration};
use super::{CommandLine, Origin};
use crate::syntax::{Arguments, Fault, Faults, Statement, Word, quoted, rules};

const FLAGS: Known = &[
    ("interval", Takes::Value),
    ("timeout", Takes::Value),
    ("start-period", Takes::Value),
    ("start-interval", Takes::Value),
    ("retries", Takes::Value),
];

/// The shortest interval that the reference accepts.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// `HEALTHCHECK [flags] CMD command`, or `HEALTHCHECK NONE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healthcheck {
    /// Where it comes from.
    pub origin: Origin,
    /// What it asks for.
    pub test: HealthcheckTest,
}

/// What a `HEALTHCHECK` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthcheckTest {
    /// No check, even if the base image has one.
    Disabled,
    /// A command.
    Probe(HealthcheckProbe),
}

/// A command that tells whether a container is well, and when it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthcheckProbe {
    /// What is run; never empty, not expanded.
    pub command: CommandLine,
    /// The time between two runs; zero when not said.
    pub interval: Duration,
    /// The time a run may take; zero when not said.
    pub timeout: Duration,
    /// The time in which a failure does not count; zero when not said.
    pub start_period: Duration,
    /// The time between two runs in the start period; zero when not said.
    pub start_interval: Duration,
    /// The failures in a row that make a container unhealthy; zero when not said.
    pub retries: u32,
}

impl Healthcheck {
    pub(super) fn read(statement: &Statement) -> Result<Self, Faults> {
        let Arguments::Healthcheck { kind, command } = &statement.arguments else {
            return Err(statement.wrong_arguments("requires at least one argument").into());
        };
        let test = match kind.text.to_uppercase().as_str() {
            "NONE" if command.words().is_empty() => HealthcheckTest::Disabled,
            "NONE" => return Err(statement.wrong_arguments("NONE takes no arguments").into()),
            upper => HealthcheckTest::Probe(probe(statement, kind, upper, command)?),
        };
        Ok(Self {
            origin: Origin::of(statement),
            test,
        })
    }
}

fn probe(
    statement: &Statement,
    kind: &Word,
    upper: &str,
    command: &Arguments,
) -> Result<HealthcheckProbe, Faults> {
    let flags = Flags::read(statement, FLAGS)?;
    if upper != "CMD" {
        let message = format!("Unknown type {} in HEALTHCHECK (try CMD)", quoted(upper));
        return Err(Fault::error(rules::INVALID_HEALTHCHECK, message, &kind.span).into());
    }
    if command.words().is_empty() {
        let message = "Missing command after HEALTHCHECK CMD";
        return Err(Fault::error(rules::INVALID_HEALTHCHECK, message, &kind.span).into());
    }
    Ok(HealthcheckProbe {
        command: CommandLine::read(command, statement.span.end),
        interval: interval(&flags, "interval")?,
        timeout: interval(&flags, "timeout")?,
        start_period: interval(&flags, "start-period")?,
        start_interval: interval(&flags, "start-interval")?,
        retries: retries(&flags)?,
    })
}

fn interval(flags: &Flags, name: &str) -> Result<Duration, Fault> {
    let Some(value) = flags.value(name) else {
        return Ok(Duration::ZERO);
    };
    let fault = |message: String| Fault::error(rules::INVALID_HEALTHCHECK, message, &value.span);
    match duration(&value.text).map_err(fault)? {
        SignedDuration::Positive(duration) if duration.is_zero() || duration >= INTERVAL_MIN => Ok(duration),
        _ => Err(fault(format!(
            "Interval {} cannot be less than 1ms",
            quoted(name)
        ))),
    }
}

fn retries(flags: &Flags) -> Result<u32, Fault> {
    let Some(value) = flags.value("retries") else {
        return Ok(0);
    };
    let fault = |message: String| Fault::error(rules::INVALID_HEALTHCHECK, message, &value.span);
    let retries: i32 = value.text.parse().map_err(|_| {
        fault(format!(
            "invalid value {} for --retries: it must be a number",
            quoted(&value.text)
        ))
    })?;
    u32::try_from(retries).map_err(|_| fault(format!("--retries cannot be negative ({retries})")))
}
