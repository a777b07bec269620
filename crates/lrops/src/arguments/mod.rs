//! What was typed. Nothing is judged here: values are texts, and defaults are absent; [`crate::request`] finds out
//! what is meant.

mod build;
mod builder;
mod check;
mod doctor;
mod examples;
mod image;
mod init;
mod judgement;
mod registry;
mod release;
#[cfg(test)]
mod tests;
mod version;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use build::{BuildArguments, EngineName, HostCa, ProgressMode};
pub(crate) use builder::{
    BuilderArguments, BuilderCommand, InspectBuilderArguments, ListArguments, RemoveBuilderArguments,
    SetupArguments,
};
pub(crate) use check::CheckArguments;
pub(crate) use doctor::DoctorArguments;
pub(crate) use examples::HEADING;
pub(crate) use image::{
    CopyArguments, CreateArguments, ImageCommand, InspectArguments, PruneArguments, RemoveArguments,
    TagArguments, TransferArguments,
};
pub(crate) use init::{CompletionsArguments, InitArguments, ManArguments};
pub(crate) use judgement::{Judgement, judge};
pub(crate) use registry::{
    PublishArguments, PullArguments, PushArguments, RegistryArguments, RetryArguments,
};
pub(crate) use release::ReleaseArguments;
pub(crate) use version::{BuildTime, BumpArguments, LatestArguments, VersionArguments};

/// One Dockerfile, one proved multi-platform image.
#[derive(Debug, Parser)]
#[command(
    name = "lrops",
    version,
    about,
    arg_required_else_help = true,
    propagate_version = true
)]
pub(crate) struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at a project, and write the lrops.toml and the Dockerfile that it lacks
    #[command(after_help = examples::INIT)]
    Init(InitArguments),
    /// Build an image from a Dockerfile
    #[command(alias = "b", after_help = examples::BUILD)]
    Build(Box<BuildArguments>),
    /// Look for mistakes in Dockerfiles, and mend those that can be mended safely
    #[command(visible_alias = "lint", after_help = examples::CHECK)]
    Check(Box<CheckArguments>),
    /// Show what a build would do, and do nothing
    #[command(after_help = examples::PLAN)]
    Plan(Box<PlanArguments>),
    /// Prove that an image is complete and that its programs are its platforms'
    #[command(after_help = examples::VERIFY)]
    Verify(VerifyArguments),
    /// Publish an image that is here: prove it, send what its registry lacks, move its tags last
    #[command(after_help = examples::PUSH)]
    Push(Box<PushArguments>),
    /// Bring an image from its registry into the store
    #[command(after_help = examples::PULL)]
    Pull(Box<PullArguments>),
    /// Look at images, here and in registries; retag, copy, combine and remove them
    #[command(subcommand)]
    Image(Box<ImageCommand>),
    /// Set up and look at builders of the build farm
    #[command(subcommand)]
    Builder(BuilderCommand),
    /// Look at the store's size, and free it
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Assemble base images from distribution packages
    #[command(subcommand)]
    Base(BaseCommand),
    /// Say which version the project is at, from git's tags and commits
    #[command(after_help = examples::VERSION)]
    Version(VersionArguments),
    /// Tag HEAD with the next version, and push the tag
    #[command(after_help = examples::BUMP)]
    Bump(BumpArguments),
    /// Build the image of a version's tag, prove it, publish it, and move its tags
    #[command(after_help = examples::RELEASE)]
    Release(Box<ReleaseArguments>),
    /// Tell what would make a build fail on this machine, why, and what to do
    #[command(after_help = examples::DOCTOR)]
    Doctor(Box<DoctorArguments>),
    /// Log in to a registry
    #[command(after_help = examples::LOGIN)]
    Login(LoginArguments),
    /// Log out from a registry
    #[command(after_help = examples::LOGOUT)]
    Logout(LogoutArguments),
    /// Print a script with which a shell completes lrops' command lines
    #[command(after_help = examples::COMPLETIONS)]
    Completions(CompletionsArguments),
    /// Print the manual page, or write one for each command
    #[command(after_help = examples::MAN)]
    Man(ManArguments),
}

