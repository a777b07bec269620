//! `ONBUILD`, and the triggers that base images bring along

use lrops_model::finding::{Finding, Severity};

use super::flags::Flags;
use super::kinds::Line;
use super::{Instruction, Origin};
use crate::syntax::{Arguments, Fault, Faults, LineIndex, Statement, parse, rules};

/// `ONBUILD instruction`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onbuild {
    /// Where it comes from.
    pub origin: Origin,
    /// The instruction as the image's config keeps it: on one line, its heredocs behind it.
    pub trigger: String,
}

impl Onbuild {
    pub(super) fn read(statement: &Statement) -> Result<Self, Faults> {
        let Arguments::Trigger(trigger) = &statement.arguments else {
            return Err(statement.wrong_arguments("requires at least one argument").into());
        };
        Flags::read(statement, &[])?;
        if let Some(problem) = forbidden(trigger) {
            return Err(Fault::error(rules::INVALID_TRIGGER, problem, &trigger.span).into());
        }
        Ok(Self {
            origin: Origin::of(statement),
            trigger: trigger_text(statement),
        })
    }
}

/// Reads a trigger as an image's config keeps it.
///
/// # Errors
/// Returns the first thing that is wrong with it; places in it count from the trigger's start.
pub fn parse_trigger(text: &str) -> Result<Instruction, Finding> {
    let parsed = parse(text);
    if let Some(finding) = parsed
        .findings
        .into_iter()
        .find(|finding| finding.severity == Severity::Error)
    {
        return Err(finding);
    }
    let lines = LineIndex::new(text);
    let whole = 0..text.len();
    let [statement] = parsed.statements.as_slice() else {
        let message = "onbuild trigger should be a single expression";
        return Err(Fault::error(rules::INVALID_TRIGGER, message, &whole).into_finding(&lines));
    };
    if let Some(problem) = forbidden(statement) {
        return Err(Fault::error(rules::INVALID_TRIGGER, problem, &statement.span).into_finding(&lines));
    }
    match Line::read(statement) {
        Ok(Some(Line::Instruction(instruction))) => Ok(instruction),
        Err(Faults(faults)) if !faults.is_empty() => Err(faults[0].clone().into_finding(&lines)),
        _ => {
            let message = format!("{} isn't allowed as an ONBUILD trigger", statement.name());
            Err(Fault::error(rules::INVALID_TRIGGER, message, &whole).into_finding(&lines))
        }
    }
}

fn forbidden(trigger: &Statement) -> Option<String> {
    match trigger.name().as_str() {
        "ONBUILD" => Some("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed".to_owned()),
        name @ ("MAINTAINER" | "FROM") => Some(format!("{name} isn't allowed as an ONBUILD trigger")),
        _ => None,
    }
}

fn trigger_text(statement: &Statement) -> String {
    let text = statement.text.trim_start();
    let mut trigger = text[statement.keyword.text.len()..].trim_start().to_owned();
    for heredoc in &statement.heredocs {
        trigger.push('\n');
        trigger.push_str(&heredoc.content);
        trigger.push_str(&heredoc.name);
    }
    trigger
}
