//! [`apply()`]: unpacks a layer onto a tree.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lrops_model::cancel::CancelToken;
use lrops_model::digest::{DiffId, DigestReader};
use lrops_model::oci::Compression;

use super::decompress::{DecompressError, decompress};
use super::entries::{Entries, Header};
use super::extract::{ExtractError, Extractor};
use super::name::{Escape, ExtractLimits, clean_name};
use super::{OPAQUE_WHITEOUT, WHITEOUT_PREFIX};
use crate::tree::{During, Kind, RootDir, Spot, TreeError, UnstoredOwner, set_attribute};

/// What overlayfs takes for a removal.
pub(super) const WHITEOUT: Kind = Kind::CharDevice { major: 0, minor: 0 };

/// Finds a path of the lower layers on disk.
///
/// Asked for a path that the tree itself does not have, when a hard link, a directory that the layer only implies, or
/// a symbolic link on the way may lie below. Answers with a path of this machine whose last component exists, or
/// `None`.
pub type Lower<'a> = dyn Fn(&Path) -> Option<PathBuf> + 'a;

/// How to apply a layer.
pub struct ApplyRequest<'a> {
    /// How the blob is compressed.
    pub compression: Compression,
    /// The digest that its tar must have; `None` where it is not known yet.
    pub diff_id: Option<DiffId>,
    /// How removals are carried out.
    pub whiteouts: Whiteouts,
    /// The lower layers, when the tree is an upper directory that is not mounted; `None` when the tree has all.
    pub lower: Option<&'a Lower<'a>>,
    /// What the layer may ask for at most.
    pub limits: ExtractLimits,
    /// Stops the work between two chunks.
    pub cancel: &'a CancelToken,
}

/// How removals are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whiteouts {
    /// As marks for overlayfs (with `userxattr`): character devices 0:0, and `user.overlay.opaque`.
    Overlay,
    /// By removing what is there: the tree holds the lower layers.
    Remove,
}

/// A layer that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The digest of the tar.
    pub diff_id: DiffId,
    /// The length of the tar in bytes.
    pub size_uncompressed: u64,
    /// Owners that the tree could not keep.
    pub unstored_owners: Vec<UnstoredOwner>,
}

/// What can go wrong with applying a layer.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The blob cannot be decompressed.
    #[error(transparent)]
    Decompress(#[from] DecompressError),
    /// An entry cannot be placed.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// The tar is another than the one expected.
    #[error("the layer's tar is {found} instead of {expected}")]
    DiffId {
        /// What the image's config says.
        expected: DiffId,
        /// What the blob holds.
        found: DiffId,
    },
}

impl From<TreeError> for ApplyError {
    fn from(error: TreeError) -> Self {
        Self::Extract(error.into())
    }
}

/// Unpacks a layer's blob onto the tree beneath `root`.
///
/// Reads `blob` to its very end, so a verifying reader has verified it when this succeeds. On an error the tree is in
/// between and must be thrown away.
///
/// # Errors
/// See [`ApplyError`].
pub fn apply(
    root: &RootDir,
    blob: impl Read + Send,
    request: &ApplyRequest<'_>,
) -> Result<Applied, ApplyError> {
    let mut entries = Entries::new(DigestReader::new(decompress(request.compression, blob)?));
    let extractor = Extractor::new(root, Escape::Refuse, request.limits, request.cancel);
    let mut applier = Applier {
        extractor: extractor.with_lower(request.lower),
        whiteouts: request.whiteouts,
        limits: request.limits,
        unpacked: HashSet::new(),
    };
    while let Some(header) = entries.next().map_err(ExtractError::Read)? {
        applier.entry(&header, &mut entries.content())?;
    }
    let (unstored_owners, _) = applier.extractor.end()?;
    let (_, digest, size_uncompressed) = entries.drain().map_err(ExtractError::Read)?.finish();
    let diff_id = DiffId(digest);
    match request.diff_id {
        Some(expected) if expected != diff_id => Err(ApplyError::DiffId {
            expected,
            found: diff_id,
        }),
        _ => Ok(Applied {
            diff_id,
            size_uncompressed,
            unstored_owners,
        }),
    }
}

