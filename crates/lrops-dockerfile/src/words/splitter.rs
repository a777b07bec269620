//! Text collected into words.

/// Collects text and ends a word at white space that is not quoted.
#[derive(Default)]
pub(super) struct Splitter {
    words: Vec<String>,
    current: String,
}

impl Splitter {
    /// Adds text whose white space separates words.
    pub(super) fn open(&mut self, text: &str) {
        for character in text.chars() {
            if character.is_whitespace() {
                self.end_word();
            } else {
                self.current.push(character);
            }
        }
    }

    /// Adds text whose white space does not.
    pub(super) fn closed(&mut self, text: &str) {
        self.current.push_str(text);
    }

    /// Drops the word that has begun; see [`Expander::expand_words`](super::Expander::expand_words) for why.
    pub(super) fn forget(&mut self) {
        self.current.clear();
    }

    pub(super) fn into_words(mut self) -> Vec<String> {
        self.end_word();
        self.words
    }

    fn end_word(&mut self) {
        if !self.current.is_empty() {
            self.words.push(std::mem::take(&mut self.current));
        }
    }
}
