//! The flags that say how registries are reached.

use std::path::PathBuf;

use clap::Args;

/// How registries are reached.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Registries")]
pub(crate) struct RegistryArguments {
    /// A PEM file of certificate authorities to trust besides the machine's; several times for several files
    #[arg(long, value_name = "FILE")]
    pub(crate) registry_ca: Vec<PathBuf>,
    /// A registry whose certificate may be anything, and which may speak plain http: HOST[:PORT] or 10.0.0.0/8
    #[arg(long, value_name = "HOST")]
    pub(crate) insecure_registry: Vec<String>,
    /// How often a request that failed for a passing reason is repeated [default: 3]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) retries: Option<usize>,
    /// The seconds before the first repetition; each further wait is twice as long [default: 2]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) retry_wait: Option<u64>,
}
