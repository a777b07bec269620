//! The last steps of the process that becomes the command.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use lrops_model::platform::Platform;
use rustix::fs::{MemfdFlags, Mode, memfd_create};
use rustix::process::{chdir, setsid, umask};

use super::error::{CommandError, Step};
use super::message::{Failure, Report};
use super::spec::RunSpec;
use super::{capabilities, seccomp};
use crate::kernel;

/// The code of a process that reported by itself why it did not become the command.
pub(crate) const NOT_STARTED: i32 = 127;

/// Where programs are looked for when the environment does not say: the kernel's and runc's default.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How much of a file is read to say why it is no program.
const HEADER_BYTES: usize = 4096;

/// Becomes the command; returns only with the report of why that failed.
pub(crate) fn become_command(spec: &RunSpec) -> Result<Infallible, Report> {
    prepare(spec).map_err(Report::Failed)?;
    Err(Report::NotStarted(execute(spec)))
}

fn prepare(spec: &RunSpec) -> Result<(), Failure> {
    setsid().map_err(Failure::of(Step::Fork))?;
    let path = spec.working_directory.display().to_string();
    chdir(&spec.working_directory).map_err(Failure::of(Step::WorkingDirectory { path }))?;
    set_input(spec.input.as_deref()).map_err(Failure::of(Step::Input))?;
    umask(Mode::from_raw_mode(0o022));
    kernel::reset_signals();
    // Whoever started the program may have left descriptors open in it: of directories outside, perhaps.
    kernel::close_descriptors_on_execution().map_err(Failure::of(Step::Input))?;
    capabilities::limit_what_can_be_gained(spec)?;
    // Before the user changes: without `no_new_privs` a filter needs the rights that are about to go.
    seccomp::limit_system_calls(spec)?;
    capabilities::become_user(spec)
}

/// The input is a file in memory: a pipe would need someone to fill it.
fn set_input(bytes: Option<&[u8]>) -> io::Result<()> {
    let file = match bytes {
        None => File::open("/dev/null")?,
        Some(bytes) => {
            let mut file = File::from(memfd_create("input", MemfdFlags::CLOEXEC)?);
            file.write_all(bytes)?;
            file.rewind()?;
            file
        }
    };
    Ok(rustix::stdio::dup2_stdin(&file)?)
}

fn execute(spec: &RunSpec) -> CommandError {
    let other = |error: io::Error| CommandError::Other {
        message: error.to_string(),
    };
    let Some(name) = spec.arguments.first().filter(|name| !name.is_empty()) else {
        return CommandError::Empty;
    };
    let program = match find(name, &spec.environment) {
        Ok(program) => program,
        Err(error) => return error.with_user(spec.user.uid),
    };
    let arguments: io::Result<Vec<CString>> =
        spec.arguments.iter().map(|text| kernel::c_string(text)).collect();
    let environment: io::Result<Vec<CString>> = spec
        .environment
        .iter()
        .map(|(name, value)| kernel::c_string(OsStr::new(&format!("{name}={value}"))))
        .collect();
    match (kernel::c_string(program.as_os_str()), arguments, environment) {
        (Ok(path), Ok(arguments), Ok(environment)) => {
            explain(&program, &kernel::execute(&path, &arguments, &environment)).with_user(spec.user.uid)
        }
        (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => other(error),
    }
}

impl CommandError {
    fn with_user(self, uid: u32) -> Self {
        if matches!(self, Self::PermissionDenied { .. }) {
            Self::PermissionDenied { uid }
        } else {
            self
        }
    }
}

/// Finds a program as a shell does: by its path, or in the directories of `PATH`.
fn find(name: &OsStr, environment: &[(String, String)]) -> Result<PathBuf, CommandError> {
    if name.as_bytes().contains(&b'/') {
        return Ok(PathBuf::from(name));
    }
    let value = environment
        .iter()
        .rev()
        .find(|(key, _)| key == "PATH")
        .map(|(_, value)| value.as_str());
    let path = value.unwrap_or(DEFAULT_PATH);
    let mut denied = false;
    for directory in path.split(':') {
        let candidate = Path::new(if directory.is_empty() { "." } else { directory }).join(name);
        if !fs::metadata(&candidate).is_ok_and(|found| found.is_file()) {
            continue;
        }
        if rustix::fs::access(&candidate, rustix::fs::Access::EXEC_OK).is_ok() {
            return Ok(candidate);
        }
        denied = true;
    }
    Err(if denied {
        CommandError::PermissionDenied { uid: 0 }
    } else {
        CommandError::NotInPath {
            path: path.to_owned(),
        }
    })
}

/// Says what the kernel's refusal means for this file.
fn explain(program: &Path, error: &io::Error) -> CommandError {
    match error.raw_os_error() {
        Some(libc::ENOENT) if fs::symlink_metadata(program).is_err() => CommandError::NotFound,
        Some(libc::ENOENT) => match loader(program) {
            Some(interpreter) => CommandError::MissingInterpreter { interpreter },
            None => CommandError::NotFound,
        },
        Some(libc::ENOTDIR) => CommandError::NotFound,
        Some(libc::EACCES | libc::EISDIR) => CommandError::PermissionDenied { uid: 0 },
        Some(libc::ENOEXEC) => match foreign_platform(&header(program)) {
            Some(platform) => CommandError::ForeignPlatform { platform },
            None => CommandError::NoProgram,
        },
        // The loader of a foreign program is there, and is foreign itself.
        Some(libc::ELIBBAD) => CommandError::Other {
            message: "its loader is of another platform".to_owned(),
        },
        _ => CommandError::Other {
            message: error.to_string(),
        },
    }
}

fn header(program: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(program) {
        // A header that cannot be read explains nothing, and the kernel's own word remains.
        let _ = file.take(HEADER_BYTES as u64).read_to_end(&mut bytes);
    }
    bytes
}

/// Returns the interpreter or loader that a program names.
pub(super) fn loader(program: &Path) -> Option<String> {
    interpreter(&header(program))
}

/// The interpreter that a script's first line or an ELF program's header names.
fn interpreter(header: &[u8]) -> Option<String> {
    if let Some(line) = header.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next()?;
        let word = line.trim_ascii().split(u8::is_ascii_whitespace).next()?;
        return Some(OsString::from_vec(word.to_vec()).to_string_lossy().into_owned());
    }
    let elf = Elf::parse(header)?;
    let path = elf.interpreter(header)?;
    Some(String::from_utf8_lossy(path).into_owned())
}

