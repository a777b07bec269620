//! Pieces turned into text.

use std::collections::BTreeSet;

use super::error::{Fault, WordProblem};
use super::expander::{EXPANDED_SIZE_BYTES_MAX, UnsetVariables};
use super::parser::{Emptiness, Form, Modifier, Occurrences, Piece, Variable};
use super::shell_pattern::{self, Reach, ShellPatternError};
use super::splitter::Splitter;

/// Evaluates the pieces of one word and notes which variables it read.
pub(super) struct Evaluation<'l, 'v> {
    lookup: &'l dyn Fn(&str) -> Option<&'v str>,
    policy: UnsetVariables,
    pub(super) used: BTreeSet<String>,
    pub(super) unset: BTreeSet<String>,
}

impl<'l, 'v> Evaluation<'l, 'v> {
    pub(super) fn new(lookup: &'l dyn Fn(&str) -> Option<&'v str>, policy: UnsetVariables) -> Self {
        Self {
            lookup,
            policy,
            used: BTreeSet::new(),
            unset: BTreeSet::new(),
        }
    }

    /// Returns the pieces as one text.
    pub(super) fn text(&mut self, pieces: &[Piece<'_>]) -> Result<String, Fault> {
        let mut text = String::new();
        self.write(pieces, &mut text)?;
        Ok(text)
    }

    /// Returns the pieces as words.
    pub(super) fn words(&mut self, pieces: &[Piece<'_>]) -> Result<Vec<String>, Fault> {
        let mut splitter = Splitter::default();
        let mut size = 0;
        for piece in pieces {
            let text = self.text(std::slice::from_ref(piece))?;
            size += text.len();
            if let Piece::Variable(variable) = piece
                && size > EXPANDED_SIZE_BYTES_MAX
            {
                return Err(Fault::new(variable.offset, WordProblem::TooLarge));
            }
            if has_modifier(piece) {
                splitter.forget();
            }
            match piece {
                Piece::Open(_) | Piece::Variable(_) => splitter.open(&text),
                Piece::Closed(_) | Piece::Quoted(_) => splitter.closed(&text),
            }
        }
        Ok(splitter.into_words())
    }

    fn write(&mut self, pieces: &[Piece<'_>], text: &mut String) -> Result<(), Fault> {
        for piece in pieces {
            match piece {
                Piece::Open(part) | Piece::Closed(part) => text.push_str(part),
                Piece::Quoted(inside) => self.write(inside, text)?,
                Piece::Variable(variable) => {
                    text.push_str(&self.value(variable)?);
                    if text.len() > EXPANDED_SIZE_BYTES_MAX {
                        return Err(Fault::new(variable.offset, WordProblem::TooLarge));
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns what a variable expands to.
    fn value(&mut self, variable: &Variable<'_>) -> Result<String, Fault> {
        let name = variable.name;
        let keep = self.policy == UnsetVariables::Keep;
        match &variable.form {
            Form::Bare => Ok(match self.read(name) {
                None if keep => format!("${name}"),
                value => value.unwrap_or_default().to_owned(),
            }),
            Form::Braced => Ok(match self.read(name) {
                None if keep => format!("${{{name}}}"),
                value => value.unwrap_or_default().to_owned(),
            }),
            Form::Modified { sign, modifier, word } => {
                let word = self.text(word)?;
                match self.read(name) {
                    None if keep => Ok(format!("${{{name}{sign}{word}}}")),
                    value => modified(variable.offset, name, sign, *modifier, value, word),
                }
            }
            Form::Replaced {
                occurrences,
                pattern,
                replacement,
            } => {
                let pattern = self.text(pattern)?;
                let replacement = self.text(replacement)?;
                match self.read(name) {
                    None if keep => {
                        let sign = if *occurrences == Occurrences::All {
                            "//"
                        } else {
                            "/"
                        };
                        Ok(format!("${{{name}{sign}{pattern}/{replacement}}}"))
                    }
                    value => {
                        let value = value.unwrap_or_default();
                        replaced(variable.offset, *occurrences, value, pattern, &replacement)
                    }
                }
            }
        }
    }

    fn read(&mut self, name: &str) -> Option<&'v str> {
        let value = (self.lookup)(name);
        let names = if value.is_some() {
            &mut self.used
        } else {
            &mut self.unset
        };
        if !names.contains(name) {
            names.insert(name.to_owned());
        }
        value
    }
}

/// Whether a piece is, or quotes, a substitution that has a word of its own.
fn has_modifier(piece: &Piece<'_>) -> bool {
    match piece {
        Piece::Open(_) | Piece::Closed(_) => false,
        Piece::Quoted(inside) => inside.iter().any(has_modifier),
        Piece::Variable(variable) => matches!(variable.form, Form::Modified { .. } | Form::Replaced { .. }),
    }
}

fn modified(
    offset: usize,
    name: &str,
    sign: &str,
    modifier: Modifier,
    value: Option<&str>,
    word: String,
) -> Result<String, Fault> {
    let present = |emptiness| value.filter(|value| emptiness == Emptiness::Value || !value.is_empty());
    match modifier {
        Modifier::Default(emptiness) => Ok(present(emptiness).map_or(word, str::to_owned)),
        Modifier::Alternative(emptiness) => Ok(present(emptiness).map_or(String::new(), |_| word)),
        Modifier::Demand(emptiness) => present(emptiness).map(str::to_owned).ok_or_else(|| {
            let reason = if value.is_some() { "empty" } else { "unset" };
            let message = if word.is_empty() {
                format!("is not allowed to be {reason}")
            } else {
                word
            };
            Fault::new(
                offset,
                WordProblem::Demanded {
                    name: name.to_owned(),
                    message,
                },
            )
        }),
        Modifier::TrimStart => {
            let (reach, pattern) = reach('#', word);
            let trimmed = shell_pattern::trim_start(value.unwrap_or_default(), &pattern, reach);
            trimmed.map_err(|source| invalid_pattern(offset, pattern, source))
        }
        Modifier::TrimEnd => {
            let (reach, pattern) = reach('%', word);
            let trimmed = shell_pattern::trim_end(value.unwrap_or_default(), &pattern, reach);
            trimmed.map_err(|source| invalid_pattern(offset, pattern, source))
        }
        Modifier::Unknown => Err(Fault::new(
            offset,
            WordProblem::UnsupportedModifier {
                sign: sign.to_owned(),
            },
        )),
    }
}

/// Tells a doubled sign, which asks for the longest match, from a single one.
///
/// The second sign is looked for after expansion, so a variable can bring it.
fn reach(sign: char, word: String) -> (Reach, String) {
    match word.strip_prefix(sign) {
        Some(pattern) => (Reach::Longest, pattern.to_owned()),
        None => (Reach::Shortest, word),
    }
}

fn replaced(
    offset: usize,
    occurrences: Occurrences,
    value: &str,
    pattern: String,
    replacement: &str,
) -> Result<String, Fault> {
    let count_max = match occurrences {
        Occurrences::First => 1,
        Occurrences::All => usize::MAX,
    };
    let size_max = EXPANDED_SIZE_BYTES_MAX;
    match shell_pattern::replace(value, &pattern, replacement, count_max, size_max) {
        Err(source) => Err(invalid_pattern(offset, pattern, source)),
        Ok(None) => Err(Fault::new(offset, WordProblem::TooLarge)),
        Ok(Some(text)) => Ok(text),
    }
}

fn invalid_pattern(offset: usize, pattern: String, source: ShellPatternError) -> Fault {
    Fault::new(offset, WordProblem::InvalidPattern { pattern, source })
}
