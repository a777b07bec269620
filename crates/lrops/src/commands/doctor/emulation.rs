//! Whether the machine can run the foreign programs that the work would run.

use std::path::PathBuf;

use lrops_buildx::KnownFailure;
use lrops_engine::emulator;
use lrops_model::platform::Platform;
use lrops_model::request::EmulationPolicy;
use lrops_sandbox::trial::Attempt;

use super::embedded::{KERNEL_OF_EMULATION, version};
use super::finding::{Check, Remedy, State};

const NAME: &str = "emulation";
const CROSS_COMPILE: &str = "give the stages that run tools `FROM --platform=$BUILDPLATFORM`, and let them cross-compile; lrops plan shows the lines";

/// What the work would emulate.
#[derive(Clone, Debug)]
pub(super) struct Emulated {
    /// The platforms, each with the program that emulates it; nothing, when there is no Dockerfile to look at.
    pub(super) programs: Option<Vec<(Option<PathBuf>, Platform)>>,
    /// What happens to programs of foreign platforms.
    pub(super) policy: EmulationPolicy,
}

/// Judges emulation on this machine.
pub(super) fn foreign_programs(emulated: &Emulated, table: &Attempt, kernel: &str) -> Check {
    let Some(programs) = &emulated.programs else {
        return Check::not_needed(NAME, "there is no Dockerfile to look at");
    };
    if programs.is_empty() {
        return Check::not_needed(NAME, "no line would run a foreign program");
    }
    let names: Vec<String> = programs
        .iter()
        .map(|(_, platform)| platform.to_string())
        .collect();
    let found = format!("some lines would run programs of {}", names.join(", "));
    if emulated.policy == EmulationPolicy::Deny {
        return denied(NAME, found);
    }
    let missing = programs.iter().find(|(program, _)| program.is_none());
    if let Some((_, platform)) = missing {
        let cause = format!("there is no {} on this machine", emulator::name(platform));
        let remedy = Remedy::new(KnownFailure::EmulationMissing.name(), cause)
            .cure(CROSS_COMPILE)
            .cure("where emulation is really wanted, install it: sudo apt install qemu-user-static");
        return Check::ill(State::Broken, NAME, found, remedy);
    }
    if let Attempt::Fails { message } = table {
        return Check::ill(State::Broken, NAME, found, no_table(message, kernel));
    }
    if emulated.policy == EmulationPolicy::Allow {
        return Check::ok(NAME, format!("{found}, and can"));
    }
    let remedy = Remedy::new(
        KnownFailure::EmulationMissing.name(),
        "they can, and take 10 to 35 times as long",
    )
    .cure(CROSS_COMPILE)
    .cure("or say that it is meant so: --emulation=allow");
    Check::ill(State::Warning, NAME, found, remedy)
}

/// Returns that emulation is denied, which holds for every engine.
pub(super) fn denied(name: &str, found: String) -> Check {
    let remedy = Remedy::new(
        KnownFailure::EmulationMissing.name(),
        "emulation is denied, so that the build stops before it begins",
    )
    .cure(CROSS_COMPILE)
    .cure("or allow it: emulation = \"warn\" in lrops.toml's [build], or --emulation=warn");
    Check::ill(State::Broken, name, found, remedy)
}

fn no_table(message: &str, kernel: &str) -> Remedy {
    let (major, minor) = KERNEL_OF_EMULATION;
    let is_old = version(kernel).is_some_and(|version| version < KERNEL_OF_EMULATION);
    let cause = if is_old {
        format!(
            "emulation without a set-up by root needs Linux {major}.{minor} or newer, and this is {kernel}"
        )
    } else {
        format!("the kernel gives a sandbox no table of binary formats of its own: {message}")
    };
    let load = "load what the kernel needs for it: sudo modprobe binfmt_misc";
    let remedy = Remedy::new(KnownFailure::EmulationMissing.name(), cause).cure(CROSS_COMPILE);
    if is_old {
        remedy.cure("or build where the builder emulates: --engine buildx")
    } else {
        remedy.cure(load)
    }
}
