//! `cargo xtask bench`: measurements beside other programs, in one run. No test depends on a figure of theirs.

use std::path::Path;

use crate::failure::Failure;
use crate::{programs, system_packages, test_programs};

/// Pushes a large image to registries on loopback; `options` go to the benchmark itself.
pub(crate) fn push(root: &Path, options: &[&str]) -> Result<(), Failure> {
    system_packages::install(system_packages::FOR_BENCHMARKS)?;
    let arguments = ["bench", "--package", "lrops", "--bench", "push", "--"];
    programs::run(programs::cargo(root, &arguments).args(options))
}

/// Builds the examples beside other programs; `options` go to the benchmark itself.
pub(crate) fn build(root: &Path, options: &[&str]) -> Result<(), Failure> {
    system_packages::install(system_packages::FOR_BENCHMARKS)?;
    test_programs::install(&crate::target_directory()?)?;
    let arguments = ["bench", "--package", "lrops", "--bench", "build", "--"];
    programs::run(programs::cargo(root, &arguments).args(options))
}
