//! `lrops builder setup`: what is missing is done, and nothing else.

use lrops_buildx::{BuilderFacts, BuilderPlace, BuilderSetup, Docker, KnownFailure, SetupFacts, Start};
use lrops_model::platform::Platform;

use super::listing;
use crate::arguments::{BuildArguments, SetupArguments};
use crate::commands::{print, say};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::farm::emulated_platforms;
use crate::report;
use crate::request::{Survey, survey};

/// The name of a builder that nobody named, as the guide has it: after its context.
fn usual_name(context: Option<&str>) -> String {
    format!("{}-multiarch", context.unwrap_or("lrops"))
}

/// Sets up a context and a builder.
///
/// # Errors
/// When docker does not do it; when the builder lacks a platform whose programs run during the build.
pub(super) fn setup(arguments: &SetupArguments, environment: &Environment) -> Result<(), Failure> {
    let survey = survey(&as_build(arguments), environment)?;
    let wish = wish(arguments, &survey)?;
    let docker = super::docker(wish.place.clone())?;
    let failed = |error| Failure::docker(error, docker.place());
    super::version(&docker)?;
    let facts = SetupFacts::look(&docker).map_err(failed)?;
    let steps = wish.plan(&facts);
    if arguments.dry_run {
        let lines = steps
            .iter()
            .map(|step| format!("# {}\n{}\n", step.reason, step.command));
        return print(&lines.collect::<String>());
    }
    if steps.is_empty() {
        say("all is as wished; nothing is done");
    }
    for step in &steps {
        say(&format!("{}\n  $ {}", step.reason, step.command));
        docker.run(&step.command, step.limit).map_err(failed)?;
    }
    finish(&docker, &survey, &wish)
}

/// Shows the builder, and says which platforms it lacks.
fn finish(docker: &Docker, survey: &Survey, wish: &BuilderSetup) -> Result<(), Failure> {
    let builder = BuilderFacts::look(docker).map_err(|error| Failure::docker(error, docker.place()))?;
    print(&listing::table(std::slice::from_ref(&builder)).to_string())?;
    if builder.build_platform().is_none() {
        say("its platforms are known when it runs");
        return Ok(());
    }
    let lacks = |platform: &&Platform| !builder.platforms().any(|own| own.runs_natively(platform));
    let missing: Vec<&Platform> = survey.platforms.iter().filter(lacks).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let names = names.join(", ");
    if missing.iter().any(|platform| wish.emulated.contains(platform)) {
        return Err(Failure::known(
            KnownFailure::EmulationMissing,
            docker.place(),
            format!(
                "the builder {} cannot run programs of {names}, which the Dockerfile does",
                builder.name
            ),
        ));
    }
    say(&report::notice(&format!(
        "the builder does not list {names}: it builds for them as long as nothing of them runs, which is so for this \
         Dockerfile"
    )));
    Ok(())
}

fn as_build(arguments: &SetupArguments) -> BuildArguments {
    BuildArguments {
        context: arguments.path.clone(),
        platform: arguments.platform.clone(),
        builder: arguments.builder.clone(),
        places: arguments.places.clone(),
        ..BuildArguments::default()
    }
}

fn wish(arguments: &SetupArguments, survey: &Survey) -> Result<BuilderSetup, Failure> {
    let section = &survey.configuration.sections.buildx;
    let context = survey.builder.context.clone();
    let driver = arguments.driver.clone().or_else(|| section.driver.clone());
    let driver = driver.unwrap_or_else(|| "docker-container".to_owned());
    if !["docker-container", "kubernetes", "remote"].contains(&driver.as_str()) {
        return Err(Failure::usage_advised(
            format!("--driver: builders with the driver {driver:?} are not made"),
            "known are docker-container, kubernetes and remote; every context has a builder with the driver docker",
        ));
    }
    let host = arguments.host.clone().or_else(|| section.host.clone());
    if driver == "remote" && host.is_none() {
        return Err(Failure::usage(
            "--driver=remote: --host says where BuildKit listens, such as tcp://HOST:1234",
        ));
    }
    let emulated = match &survey.intent {
        Ok(intent) => emulated_platforms(&intent.request),
        // Without a Dockerfile nothing is known to be emulated.
        Err(_) => Vec::new(),
    };
    let options = if arguments.driver_opt.is_empty() {
        section.driver_opts.clone()
    } else {
        arguments.driver_opt.clone()
    };
    let name = survey.builder.builder.clone();
    Ok(BuilderSetup {
        place: BuilderPlace {
            builder: name.or_else(|| Some(usual_name(context.as_deref()))),
            context,
        },
        host,
        driver,
        driver_options: options,
        nodes: arguments.node.clone(),
        buildkitd_config: arguments.buildkitd_config.clone(),
        emulated,
        start: if arguments.no_bootstrap {
            Start::Later
        } else {
            Start::Now
        },
    })
}
