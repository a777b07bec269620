//! A package file as abuild writes it: signatures, control and data, each a gzip stream of a tar.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::sha2::Sha256;
use sha1::{Digest as _, Sha1};

/// A package. `{arch}` in its texts stands for the architecture.
#[derive(Clone)]
pub struct ApkPackage {
    name: String,
    version: String,
    fields: Vec<(&'static str, String)>,
    files: Vec<ApkFile>,
    datahash: bool,
}

/// A file of a package.
#[derive(Clone)]
pub struct ApkFile {
    /// Its path, without a leading `/`.
    pub path: String,
    /// What it is.
    pub content: ApkContent,
    /// Its mode; without it what is usual for its kind.
    pub mode: Option<u32>,
    /// User and group id.
    pub owner: (u64, u64),
    /// Records of its extended header.
    pub records: Vec<(String, Vec<u8>)>,
}

/// What a file of a package is.
#[derive(Clone)]
pub enum ApkContent {
    /// A directory.
    Directory,
    /// A regular file.
    Bytes(Vec<u8>),
    /// A regular file that is another one for each architecture.
    Programs(BTreeMap<&'static str, Vec<u8>>),
    /// A symbolic link.
    Symlink(String),
    /// A hard link to a file of the package.
    HardLink(String),
}

/// A package's file and its paragraph in the index.
pub(super) struct Made {
    pub(super) bytes: Vec<u8>,
    pub(super) index: String,
}

/// Letters of the index and fields of `.PKGINFO`; the last two are not in the index.
const FIELDS: [(&str, &str); 10] = [
    ("T", "pkgdesc"),
    ("U", "url"),
    ("L", "license"),
    ("o", "origin"),
    ("D", "depend"),
    ("p", "provides"),
    ("i", "install_if"),
    ("k", "provider_priority"),
    ("r", "replaces"),
    ("q", "replaces_priority"),
];

impl ApkFile {
    /// Returns a regular file.
    #[must_use]
    pub fn new(path: &str, content: impl Into<Vec<u8>>) -> Self {
        Self::of(path, ApkContent::Bytes(content.into()))
    }

    /// Returns a file of any kind.
    #[must_use]
    pub fn of(path: &str, content: ApkContent) -> Self {
        Self {
            path: path.to_owned(),
            content,
            mode: None,
            owner: (0, 0),
            records: Vec::new(),
        }
    }

    /// Gives it another mode.
    #[must_use]
    pub fn mode(self, mode: u32) -> Self {
        Self {
            mode: Some(mode),
            ..self
        }
    }
}

impl ApkPackage {
    /// Returns a package without files.
    #[must_use]
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            fields: Vec::new(),
            files: Vec::new(),
            datahash: true,
        }
    }

