//! What `lrops login` and `lrops logout` change: one entry of a `config.json`, or of what its credential helper keeps.
//!
//! Everything else in the file stays as it is and in its order. A file is replaced whole or not at all, keeps its mode, and
//! when it is a link, its target is what is replaced.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use lrops_model::cancel::CancelToken;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::docker_config::{DockerConfig, ParseDockerConfigError, key};
use super::program::{self, HelperError, HelperProblem, HelperSettings};
use super::server_of;
use crate::http::base64;

/// A file that logins are written to.
pub struct LoginFile {
    path: PathBuf,
    programs: HelperSettings,
}

/// Where a login is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginPlace {
    /// In the file, unencrypted.
    File,
    /// With a credential helper.
    Program(String),
}

/// A login that could not be kept or removed.
#[derive(Debug, thiserror::Error)]
pub enum LoginFileError {
    /// The file cannot be read.
    #[error("failed to read the credentials in {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is not one with credentials.
    #[error("failed to read the credentials in {path}", path = path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: ParseDockerConfigError,
    },
    /// The file cannot be written.
    #[error("failed to write the credentials to {path}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A credential helper failed.
    #[error(transparent)]
    Program(#[from] HelperError),
}

impl LoginFileError {
    /// Returns whether the work was stopped on request.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Program(error) if matches!(error.problem, HelperProblem::Cancelled(_)))
    }

    /// Returns what the user can do about it.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Program(error) => Some(error.advice()),
            _ => None,
        }
    }
}

const NEW_FILE_MODE: u32 = 0o600;
const NEW_DIRECTORY_MODE: u32 = 0o700;

/// More than any file with credentials has.
const FILE_SIZE_BYTES_MAX: u64 = 16 * 1024 * 1024;

impl LoginFile {
    /// Returns the file at a path, where there may be none yet.
    pub fn new(path: PathBuf, programs: HelperSettings) -> Self {
        Self { path, programs }
    }

    /// Keeps a login: with the credential helper that the file names for the registry, else in the file.
    ///
    /// # Errors
    /// When the file or the helper does not let it.
    pub fn store(
        &self,
        registry: &str,
        user: &str,
        password: &str,
        cancel: &CancelToken,
    ) -> Result<LoginPlace, LoginFileError> {
        let mut document = self.read()?;
        let (entry, place) = if let Some(name) = document.config.program_for(registry) {
            program::store(name, registry, (user, password), &self.programs, cancel)?;
            // An empty entry says that the helper has the credentials: other tools look for it.
            (json!({}), LoginPlace::Program(name.to_owned()))
        } else {
            let auth = base64(format!("{user}:{password}").as_bytes());
            (json!({ "auth": auth }), LoginPlace::File)
        };
        document.remove(registry);
        document.entries().insert(server_of(registry).to_owned(), entry);
        self.write(&document)?;
        Ok(place)
    }

    /// Removes a login; returns the places that had one.
    ///
    /// # Errors
    /// As [`LoginFile::store`].
    pub fn erase(&self, registry: &str, cancel: &CancelToken) -> Result<Vec<LoginPlace>, LoginFileError> {
        let mut document = self.read()?;
        let mut places = Vec::new();
        if let Some(name) = document.config.program_for(registry)
            && program::erase(name, registry, &self.programs, cancel)?
        {
            places.push(LoginPlace::Program(name.to_owned()));
        }
        if document.remove(registry) {
            self.write(&document)?;
            if document.config.entries.contains_key(registry) {
                places.push(LoginPlace::File);
            }
        }
        Ok(places)
    }

    fn read(&self) -> Result<Document, LoginFileError> {
        let failed = |source| LoginFileError::Read {
            path: self.path.clone(),
            source,
        };
        let bytes = match fs::metadata(&self.path) {
            Ok(metadata) if metadata.len() > FILE_SIZE_BYTES_MAX => {
                return Err(failed(ErrorKind::FileTooLarge.into()));
            }
            Ok(_) => fs::read(&self.path).map_err(failed)?,
            Err(cause) if cause.kind() == ErrorKind::NotFound => b"{}".to_vec(),
            Err(cause) => return Err(failed(cause)),
        };
        let unusable = |source| LoginFileError::Parse {
            path: self.path.clone(),
            source,
        };
        // `docker login` accepts an empty file as well.
        let bytes = if bytes.trim_ascii().is_empty() {
            b"{}".to_vec()
        } else {
            bytes
        };
        let config = DockerConfig::parse(&bytes).map_err(unusable)?;
        let root =
            serde_json::from_slice(&bytes).map_err(|cause| unusable(ParseDockerConfigError::at(&cause)))?;
        Ok(Document { root, config })
    }

    fn write(&self, document: &Document) -> Result<(), LoginFileError> {
        write(&self.path, &document.text()).map_err(|source| LoginFileError::Write {
            path: self.path.clone(),
            source,
        })
    }
}

/// The file's content: all of it, and what is understood of it.
struct Document {
    root: Map<String, Value>,
    config: DockerConfig,
}

impl Document {
    fn entries(&mut self) -> &mut Map<String, Value> {
        let entries = self.root.entry("auths").or_insert_with(|| json!({}));
        if !entries.is_object() {
            *entries = json!({});
        }
        match entries {
            Value::Object(entries) => entries,
            _ => unreachable!("it was made an object"),
        }
    }

    /// Removes the registry's entry under all its names; returns whether there was one.
    fn remove(&mut self, registry: &str) -> bool {
        let entries = self.entries();
        let names: Vec<String> = entries
            .keys()
            .filter(|name| key(name) == registry)
            .cloned()
            .collect();
        for name in &names {
            entries.shift_remove(name);
        }
        !names.is_empty()
    }

    /// Returns the text as Docker's own tools lay it out.
    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
        self.root
            .serialize(&mut serializer)
            .expect("memory takes all, and a document has string keys");
        text.push(b'\n');
        text
    }
}

/// Replaces a file's content in one step.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let target = target_of(path)?;
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(NEW_DIRECTORY_MODE)
        .create(directory)?;
    let mode = match fs::metadata(&target) {
        Ok(metadata) => metadata.permissions().mode() & 0o7777,
        Err(cause) if cause.kind() == ErrorKind::NotFound => NEW_FILE_MODE,
        Err(cause) => return Err(cause),
    };
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let temporary = directory.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_new(&temporary, mode, content).and_then(|()| fs::rename(&temporary, &target));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    // One of an earlier process that had the same number and was killed.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(NEW_FILE_MODE)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()
}

/// Links that a path may lead through; the kernel follows as many.
const LINKS_MAX: usize = 40;

/// Returns the file that a path leads to, which need not be there yet.
fn target_of(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&target) {
            Ok(link) => target = target.parent().unwrap_or(Path::new("")).join(link),
            Err(cause) if matches!(cause.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => {
                return Ok(target);
            }
            Err(cause) => return Err(cause),
        }
    }
    Err(io::Error::other("too many links"))
}
