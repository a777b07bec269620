//! What `--from` names: a stage before this one, a context, or an image.

use std::ops::Range;

use lrops_model::graph::{StepId, StepLabel};

use super::base::SCRATCH;
use super::stage::StageLowering;
use super::state::stage_name;
use super::{Resolved, rules};
use crate::syntax::quoted;
use crate::words::Expander;

/// What files are taken from, and for what.
#[derive(Clone, Copy, Debug)]
pub(super) enum From<'n> {
    /// `COPY --from`: a name, or the number of a stage.
    Copy(&'n str),
    /// `RUN --mount=from=`: a name.
    Mount {
        /// The name.
        name: &'n str,
        /// Where it is mounted.
        target: &'n str,
    },
}

impl<'n> From<'n> {
    fn name(self) -> &'n str {
        match self {
            Self::Copy(name) | Self::Mount { name, .. } => name,
        }
    }
}

/// The files of a source: the step that makes them, none where there are none.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceFiles(pub(super) Option<StepId>);

impl StageLowering<'_> {
    /// Finds the files that a line of a stage takes; `None` while they are not known, or when the source is wrong.
    pub(super) fn source(
        &mut self,
        stage: usize,
        from: From<'_>,
        span: &Range<usize>,
    ) -> Option<SourceFiles> {
        let name = from.name();
        if matches!(from, From::Copy(_)) && !self.is_plain(name, span) {
            return None;
        }
        match self.source_stage(from) {
            Err(number) => {
                let message = format!("invalid stage index {number}");
                let stages = self.dockerfile.stages.len();
                let advice = format!("the stages are numbered from 0 to {}", stages.saturating_sub(1));
                self.error(rules::UNKNOWN_STAGE, message, span, Some(advice));
                None
            }
            Ok(Some(index)) if index >= stage => {
                self.report_later_stage(stage, from, span);
                None
            }
            Ok(Some(index)) => {
                let source = self.stage(index)?;
                let context = source.directory.as_ref();
                let context = context.map(|context| self.context_step(context));
                Some(SourceFiles(context.or(source.root)))
            }
            Ok(None) if name == SCRATCH => Some(SourceFiles(None)),
            Ok(None) => self.image_files(name, span),
        }
    }

    /// Lowers the stage, or remembers the image, that a line will take files from. Mistakes are not reported.
    pub(super) fn expect_source(&mut self, stage: usize, from: From<'_>, span: &Range<usize>) {
        let name = from.name();
        match self.source_stage(from) {
            Ok(Some(index)) if index < stage => {
                self.stage(index);
            }
            Ok(None) if name != SCRATCH && self.can_be_resolved(name) => {
                self.resolve(name, &self.target.clone(), span);
            }
            _ => {}
        }
    }

    /// Returns the number of the stage that is named, or a number that no stage has.
    pub(super) fn source_stage(&self, from: From<'_>) -> Result<Option<usize>, i64> {
        let number = match from {
            From::Copy(name) => name.parse::<i64>().ok(),
            From::Mount { .. } => None,
        };
        let Some(number) = number else {
            return Ok(self.stage_named(from.name()));
        };
        let index = usize::try_from(number).ok();
        let index = index.filter(|index| *index < self.dockerfile.stages.len());
        index.map(Some).ok_or(number)
    }

    /// Reports variables, which `--from` does not have: what a stage needs must be known before anything is expanded.
    fn is_plain(&mut self, name: &str, span: &Range<usize>) -> bool {
        let expander = Expander::new(self.dockerfile.directives.escape);
        match expander.expand(name, &|_| None) {
            Ok(expanded) if expanded.text == name => true,
            Ok(_) => {
                let message = "variable expansion is not supported for --from, define a new stage with FROM using ARG \
                               from global scope as a workaround";
                self.error(rules::INVALID_FROM, message, span, None);
                false
            }
            Err(error) => {
                self.expansion_error(&error, span);
                false
            }
        }
    }

    fn report_later_stage(&mut self, stage: usize, from: From<'_>, span: &Range<usize>) {
        if self.circular.contains(&stage) {
            return;
        }
        let message = match from {
            From::Copy(name) => {
                let (name, stage) = (quoted(name), quoted(&stage_name(&self.dockerfile.stages[stage])));
                format!("cannot copy from stage {name}, it needs to be defined before current stage {stage}")
            }
            From::Mount { name, target } => {
                let (name, target) = (quoted(name), quoted(target));
                format!(
                    "cannot mount from stage {name} to {target}, stage needs to be defined before current command"
                )
            }
        };
        self.error(
            rules::UNKNOWN_STAGE,
            message,
            span,
            Some("move that stage up".to_owned()),
        );
    }

    /// The files of an image or a context. They are the target platform's, also in a stage of another one.
    fn image_files(&mut self, name: &str, span: &Range<usize>) -> Option<SourceFiles> {
        match self.resolve(name, &self.target.clone(), span)? {
            Resolved::Directory { context } => Some(SourceFiles(Some(self.context_step(&context)))),
            Resolved::Image { config, graph, root } => {
                self.note_digest(name, self.target, &config);
                self.adopt(&graph);
                if let Some(root) = root {
                    let label = StepLabel {
                        stage: name.to_owned(),
                        instruction: format!("FROM {name}"),
                        file: self.inputs.file.clone(),
                        place: Some(self.place(span)),
                        stage_platform: Some(self.target.clone()),
                        ..StepLabel::default()
                    };
                    self.relabel(root, label);
                }
                Some(SourceFiles(root))
            }
        }
    }
}
