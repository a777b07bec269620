//! Rules about several platforms, which are lrops' own: what builds, and yet puts the wrong program into an image, or
//! builds slowly.
//!
//! They look at the text alone, and so at what is written, not at what a shell would make of it: what they cannot tell
//! they leave alone. `docs/rules.md` has a bad and a good example of each. A finding has a cure only where the image
//! becomes what it was meant to be, and nothing else of it changes.

mod arguments;
mod command;
mod downloads;
mod edits;
mod go;
mod stages;
mod tools;

use lrops_model::finding::{Edit, Finding};
use lrops_model::platform::Platform;

use super::{CheckOptions, rules};
use crate::instruction::{Dockerfile, Instruction, Origin, Stage};
use command::Command;
use edits::Editor;
use stages::Family;

/// What `BuildKit` tells of the target, once a stage declares it.
const TARGET_ARGUMENTS: [&str; 4] = ["TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT"];

/// The same of the build platform.
const BUILD_ARGUMENTS: [&str; 4] = ["BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT"];

/// The longest Dockerfile that the rules look at, in instructions. They compare each command with what stands before it.
const INSTRUCTIONS_MAX: usize = 4096;

/// Returns what is doubtful in a Dockerfile that is built for these platforms. `text` is the Dockerfile's.
pub(crate) fn cross_findings(
    text: &str,
    dockerfile: &Dockerfile,
    platforms: &[Platform],
    options: &CheckOptions,
) -> Vec<Finding> {
    let stages = dockerfile.stages.iter();
    let instructions: usize = stages.map(|stage| stage.instructions.len() + 1).sum();
    if instructions > INSTRUCTIONS_MAX {
        return Vec::new();
    }
    let mut cross = Cross {
        text,
        dockerfile,
        family: Family::new(dockerfile),
        editor: Editor::new(text, dockerfile),
        defaulted: arguments::defaulted(text),
        platforms,
        options,
        findings: Vec::new(),
    };
    for arg in &dockerfile.global_args {
        cross.defaults(arg);
    }
    let commands: Vec<Vec<Command<'_>>> = dockerfile
        .stages
        .iter()
        .map(|stage| cross.commands(stage))
        .collect();
    for (stage, of_stage) in dockerfile.stages.iter().zip(&commands) {
        cross.platform_of_stage(stage);
        for instruction in &stage.instructions {
            if let Instruction::Arg(arg) = instruction {
                cross.defaults(arg);
            }
        }
        cross.tools(stage, &commands);
        cross.undeclared(stage, of_stage);
        cross.go(stage, of_stage);
        cross.downloads(stage, of_stage);
    }
    cross.findings
}

struct Cross<'a> {
    text: &'a str,
    dockerfile: &'a Dockerfile,
    family: Family<'a>,
    editor: Editor<'a>,
    /// The builder's arguments that have a default somewhere in the text, which a declaration would replace.
    defaulted: Vec<&'static str>,
    platforms: &'a [Platform],
    options: &'a CheckOptions,
    findings: Vec<Finding>,
}

/// What a rule has to say, before it has its place.
struct Remark {
    rule: &'static str,
    message: String,
    advice: String,
    /// The edits that mend it; none where that is not safe.
    cure: Option<Vec<Edit>>,
}

impl Cross<'_> {
    /// `FROM --platform=… STAGE`: the stage keeps its own. With a variable in its place it may be an image.
    fn platform_of_stage(&mut self, stage: &Stage) {
        let from = &stage.from;
        if from.image.text.contains('$') {
            return;
        }
        let Some(parent) = self.family.parent(stage).filter(|_| from.platform.is_some()) else {
            return;
        };
        let name = parent.name.clone().unwrap_or_else(|| parent.index.to_string());
        let remark = Remark {
            rule: rules::PLATFORM_OF_STAGE,
            message: format!("--platform is ignored, because {name} is a stage of this Dockerfile"),
            advice: format!("say it where {name} begins, or leave it out"),
            cure: self.editor.without_platform(from).map(|edit| vec![edit]),
        };
        self.warn(&from.origin, remark);
    }

    /// Returns whether one of the platforms is 32-bit ARM.
    fn builds_arm(&self) -> bool {
        self.platforms
            .iter()
            .any(|platform| platform.architecture == "arm")
    }

    fn warn(&mut self, origin: &Origin, remark: Remark) {
        if self.options.with_comments(&origin.comments).reports(remark.rule) {
            let finding = Finding::warning(remark.rule, remark.message).at(origin.place());
            let finding = finding.advise(remark.advice);
            self.findings.push(match remark.cure {
                Some(edits) => finding.mended_by(edits),
                None => finding,
            });
        }
    }
}
