//! What a file is: kind, mode, owner, size, times.

use lrops_model::change::Owner;
use rustix::fs::{FileType, Stat};
use serde::{Deserialize, Serialize};

/// What kind of file a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice {
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
}

impl Kind {
    pub(crate) fn of(stat: &Stat) -> Self {
        let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Symlink,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice => Self::CharDevice { major, minor },
            FileType::BlockDevice => Self::BlockDevice { major, minor },
            _ => Self::File,
        }
    }

    /// Returns whether this is a device.
    pub fn is_device(self) -> bool {
        matches!(self, Self::CharDevice { .. } | Self::BlockDevice { .. })
    }

    /// Writes a device as the placeholder's attribute does; `None` for what is no device.
    pub(crate) fn to_device_text(self) -> Option<String> {
        match self {
            Self::CharDevice { major, minor } => Some(format!("c:{major}:{minor}")),
            Self::BlockDevice { major, minor } => Some(format!("b:{major}:{minor}")),
            _ => None,
        }
    }

    /// Reads what [`Kind::to_device_text`] wrote.
    pub(crate) fn from_device_text(text: &str) -> Option<Self> {
        let (letter, numbers) = text.split_once(':')?;
        let (major, minor) = numbers.split_once(':')?;
        let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
        match letter {
            "c" => Some(Self::CharDevice { major, minor }),
            "b" => Some(Self::BlockDevice { major, minor }),
            _ => None,
        }
    }
}

/// Whether a symbolic link at the end of a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The link itself is meant.
    No,
    /// What the link leads to, inside the root, is meant.
    Yes,
}

/// A point in time as file systems keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time {
    /// Seconds since the epoch.
    pub seconds: i64,
    /// Nanoseconds within the second.
    pub nanoseconds: u32,
}

impl Time {
    /// Returns a full second.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self {
            seconds,
            nanoseconds: 0,
        }
    }
}

/// The metadata of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: Kind,
    /// The permission bits with set-uid, set-gid and sticky (at most 0o7777).
    pub mode: u32,
    /// Its owner in the image (which the file system may not know, see [`super::OwnerStyle`]).
    pub owner: Owner,
    /// Its length in bytes.
    pub size: u64,
    /// When its content changed last.
    pub modified: Time,
    /// When its inode changed last.
    pub changed: Time,
    /// The device it lies on.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// How many names it has.
    pub links: u64,
}

impl Metadata {
    pub(crate) fn new(stat: &Stat, kind: Kind, owner: Owner) -> Self {
        #[expect(clippy::cast_sign_loss, reason = "the kernel reports no negative size")]
        let size = stat.st_size as u64;
        Self {
            kind,
            mode: stat.st_mode & 0o7777,
            owner,
            size,
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            changed: time(stat.st_ctime, stat.st_ctime_nsec),
            device: stat.st_dev,
            inode: stat.st_ino,
            #[allow(
                clippy::useless_conversion,
                reason = "the field's width differs between architectures"
            )]
            links: u64::from(stat.st_nlink),
        }
    }
}

fn time(seconds: i64, nanoseconds: u64) -> Time {
    Time {
        seconds,
        nanoseconds: u32::try_from(nanoseconds).unwrap_or(0),
    }
}
