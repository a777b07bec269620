//! `CMD`, `ENTRYPOINT`, `SHELL`, and the two forms of a command line

use super::Origin;
use super::flags::Flags;
use crate::syntax::{Arguments, Faults, Statement, Word};

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// A text for the stage's shell; empty when nothing was written.
    Shell(Word),
    /// The words themselves, from a JSON array; may be empty.
    Exec(Vec<Word>),
}

impl CommandLine {
    /// Returns the words: the whole text as one, in the shell form.
    pub fn words(&self) -> Vec<&str> {
        match self {
            Self::Shell(text) if text.text.is_empty() => Vec::new(),
            Self::Shell(text) => vec![text.as_str()],
            Self::Exec(words) => words.iter().map(Word::as_str).collect(),
        }
    }

    pub(super) fn read(arguments: &Arguments, end: usize) -> Self {
        match arguments {
            Arguments::Json(words) => Self::Exec(words.clone()),
            Arguments::Text(text) => Self::Shell(text.clone()),
            _ => Self::Shell(Word {
                text: String::new(),
                span: end..end,
            }),
        }
    }
}

/// `CMD …`: what a container runs unless told otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cmd {
    /// Where it comes from.
    pub origin: Origin,
    /// What is run; not expanded.
    pub command: CommandLine,
}

/// `ENTRYPOINT …`: what a container always runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrypoint {
    /// Where it comes from.
    pub origin: Origin,
    /// What is run; not expanded.
    pub command: CommandLine,
}

/// `SHELL ["…", …]`: the shell of the shell form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shell {
    /// Where it comes from.
    pub origin: Origin,
    /// The shell and its options; at least one word, not expanded.
    pub words: Vec<Word>,
}

impl Cmd {
    pub(super) fn read(statement: &Statement) -> Result<Self, Faults> {
        Flags::read(statement, &[])?;
        let command = CommandLine::read(&statement.arguments, statement.span.end);
        Ok(Self {
            origin: Origin::of(statement),
            command,
        })
    }
}

impl Entrypoint {
    pub(super) fn read(statement: &Statement) -> Result<Self, Faults> {
        Flags::read(statement, &[])?;
        let command = CommandLine::read(&statement.arguments, statement.span.end);
        Ok(Self {
            origin: Origin::of(statement),
            command,
        })
    }
}

impl Shell {
    pub(super) fn read(statement: &Statement) -> Result<Self, Faults> {
        Flags::read(statement, &[])?;
        let words = statement.some_arguments()?.to_vec();
        if !matches!(statement.arguments, Arguments::Json(_)) {
            let fault = statement.wrong_arguments("requires the arguments to be in JSON form");
            return Err(fault
                .advise(r#"write it as SHELL ["/bin/sh", "-c"]"#.to_owned())
                .into());
        }
        Ok(Self {
            origin: Origin::of(statement),
            words,
        })
    }
}
