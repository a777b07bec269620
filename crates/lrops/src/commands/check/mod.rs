//! `lrops check`, and `lrops build --check`: what the rules say of Dockerfiles, and nothing built.
//!
//! The JSON has the shape of `docker buildx build --call=check,format=json`, with what lrops knows besides. With `--fix` and
//! `--diff` the difference is the data, and findings are for people.

mod mend;

use std::collections::BTreeSet;

use lrops_buildx::quoted;
use lrops_model::finding::{Finding, Severity};
use lrops_model::platform::Platform;
use serde_json::{Value, json};

use self::mend::{Mended, Writing, mend};
use super::build::open;
use super::{print, print_json, say};
use crate::amounts;
use crate::arguments::{CheckArguments, Format, ProgressMode};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::report::{self, Source};
use crate::request::{Intent, resolve};

/// A Dockerfile that was checked.
struct Checked {
    intent: Intent,
    mended: Option<Mended>,
    findings: Vec<Finding>,
}

/// Checks Dockerfiles, and mends them.
///
/// # Errors
/// When there are errors, which are then shown; when a Dockerfile cannot be read, looked into or written.
pub(super) fn run(arguments: &CheckArguments, environment: &Environment) -> Result<(), Failure> {
    let mut intents = Vec::new();
    for build in arguments.builds() {
        intents.push(resolve(&build, environment)?);
    }
    keep_each_once(&mut intents);
    for notice in notices(&intents) {
        say(&report::notice(notice));
    }
    let writing = match (arguments.fix, arguments.diff) {
        (_, true) => Some(Writing::Show),
        (true, false) => Some(Writing::Write),
        (false, false) => None,
    };
    let is_named = intents.len() > 1;
    let mut mended = Vec::new();
    for intent in &mut intents {
        let of_file = writing.map(|writing| mend(intent, writing, environment));
        let of_file = of_file.transpose()?;
        // What was written is shown at once: what fails after it must not hide it.
        if let (Some(of_file), Format::Text) = (&of_file, arguments.format) {
            show_mended(of_file, &prefix(intent, is_named))?;
        }
        mended.push(of_file);
    }
    let checked = look(intents, mended, environment)?;
    let fix = writing
        .is_none()
        .then(|| format!("{} --fix", environment.command_line()));
    show(&checked, arguments.format, fix.as_deref())
}

/// Drops requests whose Dockerfile is the file of an earlier one.
fn keep_each_once(intents: &mut Vec<Intent>) {
    let mut seen = BTreeSet::new();
    intents.retain(|intent| {
        let path = intent.request.dockerfile.path.as_ref();
        let real = path.and_then(|path| path.canonicalize().ok());
        real.is_none_or(|real| seen.insert(real))
    });
}

/// Checks the Dockerfile of a build.
///
/// # Errors
/// As [`run`].
pub(super) fn of_build(intent: Intent, format: Format, environment: &Environment) -> Result<(), Failure> {
    let fix = fix_command(&intent, environment);
    let checked = look(vec![intent], vec![None], environment)?;
    show(&checked, format, fix.as_deref())
}

/// Returns the command that mends the Dockerfile of a build, if it is a file.
fn fix_command(intent: &Intent, environment: &Environment) -> Option<String> {
    let request = &intent.request;
    let path = request.dockerfile.path.as_ref()?;
    let near = |path: &std::path::Path| {
        let near = path.strip_prefix(&environment.directory).unwrap_or(path);
        quoted(&near.display().to_string())
    };
    let platforms: Vec<String> = request.platforms.iter().map(Platform::to_string).collect();
    let mut command = format!(
        "lrops check --fix --platform {} --file {}",
        platforms.join(","),
        near(path)
    );
    if request.context.path != environment.directory {
        command.push(' ');
        command.push_str(&near(&request.context.path));
    }
    Some(command)
}

