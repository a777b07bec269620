//! Instructions that set one thing in the image's config: `WORKDIR`, `USER`, `EXPOSE`, `VOLUME`, `STOPSIGNAL`,
//! `MAINTAINER`

use super::Origin;
use super::flags::Flags;
use crate::syntax::{Fault, Faults, Statement, Word};

/// `WORKDIR path`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workdir {
    /// Where it comes from.
    pub origin: Origin,
    /// The directory, to be expanded.
    pub path: Word,
}

/// `USER user[:group]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Where it comes from.
    pub origin: Origin,
    /// The user, to be expanded.
    pub user: Word,
}

/// `EXPOSE port[/protocol] …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expose {
    /// Where it comes from.
    pub origin: Origin,
    /// The ports, to be expanded, sorted by their text as the reference does before it writes the history.
    pub ports: Vec<Word>,
}

/// `VOLUME path …`, or a JSON array of paths
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Where it comes from.
    pub origin: Origin,
    /// The paths, to be expanded.
    pub paths: Vec<Word>,
}

/// `STOPSIGNAL signal`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopSignal {
    /// Where it comes from.
    pub origin: Origin,
    /// The signal's name or number, to be expanded.
    pub signal: Word,
}

/// `MAINTAINER name`, which `LABEL` has replaced
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintainer {
    /// Where it comes from.
    pub origin: Origin,
    /// The image's author; not expanded.
    pub name: Word,
}

impl Workdir {
    pub(super) fn read(statement: &Statement) -> Result<Self, Faults> {
        let path = statement.only_argument()?;
        Flags::read(statement, &[])?;
        Ok(Self {
            origin: Origin::of(statement),
            path,
        })
    }
}

impl User {
    pub(super) fn read(statement: &Statement) -> Result<Self, Faults> {
        let user = statement.only_argument()?;
        Flags::read(statement, &[])?;
        Ok(Self {
            origin: Origin::of(statement),
            user,
        })
    }
}

impl Expose {
    pub(super) fn read(statement: &Statement) -> Result<Self, Faults> {
        let mut ports = statement.some_arguments()?.to_vec();
        Flags::read(statement, &[])?;
        ports.sort_by(|left, right| left.text.cmp(&right.text));
        Ok(Self {
            origin: Origin::of(statement),
            ports,
        })
    }
}

impl Volume {
    pub(super) fn read(statement: &Statement) -> Result<Self, Faults> {
        let words = statement.some_arguments()?;
        Flags::read(statement, &[])?;
        let mut paths = Vec::with_capacity(words.len());
        for word in words {
            let text = word.text.trim().to_owned();
            if text.is_empty() {
                return Err(statement
                    .wrong_arguments("specified can not be an empty string")
                    .into());
            }
            paths.push(Word {
                text,
                span: word.span.clone(),
            });
        }
        Ok(Self {
            origin: Origin::of(statement),
            paths,
        })
    }
}

impl StopSignal {
    pub(super) fn read(statement: &Statement) -> Result<Self, Fault> {
        Ok(Self {
            signal: statement.only_argument()?,
            origin: Origin::of(statement),
        })
    }
}

impl Maintainer {
    pub(super) fn read(statement: &Statement) -> Result<Self, Faults> {
        let name = statement.only_argument()?;
        Flags::read(statement, &[])?;
        Ok(Self {
            origin: Origin::of(statement),
            name,
        })
    }
}
