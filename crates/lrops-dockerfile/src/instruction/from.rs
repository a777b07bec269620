//! `FROM`

use super::Origin;
use super::flags::{Flags, Known, Takes};
use crate::syntax::{Fault, Faults, Statement, Word, quoted, rules};

const FLAGS: Known = &[("platform", Takes::Value)];

/// `FROM [--platform=…] image [AS name]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// Where it comes from.
    pub origin: Origin,
    /// The platform asked for, to be expanded.
    pub platform: Option<Word>,
    /// The image, stage or context it starts from, to be expanded.
    pub image: Word,
    /// The `AS` between image and name, as written.
    pub as_keyword: Option<Word>,
    /// The stage's name, in the case it was written in.
    pub name: Option<Word>,
}

impl From {
    /// Reads a statement; with faults, the `From` holds what could be read.
    pub(super) fn read(statement: &Statement) -> (Self, Vec<Fault>) {
        let words = statement.arguments.words();
        let mut faults = Vec::new();
        if let Err(fault) = check_words(statement, words) {
            faults.push(fault);
        }
        let platform = match Flags::read(statement, FLAGS) {
            Ok(flags) => flags.value("platform"),
            Err(Faults(wrong)) => {
                faults.extend(wrong);
                None
            }
        };
        let end = statement.span.end;
        let nothing = || Word {
            text: String::new(),
            span: end..end,
        };
        let from = Self {
            origin: Origin::of(statement),
            platform,
            image: words.first().cloned().unwrap_or_else(nothing),
            as_keyword: words.get(1).filter(|_| words.len() == 3).cloned(),
            name: words.get(2).filter(|_| words.len() == 3).cloned(),
        };
        (from, faults)
    }
}

fn check_words(statement: &Statement, words: &[Word]) -> Result<(), Fault> {
    match words {
        [_] => Ok(()),
        [_, between, name] if between.text.eq_ignore_ascii_case("as") => check_name(name),
        _ => Err(statement.wrong_arguments("requires either one or three arguments")),
    }
}

fn check_name(name: &Word) -> Result<(), Fault> {
    let lower = name.text.to_lowercase();
    let follows = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '-' | '_' | '.');
    if lower.starts_with(|first: char| first.is_ascii_lowercase()) && lower.chars().all(follows) {
        return Ok(());
    }
    let message = format!(
        "invalid name for build stage: {}, name can't start with a number or contain symbols",
        quoted(&name.text)
    );
    Err(Fault::error(rules::INVALID_STAGE_NAME, message, &name.span))
}
