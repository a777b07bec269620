//! `lrops build --check`: what the Dockerfile's own rules say, and nothing built.
//!
//! The JSON has the shape of `docker buildx build --call=check,format=json`, with what lrops knows besides.

use lrops_dockerfile::instruction::Dockerfile;
use lrops_model::finding::{Finding, Severity};
use serde_json::{Value, json};

use super::build::{errors_in, findings_of, open};
use super::{print, print_json, say};
use crate::amounts;
use crate::arguments::{Format, ProgressMode};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::report::{self, Source};
use crate::request::Intent;

/// Checks a Dockerfile.
///
/// # Errors
/// When there are errors, which are then shown; when its images cannot be looked up.
pub(super) fn check(intent: &Intent, format: Format, environment: &Environment) -> Result<(), Failure> {
    let (_, parsed) = Dockerfile::parse(&intent.request.dockerfile.text);
    if errors_in(&parsed).is_some() {
        return show(intent, format, &parsed);
    }
    let session = open(intent, environment)?;
    let progress = Progress::begin(ProgressMode::Quiet, intent.request.platforms.len());
    let on_event = |event| progress.event(&event);
    let planned = session.with_engine(&intent.request, &on_event, |engine| {
        engine.plan(&intent.request, &on_event)
    })?;
    match planned {
        Ok(plan) => show(intent, format, &together(parsed, &plan.findings)),
        Err(error) => {
            if let Some(findings) = findings_of(&error) {
                return show(intent, format, &together(parsed, findings));
            }
            show(intent, format, &parsed)?;
            Err(error.into())
        }
    }
}

/// Findings of the text and of its meaning, each once, in the order of their places.
fn together(mut findings: Vec<Finding>, more: &[Finding]) -> Vec<Finding> {
    for finding in more {
        if !findings.contains(finding) {
            findings.push(finding.clone());
        }
    }
    findings.sort_by_key(|finding| finding.place.as_ref().map_or(0, |place| place.span.start));
    findings
}

fn show(intent: &Intent, format: Format, findings: &[Finding]) -> Result<(), Failure> {
    let dockerfile = &intent.request.dockerfile;
    match format {
        Format::Json => print_json(&document(&dockerfile.name, &dockerfile.text, findings))?,
        Format::Text if findings.is_empty() => say("no warnings found"),
        Format::Text => {
            let source = Source {
                name: &dockerfile.name,
                text: &dockerfile.text,
            };
            print(&format!("{}\n\n", report::findings(findings, source)))?;
            say(&format!("{} found", amounts::count(findings.len(), "finding")));
        }
    }
    match errors_in(findings) {
        Some(errors) => Err(Failure::Check { errors }),
        None => Ok(()),
    }
}

fn document(name: &str, text: &str, findings: &[Finding]) -> Value {
    let warnings: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let range = finding.place.as_ref().map(|place| {
                let end = place.line as usize + text[place.span.clone()].trim_end().matches('\n').count();
                json!({ "start": { "line": place.line }, "end": { "line": end } })
            });
            json!({
                "ruleName": finding.rule,
                "detail": finding.message,
                "severity": finding.severity,
                "advice": finding.advice,
                "location": { "ranges": range.into_iter().collect::<Vec<_>>() },
            })
        })
        .collect();
    let error = findings
        .iter()
        .find(|finding| finding.severity == Severity::Error);
    json!({
        "warnings": warnings,
        "sources": [{ "filename": name, "data": text }],
        "buildError": error.map(|error| json!({ "message": error.message })),
    })
}
