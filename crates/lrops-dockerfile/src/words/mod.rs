//! Shell words: variables, quotes and escapes as a Dockerfile knows them.
//!
//! The language is the one of the Dockerfile reference, "Environment replacement": `$name`, `${name}`, the modifiers
//! `:-` `-` `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//`, single and double quotes, and the escape character of the
//! file. A word is first read into pieces and then evaluated, so a mistake in its syntax is found before any
//! variable is looked at.
//!
//! Invariants: no word makes this panic; nesting and size are limited; the word after a modifier is always evaluated,
//! whether its text is used or not, so `used` and `unset` together name every variable that the word reads.

mod error;
mod evaluation;
mod expander;
mod parser;
pub mod shell_pattern;
mod splitter;
#[cfg(test)]
mod tests;

pub use error::{ExpandError, WordProblem};
pub use expander::{
    EXPANDED_SIZE_BYTES_MAX, Escapes, Expanded, ExpandedWords, Expander, NESTING_MAX, Quotes, UnsetVariables,
};
