//! Copying the content of one file: shared where the file system can, with holes kept.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;

use rustix::fs::SeekFrom as RawSeekFrom;
use rustix::io::Errno;

/// Copies all of `source` into the empty file `target`.
///
/// Tries to share the blocks (`FICLONE`); otherwise the standard library's copy uses `copy_file_range` and falls back
/// to reading and writing by itself.
pub(crate) fn copy_content(source: &File, target: &File) -> io::Result<()> {
    let metadata = source.metadata()?;
    if metadata.len() == 0 {
        return Ok(());
    }
    if rustix::fs::ioctl_ficlone(target, source).is_ok() {
        return Ok(());
    }
    let sparse = metadata.blocks() * 512 < metadata.len();
    if sparse && copy_segments(source, target, metadata.len())? {
        return Ok(());
    }
    let (mut source, mut target) = (source, target);
    io::copy(&mut source, &mut target)?;
    Ok(())
}

/// Copies only the parts that are not holes; returns `false` when the file system cannot tell them apart.
fn copy_segments(mut source: &File, mut target: &File, length: u64) -> io::Result<bool> {
    let mut position = 0;
    while position < length {
        let start = match rustix::fs::seek(source, RawSeekFrom::Data(position)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL) if position == 0 => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let end = rustix::fs::seek(source, RawSeekFrom::Hole(start))?.min(length);
        source.seek(SeekFrom::Start(start))?;
        target.seek(SeekFrom::Start(start))?;
        io::copy(&mut source.take(end - start), &mut target)?;
        position = end;
    }
    target.set_len(length)?;
    Ok(true)
}
