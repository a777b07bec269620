//! A package file of apk format 2: gzip streams of tars — signatures, control, data.
//!
//! The signed index gives the SHA-1 of the control stream, and the control stream the SHA-256 of all that follows it:
//! so the index's signature vouches for every byte that is used.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lrops_model::cancel::CancelToken;
use sha1::{Digest as _, Sha1};

use super::streams::Streams;
use crate::limited::Limited;
use crate::unpacked::{
    DATA_SIZE_BYTES_MAX, PackageEntry, PackageEntryKind, PackageFault, Unpacked, malformed, read_tar,
};

/// Scripts that run when a package is installed.
const SCRIPTS: [&str; 3] = [".pre-install", ".post-install", ".trigger"];

/// The control stream holds a few small files.
const CONTROL_SIZE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Signatures and control; the data comes after them.
const STREAMS_BEFORE_DATA_MAX: usize = 2;

struct Control {
    info: BTreeMap<String, Vec<String>>,
    has_script: bool,
    checksum: String,
}

impl Control {
    fn field(&self, name: &str) -> Option<&str> {
        Some(self.info.get(name)?.first()?)
    }
}

/// Checks that a package file is the one with this checksum, to its last byte.
pub(crate) fn check(package: impl BufRead, checksum: &str) -> Result<(), PackageFault> {
    let mut streams = Streams::new(package);
    let control = control(&mut streams)?;
    if control.checksum != checksum {
        let found = &control.checksum;
        return Err(malformed(format!(
            "the checksum of its control is {found}, and the signed index says {checksum}"
        )));
    }
    let data = streams.rest()?.ok_or_else(|| malformed("it has no data"))?;
    io::copy(&mut Limited::new(data, DATA_SIZE_BYTES_MAX), &mut io::sink())?;
    check_data(&control, &streams)
}

fn check_data(control: &Control, streams: &Streams<impl BufRead>) -> Result<(), PackageFault> {
    let Some(promised) = control.field("datahash") else {
        return Err(malformed(
            "its control has no datahash, so nothing vouches for its data: it is older than apk 2.1",
        ));
    };
    let (_, sha256) = streams.digests();
    let found = hex(&sha256);
    if found != promised {
        return Err(malformed(format!(
            "the digest of its data is {found}, and its control says {promised}"
        )));
    }
    Ok(())
}

/// Unpacks a package file. Its `control` is its paragraph in apk's record of what is installed.
pub(crate) fn unpack(
    package: impl BufRead,
    temporary: &Path,
    cancel: &CancelToken,
) -> Result<Unpacked, PackageFault> {
    let mut streams = Streams::new(package);
    let control = control(&mut streams)?;
    let mut data = streams.rest()?.ok_or_else(|| malformed("it has no data"))?;
    let (mut entries, spool) = read_tar(&mut data, temporary, cancel)?;
    // What follows the tar's end is part of what is digested.
    io::copy(&mut Limited::new(data, DATA_SIZE_BYTES_MAX), &mut io::sink())?;
    check_data(&control, &streams)?;
    // apk takes files with a dot at the top for its own, and puts none in place.
    entries.retain(|entry| !entry.path.starts_with('.'));
    let mut unpacked = Unpacked {
        control: String::new(),
        has_script: control.has_script,
        entries,
        spool,
    };
    unpacked.control = installed(&control, streams.consumed(), &unpacked)?;
    Ok(unpacked)
}

fn control(streams: &mut Streams<impl BufRead>) -> Result<Control, PackageFault> {
    for _ in 0..STREAMS_BEFORE_DATA_MAX {
        let Some(stream) = streams.next()? else {
            break;
        };
        let mut content = Vec::new();
        Limited::new(stream, CONTROL_SIZE_BYTES_MAX).read_to_end(&mut content)?;
        let (mut info, mut has_script) = (None, false);
        for entry in tar::Archive::new(&content[..]).entries()? {
            let mut entry = entry?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if name == ".PKGINFO" {
                let mut text = String::new();
                entry.read_to_string(&mut text)?;
                info = Some(fields(&text));
            }
            has_script |= SCRIPTS.contains(&name.as_str());
        }
        if let Some(info) = info {
            let (sha1, _) = streams.digests();
            return Ok(Control {
                info,
                has_script,
                checksum: format!("Q1{}", STANDARD.encode(sha1)),
            });
        }
    }
    Err(malformed(
        "it is no package of apk's format 2: it has no .PKGINFO",
    ))
}

