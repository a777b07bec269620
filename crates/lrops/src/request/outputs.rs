//! `--output`: where the result goes besides the store.

use std::path::{Path, PathBuf};

use lrops_model::oci::Compression;
use lrops_model::reference::Reference;

use crate::failure::Failure;
use crate::fields::{Fields, boolean};

/// A place for the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// An OCI layout in a directory.
    Layout(PathBuf),
    /// An OCI layout in a tar.
    Archive(Destination),
    /// The files of the image, in a directory; one subdirectory a platform when there are several.
    Files {
        /// The directory.
        directory: PathBuf,
        /// Whether each platform has a subdirectory; decided by the number of platforms when absent.
        split: Option<bool>,
    },
    /// The files of the image, in a tar.
    FilesArchive {
        /// The tar.
        destination: Destination,
        /// Whether each platform has a subdirectory.
        split: Option<bool>,
    },
    /// Its names in their registries; by digest alone when no tag is to be moved.
    Registry {
        /// Whether the image is published under its digest only.
        by_digest: bool,
    },
    /// The store alone.
    Store,
    /// Nothing but the results of the steps: the image gets no name.
    CacheOnly,
    /// docker's own form, as it was typed: into its daemon, or into a file.
    Docker(String),
}

/// A file, or standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// All that the flags say.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    /// The places.
    pub(crate) places: Vec<Output>,
    /// Names of the image.
    pub(crate) names: Vec<Reference>,
    /// Annotations.
    pub(crate) annotations: Vec<(String, String)>,
    /// How layers are compressed.
    pub(crate) compression: Option<Compression>,
    /// What else is said of layers, which BuildKit alone can do: `compression-level=9`.
    pub(crate) layers: Vec<String>,
}

const KNOWN: [&str; 16] = [
    "type",
    "dest",
    "tar",
    "name",
    "compression",
    "compression-level",
    "force-compression",
    "oci-mediatypes",
    "rewrite-timestamp",
    "platform-split",
    "push",
    "push-by-digest",
    "mode",
    "annotation.",
    "unpack",
    "store",
];

/// Reads the flags. Paths start from `directory`.
///
/// # Errors
/// What is wrong, and what is not supported yet.
pub(crate) fn parse_outputs(texts: &[String], directory: &Path) -> Result<Outputs, Failure> {
    let mut all = Outputs::default();
    for text in texts {
        let output = parse_one(text, directory, &mut all)?;
        all.places.push(output);
    }
    let stdout = |output: &&Output| {
        matches!(output, Output::Archive(Destination::Stdout))
            || matches!(
                output,
                Output::FilesArchive {
                    destination: Destination::Stdout,
                    ..
                }
            )
    };
    if all.places.iter().filter(stdout).count() > 1 {
        return Err(Failure::usage(
            "--output: only one output can go to standard output",
        ));
    }
    Ok(all)
}

fn parse_one(text: &str, directory: &Path, all: &mut Outputs) -> Result<Output, Failure> {
    if text == "-" {
        return Ok(Output::FilesArchive {
            destination: Destination::Stdout,
            split: None,
        });
    }
    if !text.contains('=') {
        return Ok(Output::Files {
            directory: directory.join(text),
            split: None,
        });
    }
    let mut fields = super::flag("--output", Fields::parse(text))?;
    let Some(kind) = fields.take("type") else {
        return Err(Failure::usage(format!(
            "--output: {text:?} needs type=, such as type=oci,dest=image.tar"
        )));
    };
    read_image_fields(&mut fields, all)?;
    let output = match kind.as_str() {
        "oci" => layout_output(&mut fields, text, directory)?,
        "local" => files_output(&mut fields, text, directory)?,
        "tar" => {
            let split = yes(&mut fields, "platform-split")?;
            Output::FilesArchive {
                destination: destination(&mut fields, text, directory)?,
                split,
            }
        }
        "image" | "registry" => {
            yes(&mut fields, "unpack")?;
            yes(&mut fields, "store")?;
            let by_digest = yes(&mut fields, "push-by-digest")?.unwrap_or(false);
            let push = yes(&mut fields, "push")?.unwrap_or(kind == "registry");
            if push {
                Output::Registry { by_digest }
            } else {
                Output::Store
            }
        }
        "cacheonly" => Output::CacheOnly,
        "docker" => docker_output(&mut fields, text)?,
        other => return Err(no_such_output(other)),
    };
    super::flag("--output", fields.finish(&KNOWN))?;
    Ok(output)
}

fn layout_output(fields: &mut Fields, text: &str, directory: &Path) -> Result<Output, Failure> {
    let is_archive = yes(fields, "tar")?.unwrap_or(true);
    match (is_archive, destination(fields, text, directory)?) {
        (true, destination) => Ok(Output::Archive(destination)),
        (false, Destination::File(path)) => Ok(Output::Layout(path)),
        (false, Destination::Stdout) => Err(no_directory_to_stdout("use type=oci,dest=- without tar=false")),
    }
}

