//! `lrops builder rm`.

use lrops_buildx::{BuilderFacts, KnownFailure, Removal};

use crate::arguments::RemoveBuilderArguments;
use crate::commands::{print, say};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::report;

/// Removes a builder. One that is not there is as it should be.
///
/// # Errors
/// When none is named; when docker does not do it.
pub(super) fn remove(arguments: &RemoveBuilderArguments, environment: &Environment) -> Result<(), Failure> {
    let name = arguments.name.as_deref();
    let place = super::place(name, &arguments.builder, &arguments.places, environment)?;
    let Some(name) = place.builder.clone() else {
        return Err(Failure::usage_advised(
            "no builder is named",
            "name one: lrops builder rm NAME; `lrops builder ls` lists them",
        ));
    };
    let docker = super::docker(place)?;
    let mut command = docker.command().words(["buildx", "rm"]);
    if arguments.keep_state {
        command = command.word("--keep-state");
    }
    let command = command.word(&name);
    if arguments.dry_run {
        return print(&format!("{command}\n"));
    }
    super::version(&docker)?;
    let builder = match BuilderFacts::look(&docker) {
        Err(error) if error.known() == Some(KnownFailure::BuilderMissing) => {
            say(&format!("there is no builder {name}; nothing is done"));
            return Ok(());
        }
        found => found.map_err(|error| Failure::docker(error, docker.place()))?,
    };
    if builder.is_contexts_own() {
        return Err(Failure::usage_advised(
            format!("the builder {name} is the own one of a docker context, and comes and goes with it"),
            format!("a context, other than docker's own `default`, is removed by: docker context rm {name}"),
        ));
    }
    let removal = BuilderFacts::remove(&docker, &command);
    match removal.map_err(|error| Failure::docker(error, docker.place()))? {
        Removal::Whole => say(&format!("removed the builder {name}")),
        Removal::Forgotten { reason } => say(&forgotten(&reason)),
    }
    Ok(())
}

/// Says what is left of a builder whose daemon could not be asked to remove it.
pub(super) fn forgotten(reason: &str) -> String {
    report::notice(&format!(
        "the builder is removed from this machine's list, but its container and its cache may be left where it ran: {reason}"
    ))
}
