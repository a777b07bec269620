//! `ENV` and `LABEL`

use super::Origin;
use super::flags::Flags;
use crate::syntax::{Arguments, Fault, Faults, Pair, Statement};

/// `ENV name=value …`, or `ENV name value`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Env {
    /// Where it comes from.
    pub origin: Origin,
    /// The variables, names and values to be expanded; at least one.
    pub pairs: Vec<Pair>,
}

/// `LABEL name=value …`, or `LABEL name value`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where it comes from.
    pub origin: Origin,
    /// The labels, names and values to be expanded; at least one.
    pub pairs: Vec<Pair>,
}

impl Env {
    pub(super) fn read(statement: &Statement) -> Result<Self, Faults> {
        Ok(Self {
            pairs: pairs(statement)?,
            origin: Origin::of(statement),
        })
    }
}

impl Label {
    pub(super) fn read(statement: &Statement) -> Result<Self, Faults> {
        Ok(Self {
            pairs: pairs(statement)?,
            origin: Origin::of(statement),
        })
    }
}

fn pairs(statement: &Statement) -> Result<Vec<Pair>, Faults> {
    Flags::read(statement, &[])?;
    let Arguments::Pairs(pairs) = &statement.arguments else {
        return Err(statement.wrong_arguments("requires at least one argument").into());
    };
    let blank: Vec<Fault> = pairs
        .iter()
        .filter(|pair| pair.name.text.is_empty())
        .map(|_| statement.wrong_arguments("names can not be blank"))
        .take(1)
        .collect();
    if blank.is_empty() {
        Ok(pairs.clone())
    } else {
        Err(Faults(blank))
    }
}
