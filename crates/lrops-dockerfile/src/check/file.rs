//! The rules that need nothing but the Dockerfile.

use std::collections::BTreeSet;

use lrops_model::finding::{Cure, Edit, Finding};

use super::{CheckOptions, rules};
use crate::instruction::{Arg, Dockerfile, Instruction, Origin, Stage};
use crate::syntax::{Word, quoted};

/// Names that mean something else than a stage.
const RESERVED: [&str; 2] = ["context", "scratch"];

/// Returns the breaches that the text alone shows.
pub(crate) fn file_findings(dockerfile: &Dockerfile, options: &CheckOptions) -> Vec<Finding> {
    let mut file = File {
        options,
        findings: Vec::new(),
    };
    for arg in &dockerfile.global_args {
        file.argument(arg);
    }
    for stage in &dockerfile.stages {
        file.from(stage);
        for instruction in &stage.instructions {
            file.instruction(instruction);
        }
    }
    file.stage_names(&dockerfile.stages);
    file.casing(&dockerfile.stages);
    file.findings
}

struct File<'a> {
    options: &'a CheckOptions,
    findings: Vec<Finding>,
}

impl File<'_> {
    fn argument(&mut self, arg: &Arg) {
        let names: Vec<&str> = arg
            .definitions
            .iter()
            .map(|definition| definition.name.as_str())
            .collect();
        self.description("ARG", &names, &arg.origin);
    }

    fn from(&mut self, stage: &Stage) {
        let from = &stage.from;
        let Some(name) = &from.name else { return };
        let options = self.options.with_comments(&from.origin.comments);
        if name.text != name.text.to_lowercase() {
            let message = format!("Stage name '{name}' should be lowercase");
            self.warn(&options, rules::STAGE_NAME_CASING, message, &from.origin);
        }
        if let Some(keyword) = &from.as_keyword
            && !same_case(&from.origin.keyword.text, &keyword.text)
        {
            let message = format!(
                "'{keyword}' and '{}' keywords' casing do not match",
                from.origin.keyword
            );
            let right = if Case::of(&from.origin.keyword.text) == Some(Case::Small) {
                keyword.text.to_lowercase()
            } else {
                keyword.text.to_uppercase()
            };
            if let Some(finding) = self.warn(&options, rules::FROM_AS_CASING, message, &from.origin) {
                finding.cure = rewritten(keyword, right);
            }
        }
        self.description("FROM", &[name.text.to_lowercase().as_str()], &from.origin);
    }

    fn instruction(&mut self, instruction: &Instruction) {
        match instruction {
            Instruction::Arg(arg) => self.argument(arg),
            Instruction::Maintainer(maintainer) => {
                let options = self.options.with_comments(&maintainer.origin.comments);
                let message = "Maintainer instruction is deprecated in favor of using label";
                self.warn(
                    &options,
                    rules::MAINTAINER_DEPRECATED,
                    message.to_owned(),
                    &maintainer.origin,
                );
            }
            _ => {}
        }
    }

    /// A comment right above a stage or an argument describes it, and then begins with its name.
    fn description(&mut self, instruction: &str, names: &[&str], origin: &Origin) {
        let Some(comment) = origin.comments.last() else {
            return;
        };
        let first = comment.split(' ').next().unwrap_or_default();
        let example = match names {
            [name] => name,
            [] => return,
            _ => "<arg_key>",
        };
        if !names.contains(&first) {
            let options = self.options.with_comments(&origin.comments);
            let message =
                format!("Comment for {instruction} should follow the format: `# {example} <description>`");
            self.warn(&options, rules::INVALID_DEFINITION_DESCRIPTION, message, origin);
        }
    }

    fn stage_names(&mut self, stages: &[Stage]) {
        let mut seen = BTreeSet::new();
        for stage in stages {
            let Some(name) = stage.name.as_deref() else {
                continue;
            };
            if RESERVED.contains(&name) {
                let message = format!(
                    "Stage name should not use the same name as reserved stage {}",
                    quoted(name)
                );
                self.warn(
                    self.options,
                    rules::RESERVED_STAGE_NAME,
                    message,
                    &stage.from.origin,
                );
            }
            if !seen.insert(name) {
                let message = format!(
                    "Duplicate stage name {}, stage names should be unique",
                    quoted(name)
                );
                self.warn(
                    self.options,
                    rules::DUPLICATE_STAGE_NAME,
                    message,
                    &stage.from.origin,
                );
            }
        }
    }

    /// Keywords are all written in capitals or all in small letters, as most of them are.
    fn casing(&mut self, stages: &[Stage]) {
        let origins = || stages.iter().flat_map(origins);
        let count = |case: Case| {
            origins()
                .filter(|origin| Case::of(&origin.keyword.text) == Some(case))
                .count()
        };
        let small = count(Case::Small) > count(Case::Capital);
        for origin in origins() {
            let keyword = &origin.keyword.text;
            let (right, case) = if small {
                (keyword.to_lowercase(), "lowercase")
            } else {
                (keyword.to_uppercase(), "uppercase")
            };
            if right != *keyword {
                let message =
                    format!("Command '{keyword}' should match the case of the command majority ({case})");
                let options = self.options.with_comments(&origin.comments);
                let rule = rules::CONSISTENT_INSTRUCTION_CASING;
                if let Some(finding) = self.warn(&options, rule, message, origin) {
                    finding.cure = rewritten(&origin.keyword, right);
                }
            }
        }
    }

    /// Reports a breach, and returns it; nothing where the rule is skipped.
    fn warn(
        &mut self,
        options: &CheckOptions,
        rule: &'static str,
        message: String,
        origin: &Origin,
    ) -> Option<&mut Finding> {
        if !options.reports(rule) {
            return None;
        }
        self.findings
            .push(Finding::warning(rule, message).at(origin.place()));
        self.findings.last_mut()
    }
}

/// Returns the cure to write a word otherwise; none for a word that is not as it was read.
fn rewritten(word: &Word, text: String) -> Option<Box<Cure>> {
    let span = word.span.clone();
    (span.len() == word.text.len()).then(|| {
        Box::new(Cure {
            edits: vec![Edit { span, text }],
        })
    })
}

fn origins(stage: &Stage) -> impl Iterator<Item = &Origin> {
    std::iter::once(&stage.from.origin).chain(stage.instructions.iter().map(Instruction::origin))
}

/// How a keyword is written throughout.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Small,
    Capital,
}

impl Case {
    fn of(keyword: &str) -> Option<Self> {
        if keyword == keyword.to_lowercase() {
            Some(Self::Small)
        } else if keyword == keyword.to_uppercase() {
            Some(Self::Capital)
        } else {
            None
        }
    }
}

/// Whether `AS` is written as `FROM` is; where that is neither in capitals nor in small letters, another rule speaks.
fn same_case(from: &str, keyword: &str) -> bool {
    match Case::of(from) {
        Some(Case::Small) => keyword == keyword.to_lowercase(),
        Some(Case::Capital) => keyword == keyword.to_uppercase(),
        None => true,
    }
}
