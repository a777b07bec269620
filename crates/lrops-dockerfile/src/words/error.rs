//! What can be wrong with a word.

use super::shell_pattern::ShellPatternError;

/// A word that could not be expanded, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to process {word:?}")]
pub struct ExpandError {
    /// The word as it was given.
    pub word: String,
    /// Where in the word the mistake begins, in bytes.
    pub offset: usize,
    /// What is wrong there.
    #[source]
    pub problem: WordProblem,
}

/// What is wrong at one place of a word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordProblem {
    /// A `'` has no partner.
    #[error("unexpected end of statement while looking for matching single-quote")]
    UnclosedSingleQuote,
    /// A `"` has no partner.
    #[error("unexpected end of statement while looking for matching double-quote")]
    UnclosedDoubleQuote,
    /// A `${` has no `}`.
    #[error("syntax error: missing '}}'")]
    MissingBrace,
    /// A `${name/pattern` has no second `/`.
    #[error("syntax error: missing '/' in ${{}}")]
    MissingSlash,
    /// A `${` is followed by what can be no name.
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    /// The name is followed by a modifier that does not exist.
    #[error("unsupported modifier ({sign}) in substitution")]
    UnsupportedModifier {
        /// The modifier as it is written.
        sign: String,
    },
    /// A variable that must have a value has none (`${name?message}`).
    #[error("{name}: {message}")]
    Demanded {
        /// The variable.
        name: String,
        /// The author's message, or what is not allowed.
        message: String,
    },
    /// A pattern after `#`, `%` or `/` cannot be read.
    #[error("invalid pattern ({pattern}) in substitution")]
    InvalidPattern {
        /// The pattern after its own variables were replaced.
        pattern: String,
        /// Why.
        source: ShellPatternError,
    },
    /// `${…}` stands within `${…}` more often than [`NESTING_MAX`](super::NESTING_MAX) times.
    #[error("substitutions are nested more than {} deep", super::NESTING_MAX)]
    TooDeep,
    /// The result is larger than [`EXPANDED_SIZE_BYTES_MAX`](super::EXPANDED_SIZE_BYTES_MAX).
    #[error("the expanded text is larger than {} bytes", super::EXPANDED_SIZE_BYTES_MAX)]
    TooLarge,
}

/// A problem at a place; the word is added at the door.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) offset: usize,
    pub(super) problem: WordProblem,
}

impl Fault {
    pub(super) fn new(offset: usize, problem: WordProblem) -> Self {
        Self { offset, problem }
    }
}
