//! `lrops doctor`.

use clap::Args;

use super::{BuildArguments, BuilderArguments, EngineName, Format, PlaceArguments, RegistryArguments};

/// `lrops doctor`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DoctorArguments {
    /// The directory that would be built [default: the configuration's, else .]
    #[arg(value_name = "PATH")]
    pub(crate) context: Option<String>,
    /// The Dockerfile [default: PATH/Dockerfile]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<String>,
    /// The name that the image would get; several times for several names
    #[arg(long, short, value_name = "NAME")]
    pub(crate) tag: Vec<String>,
    /// The platforms that would be built for
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    pub(crate) platform: Vec<String>,
    /// Look for what publishing needs, too: a registry that refuses is then no mere warning
    #[arg(long)]
    pub(crate) push: bool,
    /// What would carry out the build
    #[arg(long, value_enum)]
    pub(crate) engine: Option<EngineName>,
    /// Look at both engines
    #[arg(long)]
    pub(crate) all: bool,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) builder: BuilderArguments,
    #[command(flatten)]
    pub(crate) registries: RegistryArguments,
    #[command(flatten)]
    pub(crate) places: PlaceArguments,
}

impl DoctorArguments {
    /// Returns the build that is meant.
    pub(crate) fn build(&self) -> BuildArguments {
        BuildArguments {
            context: self.context.clone(),
            file: self.file.clone(),
            tag: self.tag.clone(),
            platform: self.platform.clone(),
            push: self.push.then_some(true),
            engine: self.engine,
            builder: self.builder.clone(),
            registries: self.registries.clone(),
            places: self.places.clone(),
            ..BuildArguments::default()
        }
    }
}
