//! What a push learns of its registry from one blob, and uses for the next.

use super::{Push, locked};

/// What is known of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Habits {
    pub(super) way: Way,
    /// Larger chunks were found too large.
    pub(super) chunk_size_max: u64,
    pub(super) giving_up: GivingUp,
}

/// How large blobs are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Chunks,
    /// The registry refuses chunks.
    Whole,
}

/// Whether whoever pushes may remove an upload that is not needed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivingUp {
    /// It is tried.
    Tried,
    /// The registry refuses: many want the right to delete for it, and tidy up by themselves.
    Refused,
}

impl Habits {
    pub(super) const UNKNOWN: Self = Self {
        way: Way::Chunks,
        chunk_size_max: u64::MAX,
        giving_up: GivingUp::Tried,
    };
}

impl Push<'_> {
    /// Returns what is known of the registry by now.
    pub(super) fn habits(&self) -> Habits {
        *locked(&self.habits)
    }

    /// Notes that the registry takes blobs only whole.
    pub(super) fn learn_way(&self, way: Way) {
        locked(&self.habits).way = way;
    }

    /// Notes that the registry does not let uploads be given up.
    pub(super) fn learn_giving_up(&self, giving_up: GivingUp) {
        locked(&self.habits).giving_up = giving_up;
    }

    /// Notes that larger chunks are too large.
    pub(super) fn learn_chunk_size(&self, size: u64) {
        let mut habits = locked(&self.habits);
        habits.chunk_size_max = habits.chunk_size_max.min(size);
    }
}
