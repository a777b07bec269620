//! Check rules about `FROM` lines, which need the values of the arguments before them.

use std::collections::BTreeSet;

use lrops_model::finding::Finding;
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;

use super::arguments;
use super::stage::StageLowering;
use crate::check::rules as checks;
use crate::instruction::{Stage, suggestion};
use crate::syntax::{Word, quoted};
use crate::words::{Expanded, Expander};

const TARGET_PLATFORM: &str = "TARGETPLATFORM";

impl StageLowering<'_> {
    /// Warns of variables in a `FROM` line that no `ARG` before the first one declares.
    pub(super) fn warn_of_undeclared(&mut self, unset: &BTreeSet<String>) {
        let declared = self.dockerfile.global_args.iter();
        let declared = declared
            .flat_map(|arg| &arg.definitions)
            .map(|definition| definition.name.as_str());
        let mut names = self.globals.names();
        names.extend(declared);
        let mut messages = Vec::new();
        for name in unset.iter().filter(|name| !names.contains(&name.as_str())) {
            let close = suggestion(name, &names).map(|close| format!(" (did you mean {close}?)"));
            let close = close.unwrap_or_default();
            messages.push(format!("FROM argument '{name}' is not declared{close}"));
        }
        for message in messages {
            self.warn(checks::UNDEFINED_ARG_IN_FROM, message);
        }
    }

    /// Checks the value of `--platform`.
    pub(super) fn check_platform(&mut self, stage: &Stage, word: &Word, expanded: &Expanded) {
        self.warn_of_undeclared(&expanded.unset);
        let only_target = expanded.unset.is_empty() && expanded.used.iter().eq([TARGET_PLATFORM]);
        if only_target && self.globals.get(TARGET_PLATFORM) == Some(expanded.text.as_str()) {
            let message = format!(
                "Setting platform to predefined {word} in FROM is redundant as this is the default behavior"
            );
            self.warn(checks::REDUNDANT_TARGET_PLATFORM, message);
        }
        let is_constant = expanded.unset.is_empty() && expanded.used.is_empty();
        if !is_constant {
            return;
        }
        let Ok(platform) = expanded.text.parse::<Platform>() else {
            return;
        };
        // A stage that is named after its platform is meant to have it.
        let name = stage.name.as_deref().unwrap_or_default();
        if !name.contains(&platform.os) && !name.contains(&platform.architecture) {
            let text = quoted(&expanded.text);
            let message = format!("FROM --platform flag should not use constant value {text}");
            self.warn(checks::FROM_PLATFORM_FLAG_CONST_DISALLOWED, message);
        }
    }

    /// Warns of bases that are no image's name when no argument is given on the command line.
    pub(super) fn check_default_bases(&mut self) {
        let dockerfile = self.dockerfile;
        let expander = Expander::new(dockerfile.directives.escape);
        let mut defaults = arguments::predefined(
            &self.inputs.build_platform,
            self.target,
            self.target_stage(),
            &self.inputs.build_args,
        );
        for definition in dockerfile.global_args.iter().flat_map(|arg| &arg.definitions) {
            let Some(value) = &definition.value else { continue };
            let Ok(value) = expander.expand(&value.text, &|name| defaults.get(name)) else {
                return;
            };
            defaults.set(&definition.name.text, &value.text);
        }
        for stage in &dockerfile.stages {
            let image = &stage.from.image;
            let Ok(base) = expander.expand(&image.text, &|name| defaults.get(name)) else {
                return;
            };
            if base.text.parse::<Reference>().is_err()
                && self.options.reports(checks::INVALID_DEFAULT_ARG_IN_FROM)
            {
                let message =
                    format!("Default value for ARG {image} results in empty or invalid base image name");
                let finding = Finding::warning(checks::INVALID_DEFAULT_ARG_IN_FROM, message);
                self.findings.push(finding.at(stage.from.origin.place()));
            }
        }
    }
}
