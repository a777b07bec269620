//! The flags of an instruction, checked against those it knows.

use super::suggestion::did_you_mean;
use crate::syntax::{Fault, Faults, Statement, Word, rules};

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// `true`, `false` or nothing.
    Switch,
    /// One value; the flag stands once.
    Value,
    /// A value each time; the flag may repeat.
    Values,
}

/// The flags that an instruction knows.
pub(super) type Known = &'static [(&'static str, Takes)];

/// The flags that were written.
#[derive(Debug)]
pub(super) struct Flags {
    written: Vec<Flag>,
}

#[derive(Debug)]
struct Flag {
    name: &'static str,
    value: Option<Word>,
}

impl Flags {
    /// Reads the flags of a statement; every wrong one is a fault.
    pub(super) fn read(statement: &Statement, known: Known) -> Result<Self, Faults> {
        let mut flags = Self { written: Vec::new() };
        let mut faults = Vec::new();
        for word in &statement.flags {
            match flags.flag(word, known) {
                Ok(flag) => flags.written.push(flag),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() {
            Ok(flags)
        } else {
            Err(Faults(faults))
        }
    }

    fn flag(&self, word: &Word, known: Known) -> Result<Flag, Fault> {
        let text = word.as_str();
        let end = text.find('=').unwrap_or(text.len());
        let (flag, name) = (&text[..end], &text[2..end]);
        let Some((name, takes)) = known.iter().copied().find(|(known, _)| *known == name) else {
            let options: Vec<&str> = known.iter().map(|(known, _)| *known).collect();
            return Err(
                Fault::error(rules::UNKNOWN_FLAG, format!("unknown flag: {flag}"), &word.span)
                    .advise(did_you_mean(name, &options)),
            );
        };
        let invalid = |message: String| Err(Fault::error(rules::INVALID_FLAG, message, &word.span));
        if takes != Takes::Values && self.written.iter().any(|written| written.name == name) {
            return invalid(format!("duplicate flag specified: {flag}"));
        }
        let value = (end < text.len()).then(|| word.tail(end + 1));
        match (takes, &value) {
            (Takes::Value | Takes::Values, None) => invalid(format!("missing a value on flag: {flag}")),
            (Takes::Switch, Some(value)) if value.text.is_empty() => {
                invalid(format!("missing a value on flag: {flag}"))
            }
            (Takes::Switch, Some(value)) if switch(value).is_none() => {
                invalid(format!("expecting boolean value for flag {flag}, not: {value}"))
            }
            _ => Ok(Flag { name, value }),
        }
    }

    /// Returns the value of a flag, even if it is empty.
    pub(super) fn written(&self, name: &str) -> Option<&Word> {
        self.written.iter().find(|flag| flag.name == name)?.value.as_ref()
    }

    /// Returns the value of a flag; an empty value is none.
    pub(super) fn value(&self, name: &str) -> Option<Word> {
        self.written(name).filter(|value| !value.text.is_empty()).cloned()
    }

    /// Returns all values of a flag that may repeat.
    pub(super) fn values(&self, name: &str) -> Vec<Word> {
        self.written
            .iter()
            .filter(|flag| flag.name == name)
            .filter_map(|flag| flag.value.clone())
            .collect()
    }

    /// Returns whether a switch is on; none when it was not written.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        let flag = self.written.iter().find(|flag| flag.name == name)?;
        flag.value.as_ref().map_or(Some(true), switch)
    }
}

fn switch(value: &Word) -> Option<bool> {
    match value.text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Returns a warning for each flag of an instruction that takes none and that the reference does not check either.
pub(super) fn ignored_flags(statement: &Statement) -> Vec<Fault> {
    let ignored = |word: &Word| {
        let message = format!("{} has no flags: {word} has no effect", statement.name());
        Fault::warning(rules::UNKNOWN_FLAG, message, &word.span)
    };
    statement.flags.iter().map(ignored).collect()
}
