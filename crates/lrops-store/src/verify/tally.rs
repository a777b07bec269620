//! Keeps findings readable when one mistake shows in a thousand files.

use std::collections::BTreeMap;

use lrops_model::finding::{Finding, Severity};

/// How many findings of one rule, severity and platform are told one by one.
const TOLD_MAX: usize = 20;

/// How much of a foreign text is shown.
const QUOTE_CHARS_MAX: usize = 256;

/// The findings of one platform, of which each rule tells the first few.
#[derive(Default)]
pub(super) struct Tally {
    rules: BTreeMap<(&'static str, Severity), Vec<Finding>>,
    untold: BTreeMap<(&'static str, Severity), usize>,
}

impl Tally {
    pub(super) fn add(&mut self, rule: &'static str, finding: impl FnOnce() -> Finding, severity: Severity) {
        let told = self.rules.entry((rule, severity)).or_default();
        if told.len() < TOLD_MAX {
            let mut finding = finding();
            finding.severity = severity;
            told.push(finding);
        } else {
            *self.untold.entry((rule, severity)).or_default() += 1;
        }
    }

    /// Hands the findings over, with one line for those that were not told; `scope` says what they are about.
    pub(super) fn finish(self, scope: &str, findings: &mut Vec<Finding>) {
        for ((rule, severity), told) in self.rules {
            findings.extend(told);
            if let Some(untold) = self.untold.get(&(rule, severity)) {
                let mut rest =
                    Finding::error(rule, format!("{scope}: the same holds for {untold} more files"));
                rest.severity = severity;
                findings.push(rest);
            }
        }
    }
}

/// Returns a foreign text so that it can stand in a message: short, and without control characters.
pub(super) fn quote(text: &str) -> String {
    let short: String = text.chars().take(QUOTE_CHARS_MAX).collect();
    if !short.is_empty() && short.chars().all(|c| c.is_ascii_graphic()) {
        return short;
    }
    format!("{short:?}")
}