/// Where things are.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PlaceArguments {
    /// The store's directory [default: `$LROPS_ROOT`, else lrops in the XDG cache directory]
    #[arg(
        long = "store",
        visible_alias = "root",
        value_name = "DIR",
        help_heading = "Places"
    )]
    pub(crate) store: Option<PathBuf>,
    /// The configuration file [default: the nearest lrops.toml, from the context upward]
    #[arg(long, value_name = "FILE", help_heading = "Places")]
    pub(crate) config: Option<PathBuf>,
}

/// How a table or a list is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// `lrops plan`.
#[derive(Args, Debug)]
pub(crate) struct PlanArguments {
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) build: BuildArguments,
}

/// `lrops verify`.
#[derive(Args, Debug)]
pub(crate) struct VerifyArguments {
    /// An image: an OCI layout's directory, an OCI archive, a name in the store, or else in the registry that
    /// it names; `docker://NAME` means the registry's
    pub(crate) image: String,
    /// Platforms that the image must have, and may have alone
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    pub(crate) platform: Vec<String>,
    /// Files that may be of any platform: patterns such as /usr/lib/firmware/**
    #[arg(long, value_name = "GLOB")]
    pub(crate) allow: Vec<String>,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) registries: RegistryArguments,
    #[command(flatten)]
    pub(crate) places: PlaceArguments,
}

/// `lrops login`.
#[derive(Args, Debug)]
pub(crate) struct LoginArguments {
    /// The registry, HOST[:PORT] [default: Docker Hub]
    pub(crate) server: Option<String>,
    /// The user
    #[arg(long, short, value_name = "USER")]
    pub(crate) username: Option<String>,
    /// The password, or a token; others on this machine can read it here
    #[arg(long, short, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    pub(crate) password: Option<String>,
    /// Take the password from standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
    #[command(flatten)]
    pub(crate) registries: RegistryArguments,
}

/// `lrops logout`.
#[derive(Args, Debug)]
pub(crate) struct LogoutArguments {
    /// The registry, HOST[:PORT] [default: Docker Hub]
    pub(crate) server: Option<String>,
}

/// `lrops cache`.
#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Show what the store holds, and how much of it
    #[command(after_help = examples::CACHE_DU)]
    Du {
        /// Text for people, or JSON
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        #[command(flatten)]
        places: PlaceArguments,
    },
    /// Remove what no image needs, the longest unused first
    #[command(after_help = examples::CACHE_PRUNE)]
    Prune {
        /// Let images go as well, when it is their turn
        #[arg(long, short)]
        all: bool,
        /// How much may stay, such as 10g
        #[arg(long, visible_alias = "max-used-space", value_name = "SIZE")]
        keep_storage: Option<String>,
        /// until=24h: only what was not used for so long
        #[arg(long, value_name = "FILTER")]
        filter: Vec<String>,
        /// Ask nothing: lrops never does
        #[arg(long, short, hide = true)]
        force: bool,
        #[command(flatten)]
        places: PlaceArguments,
    },
}

/// `lrops base`.
#[derive(Debug, Subcommand)]
pub(crate) enum BaseCommand {
    /// Assemble bases of the configuration
    #[command(after_help = examples::BASE_BUILD)]
    Build {
        #[command(flatten)]
        selection: BaseSelection,
        /// Look the packages up anew
        #[arg(long)]
        pull: bool,
    },
    /// List the bases of the configuration
    #[command(visible_alias = "list", after_help = examples::BASE_LS)]
    Ls {
        /// Text for people, or JSON
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        #[command(flatten)]
        selection: BaseSelection,
    },
    /// Write lrops.lock: the versions and digests of all packages
    #[command(after_help = examples::BASE_LOCK)]
    Lock {
        #[command(flatten)]
        selection: BaseSelection,
    },
}

/// Which bases, for which platforms.
#[derive(Args, Debug)]
pub(crate) struct BaseSelection {
    /// Names from the configuration's [bases] [default: all]
    pub(crate) names: Vec<String>,
    /// For these platforms [default: the configuration's]
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    pub(crate) platform: Vec<String>,
    /// auto, plain, tty, quiet, none or rawjson
    #[arg(long, value_enum)]
    pub(crate) progress: Option<ProgressMode>,
    #[command(flatten)]
    pub(crate) places: PlaceArguments,
}
