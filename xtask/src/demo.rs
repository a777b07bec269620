//! `cargo xtask demo`: a real build for three platforms on this machine, and what lrops says about it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::{programs, system_packages};

/// The example, and where its image lies afterwards; both relative to the checkout.
const EXAMPLE: &str = "examples/hello";
const LAYOUT: &str = "out/hello";

/// One command of the demonstration, and why it is shown.
struct Scene {
    says: &'static str,
    arguments: &'static [&'static str],
}

const BUILD: &[&str] = &[
    "build",
    "--tag",
    "hello:demo",
    "--output",
    "type=oci,dest=out/hello,tar=false",
    ".",
];

const SCENES: &[Scene] = &[
    Scene {
        says: "Building examples/hello for three platforms with the embedded engine. The user interface is built once, \
               the Go server is cross-compiled on this machine's own architecture, and no foreign program runs.",
        arguments: BUILD,
    },
    Scene {
        says: "Verifying the image: every blob's digest, every platform, and every program's architecture.",
        arguments: &["verify", LAYOUT],
    },
    Scene {
        says: "Looking at the image in the local store: one row a platform.",
        arguments: &["image", "inspect", "hello:demo"],
    },
    Scene {
        says: "Building again. Nothing has changed, so every step comes from the cache.",
        arguments: BUILD,
    },
];

/// Builds lrops, then plays the scenes and prints how long each took.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    system_packages::install(system_packages::FOR_DEMO)?;
    let example = root.join(EXAMPLE);
    remove_earlier_layout(&example.join(LAYOUT))?;

    let mut took: Vec<(String, Duration)> = Vec::new();
    headline("Compiling lrops.");
    let mut compile = programs::cargo(root, &["build", "--release", "--package", "lrops"]);
    took.push(timed(&mut compile)?);
    let lrops = crate::target_directory()?.join("release/lrops");
    for scene in SCENES {
        headline(scene.says);
        took.push(timed(
            Command::new(&lrops).args(scene.arguments).current_dir(&example),
        )?);
    }

    headline("What it took:");
    for (command, time) in took {
        println!("{:>8.2} s  {command}", time.as_secs_f64());
    }
    println!(
        "\nThe image lies in {EXAMPLE}/{LAYOUT} as an OCI image layout, and as hello:demo in the local store."
    );
    Ok(())
}

fn headline(says: &str) {
    println!("\n== {says}");
}

fn timed(command: &mut Command) -> Result<(String, Duration), Failure> {
    let started = Instant::now();
    programs::run(command)?;
    Ok((programs::shown(command), started.elapsed()))
}

/// Removes what an earlier demonstration wrote, so that what is shown was made now.
fn remove_earlier_layout(layout: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(layout) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(Failure::new(format!(
            "the earlier image at {} cannot be removed: {cause}",
            layout.display()
        ))),
        _ => Ok(()),
    }
}
