//! A statement's lines joined into one, with the way back to the source.

use super::{Span, Word};

/// One logical line; each piece of it remembers where it stood in the source.
#[derive(Clone, Debug, Default)]
pub(super) struct JoinedLine {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    joined: usize,
    source: usize,
}

impl JoinedLine {
    /// Appends a piece of the source that starts at a byte of it.
    pub(super) fn push(&mut self, piece: &str, source: usize) {
        self.pieces.push(Piece {
            joined: self.text.len(),
            source,
        });
        self.text.push_str(piece);
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the place in the source of a range of the joined text.
    pub(super) fn span(&self, range: &Span) -> Span {
        let start = self.source_of(range.start, |piece| piece.joined <= range.start);
        if range.is_empty() {
            return start..start;
        }
        // The end belongs to the piece of the last character, not to the piece that follows it.
        start..self.source_of(range.end, |piece| piece.joined < range.end)
    }

    fn source_of(&self, offset: usize, before: impl Fn(&Piece) -> bool) -> usize {
        let piece = self.pieces[self.pieces.partition_point(before).saturating_sub(1)];
        piece.source + (offset - piece.joined)
    }

    /// Returns a range of the joined text as a word.
    pub(super) fn word(&self, range: &Span) -> Word {
        self.word_reading(range, self.text[range.clone()].to_owned())
    }

    /// Returns a range as a word whose text was cleaned of quotes or escapes.
    pub(super) fn word_reading(&self, range: &Span, text: String) -> Word {
        Word {
            text,
            span: self.span(range),
        }
    }

    /// Returns the range without the white space at both its ends.
    pub(super) fn trimmed(&self, range: &Span) -> Span {
        let text = &self.text[range.clone()];
        let start = range.start + (text.len() - text.trim_start().len());
        start..start + text.trim().len()
    }
}
