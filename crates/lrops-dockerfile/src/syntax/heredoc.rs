//! Heredocs: `<<NAME` in an instruction, and the lines up to `NAME` behind it.

use super::Span;
use super::raw_words::{Keep, raw_words};

/// A text written behind its instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that ends it, without quotes; `COPY` takes it as the file's name.
    pub name: String,
    /// The number before `<<`; 0 when there is none.
    pub file_descriptor: u64,
    /// Whether variables in the content are expanded: no part of the name was quoted.
    pub expand: bool,
    /// Whether leading tabs go: it was written with `<<-`.
    pub strip_tabs: bool,
    /// The content as written, tabs included.
    pub content: String,
    /// Where the content stands.
    pub span: Span,
}

impl Heredoc {
    /// Returns the content as its reader gets it: without leading tabs when it was written with `<<-`.
    pub fn text(&self) -> String {
        if self.strip_tabs {
            without_leading_tabs(&self.content)
        } else {
            self.content.clone()
        }
    }

    /// Reads a word as the start of a heredoc; the content is still empty.
    ///
    /// # Errors
    /// Says what is malformed when the word starts like a heredoc and its name cannot be read.
    pub fn from_word(word: &str) -> Result<Option<Self>, String> {
        let Some(start) = split_start(word) else {
            return Ok(None);
        };
        let process = |keep| {
            raw_words(start.name, keep)
                .map_err(|error| format!("failed to process {:?}: {error}", start.name))
        };
        let names = process(Keep {
            quotes: false,
            escapes: false,
        })?;
        let [name] = names.as_slice() else {
            return Ok(None);
        };
        // The name is read with its quotes and without: a quote that only one of the two has was a quoting one.
        let quoted = process(Keep {
            quotes: true,
            escapes: false,
        })?;
        let expand = quoted
            .first()
            .is_some_and(|quoted| quotes_in(quoted) == quotes_in(name));
        Ok(Some(Self {
            name: name.clone(),
            file_descriptor: start.file_descriptor,
            expand,
            strip_tabs: start.strip_tabs,
            content: String::new(),
            span: 0..0,
        }))
    }

    /// Returns whether a line, without its end, is the one that ends this heredoc.
    pub(super) fn ends_at(&self, line: &str) -> bool {
        let line = if self.strip_tabs {
            line.trim_start_matches('\t')
        } else {
            line
        };
        line == self.name
    }
}

/// Returns the heredocs that a logical line starts.
pub(super) fn heredocs_of(line: &str) -> Result<Vec<Heredoc>, String> {
    // A line that is malformed as shell words starts none.
    let words = raw_words(
        line,
        Keep {
            quotes: true,
            escapes: true,
        },
    )
    .unwrap_or_default();
    words
        .iter()
        .filter_map(|word| Heredoc::from_word(word).transpose())
        .collect()
}

struct Start<'w> {
    file_descriptor: u64,
    strip_tabs: bool,
    name: &'w str,
}

fn split_start(word: &str) -> Option<Start<'_>> {
    let (number, rest) = word.split_once("<<")?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let (strip_tabs, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
    let name = rest.trim_start_matches(['\t', '\n', '\x0c', '\r', ' ']);
    if !is_number || name.is_empty() || name.contains('<') {
        return None;
    }
    Some(Start {
        file_descriptor: number.parse().unwrap_or(0),
        strip_tabs,
        name,
    })
}

fn quotes_in(text: &str) -> usize {
    text.matches(['\'', '"']).count()
}

fn without_leading_tabs(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| line.trim_start_matches('\t'))
        .collect()
}
