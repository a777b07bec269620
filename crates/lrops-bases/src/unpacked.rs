//! An unpacked package of any distribution.
//!
//! Unpacking writes the files' content to a spool (one temporary file a package) and keeps only their metadata in
//! memory, so a base of any size is put together in little memory although its layer is sorted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::change::Owner;

use crate::limited::Limited;

/// An unpacked package.
pub(crate) struct Unpacked {
    /// Debian's control file; for Alpine, the package's paragraph in apk's record of what is installed.
    pub(crate) control: String,
    /// Whether it has a script that runs after unpacking.
    pub(crate) has_script: bool,
    /// Its files, in the package's order.
    pub(crate) entries: Vec<PackageEntry>,
    /// The content of its regular files, one after the other.
    pub(crate) spool: File,
}

/// A file of a package.
pub(crate) struct PackageEntry {
    /// Below the root, without `.` and `..` parts, not yet seen through symbolic links.
    pub(crate) path: String,
    pub(crate) kind: PackageEntryKind,
    pub(crate) mode: u32,
    pub(crate) owner: Owner,
    pub(crate) mtime: u64,
    pub(crate) extended: Extended,
}

/// What a file's extended header says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extended {
    /// Extended attributes by name, such as `security.capability`.
    pub(crate) xattrs: BTreeMap<String, Vec<u8>>,
    /// The SHA-1 that apk's tars give, in hexadecimal digits.
    pub(crate) sha1: Option<String>,
}

pub(crate) enum PackageEntryKind {
    Directory,
    /// Where in the spool.
    File {
        offset: u64,
        len: u64,
    },
    Symlink(String),
    HardLink(String),
}

/// Why a package file cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum PackageFault {
    /// It cannot be read, or its compression is broken.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// It is not what a package should be.
    #[error("{0}")]
    Malformed(String),
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

pub(crate) fn malformed(message: impl Into<String>) -> PackageFault {
    PackageFault::Malformed(message.into())
}

/// More than the largest packages unpack to; a decompression bomb ends here.
pub(crate) const DATA_SIZE_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;

/// More files than any package has: the largest sources of kernels have some ten thousand.
const ENTRIES_MAX: usize = 1_000_000;

/// Reads a tar of a package's files: its entries, and the spool of their content.
pub(crate) fn read_tar(
    data: &mut dyn Read,
    temporary: &Path,
    cancel: &CancelToken,
) -> Result<(Vec<PackageEntry>, File), PackageFault> {
    let mut archive = tar::Archive::new(Limited::new(data, DATA_SIZE_BYTES_MAX));
    let mut spool = BufWriter::with_capacity(256 * 1024, tempfile::tempfile_in(temporary)?);
    let mut offset = 0;
    let mut entries = Vec::new();
    for entry in archive.entries()? {
        cancel.check()?;
        let mut entry = entry?;
        let Some(path) = clean_path(&entry.path_bytes())? else {
            continue;
        };
        if entries.len() == ENTRIES_MAX {
            return Err(malformed(format!("it has more than {ENTRIES_MAX} files")));
        }
        let extended = extended(&mut entry)?;
        let link = match entry.link_name_bytes() {
            Some(link) => Some(text_of(&link)?.to_owned()),
            None => None,
        };
        let kind = match (entry.header().entry_type(), link) {
            (tar::EntryType::Directory, _) => PackageEntryKind::Directory,
            (tar::EntryType::Regular | tar::EntryType::Continuous, _) => {
                let start = offset;
                offset += copy_checked(&mut entry, &mut spool, cancel)?;
                PackageEntryKind::File {
                    offset: start,
                    len: offset - start,
                }
            }
            (tar::EntryType::Symlink, Some(target)) => PackageEntryKind::Symlink(target),
            (tar::EntryType::Link, Some(target)) => PackageEntryKind::HardLink(
                clean_path(target.as_bytes())?.ok_or_else(|| malformed("a hard link names the root"))?,
            ),
            // No package of today has device nodes, and nobody may make them in a user namespace.
            _ => continue,
        };
        let header = entry.header();
        let number =
            |id: u64| u32::try_from(id).map_err(|_| malformed(format!("the owner of {path} is no id")));
        let owner = Owner {
            uid: number(header.uid()?)?,
            gid: number(header.gid()?)?,
        };
        entries.push(PackageEntry {
            kind,
            mode: header.mode()? & 0o7777,
            owner,
            mtime: header.mtime()?,
            path,
            extended,
        });
    }
    let spool = spool
        .into_inner()
        .map_err(|failed| PackageFault::Read(failed.into_error()))?;
    Ok((entries, spool))
}

fn extended(entry: &mut tar::Entry<'_, impl Read>) -> Result<Extended, PackageFault> {
    let mut extended = Extended::default();
    let Some(records) = entry.pax_extensions()? else {
        return Ok(extended);
    };
    for record in records {
        let record = record?;
        if record.key_bytes() == b"APK-TOOLS.checksum.SHA1" {
            extended.sha1 = Some(text_of(record.value_bytes())?.to_owned());
        } else if let Some(name) = record.key_bytes().strip_prefix(b"SCHILY.xattr.") {
            let name = text_of(name)?.to_owned();
            extended.xattrs.insert(name, record.value_bytes().to_owned());
        }
    }
    Ok(extended)
}

fn copy_checked(
    from: &mut impl Read,
    to: &mut impl Write,
    cancel: &CancelToken,
) -> Result<u64, PackageFault> {
    const SLICE_SIZE_BYTES: u64 = 4 * 1024 * 1024;
    let mut copied = 0;
    loop {
        cancel.check()?;
        let slice = io::copy(&mut from.take(SLICE_SIZE_BYTES), to)?;
        copied += slice;
        if slice < SLICE_SIZE_BYTES {
            return Ok(copied);
        }
    }
}

/// Returns the path below the root; none for the root itself.
fn clean_path(unsafe_path: &[u8]) -> Result<Option<String>, PackageFault> {
    let text = text_of(unsafe_path)?;
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.contains(&"..") {
        return Err(malformed(format!("the path {text:?} leads out of the package")));
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

/// Policy 10.10: names are UTF-8.
fn text_of(bytes: &[u8]) -> Result<&str, PackageFault> {
    std::str::from_utf8(bytes).map_err(|_| malformed("a file name is not UTF-8"))
}
