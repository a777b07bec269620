//! The devices that a command finds in `/dev`.
//!
//! A device file is made where that is possible, which is in no user namespace, and the machine's own is shown
//! otherwise. It is not always the machine's own, since root could change its mode there. The tree and `/dev` are
//! mounted without devices and each device file by itself: what the command makes with `mknod` cannot be opened.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::kernel::Reach;
use crate::mounts;

/// Name, major and minor number of each.
pub(crate) const DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// Links in `/dev`: name and target.
pub(crate) const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

/// Returns a device file as a mount of its own; `scratch` is a mounted directory for files of this sandbox.
pub(crate) fn device(scratch: &OwnedFd, name: &str, major: u32, minor: u32) -> io::Result<OwnedFd> {
    let mode = Mode::from_raw_mode(0o666);
    match mknodat(
        scratch,
        name,
        FileType::CharacterDevice,
        mode,
        makedev(major, minor),
    ) {
        Ok(()) => {
            // The umask of the program took some of the mode away.
            rustix::fs::chmodat(scratch, name, mode, rustix::fs::AtFlags::empty())?;
            mounts::clone_tree(scratch, name, Reach::One)
        }
        Err(rustix::io::Errno::PERM) => mounts::clone_tree(CWD, Path::new("/dev").join(name), Reach::One),
        Err(error) => Err(error.into()),
    }
}
