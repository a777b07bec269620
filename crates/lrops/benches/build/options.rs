//! What was asked for.

use std::path::PathBuf;

use lrops_model::platform::Platform;

/// The options, all with a default.
pub(crate) struct Options {
    /// The programs, in the order of their turns.
    pub(crate) programs: Vec<Program>,
    /// What is measured.
    pub(crate) parts: Vec<Part>,
    /// The directories of the examples, each with how often every program does everything.
    pub(crate) examples: Vec<(PathBuf, usize)>,
    /// The platforms; those of the example's configuration when none is named.
    pub(crate) platforms: Vec<Platform>,
}

/// What builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    /// The commands by themselves.
    Bare,
    /// lrops' embedded engine.
    Lrops,
    /// `docker buildx` with the daemon's own builder.
    Buildx,
    /// `buildah build`.
    Buildah,
}

/// A part of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything from nothing, then again, then with one line changed.
    Changes,
    /// One platform, then one more, then one more.
    Platforms,
    /// The tools of a foreign platform.
    Emulation,
}

const PROGRAMS: [(&str, Program); 4] = [
    ("bare", Program::Bare),
    ("lrops", Program::Lrops),
    ("buildx", Program::Buildx),
    ("buildah", Program::Buildah),
];

const PARTS: [(&str, Part); 3] = [
    ("changes", Part::Changes),
    ("platforms", Part::Platforms),
    ("emulation", Part::Emulation),
];

const USAGE: &str = "\
known are --rounds NUMBER, --only bare,lrops,buildx,buildah, --parts changes,platforms,emulation,
--example NAME-OR-DIRECTORY[=ROUNDS] (several times; hello=3 and livereview=1), --platforms LIST, --quick";

impl Program {
    /// Returns the name that tables have.
    pub(crate) fn name(self) -> &'static str {
        name_of(&PROGRAMS, self)
    }
}

impl Options {
    /// Reads the command line.
    pub(crate) fn read() -> Self {
        let mut options = Self {
            programs: PROGRAMS.map(|(_, program)| program).into(),
            parts: PARTS.map(|(_, part)| part).into(),
            examples: Vec::new(),
            platforms: Vec::new(),
        };
        let mut rounds = None;
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} takes a value"));
            match word.as_str() {
                "--rounds" => rounds = Some(number(&value())),
                "--only" => options.programs = listed(&PROGRAMS, &value()),
                "--parts" => options.parts = listed(&PARTS, &value()),
                "--example" => options.examples.push(example(&value())),
                "--platforms" => {
                    let parse = |name: &str| name.parse().expect("--platforms takes platforms");
                    options.platforms = value().split(',').map(parse).collect();
                }
                "--quick" => {
                    options.parts = vec![Part::Changes];
                    options.examples = vec![example("hello=1")];
                }
                // Cargo says that this is a benchmark.
                "--bench" => {}
                other => panic!("unknown option {other}; {USAGE}"),
            }
        }
        if options.examples.is_empty() {
            options.examples = vec![example("hello=3"), example("livereview=1")];
        }
        if let Some(rounds) = rounds {
            options.examples.iter_mut().for_each(|example| example.1 = rounds);
        }
        options
    }
}

/// Returns an example of this repository by name, or any directory that is laid out like one.
fn example(text: &str) -> (PathBuf, usize) {
    let (name, rounds) = text.split_once('=').unwrap_or((text, "1"));
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let found = if name.contains('/') {
        PathBuf::from(name)
    } else {
        own.join(name)
    };
    let found = found
        .canonicalize()
        .unwrap_or_else(|error| panic!("no example at {}: {error}", found.display()));
    (found, number(rounds))
}

fn number(text: &str) -> usize {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.unwrap_or_else(|| panic!("{text} is no number of rounds"))
}

fn listed<T: Copy>(known: &[(&str, T)], names: &str) -> Vec<T> {
    names
        .split(',')
        .map(|name| {
            let found = known.iter().find(|(known, _)| *known == name);
            found.unwrap_or_else(|| panic!("unknown {name}; {USAGE}")).1
        })
        .collect()
}

fn name_of<T: PartialEq>(known: &[(&'static str, T)], value: T) -> &'static str {
    let found = known.iter().find(|(_, known)| *known == value);
    found.expect("the list is whole").0
}
