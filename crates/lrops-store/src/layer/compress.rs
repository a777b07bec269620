//! [`Compressor`]: the closed set of ways in which a layer is compressed.

use std::io::{self, Write};

use lrops_model::oci::Compression;

use super::gzip::GzipWriter;

/// How to compress. The level decides the bytes; the number of threads does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionSettings {
    /// The format.
    pub compression: Compression,
    /// The format's own level; ignored without compression.
    pub level: u32,
    /// How many threads gzip may use.
    pub threads: usize,
}

impl CompressionSettings {
    /// The level of gzip that balances size and time; what most tools use.
    pub const GZIP_LEVEL: u32 = 6;

    /// The level of Zstandard that balances size and time; its own default.
    pub const ZSTD_LEVEL: u32 = 3;

    /// Returns the settings with the format's usual level.
    pub fn usual(compression: Compression, threads: usize) -> Self {
        let level = match compression {
            Compression::None => 0,
            Compression::Gzip => Self::GZIP_LEVEL,
            Compression::Zstd => Self::ZSTD_LEVEL,
        };
        Self {
            compression,
            level,
            threads,
        }
    }
}

/// A writer that compresses.
pub enum Compressor<W: Write> {
    /// Not at all.
    None(W),
    /// gzip.
    Gzip(GzipWriter<W>),
    /// Zstandard.
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Compressor<W> {
    /// Starts compressing into `output`.
    ///
    /// # Errors
    /// When the output cannot be written, the level does not exist, or no thread can be started.
    pub fn new(output: W, settings: CompressionSettings) -> io::Result<Self> {
        Ok(match settings.compression {
            Compression::None => Self::None(output),
            Compression::Gzip => Self::Gzip(GzipWriter::new(output, settings.level, settings.threads)?),
            Compression::Zstd => {
                let level = i32::try_from(settings.level).map_err(io::Error::other)?;
                let mut encoder = zstd::Encoder::new(output, level)?;
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
        })
    }

    /// Ends the stream and returns the output.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::None(output) => Ok(output),
            Self::Gzip(writer) => writer.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(output) => output.write(buffer),
            Self::Gzip(writer) => writer.write(buffer),
            Self::Zstd(encoder) => encoder.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(output) => output.flush(),
            Self::Gzip(writer) => writer.flush(),
            // Flushing would cut a Zstandard block and so change the bytes.
            Self::Zstd(_) => Ok(()),
        }
    }
}
