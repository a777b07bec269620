//! Files of one architecture for all platforms.

use super::command::Command;
use super::{Cross, Remark};
use crate::check::architectures::{architecture_in, fallback};
use crate::check::rules;
use crate::instruction::Stage;

/// What makes a download vary with the platform, or asks the machine.
const ASKS: [&str; 10] = [
    "TARGETARCH",
    "TARGETPLATFORM",
    "TARGETVARIANT",
    "BUILDARCH",
    "uname",
    "$(arch)",
    "`arch`",
    "go env GOARCH",
    "dpkg --print-architecture",
    "apk --print-arch",
];

impl<'a> Cross<'a> {
    pub(super) fn downloads(&mut self, stage: &'a Stage, commands: &[Command<'a>]) {
        if self.platforms.len() < 2 {
            return;
        }
        let runs_on_target = self.family.runs_on_target(stage);
        for command in commands {
            if let Some(architecture) = fallback(&command.text, &command.script) {
                let remark = Remark {
                    rule: rules::ARCHITECTURE_FALLBACK,
                    message: format!("every platform that is not named gets {architecture}"),
                    advice: "end the case with *) echo \"unknown: $TARGETARCH\" >&2; exit 1 ;;".to_owned(),
                    cure: None,
                };
                self.warn(command.origin, remark);
            }
            if runs_on_target && !self.asks(stage, command) {
                self.fixed(command);
            }
        }
    }

    /// Returns whether a command, or what is set before it, varies with the platform.
    fn asks(&self, stage: &'a Stage, command: &Command<'a>) -> bool {
        let asks = |text: &str| ASKS.iter().any(|word| text.contains(word));
        let settings = self.settings(stage, command.origin);
        let by_setting = settings.iter().any(|setting| asks(&setting.value));
        by_setting || asks(&command.text)
    }

    fn fixed(&mut self, command: &Command<'a>) {
        let urls = command
            .text
            .split(|character: char| character.is_whitespace() || "\"'`;|()<>".contains(character));
        let fixed: Vec<(&str, &str)> = urls
            .filter(|word| word.contains("://"))
            .filter_map(|url| Some((url, architecture_in(url)?)))
            .collect();
        // Who names several chooses among them.
        let is_choice = fixed
            .iter()
            .any(|(_, other)| Some(*other) != fixed.first().map(|(_, first)| *first));
        if let Some((url, architecture)) = fixed.first().filter(|_| !is_choice) {
            let remark = Remark {
                rule: rules::FIXED_ARCHITECTURE,
                message: format!("all platforms get {url}, which is named for {architecture}"),
                advice: "declare ARG TARGETARCH, and let the name follow it".to_owned(),
                cure: None,
            };
            self.warn(command.origin, remark);
        }
    }
}
