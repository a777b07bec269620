//! `[buildx]`: the build farm.

use serde::Deserialize;

/// `[buildx]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct BuildxSection {
    /// The docker context.
    pub(crate) context: Option<String>,
    /// The docker endpoint of the context, such as `ssh://gitlab`, for the machine where it is not defined yet.
    pub(crate) host: Option<String>,
    /// The builder.
    pub(crate) builder: Option<String>,
    /// The driver of a builder that is set up [default: docker-container].
    pub(crate) driver: Option<String>,
    /// Options of the driver, such as `image=registry.example/buildkit:v0.13`.
    pub(crate) driver_opts: Vec<String>,
    /// Who publishes the image: lrops, from its store, or the builder.
    pub(crate) deliver: Option<DeliverWord>,
}

/// Who publishes an image that buildx builds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeliverWord {
    /// lrops: the image comes to the store, is proved, and is pushed from here.
    #[default]
    Store,
    /// The builder pushes by itself; lrops proves what arrived, and moves the tags.
    Builder,
}
