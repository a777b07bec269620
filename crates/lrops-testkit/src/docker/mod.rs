//! Real docker: daemons of two generations, the command line with buildx, BuildKit by itself, and an ssh server to reach
//! a daemon through.
//!
//! A daemon has everything of its own (data, socket, bridge, containerd), so that several run side by side and the
//! machine's own docker, if it has one, is not touched. Daemons take root. A daemon and a server end, and clean up, also
//! when the test's process is killed.

mod buildkit;
mod client;
mod daemon;
mod kept;
mod ssh;

use std::path::{Path, PathBuf};

pub use buildkit::BuildKit;
pub use client::DockerClient;
pub use daemon::DockerDaemon;
pub use ssh::SshServer;

use crate::programs::installation;

/// Returns a `PATH` that begins with an installation's programs.
fn path_before(installation: &Path, first: &[&Path]) -> std::ffi::OsString {
    let own = ["usr/bin", "usr/sbin"].map(|directory| installation.join(directory));
    let system = [
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ];
    let all = first
        .iter()
        .map(|path| path.to_path_buf())
        .chain(own)
        .chain(system.map(PathBuf::from));
    std::env::join_paths(all).expect("the target directory's name has no colon")
}
