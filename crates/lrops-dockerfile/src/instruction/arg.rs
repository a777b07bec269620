//! `ARG`

use super::Origin;
use crate::syntax::{Fault, Statement, Word};

/// `ARG name[=default] …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Where it comes from.
    pub origin: Origin,
    /// The arguments, in their order; at least one.
    pub definitions: Vec<ArgDefinition>,
}

/// One build argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgDefinition {
    /// Its name, to be expanded.
    pub name: Word,
    /// Its default, to be expanded; none when only the name was written.
    pub value: Option<Word>,
    /// What a comment line right above that begins with the name says about it.
    pub description: Option<String>,
}

impl Arg {
    pub(super) fn read(statement: &Statement) -> Result<Self, Fault> {
        let origin = Origin::of(statement);
        let words = statement.some_arguments()?;
        let definitions = words
            .iter()
            .map(|word| ArgDefinition::read(word, statement, &origin));
        Ok(Self {
            definitions: definitions.collect::<Result<_, _>>()?,
            origin,
        })
    }
}

impl ArgDefinition {
    fn read(word: &Word, statement: &Statement, origin: &Origin) -> Result<Self, Fault> {
        let equals = word.text.find('=');
        if equals == Some(0) {
            return Err(statement.wrong_arguments("names can not be blank"));
        }
        let name = equals.map_or_else(|| word.clone(), |equals| word.head(equals));
        let value = equals.map(|equals| word.tail(equals + 1));
        Ok(Self {
            description: origin.description_of(&name.text),
            name,
            value,
        })
    }
}
