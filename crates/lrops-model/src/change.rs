//! Changes between two file trees: what a snapshot gives and a layer holds.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The extended attribute that keeps an owner which the file system could not be given.
///
/// In a user namespace with a single mapped id, `chown` to another id is refused. The owner is then kept in this
/// attribute of the file (value `UID:GID`), follows renames and copies, and comes out right in the layer. It enters
/// no layer itself.
pub const OWNER_ATTRIBUTE: &str = "user.lrops.owner";

/// The extended attribute that makes an empty regular file stand for a device node.
///
/// In a user namespace devices cannot be made. The placeholder's attribute says which device is meant
/// (`c:MAJOR:MINOR` or `b:MAJOR:MINOR`), so that layers come out right. It enters no layer itself.
pub const DEVICE_ATTRIBUTE: &str = "user.lrops.device";

/// A numeric owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// The user's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
}

impl Owner {
    /// 0:0.
    pub const ROOT: Self = Self { uid: 0, gid: 0 };
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

impl std::str::FromStr for Owner {
    type Err = std::num::ParseIntError;

    /// Parses `UID:GID`, or `UID` alone for the same group.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        Ok(Self {
            uid: uid.parse()?,
            gid: gid.parse()?,
        })
    }
}

/// One difference between a tree and its parent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The path below the tree's root: relative, without `.` and `..` components.
    pub path: PathBuf,
    /// What became of it.
    pub kind: ChangeKind,
}

/// What became of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// The path is there now, new or altered: its present state is in the tree.
    Present {
        /// Its owner, where the tree cannot say (a symbolic link in a one-id user namespace).
        owner: Option<Owner>,
    },
    /// The path is gone, and all below it.
    Removed,
}
