//! A reader with a limit that is an error and no early end.

use std::io::{self, Read};

/// Reads at most so many bytes, and fails when there are more.
pub(crate) struct Limited<R> {
    inner: R,
    left: u64,
    bytes_max: u64,
}

impl<R: Read> Limited<R> {
    pub(crate) fn new(inner: R, bytes_max: u64) -> Self {
        Self {
            inner,
            left: bytes_max,
            bytes_max,
        }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return match self.inner.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("it has more than {} bytes", self.bytes_max),
                )),
            };
        }
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(&mut buffer[..want])?;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_read_and_what_is_larger_is_an_error() {
        let read = |bytes: &[u8]| Limited::new(bytes, 4).read_to_end(&mut Vec::new());
        assert_eq!(read(b"1234").unwrap(), 4);
        assert_eq!(
            read(b"12345").unwrap_err().to_string(),
            "it has more than 4 bytes"
        );
    }
}
