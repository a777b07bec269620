//! All that the user asked, nothing left open: defaults were filled in, paths made absolute, names parsed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::annotation::Annotations;
use crate::cancel::CancelToken;
use crate::graph::RunNetwork;
use crate::oci::Compression;
use crate::platform::Platform;
use crate::reference::Reference;
use crate::timestamp::Timestamp;

/// A build that was asked for.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// The Dockerfile.
    pub dockerfile: DockerfileText,
    /// The build's own context.
    pub context: DirectoryContext,
    /// Named contexts, by the name that `FROM`, `COPY --from` and `RUN --mount` use.
    pub named_contexts: BTreeMap<String, NamedContext>,
    /// The stage asked for; the last one when absent.
    pub target: Option<String>,
    /// The target platforms, in order, without repetition.
    pub platforms: Vec<Platform>,
    /// The platform that tools run on.
    pub build_platform: Platform,
    /// `--build-arg`; also holds predefined ones such as `SOURCE_DATE_EPOCH`.
    pub build_args: BTreeMap<String, String>,
    /// Proxy variables given to commands. They enter no cache key and no image.
    pub proxy_variables: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--annotation`.
    pub annotations: Annotations,
    /// The image's names.
    pub tags: Vec<Reference>,
    /// Secrets by their id.
    pub secrets: BTreeMap<String, Secret>,
    /// Which results of earlier builds may be used.
    pub cache: CacheUse,
    /// Whether names of images are looked up anew.
    pub pull: PullPolicy,
    /// How many steps run at a time.
    pub jobs: usize,
    /// What commands see of the network, unless their line says otherwise.
    pub network: RunNetwork,
    /// What happens to programs of foreign platforms.
    pub emulation: EmulationPolicy,
    /// The directories in which emulators are looked for. They enter no cache key.
    pub emulators: Vec<PathBuf>,
    /// The host's certificate authorities for commands: a PEM bundle.
    pub host_ca: Option<PathBuf>,
    /// `--add-host`: name and address.
    pub extra_hosts: Vec<(String, String)>,
    /// The size of `/dev/shm` in bytes, when not the default.
    pub shm_size: Option<u64>,
    /// Whether commands may ask for `--security=insecure`.
    pub allow_insecure: bool,
    /// How layers are compressed.
    pub compression: Compression,
    /// Times in layers.
    pub timestamps: Timestamps,
    /// The image's `created`.
    pub created: Timestamp,
    /// When the build was asked for.
    pub now: Timestamp,
    /// Asks the build to stop.
    pub cancel: CancelToken,
}

/// A Dockerfile's text and where it came from.
#[derive(Clone, Debug)]
pub struct DockerfileText {
    /// The name for messages, as the user wrote it.
    pub name: String,
    /// The text.
    pub text: String,
    /// The file, absolute; none when the text came from standard input.
    pub path: Option<PathBuf>,
}

/// A directory whose files the build may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryContext {
    /// The directory, absolute.
    pub path: PathBuf,
    /// Lines of the ignore file that belongs to it, already read; empty when there is none.
    pub ignore: Vec<String>,
}

/// What a named context means.
#[derive(Clone, Debug)]
pub enum NamedContext {
    /// A directory.
    Directory(DirectoryContext),
    /// An OCI layout on disk, and the tag or digest in it (the only image when absent).
    Layout {
        /// The layout's directory, absolute.
        path: PathBuf,
        /// `:tag` or `@digest`.
        selector: LayoutSelector,
    },
    /// An image in a registry.
    Image(Reference),
    /// A base of this name in the configuration.
    Base(String),
    /// Another Dockerfile's target, built for the platform that asks.
    Dockerfile(Box<NestedBuild>),
}

/// Finds the context that a name in a Dockerfile means: by the name as written, or as the image that it is.
///
/// Names in `inside` are passed over: those of the builds that this Dockerfile is nested in.
pub fn named_context<'a>(
    contexts: &'a BTreeMap<String, NamedContext>,
    name: &str,
    inside: &[String],
) -> Option<(&'a str, &'a NamedContext)> {
    let wanted = normal_name(name);
    let mut contexts = contexts.iter();
    let found = contexts.find(|(candidate, _)| {
        !inside.contains(candidate)
            && (candidate.eq_ignore_ascii_case(name) || normal_name(candidate) == wanted)
    });
    found.map(|(name, context)| (name.as_str(), context))
}

/// `docker.io/library/node:latest`, `node:latest` and `node` are one name.
fn normal_name(name: &str) -> String {
    let Ok(reference) = name.parse::<Reference>() else {
        return name.to_lowercase();
    };
    let familiar = reference.familiar();
    familiar.strip_suffix(":latest").unwrap_or(&familiar).to_owned()
}

/// Which image of a layout is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutSelector {
    /// The one that carries this tag.
    Tag(String),
    /// The one of this digest.
    Digest(crate::digest::Digest),
    /// The only one there is.
    Only,
}

/// A build within a build: a named context that is itself a Dockerfile's target.
#[derive(Clone, Debug)]
pub struct NestedBuild {
    /// The Dockerfile.
    pub dockerfile: DockerfileText,
    /// The directory its `COPY` lines read.
    pub context: DirectoryContext,
    /// The stage; the last one when absent.
    pub target: Option<String>,
    /// Its build args.
    pub build_args: BTreeMap<String, String>,
}

/// A secret's bytes. Its `Debug` form does not show them.
#[derive(Clone)]
pub struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Which results of earlier builds may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// All.
    All,
    /// None (`--no-cache`).
    None,
    /// All but those of these stages (`--no-cache-filter`).
    Except(Vec<String>),
}

impl CacheUse {
    /// Returns whether the results of a stage may be used.
    pub fn allows(&self, stage: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Except(stages) => !stages.iter().any(|name| name.eq_ignore_ascii_case(stage)),
        }
    }
}

/// Whether what is known of bases and images is looked up anew. Names in registries are asked for each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullPolicy {
    /// A resolution of a base's packages that is not older than a day serves.
    Missing,
    /// Everything is looked up (`--pull`).
    Always,
}

/// What happens to programs of foreign platforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmulationPolicy {
    /// The build stops before it starts.
    Deny,
    /// They run, and lrops says so.
    Warn,
    /// They run.
    Allow,
}

/// Times of files in layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timestamps {
    /// One time for all files that the build made.
    Fixed(Timestamp),
    /// The times that the files have, as other builders do.
    Keep,
}
