//! From what was typed to what is meant: flags, environment and `lrops.toml` become one [`Intent`] with nothing open.
//!
//! Precedence: flags, then environment, then `lrops.toml`, then defaults. All that can be wrong with a request is found
//! here, before a namespace is entered or a thread started.

mod build_info;
mod contexts;
mod engine;
mod host;
mod hosts;
mod names;
mod outputs;
mod pairs;
mod parts;
mod places;
mod platforms;
mod secrets;
mod state;
mod survey;
#[cfg(test)]
mod tests;
mod times;

use std::collections::BTreeMap;
use std::path::PathBuf;

use lrops_buildx::BuilderPlace;
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;
use lrops_model::request::BuildRequest;
use lrops_remote::registry::PushSettings;

use crate::arguments::{
    BuildArguments, EngineName, Format, Judgement, PlaceArguments, ProgressMode, PublishArguments,
    RegistryArguments, judge,
};
use crate::commands::{overwrite, push_settings};
use crate::configuration::{self, Configuration};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::farm::{FarmFlags, farm_flags};
use crate::publish::Overwrite;
use crate::version::Version;

pub(crate) use engine::{EngineChoice, builder_place};
pub(crate) use outputs::{Destination, Output, Outputs, parse_outputs};
use parts::Basis;
pub(crate) use platforms::parse_platforms;
use platforms::platforms;
pub(crate) use survey::{Survey, survey};

/// What is meant by a `lrops build`.
#[derive(Debug)]
pub(crate) struct Intent {
    /// The request to the engine.
    pub(crate) request: BuildRequest,
    /// What carries it out.
    pub(crate) engine: EngineChoice,
    /// Where buildx builds, when it does.
    pub(crate) builder: BuilderPlace,
    /// What the flags say that concerns the build farm alone.
    pub(crate) farm: FarmFlags,
    /// What to do with it.
    pub(crate) method: Method,
    /// Where the result goes besides the store.
    pub(crate) outputs: Vec<Output>,
    /// How it is published, when it is.
    pub(crate) publish: Option<PublishWish>,
    /// What the Dockerfiles are told of the project's state, by its names.
    pub(crate) told: BTreeMap<String, String>,
    /// The command that goes on after a failure, when it is another one than that which was typed.
    pub(crate) continuation: Option<String>,
    /// How registries are reached.
    pub(crate) registries: RegistryArguments,
    /// How progress is shown.
    pub(crate) progress: ProgressMode,
    /// Where the image's ID goes.
    pub(crate) iidfile: Option<PathBuf>,
    /// Where the description of what was built goes.
    pub(crate) metadata_file: Option<PathBuf>,
    /// Flags that mean nothing here, and why.
    pub(crate) notices: Vec<String>,
    /// The store's directory.
    pub(crate) store: PathBuf,
    /// `lrops.toml`.
    pub(crate) configuration: Configuration,
}

/// How an image is published.
#[derive(Clone, Debug)]
pub(crate) struct PublishWish {
    /// How blobs are sent.
    pub(crate) settings: PushSettings,
    /// Whether versions may be taken from other images.
    pub(crate) overwrite: Overwrite,
    /// Whether no tag is moved.
    pub(crate) by_digest: bool,
    /// The flags, for the command that goes on after a failure.
    pub(crate) flags: PublishArguments,
    /// Where things are, likewise.
    pub(crate) places: PlaceArguments,
}

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Build it.
    Build,
    /// Only look for mistakes.
    Check(Format),
    /// Only show what would be done.
    Plan(Format),
    /// Only show what the builder's front end says: `outline`, `targets`.
    Describe(String),
}

/// The project that is built.
#[derive(Debug)]
pub(crate) struct Project {
    /// Where it is looked for, unless it is named.
    pub(crate) directory: PathBuf,
    /// `lrops.toml`.
    pub(crate) configuration: Configuration,
    /// What its state is called, when that was found out before; else git is asked as soon as it matters.
    pub(crate) version: Option<Version>,
}

