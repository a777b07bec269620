//! A Go module: `go.mod`, and what its sources say of programs, C and embedded files.

mod file;
mod source;

use std::collections::BTreeSet;

pub(super) use file::GoVersion;
use file::ModuleFile;
use source::Source;

use super::files::{self, Files, directory_of, name_of};
use super::mistake::Mistake;

/// The module's own file.
pub(super) const MODULE_FILE: &str = "go.mod";

/// Modules that are known to need a C compiler.
const C_MODULES: [&str; 5] = [
    "github.com/mattn/go-sqlite3",
    "github.com/confluentinc/confluent-kafka-go",
    "github.com/libgit2/git2go",
    "github.com/h2non/bimg",
    "github.com/godror/godror",
];

/// Directories whose programs help those who work on the project, and are not what it is for.
const SIDE_ROOMS: [&str; 10] = [
    "build", "ci", "example", "examples", "hack", "internal", "scripts", "test", "tests", "tools",
];

/// What is known of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GoModule {
    /// Its directory in the project.
    pub(super) directory: String,
    /// Its path, such as `example.com/team/hello`.
    pub(super) path: String,
    /// The newest Go that its `go` and `toolchain` lines ask for.
    pub(super) version: Option<GoVersion>,
    /// Its main packages, as `go build` takes them: `.` and `./cmd/hello`.
    pub(super) packages: Vec<String>,
    /// What their programs are called.
    pub(super) programs: Vec<String>,
    /// Why a C compiler is needed, if it is.
    pub(super) needs_c: Option<String>,
    /// The variable of package main that the version goes into.
    pub(super) version_variable: Option<&'static str>,
    /// Directories and files that are compiled in, from the project's directory.
    pub(super) embedded: Vec<String>,
    /// Whether modules are downloaded.
    pub(super) downloads: bool,
    /// Whether it needs directories beside its own.
    pub(super) needs_neighbours: bool,
}

impl GoModule {
    /// Reads the module of a directory.
    ///
    /// # Errors
    /// When its `go.mod` is broken.
    pub(super) fn read(files: &Files, directory: &str) -> Result<Self, Mistake> {
        let place = files::joined(directory, MODULE_FILE).expect("a name leads nowhere else");
        let file = ModuleFile::parse(&place, files.text(&place).unwrap_or_default())?;
        let nested: Vec<&str> = files
            .directories_with(MODULE_FILE)
            .into_iter()
            .filter(|other| *other != directory && files::below(other, directory).is_some())
            .collect();
        let sources: Vec<Source<'_>> = files
            .texts(directory, ".go")
            .filter(|(path, _)| !path.ends_with("_test.go"))
            .filter(|(path, _)| nested.iter().all(|other| files::below(path, other).is_none()))
            .map(|(path, text)| Source::read(path, text))
            .collect();
        let mains = main_directories(&sources, directory);
        let programs = mains.iter().map(|main| program_name(&file.path, main)).collect();
        let version_variable = sources
            .iter()
            .filter(|source| source.is_main)
            .find_map(|source| source.version_variable);
        Ok(Self {
            directory: directory.to_owned(),
            packages: mains.iter().map(|main| package(main)).collect(),
            programs,
            needs_c: needs_c(&sources, &file),
            version_variable,
            embedded: sources.iter().flat_map(Source::embedded).collect(),
            downloads: files.has(&files::joined(directory, "go.sum").expect("as above"))
                && !vendored(files, directory),
            needs_neighbours: file.replaced_by.iter().any(|path| path.starts_with("..")),
            path: file.path,
            version: file.version,
        })
    }

    /// Returns the program that the image starts: that of the module's own name, else the first.
    pub(super) fn main_program(&self) -> Option<&str> {
        let own = module_name(&self.path);
        let named = self.programs.iter().find(|program| *program == own);
        named.or(self.programs.first()).map(String::as_str)
    }
}

/// Returns the last part of a module's path that is no version: `hello` of `example.com/hello/v2`.
pub(super) fn module_name(path: &str) -> &str {
    let is_version = |part: &str| {
        part.strip_prefix('v')
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match path.rsplit_once('/') {
        Some((before, last)) if is_version(last) => name_of(before),
        _ => name_of(path),
    }
}

fn vendored(files: &Files, directory: &str) -> bool {
    // What is in there is not looked at; this one file says that it is used.
    files.has(&files::joined(directory, "vendor/modules.txt").expect("a name leads nowhere else"))
}

/// Returns the directories of the main packages that the image is for, as seen from the module.
///
/// These are the module's own and those in `cmd/`; where there are none, all but those in side rooms.
fn main_directories<'a>(sources: &[Source<'a>], directory: &str) -> Vec<&'a str> {
    let mains: BTreeSet<&str> = sources
        .iter()
        .filter(|source| source.is_main)
        .filter_map(|source| Some(directory_of(files::below(source.path, directory)?)))
        .collect();
    let is_usual = |main: &str| main.is_empty() || main.split('/').any(|part| part == "cmd");
    let is_aside = |main: &str| main.split('/').any(|part| SIDE_ROOMS.contains(&part));
    let usual: Vec<&str> = mains
        .iter()
        .copied()
        .filter(|main| is_usual(main) && !is_aside(main))
        .collect();
    if !usual.is_empty() {
        return usual;
    }
    mains.into_iter().filter(|main| !is_aside(main)).collect()
}

fn package(main: &str) -> String {
    if main.is_empty() {
        ".".to_owned()
    } else {
        format!("./{main}")
    }
}

/// Returns what `go build` calls the program of a main package.
fn program_name(module: &str, main: &str) -> String {
    module_name(format!("{module}/{main}").trim_end_matches('/')).to_owned()
}

fn needs_c(sources: &[Source<'_>], file: &ModuleFile) -> Option<String> {
    let source = sources.iter().find(|source| source.imports_c);
    if let Some(source) = source {
        return Some(format!("{} imports \"C\"", source.path));
    }
    let required = C_MODULES.iter().find(|module| {
        file.required
            .iter()
            .any(|required| required == *module || required.starts_with(&format!("{module}/")))
    });
    required.map(|module| format!("{MODULE_FILE} requires {module}"))
}
