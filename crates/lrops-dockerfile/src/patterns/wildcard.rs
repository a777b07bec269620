//! Wildcards of source paths.

/// A pattern as `COPY` and `ADD` understand their sources (Go's `filepath.Match`).
///
/// `*` is any text and `?` any character, neither contains a `/`; `[a-z]` and `[^a-z]` are sets; `\` escapes. The
/// pattern must match the whole name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcard {
    items: Vec<Item>,
}

/// One thing that a pattern asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Literal(char),
    /// A character that had an escape before it.
    Escaped(char),
    Any,
    Star,
    Set(Set),
}

/// `[…]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) complement: bool,
    /// First and last character of each range; a range whose last is before its first is empty.
    pub(super) ranges: Vec<(char, char)>,
}

/// A pattern with a set that is empty, not closed or badly made, or with an escape at its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern {pattern:?}")]
pub struct BadWildcard {
    /// The pattern as it was given.
    pub pattern: String,
}

impl Wildcard {
    /// Reads a pattern.
    ///
    /// # Errors
    /// If a set is not closed, empty or badly made, or if nothing follows the last `\`.
    pub fn parse(pattern: &str) -> Result<Self, BadWildcard> {
        let error = || BadWildcard {
            pattern: pattern.to_owned(),
        };
        let mut rest = pattern.chars();
        let mut items = Vec::new();
        while let Some(character) = rest.next() {
            items.push(match character {
                '*' => Item::Star,
                '?' => Item::Any,
                '[' => Item::Set(Set::read(&mut rest).ok_or_else(error)?),
                '\\' => Item::Escaped(rest.next().ok_or_else(error)?),
                literal => Item::Literal(literal),
            });
        }
        Ok(Self { items })
    }

    /// Returns whether the text contains characters that a pattern gives a meaning to.
    ///
    /// A text without them names one path, and need not be looked for.
    pub fn is_needed(text: &str) -> bool {
        text.contains(['*', '?', '[', '\\'])
    }

    /// Returns whether the pattern matches the whole name.
    pub fn matches(&self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        let (mut item, mut at) = (0, 0);
        // The item after the last star and how far that star reaches. Only the last one is tried again: what an
        // earlier star could take instead, the last one can take as well.
        let mut star: Option<(usize, usize)> = None;
        loop {
            match self.items.get(item) {
                Some(Item::Star) => {
                    item += 1;
                    star = Some((item, at));
                    continue;
                }
                Some(wanted) => {
                    if let Some((character, width)) = first_character(&name[at..])
                        && wanted.accepts(character)
                    {
                        item += 1;
                        at += width;
                        continue;
                    }
                }
                None if at == name.len() => return true,
                None => {}
            }
            let Some((after, reach)) = star else { return false };
            match first_character(&name[reach..]) {
                Some((character, width)) if character != '/' => {
                    (item, at) = (after, reach + width);
                    star = Some((after, at));
                }
                _ => return false,
            }
        }
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }
}

impl Item {
    fn accepts(&self, character: char) -> bool {
        match self {
            Item::Literal(wanted) | Item::Escaped(wanted) => character == *wanted,
            Item::Any => character != '/',
            Item::Set(set) => set.contains(character),
            Item::Star => false,
        }
    }
}

impl Set {
    /// Reads a set after its `[`, over its `]`.
    fn read(rest: &mut std::str::Chars<'_>) -> Option<Self> {
        let complement = rest.as_str().starts_with('^');
        if complement {
            rest.next();
        }
        let mut ranges = Vec::new();
        loop {
            if !ranges.is_empty() && rest.as_str().starts_with(']') {
                rest.next();
                return Some(Self { complement, ranges });
            }
            let first = Self::bound(rest)?;
            let last = if rest.as_str().starts_with('-') {
                rest.next();
                Self::bound(rest)?
            } else {
                first
            };
            ranges.push((first, last));
        }
    }

    /// Reads one end of a range: `-` and `]` need an escape.
    fn bound(rest: &mut std::str::Chars<'_>) -> Option<char> {
        match rest.next()? {
            '-' | ']' => None,
            '\\' => rest.next(),
            character => Some(character),
        }
    }

    fn contains(&self, character: char) -> bool {
        self.ranges
            .iter()
            .any(|&(first, last)| (first..=last).contains(&character))
            != self.complement
    }
}

/// Returns the first character and its width; a byte that begins none counts as one replacement character.
fn first_character(bytes: &[u8]) -> Option<(char, usize)> {
    let width = match *bytes.first()? {
        lead @ 0..=0x7F => return Some((char::from(lead), 1)),
        0xF0.. => 4,
        0xE0.. => 3,
        _ => 2,
    };
    let text = bytes
        .get(..width)
        .and_then(|bytes| std::str::from_utf8(bytes).ok());
    let character = text.and_then(|text| text.chars().next());
    Some(character.map_or((char::REPLACEMENT_CHARACTER, 1), |character| (character, width)))
}
