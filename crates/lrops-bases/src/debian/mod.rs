//! What a Debian archive says: its signed release, its package index, its versions and relations, its package files.

pub(crate) mod architecture;
pub(crate) mod index;
pub(crate) mod package;
pub(crate) mod paragraph;
pub(crate) mod relation;
pub(crate) mod release;
pub(crate) mod signature;
pub(crate) mod version;
