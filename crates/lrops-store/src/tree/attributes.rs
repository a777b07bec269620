//! Extended attributes: reading and writing them, and which of them go where.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::spot::Spot;

/// The kernel's own limit for one value and for the list of names (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
const ATTRIBUTE_BYTES_MAX: usize = 64 * 1024;

/// Returns whether an attribute enters layers.
///
/// File capabilities do, and so do users' own attributes. Left out are those that describe this machine or this tree
/// and not the image: overlayfs's, our own, `trusted.*`, `SELinux` labels and POSIX access lists.
pub(crate) fn enters_layers(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let internal = name.starts_with(b"user.overlay.") || name.starts_with(b"user.lrops.");
    name == b"security.capability" || (name.starts_with(b"user.") && !internal)
}

/// Returns whether `COPY` and `ADD` keep an attribute: only file capabilities, as BuildKit's images show.
pub(crate) fn is_copied(name: &OsStr) -> bool {
    name == "security.capability"
}

/// Returns the attributes of the file at `spot` that `wanted` names, sorted by name.
pub(crate) fn attributes(spot: &Spot, wanted: fn(&OsStr) -> bool) -> io::Result<Vec<(OsString, Vec<u8>)>> {
    let path = spot.proc_path();
    let mut names = match rustix::fs::llistxattr_query(&path) {
        Ok(0) | Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Ok(_) => vec![0; ATTRIBUTE_BYTES_MAX],
        Err(error) => return Err(error.into()),
    };
    let length = rustix::fs::llistxattr(&path, names.as_mut_slice())?;
    names.truncate(length);
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = OsString::from_vec(name.to_vec());
        if wanted(&name)
            && let Some(value) = attribute(spot, &name)?
        {
            found.push((name, value));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Returns one attribute's value; `None` when the file has none of that name.
pub(crate) fn attribute(spot: &Spot, name: &OsStr) -> io::Result<Option<Vec<u8>>> {
    let path = spot.proc_path();
    let length = match rustix::fs::lgetxattr_query(&path, name) {
        Ok(length) => length,
        Err(Errno::NODATA | Errno::NOTSUP) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut value = vec![0; length];
    let length = rustix::fs::lgetxattr(&path, name, value.as_mut_slice())?;
    value.truncate(length);
    Ok(Some(value))
}

/// Sets one attribute.
pub(crate) fn set_attribute(spot: &Spot, name: &OsStr, value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::lsetxattr(
        spot.proc_path(),
        name,
        value,
        XattrFlags::empty(),
    )?)
}

/// Makes sure that the file has no attribute of that name.
pub(crate) fn remove_attribute(spot: &Spot, name: &str) -> io::Result<()> {
    match rustix::fs::lremovexattr(spot.proc_path(), name) {
        Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
