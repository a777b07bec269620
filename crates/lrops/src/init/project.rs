//! What a project is, and what its image is made of.

use super::files::{Files, depth, name_of};
use super::go::{self, GoModule};
use super::mistake::Mistake;
use super::node::{self, NodePackage};
use super::rust::{self, RustProject};
use super::{DOCKERFILE, IGNORE_FILE};

/// Where user interfaces are usually kept.
const INTERFACE_ROOMS: [&str; 9] = [
    "ui", "web", "frontend", "client", "webui", "webapp", "app", "www", "site",
];

/// Where Dockerfiles are usually kept, besides the project's own directory.
const DOCKERFILE_ROOMS: [&str; 3] = ["docker", "build", "deploy"];

/// How deep below the project's directory a user interface is looked for.
const INTERFACE_DEPTH_MAX: usize = 3;

/// What a project is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Project {
    /// The image's name.
    pub(super) name: String,
    /// What is built.
    pub(crate) kind: Kind,
    /// A user interface that is built for it.
    pub(super) interface: Option<NodePackage>,
    /// Where that gets to.
    pub(super) interface_place: InterfacePlace,
    /// What a person should know.
    pub(crate) notes: Vec<String>,
}

/// What is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What a Dockerfile of the project says.
    Dockerfile(String),
    /// The programs of a Go module.
    Go(GoModule),
    /// The programs of a Cargo package or workspace.
    Rust(RustProject),
    /// A server that Node.js runs.
    Server(NodePackage),
    /// A user interface, and nothing else.
    Interface,
    /// Nothing that is known here.
    Unknown,
}

/// Where a built user interface gets to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum InterfacePlace {
    /// Into the image, beside the program.
    #[default]
    Image,
    /// Into this directory of the project, from which the program is compiled.
    Sources(String),
}

impl Project {
    /// Finds out what a project is. A Dockerfile that the configuration names goes before those that are found.
    ///
    /// # Errors
    /// When a file that says so is broken.
    pub(crate) fn of(
        files: &Files,
        directory_name: &str,
        configured_dockerfile: Option<String>,
    ) -> Result<Self, Mistake> {
        let mut notes = Vec::new();
        let go = nearest(files, go::MODULE_FILE, &mut notes)
            .map(|directory| GoModule::read(files, directory))
            .transpose()?;
        let rust = nearest(files, rust::PACKAGE_FILE, &mut notes)
            .map(|directory| RustProject::read(files, directory))
            .transpose()?;
        let packages = packages(files)?;
        let name = go
            .as_ref()
            .map(|module| go::module_name(&module.path).to_owned())
            .or_else(|| rust.as_ref()?.name.clone())
            .or_else(|| packages.first()?.name.clone());
        let kind = match configured_dockerfile.or_else(|| dockerfile(files)) {
            Some(dockerfile) => Kind::Dockerfile(dockerfile),
            None => kind(go, rust, &packages, &mut notes),
        };
        let interface = interface(&kind, packages);
        let project = Self {
            name: name
                .and_then(|name| image_name(&name))
                .or_else(|| image_name(directory_name))
                .unwrap_or_else(|| "app".to_owned()),
            interface_place: interface_place(files, &kind, interface.as_ref()),
            kind,
            interface,
            notes,
        };
        Ok(project.with_notes())
    }

    /// Returns what was found, in words.
    pub(crate) fn found(&self) -> Vec<String> {
        let mut found = Vec::new();
        match &self.kind {
            Kind::Dockerfile(name) => found.push(format!("{name}, which stays as it is")),
            Kind::Go(module) => found.push(format!(
                "the Go module {}{} with {}",
                module.path,
                place(&module.directory),
                programs(&module.programs)
            )),
            Kind::Rust(rust) => {
                let names: Vec<String> = rust.programs.iter().map(|program| program.name.clone()).collect();
                found.push(format!(
                    "the Cargo project{} with {}",
                    place(&rust.directory),
                    programs(&names)
                ));
            }
            Kind::Server(package) => found.push(format!(
                "a Node.js server{}, installed by {}",
                place(&package.directory),
                package.installer.tool.name()
            )),
            Kind::Interface | Kind::Unknown => {}
        }
        if let Some(package) = &self.interface {
            found.push(format!(
                "a user interface{}, built by {} into {}/",
                place(&package.directory),
                package.output.tool.unwrap_or(package.installer.tool.name()),
                package.output.directory
            ));
        }
        found
    }

