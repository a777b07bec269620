//! The flags of `lrops build`: every one of `docker buildx build`, the hidden ones of the older `docker build`, those
//! of the script that lrops replaces, and lrops' own.
//!
//! Source: the reference page of `docker buildx build` (buildx 0.30) and its command's hidden flags.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use crate::configuration::DeliverWord;

use super::{
    BuildTime, BuilderArguments, LatestArguments, PlaceArguments, PublishArguments, RegistryArguments,
};

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// `tty` where a person watches, else `plain`.
    Auto,
    /// Live, in a terminal.
    Tty,
    /// Line after line.
    Plain,
    /// Only what fails, and the digest at the end.
    Quiet,
    /// Nothing.
    None,
    /// One JSON object a line.
    Rawjson,
}

/// What carries out the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineName {
    /// lrops itself.
    Embedded,
    /// `docker buildx`.
    Buildx,
}

/// Whether commands are offered the host's certificate authorities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum HostCa {
    /// When the machine has a bundle.
    #[default]
    Auto,
    /// Yes; it is an error when there is none.
    On,
    /// No.
    Off,
}

/// `lrops build`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct BuildArguments {
    /// The context: a directory, or - for a Dockerfile on standard input [default: the configuration's, else .]
    #[arg(value_name = "PATH")]
    pub(crate) context: Option<String>,

    /// The Dockerfile, or - for standard input [default: PATH/Dockerfile]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<String>,
    /// The image's name, [registry/]repository[:tag]; several times for several names
    #[arg(long, short, value_name = "NAME")]
    pub(crate) tag: Vec<String>,
    /// A repository, [registry/]repository, in which git's version says the tags: X.Y.Z and latest, or dev-COMMIT
    #[arg(long, value_name = "NAME")]
    pub(crate) repository: Vec<String>,
    #[command(flatten)]
    pub(crate) latest: LatestArguments,
    /// The platforms to build for, such as linux/amd64,linux/arm64
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    pub(crate) platform: Vec<String>,
    /// The stage to build [default: the last one]
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// A build argument, NAME=VALUE; NAME alone takes the value from the environment
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) build_arg: Vec<String>,
    /// What `BUILD_TIME` is, where a Dockerfile declares it: the commit's time, or now [default: commit]
    #[arg(long, value_enum, value_name = "TIME")]
    pub(crate) build_time: Option<BuildTime>,
    /// A named context: `NAME=DIR`, `oci-layout://DIR[:TAG|@DIGEST]`, `docker-image://REFERENCE` or `base:NAME`
    #[arg(long, value_name = "NAME=PLACE")]
    pub(crate) build_context: Vec<String>,
    /// A label of the image
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) label: Vec<String>,
    /// An annotation of the index and the manifests
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) annotation: Vec<String>,
    /// A secret for RUN --mount=type=secret: id=NAME[,src=FILE|env=VARIABLE]
    #[arg(long, value_name = "SECRET")]
    pub(crate) secret: Vec<String>,
    /// SSH agents for RUN --mount=type=ssh
    #[arg(long, value_name = "AGENT")]
    pub(crate) ssh: Vec<String>,
    /// Where the result goes besides the store: type=oci|local|tar|cacheonly,dest=PATH[,tar=false]
    #[arg(long, short, value_name = "OUTPUT")]
    pub(crate) output: Vec<String>,
    /// Same as --output=type=docker
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), value_name = "BOOL")]
    pub(crate) load: Option<bool>,
    /// Same as --output=type=registry
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), value_name = "BOOL")]
    pub(crate) push: Option<bool>,
    /// Write the image's ID to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) iidfile: Option<PathBuf>,
    /// Write what was built to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_file: Option<PathBuf>,
    /// Say nothing but the image's digest
    #[arg(long, short, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), value_name = "BOOL")]
    pub(crate) quiet: Option<bool>,
    /// How progress is shown [default: `$BUILDKIT_PROGRESS`, else auto]
    #[arg(long, value_enum)]
    pub(crate) progress: Option<ProgressMode>,
    /// Only look for mistakes in the Dockerfile
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), value_name = "BOOL")]
    pub(crate) check: Option<bool>,
    /// What to do with the Dockerfile: build, or check[,format=json]
    #[arg(long, visible_alias = "print", value_name = "METHOD")]
    pub(crate) call: Option<String>,

    /// Use no results of earlier builds
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), value_name = "BOOL", help_heading = "Cache")]
    pub(crate) no_cache: Option<bool>,
    /// Use no results of earlier builds for these stages
    #[arg(long, value_name = "STAGE", value_delimiter = ',', help_heading = "Cache")]
    pub(crate) no_cache_filter: Vec<String>,
    /// Look up every image and package anew
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), value_name = "BOOL", help_heading = "Cache")]
    pub(crate) pull: Option<bool>,
    /// A cache to read from besides the store
    #[arg(long, value_name = "CACHE", help_heading = "Cache")]
    pub(crate) cache_from: Vec<String>,
    /// A cache to write to
    #[arg(long, value_name = "CACHE", help_heading = "Cache")]
    pub(crate) cache_to: Vec<String>,

    /// The network of commands: default (the host's) or none
    #[arg(long, value_name = "NETWORK", help_heading = "Commands")]
    pub(crate) network: Option<String>,
    /// A line for the /etc/hosts of commands: NAME:ADDRESS
    #[arg(long, value_name = "HOST", value_delimiter = ',', help_heading = "Commands")]
    pub(crate) add_host: Vec<String>,
    /// What commands may ask for: network.host, security.insecure
    #[arg(
        long,
        value_name = "ENTITLEMENT",
        value_delimiter = ',',
        help_heading = "Commands"
    )]
    pub(crate) allow: Vec<String>,
    /// The size of /dev/shm, such as 64m
    #[arg(long, value_name = "SIZE", help_heading = "Commands")]
    pub(crate) shm_size: Option<String>,
    /// Whether commands may use the host's certificate authorities [default: auto]
    #[arg(long, value_enum, value_name = "WHEN", help_heading = "Commands")]
    pub(crate) host_ca: Option<HostCa>,
    /// What happens to programs of foreign platforms: deny, warn or allow [default: warn]
    #[arg(long, value_name = "POLICY", help_heading = "Commands")]
    pub(crate) emulation: Option<String>,
    /// The directory of QEMU's statically linked programs, such as qemu-aarch64-static [default: those of `$PATH`]
    #[arg(long, value_name = "DIR", help_heading = "Commands")]
    pub(crate) qemu: Option<PathBuf>,
    /// How many steps run at a time [default: the number of processors]
    #[arg(long, short, value_name = "NUMBER", help_heading = "Commands")]
    pub(crate) jobs: Option<usize>,

    /// What carries out the build
    #[arg(long, value_enum, help_heading = "Result")]
    pub(crate) engine: Option<EngineName>,
    /// Times in layers: fixed, keep, or seconds since 1970 [default: fixed]
    #[arg(long, value_name = "TIMES", help_heading = "Result")]
    pub(crate) timestamps: Option<String>,
    /// How layers are compressed: gzip, zstd or none [default: gzip]
    #[arg(long, value_name = "COMPRESSION", help_heading = "Result")]
    pub(crate) compression: Option<String>,
    /// Attestations
    #[arg(long, value_name = "ATTESTATION", help_heading = "Result")]
    pub(crate) attest: Vec<String>,
    /// Same as --attest=type=sbom
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "SBOM", help_heading = "Result")]
    pub(crate) sbom: Option<String>,
    /// Same as --attest=type=provenance
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "PROVENANCE", help_heading = "Result")]
    pub(crate) provenance: Option<String>,

    /// Who publishes what buildx builds: lrops from its store, after the proof; or the builder by itself
    #[arg(long, value_enum, value_name = "WHO", help_heading = "Build farm")]
    pub(crate) deliver: Option<DeliverWord>,
    #[command(flatten)]
    pub(crate) builder: BuilderArguments,
    #[command(flatten)]
    pub(crate) publish: PublishArguments,
    #[command(flatten)]
    pub(crate) registries: RegistryArguments,
    #[command(flatten)]
    pub(crate) places: PlaceArguments,

    #[command(flatten)]
    pub(crate) foreign: ForeignArguments,
    #[command(flatten)]
    pub(crate) older: OlderArguments,
}

