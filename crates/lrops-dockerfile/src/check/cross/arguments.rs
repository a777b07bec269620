//! The arguments that the builder gives: declared, and without defaults of the file's own.

use super::command::Command;
use super::{BUILD_ARGUMENTS, Cross, Remark, TARGET_ARGUMENTS};
use crate::check::rules;
use crate::instruction::{Arg, ArgDefinition, Instruction, Stage};

impl<'a> Cross<'a> {
    /// `ARG TARGETARCH=amd64`: the default replaces what `BuildKit` would say.
    pub(super) fn defaults(&mut self, arg: &Arg) {
        for definition in &arg.definitions {
            let name = definition.name.as_str();
            let is_told = TARGET_ARGUMENTS.contains(&name) || BUILD_ARGUMENTS.contains(&name);
            let Some(value) = definition.value.as_ref().filter(|_| is_told) else {
                continue;
            };
            if self.is_always(name, value.as_str()) {
                continue;
            }
            let remark = Remark {
                rule: rules::PLATFORM_ARG_DEFAULT,
                message: format!(
                    "the default {value} of {name} takes the place of the platform that is built for"
                ),
                advice: format!("write ARG {name} without a default"),
                cure: self.editor.without_default(definition).map(|edit| vec![edit]),
            };
            self.warn(&arg.origin, remark);
        }
    }

    /// Returns whether an argument has this value anyway: images are Linux', nearly all of them.
    fn is_always(&self, name: &str, value: &str) -> bool {
        let value = value.trim_matches(['"', '\'']);
        name == "TARGETOS" && self.platforms.iter().all(|platform| platform.os == value)
    }

    /// `$TARGETARCH` in a command of a stage that does not declare it: it is empty there. Where the command has a default
    /// for that, it is as it was meant.
    pub(super) fn undeclared(&mut self, stage: &'a Stage, commands: &[Command<'a>]) {
        let mut told: Vec<&str> = Vec::new();
        for command in commands {
            let declared = self.declared(stage, command);
            let missing: Vec<&str> = TARGET_ARGUMENTS
                .into_iter()
                .chain(BUILD_ARGUMENTS)
                .filter(|name| command.script.needs(name) && !has_default(&command.text, name))
                .filter(|name| !declared.iter().any(|other| other == name) && !told.contains(name))
                .collect();
            let Some((last, others)) = missing.split_last() else {
                continue;
            };
            let (named, is_empty) = match others {
                [] => ((*last).to_owned(), "is empty here: the stage does not declare it"),
                _ => (
                    format!("{} and {last}", others.join(", ")),
                    "are empty here: the stage does not declare them",
                ),
            };
            let is_safe = !missing.iter().any(|name| self.has_default(name));
            let remark = Remark {
                rule: rules::PLATFORM_ARG_UNDECLARED,
                message: format!("{named} {is_empty}"),
                advice: format!("write ARG {} before, in this stage", missing.join(" ")),
                cure: is_safe.then(|| self.editor.declare(stage, command.origin, &missing)),
            };
            self.warn(command.origin, remark);
            told.extend(missing);
        }
    }

    /// Returns whether an argument has a default somewhere in the file, which a declaration of it would replace.
    pub(super) fn has_default(&self, name: &str) -> bool {
        self.defaulted.contains(&name)
    }

    /// Returns the names that have a value, or get one from the builder, where a command stands.
    pub(super) fn declared(&self, stage: &'a Stage, command: &Command<'a>) -> Vec<&'a str> {
        let instructions = self.family.before(stage, command.origin);
        instructions.flat_map(declares).collect()
    }
}

/// Returns the builder's arguments that have a default somewhere in a text.
pub(super) fn defaulted(text: &str) -> Vec<&'static str> {
    let names = TARGET_ARGUMENTS.into_iter().chain(BUILD_ARGUMENTS);
    names.filter(|name| has_default(text, name)).collect()
}

/// Returns whether a text has a default for a variable: `${NAME:-word}`, `${NAME-word}`, `${NAME:=word}`, `${NAME=word}`.
fn has_default(text: &str, name: &str) -> bool {
    let start = format!("${{{name}");
    let mut rests = text.split(start.as_str()).skip(1);
    rests.any(|rest| rest.strip_prefix(':').unwrap_or(rest).starts_with(['-', '=']))
}

/// Returns the names that an instruction gives a value, or lets `BuildKit` give one.
fn declares(instruction: &Instruction) -> Vec<&str> {
    match instruction {
        Instruction::Arg(arg) => names(&arg.definitions),
        Instruction::Env(env) => env.pairs.iter().map(|pair| pair.name.as_str()).collect(),
        _ => Vec::new(),
    }
}

fn names(definitions: &[ArgDefinition]) -> Vec<&str> {
    definitions
        .iter()
        .map(|definition| definition.name.as_str())
        .collect()
}