fn files_output(fields: &mut Fields, text: &str, directory: &Path) -> Result<Output, Failure> {
    let split = yes(fields, "platform-split")?;
    refuse_delete(fields)?;
    match destination(fields, text, directory)? {
        Destination::File(directory) => Ok(Output::Files { directory, split }),
        Destination::Stdout => Err(no_directory_to_stdout("use type=tar,dest=-")),
    }
}

fn no_directory_to_stdout(advice: &str) -> Failure {
    Failure::usage_advised("--output: a directory cannot go to standard output", advice)
}

fn docker_output(fields: &mut Fields, text: &str) -> Result<Output, Failure> {
    if fields.take("dest").as_deref() == Some("-") {
        let advice = "name a file, and send that";
        return Err(Failure::not_yet("--output=type=docker,dest=-", advice));
    }
    yes(fields, "tar")?;
    fields.take("context");
    Ok(Output::Docker(text.to_owned()))
}

fn no_such_output(kind: &str) -> Failure {
    let known = ["oci", "local", "tar", "image", "registry", "cacheonly", "docker"];
    let message = format!("--output: there is no output of type {kind:?}");
    Failure::Usage {
        message,
        advice: super::host::nearest(kind, &known),
    }
}

impl Outputs {
    fn add_to_layers(&mut self, attribute: String) -> Result<(), Failure> {
        let name = |attribute: &String| attribute.split('=').next().map(str::to_owned);
        match self.layers.iter().find(|other| name(other) == name(&attribute)) {
            Some(other) if *other != attribute => Err(Failure::usage(format!(
                "--output: all outputs have the same layers: {other} or {attribute}"
            ))),
            Some(_) => Ok(()),
            None => {
                self.layers.push(attribute);
                Ok(())
            }
        }
    }

    /// Refuses what only `BuildKit` can do.
    ///
    /// # Errors
    /// When something of that was asked for.
    pub(crate) fn refuse_foreign(&self) -> Result<(), Failure> {
        if self.places.iter().any(|place| matches!(place, Output::Docker(_))) {
            let advice =
                "use type=oci,dest=FILE; docker load of an engine with the containerd store reads it";
            return Err(Failure::not_yet("--output=type=docker", advice));
        }
        match self.layers.first().and_then(|layers| layers.split('=').next()) {
            Some("compression-level") => Err(Failure::not_yet(
                "compression-level",
                "layers are compressed with one fixed level, for equal bytes",
            )),
            // Layers of a base keep their bytes; BuildKit's default is the same.
            Some(_) => Err(Failure::not_yet(
                "force-compression",
                "layers of base images keep their bytes",
            )),
            None => Ok(()),
        }
    }
}

/// Reads the fields that say something about the image itself, whatever the type.
fn read_image_fields(fields: &mut Fields, all: &mut Outputs) -> Result<(), Failure> {
    if let Some(text) = fields.take("compression") {
        let compression = super::flag("--output: compression", parse_compression(&text))?;
        if all.compression.is_some_and(|other| other != compression) {
            return Err(Failure::usage(
                "--output: all outputs have the same layers, so one compression",
            ));
        }
        all.compression = Some(compression);
    }
    if let Some(level) = fields.take("compression-level") {
        let level: u8 = super::flag("--output: compression-level", level.parse())?;
        all.add_to_layers(format!("compression-level={level}"))?;
    }
    if yes(fields, "force-compression")? == Some(true) {
        all.add_to_layers("force-compression=true".to_owned())?;
    }
    if yes(fields, "oci-mediatypes")? == Some(false) {
        return Err(Failure::not_yet(
            "oci-mediatypes=false",
            "images have OCI's media types",
        ));
    }
    // Fixed times are the default; `--timestamps=keep` is the way to have others.
    yes(fields, "rewrite-timestamp")?;
    for name in fields.take("name").iter().flat_map(|names| names.split(',')) {
        all.names.push(super::flag("--output: name", name.parse())?);
    }
    all.annotations.extend(fields.take_prefixed("annotation."));
    Ok(())
}

fn refuse_delete(fields: &mut Fields) -> Result<(), Failure> {
    match fields.take("mode").as_deref() {
        None | Some("copy") => Ok(()),
        Some("delete") => Err(Failure::not_yet(
            "mode=delete",
            "remove the directory before the build",
        )),
        Some(other) => Err(Failure::usage(format!(
            "--output: the mode {other:?} is neither copy nor delete"
        ))),
    }
}

fn yes(fields: &mut Fields, key: &str) -> Result<Option<bool>, Failure> {
    let value = fields.take(key);
    value
        .map(|value| super::flag(&format!("--output: {key}"), boolean(&value)))
        .transpose()
}

fn destination(fields: &mut Fields, text: &str, directory: &Path) -> Result<Destination, Failure> {
    match fields.take("dest").as_deref() {
        Some("-") => Ok(Destination::Stdout),
        Some(path) if !path.is_empty() => Ok(Destination::File(directory.join(path))),
        _ => Err(Failure::usage(format!("--output: {text:?} needs dest=PATH"))),
    }
}

/// Reads the name of a compression.
pub(super) fn parse_compression(text: &str) -> Result<Compression, String> {
    match text {
        "gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        "none" | "uncompressed" => Ok(Compression::None),
        _ => Err(format!("{text:?} is none of gzip, zstd and none")),
    }
}
