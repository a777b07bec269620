//! Compares the programs of a platform's file system with the platform.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use lrops_model::finding::{Finding, Severity};
use lrops_model::platform::Platform;

use super::documents::Image;
use super::elf::{ElfFile, Facts, Kind};
use super::expectations::Expectations;
use super::file_system::{FileSystem, Found};
use super::layers::Layers;
use super::machine::Machine;
use super::tally::{Tally, quote};
use super::twins::Twins;
use super::{advice, arm};

/// Where programs for other processors lie, of devices, by the convention of Linux.
const FIRMWARE: [&str; 2] = ["lib/firmware", "usr/lib/firmware"];

/// Operating systems whose programs are no ELF files.
const WITHOUT_ELF: [&str; 5] = ["windows", "darwin", "ios", "js", "wasip1"];

/// Adds a finding for each file that is not of its platform, and returns how many were looked at.
pub(super) fn check(
    image: &Image,
    layers: &Layers,
    expectations: &Expectations,
    twins: &mut Twins,
    findings: &mut Vec<Finding>,
) -> usize {
    let platform = &image.platform;
    let (file_system, complete) = file_system(image, layers, findings);
    let mut files = file_system.elf_files();
    files.retain(|(path, _)| !FIRMWARE.iter().any(|firmware| path.starts_with(firmware)));
    if WITHOUT_ELF.contains(&platform.os.as_str()) {
        return files.len();
    }
    let Some(machine) = Machine::of(platform) else {
        if !platform.architecture.is_empty() && !files.is_empty() {
            let message =
                format!("what programs of {platform} look like is not known; they were not looked at");
            findings.push(Finding::warning("UnknownArchitecture", message));
        }
        return files.len();
    };
    let mut judge = Judge {
        platform,
        machine,
        file_system: complete.then_some(file_system),
        tally: Tally::default(),
    };
    for (path, file) in &files {
        if !expectations.allow(path, platform) {
            let runs = judge.judge(path, file);
            if let Some(facts) = &file.facts
                && facts.kind == Kind::Program
            {
                twins.add(platform, path, file, runs);
            }
        }
    }
    judge.tally.finish(&platform.to_string(), findings);
    files.len()
}

/// Returns the final file system, and whether all layers are in it.
fn file_system(image: &Image, layers: &Layers, findings: &mut Vec<Finding>) -> (FileSystem, bool) {
    let mut file_system = FileSystem::new();
    let mut complete = true;
    for (index, layer) in layers.of(image).enumerate() {
        let Some(layer) = layer else {
            complete = false;
            continue;
        };
        // Without the layers below, links and directories may be missing through no fault of this one.
        if let Err(reason) = file_system.apply(&layer.entries)
            && complete
        {
            complete = false;
            let message = format!(
                "layer {} of {} cannot be unpacked: {reason}",
                index + 1,
                image.platform
            );
            findings.push(Finding::error("LayerUnreadable", message).advise(advice::BUILDER));
        }
    }
    (file_system, complete)
}

struct Judge<'a> {
    platform: &'a Platform,
    machine: Machine,
    /// `None` when layers are missing, so that nothing is known of what is not there.
    file_system: Option<FileSystem>,
    tally: Tally,
}

impl Judge<'_> {
    /// Looks at one file; returns whether the platform runs it.
    fn judge(&mut self, path: &Path, file: &Arc<ElfFile>) -> bool {
        let shown = quote(&format!("/{}", path.display()));
        let Some(facts) = &file.facts else {
            let message = || {
                let message = format!("{}: {shown} begins like an ELF file but is none", self.platform);
                Finding::warning("UnreadableProgram", message).advise(advice::allow(path))
            };
            self.tally.add("UnreadableProgram", message, Severity::Warning);
            return true;
        };
        if facts.machine != self.machine {
            return self.foreign(path, &shown, facts);
        }
        if !self.runs_version(path, &shown, facts) {
            return false;
        }
        self.check_interpreter(path, &shown, facts);
        true
    }

    /// Reports a file for another architecture; returns whether the platform's kernel may run it.
    fn foreign(&mut self, path: &Path, shown: &str, facts: &Facts) -> bool {
        let (rule, noun) = match facts.kind {
            Kind::Program => ("ForeignProgram", "program"),
            Kind::Library => ("ForeignLibrary", "shared library"),
        };
        let (platform, found, expected) = (self.platform, facts.machine, self.machine);
        let runs = found.architecture().is_some_and(|architecture| {
            platform.runs_natively(&Platform::new(&platform.os, architecture, None))
        });
        let severity = if runs { Severity::Warning } else { Severity::Error };
        let finding = || {
            let message = format!("{platform}: {shown} is a {noun} for {found} instead of {expected}");
            let advice = if runs {
                format!(
                    "kernels without support for 32-bit programs do not run it; {}",
                    advice::allow(path)
                )
            } else {
                advice::foreign(path)
            };
            Finding::error(rule, message).advise(advice)
        };
        self.tally.add(rule, finding, severity);
        runs
    }

    fn runs_version(&mut self, path: &Path, shown: &str, facts: &Facts) -> bool {
        let version = arm::version_of(self.platform);
        let Some(need) = facts.arm.filter(|need| need.version > version) else {
            return true;
        };
        let finding = || {
            let message = format!(
                "{}: {shown} needs ARM version {} ({}), but the platform has version {version}",
                self.platform,
                need.version,
                need.evidence.name()
            );
            Finding::error("ArmVersionTooHigh", message).advise(advice::arm_version(path))
        };
        self.tally.add("ArmVersionTooHigh", finding, Severity::Error);
        false
    }

    /// Checks that the kernel finds what it starts for a dynamic program. The interpreter's own platform is judged where
    /// it lies.
    fn check_interpreter(&mut self, path: &Path, shown: &str, facts: &Facts) {
        let (Some(interpreter), Kind::Program) = (&facts.interpreter, facts.kind) else {
            return;
        };
        let Some(file_system) = &mut self.file_system else {
            return;
        };
        let problem = match file_system.find(Path::new(OsStr::from_bytes(interpreter))) {
            Found::Elf => return,
            Found::Other => "is no program",
            Found::Nothing => "is not in the image",
        };
        let finding = || {
            let interpreter = quote(&String::from_utf8_lossy(interpreter));
            let message = format!(
                "{}: {shown} needs the program interpreter {interpreter}, which {problem}",
                self.platform
            );
            Finding::error("MissingInterpreter", message).advise(advice::interpreter(path))
        };
        self.tally.add("MissingInterpreter", finding, Severity::Error);
    }
}
