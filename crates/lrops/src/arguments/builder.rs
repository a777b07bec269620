//! Flags that say where buildx builds.

use clap::Args;

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
