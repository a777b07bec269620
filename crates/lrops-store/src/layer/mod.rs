//! Layers: tars of changes. [`write()`] makes one from a tree, [`apply()`] unpacks one into a tree.
//!
//! Rules: OCI image spec, `layer.md` (changesets, whiteouts, opaque whiteouts), POSIX pax format (ustar with
//! extended headers), and `SCHILY.xattr.` records for extended attributes as Go's and GNU's tools write them.
//!
//! Invariants:
//! - The same changes give the same bytes: entries are sorted, owners are numbers, there are no access or change
//!   times, and the compressor's settings are fixed and do not depend on the number of threads.
//! - What is unpacked is foreign: names are cleaned before use, nothing outside the root is reached, every loop has a
//!   limit, and the stream is read to its end so that its digest is known.

mod apply;
mod compress;
mod decompress;
mod entries;
mod extract;
mod gzip;
mod header;
mod name;
mod write;

pub use apply::{Applied, ApplyError, ApplyRequest, Lower, Whiteouts, apply};
pub use compress::{CompressionSettings, Compressor};
pub use decompress::{DecompressError, decompress};
pub use extract::ExtractError;
pub use name::ExtractLimits;
pub use write::{LayerTimes, WriteLayerError, WriteLayerRequest, WrittenLayer, write};

pub(crate) use decompress::{Format, open_format};
pub(crate) use entries::Entries;
pub(crate) use extract::{Extractor, Ownership};
pub(crate) use name::{Escape, clean_name};

/// What the name of a whiteout begins with: the rest is the name of what is gone.
pub(crate) const WHITEOUT_PREFIX: &str = ".wh.";

/// The name of an opaque whiteout: everything that lower layers have in its directory is gone.
pub(crate) const OPAQUE_WHITEOUT: &str = ".wh..wh..opq";

#[cfg(test)]
pub(crate) mod tests;
