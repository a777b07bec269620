//! A project whose image needs no program and no network.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use lrops_testkit::registry::RegistryServer;
use lrops_testkit::scratch::scratch_directory;

use crate::project::Project;

pub(crate) const REPOSITORY: &str = "team/app";

/// An image with a large layer, and one for each platform.
pub(crate) const DOCKERFILE: &str = "\
FROM scratch AS shared
COPY noise /noise

FROM shared
ARG TARGETARCH VERSION=unknown
COPY main.c /for-$TARGETARCH
LABEL version=$VERSION
";

/// Returns a project that is released to a registry, with one commit at its origin.
pub(crate) fn sample(registry: &str) -> Project {
    let project = Project::with_origin();
    let mut noise = 1_u64;
    let bytes = std::iter::repeat_with(|| {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        noise.to_be_bytes()[0]
    });
    fs::write(
        project.path().join("noise"),
        bytes.take(1_000_000).collect::<Vec<_>>(),
    )
    .unwrap();
    project.write("Dockerfile", DOCKERFILE);
    project.write(
        "lrops.toml",
        &format!(
            "[build]\nplatforms = ['linux/amd64', 'linux/arm64']\nrepositories = ['{registry}/{REPOSITORY}']\n"
        ),
    );
    project.git(&["add", "."]);
    project.commit("build it");
    project
}

/// Returns `examples/hello` in a repository of its own that is released to a registry, and built in the store that all
/// such tests share.
pub(crate) fn hello(registry: &str) -> Project {
    static STORE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let store = STORE.get_or_init(scratch_directory);
    let mut project = Project::with_origin();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hello");
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(example.join(".")).arg(project.path());
    assert!(copy.status().unwrap().success());
    let path = project.path().join("lrops.toml");
    let text = fs::read_to_string(path).unwrap();
    let repositories = format!("[build]\nrepositories = ['{registry}/{REPOSITORY}']");
    project.write("lrops.toml", &text.replacen("[build]", &repositories, 1));
    project.git(&["add", "."]);
    project.commit("hello");
    project.set("LROPS_ROOT", &store.path().display().to_string());
    project
}

/// Returns another program, to be started in a directory as lrops would be.
pub(crate) fn program(project: &Project, name: impl AsRef<OsStr>, directory: &Path) -> Command {
    let like = project.lrops_command(directory);
    let mut command = Command::new(name);
    command.env_clear().current_dir(directory).stdin(Stdio::null());
    command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// The digests that tags of the repository name.
pub(crate) fn tags(server: &RegistryServer) -> BTreeMap<String, String> {
    let tags = server.tags(REPOSITORY).into_iter();
    tags.map(|(tag, digest)| (tag.clone(), digest.to_string()))
        .collect()
}

/// All that a directory holds, with modes and times.
pub(crate) fn everything(directory: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = path.symlink_metadata().unwrap();
        let mut content = Vec::new();
        if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if metadata.is_file() {
            content = fs::read(&path).unwrap();
        }
        let seen = (metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), content);
        all.insert(path, seen);
    }
    all
}

/// The temporary trees that are in the project's store.
pub(crate) fn temporary_trees(project: &Project) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(project.beside(".cache/lrops/tmp")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_dir()).collect()
}
