//! What a stage runs, and what it adds from addresses.

use std::ops::Range;

use super::Cross;
use crate::check::shell::{Call, Lines, Script, Setting, ShellWord};
use crate::instruction::{CommandLine, Instruction, Origin, Run, Stage};
use crate::syntax::{Heredoc, Word};

/// Shells whose language is read here.
const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "ksh", "zsh"];

/// A command of a stage: what it says, and where it stands.
pub(super) struct Command<'a> {
    /// All of its text, heredocs included.
    pub(super) text: String,
    /// The same, read as a script; empty for what is no `RUN`.
    pub(super) script: Script,
    /// Whether the script's places are those in the Dockerfile.
    pub(super) is_exact: bool,
    pub(super) origin: &'a Origin,
}

impl<'a> Cross<'a> {
    /// Returns the commands of a stage.
    pub(super) fn commands(&self, stage: &'a Stage) -> Vec<Command<'a>> {
        let instructions = stage.instructions.iter();
        instructions
            .filter_map(|instruction| match instruction {
                Instruction::Run(run) => Some(self.run(stage, run)),
                Instruction::Add(add) => Some(Command {
                    text: add.origin.text.clone(),
                    script: Script::default(),
                    is_exact: false,
                    origin: &add.origin,
                }),
                _ => None,
            })
            .collect()
    }

    fn run(&self, stage: &'a Stage, run: &'a Run) -> Command<'a> {
        let words = run.command.words().join(" ");
        let heredocs = run.heredocs.iter().map(|heredoc| heredoc.content.as_str());
        let text: Vec<&str> = std::iter::once(words.as_str()).chain(heredocs).collect();
        let settings = self.settings(stage, &run.origin);
        let (script, is_exact) = match &run.command {
            CommandLine::Shell(command) if self.has_known_shell(stage, &run.origin) => {
                let script = self.script(command.span.clone(), &run.heredocs, &settings);
                (script, true)
            }
            CommandLine::Shell(_) => (Script::default(), false),
            CommandLine::Exec(words) => {
                let words: Vec<&str> = words.iter().map(Word::as_str).collect();
                (Script::of_words(&words, &settings), false)
            }
        };
        Command {
            text: text.join("\n"),
            script,
            is_exact,
            origin: &run.origin,
        }
    }

    fn script(&self, command: Range<usize>, heredocs: &[Heredoc], settings: &[Setting]) -> Script {
        let escape = self.dockerfile.directives.escape;
        let mut script = Script::read(self.text, command, Lines::Joined(escape), settings);
        for heredoc in heredocs {
            if is_script(&script, heredoc) {
                script.read_more(self.text, heredoc.span.clone(), Lines::Separate, settings);
            } else if heredoc.expand {
                script.read_data(self.text, heredoc.span.clone());
            }
        }
        script
    }

    /// Returns what `ENV` lines set where an instruction of a stage stands.
    pub(super) fn settings(&self, stage: &'a Stage, at: &Origin) -> Vec<Setting> {
        let before = self.family.before(stage, at);
        let pairs = before.filter_map(|instruction| match instruction {
            Instruction::Env(env) => Some(&env.pairs),
            _ => None,
        });
        pairs
            .flatten()
            .map(|pair| Setting::of_env(pair.name.as_str(), pair.value.as_str()))
            .collect()
    }

    /// Returns whether the shell of a stage is one whose language is read here.
    fn has_known_shell(&self, stage: &'a Stage, at: &Origin) -> bool {
        let shell = self
            .family
            .before(stage, at)
            .filter_map(|instruction| match instruction {
                Instruction::Shell(shell) => shell.words.first(),
                _ => None,
            });
        shell.last().is_none_or(|shell| {
            let name = shell.as_str().rsplit('/').next().unwrap_or_default();
            SHELLS.contains(&name)
        })
    }
}

/// Returns whether a heredoc is run as a script: by itself, or by a shell that reads it.
fn is_script(script: &Script, heredoc: &Heredoc) -> bool {
    if let Some(interpreter) = heredoc.content.trim_start().strip_prefix("#!") {
        let line = interpreter.lines().next().unwrap_or_default();
        return line.split(['/', ' ']).any(|word| SHELLS.contains(&word));
    }
    script
        .calls
        .last()
        .is_none_or(|call| SHELLS.contains(&call.program()) && call.words[1..].iter().all(is_flag))
}

fn is_flag(word: &ShellWord) -> bool {
    word.text.starts_with('-')
}

impl Command<'_> {
    /// Returns the calls of a program.
    pub(super) fn calls_of<'c>(&'c self, program: &'c str) -> impl Iterator<Item = &'c Call> {
        self.script
            .calls
            .iter()
            .filter(move |call| call.program() == program)
    }
}
