//! What the figures were made on and with.

use std::fs;
use std::process::Command;

use lrops_testkit::docker::DockerClient;

use crate::options::Program;

/// Returns a sentence about the machine and one with the programs' versions.
pub(crate) fn described(programs: &[Program]) -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let versions: Vec<String> = programs.iter().filter_map(|program| version(*program)).collect();
    format!(
        "{processors} processors of {}, Linux {}, load {load} before the start; {}.",
        std::env::consts::ARCH,
        kernel.trim(),
        versions.join(", ")
    )
}

fn version(program: Program) -> Option<String> {
    let printed = match program {
        Program::Bare => return None,
        Program::Lrops => Command::new(env!("CARGO_BIN_EXE_lrops"))
            .arg("--version")
            .output(),
        Program::Buildx => {
            let client = DockerClient::new();
            let docker = first_line(&client.docker(&["--version"]).stdout);
            let buildx = first_line(&client.docker(&["buildx", "version"]).stdout);
            return Some(format!("{docker}, {buildx}"));
        }
        Program::Buildah => Command::new("buildah").arg("--version").output(),
    };
    Some(first_line(&printed.expect("the program starts").stdout))
}

fn first_line(output: &[u8]) -> String {
    String::from_utf8_lossy(output)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
