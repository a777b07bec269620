//! `lrops release`.

use std::path::PathBuf;

use clap::Args;

use super::build::OlderArguments;
use super::{
    BuildArguments, BuildTime, BuilderArguments, EngineName, LatestArguments, PlaceArguments, ProgressMode,
    PublishArguments, RegistryArguments,
};
use crate::configuration::DeliverWord;

/// `lrops release`.
#[derive(Args, Debug)]
pub(crate) struct ReleaseArguments {
    /// The tag of the version, such as v1.2.3 [default: asked for]
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Publish the image; without it, it stays in the store under its names
    #[arg(long)]
    pub(crate) push: bool,
    #[command(flatten)]
    pub(crate) latest: LatestArguments,
    /// Begin without asking
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Show the plan, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// A directory of the project [default: the working directory]
    #[arg(long, short = 'C', value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) image: ReleasedImage,
}

/// What is built, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReleasedImage {
    /// A repository for the image, [registry/]repository; several times for several [default: the configuration's]
    #[arg(long, value_name = "NAME", help_heading = "Image")]
    pub(crate) repository: Vec<String>,
    /// The platforms to build for [default: the configuration's, else this machine's]
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',', help_heading = "Image")]
    platform: Vec<String>,
    /// Older name of --platform, with several values: amd64 arm64 arm/v7
    #[arg(long, value_name = "PLATFORM", num_args = 1.., value_delimiter = ',', help_heading = "Image")]
    architectures: Vec<String>,
    /// A build argument, NAME=VALUE; NAME alone takes the value from the environment
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Image")]
    build_arg: Vec<String>,
    /// What `BUILD_TIME` is, where a Dockerfile declares it: the commit's time, or now [default: commit]
    #[arg(long, value_enum, value_name = "TIME", help_heading = "Image")]
    build_time: Option<BuildTime>,
    /// A secret for RUN --mount=type=secret: id=NAME[,src=FILE|env=VARIABLE]
    #[arg(long, value_name = "SECRET", help_heading = "Image")]
    secret: Vec<String>,
    /// What carries out the build
    #[arg(long, value_enum, help_heading = "Image")]
    engine: Option<EngineName>,
    /// What happens to programs of foreign platforms: deny, warn or allow [default: warn]
    #[arg(long, value_name = "POLICY", help_heading = "Image")]
    emulation: Option<String>,
    /// How many steps run at a time [default: the number of processors]
    #[arg(long, short, value_name = "NUMBER", help_heading = "Image")]
    jobs: Option<usize>,
    /// Use no results of earlier builds
    #[arg(long, help_heading = "Image")]
    no_cache: bool,
    /// Look up every image and package anew
    #[arg(long, help_heading = "Image")]
    pull: bool,
    /// How progress is shown [default: `$BUILDKIT_PROGRESS`, else auto]
    #[arg(long, value_enum, help_heading = "Image")]
    progress: Option<ProgressMode>,
    /// Who publishes what buildx builds: lrops from its store, after the proof; or the builder by itself
    #[arg(long, value_enum, value_name = "WHO", help_heading = "Build farm")]
    deliver: Option<DeliverWord>,
    #[command(flatten)]
    builder: BuilderArguments,
    #[command(flatten)]
    publish: PublishArguments,
    #[command(flatten)]
    registries: RegistryArguments,
    #[command(flatten)]
    pub(crate) places: PlaceArguments,
}

impl ReleaseArguments {
    /// Returns what `BUILD_TIME` is.
    pub(crate) fn build_time(&self) -> BuildTime {
        self.image.build_time.unwrap_or_default()
    }

    /// Returns the build that the release is made of, in these repositories.
    pub(crate) fn build(&self, repository: Vec<String>) -> BuildArguments {
        let image = self.image.clone();
        BuildArguments {
            repository,
            latest: self.latest,
            push: Some(self.push),
            platform: image.platform,
            build_arg: image.build_arg,
            build_time: image.build_time,
            secret: image.secret,
            engine: image.engine,
            emulation: image.emulation,
            jobs: image.jobs,
            no_cache: Some(image.no_cache),
            pull: Some(image.pull),
            progress: image.progress,
            deliver: image.deliver,
            builder: image.builder,
            publish: image.publish,
            registries: image.registries,
            places: image.places,
            older: OlderArguments {
                architectures: image.architectures,
                ..OlderArguments::default()
            },
            ..BuildArguments::default()
        }
    }
}
