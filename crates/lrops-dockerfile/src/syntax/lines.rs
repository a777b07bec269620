//! The lines of a source, and the way from a byte to its line and column.

/// The longest line, without its line feed, that `BuildKit` reads; longer ones are errors there and here.
pub const LINE_SIZE_BYTES_MAX: usize = 65_535;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// A line and a column, both counted from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The character in the line, from 1.
    pub column: u32,
}

/// Finds the line and column of a byte in a source.
#[derive(Clone, Debug)]
pub struct LineIndex<'a> {
    source: &'a str,
    starts: Vec<usize>,
}

impl<'a> LineIndex<'a> {
    /// Returns the index of the source's lines.
    pub fn new(source: &'a str) -> Self {
        let after_line_feeds = source
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(at, _)| at + 1);
        Self {
            source,
            starts: std::iter::once(0).chain(after_line_feeds).collect(),
        }
    }

    /// Returns the line and column of a byte; a byte beyond the end counts as the end.
    pub fn position(&self, offset: usize) -> Position {
        let offset = self.source.floor_char_boundary(offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let column = self.source[start..offset].chars().count() + 1;
        let saturated = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Position {
            line: saturated(line),
            column: saturated(column),
        }
    }
}

/// One line of the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Where the line starts in the source.
    pub(super) start: usize,
    /// The line with its line feed.
    pub(super) text: &'a str,
}

impl<'a> Line<'a> {
    /// Returns the line without its line feed and carriage returns.
    pub(super) fn content(&self) -> &'a str {
        self.text.trim_end_matches(['\r', '\n'])
    }

    /// Returns whether the line is a comment: its first character after spaces is `#`.
    pub(super) fn is_comment(&self) -> bool {
        self.text.trim_start().starts_with('#')
    }

    pub(super) fn is_blank(&self) -> bool {
        self.text.trim_start().is_empty()
    }

    /// Returns where the content ends in the source.
    pub(super) fn end(&self) -> usize {
        self.start + self.content().len()
    }
}

/// Gives the lines one by one and counts them.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    rest: &'a str,
    start: usize,
    number: u32,
}

impl<'a> Lines<'a> {
    /// Starts before the first line; a byte order mark is stepped over.
    pub(super) fn new(source: &'a str) -> Self {
        let rest = source.strip_prefix(BYTE_ORDER_MARK).unwrap_or(source);
        Self {
            rest,
            start: source.len() - rest.len(),
            number: 0,
        }
    }

    /// Returns where the next line starts in the source.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Returns the number of the line given last, from 1.
    pub(super) fn number(&self) -> u32 {
        self.number
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let length = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
        let (text, rest) = self.rest.split_at(length);
        let line = Line {
            start: self.start,
            text,
        };
        self.rest = rest;
        self.start += length;
        self.number += 1;
        Some(line)
    }
}