    fn with_notes(mut self) -> Self {
        match &self.kind {
            Kind::Go(module) => {
                if let Some(why) = &module.needs_c {
                    self.notes
                        .push(format!("{why}: the programs are compiled with C cross-compilers"));
                }
            }
            Kind::Rust(rust) => {
                if !rust.locked {
                    let message = "there is no Cargo.lock: commit the one that `cargo generate-lockfile` writes, and add \
                                   --locked to cargo build in the Dockerfile";
                    self.notes.push(message.to_owned());
                }
                if rust.links_openssl {
                    let message = "Cargo.lock has openssl-sys, which needs the target's OpenSSL: take rustls, or the \
                                   feature `vendored` of the package openssl";
                    self.notes.push(message.to_owned());
                }
            }
            Kind::Server(package) => self.notes.extend(server_notes(package)),
            Kind::Dockerfile(_) | Kind::Interface | Kind::Unknown => {}
        }
        if let Some(package) = &self.interface {
            self.notes.extend(interface_notes(package));
        }
        self
    }
}

/// Returns the directory of a file that says what a project is: the project's own, or one right below it.
fn nearest<'a>(files: &'a Files, name: &str, notes: &mut Vec<String>) -> Option<&'a str> {
    let directories = files.directories_with(name);
    let near: Vec<&str> = directories
        .into_iter()
        .filter(|directory| depth(directory) <= 1)
        .collect();
    let first = *near.first()?;
    if !first.is_empty() && near.len() > 1 {
        notes.push(format!(
            "{name} is in {}: {first} is taken; for another one, run lrops init there",
            near.join(", ")
        ));
    }
    Some(first)
}

/// Returns the packages of Node.js, those first that are most likely to be what the image is about.
fn packages(files: &Files) -> Result<Vec<NodePackage>, Mistake> {
    let mut directories = files.directories_with(node::PACKAGE_FILE);
    directories.retain(|directory| depth(directory) <= INTERFACE_DEPTH_MAX);
    directories.sort_by_key(|directory| {
        let room = INTERFACE_ROOMS
            .iter()
            .position(|room| *room == name_of(directory));
        (depth(directory), room.unwrap_or(INTERFACE_ROOMS.len()))
    });
    directories
        .into_iter()
        .map(|directory| NodePackage::read(files, directory))
        .collect()
}

fn kind(
    go: Option<GoModule>,
    rust: Option<RustProject>,
    packages: &[NodePackage],
    notes: &mut Vec<String>,
) -> Kind {
    let rust = rust.filter(|rust| {
        if rust.programs.is_empty() {
            notes.push("the Cargo project has no program: it is not built".to_owned());
        }
        !rust.programs.is_empty()
    });
    let go = go.filter(|module| {
        if module.packages.is_empty() {
            notes.push(format!(
                "the Go module {} has no package main: it is not built",
                module.path
            ));
        }
        !module.packages.is_empty()
    });
    match (go, rust) {
        (Some(module), other) => {
            if other.is_some() {
                notes.push("Cargo.toml is there, too: only the Go module is built".to_owned());
            }
            Kind::Go(module)
        }
        (None, Some(rust)) => Kind::Rust(rust),
        (None, None) => {
            let near = |package: &&NodePackage| depth(&package.directory) <= 1;
            let server = packages
                .iter()
                .filter(near)
                .find(|package| package.start.is_some());
            match server {
                Some(server) => Kind::Server(server.clone()),
                None if packages.iter().any(|package| package.builds) => Kind::Interface,
                None => {
                    if !packages.is_empty() {
                        notes.push(
                            "package.json has neither a script `start` or `build` nor a `main`: it is not built"
                                .to_owned(),
                        );
                    }
                    Kind::Unknown
                }
            }
        }
    }
}

/// Returns the package whose user interface goes into the image.
fn interface(kind: &Kind, packages: Vec<NodePackage>) -> Option<NodePackage> {
    let server = match kind {
        Kind::Go(_) | Kind::Rust(_) | Kind::Interface => None,
        Kind::Server(server) => Some(server),
        Kind::Dockerfile(_) | Kind::Unknown => return None,
    };
    packages.into_iter().find(|package| {
        // The packages of a workspace are built together with it.
        let is_within = |server: &NodePackage| server.is_workspace || server.directory == package.directory;
        package.builds && !server.is_some_and(is_within) && (server.is_none() || package.start.is_none())
    })
}

