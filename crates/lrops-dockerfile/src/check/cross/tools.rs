//! Tools that run on the target's platform, and make something for another stage.

use super::command::Command;
use super::{Cross, Remark};
use crate::check::rules;
use crate::check::shell::Call;
use crate::instruction::Stage;

/// Commands that compile or bundle, with the word that has to follow.
const TOOLS: [(&str, &[&str]); 15] = [
    ("go", &["build", "install", "mod", "generate"]),
    ("cargo", &["build", "install"]),
    ("npm", &["ci", "install", "run"]),
    ("pnpm", &["install", "run", "build"]),
    ("yarn", &["install", "run", "build"]),
    ("bun", &["install", "run", "build"]),
    ("make", &[]),
    ("gcc", &[]),
    ("g++", &[]),
    ("cmake", &[]),
    ("mvn", &[]),
    ("mvnw", &[]),
    ("gradle", &[]),
    ("gradlew", &[]),
    ("dotnet", &["build", "publish", "restore"]),
];

impl<'a> Cross<'a> {
    /// A stage with tools that runs on the target's platform. Said where the platform is chosen: at the first of the
    /// stages that start from each other; where the image that is built starts from that one too, at the stage with the
    /// tools.
    pub(super) fn tools(&mut self, stage: &'a Stage, commands: &[Vec<Command<'a>>]) {
        if self.platforms.len() < 2 || !self.family.runs_on_target(stage) {
            return;
        }
        let first = self.family.line(stage)[0];
        let members = self.family.with_descendants(first);
        let is_last = |member: &&Stage| member.index + 1 == self.dockerfile.stages.len();
        let is_shared = members.iter().any(is_last);
        let makers: Vec<&Stage> = if is_shared {
            vec![stage]
        } else if first.index == stage.index {
            members
        } else {
            return;
        };
        let gives = |maker: &&Stage| {
            let heirs = self.family.with_descendants(&self.dockerfile.stages[maker.index]);
            let is_taken = |heir: &&Stage| !self.family.gifts(heir).is_empty();
            heirs.iter().any(is_taken) && !heirs.iter().any(is_last)
        };
        let tools = makers.iter().copied().filter(gives).find_map(|maker| {
            let tool = commands[maker.index].iter().find_map(tool)?;
            Some((maker, tool))
        });
        let Some((maker, tool)) = tools else { return };
        let name = maker.name.clone().unwrap_or_else(|| maker.index.to_string());
        let remark = Remark {
            rule: rules::TOOLS_ON_TARGET_PLATFORM,
            message: format!(
                "the stage {name} runs `{tool}` once for each platform, and emulated for foreign ones"
            ),
            advice: if is_shared {
                "give it a base of its own, FROM --platform=$BUILDPLATFORM, and cross-compile".to_owned()
            } else {
                "begin it with FROM --platform=$BUILDPLATFORM, and cross-compile".to_owned()
            },
            // What a stage does with the platform that it runs on cannot be told from its text.
            cure: None,
        };
        self.warn(&stage.from.origin, remark);
    }
}

/// Returns the tool that a command runs.
fn tool(command: &Command<'_>) -> Option<String> {
    command.script.calls.iter().find_map(tool_of)
}

fn tool_of(call: &Call) -> Option<String> {
    let (program, verbs) = TOOLS.iter().find(|(program, _)| call.program() == *program)?;
    match verbs {
        [] => Some((*program).to_owned()),
        _ => call.verb(verbs).map(|verb| format!("{program} {}", verb.text)),
    }
}
