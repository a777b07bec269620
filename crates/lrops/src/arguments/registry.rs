//! Flags of commands that talk to registries.

use std::path::PathBuf;

use clap::Args;

use super::{Format, PlaceArguments, ProgressMode};

/// How registries are reached.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RegistryArguments {
    /// A PEM file with certificate authorities to trust besides the system's
    #[arg(long, value_name = "FILE", help_heading = "Registries")]
    pub(crate) registry_ca: Vec<PathBuf>,
    /// A registry whose certificate may be anything, and which may speak plain http; also addresses such as 10.0.0.0/8
    #[arg(long, value_name = "HOST[:PORT]", help_heading = "Registries")]
    pub(crate) insecure_registry: Vec<String>,
    #[command(flatten)]
    pub(crate) retry: RetryArguments,
}

/// What becomes of a request that failed for the moment only.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RetryArguments {
    /// How often a request that failed is tried again [default: 3]
    #[arg(long, value_name = "NUMBER", help_heading = "Retries")]
    pub(crate) retries: Option<usize>,
    /// How many seconds to wait before the first retry; each further wait is twice as long [default: 2]
    #[arg(long, value_name = "SECONDS", help_heading = "Retries")]
    pub(crate) retry_wait: Option<f64>,
}

/// How an image is published.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PublishArguments {
    /// Take a version tag such as 1.2.3 from another image that has it
    #[arg(long, help_heading = "Registries")]
    pub(crate) force: bool,
    /// How much one request of an upload carries; after a cut no more is sent again [default: 16m]
    #[arg(long, value_name = "SIZE", help_heading = "Registries")]
    pub(crate) chunk_size: Option<String>,
    /// How many blobs are sent at a time [default: 4]
    #[arg(long, value_name = "NUMBER", help_heading = "Registries")]
    pub(crate) parallel: Option<usize>,
}

/// `lrops push`.
#[derive(Args, Debug)]
pub(crate) struct PushArguments {
    /// An image in the store, the directory of an OCI layout, or an OCI archive
    pub(crate) image: String,
    /// The name to publish it under; several times for several names [default: the image's name in the store]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) tag: Vec<String>,
    /// Publish it under its digest only, and move no tag
    #[arg(long)]
    pub(crate) by_digest: bool,
    /// Files that may be of any platform: patterns such as /usr/lib/firmware/**
    #[arg(long, value_name = "GLOB")]
    pub(crate) allow: Vec<String>,
    /// What is printed when it is done: text or JSON
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
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

/// `lrops pull`.
#[derive(Args, Debug)]
pub(crate) struct PullArguments {
    /// The image's name, [registry/]repository[:tag][@digest]
    pub(crate) image: String,
    /// Only this platform's image [default: all of them]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// auto, plain, tty, quiet, none or rawjson
    #[arg(long, value_enum)]
    pub(crate) progress: Option<ProgressMode>,
    #[command(flatten)]
    pub(crate) registries: RegistryArguments,
    #[command(flatten)]
    pub(crate) places: PlaceArguments,
}
