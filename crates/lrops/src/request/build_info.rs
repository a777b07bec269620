//! What a build is told of the project's state: `VERSION`, `BUILD_TIME` and `GIT_COMMIT`, where a Dockerfile declares them.
//!
//! What the user gives goes before, and of such a name nothing is told to anybody. The time is the commit's unless asked
//! otherwise, so that a build of the same commit is the same and nothing is done again.

use std::collections::{BTreeMap, BTreeSet};

use lrops_dockerfile::instruction::{Dockerfile, Instruction};
use lrops_model::request::{DockerfileText, NamedContext};
use lrops_model::timestamp::Timestamp;

use super::state::State;
use crate::arguments::BuildTime;
use crate::failure::one_line;
use crate::git::GitError;

const NAMES: [&str; 3] = ["VERSION", "BUILD_TIME", "GIT_COMMIT"];

/// Build arguments by their names.
pub(super) type Arguments = BTreeMap<String, String>;

/// The Dockerfiles that can be told something, and what the user tells them.
pub(super) struct Listeners<'a> {
    pub(super) dockerfile: &'a DockerfileText,
    pub(super) build_args: &'a mut Arguments,
    pub(super) contexts: &'a mut BTreeMap<String, NamedContext>,
    /// `--build-arg`, as typed: a bare name may have no value.
    pub(super) typed: &'a [String],
}

/// Tells what is declared, and returns it.
pub(super) fn tell(
    listeners: Listeners<'_>,
    state: &State<'_>,
    time: Option<BuildTime>,
    now: Timestamp,
    notices: &mut Vec<String>,
) -> Arguments {
    let Listeners {
        dockerfile,
        build_args,
        contexts,
        typed,
    } = listeners;
    let typed = typed.iter().filter_map(|text| text.split('=').next());
    let given: BTreeSet<String> = typed
        .map(str::to_owned)
        .chain(build_args.keys().cloned())
        .collect();
    let mut wishes = vec![(wished(dockerfile, &given), build_args)];
    for context in contexts.values_mut() {
        if let NamedContext::Dockerfile(nested) = context {
            let nested = nested.as_mut();
            wishes.push((wished(&nested.dockerfile, &given), &mut nested.build_args));
        }
    }
    let mut told = Arguments::new();
    if wishes.iter().any(|(names, _)| !names.is_empty()) {
        let values = values(state, time.unwrap_or_default(), now, notices);
        for (names, build_args) in wishes {
            let values = values.iter().filter(|(name, _)| names.contains(name));
            for (name, value) in values {
                if !build_args.contains_key(*name) {
                    build_args.insert((*name).to_owned(), value.clone());
                    told.insert((*name).to_owned(), value.clone());
                }
            }
        }
    }
    if time.is_some() && !told.contains_key("BUILD_TIME") {
        let reason = "no Dockerfile declares ARG BUILD_TIME without a value of yours, or git does not know the project";
        notices.push(format!("--build-time means nothing here: {reason}"));
    }
    told
}

/// Returns the values, or none outside of a repository. That git cannot be asked is worth a word.
fn values(
    state: &State<'_>,
    time: BuildTime,
    now: Timestamp,
    notices: &mut Vec<String>,
) -> Vec<(&'static str, String)> {
    match state.version() {
        Ok(version) => {
            notices.extend(version.notice());
            let time = match time {
                BuildTime::Commit => version.facts.commit_time,
                BuildTime::Now => now,
            };
            version.build_arguments(time).into()
        }
        Err(GitError::NoRepository(_)) => Vec::new(),
        Err(error) => {
            notices.push(format!(
                "git could not be asked for the version ({}): the Dockerfile's own {} hold",
                one_line(&error),
                NAMES.join(", ")
            ));
            Vec::new()
        }
    }
}

/// Returns the names that a Dockerfile declares and nobody gives. One that a `FROM` line takes is about that image, and
/// not about the project.
fn wished(text: &DockerfileText, given: &BTreeSet<String>) -> BTreeSet<&'static str> {
    let (dockerfile, _) = Dockerfile::parse(&text.text);
    let instructions = dockerfile.stages.iter().flat_map(|stage| &stage.instructions);
    let in_stages = instructions.filter_map(|instruction| match instruction {
        Instruction::Arg(arg) => Some(arg),
        _ => None,
    });
    let declared: BTreeSet<&str> = dockerfile
        .global_args
        .iter()
        .chain(in_stages)
        .flat_map(|arg| &arg.definitions)
        .map(|definition| definition.name.as_str())
        .collect();
    let is_of_image = |name: &str| {
        let froms = dockerfile
            .stages
            .iter()
            .map(|stage| stage.from.origin.text.as_str());
        let forms = [format!("${name}"), format!("${{{name}")];
        froms
            .into_iter()
            .any(|from| forms.iter().any(|form| from.contains(form.as_str())))
    };
    let is_wished = |name: &&str| declared.contains(name) && !given.contains(*name) && !is_of_image(name);
    NAMES.into_iter().filter(is_wished).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_from_line_takes_is_the_version_of_another_image() {
        let wished_of = |text: &str| {
            let text = DockerfileText {
                name: "Dockerfile".to_owned(),
                text: text.to_owned(),
                path: None,
            };
            wished(&text, &BTreeSet::new()).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(
            wished_of("ARG VERSION=3.19\nFROM alpine:${VERSION}\nARG GIT_COMMIT\n"),
            ["GIT_COMMIT"]
        );
        assert_eq!(wished_of("ARG VERSION\nFROM alpine:$VERSION\n"), [""; 0]);
        assert_eq!(wished_of("FROM alpine\nARG VERSION=development\n"), ["VERSION"]);
    }
}
