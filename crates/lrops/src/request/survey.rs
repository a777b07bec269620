//! What a build would be about, as far as it can be told even where its Dockerfile is missing.

use std::path::PathBuf;

use lrops_buildx::BuilderPlace;
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;

use super::{EngineChoice, Intent, builder_place, engine, find_configuration, names, platforms, resolve};
use crate::arguments::BuildArguments;
use crate::configuration::Configuration;
use crate::environment::Environment;
use crate::failure::Failure;

/// What a build would be about.
#[derive(Debug)]
pub(crate) struct Survey {
    /// `lrops.toml`.
    pub(crate) configuration: Configuration,
    /// The store's directory.
    pub(crate) store: PathBuf,
    /// What would carry it out.
    pub(crate) engine: EngineChoice,
    /// Where buildx would build.
    pub(crate) builder: BuilderPlace,
    /// The platforms.
    pub(crate) platforms: Vec<Platform>,
    /// The image's names.
    pub(crate) tags: Vec<Reference>,
    /// What is meant, or what is wrong with that.
    pub(crate) intent: Result<Box<Intent>, Failure>,
}

/// Finds out what a build would be about.
///
/// # Errors
/// When flags, environment or `lrops.toml` make no sense.
pub(crate) fn survey(arguments: &BuildArguments, environment: &Environment) -> Result<Survey, Failure> {
    let from_input = [&arguments.context, &arguments.file].map(|place| place.as_deref() == Some("-"));
    if from_input.contains(&true) {
        return Err(Failure::usage(
            "nothing is read from standard input here: name a directory",
        ));
    }
    let configuration = find_configuration(arguments, environment)?;
    let intent = resolve(arguments, environment);
    Ok(Survey {
        store: environment.store_root(arguments.places.store.as_deref()),
        engine: engine::choose(arguments.engine, &arguments.builder, &configuration, environment),
        builder: builder_place(&arguments.builder, &configuration, environment),
        platforms: platforms(arguments, &configuration, environment)?,
        tags: match &intent {
            Ok(intent) => intent.request.tags.clone(),
            Err(_) => names::written(arguments, &configuration, &[])?,
        },
        intent: intent.map(Box::new),
        configuration,
    })
}
