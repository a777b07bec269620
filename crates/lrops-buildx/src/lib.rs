//! The build farm: docker contexts, buildx builders, and builds that `docker buildx` carries out.
//!
//! Everything is done with the `docker` program, as a person would do it: each act is a [`CommandLine`] that can be
//! shown, pasted, and run. Nothing else is asked of the machine, and no daemon's interface is spoken.

mod build;
mod builders;
mod command_line;
mod daemon;
mod docker;
mod known;
mod nodes;
mod process;
mod progress;
mod setup;
mod version;

pub use build::{BuildxEngine, BuildxError, BuildxSettings, Delivery, NeededContext, PassedOn, Question};
pub use builders::{BuilderFacts, NodeFacts, Removal};
pub use command_line::{CommandLine, quoted};
pub use daemon::{DaemonFacts, builder_usage, context_endpoint};
pub use docker::{BuilderPlace, Docker, DockerError};
pub use known::{Cure, KnownFailure, Site};
pub use nodes::NodeShare;
pub use process::{Captured, ProcessError};
pub use progress::ProgressForm;
pub use setup::{
    BuilderSetup, ContextsOwnError, DEFAULT_CONTEXT, NodeWish, SetupAct, SetupFacts, SetupStep, Start,
};
pub use version::BuildxVersion;
