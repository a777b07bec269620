//! Nothing in the repository belongs to one machine: no path of the checkout, no host that its package clients use.
//!
//! What to look for is read from the machine on which the check runs. A finding names the place and not the host, so that
//! the log of a check does not say it either.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::tree::Tree;

const RULE: &str = "machine";

/// Too common as the place of a checkout to tell a machine's path from an example's.
const COMMON_PARENTS: &[&str] = &[
    "/", "/home", "/mnt", "/opt", "/root", "/srv", "/tmp", "/usr/src", "/var/tmp",
];

/// Sources are linked from here, and cargo's lock file names it.
const PUBLIC_HOSTS: &[&str] = &["github.com"];

/// What belongs to this machine alone.
#[derive(Debug, Default)]
pub(super) struct Machine {
    paths: BTreeSet<String>,
    hosts: BTreeSet<String>,
}

impl Machine {
    /// Reads where the checkout lies, and the hosts that apt, cargo, Go, npm and pip are configured with.
    pub(super) fn read(root: &Path) -> Self {
        let mut hosts = BTreeSet::new();
        for file in configurations() {
            hosts.extend(hosts_in(&fs::read_to_string(file).unwrap_or_default()));
        }
        for name in [
            "GOPROXY",
            "PIP_INDEX_URL",
            "PIP_EXTRA_INDEX_URL",
            "NPM_CONFIG_REGISTRY",
            "npm_config_registry",
        ] {
            hosts.extend(hosts_in(&env::var(name).unwrap_or_default()));
        }
        Self {
            paths: paths_around(root),
            hosts,
        }
    }
}

/// Returns the files in which the package clients keep their hosts; any of them may be missing.
fn configurations() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = ["/etc/apt/sources.list", "/etc/npmrc", "/etc/pip.conf"]
        .map(PathBuf::from)
        .into_iter()
        .collect();
    let apt = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .flatten();
    files.extend(apt.map(|entry| entry.path()));
    if let Some(home) = env::var_os("HOME").map(PathBuf::from) {
        let own = [
            ".npmrc",
            ".config/pip/pip.conf",
            ".pip/pip.conf",
            ".config/go/env",
            ".cargo/config.toml",
        ];
        files.extend(own.map(|file| home.join(file)));
    }
    files.extend(env::var_os("CARGO_HOME").map(|home| Path::new(&home).join("config.toml")));
    files
}

/// Returns the hosts of the addresses in a configuration, and of nothing else: such a file may hold credentials.
fn hosts_in(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split("://").skip(1))
        .filter_map(|address| {
            let authority = address
                .split(|character: char| "/\"' ,|)]".contains(character))
                .next()?;
            let with_port = authority.rsplit('@').next()?;
            let host = with_port.split(':').next()?;
            // A name without a dot is a word of the language unless its port comes with it.
            let name = if host.contains('.') { host } else { with_port };
            let is_local = host == "localhost" || host.starts_with("127.");
            let is_telling = name.contains(['.', ':']) && !is_local && !PUBLIC_HOSTS.contains(&host);
            is_telling.then(|| name.to_owned())
        })
        .collect()
}

/// Returns the checkout's path and those of its neighbours.
fn paths_around(root: &Path) -> BTreeSet<String> {
    let Some(parent) = root
        .parent()
        .filter(|parent| !COMMON_PARENTS.iter().any(|place| *parent == Path::new(place)))
    else {
        return BTreeSet::new();
    };
    let neighbours = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    neighbours
        .chain([root.to_owned()])
        .map(|path| path.to_string_lossy().into_owned())
        .collect()
}

/// Finds what belongs to `machine` in every text file, and addresses in npm's lock files.
pub(super) fn check(tree: &Tree, machine: &Machine) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        let is_npm_lock = path.ends_with("package-lock.json");
        for (index, line) in text.lines().enumerate() {
            let mut add = |advice| findings.push(Finding::at_line(RULE, path, index + 1, advice));
            if machine.paths.iter().any(|wanted| contains_path(line, wanted)) {
                add("names a path of this machine");
            }
            if machine.hosts.iter().any(|wanted| contains_host(line, wanted)) {
                add("names a host that this machine's package clients are configured with");
            }
            if is_npm_lock && line.trim_start().starts_with("\"resolved\"") && line.contains("://") {
                add(
                    "names the registry that a package came from: write it with `omit-lockfile-registry-resolved`",
                );
            }
        }
    }
    findings
}

fn contains_path(line: &str, path: &str) -> bool {
    occurs(line, path, |character| {
        character.is_alphanumeric() || "-_.".contains(character)
    })
}

fn contains_host(line: &str, host: &str) -> bool {
    occurs(line, host, |character| {
        character.is_alphanumeric() || character == '-'
    })
}

/// Tells whether `wanted` occurs in `line` with no character of a longer word before or behind it.
fn occurs(line: &str, wanted: &str, is_word: impl Fn(char) -> bool) -> bool {
    line.match_indices(wanted).any(|(position, _)| {
        let before = line[..position].chars().next_back();
        let behind = line[position + wanted.len()..].chars().next();
        !before.is_some_and(&is_word) && !behind.is_some_and(&is_word)
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(path: &str, text: &str, expected: Expect) {
        let machine = Machine {
            paths: ["/build/lrops".to_owned()].into(),
            hosts: ["mirror.example.test".to_owned()].into(),
        };
        expected.assert_eq(&super::super::shown(&super::check(
            &Tree::of(&[(path, text)]),
            &machine,
        )));
    }

    #[test]
    fn a_path_of_the_machine_is_found() {
        check(
            "a.md",
            "\nsee /build/lrops/docs",
            expect!["a.md:2: machine: names a path of this machine"],
        );
    }

    #[test]
    fn a_longer_path_is_another_one() {
        check("a.md", "/build/lrops-model and /opt/build/lrops", expect![""]);
    }

    #[test]
    fn a_host_is_found_and_not_repeated() {
        check(
            "a.toml",
            "mirror = \"https://mirror.example.test/debian\"",
            expect![
                "a.toml:1: machine: names a host that this machine's package clients are configured with"
            ],
        );
    }

    #[test]
    fn addresses_in_a_lock_file_of_npm_are_found() {
        check(
            "ui/package-lock.json",
            "  \"resolved\": \"https://registry.example.test/a.tgz\"",
            expect![
                "ui/package-lock.json:1: machine: names the registry that a package came from: write it with `omit-lockfile-registry-resolved`"
            ],
        );
    }

    fn check_hosts(text: &str, expected: Expect) {
        expected.assert_eq(&hosts_in(text).into_iter().collect::<Vec<_>>().join(" "));
    }

    #[test]
    fn hosts_are_read_without_credentials() {
        check_hosts(
            "deb [signed-by=/k.gpg] http://a.example.test/debian trixie main\n\
             index-url = https://someone:secret@b.example.test:8443/simple\n\
             GOPROXY=https://c.example.test|https://d.example.test,direct\n",
            expect!["a.example.test b.example.test c.example.test d.example.test"],
        );
    }

    #[test]
    fn a_short_name_needs_its_port() {
        check_hosts(
            "http://mirror/debian http://nexus:8081/pip",
            expect!["nexus:8081"],
        );
    }

    #[test]
    fn loopback_public_hosts_and_comments_do_not_count() {
        check_hosts(
            "http://127.0.0.1:3142/ http://localhost:80/ https://github.com/x\n# http://old.example.test/",
            expect![""],
        );
    }
}
