//! The door: settings, and the two ways to expand a word.

use std::collections::BTreeSet;

use super::error::{ExpandError, Fault};
use super::evaluation::Evaluation;
use super::parser::Parser;

/// How deep `${…}` may stand within `${…}`.
///
/// Reading and evaluating recurse once a level; people write two levels.
pub const NESTING_MAX: usize = 64;

/// How large the result of one word may become.
///
/// `ENV` lines that repeat a variable double its value with each line, so a short file could otherwise ask for more
/// memory than there is. No kernel accepts an environment of this size.
pub const EXPANDED_SIZE_BYTES_MAX: usize = 16 << 20;

/// What becomes of quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quotes {
    /// They quote, and are removed.
    Remove,
    /// They quote, and stay in the text.
    Keep,
    /// They are characters like others.
    Ordinary,
}

/// What becomes of escape characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escapes {
    /// They escape, and are removed.
    Remove,
    /// They escape, and stay in the text.
    Keep,
}

/// What becomes of variables without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsetVariables {
    /// They expand to nothing.
    Empty,
    /// They stay in the text as they are written, and their modifiers are not applied.
    Keep,
}

/// Expands words under fixed settings.
#[derive(Debug, Clone)]
pub struct Expander {
    /// The escape character of the file: `\` or a backquote.
    pub escape: char,
    /// What becomes of quotes.
    pub quotes: Quotes,
    /// What becomes of escape characters.
    pub escapes: Escapes,
    /// What becomes of variables without a value.
    pub unset: UnsetVariables,
}

/// A word after expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// The text.
    pub text: String,
    /// The variables that were read and had a value, be it an empty one.
    pub used: BTreeSet<String>,
    /// The variables that were read and had none.
    pub unset: BTreeSet<String>,
}

/// What one word became after expansion and splitting at white space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpandedWords {
    /// The words; none is empty.
    pub words: Vec<String>,
    /// The variables that were read and had a value, be it an empty one.
    pub used: BTreeSet<String>,
    /// The variables that were read and had none.
    pub unset: BTreeSet<String>,
}

impl Expander {
    /// Returns an expander that removes quotes and escapes, and lets unset variables be empty.
    pub fn new(escape: char) -> Self {
        Self {
            escape,
            quotes: Quotes::Remove,
            escapes: Escapes::Remove,
            unset: UnsetVariables::Empty,
        }
    }

    /// Returns the word with its variables replaced, as one text.
    ///
    /// `lookup` gives a variable's value, or `None` if it has none.
    ///
    /// # Errors
    /// If the syntax is wrong, a demanded variable has no value, or a limit is exceeded.
    pub fn expand<'v>(
        &self,
        word: &str,
        lookup: &dyn Fn(&str) -> Option<&'v str>,
    ) -> Result<Expanded, ExpandError> {
        let mut evaluation = Evaluation::new(lookup, self.unset);
        let text = Parser::new(word, self)
            .word()
            .and_then(|pieces| evaluation.text(&pieces))
            .map_err(|fault| locate(word, fault))?;
        Ok(Expanded {
            text,
            used: evaluation.used,
            unset: evaluation.unset,
        })
    }

    /// Returns the words that the word becomes: its variables replaced, then split at white space that is neither
    /// quoted nor escaped.
    ///
    /// As in BuildKit, text directly before a substitution with a modifier is lost here (`8${x:-0}` gives `0`): its
    /// splitter reads the word after the modifier into the buffer that holds the text. [`Expander::expand`] keeps it.
    ///
    /// # Errors
    /// As [`Expander::expand`].
    pub fn expand_words<'v>(
        &self,
        word: &str,
        lookup: &dyn Fn(&str) -> Option<&'v str>,
    ) -> Result<ExpandedWords, ExpandError> {
        let mut evaluation = Evaluation::new(lookup, self.unset);
        let words = Parser::new(word, self)
            .word()
            .and_then(|pieces| evaluation.words(&pieces))
            .map_err(|fault| locate(word, fault))?;
        Ok(ExpandedWords {
            words,
            used: evaluation.used,
            unset: evaluation.unset,
        })
    }

    /// Returns the names of all variables that the word reads, whatever their values.
    ///
    /// # Errors
    /// If the syntax is wrong.
    pub fn variables(&self, word: &str) -> Result<BTreeSet<String>, ExpandError> {
        // With nothing set and unset variables kept, no modifier is applied: only the syntax can be wrong.
        let names_only = Self {
            unset: UnsetVariables::Keep,
            ..self.clone()
        };
        names_only.expand(word, &|_| None).map(|expanded| expanded.unset)
    }
}

fn locate(word: &str, Fault { offset, problem }: Fault) -> ExpandError {
    ExpandError {
        word: word.to_owned(),
        offset,
        problem,
    }
}
