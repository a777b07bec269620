//! A word read into pieces; every piece is a slice of the word.

use std::sync::LazyLock;

use regex::Regex;

use super::error::{Fault, WordProblem};
use super::expander::{Escapes, Expander, NESTING_MAX, Quotes};

/// A part of a word.
#[derive(Debug)]
pub(super) enum Piece<'w> {
    /// Text whose white space separates words.
    Open(&'w str),
    /// Text whose white space does not: it was quoted or escaped.
    Closed(&'w str),
    /// What stands between double quotes.
    Quoted(Vec<Piece<'w>>),
    /// A variable.
    Variable(Variable<'w>),
}

/// A variable where it is read.
#[derive(Debug)]
pub(super) struct Variable<'w> {
    /// The place of its `$`.
    pub(super) offset: usize,
    pub(super) name: &'w str,
    pub(super) form: Form<'w>,
}

/// What is asked of a variable.
#[derive(Debug)]
pub(super) enum Form<'w> {
    /// `$name`
    Bare,
    /// `${name}`
    Braced,
    /// `${name:-word}` and its like.
    Modified {
        sign: &'w str,
        modifier: Modifier,
        word: Vec<Piece<'w>>,
    },
    /// `${name/pattern/replacement}`, or with `//`.
    Replaced {
        occurrences: Occurrences,
        pattern: Vec<Piece<'w>>,
        replacement: Vec<Piece<'w>>,
    },
}

/// What a sign after the name means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Modifier {
    /// `-`: the word, if the variable has no value.
    Default(Emptiness),
    /// `+`: the word, if the variable has a value.
    Alternative(Emptiness),
    /// `?`: an error, if the variable has no value.
    Demand(Emptiness),
    /// `#`: without the beginning that the word matches.
    TrimStart,
    /// `%`: without the end that the word matches.
    TrimEnd,
    /// A sign after `:` that does not exist.
    ///
    /// It is an error only where the modifier would be applied: an unset variable that stays in the text keeps it.
    Unknown,
}

/// What an empty value counts as: a colon before the sign makes the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Emptiness {
    Value,
    Unset,
}

/// Which occurrences of a pattern are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occurrences {
    First,
    All,
}

/// Reads one word.
pub(super) struct Parser<'w> {
    word: &'w str,
    position: usize,
    escape: char,
    quotes: Quotes,
    /// Patterns keep their escapes whatever the setting, for there an escape means something of its own.
    escapes: Escapes,
    depth: usize,
}

impl<'w> Parser<'w> {
    pub(super) fn new(word: &'w str, settings: &Expander) -> Self {
        let Expander {
            escape,
            quotes,
            escapes,
            ..
        } = *settings;
        Self {
            word,
            position: 0,
            escape,
            quotes,
            escapes,
            depth: 0,
        }
    }

