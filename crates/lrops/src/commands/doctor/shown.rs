//! The checks as a table with what is to be done below it, and as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::finding::{Check, State};
use crate::request::EngineChoice;
use crate::style::{BAD, DIM, GOOD, HEAD, WARN, painted};
use crate::table::{Align, Table, harmless};

/// Where the headings are.
const GUIDE: &str = "docs/guide.md";

/// Returns the text for people, with escape sequences for colours.
pub(super) fn text(engine: &EngineChoice, checks: &[Check]) -> String {
    let mut table = Table::new(&[
        ("check", Align::Left),
        ("state", Align::Left),
        ("found", Align::Left),
    ]);
    for check in checks {
        table.row(vec![
            check.name.clone(),
            check.state.name().to_owned(),
            check.found.clone(),
        ]);
    }
    let mut text = format!(
        "engine: {}, because {}\n\n",
        engine.name(),
        harmless(&engine.reason)
    );
    let lines = table.to_string();
    let states = std::iter::once(None).chain(checks.iter().map(|check| Some(check.state)));
    for (line, state) in lines.lines().zip(states) {
        let _ = writeln!(text, "{}", coloured(line, state));
    }
    for check in checks {
        text.push_str(&below(check));
    }
    text
}

/// Colours the heads of a table, or the state in one of its rows, which is its only word between two spaces and two spaces.
fn coloured(line: &str, state: Option<State>) -> String {
    let Some(state) = state else {
        return painted(HEAD, line);
    };
    let style = match state {
        State::Ok => GOOD,
        State::Warning => WARN,
        State::Broken => BAD,
        State::NotNeeded => DIM,
    };
    let word = format!("  {}", state.name());
    line.replacen(&word, &format!("  {}", painted(style, state.name())), 1)
}

/// What is said below the table of a check that is not well.
fn below(check: &Check) -> String {
    let Some(remedy) = &check.remedy else {
        return String::new();
    };
    let title = format!("{}: {}", check.name, check.state.name());
    let mut text = format!("\n{}\n", painted(HEAD, &harmless(&title)));
    let _ = writeln!(text, "  cause: {}", harmless(&remedy.cause));
    for (index, cure) in remedy.cures.iter().enumerate() {
        let head = if index == 0 { "cure: " } else { "      " };
        let _ = writeln!(text, "  {head} {}", harmless(cure));
    }
    let _ = writeln!(text, "  guide: {GUIDE}#{}", remedy.guide);
    text
}

/// What `--format json` prints.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    engine: &'static str,
    reason: &'a str,
    /// Whether nothing that the work needs is broken.
    healthy: bool,
    checks: &'a [Check],
}

impl<'a> Document<'a> {
    /// Returns the document of all checks.
    pub(super) fn of(engine: &'a EngineChoice, checks: &'a [Check]) -> Self {
        Self {
            engine: engine.name(),
            reason: &engine.reason,
            healthy: checks.iter().all(|check| check.state != State::Broken),
            checks,
        }
    }
}
