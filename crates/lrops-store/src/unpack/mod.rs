//! `ADD` of local archives: detected by content, extracted as BuildKit does.
//!
//! Rules: an archive is a regular file that, after decompression by its magic bytes, begins with a valid tar header
//! (BuildKit's `isArchivePath`). It is extracted as if its destination were the root: names and links are confined
//! to it. Owners, modes and times come from the archive; directories that it only implies belong to 0:0 with mode
//! 0755. Entries whose names look like whiteouts are ordinary files here.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use lrops_model::cancel::CancelToken;
use lrops_model::change::Owner;

use crate::layer::{
    DecompressError, Entries, Escape, ExtractError, ExtractLimits, Extractor, Format, Ownership, clean_name,
    open_format,
};
use crate::tree::{Follow, Kind, NewDirectories, RootDir, TreeError, UnstoredOwner, is_copied};

/// What to unpack, to where, and how.
pub struct UnpackRequest<'a> {
    /// The tree that is read.
    pub source_root: &'a RootDir,
    /// A path in it; symbolic links are followed.
    pub source: &'a Path,
    /// The tree that is written.
    pub target_root: &'a RootDir,
    /// The directory to extract into; it is made if it is missing.
    pub target: &'a Path,
    /// Who owns what is extracted.
    pub owners: ArchiveOwners,
    /// What the archive may ask for at most.
    pub limits: ExtractLimits,
    /// Stops the work between two chunks.
    pub cancel: &'a CancelToken,
}

/// Who owns what is extracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveOwners {
    /// The owners that the archive names.
    Archive,
    /// The owner that `--chown` names.
    Set(Owner),
}

/// What became of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpacked {
    /// It is no archive, and nothing was done: it is to be copied as a file.
    NotAnArchive,
    /// It was extracted.
    Extracted {
        /// Owners that the target tree could not keep.
        unstored_owners: Vec<UnstoredOwner>,
    },
}

/// What can go wrong with unpacking.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// A file operation failed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The archive cannot be decompressed.
    #[error("failed to unpack {path}", path = path.display())]
    Decompress {
        /// The archive.
        path: PathBuf,
        /// The cause.
        source: DecompressError,
    },
    /// An entry cannot be placed.
    #[error("failed to unpack {path}", path = path.display())]
    Extract {
        /// The archive.
        path: PathBuf,
        /// The cause.
        source: ExtractError,
    },
}

/// Returns whether the file at `source` is an archive that `ADD` unpacks.
///
/// # Errors
/// When the file cannot be read.
pub fn is_archive(source_root: &RootDir, source: &Path) -> Result<bool, TreeError> {
    Ok(open_archive(source_root, source)?.is_some())
}

/// Unpacks the archive of `request`, if it is one.
///
/// # Errors
/// See [`UnpackError`]. What was extracted until then stays.
pub fn unpack(request: &UnpackRequest<'_>) -> Result<Unpacked, UnpackError> {
    let Some((file, format)) = open_archive(request.source_root, request.source)? else {
        return Ok(Unpacked::NotAnArchive);
    };
    let (owner, ownership) = match request.owners {
        ArchiveOwners::Archive => (Owner::ROOT, Ownership::Archive),
        ArchiveOwners::Set(owner) => (owner, Ownership::Set(owner)),
    };
    let target = request.target_root.resolve(request.target)?;
    request.target_root.make_dirs(
        &target,
        NewDirectories {
            mode: 0o755,
            owner,
            time: None,
        },
    )?;
    let inner = request.target_root.below(&target)?;
    let input = open_format(format, file).map_err(|source| UnpackError::Decompress {
        path: request.source.to_owned(),
        source,
    })?;
    let mut unstored_owners =
        extract(request, &inner, ownership, input).map_err(|source| UnpackError::Extract {
            path: request.source.to_owned(),
            source,
        })?;
    for unstored in &mut unstored_owners {
        unstored.path = target.join(&unstored.path);
    }
    Ok(Unpacked::Extracted { unstored_owners })
}

fn extract(
    request: &UnpackRequest<'_>,
    target: &RootDir,
    ownership: Ownership,
    input: impl Read,
) -> Result<Vec<UnstoredOwner>, ExtractError> {
    let mut entries = Entries::new(input);
    let mut extractor = Extractor::new(target, Escape::Confine, request.limits, request.cancel)
        .with_ownership(ownership)
        .with_attributes(is_copied);
    while let Some(header) = entries.next().map_err(ExtractError::Read)? {
        extractor.count()?;
        let path = clean_name(&header.unsafe_name, Escape::Confine, &request.limits)?;
        // The destination keeps its own metadata.
        if !path.as_os_str().is_empty() {
            extractor.place(&path, &header, &mut entries.content())?;
        }
    }
    Ok(extractor.end()?.0)
}

fn open_archive(root: &RootDir, source: &Path) -> Result<Option<(File, Format)>, TreeError> {
    let metadata = root.metadata(source, Follow::Yes)?;
    if metadata.is_none_or(|metadata| metadata.kind != Kind::File) {
        return Ok(None);
    }
    let mut file = root.open_file(source)?;
    let error = |cause| TreeError {
        action: "read",
        path: source.to_owned(),
        source: cause,
    };
    let format = detect(&mut file).map_err(error)?;
    file.rewind().map_err(error)?;
    // What cannot be decompressed or has no valid first header is an ordinary file, not an error.
    let begins_with_header = open_format(format, &file)
        .is_ok_and(|input| Entries::new(input).next().is_ok_and(|header| header.is_some()));
    file.rewind().map_err(error)?;
    Ok(begins_with_header.then_some((file, format)))
}

/// Tells the format from the first bytes, as Docker's `compression.Detect`.
fn detect(file: &mut File) -> io::Result<Format> {
    let mut start = Vec::new();
    file.take(10).read_to_end(&mut start)?;
    let is_zstd_skippable = start.len() >= 8 && start[0] & 0xf0 == 0x50 && start[1..4] == [0x2a, 0x4d, 0x18];
    Ok(match start.as_slice() {
        [0x1f, 0x8b, 0x08, ..] => Format::Gzip,
        [b'B', b'Z', b'h', ..] => Format::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Format::Xz,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Format::Zstd,
        _ if is_zstd_skippable => Format::Zstd,
        _ => Format::Plain,
    })
}

#[cfg(test)]
mod tests;
