//! Which rules are reported: `# check=skip=…;experimental=…;error=…`.
//!
//! Reference: "Parser directives", `check`. The build argument `BUILDKIT_DOCKERFILE_CHECK` takes the directive's place,
//! and a comment `# check=…` right above an instruction adds to it for that instruction.

use std::collections::{BTreeMap, BTreeSet};

use lrops_model::finding::{Finding, Severity};

use super::rules;
use crate::instruction::Dockerfile;
use crate::syntax::{Directives, quoted};

/// The build argument that takes the place of the directive.
const BUILD_ARG: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// The most options that one text has; what follows belongs to the last.
const OPTIONS_MAX: usize = 3;

/// Which rules are reported, and whether a breach stops the build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    skipped: Rules,
    experimental: Rules,
    warnings_are_errors: bool,
}

/// A choice of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rules {
    all: bool,
    named: BTreeSet<String>,
}

/// Options that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to parse check options: {problem}")]
pub struct CheckOptionsError {
    problem: String,
}

impl CheckOptions {
    /// Reads options such as `skip=JSONArgsRecommended,StageNameCasing;error=true`.
    ///
    /// # Errors
    /// When one is unknown or has no value.
    pub fn parse(text: &str) -> Result<Self, CheckOptionsError> {
        let mut options = Self::default();
        let text = text.trim();
        if text.is_empty() {
            return Ok(options);
        }
        for part in text.splitn(OPTIONS_MAX, ';') {
            let invalid = |text: &str| CheckOptionsError {
                problem: format!("invalid check option {}", quoted(text)),
            };
            let (name, value) = part.split_once('=').ok_or_else(|| invalid(part))?;
            match name.trim() {
                "skip" => options.skipped = Rules::read(value),
                "experimental" => options.experimental = Rules::read(value),
                "error" => options.warnings_are_errors = boolean(value).ok_or_else(|| invalid(part))?,
                other => return Err(invalid(other)),
            }
        }
        Ok(options)
    }

    /// Returns the options of a Dockerfile: those of the build argument, else those of the directive.
    ///
    /// # Errors
    /// When they cannot be read: the finding that says so.
    pub fn of(dockerfile: &Dockerfile, build_args: &BTreeMap<String, String>) -> Result<Self, Finding> {
        match build_args.get(BUILD_ARG) {
            Some(text) => Self::parse(text).map_err(|error| invalid(&error)),
            None => Self::of_directives(&dockerfile.directives).map_err(|error| invalid(&error)),
        }
    }

    /// Returns whether a breach stops the build.
    pub fn warnings_are_errors(&self) -> bool {
        self.warnings_are_errors
    }

    /// Returns whether a rule is reported.
    pub fn reports(&self, rule: &str) -> bool {
        if rules::EXPERIMENTAL.contains(&rule) {
            self.experimental.contains(rule)
        } else {
            !self.skipped.contains(rule)
        }
    }

    /// Drops findings of rules that are not reported, and adds an error when breaches stop the build.
    ///
    /// Findings of parsing that are no check rule's stay as they are.
    pub fn apply(&self, findings: &mut Vec<Finding>) {
        findings.retain(|finding| !is_check(finding) || self.reports(&finding.rule));
        findings.extend(self.violation(findings));
    }

    /// The error that stops the build, if there is a breach among the findings and breaches stop it.
    pub(crate) fn violation(&self, findings: &[Finding]) -> Option<Finding> {
        let broken: BTreeSet<&str> = findings
            .iter()
            .filter(|finding| is_check(finding))
            .map(|finding| finding.rule.as_ref())
            .collect();
        if !self.warnings_are_errors || broken.is_empty() {
            return None;
        }
        let broken: Vec<&str> = broken.into_iter().collect();
        let message = format!("lint violation found for rules: {}", broken.join(", "));
        Some(
            Finding::error("CheckFailed", message)
                .advise("correct them, or take error=true out of the check options"),
        )
    }

    pub(crate) fn of_directives(directives: &Directives) -> Result<Self, CheckOptionsError> {
        let text = directives.check.as_ref().map_or("", |check| check.as_str());
        Self::parse(text)
    }

    /// Returns the options for an instruction below these comments.
    pub(crate) fn with_comments(&self, comments: &[String]) -> Self {
        let mut options = self.clone();
        let own = comments.iter().find_map(|comment| check_comment(comment));
        if let Some(Ok(own)) = own.map(Self::parse) {
            options.skipped.add(own.skipped);
            options.experimental.add(own.experimental);
        }
        options
    }
}

impl Rules {
    fn read(value: &str) -> Self {
        let value = value.trim();
        if value == "all" {
            return Self {
                all: true,
                named: BTreeSet::new(),
            };
        }
        Self {
            all: false,
            named: value.split(',').map(|name| name.trim().to_owned()).collect(),
        }
    }

    fn contains(&self, rule: &str) -> bool {
        self.all || self.named.contains(rule)
    }

    fn add(&mut self, other: Self) {
        self.all |= other.all;
        self.named.extend(other.named);
    }
}

/// Whether a finding is a breach of a check rule.
fn is_check(finding: &Finding) -> bool {
    let rule = finding.rule.as_ref();
    finding.severity == Severity::Warning && (rules::ALL.contains(&rule) || rules::OWN.contains(&rule))
}

fn invalid(error: &CheckOptionsError) -> Finding {
    Finding::error("InvalidCheckOptions", error.to_string())
        .advise("the options are skip=RULE,RULE or skip=all, experimental=…, and error=true")
}

/// The options in a comment `check=…`, up to the first space.
fn check_comment(comment: &str) -> Option<&str> {
    let (name, value) = comment.split_once('=')?;
    let value = value.trim_start().split(' ').next().unwrap_or_default();
    name.trim().eq_ignore_ascii_case("check").then_some(value)
}

/// What Go's `strconv.ParseBool` takes.
fn boolean(text: &str) -> Option<bool> {
    match text.trim() {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
