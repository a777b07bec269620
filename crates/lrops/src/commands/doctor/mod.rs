//! `lrops doctor`: what would make the work fail, told beforehand, with cause and cure.
//!
//! Facts are gathered side by side, since some of them come from the network or from daemons; judging them is pure.
//! Nothing is written, made or changed: not in the store, and not at any registry or builder.

mod builder;
mod buildx;
mod disk;
mod embedded;
mod emulation;
mod finding;
mod questions;
mod registries;
mod shown;
#[cfg(test)]
mod tests;

use lrops_model::cancel::CancelToken;
use lrops_model::request::EmulationPolicy;
use lrops_remote::registry::Mirror;

use super::{print, print_json, say};
use crate::amounts;
use crate::arguments::{DoctorArguments, EngineName, Format, RegistryArguments, RetryArguments};
use crate::configuration::DeliverWord;
use crate::environment::Environment;
use crate::failure::{Failure, one_line};
use crate::farm::emulated_platforms;
use crate::registries::Registries;
use crate::request::{Survey, survey};
use crate::signals;

use buildx::{FarmFacts, FarmWanted};
use disk::StoreFacts;
use embedded::{MachineFacts, Wanted};
use finding::{Check, Remedy, State};
use questions::{PATIENCE, Question, ask_all};
use registries::Purpose;

/// Looks at everything that the work needs.
///
/// # Errors
/// When something that it needs is broken, which is then shown; when flags or configuration make no sense.
pub(super) fn run(arguments: &DoctorArguments, environment: &Environment) -> Result<(), Failure> {
    let survey = survey(&arguments.build(), environment)?;
    let cancel = CancelToken::new();
    signals::watch(&cancel, say)?;
    let mut checks = vec![request(&survey, arguments)];
    let mut questions = engines(&survey, arguments);
    questions.extend(of_registries(&survey, arguments, environment)?);
    checks.extend(ask_all(questions, PATIENCE, &cancel.child()));
    cancel.check()?;
    match arguments.format {
        Format::Text => print(&shown::text(&survey.engine, &checks))?,
        Format::Json => print_json(&shown::Document::of(&survey.engine, &checks))?,
    }
    let broken = checks.iter().filter(|check| check.state == State::Broken);
    let names: Vec<&str> = broken.map(|check| check.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let count = amounts::count(names.len(), "check");
    Err(Failure::Unhealthy {
        broken: format!("{count} found something broken: {}", names.join(", ")),
    })
}

/// Whether it is clear what would be built.
fn request(survey: &Survey, arguments: &DoctorArguments) -> Check {
    const NAME: &str = "request";
    let failure = match &survey.intent {
        Ok(intent) => {
            let names: Vec<String> = survey.platforms.iter().map(ToString::to_string).collect();
            let dockerfile = &intent.request.dockerfile.name;
            return Check::ok(NAME, format!("{dockerfile} for {}", names.join(", ")));
        }
        Err(failure) => failure,
    };
    let is_asked = arguments.context.is_some() || arguments.file.is_some() || arguments.push;
    if !is_asked && survey.configuration.path.is_none() {
        let found = "no project is here: only the machine is looked at";
        return Check::not_needed(NAME, found);
    }
    let cause = "it is not clear what would be built";
    let mut remedy = Remedy::new("request", cause);
    if let Failure::Usage { advice, .. } | Failure::Work { advice, .. } = failure {
        remedy.cures.extend(advice.clone());
    }
    if remedy.cures.is_empty() {
        remedy = remedy.cure("see what `lrops plan` says with the same flags");
    }
    Check::ill(State::Broken, NAME, one_line(failure), remedy)
}

/// The questions to the machine: about the engine that is chosen, the store, and with `--all` the other engine.
fn engines(survey: &Survey, arguments: &DoctorArguments) -> Vec<Question> {
    let root = survey.store.clone();
    let store = Question {
        late: late("store"),
        ask: Box::new(move |_| disk::judge(&StoreFacts::gather(&root))),
    };
    let is_embedded = survey.engine.engine == EngineName::Embedded;
    let of_engine = |question: Question, name: &str, is_chosen: bool| match (is_chosen, arguments.all) {
        (true, _) => question,
        (false, true) => beside_the_work(question),
        (false, false) => {
            let found = format!(
                "the {} engine is chosen; --all looks at both",
                survey.engine.name()
            );
            known(Check::not_needed(name, found))
        }
    };
    vec![
        of_engine(embedded(survey), "embedded engine", is_embedded),
        store,
        of_engine(farm(survey, arguments), "docker", !is_embedded),
    ]
}

fn embedded(survey: &Survey) -> Question {
    let intent = survey.intent.as_ref().ok();
    let wanted = Wanted {
        platforms: intent.map(|intent| emulated_platforms(&intent.request)),
        policy: intent.map_or(EmulationPolicy::Warn, |intent| intent.request.emulation),
        emulators: intent.map_or_else(Vec::new, |intent| intent.request.emulators.clone()),
    };
    let root = survey.store.clone();
    Question {
        late: late("user namespaces"),
        ask: Box::new(move |_| embedded::judge(&MachineFacts::gather(&root, wanted))),
    }
}

fn farm(survey: &Survey, arguments: &DoctorArguments) -> Question {
    let section = &survey.configuration.sections.buildx;
    let wanted = FarmWanted {
        place: survey.builder.clone(),
        // A context that was named elsewhere is not the configuration's.
        host: section
            .host
            .clone()
            .filter(|_| section.context.is_some() && section.context == survey.builder.context),
        platforms: survey.platforms.clone(),
        pushes: arguments.push && section.deliver == Some(DeliverWord::Builder),
        request: survey
            .intent
            .as_ref()
            .ok()
            .map(|intent| Box::new(intent.request.clone())),
    };
    Question {
        late: late("docker"),
        ask: Box::new(move |cancel| buildx::judge(&wanted, &FarmFacts::gather(&wanted, cancel))),
    }
}

/// The questions to the registries of the image's names, and to mirrors.
fn of_registries(
    survey: &Survey,
    arguments: &DoctorArguments,
    environment: &Environment,
) -> Result<Vec<Question>, Failure> {
    let flags = RegistryArguments {
        // Who has to be asked twice is worth knowing of.
        retry: RetryArguments {
            retries: arguments.registries.retry.retries.or(Some(0)),
            ..arguments.registries.retry.clone()
        },
        ..arguments.registries.clone()
    };
    let client = Registries::open(&survey.configuration, &flags, environment)?.registry;
    let sections = survey.configuration.sections.registries.values();
    let mirrors: Vec<Mirror> = sections
        .flat_map(|section| section.mirrors.iter().map(|word| word.0.clone()))
        .collect();
    let purpose = if arguments.push {
        Purpose::Publish
    } else {
        Purpose::Name
    };
    Ok(registries::questions(&client, &survey.tags, &mirrors, purpose))
}

/// What it comes to when something on this machine does not answer.
fn late(name: &str) -> Check {
    let remedy = Remedy::new("time-out", "this machine is very slow, or something on it hangs")
        .cure("see what it is busy with, and whether a disk or a directory service does not answer");
    Check::ill(State::Broken, name, "there is no answer within seconds", remedy)
}

/// A question that is answered already.
fn known(check: Check) -> Question {
    Question {
        late: check.clone(),
        ask: Box::new(move |_| vec![check]),
    }
}

/// The same question for something that the work does not need.
fn beside_the_work(question: Question) -> Question {
    let ask = question.ask;
    Question {
        late: question.late.beside_the_work(),
        ask: Box::new(move |cancel| ask(cancel).into_iter().map(Check::beside_the_work).collect()),
    }
}
