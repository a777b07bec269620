//! `lrops builder`: the builders of the build farm.

mod listing;
mod remove;
mod setup;

use lrops_buildx::{BuilderPlace, BuildxVersion, Docker};
use lrops_model::cancel::CancelToken;

use crate::arguments::{BuilderArguments, BuilderCommand, PlaceArguments};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::request::{builder_place, configuration_near};
use crate::signals;

/// Carries out a command.
///
/// # Errors
/// When docker, buildx or the builder does not do what it is asked.
pub(super) fn run(command: BuilderCommand, environment: &Environment) -> Result<(), Failure> {
    match command {
        BuilderCommand::Setup(arguments) => setup::setup(&arguments, environment),
        BuilderCommand::Ls(arguments) => listing::list(&arguments, environment),
        BuilderCommand::Inspect(arguments) => listing::inspect(&arguments, environment),
        BuilderCommand::Rm(arguments) => remove::remove(&arguments, environment),
    }
}

/// Returns where buildx builds, with a builder that was named besides the flags.
fn place(
    name: Option<&str>,
    arguments: &BuilderArguments,
    places: &PlaceArguments,
    environment: &Environment,
) -> Result<BuilderPlace, Failure> {
    let configuration = configuration_near(places, &environment.directory, environment)?;
    let place = builder_place(arguments, &configuration, environment);
    Ok(BuilderPlace {
        builder: name.map(str::to_owned).or(place.builder),
        ..place
    })
}

/// Returns the docker program, stopped by Ctrl-C.
fn docker(place: BuilderPlace) -> Result<Docker, Failure> {
    let cancel = CancelToken::new();
    signals::watch(&cancel, super::say)?;
    Ok(Docker::new(place, cancel))
}

/// Makes sure that docker and buildx are there.
fn version(docker: &Docker) -> Result<BuildxVersion, Failure> {
    BuildxVersion::ask(docker).map_err(|error| Failure::docker(error, docker.place()))
}