struct Applier<'a> {
    extractor: Extractor<'a>,
    whiteouts: Whiteouts,
    limits: ExtractLimits,
    /// Where entries of this layer were put: whiteouts do not touch their own layer.
    unpacked: HashSet<PathBuf>,
}

impl Applier<'_> {
    fn entry(&mut self, header: &Header, content: &mut dyn Read) -> Result<(), ApplyError> {
        self.extractor.count()?;
        let path = clean_name(&header.unsafe_name, Escape::Refuse, &self.limits)?;
        let name = path.file_name().unwrap_or_default();
        if name == OPAQUE_WHITEOUT {
            let directory = path.parent().unwrap_or(Path::new("")).to_owned();
            return self.opaque(&directory);
        }
        if let Some(removed) = name.as_bytes().strip_prefix(WHITEOUT_PREFIX.as_bytes()) {
            return self.whiteout(&path, OsStr::from_bytes(removed));
        }
        self.extractor.place(&path, header, content)?;
        if self.whiteouts == Whiteouts::Remove {
            let real = self.extractor.locate(&path)?.path;
            self.unpacked.insert(real);
        }
        Ok(())
    }

    fn opaque(&mut self, directory: &Path) -> Result<(), ApplyError> {
        // Any name in the directory will do to have the directory made and its links resolved.
        let inside = self.extractor.locate(&directory.join(OPAQUE_WHITEOUT))?;
        let real = inside.path.parent().unwrap_or(Path::new("")).to_owned();
        let spot = if real.as_os_str().is_empty() {
            self.extractor.locate(Path::new(""))?
        } else {
            self.extractor.locate(&real)?
        };
        match self.whiteouts {
            Whiteouts::Overlay => Ok(set_opaque(&spot)?),
            Whiteouts::Remove => {
                self.remove_lower(&spot, false)?;
                self.extractor.forget();
                Ok(())
            }
        }
    }

    fn whiteout(&mut self, path: &Path, removed: &OsStr) -> Result<(), ApplyError> {
        if removed.is_empty() || removed == "." || removed == ".." {
            let name = path.display().to_string();
            return Err(ExtractError::Name {
                name,
                reason: "it removes nothing that has a name",
            }
            .into());
        }
        let spot = self.extractor.locate(&path.with_file_name(removed))?;
        let existing = spot
            .stat()
            .during("look up", &spot.path)?
            .map(|stat| Kind::of(&stat));
        match (self.whiteouts, existing) {
            (Whiteouts::Overlay, None) => {
                Ok(spot.make_node(WHITEOUT).during("mark as removed", &spot.path)?)
            }
            // This layer made it: only what lies below it is gone.
            (Whiteouts::Overlay, Some(Kind::Directory)) => Ok(set_opaque(&spot)?),
            (Whiteouts::Overlay, Some(_)) | (Whiteouts::Remove, None) => Ok(()),
            (Whiteouts::Remove, Some(_)) => {
                self.remove_lower(&spot, true)?;
                self.extractor.forget();
                Ok(())
            }
        }
    }

    /// Removes what this layer did not unpack; returns whether anything of this layer is left in it.
    fn remove_lower(&self, spot: &Spot, with_itself: bool) -> Result<bool, TreeError> {
        let is_ours = self.unpacked.contains(&spot.path);
        let stat = spot.stat().during("look up", &spot.path)?;
        if stat.is_none_or(|stat| Kind::of(&stat) != Kind::Directory) {
            if with_itself && !is_ours {
                spot.remove_all().during("remove", &spot.path)?;
            }
            return Ok(is_ours);
        }
        let mut holds_ours = is_ours;
        for child in spot.children().during("list", &spot.path)? {
            holds_ours |= self.remove_lower(&child, true)?;
        }
        if with_itself && !holds_ours {
            spot.remove_all().during("remove", &spot.path)?;
        }
        Ok(holds_ours)
    }
}

/// Marks a directory so that overlayfs shows nothing of what lower layers have in it.
pub(super) fn set_opaque(spot: &Spot) -> Result<(), TreeError> {
    set_attribute(spot, "user.overlay.opaque".as_ref(), b"y").during("mark as opaque", &spot.path)
}
