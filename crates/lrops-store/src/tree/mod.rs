//! File trees on disk: reading them, writing into them and copying between them, always beneath a root.
//!
//! Invariants:
//! - Every path that a [`RootDir`] is given is a path *inside* it. Absolute symbolic links and `..` resolve against
//!   the root, as in a container (openat2 with `RESOLVE_IN_ROOT`); nothing outside is ever opened or changed.
//! - Owners pass through one place ([`OwnerStyle`]), so that a tree made in a user namespace with a single id gives
//!   the same layers as one made by root.
//! - Listings are sorted by bytes: what comes out does not depend on the file system's order.

mod attributes;
mod chmod;
mod content;
mod copy;
mod digest;
mod error;
mod metadata;
mod owner;
mod root;
mod spot;
mod stat_cache;

pub use chmod::{Chmod, Operator, ParseChmodError, Step};
pub use copy::{Copied, CopyError, CopyRequest, Filter, Keep, Owners, copy};
pub use digest::{DigestOwners, DigestRequest, content_digest};
pub use error::TreeError;
pub use metadata::{Follow, Kind, Metadata, Time};
pub use owner::{OwnerStyle, UnstoredOwner};
pub use root::{NewDirectories, RootDir};
pub use stat_cache::{SaveStatCacheError, StatCache};

pub(crate) use attributes::{attributes, enters_layers, is_copied, set_attribute};
pub(crate) use content::copy_content;
pub(crate) use error::During;
pub(crate) use owner::{make_node, set_owner};
pub(crate) use root::{Found, open_regular, resolve_with};
pub(crate) use spot::{Spot, Spots};
pub(crate) use stat_cache::Identity;

#[cfg(test)]
pub(crate) mod tests;
