//! Lists of patterns: `.dockerignore` and `--exclude`.

use super::clean;
use super::reach::Reach;
use super::translation::Matcher;
use super::wildcard::{BadWildcard, Wildcard};

/// A list of patterns that says which paths are meant; in an ignore file, which are ignored.
///
/// The list is read in order: a pattern adds paths, a pattern with `!` takes some away again, and the last word
/// counts. A pattern that matches a directory holds for everything below it.
#[derive(Debug, Clone)]
pub struct PathPatterns {
    patterns: Vec<PathPattern>,
}

#[derive(Debug, Clone)]
struct PathPattern {
    /// The clean pattern, without `!`.
    text: String,
    matcher: Matcher,
    effect: Effect,
}

#[derive(Debug, Clone)]
enum Effect {
    /// Matching paths are meant.
    Include,
    /// Matching paths are not meant after all; they can lie this deep.
    Except(Reach),
}

/// What the patterns say about a directory, for asking about what is in it.
#[derive(Debug, Clone, Default)]
pub struct DirectoryMatch {
    matched: bool,
    /// Whether each pattern matched; empty at the root, where none did.
    patterns: Vec<bool>,
}

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A `!` stands alone.
    #[error("illegal exclusion pattern: \"!\"")]
    EmptyException {
        /// Which of the given patterns it is, counted from 0.
        index: usize,
    },
    /// The pattern is badly made.
    #[error("{bad}")]
    Syntax {
        /// Which of the given patterns it is, counted from 0.
        index: usize,
        /// The pattern.
        bad: BadWildcard,
    },
}

impl PathPatterns {
    /// Reads patterns; blank ones are passed over.
    ///
    /// # Errors
    /// If a pattern is badly made, or a `!` stands alone.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self, PatternError> {
        let mut read = Vec::new();
        for (index, pattern) in patterns.into_iter().enumerate() {
            let pattern = pattern.as_ref().trim();
            if !pattern.is_empty() {
                read.push(PathPattern::new(index, &clean(pattern))?);
            }
        }
        Ok(Self { patterns: read })
    }

    /// Returns whether there is no pattern, so that no path is meant.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Returns whether a pattern begins with `!`.
    pub fn has_exceptions(&self) -> bool {
        self.patterns.iter().any(PathPattern::is_exception)
    }

    /// Returns the clean patterns in order, each exception with its `!`.
    pub fn iter(&self) -> impl Iterator<Item = String> + '_ {
        self.patterns.iter().map(|pattern| {
            let sign = if pattern.is_exception() { "!" } else { "" };
            format!("{sign}{}", pattern.text)
        })
    }

    /// Returns whether a path is meant, by itself or because a directory above it is.
    pub fn matches(&self, path: impl AsRef<[u8]>) -> bool {
        let path = path.as_ref();
        let mut matched = false;
        for pattern in &self.patterns {
            if pattern.is_exception() == matched && pattern.matches_path_or_parent(path) {
                matched = !matched;
            }
        }
        matched
    }

    /// Returns whether a path in the directory that `parent` speaks of is meant.
    ///
    /// This is [`matches`](Self::matches) for a walk, where each directory is matched once. As in moby's
    /// `MatchesUsingParentResults`, by which BuildKit selects a context's files, the two differ in one case: a
    /// pattern that came too late to matter for the directory is not asked about it again, so with `*`, `!dir/keep`,
    /// `dir` the file `dir/keep` is left out by `matches` and stays in a walk.
    pub fn matches_in(&self, parent: &DirectoryMatch, path: impl AsRef<[u8]>) -> bool {
        self.evaluate(parent, path.as_ref(), |_| {})
    }

    /// Returns what the patterns say about a directory within the one that `parent` speaks of.
    pub fn enter(&self, parent: &DirectoryMatch, path: impl AsRef<[u8]>) -> DirectoryMatch {
        let mut patterns = vec![false; self.patterns.len()];
        let matched = self.evaluate(parent, path.as_ref(), |index| patterns[index] = true);
        DirectoryMatch { matched, patterns }
    }

    /// Returns whether everything below a directory is meant, so that an ignoring walk need not look into it.
    ///
    /// That is so if the directory is meant and no exception that could still change it reaches below. An exception
    /// before the last pattern that matched the directory changes nothing, for that pattern holds below as well.
    pub fn covers_all_below(&self, directory: &DirectoryMatch, path: impl AsRef<[u8]>) -> bool {
        let path = path.as_ref();
        let later = directory
            .patterns
            .iter()
            .rposition(|&matches| matches)
            .map_or(0, |last| last + 1);
        directory.matched
            && self.patterns[later..]
                .iter()
                .all(|pattern| match &pattern.effect {
                    Effect::Include => true,
                    Effect::Except(reach) => !reach.below(path),
                })
    }

    fn evaluate(&self, parent: &DirectoryMatch, path: &[u8], mut note: impl FnMut(usize)) -> bool {
        let mut matched = false;
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = parent.patterns.get(index).is_some_and(|&matches| matches);
            let asked = || pattern.is_exception() == matched && pattern.matcher.matches(path);
            if inherited || asked() {
                note(index);
                matched = !pattern.is_exception();
            }
        }
        matched
    }
}

impl DirectoryMatch {
    /// Returns the beginning of a walk: the root itself is matched by nothing.
    pub fn root() -> Self {
        Self::default()
    }

    /// Returns whether the directory itself is meant.
    pub fn is_matched(&self) -> bool {
        self.matched
    }
}

impl PathPattern {
    fn new(index: usize, pattern: &str) -> Result<Self, PatternError> {
        let (text, effect) = match pattern.strip_prefix('!') {
            None => (pattern, Effect::Include),
            Some("") => return Err(PatternError::EmptyException { index }),
            Some(text) => (text, Effect::Except(Reach::new(text))),
        };
        let syntax = |bad| PatternError::Syntax { index, bad };
        let wildcard = Wildcard::parse(text).map_err(syntax)?;
        let matcher = Matcher::new(wildcard.items()).ok_or_else(|| {
            syntax(BadWildcard {
                pattern: text.to_owned(),
            })
        })?;
        Ok(Self {
            text: text.to_owned(),
            matcher,
            effect,
        })
    }

    fn is_exception(&self) -> bool {
        matches!(self.effect, Effect::Except(_))
    }

    fn matches_path_or_parent(&self, path: &[u8]) -> bool {
        let mut ends = path
            .iter()
            .enumerate()
            .filter(|&(_, &byte)| byte == b'/')
            .map(|(end, _)| end);
        self.matcher.matches(path) || ends.any(|end| self.matcher.matches(&path[..end]))
    }
}
