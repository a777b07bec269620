//! What a shell script of a Dockerfile says, as far as it can be told without a shell: which programs it calls, and which
//! variables it sets and takes.
//!
//! It is read where it stands in the Dockerfile, so that every word has its place there. Branches and loops are read as
//! if all of them were gone through, one after the other.

mod call;
mod scanner;

use std::ops::Range;

pub(super) use call::{Call, Setting};
use scanner::Scanner;

/// How deep scripts may be in scripts (`sh -c "$(…)"`). What is deeper is not looked into.
const NESTING_MAX: usize = 8;

/// How lines follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// As in `RUN`: joined by this character, with comment lines and empty ones left out.
    Joined(char),
    /// As in a file: each is a command.
    Separate,
}

/// A word of a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ShellWord {
    /// What it says, without its quotes.
    pub(super) text: String,
    /// The variables that it takes.
    pub(super) takes: Vec<String>,
    /// Where it stands.
    pub(super) span: Range<usize>,
}

/// A script, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// The programs that it calls, in their order.
    pub(super) calls: Vec<Call>,
    /// The variables that it takes anywhere.
    takes: Vec<String>,
    /// The variables that it gives a value anywhere.
    sets: Vec<String>,
}

impl Script {
    /// Reads a piece of a text as a script. `before` holds what is set when it starts.
    pub(super) fn read(text: &str, span: Range<usize>, lines: Lines, before: &[Setting]) -> Self {
        let mut script = Self::default();
        script.read_more(text, span, lines, before);
        script
    }

    /// Reads another piece, which is run by itself.
    pub(super) fn read_more(&mut self, text: &str, span: Range<usize>, lines: Lines, before: &[Setting]) {
        let mut settings = before.to_vec();
        self.nested(text, span, lines, &mut settings, 0);
    }

    /// Notes the variables that a text takes which is no script, such as what a command reads.
    pub(super) fn read_data(&mut self, text: &str, span: Range<usize>) {
        let word = Scanner::new(text, span, Lines::Separate).data();
        self.takes.extend(word.takes);
    }

    /// Reads a command that is run without a shell, unless it is one. Its words have no places.
    pub(super) fn of_words(words: &[&str], before: &[Setting]) -> Self {
        let words = words.iter().map(|word| ShellWord {
            text: (*word).to_owned(),
            ..ShellWord::default()
        });
        let mut script = Self::default();
        if let Some(call) = Call::program_of(words.collect(), before) {
            if let Some(inner) = call.script_argument() {
                script.read_more(&inner.text, 0..inner.text.len(), Lines::Separate, before);
            }
            script.calls.push(call);
        }
        script
    }

    /// Returns whether the script takes the value of a variable.
    pub(super) fn takes(&self, name: &str) -> bool {
        self.takes.iter().any(|taken| taken == name)
    }

    /// Returns whether the script takes the value of a variable that it does not set itself.
    pub(super) fn needs(&self, name: &str) -> bool {
        self.takes(name) && !self.sets.iter().any(|set| set == name)
    }

    fn nested(
        &mut self,
        text: &str,
        span: Range<usize>,
        lines: Lines,
        settings: &mut Vec<Setting>,
        depth: usize,
    ) {
        if depth >= NESTING_MAX {
            return;
        }
        let commands = Scanner::new(text, span, lines).commands();
        for command in commands {
            self.takes
                .extend(command.words.iter().flat_map(|word| word.takes.clone()));
            for substitution in &command.substitutions {
                self.nested(
                    text,
                    substitution.clone(),
                    lines,
                    &mut settings.clone(),
                    depth + 1,
                );
            }
            let Some(call) = Call::read(command.words, settings) else {
                continue;
            };
            self.sets.extend(call.sets());
            call.export(settings);
            if let Some(inner) = call.script_argument() {
                let span = within_quotes(text, inner.span.clone());
                self.nested(text, span, lines, &mut call.settings.clone(), depth + 1);
            }
            self.calls.push(call);
        }
        self.sets
            .extend(settings.iter().map(|setting| setting.name.clone()));
    }
}

/// Returns a word's place without the quotes around it.
fn within_quotes(text: &str, span: Range<usize>) -> Range<usize> {
    let word = &text[span.clone()];
    let is_quoted = |quote: char| word.len() > 1 && word.starts_with(quote) && word.ends_with(quote);
    if is_quoted('\'') || is_quoted('"') {
        span.start + 1..span.end - 1
    } else {
        span
    }
}

#[cfg(test)]
mod tests;
