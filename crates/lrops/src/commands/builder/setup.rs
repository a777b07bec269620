//! `lrops builder setup`: what is missing is done, and nothing else.

use lrops_buildx::{
    BuilderFacts, BuilderPlace, BuilderSetup, ContextsOwnError, DEFAULT_CONTEXT, Docker, KnownFailure,
    NodeWish, SetupAct, SetupFacts, SetupStep, Start,
};
use lrops_model::platform::Platform;

use super::listing;
use crate::arguments::{BuildArguments, SetupArguments};
use crate::commands::{print, say};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::farm::{emulated_at, emulated_platforms};
use crate::registries::retry_waits;
use crate::report;
use crate::request::{Survey, parse_platforms, survey};

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
    let mut wish = wish(arguments, &survey)?;
    let waits = retry_waits(&survey.configuration, &arguments.retry);
    let notice = |text: &str| say(&report::notice(text));
    let docker = super::docker(wish.place.clone())?
        .persistent(waits)
        .talkative(notice);
    let failed = |error| Failure::docker(error, docker.place());
    super::version(&docker.without_context())?;
    let facts = SetupFacts::look(&docker).map_err(failed)?;
    // Tools run where the builder is, which may be another kind of machine than this one.
    if let (Some(builder), Ok(intent)) = (&facts.builder, &survey.intent)
        && let Some(emulated) = emulated_at(builder, &intent.request)
    {
        wish.emulated = emulated.into_iter().map(|one| one.platform).collect();
    }
    let steps = wish.plan(&facts).map_err(contexts_own)?;
    if wish.buildkitd_config.is_some() && !steps.iter().any(|step| step.act == SetupAct::CreateBuilder) {
        say(&report::notice(
            "the builder is there already, and buildx does not tell its BuildKit configuration: it stays as it is; \
             `lrops builder rm` first, to have it made anew",
        ));
    }
    if steps.is_empty() {
        say("all is as wished; nothing is done");
    }
    if steps.iter().any(|step| step.command.hides()) {
        say(&report::notice("*** stands for a password, which is not shown"));
    }
    if arguments.dry_run {
        return show(&steps);
    }
    for step in &steps {
        say(&format!("{}\n  $ {}", step.reason, step.command));
        if let Some(left) = step.carry_out(&docker).map_err(failed)? {
            say(&super::remove::forgotten(&left));
        }
    }
    finish(&docker, &survey, &wish)
}

/// Shows what would be done: commands can be pasted or piped, reasons are for people.
fn show(steps: &[SetupStep]) -> Result<(), Failure> {
    for step in steps {
        say(&step.reason);
        print(&format!("{}\n", step.command))?;
    }
    Ok(())
}

fn contexts_own(error: ContextsOwnError) -> Failure {
    let advice = format!(
        "take another name, such as --builder {}",
        usual_name(Some(&error.name))
    );
    Failure::usage_advised(error.to_string(), advice)
}

/// Shows the builder, and says which platforms it lacks.
fn finish(docker: &Docker, survey: &Survey, wish: &BuilderSetup) -> Result<(), Failure> {
    let builder = BuilderFacts::look(docker).map_err(|error| Failure::docker(error, docker.place()))?;
    print(&listing::table(std::slice::from_ref(&builder)).to_string())?;
    // Until then a node names those that were chosen for it, if any.
    if builder.nodes.iter().any(|node| node.status != "running") {
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
    let whether = match &survey.intent {
        Ok(_) => "which is so for this Dockerfile",
        Err(_) => "which `lrops plan` tells where the Dockerfile is",
    };
    say(&report::notice(&format!(
        "the builder does not list {names}: it builds for them as long as nothing of them runs, {whether}"
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
    check_places(arguments, &driver, context.as_deref())?;
    // The configuration's host is that of its own context, and of no other.
    let is_its_own = driver == "remote" || section.context == context;
    let configured = section.host.clone().filter(|_| is_its_own);
    let host = arguments.host.clone().or(configured);
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
        nodes: arguments
            .node
            .iter()
            .map(|text| node(text))
            .collect::<Result<_, _>>()?,
        buildkitd_config: arguments.buildkitd_config.clone(),
        emulated,
        start: if arguments.no_bootstrap {
            Start::Later
        } else {
            Start::Now
        },
    })
}

/// Refuses places that would be left out of account.
fn check_places(arguments: &SetupArguments, driver: &str, context: Option<&str>) -> Result<(), Failure> {
    if driver == "kubernetes" && !arguments.node.is_empty() {
        return Err(Failure::usage_advised(
            "--node: nodes of the driver kubernetes have no endpoints",
            "buildx makes several of one builder by itself: --driver-opt replicas=NUMBER",
        ));
    }
    if arguments.host.is_none() {
        return Ok(());
    }
    if driver == "kubernetes" && context.is_none() {
        return Err(Failure::usage(
            "--host: a builder with the driver kubernetes is where kubectl's own configuration points to",
        ));
    }
    if context == Some(DEFAULT_CONTEXT) && driver != "remote" {
        return Err(Failure::usage_advised(
            "--host: the docker context default is docker's own, and cannot be changed",
            "name another context, which is made: --docker-context NAME",
        ));
    }
    Ok(())
}

/// Reads `CONTEXT` or `CONTEXT=PLATFORM,PLATFORM`.
fn node(text: &str) -> Result<NodeWish, Failure> {
    let (endpoint, platforms) = match text.split_once('=') {
        Some((endpoint, platforms)) => (endpoint, parse_platforms("--node", &[platforms.to_owned()])?),
        None => (text, Vec::new()),
    };
    Ok(NodeWish {
        endpoint: endpoint.to_owned(),
        platforms,
    })
}
