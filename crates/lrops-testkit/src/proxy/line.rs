//! The line: what went over it, and where it is cut whatever the request.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The line between clients and the registry.
#[derive(Debug, Default)]
pub(super) struct Line(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    body_bytes_to_upstream: u64,
    bytes_to_client: u64,
    cuts: usize,
    requests: Vec<(String, String)>,
    cut_every: Option<u64>,
    cut_at: VecDeque<u64>,
}

/// How many bytes may go on, and what is behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// All.
    Whole,
    /// So many, and then this connection is cut.
    Cut(usize),
    /// So many, and then all connections are cut.
    CutAll(usize),
}

impl Line {
    /// Cuts each connection after so many bytes.
    pub(super) fn cut_every(&self, bytes: u64) {
        self.counts().cut_every = Some(bytes);
    }

    /// Cuts all connections when the bytes of all requests' bodies reach these totals.
    pub(super) fn cut_at(&self, mut totals: Vec<u64>) {
        totals.sort_unstable();
        self.counts().cut_at = totals.into();
    }

    /// Cuts only what rules cut.
    pub(super) fn stop_cutting(&self) {
        let mut counts = self.counts();
        counts.cut_every = None;
        counts.cut_at.clear();
    }

    /// Remembers a request; returns whether its head may pass a connection that had `sent` bytes before it.
    pub(super) fn pass_head(&self, method: &str, target: &str, size_bytes: u64, sent: &mut u64) -> bool {
        let mut counts = self.counts();
        counts.requests.push((method.to_owned(), target.to_owned()));
        *sent += size_bytes;
        let is_cut = counts.cut_every.is_some_and(|limit| *sent > limit);
        counts.cuts += usize::from(is_cut);
        !is_cut
    }

    /// Counts the next bytes of a body on a connection that had `sent` bytes before them.
    pub(super) fn pass_body(&self, length: usize, sent: &mut u64) -> Passage {
        let mut counts = self.counts();
        let left_to =
            |limit: u64, passed: u64| usize::try_from(limit.saturating_sub(passed)).unwrap_or(usize::MAX);
        let of_connection = counts.cut_every.map(|limit| left_to(limit, *sent));
        let of_line = counts
            .cut_at
            .front()
            .map(|total| left_to(*total, counts.body_bytes_to_upstream));
        let passage = match (of_connection, of_line) {
            (connection, Some(left)) if left <= length && connection.is_none_or(|other| left <= other) => {
                Passage::CutAll(left)
            }
            (Some(left), _) if left <= length => Passage::Cut(left),
            _ => Passage::Whole,
        };
        let passed = match passage {
            Passage::Whole => length,
            Passage::Cut(passed) => passed,
            Passage::CutAll(passed) => {
                counts.cut_at.pop_front();
                passed
            }
        };
        *sent += passed as u64;
        counts.body_bytes_to_upstream += passed as u64;
        counts.cuts += usize::from(passage != Passage::Whole);
        passage
    }

    /// Counts a cut that a rule made.
    pub(super) fn count_cut(&self) {
        self.counts().cuts += 1;
    }

    /// Counts bytes of an answer.
    pub(super) fn count_answer(&self, bytes: usize) {
        self.counts().bytes_to_client += bytes as u64;
    }

    /// Returns how many bytes of bodies went to the registry.
    pub(super) fn body_bytes_to_upstream(&self) -> u64 {
        self.counts().body_bytes_to_upstream
    }

    /// Returns how many bytes went to clients.
    pub(super) fn bytes_to_client(&self) -> u64 {
        self.counts().bytes_to_client
    }

    /// Returns how many cuts there were.
    pub(super) fn cuts(&self) -> usize {
        self.counts().cuts
    }

    /// Returns method and target of all requests.
    pub(super) fn requests(&self) -> Vec<(String, String)> {
        self.counts().requests.clone()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
