//! An upload in progress.

use lrops_model::digest::Digest;

/// An upload in progress.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) repository: String,
    pub(super) bytes: Vec<u8>,
    /// Whether the last chunk was shorter than allowed, which only the last of all may be.
    pub(super) has_short_chunk: bool,
    /// The request that adds bytes; another one that still tries finds itself cut.
    writer: Option<Writer>,
    writers: u64,
    states: Vec<IssuedState>,
}

/// The number of a request that adds bytes to an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writer(u64);

#[derive(Debug)]
struct IssuedState {
    text: String,
    offset: usize,
}

impl Session {
    /// Returns an upload without bytes.
    pub(super) fn new(repository: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            bytes: Vec::new(),
            has_short_chunk: false,
            writer: None,
            writers: 0,
            states: Vec::new(),
        }
    }

    /// Lets a request add bytes.
    pub(super) fn start_writing(&mut self) -> Writer {
        self.writers += 1;
        *self.writer.insert(Writer(self.writers))
    }

    /// Lets no request add bytes.
    pub(super) fn stop_writing(&mut self) {
        self.writer = None;
    }

    /// Returns whether a request is adding bytes.
    pub(super) fn is_written(&self) -> bool {
        self.writer.is_some()
    }

    /// Returns whether this request may add bytes.
    pub(super) fn is_written_by(&self, writer: Writer) -> bool {
        self.writer == Some(writer)
    }

    /// Returns a new state, which stands for how far the upload is.
    pub(super) fn issue(&mut self, id: &str) -> String {
        let seed = format!("{id} {} {}", self.states.len(), self.bytes.len());
        // As many registries' states, it has characters that must stay encoded in a query.
        let text = format!("{}+/{}=", Digest::of(&seed).short(), self.states.len());
        self.states.push(IssuedState {
            text: text.clone(),
            offset: self.bytes.len(),
        });
        text
    }

    /// Returns whether this state was issued once.
    pub(super) fn knows(&self, state: &str) -> bool {
        self.states.iter().any(|issued| issued.text == state)
    }

    /// Returns whether this is the newest state.
    pub(super) fn is_newest(&self, state: &str) -> bool {
        self.states.last().is_some_and(|issued| issued.text == state)
    }

    /// Returns whether a state was issued when the upload had all the bytes that it has.
    pub(super) fn is_at_its_end(&self, state: &str) -> bool {
        let issued = self.states.iter().find(|issued| issued.text == state);
        issued.is_some_and(|issued| issued.offset == self.bytes.len())
    }

    /// Returns what is there, as the `Range` header says it: `0-0` also for nothing.
    pub(super) fn range(&self) -> String {
        format!("0-{}", self.bytes.len().saturating_sub(1))
    }
}
