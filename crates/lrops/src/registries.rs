//! The registries, as flags, `lrops.toml` and the machine say.

use std::collections::BTreeSet;
use std::sync::Arc;

use lrops_remote::http::HttpClient;
use lrops_remote::registry::{Registry, RegistrySettings};

use crate::arguments::RegistryArguments;
use crate::configuration::Configuration;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::request::http_settings;
use crate::session::keychain;

/// Returns the client for registries.
///
/// # Errors
/// When the configuration or the credentials cannot be read.
pub(crate) fn open(
    _configuration: &Configuration,
    _arguments: &RegistryArguments,
    environment: &Environment,
) -> Result<Registry, Failure> {
    let http = Arc::new(HttpClient::new(http_settings(environment)));
    let settings = RegistrySettings {
        insecure: BTreeSet::new(),
        keychain: keychain(environment)?,
    };
    Ok(Registry::new(http, settings))
}