fn interface_place(files: &Files, kind: &Kind, interface: Option<&NodePackage>) -> InterfacePlace {
    let Some(package) = interface else {
        return InterfacePlace::Image;
    };
    let output = &package.output.directory;
    let sources = match kind {
        Kind::Go(module) => {
            let embedded = || module.embedded.iter();
            let itself = embedded().any(|path| path == output || path.starts_with(&format!("{output}/")));
            let namesake = embedded().find(|path| name_of(path) == name_of(output));
            if itself { Some(output) } else { namesake }
        }
        Kind::Rust(rust) => {
            let endings = [format!("{output}\""), format!("{output}/\"")];
            let mut texts = files.texts(&rust.directory, ".rs");
            let named = texts.any(|(_, text)| endings.iter().any(|ending| text.contains(ending)));
            named.then_some(output)
        }
        // A server finds it where it was built.
        Kind::Server(_) => Some(output),
        Kind::Dockerfile(_) | Kind::Interface | Kind::Unknown => None,
    };
    sources.map_or(InterfacePlace::Image, |path| {
        InterfacePlace::Sources(path.clone())
    })
}

/// Returns the Dockerfile that is there already.
fn dockerfile(files: &Files) -> Option<String> {
    let is_dockerfile = |name: &str| {
        let small = name.to_lowercase();
        let named = small == "dockerfile" || small == "containerfile" || small.starts_with("dockerfile.");
        (named || small.ends_with(".dockerfile")) && !small.ends_with(IGNORE_FILE)
    };
    let mut found: Vec<&str> = files
        .paths()
        .filter(|path| {
            let room = super::files::directory_of(path);
            (room.is_empty() || DOCKERFILE_ROOMS.contains(&room)) && is_dockerfile(name_of(path))
        })
        .collect();
    found.sort_by_key(|path| {
        (
            depth(path),
            *path != DOCKERFILE,
            name_of(path) != DOCKERFILE,
            *path,
        )
    });
    found.first().map(|path| (*path).to_owned())
}

fn server_notes(package: &NodePackage) -> Vec<String> {
    let mut notes = install_notes(package);
    if let Some(script) = package.start.as_ref().and_then(|start| start.unclear.as_ref()) {
        notes.push(format!(
            "what `{script}` starts is not clear: look at ENTRYPOINT in the Dockerfile"
        ));
    }
    if !package.native.is_empty() {
        notes.push(format!(
            "these packages may bring programs for the build platform alone, which `lrops verify` would find: {}",
            package.native.join(", ")
        ));
    }
    notes
}

fn interface_notes(package: &NodePackage) -> Vec<String> {
    let mut notes = install_notes(package);
    if package.output.tool.is_none() {
        notes.push(format!(
            "it is not known where {} writes to: {}/ is a guess",
            package.installer.build(),
            package.output.directory
        ));
    }
    notes
}

fn install_notes(package: &NodePackage) -> Vec<String> {
    let mut notes = Vec::new();
    if package.installs && package.installer.lock.is_none() {
        notes.push(format!(
            "{} has no lock file: each build may install other packages",
            super::files::joined(&package.directory, node::PACKAGE_FILE).unwrap_or_default()
        ));
    }
    if let Some(major) = package.newer_node() {
        notes.push(format!(
            "Node.js {major} is asked for, which is newer than Debian's: it comes from Docker Hub's image"
        ));
    }
    notes
}

fn place(directory: &str) -> String {
    if directory.is_empty() {
        String::new()
    } else {
        format!(" in {directory}/")
    }
}

fn programs(names: &[String]) -> String {
    let noun = if names.len() == 1 {
        "the program"
    } else {
        "the programs"
    };
    format!("{noun} {}", names.join(", "))
}

/// Returns a name that an image's repository can have.
fn image_name(name: &str) -> Option<String> {
    let small = name.to_lowercase();
    let allowed = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let parts: Vec<&str> = small
        .split(|character| !allowed(character))
        .filter(|part| !part.is_empty())
        .collect();
    (!parts.is_empty()).then(|| parts.join("-"))
}
