//! Where the programs are that run other platforms' programs.

use std::path::{Path, PathBuf};

use lrops_model::platform::Platform;

/// Where Debian's package qemu-user-static and those who install by hand put them.
const DIRECTORIES: [&str; 2] = ["/usr/bin", "/usr/local/bin"];

/// Returns the name of the program that runs a platform's programs, such as `qemu-aarch64-static`.
pub fn name(platform: &Platform) -> String {
    let name = match platform.architecture.as_str() {
        "arm64" => "aarch64",
        "amd64" => "x86_64",
        "386" => "i386",
        other => other,
    };
    format!("qemu-{name}-static")
}

/// Returns the program that runs a platform's programs, where this machine has it.
pub fn find(platform: &Platform) -> Option<PathBuf> {
    let name = name(platform);
    let candidates = DIRECTORIES.map(|directory| Path::new(directory).join(&name));
    candidates.into_iter().find(|path| path.exists())
}
