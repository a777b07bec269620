//! The shell words of a line as they stand, which is where heredocs are looked for.
//!
//! A heredoc starts at a word `<<NAME`, so a line must be split as a shell would split it: `"<<NAME"` in quotes, or
//! `${x:-<<NAME}`, is none. Nothing is expanded: variables stay as written. A line that is no valid sequence of words (an
//! open quote, a malformed `${`) holds no heredoc at all. The escape character is always the backslash here, whatever
//! `# escape=` says, because heredocs belong to the shell that reads them.

use std::iter::Peekable;
use std::str::Chars;

/// How deep `${a:-${b:-…}}` may nest; the reference has no limit, a call stack has.
const NESTING_MAX: u32 = 64;

/// What of the quoting stays in the words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    pub(super) quotes: bool,
    pub(super) escapes: bool,
}

/// Splits a text into shell words; the error says what is malformed.
pub(super) fn raw_words(text: &str, keep: Keep) -> Result<Vec<String>, &'static str> {
    let mut scanner = Scanner {
        rest: text.chars().peekable(),
        keep,
        depth: 0,
    };
    scanner.until(None, keep.escapes).map(|read| read.words)
}

struct Scanner<'t> {
    rest: Peekable<Chars<'t>>,
    keep: Keep,
    depth: u32,
}

/// A text read up to its end or a stop character: whole, and split into words.
#[derive(Default)]
struct Read {
    whole: String,
    words: Vec<String>,
    word: String,
}

impl Read {
    fn push(&mut self, character: char) {
        self.whole.push(character);
        self.word.push(character);
    }

    fn push_splitting(&mut self, character: char) {
        self.whole.push(character);
        if character.is_whitespace() {
            self.end_word();
        } else {
            self.word.push(character);
        }
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }
}

impl Scanner<'_> {
    fn until(&mut self, stop: Option<char>, keep_escapes: bool) -> Result<Read, &'static str> {
        let outer = std::mem::replace(&mut self.keep.escapes, keep_escapes);
        let mut read = Read::default();
        while let Some(character) = self.rest.next() {
            if Some(character) == stop {
                read.end_word();
                self.keep.escapes = outer;
                return Ok(read);
            }
            match character {
                '\'' => self.single_quoted(&mut read)?,
                '"' => self.double_quoted(&mut read)?,
                '$' => self
                    .dollar()?
                    .chars()
                    .for_each(|character| read.push_splitting(character)),
                '<' => self.less_than(&mut read),
                '\\' => self.escaped(&mut read),
                _ => read.push_splitting(character),
            }
        }
        if stop.is_some() {
            return Err("unexpected end of statement while looking for the end of a substitution");
        }
        read.end_word();
        Ok(read)
    }

    fn escaped(&mut self, read: &mut Read) {
        if self.keep.escapes {
            read.push('\\');
        }
        if let Some(character) = self.rest.next() {
            read.push(character);
        }
    }

    /// Keeps `<<` and the blanks behind it in one word, since the name may stand apart.
    fn less_than(&mut self, read: &mut Read) {
        read.push('<');
        if self.rest.next_if_eq(&'<').is_none() {
            return;
        }
        read.push('<');
        while let Some(blank) = self.rest.next_if(|next| matches!(next, ' ' | '\t')) {
            read.push(blank);
        }
    }

    fn single_quoted(&mut self, read: &mut Read) -> Result<(), &'static str> {
        self.quote('\'', read);
        loop {
            match self.rest.next() {
                None => return Err("unexpected end of statement while looking for matching single-quote"),
                Some('\'') => break,
                Some(character) => read.push(character),
            }
        }
        self.quote('\'', read);
        Ok(())
    }

    fn double_quoted(&mut self, read: &mut Read) -> Result<(), &'static str> {
        self.quote('"', read);
        loop {
            match self.rest.next() {
                None => return Err("unexpected end of statement while looking for matching double-quote"),
                Some('"') => break,
                Some('$') => self.dollar()?.chars().for_each(|character| read.push(character)),
                Some('\\') => self.escaped_in_quotes(read),
                Some(character) => read.push(character),
            }
        }
        self.quote('"', read);
        Ok(())
    }

    fn escaped_in_quotes(&mut self, read: &mut Read) {
        let escapes = self.rest.next_if(|next| matches!(next, '"' | '$' | '\\'));
        if self.keep.escapes || escapes.is_none() {
            read.push('\\');
        }
        // Behind a backslash that escapes nothing, with escapes kept, the reference writes it twice; such a word names
        // no heredoc either way.
        if let Some(character) = escapes {
            read.push(character);
        }
    }

    fn quote(&self, quote: char, read: &mut Read) {
        if self.keep.quotes {
            read.push(quote);
        }
    }

    /// Reads what follows `$` and returns it as it stood.
    fn dollar(&mut self) -> Result<String, &'static str> {
        if self.rest.next_if_eq(&'{').is_none() {
            return Ok(format!("${}", self.name()));
        }
        match self.rest.peek() {
            None => return Err("syntax error: missing '}'"),
            Some('{' | '}' | ':') => return Err("syntax error: bad substitution"),
            Some(_) => {}
        }
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err("substitutions nest too deep");
        }
        let name = self.name();
        let substitution = self.substitution(&name)?;
        self.depth -= 1;
        Ok(substitution)
    }

    fn substitution(&mut self, name: &str) -> Result<String, &'static str> {
        match self.rest.next() {
            Some('}') => Ok(format!("${{{name}}}")),
            Some(':') => match self.rest.next() {
                None | Some('#' | '%') => Err("unsupported modifier in substitution"),
                Some(modifier) => {
                    let word = self.until(Some('}'), false)?.whole;
                    Ok(format!("${{{name}:{modifier}{word}}}"))
                }
            },
            Some(modifier @ ('+' | '-' | '?' | '#' | '%')) => {
                let word = self.until(Some('}'), matches!(modifier, '#' | '%'))?.whole;
                Ok(format!("${{{name}{modifier}{word}}}"))
            }
            Some('/') => {
                let all = self.rest.next_if_eq(&'/').map_or("", |_| "/");
                let pattern = self.until(Some('/'), true)?.whole;
                let replacement = self.until(Some('}'), true)?.whole;
                Ok(format!("${{{name}/{all}{pattern}/{replacement}}}"))
            }
            _ => Err("unsupported modifier in substitution"),
        }
    }

    fn name(&mut self) -> String {
        let is_special = |next: &char| matches!(next, '@' | '*' | '#' | '?' | '-' | '$' | '!' | '0');
        let mut name = String::new();
        match self.rest.peek() {
            Some(digit) if digit.is_numeric() => {
                name.extend(std::iter::from_fn(|| self.rest.next_if(|next| next.is_numeric())));
            }
            Some(special) if is_special(special) => name.extend(self.rest.next()),
            _ => {
                let in_name = |next: &char| next.is_alphanumeric() || *next == '_';
                name.extend(std::iter::from_fn(|| self.rest.next_if(in_name)));
            }
        }
        name
    }
}
