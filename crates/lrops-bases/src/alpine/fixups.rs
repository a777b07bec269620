//! What apk and the scripts of Alpine's packages would do.

use std::collections::BTreeMap;

use crate::applets::applets;
use crate::fixups::{FixupFault, READ_SIZE_BYTES_MAX, link_if_missing, text};
use crate::spec::BaseSpec;
use crate::tree::{EntryKind, Tree};

/// The commands that busybox and its relatives bring with themselves: a file a program, one path a line.
const BUSYBOX_PATHS: &str = "etc/busybox-paths.d/";

/// The programs that link their commands, in the order in which busybox's trigger starts them.
const BUSYBOXES: [&str; 3] = ["bbsuid", "busybox-extras", "busybox"];

/// A link to busybox for each of its commands that no other package brings.
pub(crate) fn busybox(tree: &mut Tree) -> Result<(), FixupFault> {
    for name in BUSYBOXES {
        let path = format!("bin/{name}");
        let Some(program) = tree.read(&path, READ_SIZE_BYTES_MAX)? else {
            continue;
        };
        for command in commands(tree, name, &program)? {
            if !is_there(tree, &command) {
                link_if_missing(tree, &command, &format!("/{path}"))?;
            }
        }
    }
    Ok(())
}

/// The paths of a program's commands: those of its list, else those that are written in it.
fn commands(tree: &Tree, name: &str, program: &[u8]) -> Result<Vec<String>, FixupFault> {
    let listed = text(tree, &format!("{BUSYBOX_PATHS}{name}"))?.unwrap_or_default();
    let listed: Vec<String> = listed
        .lines()
        .map(|path| path.trim().trim_start_matches('/').to_owned())
        .filter(|path| !path.is_empty())
        .collect();
    Ok(if !listed.is_empty() {
        listed
    } else if name == "bbsuid" {
        written_paths(program)
    } else {
        let names = applets(program).into_iter();
        names.map(|name| format!("bin/{name}")).collect()
    })
}

/// The NUL-terminated paths of commands in a program, such as `/bin/mount`, without those of busybox itself.
fn written_paths(program: &[u8]) -> Vec<String> {
    let texts = program.split(|byte| *byte == 0);
    let paths = texts.filter_map(|text| std::str::from_utf8(text).ok()?.strip_prefix('/'));
    let commands = paths.filter(|path| {
        let (directory, name) = path.rsplit_once('/').unwrap_or_default();
        ["bin", "sbin", "usr/bin", "usr/sbin"].contains(&directory)
            && !name.is_empty()
            && !BUSYBOXES.contains(&name)
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    });
    commands.map(str::to_owned).collect()
}

/// Whether a command is there in any of the directories that are searched for it.
fn is_there(tree: &Tree, command: &str) -> bool {
    let name = command.rsplit('/').next().unwrap_or(command);
    ["bin", "sbin", "usr/bin", "usr/sbin"]
        .iter()
        .any(|directory| tree.get(&format!("{directory}/{name}")).is_some())
}

/// The package manager's records, by which apk in the image, and scanners, know what is installed.
pub(crate) fn records(
    tree: &mut Tree,
    spec: &BaseSpec,
    architecture: &str,
    paragraphs: &[String],
) -> Result<(), FixupFault> {
    let installed: String = paragraphs
        .iter()
        .enumerate()
        .map(|(number, text)| present(tree, number, text) + "\n")
        .collect();
    tree.put_file("lib/apk/db/installed", installed)?;
    // An empty tar: no script is kept, since none would run for what is there already.
    tree.put_file("lib/apk/db/scripts.tar", vec![0; 1024])?;
    tree.put_file("lib/apk/db/triggers", "")?;
    tree.put_file("etc/apk/world", world(spec))?;
    tree.put_file("etc/apk/arch", format!("{architecture}\n"))?;
    Ok(())
}

/// A package's paragraph with the files that are its own in the base: without those that another package took over, or
/// that were left out.
fn present(tree: &Tree, number: usize, paragraph: &str) -> String {
    let (mut text, mut directory, mut keeps) = (String::new(), "", true);
    for line in paragraph.lines() {
        match line.split_once(':') {
            Some(("F", path)) => {
                directory = path;
                keeps = path.is_empty()
                    || tree
                        .get(path)
                        .is_some_and(|entry| !matches!(entry.kind, EntryKind::File(_)));
            }
            Some(("R", name)) => {
                let entry = tree.get(&format!("{directory}/{name}"));
                keeps = entry.is_some_and(|entry| entry.package.is_none_or(|owner| owner == number));
            }
            _ => {}
        }
        if keeps {
            text += line;
            text.push('\n');
        }
    }
    text
}

/// What was asked for, each name once, as apk sorts it. A suite's name is left out: the image knows no mirror of it.
fn world(spec: &BaseSpec) -> String {
    let wanted = spec.packages.iter().map(|text| {
        let text = text.split('@').next().unwrap_or(text);
        (text.trim_start_matches('!').to_owned(), text.to_owned())
    });
    let wanted: BTreeMap<String, String> = wanted.collect();
    wanted
        .into_values()
        .fold(String::new(), |world, text| world + &text + "\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_a_program_are_its_nul_terminated_paths() {
        let program = b"\x7fELF\0/bin/bbsuid\0/bin/mount\0/etc/x\0/usr/bin/su\0/bin/busybox\0--install\0";
        assert_eq!(written_paths(program), ["bin/mount", "usr/bin/su"]);
    }
}
