//! What a check finds: a state, what was found, and for what is not well its cause and cures.

use lrops_buildx::{KnownFailure, Site};
use serde::Serialize;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// It is as the work needs it.
    Ok,
    /// The work is possible, but slower or less than it could be; or it may fail.
    Warning,
    /// The work would fail.
    Broken,
    /// The work does not need it.
    NotNeeded,
}

impl State {
    /// Returns its name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Broken => "broken",
            Self::NotNeeded => "not needed",
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What was looked at.
    pub(super) name: String,
    /// How it is.
    pub(super) state: State,
    /// What was found.
    pub(super) found: String,
    /// Why it is not well, and what to do.
    #[serde(flatten)]
    pub(super) remedy: Option<Remedy>,
}

/// Why something is not well, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Remedy {
    /// The likely cause.
    pub(super) cause: String,
    /// What to do, in the order in which to try it.
    pub(super) cures: Vec<String>,
    /// The heading in `docs/guide.md`.
    pub(super) guide: &'static str,
}

impl Check {
    /// Returns that something is as the work needs it.
    pub(super) fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            state: State::Ok,
            found: found.into(),
            remedy: None,
        }
    }

    /// Returns that the work does not need something.
    pub(super) fn not_needed(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            state: State::NotNeeded,
            ..Self::ok(name, found)
        }
    }

    /// Returns that something is not well.
    pub(super) fn ill(
        state: State,
        name: impl Into<String>,
        found: impl Into<String>,
        remedy: Remedy,
    ) -> Self {
        Self {
            state,
            remedy: Some(remedy),
            ..Self::ok(name, found)
        }
    }

    /// Returns the same for something that the work does not need: nothing about it is broken for the work.
    pub(super) fn beside_the_work(mut self) -> Self {
        if self.state != State::Ok {
            self.state = State::NotNeeded;
        }
        self
    }
}

impl Remedy {
    /// Returns a cause that has no further name.
    pub(super) fn new(guide: &'static str, cause: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            cures: Vec::new(),
            guide,
        }
    }

    /// Returns the cause and the cures of a known failure.
    pub(super) fn known(known: KnownFailure, site: Site<'_>) -> Self {
        Self {
            cures: known.cures(site).iter().map(ToString::to_string).collect(),
            ..Self::new(known.name(), known.cause())
        }
    }

    /// Adds a cure.
    pub(super) fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cures.push(cure.into());
        self
    }
}