/// Flags of other builders that lrops knows and does not need; [`super::judge`] says why.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ForeignArguments {
    #[arg(long, short = 'D', hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub(crate) debug: Option<bool>,
    #[arg(long, hide = true)]
    pub(crate) cgroup_parent: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) ulimit: Vec<String>,
    #[arg(long, hide = true)]
    pub(crate) resource: Vec<String>,
    #[arg(long, hide = true)]
    pub(crate) policy: Vec<String>,
    #[arg(long, short = 'm', hide = true)]
    pub(crate) memory: Option<String>,
    #[arg(long, hide = true, allow_hyphen_values = true)]
    pub(crate) memory_swap: Option<String>,
    #[arg(long, short = 'c', hide = true)]
    pub(crate) cpu_shares: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) cpu_period: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) cpu_quota: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) cpuset_cpus: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) cpuset_mems: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub(crate) compress: Option<bool>,
    #[arg(long, hide = true)]
    pub(crate) isolation: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) security_opt: Vec<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub(crate) squash: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub(crate) rm: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub(crate) force_rm: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub(crate) disable_content_trust: Option<bool>,
    #[arg(long, hide = true)]
    pub(crate) server_config: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) detach: bool,
    #[arg(long, hide = true)]
    pub(crate) allow_dirty: bool,
}

/// Flags of the script that lrops replaces.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct OlderArguments {
    /// Older name of --platform, with several values: amd64 arm64 arm/v7
    #[arg(long, value_name = "PLATFORM", num_args = 1.., value_delimiter = ',', help_heading = "Older names")]
    pub(crate) architectures: Vec<String>,
    /// Build for linux/amd64 and linux/arm64, unless platforms are named
    #[arg(long, help_heading = "Older names")]
    pub(crate) multiarch: bool,
    /// Show what would be done, and do nothing: the same as `lrops plan`
    #[arg(long, help_heading = "Older names")]
    pub(crate) dry_run: bool,
    /// Publish nothing, which is what happens without --push
    #[arg(long, conflicts_with = "push", help_heading = "Older names")]
    pub(crate) no_push: bool,
}
