//! The bytes of a blob on their way: the source is opened once, and again only when other bytes than the next are wanted.

use std::cell::Cell;
use std::io::{self, Read};

use lrops_model::blob::{BlobError, BlobSource};
use lrops_model::oci::Descriptor;

use super::BlobUpload;
use crate::registry::push::event::PushStep;

/// A blob that is read from any offset on.
pub(super) struct Content<'a> {
    source: &'a dyn BlobSource,
    descriptor: &'a Descriptor,
    opened: Cell<Option<Opened>>,
}

/// An open blob.
struct Opened {
    reader: Box<dyn Read + Send>,
    /// The next byte that it gives.
    offset: u64,
}

impl<'a> Content<'a> {
    pub(super) fn new(source: &'a dyn BlobSource, descriptor: &'a Descriptor) -> Self {
        Self {
            source,
            descriptor,
            opened: Cell::new(None),
        }
    }

    /// Reads some bytes from an offset on. After a failure the source is opened anew.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut opened = match self.opened.take() {
            Some(opened) if opened.offset == offset => opened,
            _ => self.open(offset)?,
        };
        let read = opened.reader.read(buffer)?;
        opened.offset += read as u64;
        self.opened.set(Some(opened));
        Ok(read)
    }

    fn open(&self, offset: u64) -> io::Result<Opened> {
        let reader = self
            .source
            .open_at(self.descriptor, offset)
            .map_err(|error| match error {
                BlobError::Cancelled(cancelled) => io::Error::other(cancelled),
                error => io::Error::other(error),
            })?;
        Ok(Opened { reader, offset })
    }
}

/// What one request sends, from an offset on; counts it, and stops when the work should.
pub(super) struct Sending<'a> {
    pub(super) upload: &'a BlobUpload<'a>,
    pub(super) offset: u64,
}

impl Read for Sending<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.upload.cancel.check().map_err(io::Error::other)?;
        let read = self.upload.content.read_at(self.offset, buffer)?;
        self.offset += read as u64;
        let sent = &self.upload.sent;
        sent.set(sent.get() + read as u64);
        let what = PushStep::Sending { offset: self.offset };
        self.upload.push.tell(self.upload.descriptor, what);
        Ok(read)
    }
}
