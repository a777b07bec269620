//! What apk and the scripts of Alpine's packages would do.

use crate::applets::applets;
use crate::fixups::{FixupFault, READ_SIZE_BYTES_MAX, link_if_missing, text};
use crate::spec::BaseSpec;
use crate::tree::Tree;

/// The list of commands that busybox brings with itself, one path a line.
const BUSYBOX_PATHS: &str = "etc/busybox-paths.d/";

/// A link to busybox for each of its commands that no other package brings: what its script does.
pub(crate) fn busybox(tree: &mut Tree) -> Result<(), FixupFault> {
    let lists: Vec<String> = tree
        .iter()
        .filter(|(path, _)| path.starts_with(BUSYBOX_PATHS))
        .map(|(path, _)| path.to_owned())
        .collect();
    let mut paths: Vec<String> = Vec::new();
    for list in lists {
        let list = text(tree, &list)?.unwrap_or_default();
        paths.extend(list.lines().map(|path| path.trim_start_matches('/').to_owned()));
    }
    let Some(program) = tree.read("bin/busybox", READ_SIZE_BYTES_MAX)? else {
        return Ok(());
    };
    if paths.is_empty() {
        paths.extend(applets(&program).into_iter().map(|name| format!("bin/{name}")));
    }
    for path in paths.iter().filter(|path| !path.is_empty()) {
        link_if_missing(tree, path, "/bin/busybox")?;
    }
    Ok(())
}

/// The package manager's records, by which apk in the image, and scanners, know what is installed.
pub(crate) fn records(
    tree: &mut Tree,
    spec: &BaseSpec,
    architecture: &str,
    paragraphs: &[String],
) -> Result<(), FixupFault> {
    tree.put_file(
        "lib/apk/db/installed",
        paragraphs
            .iter()
            .map(|text| format!("{text}\n"))
            .collect::<String>(),
    )?;
    // An empty tar: no script is kept, since none would run for what is there already.
    tree.put_file("lib/apk/db/scripts.tar", vec![0; 1024])?;
    tree.put_file("lib/apk/db/triggers", "")?;
    tree.put_file(
        "etc/apk/world",
        spec.packages
            .iter()
            .map(|name| format!("{name}\n"))
            .collect::<String>(),
    )?;
    tree.put_file("etc/apk/arch", format!("{architecture}\n"))?;
    Ok(())
}

/// What tells people and scanners which release this is; `alpine-release` brings its own.
pub(crate) fn os_release(tree: &mut Tree, release: &str) -> Result<(), FixupFault> {
    if tree.get("etc/os-release").is_some() || tree.get("usr/lib/os-release").is_some() {
        return Ok(());
    }
    let release = release.trim_start_matches('v');
    let content = format!(
        "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID={release}\nPRETTY_NAME=\"Alpine Linux {release}\"\n"
    );
    Ok(tree.put_file("etc/os-release", content)?)
}