    /// Reads the whole word.
    pub(super) fn word(mut self) -> Result<Vec<Piece<'w>>, Fault> {
        let mut pieces = Vec::new();
        while !self.at_end() {
            self.piece(None, &mut pieces)?;
        }
        Ok(pieces)
    }

    /// Reads up to and over `stop`; `missing` is what is wrong if the word ends before it.
    ///
    /// A mistake that reaches to the end of the word is reported as the missing end of the substitution, which began
    /// before it.
    fn nested(&mut self, stop: char, escapes: Escapes, missing: Fault) -> Result<Vec<Piece<'w>>, Fault> {
        if self.depth == NESTING_MAX {
            return Err(Fault::new(missing.offset, WordProblem::TooDeep));
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.escapes, escapes);
        let mut pieces = Vec::new();
        let result = loop {
            match self.peek() {
                None => break Err(None),
                Some(character) if character == stop => {
                    self.advance();
                    break Ok(pieces);
                }
                Some(_) => {}
            }
            if let Err(fault) = self.piece(Some(stop), &mut pieces) {
                break Err(Some(fault));
            }
        };
        self.escapes = outer;
        self.depth -= 1;
        result.map_err(|fault| fault.filter(|_| !self.at_end()).unwrap_or(missing))
    }

    /// Reads the piece that begins here.
    fn piece(&mut self, stop: Option<char>, pieces: &mut Vec<Piece<'w>>) -> Result<(), Fault> {
        let start = self.position;
        let quoting = self.quotes != Quotes::Ordinary;
        match self.advance() {
            None => {}
            Some('$') => pieces.push(self.variable(start)?),
            Some('<') => pieces.push(self.heredoc_sign(start)),
            Some('\'') if quoting => pieces.push(self.single_quoted(start)?),
            Some('"') if quoting => pieces.push(Piece::Quoted(self.double_quoted(start)?)),
            Some(character) if character == self.escape => pieces.push(self.escaped(start)),
            Some(_) => {
                let escape = self.escape;
                self.advance_while(|next| {
                    !matches!(next, '$' | '<' | '\'' | '"') && next != escape && Some(next) != stop
                });
                pieces.push(Piece::Open(self.since(start)));
            }
        }
        Ok(())
    }

    /// Reads the character after an escape; an escape at the end of the word escapes nothing.
    fn escaped(&mut self, start: usize) -> Piece<'w> {
        let after = self.position;
        self.advance();
        match self.escapes {
            Escapes::Keep => Piece::Closed(self.since(start)),
            Escapes::Remove => Piece::Closed(self.since(after)),
        }
    }

    /// Reads a `<`, or a `<<` with the blanks after it: those belong to the heredoc's word.
    fn heredoc_sign(&mut self, start: usize) -> Piece<'w> {
        if self.peek() == Some('<') {
            self.advance();
            self.advance_while(|next| matches!(next, ' ' | '\t' | '\r'));
        }
        Piece::Closed(self.since(start))
    }

    /// Reads up to the next `'`; within, nothing is special.
    fn single_quoted(&mut self, start: usize) -> Result<Piece<'w>, Fault> {
        let inside = self.position;
        self.advance_while(|next| next != '\'');
        let text = self.since(inside);
        match (self.advance(), self.quotes) {
            (None, _) => Err(Fault::new(start, WordProblem::UnclosedSingleQuote)),
            (Some(_), Quotes::Keep) => Ok(Piece::Closed(self.since(start))),
            (Some(_), _) => Ok(Piece::Closed(text)),
        }
    }

    /// Reads up to the next `"` that is not escaped; within, only `$` and escapes are special.
    fn double_quoted(&mut self, start: usize) -> Result<Vec<Piece<'w>>, Fault> {
        let mut pieces = Vec::new();
        if self.quotes == Quotes::Keep {
            pieces.push(Piece::Closed(self.since(start)));
        }
        loop {
            let from = self.position;
            match self.advance() {
                None => return Err(Fault::new(start, WordProblem::UnclosedDoubleQuote)),
                Some('"') => {
                    if self.quotes == Quotes::Keep {
                        pieces.push(Piece::Closed(self.since(from)));
                    }
                    return Ok(pieces);
                }
                Some('$') => pieces.push(self.variable(from)?),
                Some(character) if character == self.escape => self.escaped_in_quotes(from, &mut pieces),
                Some(_) => {
                    let escape = self.escape;
                    self.advance_while(|next| !matches!(next, '"' | '$') && next != escape);
                    pieces.push(Piece::Closed(self.since(from)));
                }
            }
        }
    }

    /// Reads an escape between double quotes: it escapes `"`, `$` and itself, and is a plain character before others.
    fn escaped_in_quotes(&mut self, start: usize, pieces: &mut Vec<Piece<'w>>) {
        let escape = Piece::Closed(self.since(start));
        let after = self.position;
        if self.escapes == Escapes::Keep {
            pieces.push(escape);
        }
        match self.peek() {
            None => {}
            Some(next) if next == '"' || next == '$' || next == self.escape => {
                self.advance();
                pieces.push(Piece::Closed(self.since(after)));
            }
            // BuildKit writes such a character twice where escapes are kept; heredoc names depend on what it writes.
            Some(_) => pieces.push(Piece::Closed(&self.word[start..after])),
        }
    }

    /// Reads what follows a `$`; without a name the `$` is text.
    fn variable(&mut self, offset: usize) -> Result<Piece<'w>, Fault> {
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok(Piece::Open(self.since(offset)));
            }
            return Ok(Piece::Variable(Variable {
                offset,
                name,
                form: Form::Bare,
            }));
        }
        self.advance();
        match self.peek() {
            None => return Err(Fault::new(offset, WordProblem::MissingBrace)),
            Some('{' | '}' | ':') => return Err(Fault::new(offset, WordProblem::BadSubstitution)),
            Some(_) => {}
        }
        let name = self.name();
        let form = self.form(offset)?;
        Ok(Piece::Variable(Variable { offset, name, form }))
    }

    /// Reads a name: letters, digits and `_`; or digits alone; or one of the shell's special parameters.
    fn name(&mut self) -> &'w str {
        let start = self.position;
        match self.peek() {
            Some(first) if is_digit(first) => self.advance_while(is_digit),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => {
                self.advance();
            }
            _ => self.advance_while(|next| next == '_' || is_letter(next) || is_digit(next)),
        }
        self.since(start)
    }

    /// Reads what follows the name within braces, over the closing one.
    fn form(&mut self, offset: usize) -> Result<Form<'w>, Fault> {
        let start = self.position;
        let missing = || Fault::new(offset, WordProblem::MissingBrace);
        let (first, emptiness) = match self.advance() {
            Some(':') => (self.advance(), Emptiness::Unset),
            other => (other, Emptiness::Value),
        };
        let modifier = match (first, emptiness) {
            (None, _) => return Err(missing()),
            (Some('}'), Emptiness::Value) => return Ok(Form::Braced),
            (Some('/'), Emptiness::Value) => return self.replacement(offset),
            (Some('-'), emptiness) => Modifier::Default(emptiness),
            (Some('+'), emptiness) => Modifier::Alternative(emptiness),
            (Some('?'), emptiness) => Modifier::Demand(emptiness),
            (Some('#'), Emptiness::Value) => Modifier::TrimStart,
            (Some('%'), Emptiness::Value) => Modifier::TrimEnd,
            (Some(other), Emptiness::Unset) if other != '#' && other != '%' => Modifier::Unknown,
            _ => {
                let sign = self.since(start).to_owned();
                return Err(Fault::new(start, WordProblem::UnsupportedModifier { sign }));
            }
        };
        let sign = self.since(start);
        let escapes = match modifier {
            Modifier::TrimStart | Modifier::TrimEnd => Escapes::Keep,
            _ => Escapes::Remove,
        };
        let word = self.nested('}', escapes, missing())?;
        Ok(Form::Modified { sign, modifier, word })
    }

    /// Reads `pattern/replacement}` after the first `/`.
    fn replacement(&mut self, offset: usize) -> Result<Form<'w>, Fault> {
        let occurrences = if self.peek() == Some('/') {
            self.advance();
            Occurrences::All
        } else {
            Occurrences::First
        };
        let pattern = self.nested('/', Escapes::Keep, Fault::new(offset, WordProblem::MissingSlash))?;
        let replacement = self.nested('}', Escapes::Keep, Fault::new(offset, WordProblem::MissingBrace))?;
        Ok(Form::Replaced {
            occurrences,
            pattern,
            replacement,
        })
    }

    fn at_end(&self) -> bool {
        self.position == self.word.len()
    }

    fn peek(&self) -> Option<char> {
        self.word[self.position..].chars().next()
    }

    fn advance(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.position += next.len_utf8();
        Some(next)
    }

    fn advance_while(&mut self, wanted: impl Fn(char) -> bool) {
        let rest = &self.word[self.position..];
        self.position += rest.find(|next| !wanted(next)).unwrap_or(rest.len());
    }

    fn since(&self, start: usize) -> &'w str {
        &self.word[start..self.position]
    }
}

/// Whether a name may contain the character as a letter (Unicode category L, as in Go).
fn is_letter(character: char) -> bool {
    static LETTER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\p{L}").expect("the category exists"));
    character.is_ascii_alphabetic() || is_beyond_ascii(&LETTER, character)
}

/// Whether a name may contain the character as a digit (Unicode category Nd, as in Go).
fn is_digit(character: char) -> bool {
    static DIGIT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\p{Nd}").expect("the category exists"));
    character.is_ascii_digit() || is_beyond_ascii(&DIGIT, character)
}

fn is_beyond_ascii(category: &Regex, character: char) -> bool {
    !character.is_ascii() && category.is_match(character.encode_utf8(&mut [0; 4]))
}
