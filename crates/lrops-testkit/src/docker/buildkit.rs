//! BuildKit's daemon by itself, as builders with the driver `remote` find it.

use std::ffi::OsStr;
use std::path::Path;

use tempfile::TempDir;

use super::kept::Kept;
use super::{installation, path_before};

const SCRIPT: &str = include_str!("buildkit.sh");

/// A running buildkitd; dropping it stops it and removes all that it made.
pub struct BuildKit {
    // Stopped before its directories go.
    _server: Kept,
    run: TempDir,
    _data: TempDir,
}

impl BuildKit {
    /// Starts BuildKit 0.13, whose commands use the machine's network.
    ///
    /// # Panics
    /// When it does not start, which takes root.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`Self::start`], on what it believes to be a machine of this platform.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_on(platform: &str) -> Self {
        Self::start_with(&[&format!("--oci-worker-platform={platform}")])
    }

    fn start_with(more: &[&str]) -> Self {
        let programs = installation("buildkit");
        let directory = |parent: &Path| {
            let made = tempfile::Builder::new().prefix("buildkit-").tempdir_in(parent);
            made.expect("a directory for BuildKit")
        };
        // The socket's name must be short; and where temporary files are may be no place for overlays.
        let run = directory(&std::env::temp_dir());
        let data = directory(programs.parent().expect("installations lie in a directory"));
        let socket = run.path().join("buildkitd.sock");
        let (program, address) = (programs.join("usr/bin/buildkitd"), address(&socket));
        let mut arguments: Vec<&OsStr> = vec![
            run.path().as_os_str(),
            data.path().as_os_str(),
            program.as_os_str(),
            "--addr".as_ref(),
            address.as_ref(),
            "--root".as_ref(),
            data.path().as_os_str(),
            "--oci-worker-net=host".as_ref(),
            "--containerd-worker=false".as_ref(),
        ];
        arguments.extend(more.iter().map(AsRef::<OsStr>::as_ref));
        // docker's packages have runc.
        let path = path_before(&installation("docker-26"), &[]);
        let mut server = Kept::start(SCRIPT, &arguments, &path);
        server.wait("buildkitd", || {
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
        Self {
            _server: server,
            run,
            _data: data,
        }
    }

    /// Returns its address, as `docker buildx create` takes it.
    pub fn address(&self) -> String {
        address(&self.run.path().join("buildkitd.sock"))
    }
}

fn address(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}
