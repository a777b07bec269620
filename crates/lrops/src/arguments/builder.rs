//! Flags that say where buildx builds, and `lrops builder`.

use clap::{Args, Subcommand};

use super::{Format, PlaceArguments, RetryArguments, examples};

/// Where buildx builds.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct BuilderArguments {
    /// The docker context [default: `$DOCKER_CONTEXT`, else the configuration's]
    #[arg(long, value_name = "NAME", help_heading = "Build farm")]
    pub(crate) docker_context: Option<String>,
    /// The builder [default: `$BUILDX_BUILDER`, else the configuration's, else the context's own]
    #[arg(long, value_name = "NAME", help_heading = "Build farm")]
    pub(crate) builder: Option<String>,
}

/// `lrops builder`.
#[derive(Debug, Subcommand)]
pub(crate) enum BuilderCommand {
    /// Make sure that the docker context and the builder are there, as wished, and run
    #[command(after_help = examples::BUILDER_SETUP)]
    Setup(Box<SetupArguments>),
    /// List the builders, with their nodes and platforms
    #[command(visible_alias = "list", after_help = examples::BUILDER_LS)]
    Ls(ListArguments),
    /// Show one builder: its driver, its nodes, and the platforms that it can run programs of
    #[command(after_help = examples::BUILDER_INSPECT)]
    Inspect(InspectBuilderArguments),
    /// Remove a builder
    #[command(after_help = examples::BUILDER_RM)]
    Rm(RemoveBuilderArguments),
}

/// `lrops builder setup`.
#[derive(Args, Debug)]
pub(crate) struct SetupArguments {
    /// The directory that will be built: its platforms are checked, and whether it needs emulation
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// The docker endpoint of the context, such as `ssh://gitlab`; without a context, of the builder; with --driver=remote,
    /// where BuildKit listens
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) host: Option<String>,
    /// The driver: docker-container, kubernetes or remote [default: the configuration's, else docker-container]
    #[arg(long, value_name = "DRIVER")]
    pub(crate) driver: Option<String>,
    /// An option of the driver, such as image=registry.example/buildkit:v0.13
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) driver_opt: Vec<String>,
    /// The context or the endpoint of a further node, and the platforms that are built there, such as
    /// arm-server=linux/arm64,linux/arm/v7
    #[arg(
        long,
        visible_aliases = ["append", "append-context"],
        value_name = "CONTEXT[=PLATFORMS]"
    )]
    pub(crate) node: Vec<String>,
    /// A file with BuildKit's own configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) buildkitd_config: Option<String>,
    /// The platforms that will be built for [default: the configuration's]
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    pub(crate) platform: Vec<String>,
    /// Leave it to the first build to start the builder
    #[arg(long)]
    pub(crate) no_bootstrap: bool,
    /// Print the commands to standard output, and why to standard error, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) builder: BuilderArguments,
    #[command(flatten)]
    pub(crate) retry: RetryArguments,
    #[command(flatten)]
    pub(crate) places: PlaceArguments,
}

/// `lrops builder ls`.
#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) builder: BuilderArguments,
    #[command(flatten)]
    pub(crate) places: PlaceArguments,
}

/// `lrops builder inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectBuilderArguments {
    /// The builder [default: as --builder]
    pub(crate) name: Option<String>,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) builder: BuilderArguments,
    #[command(flatten)]
    pub(crate) places: PlaceArguments,
}

/// `lrops builder rm`.
#[derive(Args, Debug)]
pub(crate) struct RemoveBuilderArguments {
    /// The builder [default: as --builder]
    pub(crate) name: Option<String>,
    /// Keep what it has cached
    #[arg(long)]
    pub(crate) keep_state: bool,
    /// Print the command, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) builder: BuilderArguments,
    #[command(flatten)]
    pub(crate) places: PlaceArguments,
}
