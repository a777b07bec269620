//! Shows failures and findings: the cause first, then the place, then the end of the output and where the whole log is,
//! then what can be done.

mod farm;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt::Write;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use lrops_buildx::{BuilderPlace, KnownFailure};
use lrops_dockerfile::instruction::Dockerfile;
use lrops_engine::emulator::NoEmulation;
use lrops_model::engine::{BuildError, StepError};
use lrops_model::finding::{Finding, Severity};
use lrops_model::graph::StepLabel;
use lrops_remote::registry::PushError;

use crate::amounts;
use crate::configuration::ConfigurationError;
use crate::failure::{Failure, buildx_error};
use crate::progress::instruction_line;

/// How advice to write another word begins.
const DID_YOU_MEAN: &str = "did you mean ";

/// What to do where foreign programs cannot run.
const NO_EMULATION: &str = "cross-compile instead: FROM --platform=$BUILDPLATFORM for the stage; lrops plan shows the \
    lines. Where emulation is really wanted, install it: sudo apt install qemu-user-static; or name the directory that \
    has QEMU: --qemu DIR. lrops doctor tries what the machine can";

/// A text that places point into.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    /// Its name for messages.
    pub(crate) name: &'a str,
    /// The text.
    pub(crate) text: &'a str,
}

/// What stands above an excerpt.
#[derive(Clone)]
struct Headline<'a> {
    level: Level<'static>,
    /// The rule that was broken, where the message does not name it.
    rule: Option<&'a str>,
    message: &'a str,
}

impl<'a> Headline<'a> {
    fn error(message: &'a str) -> Self {
        Self {
            level: Level::ERROR,
            rule: None,
            message,
        }
    }

    fn warning(message: &'a str) -> Self {
        Self {
            level: Level::WARNING,
            rule: None,
            message,
        }
    }
}

/// Returns a failure as text, with escape sequences for colours.
pub(crate) fn failure(failure: &Failure) -> String {
    match failure {
        Failure::Build(BuildError::Dockerfile {
            name,
            text,
            findings: found,
        }) => findings(found, Source { name, text }),
        Failure::Build(BuildError::Step(step)) => step_failure(step),
        Failure::Build(error) if buildx_error(error).is_some() => {
            let advice = buildx_error(error).map(farm::buildx_advice);
            chain(failure, advice.as_deref())
        }
        Failure::Farm { known, place, .. } => {
            let advice = known.map(|known| farm::known_advice(known, place));
            chain(failure, advice.as_deref())
        }
        Failure::Configuration(error) => match error.as_ref() {
            ConfigurationError::Mistake {
                path,
                text,
                message,
                span,
                advice,
            } => {
                let name = path.display().to_string();
                let source = Source { name: &name, text };
                let marked = span.clone().map(|span| (source, span));
                excerpt(Headline::error(message), marked, advice.as_deref())
            }
            other => chain(other, None),
        },
        Failure::Usage { advice, .. }
        | Failure::Work { advice, .. }
        | Failure::Unauthorized { advice, .. } => chain(failure, advice.as_deref()),
        Failure::Registry(error) => chain(failure, error.advice().as_deref()),
        Failure::Git(error) => chain(failure, error.advice().as_deref()),
        Failure::Publish { source, continuation } => {
            let advice = source.advice().map(|advice| advice + "\n").unwrap_or_default();
            let refused = source.push().is_some_and(PushError::is_refused);
            let advice = if refused || source.can_go_on() {
                format!("{advice}what arrived stays there; to go on:\n  {continuation}")
            } else {
                advice.trim_end().to_owned()
            };
            chain(
                failure,
                Some(&advice)
                    .filter(|advice| !advice.is_empty())
                    .map(String::as_str),
            )
        }
        Failure::NotYet { advice, .. } => chain(failure, Some(advice)),
        Failure::Build(BuildError::Environment { source, .. }) if source.is::<NoEmulation>() => {
            chain(failure, Some(NO_EMULATION))
        }
        Failure::Machine { .. } | Failure::Build(BuildError::Environment { .. }) => chain(
            failure,
            Some("this is about the machine, not about the Dockerfile"),
        ),
        other => chain(other, None),
    }
}

/// Returns a note that the work goes on after.
pub(crate) fn notice(text: &str) -> String {
    excerpt(Headline::warning(text), None, None)
}

/// Returns findings as text, each with its excerpt.
pub(crate) fn findings(findings: &[Finding], source: Source<'_>) -> String {
    let texts: Vec<String> = findings
        .iter()
        .map(|finding| one_finding(finding, source))
        .collect();
    texts.join("\n\n")
}