/// Finds out what is meant.
///
/// # Errors
/// Whatever is wrong with the request; what is not supported yet.
pub(crate) fn resolve(arguments: &BuildArguments, environment: &Environment) -> Result<Intent, Failure> {
    let mut arguments = arguments.clone();
    untangle_architectures(&mut arguments);
    let project = Project {
        directory: environment.directory.clone(),
        configuration: find_configuration(&arguments, environment)?,
        version: None,
    };
    resolve_project(arguments, project, environment)
}

/// Finds out what is meant, for a project that was found before.
///
/// # Errors
/// As [`resolve`].
pub(crate) fn resolve_project(
    arguments: BuildArguments,
    project: Project,
    environment: &Environment,
) -> Result<Intent, Failure> {
    let configuration = project.configuration;
    let engine = engine::choose(arguments.engine, &arguments.builder, &configuration, environment);
    let method = method(&arguments, engine.engine)?;
    let mut notices = judged(&arguments, engine.engine)?;
    let outputs = parse_outputs(&arguments.output, &environment.directory)?;
    if engine.engine == EngineName::Embedded {
        outputs.refuse_foreign()?;
    }
    let store = environment.store_root(arguments.places.store.as_deref());
    let basis = Basis {
        arguments: &arguments,
        configuration: &configuration,
        environment,
        engine: engine.engine,
        project: &project.directory,
        outputs: &outputs,
        store: &store,
    };
    let (request, told) = basis.request(project.version, &mut notices)?;
    notices.extend(pairs::of_absent_parts(&arguments.annotation, &request.platforms)?);
    let farm = farm_flags(&arguments, &configuration, &outputs);
    let publish = publish(&arguments, &configuration, &outputs.places, &request.tags)?;
    let builder = builder_place(&arguments.builder, &configuration, environment);
    Ok(Intent {
        request,
        engine,
        builder,
        farm,
        method,
        outputs: outputs.places,
        publish,
        told,
        continuation: None,
        registries: arguments.registries,
        progress: progress(arguments.progress, arguments.quiet == Some(true), environment)?,
        iidfile: arguments.iidfile.map(|path| environment.absolute(&path)),
        metadata_file: arguments.metadata_file.map(|path| environment.absolute(&path)),
        notices,
        store,
        configuration,
    })
}

/// Returns how the image is published, when `--push` or an output asks for it.
fn publish(
    arguments: &BuildArguments,
    configuration: &Configuration,
    outputs: &[Output],
    tags: &[Reference],
) -> Result<Option<PublishWish>, Failure> {
    let by_digest = outputs.iter().find_map(|output| match output {
        Output::Registry { by_digest } => Some(*by_digest),
        _ => None,
    });
    if by_digest.is_none() && arguments.push != Some(true) {
        return Ok(None);
    }
    if tags.is_empty() {
        return Err(Failure::usage_advised(
            "--push: the image has no name to be published under",
            "give it one: --tag registry.example/team/app:1.2.3, or --repository registry.example/team/app for a name by \
             git's version; or tags or repositories under [build] in lrops.toml",
        ));
    }
    Ok(Some(PublishWish {
        settings: push_settings(&arguments.publish, configuration)?,
        overwrite: overwrite(&arguments.publish),
        by_digest: by_digest.unwrap_or(false),
        flags: arguments.publish.clone(),
        places: arguments.places.clone(),
    }))
}

/// Says which flag's value is wrong.
fn flag<T>(name: &str, result: Result<T, impl std::fmt::Display>) -> Result<T, Failure> {
    result.map_err(|error| Failure::usage(format!("{name}: {error}")))
}

/// `--architectures amd64 arm64 .`: the last value is the context, since a flag with several values takes all it can.
fn untangle_architectures(arguments: &mut BuildArguments) {
    let values = &mut arguments.older.architectures;
    let is_place = |text: &String| text.starts_with(['.', '/']) || text.parse::<Platform>().is_err();
    if arguments.context.is_none() && values.len() > 1 && values.last().is_some_and(is_place) {
        arguments.context = values.pop();
    }
}

