//! From the pattern's text to the quickest way of matching it.

use std::fmt::Write;

use regex::bytes::Regex;

use super::wildcard::{Item, Set};

/// How a pattern is matched against a whole path.
#[derive(Debug, Clone)]
pub(super) enum Matcher {
    /// The path is this text.
    Exact(String),
    /// The path begins with this text: `text**`.
    Prefix(String),
    /// The path ends with this text: `**text`. After `**/` it may also be the whole path but for the slash.
    Suffix(String),
    /// Everything else.
    Regex(Regex),
}

impl Matcher {
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        match self {
            Matcher::Exact(text) => path == text.as_bytes(),
            Matcher::Prefix(text) => path.starts_with(text.as_bytes()),
            Matcher::Suffix(text) => {
                path.ends_with(text.as_bytes())
                    || text.strip_prefix('/').is_some_and(|text| path == text.as_bytes())
            }
            Matcher::Regex(regex) => regex.is_match(path),
        }
    }

    /// Translates a pattern; `None` if a range in it runs backwards, or if it is too long to be prepared.
    pub(super) fn new(items: &[Item]) -> Option<Self> {
        let mut translation = Translation::new();
        let mut rest = items;
        while let [first, after @ ..] = rest {
            let is_first = rest.len() == items.len();
            rest = if let (Item::Star, [Item::Star, after @ ..]) = (first, after) {
                translation.double_star(is_first, after)
            } else {
                translation.item(first)?;
                after
            };
        }
        translation.finish()
    }
}

/// A translation under way.
struct Translation {
    kind: Kind,
    /// The literal text so far, of use as long as the kind is not `Regex`.
    text: String,
    /// The regular expression so far.
    source: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Exact,
    Prefix,
    Suffix,
    Regex,
}

impl Translation {
    fn new() -> Self {
        Self {
            kind: Kind::Exact,
            text: String::new(),
            source: "^".to_owned(),
        }
    }

    /// Translates `**` and returns what is left: the slash of `**/` belongs to it.
    ///
    /// Which of the three meanings applies follows moby: a first `**` before plain text is any beginning whatsoever
    /// (`**b` matches `ab`), while further on it is any number of whole directories.
    fn double_star<'i>(&mut self, is_first: bool, after: &'i [Item]) -> &'i [Item] {
        let rest = match after {
            [Item::Literal('/'), rest @ ..] => rest,
            _ => after,
        };
        if rest.is_empty() {
            self.source.push_str("(?s-u:.)*");
            self.kind = if self.kind == Kind::Exact {
                Kind::Prefix
            } else {
                Kind::Regex
            };
        } else {
            self.source.push_str("(?:(?s-u:.)*/)?");
            self.kind = Kind::Regex;
        }
        if is_first {
            self.kind = Kind::Suffix;
            self.text
                .push_str(if rest.len() < after.len() && !rest.is_empty() {
                    "/"
                } else {
                    ""
                });
        }
        rest
    }

    fn item(&mut self, item: &Item) -> Option<()> {
        match item {
            Item::Literal(character) => {
                self.text.push(*character);
                self.literal(*character);
                return Some(());
            }
            Item::Escaped(character) => self.literal(*character),
            Item::Any => self.source.push_str("[^/]"),
            Item::Star => self.source.push_str("(?-u:[^/])*"),
            Item::Set(set) => self.set(set)?,
        }
        self.kind = Kind::Regex;
        Some(())
    }

    fn literal(&mut self, character: char) {
        self.source
            .push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
    }

    fn set(&mut self, set: &Set) -> Option<()> {
        self.source.push_str(if set.complement { "[^" } else { "[" });
        for &(first, last) in &set.ranges {
            if last < first {
                return None;
            }
            // By number, since more characters are special within a set here than in the pattern.
            write!(
                self.source,
                r"\x{{{:X}}}-\x{{{:X}}}",
                u32::from(first),
                u32::from(last)
            )
            .ok()?;
        }
        self.source.push(']');
        Some(())
    }

    fn finish(self) -> Option<Matcher> {
        Some(match self.kind {
            Kind::Exact => Matcher::Exact(self.text),
            Kind::Prefix => Matcher::Prefix(self.text),
            Kind::Suffix => Matcher::Suffix(self.text),
            Kind::Regex => Matcher::Regex(Regex::new(&format!("{}$", self.source)).ok()?),
        })
    }
}
