//! Reading compressed streams.

use std::io::{self, BufReader, Read};

use lrops_model::oci::Compression;

/// How much memory an xz stream may ask for: what its highest preset needs, with some room.
const XZ_MEMORY_KIB_MAX: u32 = 256 * 1024;

/// How much memory a Zstandard stream may ask for, as a power of two: 128 MiB, what its own tools allow.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// The formats that archives come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Plain,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

/// A stream that could not be opened for decompression.
#[derive(Debug, thiserror::Error)]
#[error("failed to start decompressing")]
pub struct DecompressError {
    #[from]
    source: io::Error,
}

/// Returns a reader of the uncompressed bytes. It reads to the very end of `input`, over all members or frames.
///
/// # Errors
/// When the decoder cannot be made.
pub fn decompress<'r>(
    compression: Compression,
    input: impl Read + Send + 'r,
) -> Result<Box<dyn Read + Send + 'r>, DecompressError> {
    let format = match compression {
        Compression::None => Format::Plain,
        Compression::Gzip => Format::Gzip,
        Compression::Zstd => Format::Zstd,
    };
    open_format(format, input)
}

/// Returns a reader of the uncompressed bytes of any format.
pub(crate) fn open_format<'r>(
    format: Format,
    input: impl Read + Send + 'r,
) -> Result<Box<dyn Read + Send + 'r>, DecompressError> {
    let input = BufReader::with_capacity(128 * 1024, input);
    Ok(match format {
        Format::Plain => Box::new(input),
        Format::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Format::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        Format::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(
            input,
            true,
            XZ_MEMORY_KIB_MAX,
        )),
        Format::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(input)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    })
}
