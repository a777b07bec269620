//! `lrops check`.

use clap::Args;

use super::{BuildArguments, Format, PlaceArguments, RegistryArguments};

/// `lrops check`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CheckArguments {
    /// The context: a directory, or - for a Dockerfile on standard input [default: the configuration's, else .]
    #[arg(value_name = "PATH")]
    pub(crate) context: Option<String>,
    /// A Dockerfile, or - for standard input; several times for several [default: PATH/Dockerfile]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Vec<String>,
    /// The platforms that it is built for [default: the configuration's, else this machine's]
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    pub(crate) platform: Vec<String>,
    /// Check the stage that a build would be asked for, and what it needs [default: all stages]
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// A build argument, NAME=VALUE; NAME alone takes the value from the environment
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) build_arg: Vec<String>,
    /// A named context, as for a build
    #[arg(long, value_name = "NAME=PLACE")]
    pub(crate) build_context: Vec<String>,
    /// What is said of commands of foreign platforms: deny, warn or allow [default: warn]
    #[arg(long, value_name = "POLICY")]
    pub(crate) emulation: Option<String>,
    /// Edit the Dockerfile where that is safe, and show the difference
    #[arg(long)]
    pub(crate) fix: bool,
    /// Show the difference that --fix would make, and write nothing
    #[arg(long, visible_alias = "dry-run")]
    pub(crate) diff: bool,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) registries: RegistryArguments,
    #[command(flatten)]
    pub(crate) places: PlaceArguments,
}

impl CheckArguments {
    /// Returns the builds that are meant, one a Dockerfile.
    pub(crate) fn builds(&self) -> Vec<BuildArguments> {
        let build = |file: Option<&String>| BuildArguments {
            context: self.context.clone(),
            file: file.cloned(),
            platform: self.platform.clone(),
            target: self.target.clone(),
            build_arg: self.build_arg.clone(),
            build_context: self.build_context.clone(),
            emulation: self.emulation.clone(),
            check: Some(true),
            registries: self.registries.clone(),
            places: self.places.clone(),
            ..BuildArguments::default()
        };
        match &self.file[..] {
            [] => vec![build(None)],
            files => files.iter().map(|file| build(Some(file))).collect(),
        }
    }
}
