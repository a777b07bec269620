//! Statements and their parts.

use std::fmt;
use std::ops::Range;

use super::Heredoc;

/// Bytes of the source, from the first to just behind the last.
pub type Span = Range<usize>;

/// A piece of text with its place; the text is as written, except for the quotes and escapes that a flag drops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Word {
    /// What it says.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Word {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the rest of the word from a byte of its text on.
    ///
    /// The place is exact when the text is as written; a word that lost quotes keeps the place of the whole.
    pub(crate) fn tail(&self, offset: usize) -> Word {
        let exact = self.span.len() == self.text.len();
        let start = if exact {
            self.span.start + offset
        } else {
            self.span.start
        };
        Word {
            text: self.text[offset..].to_owned(),
            span: start..self.span.end,
        }
    }

    /// Returns the word up to a byte of its text; the place follows the same rule as in [`Word::tail`].
    pub(crate) fn head(&self, offset: usize) -> Word {
        let exact = self.span.len() == self.text.len();
        let end = if exact {
            self.span.start + offset
        } else {
            self.span.end
        };
        Word {
            text: self.text[..offset].to_owned(),
            span: self.span.start..end,
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// One instruction as it was written, before its meaning is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The first word, in the case it was written in.
    pub keyword: Word,
    /// The `--name=value` words behind the keyword, without their quotes.
    pub flags: Vec<Word>,
    /// What follows the flags, in the form that the keyword asks for.
    pub arguments: Arguments,
    /// The heredocs, in the order of their contents.
    pub heredocs: Vec<Heredoc>,
    /// The statement's lines joined, without comments and without the contents of heredocs.
    pub text: String,
    /// The whole statement, heredocs included.
    pub span: Span,
    /// The line of the keyword, from 1.
    pub first_line: u32,
    /// The last line that belongs to the statement, from 1.
    pub last_line: u32,
    /// The comment lines right above, without `#`; an empty comment line ends what came before it.
    pub comments: Vec<String>,
}

/// The arguments of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// There are none.
    Nothing,
    /// The rest of the line as one text.
    Text(Word),
    /// A JSON array of strings; the texts are decoded.
    Json(Vec<Word>),
    /// Words between spaces.
    Words(Vec<Word>),
    /// `name=value` pairs, or the older `name value`.
    Pairs(Vec<Pair>),
    /// `HEALTHCHECK`'s type, and what it runs: nothing, text or JSON.
    Healthcheck {
        /// `CMD` or `NONE`, as written.
        kind: Word,
        /// What follows the type.
        command: Box<Arguments>,
    },
    /// The statement behind `ONBUILD`.
    Trigger(Box<Statement>),
    /// The keyword is unknown, so its arguments have no form.
    Unknown,
    /// They could not be read, and a finding says so.
    Unreadable,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The name.
    pub name: Word,
    /// The value, quotes included.
    pub value: Word,
    /// How the two were written.
    pub form: PairForm,
}

/// How a pair was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairForm {
    /// `name=value`
    Equals,
    /// `name value`: the value is the rest of the line.
    Legacy,
}

impl Arguments {
    /// Returns the words of the forms that are lists; a text is a list of one.
    pub fn words(&self) -> &[Word] {
        match self {
            Self::Text(word) => std::slice::from_ref(word),
            Self::Json(words) | Self::Words(words) => words,
            _ => &[],
        }
    }
}

impl Statement {
    /// Returns whether `<<` in this statement can start a heredoc.
    pub(super) fn takes_heredocs(&self) -> bool {
        match &self.arguments {
            Arguments::Trigger(trigger) => trigger.takes_heredocs_itself(),
            _ => self.takes_heredocs_itself(),
        }
    }

    fn takes_heredocs_itself(&self) -> bool {
        let takes = ["add", "copy", "run"]
            .iter()
            .any(|name| self.keyword.text.eq_ignore_ascii_case(name));
        takes && !matches!(self.arguments, Arguments::Json(_) | Arguments::Unreadable)
    }
}
