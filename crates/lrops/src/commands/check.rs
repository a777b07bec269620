//! `lrops build --check`: what the Dockerfile's own rules say, and nothing built.
//!
//! The JSON has the shape of `docker buildx build --call=check,format=json`, with what lrops knows besides.

use lrops_model::finding::{Finding, Severity};
use serde_json::{Value, json};

use super::build::open;
use super::{print, print_json, say};
use crate::amounts;
use crate::arguments::{Format, ProgressMode};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::report::{self, Source};
use crate::request::Intent;

/// Checks a Dockerfile.
///
/// # Errors
/// When there are errors, which are then shown; when it cannot be looked into.
pub(super) fn check(intent: &Intent, format: Format, environment: &Environment) -> Result<(), Failure> {
    let (session, progress) = open(intent, ProgressMode::Quiet, environment)?;
    let on_event = |event| progress.event(&event);
    let found = session.with_engine(&intent.request, &on_event, |engine| {
        engine.check(&intent.request, &on_event)
    })??;
    show(intent, format, &in_order(found))
}

/// Findings, each once, in the order of their places; those of the whole file come last.
fn in_order(findings: Vec<Finding>) -> Vec<Finding> {
    let mut ordered: Vec<Finding> = Vec::with_capacity(findings.len());
    for finding in findings {
        if !ordered.contains(&finding) {
            ordered.push(finding);
        }
    }
    ordered.sort_by_key(|finding| {
        finding
            .place
            .as_ref()
            .map_or(usize::MAX, |place| place.span.start)
    });
    ordered
}

/// Says how many findings are errors: `2 errors`.
fn errors_in(findings: &[Finding]) -> Option<String> {
    let errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    (errors > 0).then(|| amounts::count(errors, "error"))
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
    let of = |severity| {
        let findings = findings
            .iter()
            .filter(move |finding| finding.severity == severity);
        findings.map(|finding| entry(text, finding)).collect::<Vec<_>>()
    };
    let errors = of(Severity::Error);
    let error = errors
        .first()
        .map(|error| json!({ "message": error["detail"], "location": error["location"] }));
    json!({
        "warnings": of(Severity::Warning),
        "errors": errors,
        "sources": [{ "filename": name, "data": text }],
        "buildError": error,
    })
}

fn entry(text: &str, finding: &Finding) -> Value {
    let range = finding.place.as_ref().map(|place| {
        let marked = text.get(place.span.clone()).unwrap_or_default();
        let end = place.line as usize + marked.trim_end().matches('\n').count();
        json!({ "start": { "line": place.line }, "end": { "line": end } })
    });
    json!({
        "ruleName": finding.rule,
        "detail": finding.message,
        "advice": finding.advice,
        "location": { "ranges": range.into_iter().collect::<Vec<_>>() },
    })
}
