//! `SOURCE_DATE_EPOCH`: a number of seconds, or the name of something that has a time.

use lrops_model::finding::{Finding, Place};

use super::base::SCRATCH;
use super::contexts::is_named_context;
use super::rules;
use super::stage::StageLowering;
use crate::instruction::{Instruction, Stage};

const NAME: &str = "SOURCE_DATE_EPOCH";

/// The build's own context: a directory, which has no time.
const MAIN_CONTEXT: &str = "context";

impl StageLowering<'_> {
    /// Returns the value: the command line's, else that of an argument before the first `FROM`.
    pub(super) fn epoch(&self) -> Option<&str> {
        let given = self.inputs.build_args.get(NAME).map(String::as_str);
        given.or_else(|| self.globals.get(NAME))
    }

    /// Reports a value that names no time. A stage may be named when all it does is one `ADD` from afar.
    pub(super) fn check_epoch(&mut self) {
        let Some(value) = self.epoch().map(str::to_owned) else {
            return;
        };
        if value.is_empty() || value == MAIN_CONTEXT || value.parse::<i64>().is_ok() {
            return;
        }
        if is_named_context(&self.inputs.named_contexts, &value) {
            return self.report_epoch(
                rules::NOT_YET,
                format!("{NAME} from a context is not supported yet"),
                None,
            );
        }
        let dockerfile = self.dockerfile;
        let named = |stage: &&Stage| {
            stage
                .name
                .as_ref()
                .is_some_and(|name| name.eq_ignore_ascii_case(&value))
        };
        let Some(stage) = dockerfile.stages.iter().find(named) else {
            return self.report_epoch(rules::INVALID_EPOCH, format!("invalid {NAME}: {value}"), None);
        };
        let place = Some(stage.from.origin.place());
        match self.epoch_stage_problem(stage) {
            Some(problem) => self.report_epoch(rules::INVALID_EPOCH, problem, place),
            None => self.report_epoch(
                rules::NOT_YET,
                format!("{NAME} from a stage is not supported yet"),
                place,
            ),
        }
    }

    fn epoch_stage_problem(&self, stage: &Stage) -> Option<String> {
        let base = self.bases[stage.index].as_ref()?;
        if base.name != SCRATCH {
            return Some(format!("{NAME} stage must use FROM scratch"));
        }
        let mut additions = 0;
        for instruction in &stage.instructions {
            match instruction {
                Instruction::Arg(_) => {}
                Instruction::Add(_) => additions += 1,
                other => {
                    let keyword = &other.origin().keyword;
                    return Some(format!(
                        "{NAME} stage does not meet source-only requirements: unsupported {keyword} instruction"
                    ));
                }
            }
        }
        (additions != 1).then(|| format!("{NAME} stage must contain exactly one remote ADD"))
    }

    fn report_epoch(&mut self, rule: &'static str, message: String, place: Option<Place>) {
        let finding = Finding::error(rule, message);
        self.report_error(match place {
            Some(place) => finding.at(place),
            None => finding.advise("give the seconds since 1970-01-01"),
        });
    }
}
