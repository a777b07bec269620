//! `docker buildx build`: the command for a request, as a person would type it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lrops_model::annotation::{AnnotatedPart, Annotation};
use lrops_model::graph::RunNetwork;
use lrops_model::oci::Compression;
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;
use lrops_model::request::{
    BuildRequest, CacheUse, DirectoryContext, DockerfileText, PullPolicy, Timestamps,
};

use crate::command_line::CommandLine;
use crate::docker::Docker;
use crate::version::BuildxVersion;

/// How the image leaves the builder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It comes to the store (`type=oci`).
    Store,
    /// The builder pushes it under its digest; no tag moves.
    PushByDigest,
    /// The builder pushes it under its tags, which move at once: all that the `docker` driver can do.
    PushTags,
    /// It goes elsewhere by these flags, such as `--load`, and comes from the builder's cache: it was built and proved
    /// before.
    Besides(Vec<String>),
}

/// Flags that are given to buildx as they were typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassedOn {
    /// Flags for every build, nested ones included: secrets, ssh agents, limits.
    pub everywhere: Vec<String>,
    /// Flags for the request's own build: caches, attestations.
    pub main: Vec<String>,
    /// How layers are made, as attributes of an output: `compression-level=9`.
    pub layers: Vec<String>,
    /// Whether provenance is among the flags.
    pub attests: bool,
    /// Build arguments that were given by their name alone: docker takes the value from the environment, and no command
    /// that is shown has it.
    pub bare_arguments: BTreeSet<String>,
}

/// One `docker buildx build`.
pub(super) struct Invocation<'a> {
    pub(super) docker: &'a Docker,
    pub(super) request: &'a BuildRequest,
    pub(super) dockerfile: &'a DockerfileText,
    pub(super) context: &'a DirectoryContext,
    pub(super) target: Option<&'a str>,
    pub(super) platforms: &'a [Platform],
    pub(super) build_args: &'a BTreeMap<String, String>,
    /// Those of them that were given by their name alone.
    pub(super) bare_arguments: &'a BTreeSet<String>,
    /// Names and places of named contexts, as buildx writes them.
    pub(super) contexts: Vec<(String, String)>,
    pub(super) result: ImageResult<'a>,
    pub(super) passed_on: Vec<&'a [String]>,
    /// How layers are made, as attributes of the output.
    pub(super) layers: &'a [String],
    /// Where paths start from.
    pub(super) directory: &'a Path,
    /// Where content comes when the command is run by lrops: builds beside it write the index of the other.
    pub(super) run: &'a Path,
}

/// What becomes of what is built.
pub(super) enum ImageResult<'a> {
    /// The request's image.
    Image {
        delivery: &'a Delivery,
        /// The directory through which content comes to the store.
        exchange: &'a Path,
    },
    /// An image that another build starts from: it comes to the store.
    Context { exchange: &'a Path },
    /// Nothing is built: the front end answers a question.
    Description(&'a Question<'a>),
}

/// A question to the front end: `--call`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// What is asked: `outline`, `targets`, and what else the front end knows; `,format=json` may follow.
    pub method: &'a str,
    /// Which buildx is asked.
    pub version: BuildxVersion,
}

impl Question<'_> {
    fn is_call(&self) -> bool {
        self.version >= BuildxVersion::CALL
    }
}

/// A command in its two forms.
pub(super) struct BuildCommand {
    typed: CommandLine,
    running: CommandLine,
    place: String,
}

impl BuildCommand {
    /// Returns the command that a person could paste.
    pub(super) fn typed(&self) -> CommandLine {
        self.typed.clone().word(&self.place)
    }

    /// Returns the command that is run: it also tells of its progress and its result.
    pub(super) fn running(&self, flags: &[String]) -> CommandLine {
        self.running.clone().words(flags).word(&self.place)
    }
}

