//! An example: its files, what its `lrops.toml` says, and the steps that its Dockerfile means.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use lrops_dockerfile::instruction::Dockerfile;
use lrops_dockerfile::lower::{ImageRef, LowerInputs, Lowered, Resolved, lower, outline};
use lrops_model::graph::{ContextOp, Graph, RunNetwork};
use lrops_model::platform::Platform;

/// Files that one line is added to, each the first that an example has.
const GO_FILES: [&str; 1] = ["server/main.go"];
const UI_FILES: [&str; 2] = ["ui/src/app.tsx", "ui/src/main.ts"];

/// A directory with a Dockerfile for several platforms and an `lrops.toml`.
pub(crate) struct Example {
    /// Its name in tables.
    pub(crate) name: String,
    /// Where it lies.
    pub(crate) directory: PathBuf,
    /// The Dockerfile's name in it.
    pub(crate) dockerfile: String,
    /// What is built.
    pub(crate) platforms: Vec<Platform>,
    /// The arguments that `lrops.toml` gives.
    pub(crate) arguments: BTreeMap<String, String>,
}

/// What changes between two builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// One line of the server.
    Go,
    /// One line of the page.
    Ui,
}

impl Example {
    /// Reads an example, to be built for `platforms` or for those that it names.
    pub(crate) fn read(directory: &Path, platforms: &[Platform]) -> Self {
        let path = directory.join("lrops.toml");
        let table: toml::Table = read(&path)
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let build = table
            .get("build")
            .and_then(toml::Value::as_table)
            .expect("lrops.toml has [build]");
        let text = |value: &toml::Value| value.as_str().expect("a string of lrops.toml").to_owned();
        let own = build
            .get("platforms")
            .and_then(toml::Value::as_array)
            .expect("[build] has platforms");
        let own: Vec<Platform> = own
            .iter()
            .map(|name| text(name).parse().expect("a platform"))
            .collect();
        let arguments = build
            .get("args")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flatten();
        Self {
            name: directory
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            directory: directory.to_owned(),
            dockerfile: build
                .get("dockerfile")
                .map_or_else(|| "Dockerfile".to_owned(), text),
            platforms: if platforms.is_empty() {
                own
            } else {
                platforms.to_vec()
            },
            arguments: arguments
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
        }
    }

    /// Copies the example, as somebody who just got it has it.
    pub(crate) fn copy_to(&self, directory: &Path) -> Self {
        let copied = Command::new("cp")
            .arg("-r")
            .arg(self.directory.join("."))
            .arg(directory)
            .status();
        assert!(
            copied.expect("cp starts").success(),
            "{} cannot be copied",
            self.name
        );
        for left in ["ui/node_modules", "ui/dist"] {
            let _ = fs::remove_dir_all(directory.join(left));
        }
        Self {
            name: self.name.clone(),
            directory: directory.to_owned(),
            dockerfile: self.dockerfile.clone(),
            platforms: self.platforms.clone(),
            arguments: self.arguments.clone(),
        }
    }

    /// Adds a line that was never there, and that changes what is built.
    pub(crate) fn edit(&self, edit: Edit, number: usize) {
        let (files, line) = match edit {
            // No compiler knows that the variable is 0 when the program runs.
            Edit::Go => (
                &GO_FILES[..],
                format!(
                    "var edited{number} int; func init() {{ if edited{number} != 0 {{ panic(\"edit {number}\") }} }}"
                ),
            ),
            Edit::Ui => (&UI_FILES[..], format!("console.log(\"edit {number}\");")),
        };
        let path = files
            .iter()
            .map(|file| self.directory.join(file))
            .find(|path| path.is_file());
        let path = path.unwrap_or_else(|| panic!("{} has none of {files:?}", self.directory.display()));
        let opened = fs::OpenOptions::new().append(true).open(&path);
        writeln!(opened.expect("a source file can be written"), "{line}")
            .expect("a source file can be written");
    }

    /// Returns the images that the Dockerfile names, each with the platforms that it is needed for.
    pub(crate) fn images(&self) -> BTreeMap<String, BTreeSet<Platform>> {
        let inputs = self.inputs(&self.platforms, &self.arguments);
        let (dockerfile, _) = Dockerfile::parse(&inputs.text);
        let mut images: BTreeMap<String, BTreeSet<Platform>> = BTreeMap::new();
        for ImageRef { name, platform } in outline(&dockerfile, &inputs).images {
            images.entry(name).or_default().insert(platform);
        }
        images
    }

    /// Returns the steps for these platforms; an image of which nothing is known is taken for an empty one.
    pub(crate) fn graph(
        &self,
        platforms: &[Platform],
        arguments: &BTreeMap<String, String>,
        known: impl Fn(&ImageRef) -> Option<Resolved>,
    ) -> Graph {
        let mut inputs = self.inputs(platforms, arguments);
        let (dockerfile, _) = Dockerfile::parse(&inputs.text);
        let empty = || Resolved::Image {
            config: Box::default(),
            graph: Graph::default(),
            root: None,
        };
        loop {
            match lower(&dockerfile, &inputs) {
                Ok(Lowered::Ready { graph, .. }) => return graph,
                Ok(Lowered::Needs(needs)) => {
                    let resolve = |(image, _)| {
                        let resolved = known(&image).unwrap_or_else(empty);
                        (image, resolved)
                    };
                    inputs.images.extend(needs.into_iter().map(resolve));
                }
                Err(findings) => panic!("{}: {findings:#?}", self.dockerfile),
            }
        }
    }

    fn inputs(&self, platforms: &[Platform], arguments: &BTreeMap<String, String>) -> LowerInputs {
        LowerInputs {
            file: self.dockerfile.clone(),
            text: read(&self.directory.join(&self.dockerfile)),
            target: None,
            platforms: platforms.to_vec(),
            build_platform: Platform::host(),
            build_args: arguments.clone(),
            labels: BTreeMap::new(),
            network: RunNetwork::Host,
            main_context: ContextOp::MAIN.to_owned(),
            named_contexts: BTreeSet::new(),
            images: BTreeMap::new(),
        }
    }
}

/// Reads a text file.
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("failed to read {}: {error}", path.display()))
}

/// Returns platforms as command lines take them.
pub(crate) fn listed(platforms: &[Platform]) -> String {
    let names: Vec<String> = platforms.iter().map(ToString::to_string).collect();
    names.join(",")
}
