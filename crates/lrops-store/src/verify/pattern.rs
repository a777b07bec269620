//! Patterns for paths in an image.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str::FromStr;

/// How long a pattern may be: as long as the longest path.
const PATTERN_BYTES_MAX: usize = 4096;

/// A pattern for paths in an image, such as `/usr/share/**/*.so`.
///
/// `*` stands for any characters of one name, `?` for one byte, `**` for any number of names, and a backslash takes the
/// next character's meaning away; brackets are ordinary characters, because web frameworks name files with them. A
/// pattern counts from the root, with or without a slash at its start, and covers everything below what it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    AnyDepth,
    Name(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    AnyByte,
    AnyBytes,
}

impl PathPattern {
    /// Returns whether the pattern matches `path`, relative to the root, or a directory above it.
    pub fn covers(&self, path: &Path) -> bool {
        let mut reached = vec![false; self.parts.len() + 1];
        reached[0] = true;
        self.pass_any_depth(&mut reached);
        for component in path.components() {
            let mut next = vec![false; reached.len()];
            for (index, part) in self.parts.iter().enumerate() {
                if !reached[index] {
                    continue;
                }
                match part {
                    Part::AnyDepth => next[index] = true,
                    Part::Name(tokens) if matches_name(tokens, component.as_os_str().as_bytes()) => {
                        next[index + 1] = true;
                    }
                    Part::Name(_) => {}
                }
            }
            self.pass_any_depth(&mut next);
            reached = next;
            if reached[self.parts.len()] {
                return true;
            }
        }
        false
    }

    /// `**` also stands for no name at all.
    fn pass_any_depth(&self, reached: &mut [bool]) {
        for (index, part) in self.parts.iter().enumerate() {
            if *part == Part::AnyDepth && reached[index] {
                reached[index + 1] = true;
            }
        }
    }
}

/// Matches one name, going back to the last `*` only, which suffices and keeps the time quadratic.
fn matches_name(tokens: &[Token], name: &[u8]) -> bool {
    let (mut token, mut byte) = (0, 0);
    let mut last_star = None;
    while byte < name.len() {
        match tokens.get(token) {
            Some(Token::AnyBytes) => {
                last_star = Some((token, byte));
                token += 1;
            }
            Some(Token::AnyByte) => (token, byte) = (token + 1, byte + 1),
            Some(Token::Byte(expected)) if *expected == name[byte] => (token, byte) = (token + 1, byte + 1),
            _ => {
                let Some((star, from)) = last_star else {
                    return false;
                };
                last_star = Some((star, from + 1));
                (token, byte) = (star + 1, from + 1);
            }
        }
    }
    tokens[token..].iter().all(|token| *token == Token::AnyBytes)
}

impl FromStr for PathPattern {
    type Err = ParsePathPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason| ParsePathPatternError {
            text: text.chars().take(256).collect(),
            reason,
        };
        if text.len() > PATTERN_BYTES_MAX {
            return Err(error("it is longer than 4096 bytes"));
        }
        let mut parts = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => return Err(error("it goes up with ..")),
                "**" => parts.push(Part::AnyDepth),
                name if name.contains("**") => {
                    return Err(error("** must stand alone between slashes"));
                }
                name => parts.push(Part::Name(
                    tokens(name).ok_or_else(|| error("a backslash ends a name"))?,
                )),
            }
        }
        if parts.is_empty() {
            return Err(error("it names no file"));
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }
}

fn tokens(name: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        tokens.push(match byte {
            b'*' => Token::AnyBytes,
            b'?' => Token::AnyByte,
            b'\\' => Token::Byte(bytes.next()?),
            byte => Token::Byte(byte),
        });
    }
    Some(tokens)
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A text that is no pattern for paths.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no pattern for paths: {reason}")]
pub struct ParsePathPatternError {
    text: String,
    reason: &'static str,
}
