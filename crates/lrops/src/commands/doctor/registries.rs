//! The registries that the work talks to: whether they answer, and whether they accept who asks.

use std::error::Error;

use lrops_buildx::{BuilderPlace, KnownFailure, Site};
use lrops_model::cancel::CancelToken;
use lrops_model::reference::Reference;
use lrops_remote::registry::{LoginError, Mirror, Reception, Registry};

use super::finding::{Check, Remedy, State};
use super::questions::Question;
use crate::failure::one_line;

/// What the work does with a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It publishes the image there.
    Publish,
    /// The image has its name from there, and is not published this time.
    Name,
    /// It is asked before another registry.
    Mirror,
}

/// How a registry received us, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// It answered.
    Received(Reception),
    /// It refuses, with or without credentials.
    Refused {
        /// What it said.
        said: String,
        /// What the user can do about it.
        advice: Option<String>,
    },
    /// It could not be asked.
    Unreachable {
        /// Why.
        said: String,
        /// What the user can do about it.
        advice: Option<String>,
    },
}

impl Greeting {
    fn of(result: Result<Reception, LoginError>) -> Self {
        match result {
            Ok(reception) => Self::Received(reception),
            Err(error) => {
                let said = one_line(&error.problem as &dyn Error);
                let advice = error.advice();
                if error.is_refused() {
                    Self::Refused { said, advice }
                } else {
                    Self::Unreachable { said, advice }
                }
            }
        }
    }
}

/// Returns the questions to the registries of the image's names, each once, and to the mirrors.
pub(super) fn questions(
    registry: &Registry,
    tags: &[Reference],
    mirrors: &[Mirror],
    purpose: Purpose,
) -> Vec<Question> {
    let mut questions = Vec::new();
    let mut known: Vec<&str> = Vec::new();
    for tag in tags {
        if known.contains(&tag.registry()) {
            continue;
        }
        known.push(tag.registry());
        let (client, tag) = (registry.clone(), tag.clone());
        let name = tag.registry().to_owned();
        let ask = move |cancel: &CancelToken| client.greet(&tag, cancel);
        questions.push(question(name, purpose, ask));
    }
    for mirror in mirrors {
        let (client, mirror) = (registry.clone(), mirror.clone());
        let name = mirror.to_string();
        let ask = move |cancel: &CancelToken| client.greet_mirror(&mirror, cancel);
        questions.push(question(name, Purpose::Mirror, ask));
    }
    questions
}

fn question(
    name: String,
    purpose: Purpose,
    ask: impl FnOnce(&CancelToken) -> Result<Reception, LoginError> + Send + 'static,
) -> Question {
    let late = Greeting::Unreachable {
        said: "it does not answer within seconds".to_owned(),
        advice: None,
    };
    Question {
        late: judge(&name, purpose, &late),
        ask: Box::new(move |cancel| vec![judge(&name, purpose, &Greeting::of(ask(cancel)))]),
    }
}

/// Judges a registry.
pub(super) fn judge(registry: &str, purpose: Purpose, greeting: &Greeting) -> Check {
    let name = match purpose {
        Purpose::Publish | Purpose::Name => format!("registry {registry}"),
        Purpose::Mirror => format!("mirror {registry}"),
    };
    let ill = if purpose == Purpose::Publish {
        State::Broken
    } else {
        State::Warning
    };
    let login = format!("lrops login {registry}");
    match greeting {
        Greeting::Received(Reception::Open) => Check::ok(name, "it answers, and asks nobody for credentials"),
        Greeting::Received(Reception::Accepted) => Check::ok(name, "it answers, and accepts the credentials"),
        Greeting::Received(Reception::Anonymous) if purpose == Purpose::Publish => Check::ill(
            State::Warning,
            name,
            "it answers; there are no credentials for it",
            Remedy::new(
                KnownFailure::Unauthorized.name(),
                "it lets everybody in to read, and wants credentials from those who push, as a rule",
            )
            .cure(login),
        ),
        Greeting::Received(Reception::Anonymous) => Check::ok(
            name,
            "it answers; there are no credentials for it, and none are needed to read",
        ),
        Greeting::Refused { said, advice } => {
            let known = Remedy::known(KnownFailure::Unauthorized, Site::of(&BuilderPlace::default()));
            let mut remedy = Remedy::new(known.guide, known.cause).cure(login);
            remedy.cures.extend(advice.clone());
            Check::ill(ill, name, said.as_str(), remedy)
        }
        Greeting::Unreachable { said, advice } => {
            let cause = match purpose {
                Purpose::Mirror => "the mirror cannot be asked, and is passed over",
                _ => "the registry cannot be asked",
            };
            let cure = advice.clone().unwrap_or_else(|| {
                "check the registry's name, the network, and the proxy settings".to_owned()
            });
            let remedy = Remedy::new(KnownFailure::Network.name(), cause).cure(cure);
            Check::ill(ill, name, said.as_str(), remedy)
        }
    }
}
