//! What runs other platforms' programs on this machine.

use std::path::PathBuf;

use lrops_model::platform::Platform;
use lrops_sandbox::trial::Attempt;
use lrops_sandbox::{is_known, is_static, machine_emulates};

/// How a platform's programs are emulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// By this program, which the sandbox of a command registers for itself.
    Program(PathBuf),
    /// By what the machine has registered for everybody.
    Machine,
}

/// Why a platform's programs cannot be emulated.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoEmulation {
    /// What its programs look like is not known, so that the kernel cannot be told.
    #[error("lrops does not know what programs of {platform} look like, so it cannot have them emulated")]
    UnknownPlatform {
        /// The platform.
        platform: Platform,
    },
    /// There is no program for it.
    #[error("there is no {name} in {}", listed(directories))]
    NoProgram {
        /// What it is usually called.
        name: String,
        /// Where it was looked for.
        directories: Vec<PathBuf>,
    },
    /// The program that is there starts only where its libraries are.
    #[error("{} is not statically linked: a stage's files have no libraries for it", program.display())]
    NotStatic {
        /// The program.
        program: PathBuf,
    },
    /// The sandbox cannot register it.
    #[error(
        "the kernel gives a sandbox no table of binary formats of its own, for which it needs Linux 6.7: {message}"
    )]
    NoTable {
        /// What the kernel said.
        message: String,
    },
}

/// Returns how a platform's programs are emulated: by a program of these directories, or by the machine's own
/// registration where there is no such way. `table` tells whether a sandbox can have a table of its own.
///
/// # Errors
/// When there is neither.
pub fn means(platform: &Platform, directories: &[PathBuf], table: &Attempt) -> Result<Means, NoEmulation> {
    if !is_known(platform) {
        let platform = platform.clone();
        return Err(NoEmulation::UnknownPlatform { platform });
    }
    let program = find(platform, directories).and_then(|program| match table {
        Attempt::Fails { message } => Err(NoEmulation::NoTable {
            message: message.clone(),
        }),
        Attempt::Works | Attempt::Untried => Ok(Means::Program(program)),
    });
    match program {
        Err(_) if machine_emulates(platform) => Ok(Means::Machine),
        other => other,
    }
}

/// Returns QEMU's name of a platform's architecture.
fn architecture(platform: &Platform) -> &str {
    match platform.architecture.as_str() {
        "arm64" => "aarch64",
        "amd64" => "x86_64",
        "386" => "i386",
        "mips64le" => "mips64el",
        "loong64" => "loongarch64",
        other => other,
    }
}

/// Returns the program of the first directory that has one. Distributions call it so, or leave `-static` out.
fn find(platform: &Platform, directories: &[PathBuf]) -> Result<PathBuf, NoEmulation> {
    let plain = format!("qemu-{}", architecture(platform));
    let name = format!("{plain}-static");
    let candidates = |directory: &PathBuf| [directory.join(&name), directory.join(&plain)];
    let there: Vec<PathBuf> = directories
        .iter()
        .flat_map(candidates)
        .filter(|path| path.is_file())
        .collect();
    if let Some(program) = there.iter().find(|path| is_static(path)) {
        return Ok(program.clone());
    }
    Err(match there.into_iter().next() {
        Some(program) => NoEmulation::NotStatic { program },
        None => NoEmulation::NoProgram {
            name,
            directories: directories.to_vec(),
        },
    })
}

fn listed(directories: &[PathBuf]) -> String {
    let names: Vec<String> = directories
        .iter()
        .map(|directory| directory.display().to_string())
        .collect();
    names.join(", ")
}
