//! The context and the Dockerfile: where they are, and what is ignored.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use lrops_dockerfile::patterns::parse_ignore_file;
use lrops_model::request::{DirectoryContext, DockerfileText};

use crate::arguments::BuildArguments;
use crate::configuration::{Configuration, is_remote};
use crate::environment::Environment;
use crate::failure::Failure;

/// The longest Dockerfile that is read, in bytes. BuildKit refuses more than 2 MiB.
const DOCKERFILE_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// The longest ignore file that is read, in bytes.
const IGNORE_FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// A build's own files.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) context: DirectoryContext,
    pub(super) dockerfile: DockerfileText,
}

/// Finds the context and the Dockerfile of a build, and reads the latter. `project` is the context unless one is named.
pub(super) fn find(
    arguments: &BuildArguments,
    configuration: &Configuration,
    project: &Path,
    environment: &Environment,
    store: &Path,
) -> Result<Place, Failure> {
    match arguments.context.as_deref() {
        Some("-") => from_standard_input(arguments, store),
        Some(text) if is_remote(text) => Err(Failure::not_yet(
            format!("the context {text}"),
            "download or clone it, and name the directory",
        )),
        Some(text) => in_directory(
            arguments,
            configuration,
            environment,
            environment.directory.join(text),
        ),
        None => {
            let configured = configuration.sections.build.context.as_ref();
            let directory = match (configured, configuration.directory()) {
                (Some(context), Some(directory)) => directory.join(context),
                _ => project.to_owned(),
            };
            in_directory(arguments, configuration, environment, directory)
        }
    }
}

/// `lrops build -`: a Dockerfile, and nothing that it could copy.
fn from_standard_input(arguments: &BuildArguments, store: &Path) -> Result<Place, Failure> {
    if arguments.file.is_some() {
        let advice = "with the context - the Dockerfile comes from standard input; leave --file out";
        return Err(Failure::not_yet("a context from standard input", advice));
    }
    let bytes = read_standard_input()?;
    if is_archive(&bytes) {
        return Err(Failure::not_yet(
            "a context from standard input",
            "unpack it, and name the directory",
        ));
    }
    let path = store.join("tmp/empty-context");
    fs::create_dir_all(&path).map_err(|source| Failure::write(&path, source))?;
    let context = DirectoryContext {
        path,
        ignore: vec!["**".to_owned()],
    };
    Ok(Place {
        context,
        dockerfile: dockerfile_text("Dockerfile", bytes),
    })
}

fn in_directory(
    arguments: &BuildArguments,
    configuration: &Configuration,
    environment: &Environment,
    directory: PathBuf,
) -> Result<Place, Failure> {
    let context = canonical_directory("the context", &directory)?;
    let (name, path) = match arguments.file.as_deref() {
        Some("-") => {
            let dockerfile = dockerfile_text("Dockerfile", read_standard_input()?);
            return Ok(Place {
                context: with_ignore(context, None)?,
                dockerfile,
            });
        }
        Some(text) if is_remote(text) => {
            return Err(Failure::not_yet(
                format!("the Dockerfile {text}"),
                "download it, and name the file",
            ));
        }
        Some(text) => {
            let path = environment.directory.join(text);
            small_letters(&path).unwrap_or_else(|| (text.to_owned(), path))
        }
        None => match (
            &configuration.sections.build.dockerfile,
            configuration.directory(),
        ) {
            (Some(file), Some(directory)) => (file.display().to_string(), directory.join(file)),
            _ => default_dockerfile(&context),
        },
    };
    let dockerfile = read_dockerfile(&name, &path)?;
    Ok(Place {
        context: with_ignore(context, Some(&path))?,
        dockerfile,
    })
}

/// `Dockerfile`, or in small letters where only that is there, as BuildKit's own client looks.
fn default_dockerfile(context: &Path) -> (String, PathBuf) {
    let usual = context.join("Dockerfile");
    small_letters(&usual).unwrap_or_else(|| ("Dockerfile".to_owned(), usual))
}

/// Returns the name and the path of a `Dockerfile`'s namesake in small letters, where only that is there.
fn small_letters(path: &Path) -> Option<(String, PathBuf)> {
    let small = path.with_file_name("dockerfile");
    let only_small = path.file_name()? == "Dockerfile" && !path.exists() && small.exists();
    only_small.then(|| ("dockerfile".to_owned(), small))
}

/// Returns a directory's real path.
pub(super) fn canonical_directory(what: &str, path: &Path) -> Result<PathBuf, Failure> {
    let shown = path.display();
    let canonical = path.canonicalize().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::usage(format!("{what} {shown} is not there")),
        _ => Failure::work(format!("failed to find {what} {shown}"), error),
    })?;
    if canonical.is_dir() {
        Ok(canonical)
    } else {
        Err(Failure::usage(format!("{what} {shown} is not a directory")))
    }
}

/// Reads a Dockerfile.
pub(super) fn read_dockerfile(name: &str, path: &Path) -> Result<DockerfileText, Failure> {
    let file = fs::File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::usage_advised(
            format!(
                "failed to read the Dockerfile: open {}: no such file or directory",
                path.display()
            ),
            "name it with --file, or write dockerfile = \"…\" into lrops.toml's [build]",
        ),
        _ => Failure::work(
            format!("failed to read the Dockerfile at {}", path.display()),
            error,
        ),
    })?;
    let bytes = read_at_most(file, DOCKERFILE_BYTES_MAX).map_err(|error| {
        Failure::work(
            format!("failed to read the Dockerfile at {}", path.display()),
            error,
        )
    })?;
    Ok(DockerfileText {
        path: Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned())),
        ..dockerfile_text(name, bytes)
    })
}

fn dockerfile_text(name: &str, bytes: Vec<u8>) -> DockerfileText {
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    DockerfileText {
        name: name.to_owned(),
        text,
        path: None,
    }
}

fn read_standard_input() -> Result<Vec<u8>, Failure> {
    read_at_most(io::stdin().lock(), DOCKERFILE_BYTES_MAX)
        .map_err(|source| Failure::work("failed to read the Dockerfile from standard input", source))
}

fn read_at_most(input: impl Read, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("it is longer than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// Returns whether bytes begin a tar, or a compressed one.
fn is_archive(bytes: &[u8]) -> bool {
    let compressed: [&[u8]; 4] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"];
    compressed.iter().any(|magic| bytes.starts_with(magic)) || bytes.get(257..262) == Some(b"ustar")
}

/// Returns a context with the lines of its ignore file: the Dockerfile's own, else the directory's.
pub(super) fn with_ignore(
    directory: PathBuf,
    dockerfile: Option<&Path>,
) -> Result<DirectoryContext, Failure> {
    let own = dockerfile.map(|dockerfile| {
        let mut name = dockerfile.as_os_str().to_owned();
        name.push(".dockerignore");
        PathBuf::from(name)
    });
    for path in own.into_iter().chain([directory.join(".dockerignore")]) {
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            Err(error) => return Err(Failure::work(format!("failed to read {}", path.display()), error)),
        };
        let bytes = read_at_most(file, IGNORE_FILE_BYTES_MAX)
            .map_err(|error| Failure::work(format!("failed to read {}", path.display()), error))?;
        let ignore = parse_ignore_file(&bytes)
            .into_iter()
            .map(|line| line.pattern)
            .collect();
        return Ok(DirectoryContext {
            path: directory,
            ignore,
        });
    }
    Ok(DirectoryContext {
        path: directory,
        ignore: Vec::new(),
    })
}
