//! What can be wrong with the configuration file.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// The configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigurationError {
    /// There is none where it was said to be.
    #[error("there is no configuration file {path}", path = path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("failed to read the configuration file {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It says something that means nothing.
    #[error("{message}")]
    Mistake {
        /// The file.
        path: PathBuf,
        /// Its text.
        text: String,
        /// What is wrong.
        message: String,
        /// Where, in bytes.
        span: Option<Range<usize>>,
        /// What to do.
        advice: Option<String>,
    },
}
