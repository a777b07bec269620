//! Versions: what a project's state is called, which version comes next, and which tags its image gets.
//!
//! Everything here is pure: [`crate::git`] finds the facts, and nothing is asked for twice. Invariants: what a state is
//! called is a valid semantic version · one state has one name, whoever asks and in whichever clone of the same history ·
//! only an unmodified commit with a version tag is called by that version alone.

mod change;
mod image_tags;
mod semantic;
mod state;

pub(crate) use change::{Change, change_of};
pub(crate) use image_tags::{Latest, image_tags, latest_notice};
pub(crate) use semantic::{Kind, SemanticVersion, is_version};
pub(crate) use state::{Facts, History, NearestTag, Version, VersionTag, highest_release, highest_tag};
