//! A Cargo package or workspace: `Cargo.toml`, and the programs that it makes.

use toml::{Table, Value};

use super::files::{Files, below, directory_of, joined, name_of};
use super::mistake::{self, Mistake};

/// The package's own file.
pub(super) const PACKAGE_FILE: &str = "Cargo.toml";

/// Packages that help those who work on the project.
const SIDE_PACKAGES: [&str; 2] = ["xtask", "fuzz"];

/// What is known of a package or a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RustProject {
    /// Its directory in the project.
    pub(super) directory: String,
    /// What it is called: the package, or the first with a program.
    pub(super) name: Option<String>,
    /// Its programs, each with its package.
    pub(super) programs: Vec<RustProgram>,
    /// What the package starts by default.
    default_run: Option<String>,
    /// Whether there is a `Cargo.lock`.
    pub(super) locked: bool,
    /// The file that says which compiler is wanted.
    pub(super) toolchain_file: Option<&'static str>,
    /// Whether OpenSSL is compiled, which takes make and Perl.
    pub(super) compiles_openssl: bool,
    /// Whether OpenSSL is looked for among the target's libraries.
    pub(super) links_openssl: bool,
}

/// One program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RustProgram {
    pub(super) package: String,
    pub(super) name: String,
}

impl RustProject {
    /// Reads the package or workspace of a directory.
    ///
    /// # Errors
    /// When a `Cargo.toml` is broken.
    pub(super) fn read(files: &Files, directory: &str) -> Result<Self, Mistake> {
        let at = |name: &str| joined(directory, name).unwrap_or_default();
        let root = Manifest::read(files, directory)?;
        let mut programs = Vec::new();
        for member in root.members(files) {
            let manifest = Manifest::read(files, &member)?;
            programs.extend(manifest.programs(files)?);
        }
        let lock = files.text(&at("Cargo.lock")).unwrap_or_default();
        let has = |package: &str| lock.lines().any(|line| line == format!("name = \"{package}\""));
        let name = root
            .name()
            .or_else(|| programs.first().map(|program| program.package.clone()));
        Ok(Self {
            directory: directory.to_owned(),
            name,
            default_run: root.package_text("default-run"),
            programs,
            locked: !lock.is_empty(),
            toolchain_file: ["rust-toolchain.toml", "rust-toolchain"]
                .into_iter()
                .find(|name| files.has(&at(name))),
            compiles_openssl: has("openssl-src"),
            links_openssl: has("openssl-sys") && !has("openssl-src"),
        })
    }

    /// Returns the program that the image starts.
    pub(super) fn main_program(&self) -> Option<&str> {
        let wished = self.default_run.as_ref().or(self.name.as_ref());
        let named = self.programs.iter().find(|program| Some(&program.name) == wished);
        named
            .or(self.programs.first())
            .map(|program| program.name.as_str())
    }
}

/// One `Cargo.toml`.
struct Manifest {
    directory: String,
    path: String,
    text: String,
    table: Table,
}

impl Manifest {
    fn read(files: &Files, directory: &str) -> Result<Self, Mistake> {
        let path = joined(directory, PACKAGE_FILE).unwrap_or_default();
        let text = files.text(&path).unwrap_or_default().to_owned();
        let table = mistake::toml(&path, &text)?;
        if !table.contains_key("package") && !table.contains_key("workspace") {
            let message = format!("{path} has neither [package] nor [workspace]");
            return Err(Mistake::at(&path, &text, 0..0, message).advise("`cargo init` writes one"));
        }
        Ok(Self {
            directory: directory.to_owned(),
            path,
            text,
            table,
        })
    }

    fn package_text(&self, key: &str) -> Option<String> {
        Some(self.table.get("package")?.get(key)?.as_str()?.to_owned())
    }

    fn name(&self) -> Option<String> {
        self.package_text("name")
    }

    /// Returns the directories of the packages that `cargo build` would build, this one's first.
    fn members(&self, files: &Files) -> Vec<String> {
        let own = self.table.contains_key("package").then(|| self.directory.clone());
        let Some(workspace) = self.table.get("workspace") else {
            return own.into_iter().collect();
        };
        let list = |key: &str| workspace.get(key).and_then(Value::as_array);
        let is_left_out = |directory: &str| {
            let excluded = texts(list("exclude")).any(|pattern| matches(pattern, directory));
            excluded || SIDE_PACKAGES.contains(&name_of(directory))
        };
        let wanted: Vec<&str> = texts(list("default-members").or_else(|| list("members"))).collect();
        let others = files
            .directories_with(PACKAGE_FILE)
            .into_iter()
            .filter(|directory| {
                let seen = below(directory, &self.directory).unwrap_or_default();
                !seen.is_empty() && wanted.iter().any(|pattern| matches(pattern, seen)) && !is_left_out(seen)
            });
        own.into_iter().chain(others.map(str::to_owned)).collect()
    }

    /// Returns the package's programs: those that it names, and those that Cargo finds.
    fn programs(&self, files: &Files) -> Result<Vec<RustProgram>, Mistake> {
        let Some(package) = self.name() else {
            let message = format!("{} has a [package] without a name", self.path);
            let place = self.text.find("[package]").unwrap_or(0);
            return Err(Mistake::at(
                &self.path,
                &self.text,
                place..place + "[package]".len(),
                message,
            ));
        };
        let named = self.table.get("bin").and_then(Value::as_array);
        let named = named
            .into_iter()
            .flatten()
            .filter_map(|program| program.get("name")?.as_str());
        let mut names: Vec<String> = named.map(str::to_owned).collect();
        let autobins = self
            .table
            .get("package")
            .and_then(|package| package.get("autobins"));
        if autobins.and_then(Value::as_bool) != Some(false) {
            names.extend(self.found(files, &package));
        }
        names.sort();
        names.dedup();
        let program = |name| RustProgram {
            package: package.clone(),
            name,
        };
        Ok(names.into_iter().map(program).collect())
    }

    /// `src/main.rs`, `src/bin/NAME.rs` and `src/bin/NAME/main.rs`, unless a `[[bin]]` gives the file another name.
    fn found(&self, files: &Files, package: &str) -> Vec<String> {
        let named = self.table.get("bin").and_then(Value::as_array);
        let taken: Vec<&str> = named
            .into_iter()
            .flatten()
            .filter_map(|program| program.get("path")?.as_str())
            .collect();
        let sources = files.paths().filter_map(|path| below(path, &self.directory));
        let untaken = sources.filter(|path| !taken.contains(path));
        let names = untaken.filter_map(|path| {
            if path == "src/main.rs" {
                Some(package)
            } else {
                let rest = path.strip_prefix("src/bin/")?;
                match rest.strip_suffix("/main.rs") {
                    Some(name) => Some(name),
                    None => rest.strip_suffix(".rs"),
                }
                .filter(|name| !name.contains('/'))
            }
        });
        names.map(str::to_owned).collect()
    }
}

fn texts(list: Option<&Vec<Value>>) -> impl Iterator<Item = &str> {
    list.into_iter().flatten().filter_map(Value::as_str)
}

/// Returns whether a workspace's pattern means a directory. `*` is a name, as in `crates/*`; other patterns are rare.
fn matches(pattern: &str, directory: &str) -> bool {
    let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
    match pattern.strip_suffix('*') {
        Some(prefix) => {
            let rest = directory.strip_prefix(prefix);
            rest.is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
                && directory_of(directory).len() <= prefix.len()
        }
        None => pattern == directory,
    }
}
