//! [`write()`]: the layer that holds a list of changes.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::change::{Change, ChangeKind, Owner};
use lrops_model::digest::{DiffId, DigestWriter};
use lrops_model::oci::Descriptor;
use lrops_model::timestamp::Timestamp;

use super::compress::{CompressionSettings, Compressor};
use super::header::{EntryHeader, write_end, write_padding};
use super::{OPAQUE_WHITEOUT, WHITEOUT_PREFIX};
use crate::tree::{Kind, Metadata, RootDir, Spot, Spots, TreeError, attributes, enters_layers};

/// How much of a file is read at a time, and how much of the tar is passed on at a time.
const CHUNK_BYTES: usize = 128 * 1024;

/// What to write, and how.
pub struct WriteLayerRequest<'a> {
    /// The tree in its present state.
    pub tree: &'a RootDir,
    /// What changed in it. The order does not matter: entries are sorted.
    pub changes: &'a [Change],
    /// The times of the entries.
    pub times: LayerTimes,
    /// The compression.
    pub compression: CompressionSettings,
    /// Stops the work between two chunks.
    pub cancel: &'a CancelToken,
}

/// Which times entries get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerTimes {
    /// Every entry gets this one.
    Fixed(Timestamp),
    /// Every entry keeps its own, in whole seconds.
    Keep,
    /// Every entry that is older than `since` keeps its own; what was made since then gets `fixed`.
    KeepOlder {
        /// When the making of the tree began.
        since: Timestamp,
        /// The time of what was made.
        fixed: Timestamp,
    },
}

impl LayerTimes {
    fn of(self, modified: i64) -> i64 {
        match self {
            Self::Fixed(time) => time.0,
            Self::Keep => modified,
            Self::KeepOlder { since, fixed } => {
                if modified < since.0 {
                    modified
                } else {
                    fixed.0
                }
            }
        }
    }

    /// A removal has no time of its own.
    fn of_whiteout(self) -> i64 {
        match self {
            Self::Fixed(time) => time.0,
            Self::KeepOlder { fixed, .. } => fixed.0,
            Self::Keep => 0,
        }
    }
}

/// A layer that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenLayer {
    /// Names the compressed blob.
    pub descriptor: Descriptor,
    /// Names the tar.
    pub diff_id: DiffId,
    /// The length of the tar in bytes.
    pub size_uncompressed: u64,
}

/// What can go wrong with writing a layer.
#[derive(Debug, thiserror::Error)]
pub enum WriteLayerError {
    /// A file could not be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A path that is said to be there is not.
    #[error("{path} vanished while the layer was written", path = path.display())]
    Vanished {
        /// The path.
        path: PathBuf,
    },
    /// A file did not have the length it should have.
    #[error("{path} changed while the layer was written", path = path.display())]
    Changed {
        /// The path.
        path: PathBuf,
    },
    /// A file's name means a removal in layers.
    #[error(
        "a layer cannot hold {path}: names that begin with .wh. stand for removals", path = path.display()
    )]
    Whiteout {
        /// The path.
        path: PathBuf,
    },
    /// The layer's blob could not be written.
    #[error("failed to write the layer")]
    Output(#[source] io::Error),
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Writes the layer of `request` to `output`, and returns its names.
///
/// # Errors
/// See [`WriteLayerError`]. What was written until then is useless.
pub fn write(request: &WriteLayerRequest<'_>, output: impl Write) -> Result<WrittenLayer, WriteLayerError> {
    let blob = DigestWriter::new(output);
    let compressor = Compressor::new(blob, request.compression).map_err(WriteLayerError::Output)?;
    let tar = DigestWriter::new(compressor);
    let mut writer = LayerWriter {
        request,
        output: io::BufWriter::with_capacity(CHUNK_BYTES, tar),
        spots: Spots::new(request.tree),
        first_names: HashMap::new(),
        chunk: vec![0; CHUNK_BYTES],
    };
    let mut changes: Vec<&Change> = request.changes.iter().collect();
    changes.sort_by(|left, right| left.path.cmp(&right.path));
    for change in changes {
        request.cancel.check()?;
        writer.change(change)?;
    }
    write_end(&mut writer.output).map_err(WriteLayerError::Output)?;
    let finish = || -> io::Result<WrittenLayer> {
        let tar = writer
            .output
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        let (compressor, diff_id, size_uncompressed) = tar.finish();
        let (mut output, digest, size) = compressor.finish()?.finish();
        output.flush()?;
        let media_type = request.compression.compression.layer_media_type();
        let descriptor = Descriptor::new(media_type, digest, size);
        Ok(WrittenLayer {
            descriptor,
            diff_id: DiffId(diff_id),
            size_uncompressed,
        })
    };
    finish().map_err(WriteLayerError::Output)
}

struct LayerWriter<'a, W: Write> {
    request: &'a WriteLayerRequest<'a>,
    output: io::BufWriter<W>,
    spots: Spots<'a>,
    /// The first path of each file that has several names, by device and inode.
    first_names: HashMap<(u64, u64), PathBuf>,
    chunk: Vec<u8>,
}

