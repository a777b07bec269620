//! Which engine carries out a request, and why; where buildx builds.

use lrops_buildx::BuilderPlace;

use crate::arguments::{BuilderArguments, EngineName};
use crate::configuration::Configuration;
use crate::environment::Environment;

/// The engine, and the reason for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EngineChoice {
    /// The engine.
    pub(crate) engine: EngineName,
    /// Why it was taken, in words that continue "because".
    pub(crate) reason: String,
}

impl EngineChoice {
    /// Returns the engine's name.
    pub(crate) fn name(&self) -> &'static str {
        match self.engine {
            EngineName::Embedded => "embedded",
            EngineName::Buildx => "buildx",
        }
    }
}

/// Returns where buildx builds: flags, then environment, then `lrops.toml`, then docker's own defaults.
pub(crate) fn builder_place(
    arguments: &BuilderArguments,
    configuration: &Configuration,
    environment: &Environment,
) -> BuilderPlace {
    let section = &configuration.sections.buildx;
    let find = |typed: &Option<String>, variable: &str, configured: &Option<String>| {
        let named = typed.as_deref().or_else(|| environment.get(variable));
        named
            .map(str::to_owned)
            .or_else(|| configured.clone())
            .filter(|name| !name.is_empty())
    };
    let context = find(&arguments.docker_context, "DOCKER_CONTEXT", &section.context);
    // The builder of `lrops.toml` is the one of its context, and no other's.
    let configured = section.builder.clone().filter(|_| context == section.context);
    BuilderPlace {
        builder: find(&arguments.builder, "BUILDX_BUILDER", &configured),
        context,
    }
}

/// Chooses the engine: the one that is named, else buildx where a context or a builder is, else the embedded one.
pub(super) fn choose(
    typed: Option<EngineName>,
    arguments: &BuilderArguments,
    configuration: &Configuration,
    environment: &Environment,
) -> EngineChoice {
    let choice = |engine, reason: &str| EngineChoice {
        engine,
        reason: reason.to_owned(),
    };
    if let Some(engine) = typed {
        return choice(engine, "--engine says so");
    }
    if let Some(engine) = configuration.sections.build.engine {
        return choice(engine.into(), "lrops.toml says so");
    }
    let section = &configuration.sections.buildx;
    let named = [
        (arguments.builder.as_deref(), "--builder names", ""),
        (arguments.docker_context.as_deref(), "--docker-context names", ""),
        (
            environment.get("BUILDX_BUILDER"),
            "BUILDX_BUILDER names the builder",
            "",
        ),
        (
            environment.get("DOCKER_CONTEXT"),
            "DOCKER_CONTEXT names the context",
            "default",
        ),
        (
            section.builder.as_deref(),
            "[buildx] in lrops.toml names the builder",
            "",
        ),
        (
            section.context.as_deref(),
            "[buildx] in lrops.toml names the context",
            "",
        ),
    ];
    let found = named
        .into_iter()
        .find_map(|(name, how, not)| Some((name.filter(|name| *name != not)?, how)));
    match found {
        Some((name, how)) => choice(EngineName::Buildx, &format!("{how} {name}")),
        None => choice(
            EngineName::Embedded,
            "no builder and no docker context is configured",
        ),
    }
}
