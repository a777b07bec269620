//! What to do about failures of the build farm.

use std::time::Duration;

use lrops_buildx::{BuilderPlace, BuildxError, Docker, KnownFailure, Site, context_endpoint};
use lrops_model::cancel::CancelToken;

use crate::amounts;

/// How long an error waits for docker to say where a context is, which it reads from a file.
const ENDPOINT_TIME_LIMIT: Duration = Duration::from_secs(5);

/// Returns the likely cause of a known failure, and what to try.
pub(crate) fn known_advice(known: KnownFailure, place: &BuilderPlace) -> String {
    let endpoint = endpoint(known, place);
    let cures = known.cures(Site::of(place).at(endpoint.as_deref()));
    let cures = cures.into_iter().map(|cure| format!("\n  - {cure}"));
    format!(
        "{} ({})\nto try:{}",
        known.cause(),
        known.name(),
        cures.collect::<String>()
    )
}

/// Returns where the place's daemon is, when that says what to do. No daemon is asked, and who cannot tell says nothing:
/// it is the first failure that has to be told.
fn endpoint(known: KnownFailure, place: &BuilderPlace) -> Option<String> {
    if known != KnownFailure::SshFailed {
        return None;
    }
    let docker = Docker::new(place.clone(), CancelToken::new()).with_patience(ENDPOINT_TIME_LIMIT);
    context_endpoint(&docker).ok()
}

/// Returns what to do about a build that buildx failed to carry out: likely causes, what to try, and the command to
/// paste.
pub(super) fn buildx_advice(error: &BuildxError) -> String {
    let tried = match error.attempts {
        0 | 1 => String::new(),
        attempts => format!("tried {}; ", amounts::count(attempts, "time")),
    };
    let known = match error.known {
        Some(known) => format!("likely cause: {}", known_advice(known, &error.place)),
        None if error.output.trim().is_empty() => String::new(),
        None => format!("it said:\n{}", indented(&error.output)),
    };
    let rest = if error.does_all {
        ""
    } else {
        "\nthen the same lrops command again: it finds all built, proves the image, and names and publishes it"
    };
    format!("{tried}{known}\nby hand:\n  {}{rest}", error.command)
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::arguments::CommandLine;

    /// Places as people name them.
    fn places() -> Vec<BuilderPlace> {
        let names = [None, Some("gitlab"), Some("my lab"), Some("it's $HOME")];
        let place = |context: Option<&str>, builder: Option<&str>| BuilderPlace {
            context: context.map(str::to_owned),
            builder: builder.map(str::to_owned),
        };
        names
            .iter()
            .flat_map(|context| names.iter().map(move |builder| place(*context, *builder)))
            .collect()
    }

    #[test]
    fn every_command_of_a_cure_can_be_pasted() {
        let mut programs = BTreeSet::new();
        for place in places() {
            let site = Site::of(&place).at(Some("ssh://ops@build.example:2222"));
            for cure in KnownFailure::ALL.into_iter().flat_map(|known| known.cures(site)) {
                for command in &cure.commands {
                    let mut words = vec![command.program().to_owned()];
                    words.extend_from_slice(command.arguments());
                    let shown = cure.to_string();
                    assert!(shown.contains(&command.to_string()), "{shown}");
                    let pasted = shlex::split(&command.to_string());
                    assert_eq!(pasted.as_ref(), Some(&words), "{command}");
                    if command.program() == "lrops" {
                        let parsed = CommandLine::try_parse_from(&words);
                        assert!(parsed.is_ok(), "{command}: {}", parsed.unwrap_err());
                    }
                    programs.insert(command.program().to_owned());
                }
            }
        }
        let all = ["docker", "lrops", "ssh", "ssh-add", "sudo"].map(str::to_owned);
        assert_eq!(programs, BTreeSet::from(all));
    }

    #[test]
    fn every_flag_that_the_words_of_a_cure_name_is_there() {
        let command = CommandLine::command();
        let build = command.find_subcommand("build").unwrap();
        let known: BTreeSet<&str> = build.get_arguments().filter_map(clap::Arg::get_long).collect();
        let mut named = BTreeSet::new();
        let site = BuilderPlace::default();
        for cure in KnownFailure::ALL
            .into_iter()
            .flat_map(|known| known.cures(Site::of(&site)))
        {
            // Between backticks are commands of others.
            for words in cure.words.split('`').step_by(2) {
                let flags = words
                    .split([' ', ',', '.'])
                    .filter_map(|word| word.strip_prefix("--"));
                named.extend(flags.map(str::to_owned));
            }
        }
        assert!(named.contains("engine"), "{named:?}");
        for flag in named {
            assert!(known.contains(flag.as_str()), "lrops build knows no --{flag}");
        }
    }

    #[test]
    fn an_endpoint_that_nobody_knows_is_no_failure_of_its_own() {
        let place = BuilderPlace {
            context: Some("nowhere at all".to_owned()),
            builder: None,
        };
        let advice = known_advice(KnownFailure::SshFailed, &place);
        assert!(
            advice.contains("docker context inspect 'nowhere at all'"),
            "{advice}"
        );
    }
}
