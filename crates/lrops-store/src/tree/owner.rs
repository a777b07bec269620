//! Owners: kept by the file system where it can, beside it where it cannot.
//!
//! In a user namespace with a single id every `chown` to another id fails. Owners of regular files and directories
//! are then kept in [`OWNER_ATTRIBUTE`]. Linux allows no `user.*` attributes on symbolic links, pipes and sockets
//! (xattr(7)); their owners are returned to the caller, who stores them beside the tree.

use std::io;
use std::path::{Path, PathBuf};

use lrops_model::change::{DEVICE_ATTRIBUTE, OWNER_ATTRIBUTE, Owner};
use rustix::fs::{Gid, Stat, Uid};
use rustix::io::Errno;

use super::attributes::{attribute, remove_attribute, set_attribute};
use super::metadata::Kind;
use super::spot::Spot;

/// How a tree keeps the owners of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerStyle {
    /// The file system keeps them.
    Native,
    /// They are kept in an extended attribute, and every file belongs to the one id that there is.
    Attribute,
}

impl OwnerStyle {
    /// Finds out which style this process needs for trees in `directory`, by trying it on a nameless file.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn probe(directory: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(directory)?;
        let (uid, gid) = (Uid::from_raw(1), Gid::from_raw(1));
        match rustix::fs::fchown(&file, Some(uid), Some(gid)) {
            Ok(()) => Ok(Self::Native),
            Err(Errno::INVAL | Errno::PERM) => Ok(Self::Attribute),
            Err(error) => Err(error.into()),
        }
    }
}

/// An owner that neither the file system nor an attribute could keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnstoredOwner {
    /// The path inside the root.
    pub path: PathBuf,
    /// Its owner.
    pub owner: Owner,
}

/// Gives the file at `spot` its owner; returns what the caller must keep.
pub(crate) fn set_owner(
    spot: &Spot,
    kind: Kind,
    owner: Owner,
    style: OwnerStyle,
) -> io::Result<Option<UnstoredOwner>> {
    if style == OwnerStyle::Native {
        return spot.chown(owner.uid, owner.gid).map(|()| None);
    }
    let holds_attributes = matches!(kind, Kind::File | Kind::Directory) || kind.is_device();
    match (holds_attributes, owner) {
        (true, Owner::ROOT) => remove_attribute(spot, OWNER_ATTRIBUTE).map(|()| None),
        (true, owner) => {
            set_attribute(spot, OWNER_ATTRIBUTE.as_ref(), owner.to_string().as_bytes()).map(|()| None)
        }
        (false, Owner::ROOT) => Ok(None),
        (false, owner) => Ok(Some(UnstoredOwner {
            path: spot.path.clone(),
            owner,
        })),
    }
}

/// Returns kind and owner as the image has them.
pub(crate) fn kind_and_owner(spot: &Spot, stat: &Stat, style: OwnerStyle) -> io::Result<(Kind, Owner)> {
    let mut kind = Kind::of(stat);
    if kind == Kind::File && stat.st_size == 0 {
        let device = text_attribute(spot, DEVICE_ATTRIBUTE)?;
        kind = device
            .and_then(|text| Kind::from_device_text(&text))
            .unwrap_or(kind);
    }
    if style == OwnerStyle::Native {
        return Ok((
            kind,
            Owner {
                uid: stat.st_uid,
                gid: stat.st_gid,
            },
        ));
    }
    if matches!(kind, Kind::Symlink | Kind::Fifo | Kind::Socket) {
        return Ok((kind, Owner::ROOT));
    }
    let owner = text_attribute(spot, OWNER_ATTRIBUTE)?.and_then(|text| text.parse().ok());
    Ok((kind, owner.unwrap_or(Owner::ROOT)))
}

fn text_attribute(spot: &Spot, name: &str) -> io::Result<Option<String>> {
    Ok(attribute(spot, name.as_ref())?.and_then(|value| String::from_utf8(value).ok()))
}

/// Makes a pipe or device at `spot`, or the placeholder that stands for a device where none can be made: in every
/// user namespace, even one with many ids.
pub(crate) fn make_node(spot: &Spot, kind: Kind) -> io::Result<()> {
    match (spot.make_node(kind), kind.to_device_text()) {
        (Err(error), Some(text)) if error.kind() == io::ErrorKind::PermissionDenied => {
            spot.create_file()?;
            set_attribute(spot, DEVICE_ATTRIBUTE.as_ref(), text.as_bytes())
        }
        (result, _) => result,
    }
}
