//! Finding and reading the file.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use lrops_dockerfile::instruction::suggestion;

use super::{Configuration, ConfigurationError, Sections};

/// The file's name.
pub(crate) const FILE_NAME: &str = "lrops.toml";

/// Looks for the file in a directory and in those above it, up to the top of a git work tree.
///
/// A project's file is the project's: what lies above its repository is another one's.
pub(crate) fn find(start: &Path) -> Option<PathBuf> {
    for directory in start.ancestors() {
        let candidate = directory.join(FILE_NAME);
        if candidate.is_file() {
            return Some(candidate);
        }
        if directory.join(".git").exists() {
            return None;
        }
    }
    None
}

/// Reads a file.
///
/// # Errors
/// When it cannot be read, or says something that means nothing.
pub(crate) fn read(path: &Path) -> Result<Configuration, ConfigurationError> {
    let text = fs::read_to_string(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => ConfigurationError::Missing {
            path: path.to_owned(),
        },
        _ => ConfigurationError::Read {
            path: path.to_owned(),
            source,
        },
    })?;
    let sections = parse(&text).map_err(|mistake| ConfigurationError::Mistake {
        path: path.to_owned(),
        text: text.clone(),
        message: mistake.message,
        span: mistake.span,
        advice: mistake.advice,
    })?;
    Ok(Configuration {
        path: Some(path.to_owned()),
        sections,
    })
}

/// Something wrong in the text.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) message: String,
    pub(super) span: Option<std::ops::Range<usize>>,
    pub(super) advice: Option<String>,
}

/// Reads the text.
pub(super) fn parse(text: &str) -> Result<Sections, Mistake> {
    toml::from_str(text).map_err(|error| {
        let (message, advice) = worded(error.message());
        Mistake {
            message,
            span: error.span(),
            advice,
        }
    })
}

/// Turns serde's list of all that it knows into the one that was meant.
fn worded(message: &str) -> (String, Option<String>) {
    let unknown = ["unknown field ", "unknown variant "]
        .iter()
        .find(|prefix| message.starts_with(**prefix));
    if unknown.is_none() {
        return (message.to_owned(), None);
    }
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let Some((written, known)) = words.split_first() else {
        return (message.to_owned(), None);
    };
    let what = if message.starts_with("unknown field") {
        "key"
    } else {
        "value"
    };
    let advice = match suggestion(written, known) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known are {}", known.join(", ")),
    };
    (format!("unknown {what} {written:?}"), Some(advice))
}
