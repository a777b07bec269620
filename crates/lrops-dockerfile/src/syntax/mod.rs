//! The Dockerfile language down to statements: keyword, flags, arguments, heredocs, each with its place.
//!
//! The language is the one of the Dockerfile reference (<https://docs.docker.com/reference/dockerfile/>), and where the
//! reference is silent the behaviour of `BuildKit`'s own parser decides, because files in the wild rely on it.
//!
//! Invariants:
//! - Parsing does not fail. What cannot be read becomes a [`Finding`](lrops_model::finding::Finding), and reading goes
//!   on with the next statement.
//! - Every span lies inside the source, on character boundaries.
//! - Nothing is expanded here: `$name` stays as it was written.

mod arguments;
mod directive;
mod fault;
mod heredoc;
mod joined;
mod json;
mod lines;
mod parser;
mod quoted;
mod raw_words;
pub(crate) mod rules;
mod split;
mod statement;
#[cfg(test)]
mod tests;
mod words;

pub use directive::Directives;
pub use heredoc::Heredoc;
pub use lines::{LINE_SIZE_BYTES_MAX, LineIndex, Position};
pub use parser::{Parsed, parse};
pub use quoted::quoted;
pub use statement::{Arguments, Pair, PairForm, Span, Statement, Word};

pub(crate) use fault::{Fault, Faults};