/// Looks into the requests, one after the other.
fn look(
    mut intents: Vec<Intent>,
    mended: Vec<Option<Mended>>,
    environment: &Environment,
) -> Result<Vec<Checked>, Failure> {
    let Some(first) = intents.first() else {
        return Ok(Vec::new());
    };
    let (session, progress) = open(first, ProgressMode::Quiet, environment)?;
    let cancel = first.request.cancel.clone();
    let mut checked = Vec::new();
    for (mut intent, mended) in intents.drain(..).zip(mended) {
        intent.request.cancel = cancel.clone();
        let on_event = |event| progress.event(&event);
        let found = session.with_engine(&intent.request, &on_event, |engine| {
            engine.check(&intent.request, &on_event)
        })??;
        checked.push(Checked {
            intent,
            mended,
            findings: in_order(found),
        });
    }
    progress.finish();
    Ok(checked)
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

fn show(checked: &[Checked], format: Format, fix: Option<&str>) -> Result<(), Failure> {
    match format {
        Format::Json => print_json(&documents(checked))?,
        Format::Text => {
            for one in checked {
                show_one(one, checked.len() > 1)?;
            }
            hint(checked, fix);
        }
    }
    let all: Vec<Finding> = checked.iter().flat_map(|one| one.findings.clone()).collect();
    match errors_in(&all) {
        Some(errors) => Err(Failure::Check { errors }),
        None => Ok(()),
    }
}

/// Returns what the requests have to say of themselves, each once.
fn notices(intents: &[Intent]) -> Vec<&String> {
    let mut notices: Vec<&String> = Vec::new();
    for notice in intents.iter().flat_map(|intent| &intent.notices) {
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }
    notices
}

/// Returns what stands before what is said of one of several Dockerfiles.
fn prefix(intent: &Intent, is_named: bool) -> String {
    if is_named {
        format!("{}: ", intent.request.dockerfile.name)
    } else {
        String::new()
    }
}

fn show_mended(mended: &Mended, name: &str) -> Result<(), Failure> {
    print(&mended.diff)?;
    for finding in &mended.findings {
        say(&format!("{name}mended {}", report::finding_title(finding)));
    }
    Ok(())
}

fn show_one(checked: &Checked, is_named: bool) -> Result<(), Failure> {
    let dockerfile = &checked.intent.request.dockerfile;
    let name = prefix(&checked.intent, is_named);
    let source = Source {
        name: &dockerfile.name,
        text: &dockerfile.text,
    };
    let count = checked.findings.len();
    if count == 0 {
        say(&format!("{name}no warnings found"));
        return Ok(());
    }
    let text = report::findings(&checked.findings, source);
    if checked.mended.is_some() {
        say(&text);
        say(&format!("{name}{} left", amounts::count(count, "finding")));
    } else {
        print(&format!("{text}\n\n"))?;
        say(&format!("{name}{} found", amounts::count(count, "finding")));
    }
    Ok(())
}

/// Says which command mends what can be mended.
fn hint(checked: &[Checked], fix: Option<&str>) {
    let findings = checked.iter().flat_map(|one| &one.findings);
    let curable = findings.filter(|finding| finding.cure.is_some()).count();
    if let (Some(fix), true) = (fix, curable > 0) {
        say(&format!("{curable} can be mended: {fix}"));
    }
}

/// Returns the document of one Dockerfile, or those of several.
fn documents(checked: &[Checked]) -> Value {
    let documents: Vec<Value> = checked
        .iter()
        .map(|one| {
            let dockerfile = &one.intent.request.dockerfile;
            let mut document = document(&dockerfile.name, &dockerfile.text, &one.findings);
            if let Some(mended) = &one.mended {
                let entries = mended.findings.iter();
                let entries =
                    entries.map(|finding| json!({ "ruleName": finding.rule, "detail": finding.message }));
                document["mended"] = entries.collect();
                document["diff"] = json!(mended.diff);
            }
            document
        })
        .collect();
    match &documents[..] {
        [only] => only.clone(),
        _ => json!(documents),
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
        "cure": finding.cure,
        "location": { "ranges": range.into_iter().collect::<Vec<_>>() },
    })
}