    /// Says something about it, by the letter of the index: `D` what it needs, `p` provides, `i` is installed with, `r`
    /// replaces; `k` and `q` are priorities, `o` the origin.
    #[must_use]
    pub fn with(mut self, letter: &'static str, value: &str) -> Self {
        assert!(FIELDS.iter().any(|(known, _)| *known == letter), "{letter}");
        self.fields.push((letter, value.to_owned()));
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn file_of(mut self, file: ApkFile) -> Self {
        self.files.push(file);
        self
    }

    /// Adds a program.
    #[must_use]
    pub fn program(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.file_of(ApkFile::new(path, content).mode(0o755))
    }

    /// Adds a text file.
    #[must_use]
    pub fn text(self, path: &str, content: &str) -> Self {
        self.file_of(ApkFile::new(path, content))
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(self, path: &str, target: &str) -> Self {
        self.file_of(ApkFile::of(path, ApkContent::Symlink(target.to_owned())))
    }

    /// Leaves out what vouches for its data, as packages of long ago did.
    #[must_use]
    pub fn without_datahash(mut self) -> Self {
        self.datahash = false;
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn file(&self, architecture: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Made {
        let here = |text: &str| text.replace("{arch}", architecture);
        let files: Vec<ApkFile> = self
            .files
            .iter()
            .map(|file| ApkFile {
                path: here(&file.path),
                content: file.content.here(architecture),
                ..file.clone()
            })
            .collect();
        let data = gzip(&tar(&with_directories_and_checksums(files)));
        let mut info = format!(
            "# made by a test\npkgname = {}\npkgver = {}\narch = {architecture}\nsize = {}\n",
            self.name,
            self.version,
            data.len()
        );
        let (mut index, mut texts) = (String::new(), String::new());
        for (letter, value) in &self.fields {
            let (_, name) = FIELDS.iter().find(|(known, _)| known == letter).unwrap();
            let value = here(value);
            // abuild writes a line for each.
            let parts: Vec<&str> = if ["D", "p", "i", "r"].contains(letter) {
                value.split(' ').collect()
            } else {
                vec![&value]
            };
            for part in parts {
                writeln!(info, "{name} = {part}").unwrap();
            }
            if !["r", "q"].contains(letter) {
                writeln!(texts, "{letter}:{value}").unwrap();
            }
        }
        if self.datahash {
            writeln!(info, "datahash = {}", hex(&Sha256::digest(&data))).unwrap();
        }
        let control = [
            ApkFile::new(".PKGINFO", info),
            ApkFile::new(".post-install", "#!/bin/sh\nexit 1\n").mode(0o755),
        ];
        let control = gzip(without_end(&tar(&control)));
        let checksum = STANDARD.encode(Sha1::digest(&control));
        let mut bytes = sign(&control);
        bytes.extend_from_slice(&data);
        writeln!(
            index,
            "C:Q1{checksum}\nP:{}\nV:{}\nA:{architecture}\nS:{}\nI:{}\n{texts}",
            self.name,
            self.version,
            bytes.len(),
            data.len()
        )
        .unwrap();
        Made { bytes, index }
    }
}

impl ApkContent {
    fn here(&self, architecture: &str) -> Self {
        match self {
            Self::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Self::Bytes(text.replace("{arch}", architecture).into_bytes()),
                Err(_) => self.clone(),
            },
            Self::Programs(programs) => Self::Bytes(programs[architecture].clone()),
            Self::Symlink(target) => Self::Symlink(target.replace("{arch}", architecture)),
            Self::Directory | Self::HardLink(_) => self.clone(),
        }
    }
}

/// Directories come before what is in them, and regular files and links have their SHA-1 in an extended header.
fn with_directories_and_checksums(files: Vec<ApkFile>) -> Vec<ApkFile> {
    let mut all: Vec<ApkFile> = Vec::new();
    for mut file in files {
        for (at, _) in file.path.match_indices('/') {
            let above = &file.path[..at];
            if !above.is_empty() && above != ".." && !all.iter().any(|other| other.path == above) {
                all.push(ApkFile::of(above, ApkContent::Directory));
            }
        }
        let digest = match &file.content {
            ApkContent::Bytes(bytes) => Some(Sha1::digest(bytes)),
            ApkContent::Symlink(target) => Some(Sha1::digest(target)),
            ApkContent::Programs(_) | ApkContent::Directory | ApkContent::HardLink(_) => None,
        };
        if let Some(digest) = digest {
            let name = "APK-TOOLS.checksum.SHA1".to_owned();
            file.records.push((name, hex(&digest).into_bytes()));
        }
        all.push(file);
    }
    all
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A tar without the two empty blocks at its end, as abuild cuts it.
pub(super) fn without_end(tar: &[u8]) -> &[u8] {
    &tar[..tar.len() - 1024]
}

pub(super) fn tar(files: &[ApkFile]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for file in files {
        let records = file
            .records
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()));
        if !file.records.is_empty() {
            builder.append_pax_extensions(records).unwrap();
        }
        append(&mut builder, file);
    }
    builder.into_inner().unwrap()
}

fn append(builder: &mut tar::Builder<Vec<u8>>, file: &ApkFile) {
    let (kind, mode, content, target) = match &file.content {
        ApkContent::Directory => (tar::EntryType::Directory, 0o755, &[][..], None),
        ApkContent::Programs(_) => unreachable!("one was chosen for the architecture"),
        ApkContent::Bytes(bytes) => (tar::EntryType::Regular, 0o644, &bytes[..], None),
        ApkContent::Symlink(target) => (tar::EntryType::Symlink, 0o777, &[][..], Some(target)),
        ApkContent::HardLink(target) => (tar::EntryType::Link, 0o644, &[][..], Some(target)),
    };
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(file.mode.unwrap_or(mode));
    header.set_uid(file.owner.0);
    header.set_gid(file.owner.1);
    header.set_mtime(1_700_000_000);
    header.set_size(content.len() as u64);
    // By hand, since the library refuses paths that lead out of the tar, which tests need.
    header.as_ustar_mut().unwrap().name[..file.path.len()].copy_from_slice(file.path.as_bytes());
    if let Some(target) = target {
        header.as_ustar_mut().unwrap().linkname[..target.len()].copy_from_slice(target.as_bytes());
    }
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