impl Invocation<'_> {
    pub(super) fn command(&self) -> BuildCommand {
        let exchange = match self.result {
            ImageResult::Image { exchange, .. } | ImageResult::Context { exchange } => exchange,
            ImageResult::Description(_) => self.run,
        };
        BuildCommand {
            typed: self.line(exchange),
            running: self.line(self.run),
            place: shown(&self.context.path, self.directory),
        }
    }

    /// Returns the command up to the context, with the directory that content comes to.
    fn line(&self, exchange: &Path) -> CommandLine {
        let platforms: Vec<String> = self.platforms.iter().map(Platform::to_string).collect();
        let command = match self.result {
            ImageResult::Description(question) if !question.is_call() => {
                self.docker.command().variable("BUILDX_EXPERIMENTAL", "1")
            }
            _ => self.docker.command(),
        };
        command
            .words(["buildx", "build"])
            .flag("--builder", self.docker.place().builder.as_deref())
            .flag("--platform", Some(platforms.join(",")))
            .flag("--target", self.target)
            .words(self.argument_flags())
            .words(self.context_flags())
            .words(self.command_flags())
            .words(self.passed_on.iter().copied().flatten())
            .words(self.image_flags())
            .flag("-f", Some(self.dockerfile_place()))
            .words(self.result_flags(exchange))
    }

    /// Returns what the command reads from standard input.
    pub(super) fn input(&self) -> &[u8] {
        match self.dockerfile.path {
            Some(_) => &[],
            None => self.dockerfile.text.as_bytes(),
        }
    }

    fn dockerfile_place(&self) -> String {
        match &self.dockerfile.path {
            Some(path) => shown(path, self.directory),
            None => "-".to_owned(),
        }
    }

    fn argument_flags(&self) -> Vec<String> {
        let flag = |(name, value): (&String, &String)| {
            let text = if self.bare_arguments.contains(name) {
                name.clone()
            } else {
                format!("{name}={value}")
            };
            ["--build-arg".to_owned(), text]
        };
        self.build_args.iter().flat_map(flag).collect()
    }

    fn context_flags(&self) -> Vec<String> {
        let flag =
            |(name, place): &(String, String)| ["--build-context".to_owned(), format!("{name}={place}")];
        self.contexts.iter().flat_map(flag).collect()
    }

    /// How commands run, and which earlier results are used.
    fn command_flags(&self) -> Vec<String> {
        let request = self.request;
        let mut flags = Vec::new();
        if request.network == RunNetwork::None {
            flags.extend(["--network".to_owned(), "none".to_owned()]);
        }
        for (name, address) in &request.extra_hosts {
            flags.extend(["--add-host".to_owned(), format!("{name}:{address}")]);
        }
        if let Some(bytes) = request.shm_size {
            flags.extend(["--shm-size".to_owned(), bytes.to_string()]);
        }
        if request.allow_insecure {
            flags.extend(["--allow".to_owned(), "security.insecure".to_owned()]);
        }
        // What was built and proved is loaded, and nothing is built anew for it.
        let loads = matches!(
            self.result,
            ImageResult::Image {
                delivery: Delivery::Besides(_),
                ..
            }
        );
        if loads {
            return flags;
        }
        match &request.cache {
            CacheUse::All => {}
            CacheUse::None => flags.push("--no-cache".to_owned()),
            CacheUse::Except(stages) => {
                flags.extend(["--no-cache-filter".to_owned(), stages.join(",")]);
            }
        }
        if request.pull == PullPolicy::Always {
            flags.push("--pull".to_owned());
        }
        flags
    }

    fn image_flags(&self) -> Vec<String> {
        if !matches!(self.result, ImageResult::Image { .. }) {
            return Vec::new();
        }
        let mut flags = pairs("--label", &self.request.labels);
        for annotation in &self.request.annotations.0 {
            let parts = annotation.parts.iter().filter_map(|part| self.part(part));
            let parts: Vec<String> = parts.map(|part| part.to_string()).collect();
            if !parts.is_empty() {
                let Annotation { name, value, .. } = annotation;
                flags.extend([
                    "--annotation".to_owned(),
                    format!("{}:{name}={value}", parts.join(",")),
                ]);
            }
        }
        flags
    }

    /// Returns a part as buildx takes it, when the image will have it: buildx refuses an annotation of an index that is
    /// not there, and passes over that of a platform's manifest where it is the only one.
    fn part(&self, part: &AnnotatedPart) -> Option<AnnotatedPart> {
        let is_only = self.platforms.len() == 1;
        match part {
            AnnotatedPart::Index if is_only => None,
            AnnotatedPart::Manifest(Some(platform)) | AnnotatedPart::ManifestDescriptor(Some(platform))
                if !self.platforms.contains(platform) =>
            {
                None
            }
            AnnotatedPart::Manifest(_) if is_only => Some(AnnotatedPart::Manifest(None)),
            AnnotatedPart::ManifestDescriptor(_) if is_only => Some(AnnotatedPart::ManifestDescriptor(None)),
            other => Some(other.clone()),
        }
    }

    fn result_flags(&self, exchange: &Path) -> Vec<String> {
        let dest = csv_field("dest", exchange);
        let output = |text: String| vec!["--output".to_owned(), text];
        match &self.result {
            ImageResult::Context { .. } => output(format!("type=oci,tar=false,{dest}")),
            ImageResult::Description(question) => {
                let flag = if question.is_call() { "--call" } else { "--print" };
                vec![flag.to_owned(), question.method.to_owned()]
            }
            ImageResult::Image { delivery, .. } => match delivery {
                Delivery::Store => {
                    let mut flags = self.tag_flags();
                    flags.extend(output(format!(
                        "type=oci,tar=false,{dest}{}",
                        self.layer_attributes()
                    )));
                    flags
                }
                Delivery::PushTags if self.layer_attributes().is_empty() => {
                    let mut flags = self.tag_flags();
                    flags.push("--push".to_owned());
                    flags
                }
                Delivery::PushTags => {
                    let mut flags = self.tag_flags();
                    // docker's own media types have none for zstd.
                    let types = match self.request.compression {
                        Compression::Zstd => ",oci-mediatypes=true",
                        _ => "",
                    };
                    flags.extend(output(format!("type=registry{}{types}", self.layer_attributes())));
                    flags
                }
                Delivery::Besides(more) => {
                    let mut flags = self.tag_flags();
                    flags.extend(more.iter().cloned());
                    flags
                }
                // With OCI's media types it is the image that would come to the store, to the byte.
                Delivery::PushByDigest => output(format!(
                    "type=image,{},push-by-digest=true,name-canonical=true,push=true,oci-mediatypes=true{}",
                    self.repositories(),
                    self.layer_attributes()
                )),
            },
        }
    }

    fn tag_flags(&self) -> Vec<String> {
        let flag = |tag: &Reference| ["--tag".to_owned(), tag.familiar()];
        self.request.tags.iter().flat_map(flag).collect()
    }

    /// The repositories of the tags as one attribute. Several names stand in quotes, as in a line of CSV.
    fn repositories(&self) -> String {
        let mut names: Vec<String> = Vec::new();
        for tag in &self.request.tags {
            let name = format!("{}/{}", tag.registry(), tag.repository());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.len() > 1 {
            format!("\"name={}\"", names.join(","))
        } else {
            format!("name={}", names.concat())
        }
    }

    /// How layers are compressed and dated, where that is not BuildKit's default.
    fn layer_attributes(&self) -> String {
        let mut attributes = String::new();
        for attribute in self.layers {
            attributes.push(',');
            attributes.push_str(attribute);
        }
        match self.request.compression {
            Compression::Gzip => {}
            Compression::Zstd => attributes.push_str(",compression=zstd"),
            Compression::None => attributes.push_str(",compression=uncompressed"),
        }
        let dated = self.build_args.contains_key("SOURCE_DATE_EPOCH");
        if dated && matches!(self.request.timestamps, Timestamps::Fixed(_)) {
            attributes.push_str(",rewrite-timestamp=true");
        }
        attributes
    }
}

fn pairs(flag: &str, values: &BTreeMap<String, String>) -> Vec<String> {
    let pair = |(name, value): (&String, &String)| [flag.to_owned(), format!("{name}={value}")];
    values.iter().flat_map(pair).collect()
}

/// Returns an attribute of an output as a field of CSV, which is how buildx reads it.
fn csv_field(name: &str, path: &Path) -> String {
    let field = format!("{name}={}", path.display());
    if field.contains([',', '"']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

/// Returns a path as a person in `directory` would type it.
pub(super) fn shown(path: &Path, directory: &Path) -> String {
    match path.strip_prefix(directory) {
        Ok(rest) if rest.as_os_str().is_empty() => ".".to_owned(),
        Ok(rest) => rest.display().to_string(),
        Err(_) => path.display().to_string(),
    }
}