fn foreign_platform(header: &[u8]) -> Option<Platform> {
    let platform = Elf::parse(header)?.platform()?;
    (!Platform::host().runs_natively(&platform)).then_some(platform)
}

/// The few fields of an ELF header that say for whom a program is.
struct Elf {
    wide: bool,
    little: bool,
    machine: u64,
}

impl Elf {
    fn parse(header: &[u8]) -> Option<Self> {
        let identity = header.get(..16)?;
        if !identity.starts_with(b"\x7fELF") {
            return None;
        }
        let elf = Self {
            wide: identity[4] == 2,
            little: identity[5] == 1,
            machine: 0,
        };
        Some(Self {
            machine: elf.number(header, 18, 2)?,
            ..elf
        })
    }

    fn number(&self, header: &[u8], offset: usize, len: usize) -> Option<u64> {
        let bytes = header.get(offset..offset.checked_add(len)?)?;
        let add = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
        Some(if self.little {
            bytes.iter().rev().fold(0, add)
        } else {
            bytes.iter().fold(0, add)
        })
    }

    /// The platform, of the machines that images are made for (`elf.h`).
    fn platform(&self) -> Option<Platform> {
        let architecture = match (self.machine, self.wide, self.little) {
            (3, ..) => "386",
            (62, ..) => "amd64",
            (40, ..) => "arm",
            (183, ..) => "arm64",
            (243, true, _) => "riscv64",
            (21, true, true) => "ppc64le",
            (21, true, false) => "ppc64",
            (22, true, _) => "s390x",
            (8, true, true) => "mips64le",
            (8, false, true) => "mipsle",
            (258, true, _) => "loong64",
            _ => return None,
        };
        Some(Platform::new("linux", architecture, None))
    }

    /// The text of the program header of type `PT_INTERP`.
    fn interpreter<'a>(&self, header: &'a [u8]) -> Option<&'a [u8]> {
        const PT_INTERP: u64 = 3;
        let (table, size, count) = if self.wide { (32, 54, 56) } else { (28, 42, 44) };
        let word = if self.wide { 8 } else { 4 };
        let start = usize::try_from(self.number(header, table, word)?).ok()?;
        let size = usize::try_from(self.number(header, size, 2)?).ok()?;
        let count = usize::try_from(self.number(header, count, 2)?).ok()?;
        let entry = (0..count)
            .map(|index| start.saturating_add(index * size))
            .find(|entry| self.number(header, *entry, 4) == Some(PT_INTERP))?;
        let (offset, len) = if self.wide { (8, 32) } else { (4, 16) };
        let offset = usize::try_from(self.number(header, entry + offset, word)?).ok()?;
        let len = usize::try_from(self.number(header, entry + len, word)?).ok()?;
        header
            .get(offset..offset.checked_add(len)?)?
            .split(|byte| *byte == 0)
            .next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(wide: bool, little: bool, machine: u16) -> Vec<u8> {
        let mut header = b"\x7fELF".to_vec();
        header.extend([
            if wide { 2 } else { 1 },
            if little { 1 } else { 2 },
            1,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ]);
        header.extend(if little {
            2u16.to_le_bytes()
        } else {
            2u16.to_be_bytes()
        });
        header.extend(if little {
            machine.to_le_bytes()
        } else {
            machine.to_be_bytes()
        });
        header
    }

    #[track_caller]
    fn check(header: &[u8], expected: &str) {
        let platform = Elf::parse(header).and_then(|elf| elf.platform());
        assert_eq!(
            platform.map(|platform| platform.to_string()).unwrap_or_default(),
            expected
        );
    }

    #[test]
    fn a_programs_header_tells_its_platform() {
        check(&elf(true, true, 62), "linux/amd64");
        check(&elf(true, true, 183), "linux/arm64");
        check(&elf(false, true, 40), "linux/arm/v7");
        check(&elf(true, false, 22), "linux/s390x");
        check(&elf(true, true, 243), "linux/riscv64");
        check(&elf(true, true, 9999), "");
        check(b"#!/bin/sh\n", "");
        check(b"\x7fELF", "");
    }

    #[test]
    fn a_script_names_its_interpreter() {
        assert_eq!(
            interpreter(b"#! /usr/bin/env python\nx"),
            Some("/usr/bin/env".to_owned())
        );
        assert_eq!(interpreter(b"#!/nope"), Some("/nope".to_owned()));
        assert_eq!(interpreter(b"echo"), None);
    }

    #[test]
    fn a_program_names_its_loader_and_a_broken_one_does_no_harm() {
        let own = header(Path::new("/proc/self/exe"));
        assert!(
            interpreter(&own).is_none_or(|loader| loader.contains("ld")),
            "{:?}",
            interpreter(&own)
        );
        for len in 0..own.len().min(200) {
            let _ = interpreter(&own[..len]);
        }
        let mut broken = elf(true, true, 62);
        broken.extend([0xff; 200]);
        assert_eq!(interpreter(&broken), None);
    }
}
