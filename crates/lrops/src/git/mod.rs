//! Git: what is known of a work tree's commit and tags; a tag's tree elsewhere; making a tag and pushing it.
//!
//! Invariants: the directory that is asked about decides which
//! repository is meant, not the variables that git gives its hooks · questions change nothing, not even git's index · a
//! repository of another user's is refused as git refuses it, except where only a commit's time is read.

mod checkout;
mod descent;
mod error;
mod program;
mod push;
mod repository;

pub(crate) use error::GitError;
pub(crate) use program::without_repository;
pub(crate) use push::{Arrival, PushTagError};
pub(crate) use repository::{NewTag, Repository, commit_time};
