//! Edits of a Dockerfile that keep its form: its line endings, its way to write keywords, its comments.

use lrops_model::finding::Edit;

use super::stages::is_platform_argument;
use crate::instruction::{Arg, ArgDefinition, Dockerfile, From, Instruction, Origin, Stage};

/// Makes edits of a Dockerfile.
pub(super) struct Editor<'a> {
    text: &'a str,
    line_end: &'static str,
}

impl<'a> Editor<'a> {
    pub(super) fn new(text: &'a str, dockerfile: &Dockerfile) -> Self {
        let first = dockerfile
            .stages
            .first()
            .map_or(0, |stage| stage.from.origin.span.start);
        let line = text[first..].split_inclusive('\n').next().unwrap_or_default();
        Self {
            text,
            line_end: if line.ends_with("\r\n") { "\r\n" } else { "\n" },
        }
    }

    /// `FROM --platform=… NAME` without its flag. `None` where more stands there than a flag on the same line.
    pub(super) fn without_platform(&self, from: &From) -> Option<Edit> {
        let span = from.origin.keyword.span.end..from.image.span.start;
        let flag = self.text.get(span.clone())?.trim();
        let is_only = flag.starts_with("--platform=") && !flag.contains(['\n', ' ', '\t']);
        is_only.then(|| Edit {
            span,
            text: " ".to_owned(),
        })
    }

    /// `ARG NAME=value` without the value.
    pub(super) fn without_default(&self, definition: &ArgDefinition) -> Option<Edit> {
        let value = definition.value.as_ref()?;
        let (start, end) = (definition.name.span.start, value.span.end);
        let is_as_read = self.text.get(start..end)? == format!("{}={value}", definition.name);
        is_as_read.then(|| Edit {
            span: definition.name.span.end..end,
            text: String::new(),
        })
    }

    /// `ARG NAME …` in a stage, before an instruction of it: beside others of the kind where there are any.
    pub(super) fn declare(&self, stage: &Stage, before: &Origin, names: &[&str]) -> Vec<Edit> {
        let earlier = stage
            .instructions
            .iter()
            .take_while(|instruction| instruction.origin().span.start < before.span.start);
        let other = earlier.filter_map(|instruction| match instruction {
            Instruction::Arg(arg) if is_of_platforms(arg) => Some(arg),
            _ => None,
        });
        let edit = match other.last() {
            Some(arg) if arg.definitions.len() > 1 => add_to(arg, names),
            Some(arg) => self.line_after(&arg.origin, names),
            None => self.line_before(before, names),
        };
        vec![edit]
    }

    fn line_after(&self, origin: &Origin, names: &[&str]) -> Edit {
        let rest = &self.text[origin.span.end..];
        let end = if self.text[..origin.span.end].ends_with('\n') {
            origin.span.end
        } else {
            rest.find('\n')
                .map_or(self.text.len(), |length| origin.span.end + length + 1)
        };
        let lines = names.iter().map(|name| self.line(origin, name));
        Edit {
            span: end..end,
            text: lines.collect(),
        }
    }

    /// Comments right above an instruction belong to it; the line comes above them.
    fn line_before(&self, origin: &Origin, names: &[&str]) -> Edit {
        let line_start = |at: usize| self.text[..at].rfind('\n').map_or(0, |end| end + 1);
        let mut start = line_start(origin.span.start);
        while start > 0 {
            let above = line_start(start - 1);
            if !self.text[above..start].trim_start().starts_with('#') {
                break;
            }
            start = above;
        }
        Edit {
            span: start..start,
            text: self.line(origin, &names.join(" ")),
        }
    }

    /// Returns an `ARG` line written as another instruction is.
    fn line(&self, like: &Origin, names: &str) -> String {
        let start = self.text[..like.span.start].rfind('\n').map_or(0, |end| end + 1);
        let line = &self.text[start..];
        let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        let is_small = like.keyword.text.starts_with(|first: char| first.is_lowercase());
        let keyword = if is_small { "arg" } else { "ARG" };
        format!("{indent}{keyword} {names}{}", self.line_end)
    }
}

/// Adds names to an `ARG` line, behind those of the kind.
fn add_to(arg: &Arg, names: &[&str]) -> Edit {
    let mut definitions = arg.definitions.iter().rev();
    let last = definitions.find(|definition| is_platform_argument(definition.name.as_str()));
    let last = last.map_or(arg.origin.span.end, |definition| {
        definition.value.as_ref().unwrap_or(&definition.name).span.end
    });
    Edit {
        span: last..last,
        text: format!(" {}", names.join(" ")),
    }
}

fn is_of_platforms(arg: &Arg) -> bool {
    arg.definitions
        .iter()
        .any(|definition| is_platform_argument(definition.name.as_str()))
}
