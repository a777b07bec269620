//! `lrops check --fix`: writes a Dockerfile that was mended, whole or not at all.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;

use lrops_dockerfile::check::cure;
use lrops_model::finding::Finding;

use crate::diff;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::request::Intent;

/// What becomes of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// It is shown.
    Show,
    /// It is written, and shown.
    Write,
}

/// A Dockerfile that was mended.
#[derive(Debug, Default)]
pub(super) struct Mended {
    /// What was mended.
    pub(super) findings: Vec<Finding>,
    /// The difference; nothing when there is none.
    pub(super) diff: String,
}

/// Mends the Dockerfile of a request, in the request and, when asked to, on the disk.
///
/// # Errors
/// When it cannot be written; it is then as it was.
pub(super) fn mend(
    intent: &mut Intent,
    writing: Writing,
    environment: &Environment,
) -> Result<Mended, Failure> {
    let request = &mut intent.request;
    let dockerfile = &mut request.dockerfile;
    if dockerfile.path.is_none() && writing == Writing::Write {
        return Err(Failure::usage_advised(
            "--fix: the Dockerfile comes from standard input, where nothing can be written",
            "say --diff for the difference, or name the file",
        ));
    }
    let cured = cure(&dockerfile.text, &request.platforms, &request.build_args);
    if cured.text == dockerfile.text {
        return Ok(Mended::default());
    }
    let name = dockerfile.path.as_deref().map_or_else(
        || dockerfile.name.clone(),
        |path| {
            let near = path.strip_prefix(&environment.directory).unwrap_or(path);
            near.display().to_string()
        },
    );
    if let (Writing::Write, Some(path)) = (writing, &dockerfile.path) {
        replace(path, &dockerfile.text, &cured.text)?;
    }
    let diff = diff::unified(&name, &dockerfile.text, &cured.text);
    dockerfile.text = cured.text;
    Ok(Mended {
        findings: cured.mended,
        diff,
    })
}

/// Replaces a file's text, if it still is what was read. Its mode, its owner and a link to it stay.
fn replace(path: &Path, old: &str, new: &str) -> Result<(), Failure> {
    let failed = |source: std::io::Error| Failure::write(path, source);
    let real = path.canonicalize().map_err(failed)?;
    let bytes = fs::read(&real).map_err(failed)?;
    if bytes != old.as_bytes() {
        let problem = if std::str::from_utf8(&bytes).is_err() {
            "it is not UTF-8, and what is not could be lost"
        } else {
            "it was changed meanwhile"
        };
        return Err(failed(std::io::Error::other(problem)));
    }
    // A file that may not be written is not to be replaced, either.
    let file = fs::OpenOptions::new().write(true).open(&real).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let directory = real.parent().unwrap_or(Path::new("/"));
    let mut temporary = tempfile::Builder::new()
        .prefix(".lrops-check-")
        .tempfile_in(directory)
        .map_err(failed)?;
    temporary.write_all(new.as_bytes()).map_err(failed)?;
    let written = temporary.as_file();
    let own = written.metadata().map_err(failed)?;
    if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
        fchown(written, Some(metadata.uid()), Some(metadata.gid())).map_err(failed)?;
    }
    written.set_permissions(metadata.permissions()).map_err(failed)?;
    written.sync_all().map_err(failed)?;
    temporary.persist(&real).map_err(|error| failed(error.error))?;
    Ok(())
}
