//! What an Alpine archive says: its signed indexes, its versions and dependencies, its package files (apk format 2).

pub(crate) mod architecture;
pub(crate) mod archive;
pub(crate) mod dependency;
pub(crate) mod fixups;
pub(crate) mod index;
pub(crate) mod package;
pub(crate) mod resolver;
pub(crate) mod signature;
pub(crate) mod streams;
pub(crate) mod version;
