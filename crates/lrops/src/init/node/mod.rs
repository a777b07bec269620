//! A Node.js package: `package.json`, its lock file, what it builds, and what it starts.

mod installer;
mod output;
mod start;

use serde_json::Value;

pub(super) use installer::{Installer, Tool};
pub(super) use output::Output;
pub(super) use start::Start;

use super::files::{Files, joined};
use super::mistake::{self, Mistake};

/// The package's own file.
pub(super) const PACKAGE_FILE: &str = "package.json";

/// npm's settings for a project.
const SETTINGS_FILE: &str = ".npmrc";

/// The major version of Node.js that Debian's release for bases has.
pub(super) const DEBIAN_NODE: u32 = 20;

/// What is known of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodePackage {
    /// Its directory in the project.
    pub(super) directory: String,
    /// Its name without a scope.
    pub(super) name: Option<String>,
    /// Who installs what it depends on.
    pub(super) installer: Installer,
    /// Whether it depends on anything.
    pub(super) installs: bool,
    /// Whether it has a script `build`.
    pub(super) builds: bool,
    /// Where that script writes a user interface to.
    pub(super) output: Output,
    /// How a server is started, if it is one.
    pub(super) start: Option<Start>,
    /// Packages with programs of one platform, among those that a server needs.
    pub(super) native: Vec<String>,
    /// The oldest Node.js that it asks for.
    pub(super) node: Option<u32>,
    /// Whether other packages of the project have to be there when packages are installed.
    pub(super) is_workspace: bool,
    /// The file with npm's settings beside it.
    pub(super) settings: Option<&'static str>,
}

impl NodePackage {
    /// Reads the package of a directory.
    ///
    /// # Errors
    /// When its `package.json` is broken.
    pub(super) fn read(files: &Files, directory: &str) -> Result<Self, Mistake> {
        let at = |name: &str| joined(directory, name).unwrap_or_default();
        let place = at(PACKAGE_FILE);
        let text = files.text(&place).unwrap_or_default();
        let package = mistake::json(&place, text)?;
        if !package.is_object() {
            return Err(Mistake::at(
                &place,
                text,
                0..text.len().min(1),
                format!("{place} is no JSON object"),
            ));
        }
        let name = package["name"]
            .as_str()
            .map(|name| name.rsplit('/').next().unwrap_or(name).to_owned());
        Ok(Self {
            name,
            installer: Installer::find(files, directory, &package),
            installs: ["dependencies", "devDependencies", "optionalDependencies"]
                .into_iter()
                .any(|kind| {
                    package[kind]
                        .as_object()
                        .is_some_and(|packages| !packages.is_empty())
                }),
            builds: script(&package, "build").is_some(),
            output: Output::find(files, directory, &package),
            start: Start::find(files, directory, &package),
            native: native(files.text(&at("package-lock.json")).unwrap_or_default()),
            node: oldest_node(files, directory, &package),
            is_workspace: !package["workspaces"].is_null() || files.has(&at("pnpm-workspace.yaml")),
            settings: files.has(&at(SETTINGS_FILE)).then_some(SETTINGS_FILE),
            directory: directory.to_owned(),
        })
    }

    /// Returns the major version of Node.js that it asks for, if Debian's is too old.
    pub(super) fn newer_node(&self) -> Option<u32> {
        self.node.filter(|major| *major > DEBIAN_NODE)
    }
}

/// Returns a script's text.
fn script<'a>(package: &'a Value, name: &str) -> Option<&'a str> {
    package["scripts"][name].as_str()
}

/// Returns whether a package is depended on, in whichever way.
fn depends_on(package: &Value, name: &str) -> bool {
    ["dependencies", "devDependencies"]
        .into_iter()
        .any(|kind| !package[kind][name].is_null())
}

/// Returns the packages of a lock file of npm that are for some platforms only, or that run a program when they are
/// installed, apart from those that only development needs.
fn native(lock: &str) -> Vec<String> {
    let lock: Value = serde_json::from_str(lock).unwrap_or_default();
    let packages = lock["packages"].as_object().into_iter().flatten();
    let native = packages.filter(|(_, package)| {
        let of_development = ["dev", "devOptional"].into_iter().any(|key| package[key] == true);
        let of_platforms = ["cpu", "libc"].into_iter().any(|key| !package[key].is_null());
        !of_development && (of_platforms || package["hasInstallScript"] == true)
    });
    let names =
        native.filter_map(|(path, _)| path.rsplit_once("node_modules/").map(|(_, name)| name.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    names
}

/// Returns the oldest major version of Node.js that `engines` allows, or that `.nvmrc` names.
fn oldest_node(files: &Files, directory: &str, package: &Value) -> Option<u32> {
    let major = |text: &str| -> Option<u32> {
        let digits = text.trim_start_matches(|character: char| !character.is_ascii_digit());
        digits
            .split(|character: char| !character.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    };
    let engines = package["engines"]["node"].as_str();
    let allowed = engines.and_then(|engines| engines.split("||").filter_map(major).min());
    allowed.or_else(|| {
        let names = [".nvmrc", ".node-version"].into_iter();
        let mut texts = names.filter_map(|name| files.text(&joined(directory, name)?));
        // `lts/iron` and `node` name no number.
        texts.find_map(|text| major(text.trim().trim_start_matches('v')).filter(|_| !text.starts_with("lts")))
    })
}
