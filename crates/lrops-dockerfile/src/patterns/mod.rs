//! Patterns for paths: `.dockerignore` files, `--exclude`, and the wildcards of `COPY` and `ADD`.
//!
//! Two languages look alike and differ. [`PathPatterns`] is the one of `.dockerignore` and `--exclude` (moby's
//! `patternmatcher`: `**`, `!`, a match of a directory holds for all that is below it). [`Wildcard`] is the one of
//! source paths (Go's `filepath.Match`: no `**`, one path component at a time).
//!
//! Invariants: paths are bytes separated by `/`, for file names on Linux need not be UTF-8; a pattern that exists can
//! be matched without errors; matching takes time linear in the path, however the pattern is made.

mod clean;
mod ignore_file;
mod path_patterns;
mod reach;
#[cfg(test)]
mod tests;
mod translation;
mod wildcard;

pub use clean::clean;
pub use ignore_file::{IgnoreLine, parse_ignore_file};
pub use path_patterns::{DirectoryMatch, PathPatterns, PatternError};
pub use wildcard::{BadWildcard, Wildcard};