fn fields(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, value)) = line.split_once(" = ") {
            fields.entry(name.to_owned()).or_default().push(value.to_owned());
        }
    }
    fields
}

/// The letters of apk's record and the fields of `.PKGINFO`; the size of the file, S, comes after A.
const FIELDS: [(char, &str); 16] = [
    ('P', "pkgname"),
    ('V', "pkgver"),
    ('A', "arch"),
    ('I', "size"),
    ('T', "pkgdesc"),
    ('U', "url"),
    ('L', "license"),
    ('o', "origin"),
    ('m', "maintainer"),
    ('t', "builddate"),
    ('c', "commit"),
    ('k', "provider_priority"),
    ('D', "depend"),
    ('p', "provides"),
    ('i', "install_if"),
    ('r', "replaces"),
];

/// The package's paragraph in `lib/apk/db/installed`: its fields, then directories (F, M) with their files (R, a, Z).
fn installed(control: &Control, size: u64, unpacked: &Unpacked) -> Result<String, PackageFault> {
    let mut text = format!("C:{}\n", control.checksum);
    for (letter, name) in FIELDS {
        if letter == 'I' {
            write_line(&mut text, format_args!("S:{size}"));
        }
        if let Some(values) = control.info.get(name) {
            write_line(&mut text, format_args!("{letter}:{}", values.join(" ")));
        }
    }
    if let Some(priority) = control.field("replaces_priority") {
        write_line(&mut text, format_args!("q:{priority}"));
    }
    let mut directories: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for entry in &unpacked.entries {
        let access = format!("{}:{}:{:o}", entry.owner.uid, entry.owner.gid, entry.mode);
        if matches!(entry.kind, PackageEntryKind::Directory) {
            if access != "0:0:755" {
                directories.entry(&entry.path).or_default().0 = format!("M:{access}\n");
            }
            directories.entry(&entry.path).or_default();
            continue;
        }
        let (directory, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
        let files = &mut directories.entry(directory).or_default().1;
        write_line(files, format_args!("R:{name}"));
        if access != "0:0:644" {
            write_line(files, format_args!("a:{access}"));
        }
        if let Some(checksum) = checksum(entry, unpacked)? {
            write_line(files, format_args!("Z:Q1{}", STANDARD.encode(checksum)));
        }
    }
    for (path, (access, files)) in directories {
        write_line(&mut text, format_args!("F:{path}"));
        text += &access;
        text += &files;
    }
    Ok(text)
}

fn write_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("text takes all");
}

/// A file's SHA-1: what its tar says, else that of its content, of a link's target, or of what a hard link leads to.
fn checksum(entry: &PackageEntry, unpacked: &Unpacked) -> Result<Option<Vec<u8>>, PackageFault> {
    if let Some(checksum) = entry.extended.sha1.as_deref().and_then(bytes) {
        return Ok(Some(checksum));
    }
    Ok(match &entry.kind {
        PackageEntryKind::Directory => None,
        PackageEntryKind::Symlink(target) => Some(Sha1::digest(target).to_vec()),
        PackageEntryKind::File { offset, len } => Some(spooled_sha1(unpacked, *offset, *len)?),
        PackageEntryKind::HardLink(target) => {
            let is_file = |other: &&PackageEntry| {
                other.path == *target && matches!(other.kind, PackageEntryKind::File { .. })
            };
            match unpacked.entries.iter().find(is_file) {
                Some(file) => checksum(file, unpacked)?,
                None => None,
            }
        }
    })
}

fn spooled_sha1(unpacked: &Unpacked, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let (mut hasher, mut buffer, mut done) = (Sha1::new(), vec![0; 64 * 1024], 0);
    while done < len {
        let want = usize::try_from(len - done)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        unpacked.spool.read_exact_at(&mut buffer[..want], offset + done)?;
        hasher.update(&buffer[..want]);
        done += want as u64;
    }
    Ok(hasher.finalize().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text takes all");
        text
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect()
}