fn one_finding(finding: &Finding, source: Source<'_>) -> String {
    let message = match finding.severity {
        Severity::Error => error_title(finding, source),
        Severity::Warning => finding_title(finding),
    };
    let headline = match finding.severity {
        Severity::Error => Headline {
            rule: Some(&finding.rule),
            ..Headline::error(&message)
        },
        Severity::Warning => Headline::warning(&message),
    };
    let marked = finding.place.as_ref().map(|place| (source, place.span.clone()));
    let advice = finding
        .advice
        .as_deref()
        .filter(|advice| near(finding) != Some(advice));
    excerpt(headline, marked, advice)
}

/// Returns an error in one line. What the text's grammar forbids is worded as `BuildKit` words it, since that is what
/// people and programs search logs for.
fn error_title(finding: &Finding, source: Source<'_>) -> String {
    let (_, of_parsing) = Dockerfile::parse(source.text);
    let place = finding
        .place
        .as_ref()
        .filter(|_| of_parsing.contains(finding))
        .map(|place| format!("dockerfile parse error on line {}: ", place.line))
        .unwrap_or_default();
    let near = near(finding)
        .map(|advice| format!(" ({advice})"))
        .unwrap_or_default();
    format!("{place}{}{near}", finding.message)
}

/// Returns the advice to write another word, which an error says in its line.
fn near(finding: &Finding) -> Option<&str> {
    let advice = finding.advice.as_deref()?;
    (finding.severity == Severity::Error && advice.starts_with(DID_YOU_MEAN)).then_some(advice)
}

/// Returns a finding in one line, in the form that BuildKit prints: `Rule: message (line 3)`.
pub(crate) fn finding_title(finding: &Finding) -> String {
    let line = finding
        .place
        .as_ref()
        .map(|place| format!(" (line {})", place.line))
        .unwrap_or_default();
    format!("{}: {}{line}", finding.rule, finding.message)
}

fn excerpt(
    headline: Headline<'_>,
    marked: Option<(Source<'_>, Range<usize>)>,
    advice: Option<&str>,
) -> String {
    let mut title = headline.level.primary_title(headline.message);
    if let Some(rule) = headline.rule {
        title = title.id(rule);
    }
    let mut group = Group::with_title(title);
    if let Some((source, span)) = marked {
        let span = within(source.text, span);
        let snippet = Snippet::source(source.text).path(source.name);
        group = group.element(snippet.annotation(AnnotationKind::Primary.span(span)));
    }
    if let Some(advice) = advice {
        group = group.element(Level::HELP.message(advice));
    }
    Renderer::styled().render(&[group])
}

/// Keeps a span within its text and on the borders of characters: an excerpt must never be what fails.
fn within(text: &str, span: Range<usize>) -> Range<usize> {
    let floor = |mut position: usize| {
        position = position.min(text.len());
        while !text.is_char_boundary(position) {
            position -= 1;
        }
        position
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

/// Returns an error and its causes, one a line.
fn chain(error: &(dyn Error + 'static), advice: Option<&str>) -> String {
    let mut group = Group::with_title(Level::ERROR.primary_title(error.to_string()));
    let mut shown = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // A transparent error repeats its cause.
        if text != shown {
            group = group.element(Level::NOTE.with_name("cause").message(text.clone()));
        }
        shown = text;
        next = cause.source();
    }
    if let Some(advice) = advice {
        group = group.element(Level::HELP.message(advice.to_owned()));
    }
    Renderer::styled().render(&[group])
}

fn step_failure(step: &StepError) -> String {
    let place = step.label.place.as_ref();
    let marked = match (&step.dockerfile, place) {
        (Some((name, text)), Some(place)) => Some((Source { name, text }, place.span.clone())),
        _ => None,
    };
    let mut text = excerpt(Headline::error(&step.cause.to_string()), marked, None);
    let mut next = step.cause.source();
    while let Some(cause) = next {
        let _ = write!(text, "\n  = cause: {cause}");
        next = cause.source();
    }
    if !step.output_tail.is_empty() {
        let _ = write!(text, "\n\nThe end of the output of {}:", called(&step.label));
        for line in &step.output_tail {
            let _ = write!(text, "\n  | {line}");
        }
    }
    if let Some(log) = &step.log {
        let _ = write!(text, "\n\nThe whole output is in {}", log.display());
    }
    let said = format!("{}\n{}", step.output_tail.join("\n"), step.cause);
    if let Some(known) = KnownFailure::of_command(&said) {
        let advice = farm::known_advice(known, &BuilderPlace::default());
        let _ = write!(text, "\n\nlikely cause: {advice}");
    }
    text
}

/// `[linux/arm64 build 2/4] RUN go build`
fn called(label: &StepLabel) -> String {
    let platform = match &label.platforms[..] {
        [] => String::new(),
        [only] => format!("{only} "),
        several => format!("{} ", amounts::count(several.len(), "platform")),
    };
    let stage = if label.stage.is_empty() {
        String::new()
    } else {
        format!("{} ", label.stage)
    };
    let instruction = instruction_line(&label.instruction);
    format!(
        "[{platform}{stage}{}/{}] {instruction}",
        label.position, label.total
    )
}
