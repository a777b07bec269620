//! `cargo xtask bench build`: the examples built from nothing, again, and with one line changed, beside other programs.
//!
//! All that comes from a network is fetched before anything is measured: images lie in a registry on loopback and
//! packages in a mirror there, and every program fetches them from these. Programs take turns, and medians are printed.
//! Every program begins each round with a state and a copy of the example of its own.

mod bare;
mod builder;
mod chroot;
mod emulation;
mod example;
mod images;
mod machine;
mod meter;
mod options;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lrops_testkit::debian_registry::DebianRegistry;
use lrops_testkit::package_mirror::PackageMirror;

use builder::Builder;
use example::{Edit, Example};
use images::{Images, Workshop};
use options::{Options, Part, Program};
use report::{Results, Scene};

/// How often nothing changes, and how often each line does, in one round.
const WARM_TIMES: usize = 5;
const EDIT_TIMES: usize = 3;

fn main() {
    let options = Options::read();
    let directory = own_directory();
    let registry = DebianRegistry::start();
    let workshop = Workshop {
        lrops: env!("CARGO_BIN_EXE_lrops"),
        directory: directory.clone(),
        registry: registry.name(),
    };
    let mut mirror = None;
    println!("{}\n", machine::described(&options.programs));
    for (path, rounds) in &options.examples {
        let started = Instant::now();
        let example = Example::read(path, &options.platforms);
        let emulates = options.parts.contains(&Part::Emulation) && is_first(path, &options);
        let foreign: Vec<_> = emulates.then(emulation::foreign).into_iter().collect();
        let roots = workshop.unpack(&example);
        let mirror = mirror.get_or_insert_with(|| start_mirror(&directory, roots.sources()));
        let images = workshop.push(roots, mirror, &foreign);
        fill(&example, &images, mirror, &directory);
        eprintln!(
            "{}: prepared in {} s",
            example.name,
            report::seconds(started.elapsed())
        );
        let before = mirror.fetched();
        let results = measure(&options, *rounds, &example, &images, &directory);
        println!(
            "### examples/{}\n\n{}\n{}",
            example.name,
            results.table(),
            results.targets()
        );
        let after = mirror.fetched();
        assert_eq!(
            before, after,
            "{}: something was fetched from the network while it was measured",
            example.name
        );
        if emulates {
            let place = scratch(&directory);
            println!(
                "### Emulation\n\n{}",
                emulation::measure(&example, &images, place.path())
            );
        }
        eprintln!(
            "{}: done after {} s",
            example.name,
            report::seconds(started.elapsed())
        );
    }
}

/// Emulation is measured with the first example.
fn is_first(path: &Path, options: &Options) -> bool {
    options.examples.first().is_some_and(|(first, _)| first == path)
}

/// Returns the directory below the target directory that stays from run to run, without what a killed run left.
fn own_directory() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it is");
    let target = own
        .ancestors()
        .find(|directory| directory.join("CACHEDIR.TAG").is_file());
    let directory = target
        .expect("a benchmark lies below a target directory")
        .join("bench-build");
    fs::create_dir_all(directory.join("packages")).expect("a directory for the benchmark");
    for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(SCRATCH) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    directory
}

const SCRATCH: &str = "run-";

fn scratch(directory: &Path) -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix(SCRATCH)
        .tempdir_in(directory)
        .expect("a directory for a program")
}

fn start_mirror(directory: &Path, sources: lrops_testkit::package_mirror::Sources) -> PackageMirror {
    PackageMirror::start(sources, &directory.join("packages"))
}

/// Builds once, unmeasured, so that the mirror has all packages, and the machine's memory what is read first.
fn fill(example: &Example, images: &Images, mirror: &PackageMirror, directory: &Path) {
    let place = scratch(directory);
    let mut builder = Builder::new(Program::Bare, example, images, place.path());
    let before = mirror.fetched();
    builder.build(&example.platforms[..1]);
    // When an earlier run has fetched all, so it has for the other platforms.
    if mirror.fetched() > before {
        builder.build(&example.platforms);
    }
    eprintln!("{}: {} packages were fetched", example.name, mirror.fetched());
}

fn measure(
    options: &Options,
    rounds: usize,
    example: &Example,
    images: &Images,
    directory: &Path,
) -> Results {
    let mut results = Results::default();
    for round in 0..rounds {
        for &program in &options.programs {
            if options.parts.contains(&Part::Changes) {
                let place = scratch(directory);
                let builder = Builder::new(program, example, images, place.path());
                changes(program, builder, &mut results);
            }
        }
        for &program in &options.programs {
            // The slowest part, and no target hangs on it.
            if round == 0 && options.parts.contains(&Part::Platforms) {
                let place = scratch(directory);
                let builder = Builder::new(program, example, images, place.path());
                platforms(program, builder, &mut results);
            }
        }
    }
    results
}

fn changes(program: Program, mut builder: Builder<'_>, results: &mut Results) {
    let platforms = builder.example.platforms.clone();
    let mut build = |scene: Scene, edit: Option<(Edit, usize)>| {
        if let Some((edit, number)) = edit {
            builder.example.edit(edit, number);
        }
        let figures = builder.build(&platforms);
        results.add(scene, program, figures, builder.stored());
    };
    build(Scene::Cold, None);
    // Bare commands that have nothing to do are no measurement.
    if program != Program::Bare {
        (0..WARM_TIMES).for_each(|_| build(Scene::Warm, None));
    }
    (0..EDIT_TIMES).for_each(|number| build(Scene::GoLine, Some((Edit::Go, number))));
    (0..EDIT_TIMES).for_each(|number| build(Scene::UiLine, Some((Edit::Ui, number))));
}

fn platforms(program: Program, mut builder: Builder<'_>, results: &mut Results) {
    let platforms = builder.example.platforms.clone();
    for number in 1..=platforms.len() {
        let figures = builder.build(&platforms[..number]);
        results.add(Scene::Platforms(number), program, figures, builder.stored());
    }
}
