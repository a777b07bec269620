//! From unpacked packages to the tree of a base.

use std::collections::BTreeSet;

use crate::debian::package::Unpacked;
use crate::debian::paragraph::paragraphs;
use crate::debian::relation::groups;
use crate::error::BaseError;
use crate::fixups;
use crate::resolution::Resolution;
use crate::spec::BaseSpec;
use crate::tree::Tree;

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
    let replaced: Vec<BTreeSet<String>> = controls.iter().map(|control| replaced_names(control)).collect();
    let replaces =
        |package: usize, other: usize| replaced[package].contains(&resolution.packages[other].name);
    let mut tree = Tree::new();
    for (number, (package, name)) in unpacked.into_iter().zip(&resolution.packages).enumerate() {
        tree.add_package(number, package, &replaces)
            .map_err(|source| BaseError::Merge {
                package: name.name.clone(),
                source,
            })?;
    }
    fixups::finish(&mut tree, spec, resolution, &controls, contents)?;
    Ok(tree)
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
