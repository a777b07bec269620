//! A package file of apk format 2: gzip streams of tars — signatures, control, data.
//!
//! The signed index gives the SHA-1 of the control stream, and the control stream the SHA-256 of the data stream: so
//! the index's signature vouches for every byte that is used.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lrops_model::cancel::CancelToken;

use super::streams::Streams;
use crate::debian::package::{PackageEntryKind, PackageFault, Unpacked, malformed, read_tar};

/// Scripts that run when a package is installed.
const SCRIPTS: [&str; 3] = [".pre-install", ".post-install", ".trigger"];

/// The control stream holds a few small files.
const CONTROL_SIZE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Signatures, control, data.
const STREAMS_MAX: usize = 3;

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
    let mut data = streams.next()?.ok_or_else(|| malformed("it has no data"))?;
    io::copy(&mut data, &mut io::sink())?;
    check_data(&control, &mut streams)
}

fn check_data(control: &Control, streams: &mut Streams<impl BufRead>) -> Result<(), PackageFault> {
    let (_, sha256) = streams.digests();
    let found = hex(&sha256);
    let promised = control.field("datahash").unwrap_or("missing");
    if found != promised {
        return Err(malformed(format!(
            "the digest of its data is {found}, and its control says {promised}"
        )));
    }
    if streams.next()?.is_some() {
        return Err(malformed("something follows its data"));
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
    let mut data = streams.next()?.ok_or_else(|| malformed("it has no data"))?;
    let (entries, spool, checksums) = read_tar(&mut data, temporary, cancel)?;
    io::copy(&mut data, &mut io::sink())?;
    check_data(&control, &mut streams)?;
    let mut unpacked = Unpacked {
        control: String::new(),
        has_script: control.has_script,
        entries,
        spool,
    };
    unpacked.control = installed(&control, &unpacked, &checksums);
    Ok(unpacked)
}

fn control(streams: &mut Streams<impl BufRead>) -> Result<Control, PackageFault> {
    for _ in 1..STREAMS_MAX {
        let Some(mut stream) = streams.next()? else {
            break;
        };
        let mut content = Vec::new();
        (&mut stream)
            .take(CONTROL_SIZE_BYTES_MAX)
            .read_to_end(&mut content)?;
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

/// The letters of apk's record and the fields of `.PKGINFO`.
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
fn installed(control: &Control, unpacked: &Unpacked, checksums: &BTreeMap<String, String>) -> String {
    let mut text = format!("C:{}\n", control.checksum);
    for (letter, name) in FIELDS {
        if let Some(values) = control.info.get(name) {
            writeln!(text, "{letter}:{}", values.join(" ")).expect("text takes all");
        }
    }
    if let Some(priority) = control.field("replaces_priority") {
        writeln!(text, "q:{priority}").expect("text takes all");
    }
    let mut directories: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for entry in &unpacked.entries {
        let access = format!("{}:{}:{:o}", entry.owner.uid, entry.owner.gid, entry.mode);
        if matches!(entry.kind, PackageEntryKind::Directory) {
            let access = if access == "0:0:755" {
                String::new()
            } else {
                format!("M:{access}\n")
            };
            directories.entry(&entry.path).or_default().0 = access;
            continue;
        }
        let (directory, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
        let files = &mut directories.entry(directory).or_default().1;
        writeln!(files, "R:{name}").expect("text takes all");
        let usual = if matches!(entry.kind, PackageEntryKind::Symlink(_)) {
            "0:0:777"
        } else {
            "0:0:644"
        };
        if access != usual {
            writeln!(files, "a:{access}").expect("text takes all");
        }
        if let Some(checksum) = checksums.get(&entry.path).and_then(|hex| bytes(hex)) {
            writeln!(files, "Z:Q1{}", STANDARD.encode(checksum)).expect("text takes all");
        }
    }
    for (path, (access, files)) in directories {
        write!(text, "F:{path}\n{access}{files}").expect("text takes all");
    }
    text
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

/// Returns the file from its start.
pub(crate) fn rewound(mut file: File) -> io::Result<File> {
    io::Seek::rewind(&mut file)?;
    Ok(file)
}