impl<W: Write> LayerWriter<'_, W> {
    fn change(&mut self, change: &Change) -> Result<(), WriteLayerError> {
        let Some(name) = change.path.file_name() else {
            // The root itself has no entry, as in the reference's layers.
            return Ok(());
        };
        if name.as_bytes().starts_with(WHITEOUT_PREFIX.as_bytes()) {
            return Err(WriteLayerError::Whiteout {
                path: change.path.clone(),
            });
        }
        match change.kind {
            ChangeKind::Removed => self.whiteout(&change.path),
            ChangeKind::Present { owner } => self.entry(&change.path, owner),
        }
    }

    fn whiteout(&mut self, path: &Path) -> Result<(), WriteLayerError> {
        let mut name = OsString::from(WHITEOUT_PREFIX);
        name.push(path.file_name().unwrap_or_default());
        debug_assert!(name != OPAQUE_WHITEOUT, "names that begin with .wh. were refused");
        let name = path.with_file_name(name);
        let header = EntryHeader {
            flag: b'0',
            name: name.as_os_str().as_bytes(),
            link: b"",
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            modified: self.request.times.of_whiteout(),
            device: (0, 0),
            attributes: &[],
        };
        header.write(&mut self.output).map_err(WriteLayerError::Output)
    }

    fn entry(&mut self, path: &Path, owner: Option<Owner>) -> Result<(), WriteLayerError> {
        let tree_error = |action| {
            move |source| TreeError {
                action,
                path: Path::new("/").join(path),
                source,
            }
        };
        let spot = self.spots.at(path).map_err(tree_error("look up"))?;
        let metadata = self.request.tree.metadata_at(&spot)?;
        let mut metadata = metadata.ok_or_else(|| WriteLayerError::Vanished {
            path: path.to_owned(),
        })?;
        metadata.owner = owner.unwrap_or(metadata.owner);
        if metadata.kind == Kind::Socket {
            return Ok(());
        }
        // Links with several names are written one by one: the type flag cannot say both.
        if !matches!(metadata.kind, Kind::Directory | Kind::Symlink) && metadata.links > 1 {
            let identity = (metadata.device, metadata.inode);
            if let Some(first) = self.first_names.get(&identity) {
                let link = first.as_os_str().as_bytes().to_owned();
                return self.header(path, &metadata, Some(&link), &[]);
            }
            self.first_names.insert(identity, path.to_owned());
        }
        let attributes = attributes(&spot, enters_layers).map_err(tree_error("read the attributes of"))?;
        match metadata.kind {
            Kind::Symlink => {
                let target = spot.read_link().map_err(tree_error("read the link"))?;
                self.header(path, &metadata, Some(target.as_bytes()), &attributes)
            }
            Kind::File => {
                self.header(path, &metadata, None, &attributes)?;
                self.content(&spot, &metadata)
            }
            _ => self.header(path, &metadata, None, &attributes),
        }
    }

    fn header(
        &mut self,
        path: &Path,
        metadata: &Metadata,
        link: Option<&[u8]>,
        attributes: &[(OsString, Vec<u8>)],
    ) -> Result<(), WriteLayerError> {
        let mut name = path.as_os_str().as_bytes().to_owned();
        let mut device = (0, 0);
        let flag = match metadata.kind {
            Kind::Symlink => b'2',
            _ if link.is_some() => b'1',
            Kind::Directory => {
                name.push(b'/');
                b'5'
            }
            Kind::Fifo => b'6',
            Kind::CharDevice { major, minor } => {
                device = (major, minor);
                b'3'
            }
            Kind::BlockDevice { major, minor } => {
                device = (major, minor);
                b'4'
            }
            Kind::File | Kind::Socket => b'0',
        };
        let header = EntryHeader {
            flag,
            name: &name,
            link: link.unwrap_or_default(),
            // What the mode of a link is depends on the system; it means nothing.
            mode: if metadata.kind == Kind::Symlink {
                0o777
            } else {
                metadata.mode
            },
            uid: metadata.owner.uid,
            gid: metadata.owner.gid,
            size: if flag == b'0' { metadata.size } else { 0 },
            modified: self.request.times.of(metadata.modified.seconds),
            device,
            attributes,
        };
        header.write(&mut self.output).map_err(WriteLayerError::Output)
    }

    fn content(&mut self, spot: &Spot, metadata: &Metadata) -> Result<(), WriteLayerError> {
        let tree_error = |source| TreeError {
            action: "read",
            path: Path::new("/").join(&spot.path),
            source,
        };
        let changed = || WriteLayerError::Changed {
            path: spot.path.clone(),
        };
        if metadata.size == 0 {
            return Ok(());
        }
        let mut file = spot.open_file().map_err(tree_error)?;
        let mut left = metadata.size;
        while left > 0 {
            self.request.cancel.check()?;
            let length = usize::try_from(left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
            let read = file.read(&mut self.chunk[..length]).map_err(tree_error)?;
            if read == 0 {
                return Err(changed());
            }
            self.output
                .write_all(&self.chunk[..read])
                .map_err(WriteLayerError::Output)?;
            left -= read as u64;
        }
        if file.read(&mut self.chunk[..1]).map_err(tree_error)? != 0 {
            return Err(changed());
        }
        write_padding(&mut self.output, metadata.size).map_err(WriteLayerError::Output)
    }
}
