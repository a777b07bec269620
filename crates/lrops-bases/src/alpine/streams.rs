//! The gzip streams of an apk file, one after the other, with the digests of their compressed bytes.

use std::io::{self, BufRead, Read};

use flate2::bufread::{GzDecoder, MultiGzDecoder};
use rsa::sha2::Sha256;
use sha1::{Digest as _, Sha1};

/// A reader that digests and counts what is consumed.
pub(crate) struct Streams<R> {
    inner: R,
    sha1: Sha1,
    sha256: Sha256,
    consumed: u64,
}

impl<R: BufRead> Streams<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            sha1: Sha1::new(),
            sha256: Sha256::new(),
            consumed: 0,
        }
    }

    /// Returns a reader over the next stream's content, or none at the end of the file.
    pub(crate) fn next(&mut self) -> io::Result<Option<GzDecoder<&mut Self>>> {
        Ok(self.begin()?.map(GzDecoder::new))
    }

    /// Returns a reader over the content of all streams that are left, as of one.
    pub(crate) fn rest(&mut self) -> io::Result<Option<MultiGzDecoder<&mut Self>>> {
        Ok(self.begin()?.map(MultiGzDecoder::new))
    }

    fn begin(&mut self) -> io::Result<Option<&mut Self>> {
        if self.inner.fill_buf()?.is_empty() {
            return Ok(None);
        }
        self.sha1 = Sha1::new();
        self.sha256 = Sha256::new();
        Ok(Some(self))
    }

    /// Returns the SHA-1 and the SHA-256 of what was read since the last stream began.
    pub(crate) fn digests(&self) -> ([u8; 20], [u8; 32]) {
        (
            self.sha1.clone().finalize().into(),
            self.sha256.clone().finalize().into(),
        )
    }

    /// Returns how many bytes of the file were read.
    pub(crate) fn consumed(&self) -> u64 {
        self.consumed
    }
}

impl<R: BufRead> Read for Streams<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Streams<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        // What is buffered is there without a read, so there is no error.
        if let Ok(buffer) = self.inner.fill_buf() {
            self.sha1.update(&buffer[..amount]);
            self.sha256.update(&buffer[..amount]);
        }
        self.consumed += amount as u64;
        self.inner.consume(amount);
    }
}
