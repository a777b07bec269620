//! From unpacked packages to the tree of a base.

use std::collections::BTreeSet;

use crate::alpine::archive::Claims;
use crate::debian::paragraph::paragraphs;
use crate::debian::relation::groups;
use crate::error::BaseError;
use crate::fixups;
use crate::resolution::{LockedPackage, Resolution};
use crate::spec::{BaseSpec, Distribution};
use crate::tree::{Overwrite, Tree};
use crate::unpacked::Unpacked;

/// Returns the packages that have a script, none of which runs.
pub(crate) fn scripts_of(resolution: &Resolution, unpacked: &[Unpacked]) -> Vec<String> {
    let pairs = resolution.packages.iter().zip(unpacked);
    pairs
        .filter(|(_, unpacked)| unpacked.has_script)
        .map(|(package, _)| package.name.clone())
        .collect()
}

/// Puts the packages of a base together and does what their scripts would.
pub(crate) fn assemble(
    spec: &BaseSpec,
    resolution: &Resolution,
    unpacked: Vec<Unpacked>,
    contents: Vec<Vec<u8>>,
) -> Result<Tree, BaseError> {
    let controls: Vec<String> = unpacked.iter().map(|package| package.control.clone()).collect();
    let (mut tree, replaces) = match spec.distribution {
        Distribution::Debian => (Tree::new(), debian_replaces(&controls, &resolution.packages)),
        Distribution::Alpine => (Tree::unmerged(), alpine_replaces(&controls, &resolution.packages)),
    };
    let mut packages: Vec<_> = unpacked
        .into_iter()
        .zip(&resolution.packages)
        .enumerate()
        .collect();
    // The base layout may hold links to directories that other packages put files into.
    packages.sort_by_key(|(_, (_, package))| !package.name.starts_with("alpine-baselayout"));
    for (number, (package, name)) in packages {
        tree.add_package(number, package, &*replaces)
            .map_err(|source| BaseError::Merge {
                package: name.name.clone(),
                source,
            })?;
    }
    fixups::finish(&mut tree, spec, resolution, &controls, contents)?;
    Ok(tree)
}

type Replaces<'a> = Box<dyn Fn(usize, usize) -> Overwrite + 'a>;

fn debian_replaces<'a>(controls: &[String], packages: &'a [LockedPackage]) -> Replaces<'a> {
    let replaced: Vec<BTreeSet<String>> = controls.iter().map(|control| replaced_names(control)).collect();
    Box::new(move |package, other| {
        if replaced[package].contains(&packages[other].name) {
            Overwrite::Takes
        } else {
            Overwrite::Yields
        }
    })
}

fn alpine_replaces<'a>(controls: &[String], packages: &'a [LockedPackage]) -> Replaces<'a> {
    let claims = Claims::new(controls);
    Box::new(move |package, other| claims.between(package, other, packages))
}

/// The packages whose files a package may overwrite (policy 7.6.1).
fn replaced_names(control: &str) -> BTreeSet<String> {
    let paragraphs = paragraphs(control);
    let field = paragraphs
        .first()
        .and_then(|paragraph| paragraph.get("Replaces"))
        .unwrap_or_default();
    groups(field)
        .flatten()
        .map(|relation| relation.name.to_owned())
        .collect()
}
