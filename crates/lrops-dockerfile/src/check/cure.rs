//! Mends what can be mended without asking: the edits of findings, applied until none is left.
//!
//! A finding's edits are applied together or not at all. Those that touch each other wait for the next round, in which the
//! text is checked anew.

use std::collections::BTreeMap;

use lrops_model::finding::{Edit, Finding};
use lrops_model::platform::Platform;

use super::{CheckOptions, cross_findings, file_findings};
use crate::instruction::Dockerfile;

/// How often a text is checked and mended. One round lets rules speak that another one silenced; a text that is not done
/// after so many has findings whose edits undo each other.
pub const CURE_ROUNDS_MAX: usize = 8;

/// A Dockerfile after its cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cured {
    /// The text; the one that was given where nothing could be mended.
    pub text: String,
    /// What was mended, in the order in which it was. Places are those of the text at that time.
    pub mended: Vec<Finding>,
}

/// Mends a Dockerfile that is built for these platforms. Rules that the Dockerfile's own options skip are left alone, and so
/// is a Dockerfile whose options cannot be read.
///
/// ```
/// use std::collections::BTreeMap;
/// use lrops_dockerfile::check::cure;
///
/// let platforms = ["linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap()];
/// let cured = cure("FROM scratch\nARG TARGETARCH=amd64\n", &platforms, &BTreeMap::new());
/// assert_eq!(cured.text, "FROM scratch\nARG TARGETARCH\n");
/// ```
pub fn cure(text: &str, platforms: &[Platform], build_args: &BTreeMap<String, String>) -> Cured {
    let mut cured = Cured {
        text: text.to_owned(),
        mended: Vec::new(),
    };
    for _ in 0..CURE_ROUNDS_MAX {
        let (edits, mended) = round(curable(&cured.text, platforms, build_args));
        if mended.is_empty() {
            break;
        }
        cured.text = edited(&cured.text, edits);
        cured.mended.extend(mended);
    }
    cured
}

/// Returns the findings that have a cure.
fn curable(text: &str, platforms: &[Platform], build_args: &BTreeMap<String, String>) -> Vec<Finding> {
    let (dockerfile, _) = Dockerfile::parse(text);
    let Ok(options) = CheckOptions::of(&dockerfile, build_args) else {
        return Vec::new();
    };
    let mut findings = file_findings(&dockerfile, &options);
    findings.extend(cross_findings(text, &dockerfile, platforms, &options));
    findings.retain(|finding| finding.cure.is_some());
    findings
}

/// Chooses the findings whose edits do not touch each other, the first ones first.
fn round(findings: Vec<Finding>) -> (Vec<Edit>, Vec<Finding>) {
    let mut edits: Vec<Edit> = Vec::new();
    let mut mended = Vec::new();
    for finding in findings {
        let touches = |edit: &Edit| {
            let meets = |other: &Edit| edit.span.start <= other.span.end && other.span.start <= edit.span.end;
            edits.iter().any(meets)
        };
        if !finding.edits().iter().any(touches) {
            edits.extend(finding.edits().iter().cloned());
            mended.push(finding);
        }
    }
    (edits, mended)
}

/// Returns a text with edits, of which none touches another one of a different finding. Of two at one place, the first
/// comes first; of two that overlap, the second is left out.
fn edited(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.span.start);
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        if edit.span.start < at {
            continue;
        }
        result.push_str(&text[at..edit.span.start]);
        result.push_str(&edit.text);
        at = edit.span.end;
    }
    result.push_str(&text[at..]);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_that_overlap_are_not_both_applied() {
        let edit = |span, text: &str| Edit {
            span,
            text: text.to_owned(),
        };
        let edits = vec![edit(3..3, "x"), edit(1..3, "y"), edit(2..4, "z"), edit(1..3, "y")];
        assert_eq!(edited("abcde", edits), "ayxde");
    }
}
