//! A package file (`deb(5)`): an `ar` archive of a control tar and a data tar.
//!
//! Unpacking writes the files' content to a spool (one temporary file a package) and keeps only their metadata in
//! memory, so a base of any size is put together in little memory although its layer is sorted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::change::Owner;
use lzma_rust2::XzReader;

/// An unpacked package.
pub(crate) struct Unpacked {
    /// The control file.
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

/// The control tar holds a few small files; what claims to be larger is no honest package.
const CONTROL_SIZE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// More than the largest packages unpack to; a decompression bomb ends here.
const DATA_SIZE_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;

/// More members than any package has (it has three).
const MEMBERS_MAX: usize = 16;

/// Unpacks a package file. `temporary` is the directory for the spool.
pub(crate) fn unpack(
    package: impl Read,
    temporary: &Path,
    cancel: &CancelToken,
) -> Result<Unpacked, PackageFault> {
    let mut package = package;
    let mut magic = [0; 8];
    package.read_exact(&mut magic)?;
    if &magic != b"!<arch>\n" {
        return Err(malformed("it is no Debian package"));
    }
    let mut control = None;
    for _ in 0..MEMBERS_MAX {
        let Some(member) = next_member(&mut package)? else {
            break;
        };
        let mut body = (&mut package).take(member.size);
        if member.name.starts_with("control.tar") {
            control = Some(read_control(&member.name, &mut body)?);
        } else if member.name.starts_with("data.tar") {
            let (control, has_script) =
                control.ok_or_else(|| malformed("its data comes before its control"))?;
            let (entries, spool) = read_data(&member.name, &mut body, temporary, cancel)?;
            return Ok(Unpacked {
                control,
                has_script,
                entries,
                spool,
            });
        }
        io::copy(&mut body, &mut io::sink())?;
        if member.size % 2 == 1 {
            package.read_exact(&mut [0])?;
        }
    }
    Err(malformed("it has no data"))
}

struct Member {
    name: String,
    size: u64,
}

/// An `ar` header: name (16), time (12), owner (6), group (6), mode (8), size (10), end (2).
fn next_member(package: &mut impl Read) -> Result<Option<Member>, PackageFault> {
    let mut header = [0; 60];
    let mut filled = 0;
    while filled < header.len() {
        match package.read(&mut header[filled..])? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(malformed("it ends in the middle of a member's header")),
            read => filled += read,
        }
    }
    let field = |range: std::ops::Range<usize>| String::from_utf8_lossy(&header[range]).trim_end().to_owned();
    let size = field(48..58)
        .parse()
        .map_err(|_| malformed("a member's size is no number"))?;
    Ok(Some(Member {
        name: field(0..16).trim_end_matches('/').to_owned(),
        size,
    }))
}

fn decompressed<'a>(name: &str, body: &'a mut dyn Read) -> Result<Box<dyn Read + 'a>, PackageFault> {
    Ok(match name.rsplit_once(".tar").map(|(_, extension)| extension) {
        Some("") => Box::new(body),
        Some(".gz") => Box::new(flate2::read::MultiGzDecoder::new(body)),
        Some(".xz") => Box::new(XzReader::new(BufReader::new(body), true)),
        Some(".zst") => Box::new(zstd::Decoder::new(body)?),
        _ => return Err(malformed(format!("the compression of {name} is not supported"))),
    })
}

fn read_control(name: &str, body: &mut dyn Read) -> Result<(String, bool), PackageFault> {
    let mut archive = tar::Archive::new(decompressed(name, body)?.take(CONTROL_SIZE_BYTES_MAX));
    let (mut control, mut has_script) = (None, false);
    for entry in archive.entries()? {
        let mut entry = entry?;
        match entry
            .path_bytes()
            .strip_prefix(b"./")
            .unwrap_or(&entry.path_bytes())
        {
            b"control" => {
                let mut text = String::new();
                entry.read_to_string(&mut text)?;
                control = Some(text);
            }
            b"postinst" => has_script = true,
            _ => {}
        }
    }
    Ok((
        control.ok_or_else(|| malformed("it has no control file"))?,
        has_script,
    ))
}

fn read_data(
    name: &str,
    body: &mut dyn Read,
    temporary: &Path,
    cancel: &CancelToken,
) -> Result<(Vec<PackageEntry>, File), PackageFault> {
    let (entries, spool, _) = read_tar(&mut decompressed(name, body)?, temporary, cancel)?;
    Ok((entries, spool))
}

/// Reads a data tar: its entries, the spool of their content, and the checksums that apk's tars give by path.
pub(crate) fn read_tar(
    data: &mut dyn Read,
    temporary: &Path,
    cancel: &CancelToken,
) -> Result<(Vec<PackageEntry>, File, BTreeMap<String, String>), PackageFault> {
    let mut checksums = BTreeMap::new();
    let mut archive = tar::Archive::new(data.take(DATA_SIZE_BYTES_MAX));
    let mut spool = BufWriter::with_capacity(256 * 1024, tempfile::tempfile_in(temporary)?);
    let mut offset = 0;
    let mut entries = Vec::new();
    for entry in archive.entries()? {
        cancel.check()?;
        let mut entry = entry?;
        let Some(path) = clean_path(&entry.path_bytes())? else {
            continue;
        };
        if let Some(checksum) = checksum(&mut entry)? {
            checksums.insert(path.clone(), checksum);
        }
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
        });
    }
    let spool = spool
        .into_inner()
        .map_err(|failed| PackageFault::Read(failed.into_error()))?;
    Ok((entries, spool, checksums))
}

fn checksum(entry: &mut tar::Entry<'_, impl Read>) -> Result<Option<String>, PackageFault> {
    let Some(extensions) = entry.pax_extensions()? else {
        return Ok(None);
    };
    for extension in extensions {
        let extension = extension?;
        if extension.key_bytes() == b"APK-TOOLS.checksum.SHA1" {
            return Ok(Some(text_of(extension.value_bytes())?.to_owned()));
        }
    }
    Ok(None)
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
