//! Names from tars: cleaned before anything is done with them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::extract::ExtractError;

/// What a tar may ask for at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtractLimits {
    /// How many entries.
    pub entries_max: u64,
    /// How long a path may be.
    pub path_bytes_max: usize,
    /// How much content in all; `None` leaves it to the disk.
    pub size_bytes_max: Option<u64>,
}

impl ExtractLimits {
    /// Limits that no honest image meets: ten million entries, paths as long as the kernel takes them.
    pub const USUAL: Self = Self {
        entries_max: 10_000_000,
        path_bytes_max: 4095,
        size_bytes_max: None,
    };
}

/// What becomes of names with more `..` than directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// They are an error: an honest layer has none.
    Refuse,
    /// They stay at the root, as in the reference's `ADD`, which extracts inside a chroot.
    Confine,
}

/// Returns the path that a foreign name means: relative, without `.` and `..`; empty for the root itself,
/// which some archives name by nothing at all.
pub(crate) fn clean_name(
    unsafe_name: &[u8],
    escape: Escape,
    limits: &ExtractLimits,
) -> Result<PathBuf, ExtractError> {
    let refuse = |reason| ExtractError::Name {
        name: String::from_utf8_lossy(&unsafe_name[..unsafe_name.len().min(256)]).into_owned(),
        reason,
    };
    if unsafe_name.len() > limits.path_bytes_max {
        return Err(refuse("it is too long"));
    }
    if unsafe_name.contains(&0) {
        return Err(refuse("it holds a zero byte"));
    }
    let mut path = PathBuf::new();
    for part in unsafe_name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if !path.pop() && escape == Escape::Refuse {
                    return Err(refuse("it leads out of the root"));
                }
            }
            part => path.push(OsStr::from_bytes(part)),
        }
    }
    Ok(path)
}
