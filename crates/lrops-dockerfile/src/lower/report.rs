//! Expansion and findings: what the instructions share.

use std::ops::Range;

use lrops_model::finding::{Finding, Place};

use super::environment::Environment;
use super::rules;
use super::stage::StageLowering;
use super::state::StageState;
use crate::check::{CheckOptions, rules as checks};
use crate::instruction::{Origin, suggestion};
use crate::syntax::{Word, quoted};
use crate::words::{Escapes, ExpandError, Expanded, Expander, Quotes, UnsetVariables};

/// Arguments that speak to the builder and are no variables.
pub(super) const NO_VARIABLES: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// The instruction that is being lowered.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// Where it stands; for a trigger of the base, the `FROM` that brought it.
    pub(super) place: Place,
    /// Which check rules are reported there.
    pub(super) options: CheckOptions,
    /// Whether its spans are those of the file; a trigger's are not.
    pub(super) source: SpotSource,
}

/// Where an instruction is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpotSource {
    /// In the Dockerfile.
    File,
    /// In the config of a base image, or behind `ONBUILD`.
    Trigger,
}

impl StageLowering<'_> {
    /// Expands a word with the variables of a stage.
    pub(super) fn expand(&mut self, state: &StageState, word: &Word) -> Option<String> {
        let expander = Expander::new(self.dockerfile.directives.escape);
        self.expand_by(&expander, state, &word.text, &word.span)
    }

    /// Expands a text with the variables of a stage, and warns of those that it does not have.
    pub(super) fn expand_by(
        &mut self,
        expander: &Expander,
        state: &StageState,
        text: &str,
        span: &Range<usize>,
    ) -> Option<String> {
        match expander.expand(text, &|name| state.environment.get(name)) {
            Ok(expanded) => {
                self.warn_of_undefined(state, expanded.unset.iter().map(String::as_str));
                Some(expanded.text)
            }
            Err(error) => {
                self.expansion_error(&error, span);
                None
            }
        }
    }

    /// Expands a word with these variables; a mistake becomes a finding at its place.
    pub(super) fn expand_with(&mut self, word: &Word, variables: &Environment) -> Option<Expanded> {
        let expander = Expander::new(self.dockerfile.directives.escape);
        match expander.expand(&word.text, &|name| variables.get(name)) {
            Ok(expanded) => Some(expanded),
            Err(error) => {
                self.expansion_error(&error, &word.span);
                None
            }
        }
    }

    /// Reports a word that cannot be expanded.
    pub(super) fn expansion_error(&mut self, error: &ExpandError, span: &Range<usize>) {
        let message = format!("failed to process {}: {}", quoted(&error.word), error.problem);
        self.error(rules::BAD_WORD, message, span, None);
    }

    /// Warns of variables that neither the stage nor its base sets, nor the stage declares.
    pub(super) fn warn_of_undefined<'n>(&mut self, state: &StageState, unset: impl Iterator<Item = &'n str>) {
        for name in unset {
            let declared = state.build_args.iter().any(|(declared, _)| declared == name);
            if declared || NO_VARIABLES.contains(&name) {
                continue;
            }
            let names = state.environment.names();
            let close = suggestion(name, &names).map(|close| format!(" (did you mean ${close}?)"));
            let message = format!(
                "Usage of undefined variable '${name}'{}",
                close.unwrap_or_default()
            );
            self.warn(checks::UNDEFINED_VAR, message);
        }
    }

    /// Returns the instruction as people see it: with the variables that have a value in place.
    pub(super) fn display(&self, state: &StageState, origin: &Origin) -> String {
        let expander = Expander {
            escape: self.dockerfile.directives.escape,
            quotes: Quotes::Keep,
            escapes: Escapes::Keep,
            unset: UnsetVariables::Keep,
        };
        let text = match expander.expand(&origin.text, &|name| state.environment.get(name)) {
            Ok(expanded) => expanded.text,
            Err(_) => origin.text.clone(),
        };
        let trigger = match self.spot.source {
            SpotSource::Trigger => "ONBUILD ",
            SpotSource::File => "",
        };
        let (keyword, rest) = text.split_at(origin.keyword.text.len().min(text.len()));
        format!("{trigger}{}{rest}", keyword.to_uppercase())
    }

    /// Returns the place of a span, or that of the instruction where spans mean nothing.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        match self.spot.source {
            SpotSource::Trigger => self.spot.place.clone(),
            SpotSource::File => Place {
                span: span.clone(),
                line: self.lines.position(span.start).line,
            },
        }
    }

    /// Reports a mistake.
    pub(super) fn error(
        &mut self,
        rule: &'static str,
        message: impl Into<String>,
        span: &Range<usize>,
        advice: Option<String>,
    ) {
        let finding = Finding::error(rule, message).at(self.place(span));
        self.report_error(match advice {
            Some(advice) => finding.advise(advice),
            None => finding,
        });
    }

    /// Adds an error to the findings.
    pub(super) fn report_error(&mut self, finding: Finding) {
        self.errors += 1;
        self.findings.push(finding);
    }

    /// Reports something that the reference has and lrops has not yet.
    pub(super) fn not_yet(&mut self, what: &str, span: &Range<usize>) {
        let message = format!("{what} is not supported yet by the embedded engine");
        self.error(rules::NOT_YET, message, span, None);
    }

    /// Reports a breach of a check rule by the instruction that is being lowered.
    pub(super) fn warn(&mut self, rule: &'static str, message: impl Into<String>) {
        self.warn_at(rule, message, self.spot.place.clone());
    }

    /// Reports a breach of a check rule at a place.
    pub(super) fn warn_at(&mut self, rule: &'static str, message: impl Into<String>, place: Place) {
        if self.spot.options.reports(rule) {
            self.findings.push(Finding::warning(rule, message).at(place));
        }
    }
}
