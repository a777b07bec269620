//! Whether the machine can run the foreign programs that the work would run.

use lrops_buildx::KnownFailure;
use lrops_engine::emulator::{Means, NoEmulation};
use lrops_model::platform::Platform;
use lrops_model::request::EmulationPolicy;

use super::embedded::{KERNEL_OF_EMULATION, version};
use super::finding::{Check, Remedy, State};

const NAME: &str = "emulation";
const CROSS_COMPILE: &str = "give the stages that run tools `FROM --platform=$BUILDPLATFORM`, and let them cross-compile; lrops plan shows the lines";

/// What the work would emulate.
#[derive(Clone, Debug)]
pub(super) struct Emulated {
    /// The platforms, each with what emulates it; nothing, when there is no Dockerfile to look at.
    pub(super) platforms: Option<Vec<(Platform, Result<Means, NoEmulation>)>>,
    /// What happens to programs of foreign platforms.
    pub(super) policy: EmulationPolicy,
}

/// Judges emulation on this machine.
pub(super) fn foreign_programs(emulated: &Emulated, kernel: &str) -> Check {
    let Some(platforms) = &emulated.platforms else {
        return Check::not_needed(NAME, "there is no Dockerfile to look at");
    };
    if platforms.is_empty() {
        return Check::not_needed(NAME, "no line would run a foreign program");
    }
    let names: Vec<String> = platforms
        .iter()
        .map(|(platform, _)| platform.to_string())
        .collect();
    let found = format!("some lines would run programs of {}", names.join(", "));
    if emulated.policy == EmulationPolicy::Deny {
        return denied(NAME, found);
    }
    let missing = platforms.iter().find_map(|(_, means)| means.as_ref().err());
    if let Some(missing) = missing {
        return Check::ill(State::Broken, NAME, found, impossible(missing, kernel));
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

fn impossible(missing: &NoEmulation, kernel: &str) -> Remedy {
    let (major, minor) = KERNEL_OF_EMULATION;
    let name = KnownFailure::EmulationMissing.name();
    let NoEmulation::NoTable { message } = missing else {
        return Remedy::new(name, missing.to_string())
            .cure(CROSS_COMPILE)
            .cure("where emulation is really wanted, install it: sudo apt install qemu-user-static")
            .cure("or name the directory that has it: --qemu DIR");
    };
    if version(kernel).is_some_and(|version| version < KERNEL_OF_EMULATION) {
        let cause = format!(
            "emulation without a set-up by root needs Linux {major}.{minor} or newer, and this is {kernel}"
        );
        return Remedy::new(name, cause)
            .cure(CROSS_COMPILE)
            .cure("or have root register QEMU for the whole machine: sudo apt install qemu-user-static binfmt-support")
            .cure("or build where the builder emulates: --engine buildx");
    }
    let cause = format!("the kernel gives a sandbox no table of binary formats of its own: {message}");
    Remedy::new(name, cause)
        .cure(CROSS_COMPILE)
        .cure("load what the kernel needs for it: sudo modprobe binfmt_misc")
}
