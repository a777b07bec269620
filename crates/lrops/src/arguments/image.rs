//! `lrops image`.

use clap::{Args, Subcommand};

use super::{Format, PlaceArguments, ProgressMode, PublishArguments, RegistryArguments, examples};

/// `lrops image`.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// List the images in the store
    #[command(visible_alias = "list", after_help = examples::IMAGE_LS)]
    Ls {
        /// Text for people, or JSON
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        #[command(flatten)]
        places: PlaceArguments,
    },
    /// Show an image: its index, platforms, configs and layers
    #[command(after_help = examples::IMAGE_INSPECT)]
    Inspect(InspectArguments),
    /// Write an image as `lrops build --output` would
    #[command(after_help = examples::IMAGE_EXPORT)]
    Export {
        /// An image in the store
        image: String,
        /// Where to, as for `lrops build`: type=oci,dest=PATH[,tar=false], type=local,dest=DIR, type=tar,dest=FILE
        #[arg(long, short, value_name = "OUTPUT", required = true)]
        output: Vec<String>,
        #[command(flatten)]
        places: PlaceArguments,
    },
    /// Give an image of a registry another name, byte for byte, for all its platforms
    #[command(after_help = examples::IMAGE_TAG)]
    Tag(TagArguments),
    /// Copy an image from a place to another, byte for byte, for all its platforms
    #[command(visible_alias = "cp", after_help = examples::IMAGE_COPY)]
    Copy(CopyArguments),
    /// Make one index of images that are there already, and publish it
    #[command(after_help = examples::IMAGE_CREATE)]
    Create(CreateArguments),
    /// Remove names of images, from the store or from a registry
    #[command(visible_alias = "remove", after_help = examples::IMAGE_RM)]
    Rm(RemoveArguments),
    /// Remove tags that are not kept from a repository, and what only they need
    #[command(after_help = examples::IMAGE_PRUNE)]
    Prune(PruneArguments),
}

/// `lrops image inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectArguments {
    /// An image: an OCI layout's directory, an OCI archive, a name in the store, or else in the registry that
    /// it names; `docker://NAME` means the registry's
    pub(crate) image: String,
    /// Print the index or manifest as it is, byte for byte
    #[arg(long, conflicts_with = "format")]
    pub(crate) raw: bool,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) registries: RegistryArguments,
    #[command(flatten)]
    pub(crate) places: PlaceArguments,
}

/// What the commands that publish an image have in common.
#[derive(Args, Debug)]
pub(crate) struct TransferArguments {
    /// auto, plain, tty, quiet, none or rawjson
    #[arg(long, value_enum)]
    pub(crate) progress: Option<ProgressMode>,
    #[command(flatten)]
    pub(crate) publish: PublishArguments,
    #[command(flatten)]
    pub(crate) registries: RegistryArguments,
    #[command(flatten)]
    pub(crate) places: PlaceArguments,
}

/// `lrops image tag`.
#[derive(Args, Debug)]
pub(crate) struct TagArguments {
    /// The image, in a registry
    #[arg(value_name = "SRC")]
    pub(crate) source: String,
    /// Its further names, in this or other repositories and registries; `:TAG` alone means the image's own repository
    #[arg(value_name = "DST", required = true)]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) transfer: TransferArguments,
}

/// `lrops image copy`.
#[derive(Args, Debug)]
pub(crate) struct CopyArguments {
    /// An image: an OCI layout's directory, an OCI archive, a name in the store, or else in the registry that
    /// it names; `docker://NAME` means the registry's
    #[arg(value_name = "SRC")]
    pub(crate) source: String,
    /// A name in a registry, or `oci-layout://DIR[:TAG]`
    #[arg(value_name = "DST")]
    pub(crate) destination: String,
    #[command(flatten)]
    pub(crate) transfer: TransferArguments,
}

/// `lrops image create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArguments {
    /// Images, each for one platform or several; where two have the same platform, the later one's stays
    #[arg(value_name = "SRC", required = true)]
    pub(crate) sources: Vec<String>,
    /// The name of the new index; several times for several names
    #[arg(long, short, value_name = "NAME", required = true)]
    pub(crate) tag: Vec<String>,
    /// Begin with what the name stands for now
    #[arg(long)]
    pub(crate) append: bool,
    /// An annotation of the index
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) annotation: Vec<String>,
    /// Print the index, and publish nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) transfer: TransferArguments,
}

/// `lrops image rm`.
#[derive(Args, Debug)]
pub(crate) struct RemoveArguments {
    /// Images in the store, or `docker://NAME` for one in a registry
    #[arg(required = true)]
    pub(crate) images: Vec<String>,
    /// Remove an image from a registry although other tags name it, where it can be removed only with them
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) registries: RegistryArguments,
    #[command(flatten)]
    pub(crate) places: PlaceArguments,
}

/// `lrops image prune`.
#[derive(Args, Debug)]
pub(crate) struct PruneArguments {
    /// The repository, such as registry.example/team/app
    pub(crate) repository: String,
    /// Keep tags of this pattern, such as 'v*' or 'latest'
    #[arg(long, value_name = "PATTERN")]
    pub(crate) keep: Vec<String>,
    /// Keep this many of the other tags, the newest by their images' time
    #[arg(long, value_name = "NUMBER")]
    pub(crate) keep_last: Option<usize>,
    /// Remove; without it, only say what would be removed
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) registries: RegistryArguments,
    #[command(flatten)]
    pub(crate) places: PlaceArguments,
}
