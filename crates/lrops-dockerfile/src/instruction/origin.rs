//! Where an instruction comes from.

use lrops_model::finding::{Finding, Place};

use crate::syntax::{Fault, Span, Statement, Word, rules};

/// An instruction as it was written: for history, for excerpts, for findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The keyword, in the case it was written in.
    pub keyword: Word,
    /// The whole instruction on one line, without comments and without the contents of heredocs.
    pub text: String,
    /// The bytes of the source it takes, heredocs included.
    pub span: Span,
    /// The line of the keyword, from 1.
    pub line: u32,
    /// The last line that belongs to it, from 1.
    pub last_line: u32,
    /// The comment lines right above.
    pub comments: Vec<String>,
}

impl Origin {
    /// Returns the place of the instruction's start.
    pub fn place(&self) -> Place {
        Place {
            span: self.span.clone(),
            line: self.line,
        }
    }

    /// Returns an error about the whole instruction.
    pub fn error(&self, rule: &'static str, message: impl Into<String>) -> Finding {
        Finding::error(rule, message).at(self.place())
    }

    /// Returns what the comments above say about a name: a comment line that begins with it.
    pub(super) fn description_of(&self, name: &str) -> Option<String> {
        let about = |comment: &String| comment.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
        if name.is_empty() {
            None
        } else {
            self.comments.iter().find_map(about)
        }
    }

    pub(super) fn of(statement: &Statement) -> Self {
        Self {
            keyword: statement.keyword.clone(),
            text: statement.text.trim().to_owned(),
            span: statement.span.clone(),
            line: statement.first_line,
            last_line: statement.last_line,
            comments: statement.comments.clone(),
        }
    }
}

impl Statement {
    /// Returns the keyword in capitals, as messages name it.
    pub(super) fn name(&self) -> String {
        self.keyword.text.to_ascii_uppercase()
    }

    /// Returns a fault about the arguments; the message follows the keyword.
    pub(super) fn wrong_arguments(&self, problem: &str) -> Fault {
        Fault::error(
            rules::INVALID_ARGUMENTS,
            format!("{} {problem}", self.name()),
            &self.span,
        )
    }

    /// Returns the only argument.
    pub(super) fn only_argument(&self) -> Result<Word, Fault> {
        match self.arguments.words() {
            [word] => Ok(word.clone()),
            _ => Err(self.wrong_arguments("requires exactly one argument")),
        }
    }

    /// Returns the arguments, of which there is at least one.
    pub(super) fn some_arguments(&self) -> Result<&[Word], Fault> {
        match self.arguments.words() {
            [] => Err(self.wrong_arguments("requires at least one argument")),
            words => Ok(words),
        }
    }
}
