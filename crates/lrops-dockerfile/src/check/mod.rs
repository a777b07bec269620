//! Check rules: what is allowed in a Dockerfile and yet likely to be a mistake.
//!
//! Most rules, their names and their messages are `BuildKit`'s (<https://docs.docker.com/reference/build-checks/>); those
//! about several platforms are lrops' own, and in `docs/rules.md`. Those
//! that the text alone decides are here; those that need a stage's variables or its base image are reported while the
//! stage is lowered, so a build reports them for the stages that it needs, and [`check`] for all.

mod architectures;
mod cross;
mod cure;
mod file;
mod options;
pub(crate) mod rules;
mod shell;
#[cfg(test)]
mod tests;

pub use cure::{CURE_ROUNDS_MAX, Cured, cure};
pub use options::{CheckOptions, CheckOptionsError};

pub(crate) use cross::cross_findings;
pub(crate) use file::file_findings;

use std::collections::BTreeMap;

use lrops_model::finding::{Finding, Place};
use lrops_model::platform::Platform;

use crate::instruction::Dockerfile;
use crate::lower::{ImageRef, LowerInputs, Lowered, Pass, Scope, pass};

pub use crate::lower::Stages;

/// lrops' own rules, which are about several platforms. `docs/rules.md` explains each.
pub use rules::OWN as OWN_RULES;

/// Returns what is doubtful in a Dockerfile that is built for these platforms, by lrops' own rules. Its check options are
/// minded; those that cannot be read are somebody else's finding. `text` is what the Dockerfile was read from.
pub fn cross_platform(
    text: &str,
    dockerfile: &Dockerfile,
    platforms: &[Platform],
    build_args: &BTreeMap<String, String>,
) -> Vec<Finding> {
    match CheckOptions::of(dockerfile, build_args) {
        Ok(options) => {
            let mut findings = cross_findings(text, dockerfile, platforms, &options);
            findings.extend(options.violation(&findings));
            findings
        }
        Err(_) => Vec::new(),
    }
}

/// What a check has come to.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Warnings and errors, in the order of their places.
    pub findings: Vec<Finding>,
    /// Images that were not given; the stages that start from them are not looked into yet.
    pub needs: Vec<(ImageRef, Place)>,
}

/// Checks the target and what it needs, or all stages (which is what `docker build --check` does when no target is
/// asked for).
///
/// `ignore` holds the lines of the ignore file. Findings of [`Dockerfile::parse`] are not repeated; what the options
/// say about them is done by [`CheckOptions::apply`].
pub fn check(dockerfile: &Dockerfile, inputs: &LowerInputs, ignore: &[String], stages: Stages) -> Checked {
    let Pass { findings, needs, .. } = pass(dockerfile, inputs, &Scope::new(ignore, stages));
    Checked {
        findings,
        needs: needs.into_iter().collect(),
    }
}

/// Lowers a Dockerfile as [`lower`](crate::lower::lower) does, and also warns of sources that the ignore file leaves out.
///
/// # Errors
/// All findings, of which at least one is an error.
pub fn lower_checked(
    dockerfile: &Dockerfile,
    inputs: &LowerInputs,
    ignore: &[String],
) -> Result<Lowered, Vec<Finding>> {
    pass(dockerfile, inputs, &Scope::new(ignore, Stages::Needed)).into_lowered()
}