fn judged(arguments: &BuildArguments, engine: EngineName) -> Result<Vec<String>, Failure> {
    let mut notices = Vec::new();
    for judgement in judge(arguments, engine) {
        match judgement {
            Judgement::MeansNothing { flag, reason } => {
                notices.push(format!("{flag} means nothing here: {reason}"));
            }
            Judgement::NotYet { flag, advice } => return Err(Failure::not_yet(flag, advice)),
        }
    }
    Ok(notices)
}

fn method(arguments: &BuildArguments, engine: EngineName) -> Result<Method, Failure> {
    let mut method = Method::Build;
    if let Some(call) = arguments.call.as_deref() {
        let mut parts = call.split(',');
        let name = parts.next().unwrap_or_default();
        let format = match parts.next() {
            Some("format=json") => Format::Json,
            None | Some("format=text") => Format::Text,
            Some(other) => {
                return Err(Failure::usage(format!(
                    "--call: unknown field {other:?}; known is format=json"
                )));
            }
        };
        method = match name {
            "build" | "" => Method::Build,
            "check" | "lint" => Method::Check(format),
            "outline" | "targets" | "subrequests.describe" if engine == EngineName::Buildx => {
                Method::Describe(call.to_owned())
            }
            "outline" | "targets" | "subrequests.describe" => {
                return Err(Failure::not_yet(
                    format!("--call={name}"),
                    "`lrops plan` shows the stages that a build uses",
                ));
            }
            other => {
                return Err(Failure::usage(format!(
                    "--call: unknown method {other:?}; known are build, check, outline and targets"
                )));
            }
        };
    }
    if arguments.check == Some(true) && method == Method::Build {
        method = Method::Check(Format::Text);
    }
    if arguments.older.dry_run && method == Method::Build {
        method = Method::Plan(Format::Text);
    }
    Ok(method)
}

/// Reads the configuration of a build: the one that is named, or the nearest to its context.
fn find_configuration(
    arguments: &BuildArguments,
    environment: &Environment,
) -> Result<Configuration, Failure> {
    let context = arguments
        .context
        .as_deref()
        .map(|context| environment.directory.join(context));
    let start = context
        .filter(|context| context.is_dir())
        .unwrap_or_else(|| environment.directory.clone());
    configuration_near(&arguments.places, &start, environment)
}

/// Reads the configuration that is named, or the nearest from a directory upward; without any, all is default.
///
/// # Errors
/// When the file is wrong, or the named one is not there.
pub(crate) fn configuration_near(
    places: &PlaceArguments,
    start: &std::path::Path,
    environment: &Environment,
) -> Result<Configuration, Failure> {
    let start = start.canonicalize().unwrap_or_else(|_| start.to_owned());
    let named = places.config.as_deref().map(|path| environment.absolute(path));
    match named.or_else(|| configuration::find(&start)) {
        Some(path) => Ok(configuration::read(&path)?),
        None => Ok(Configuration::default()),
    }
}

/// Returns how progress is shown; `auto` is decided here.
///
/// # Errors
/// When the environment names an unknown way.
pub(crate) fn progress(
    typed: Option<ProgressMode>,
    quiet: bool,
    environment: &Environment,
) -> Result<ProgressMode, Failure> {
    use clap::ValueEnum;
    if quiet {
        return Ok(ProgressMode::Quiet);
    }
    let from_environment = || {
        let text = environment.get("BUILDKIT_PROGRESS")?;
        Some(flag("BUILDKIT_PROGRESS", ProgressMode::from_str(text, true)))
    };
    let mode = match typed {
        Some(mode) => mode,
        None => from_environment().transpose()?.unwrap_or(ProgressMode::Auto),
    };
    let live = environment.terminal && environment.get("TERM") != Some("dumb");
    Ok(match mode {
        ProgressMode::Auto if live => ProgressMode::Tty,
        ProgressMode::Auto => ProgressMode::Plain,
        other => other,
    })
}
