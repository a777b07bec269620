//! The machine's own package sources: where a mirror and its keyring are found when the configuration names none.
//!
//! Formats: `sources.list(5)`, the one-line style and the deb822 style; `apk-repositories(5)`.

use std::io;
use std::path::{Path, PathBuf};

use crate::debian::paragraph::paragraphs;

/// The machine's package sources and keyrings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineSources {
    /// The entries, in the order in which apt reads them.
    pub entries: Vec<PackageSource>,
    /// Files with the distribution's own keys that exist on this machine.
    pub keyrings: Vec<PathBuf>,
    /// Alpine's repositories, in apk's order.
    pub apk_entries: Vec<PackageSource>,
    /// Alpine's directories of keys that this machine has.
    pub apk_keys: Vec<PathBuf>,
}

/// One archive of binary packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageSource {
    /// The archive's address, without a trailing `/`.
    pub address: String,
    /// Its suites.
    pub suites: Vec<String>,
    /// Its areas.
    pub components: Vec<String>,
    /// The file of keys that may sign it.
    pub signed_by: Option<PathBuf>,
}

/// Suites that Debian's main archive has, by code name and by role.
const DEBIAN_SUITES: [&str; 16] = [
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "experimental",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
    "rc-buggy",
    "stretch",
    "jessie",
];

/// Where Debian installs the archive's keys; newer releases use the second name.
const DEBIAN_KEYRINGS: [&str; 2] = [
    "usr/share/keyrings/debian-archive-keyring.gpg",
    "usr/share/keyrings/debian-archive-keyring.pgp",
];

impl PackageSource {
    /// Returns whether this is Debian's main archive, rather than one for security updates or of somebody else.
    pub(crate) fn is_debian_main(&self) -> bool {
        let debian_keys = self.signed_by.as_ref().is_none_or(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("debian-archive"))
        });
        debian_keys
            && self.components.iter().any(|component| component == "main")
            && self
                .suites
                .iter()
                .any(|suite| DEBIAN_SUITES.contains(&suite.as_str()))
    }
}

/// Where Alpine has keys: those that its own apk trusts, and those of all architectures.
const ALPINE_KEYS: [&str; 2] = ["etc/apk/keys", "usr/share/apk/keys"];

/// Reads the package sources of the system whose root directory is `root`: apt's and apk's.
///
/// A system without them gives none.
///
/// # Errors
/// When a file is there but cannot be read.
pub fn read_machine_sources(root: &Path) -> Result<MachineSources, ReadSourcesError> {
    let mut entries = one_line_entries(&read(&root.join("etc/apt/sources.list"))?);
    for path in listed(&root.join("etc/apt/sources.list.d"))? {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => entries.extend(one_line_entries(&read(&path)?)),
            Some("sources") => entries.extend(paragraph_entries(&read(&path)?)),
            _ => {}
        }
    }
    let keyrings = DEBIAN_KEYRINGS
        .iter()
        .map(|path| root.join(path))
        .filter(|path| path.is_file())
        .collect();
    let mut repositories = read(&root.join("etc/apk/repositories"))?;
    for path in listed(&root.join("etc/apk/repositories.d"))? {
        if path.extension().is_some_and(|extension| extension == "list") {
            repositories.push('\n');
            repositories += &read(&path)?;
        }
    }
    let apk_keys = ALPINE_KEYS.iter().map(|path| root.join(path));
    Ok(MachineSources {
        entries,
        keyrings,
        apk_entries: repositories.lines().filter_map(apk_entry).collect(),
        apk_keys: apk_keys.filter(|path| path.is_dir()).collect(),
    })
}

/// A file of package sources that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the package sources in {path}", path = path.display())]
pub struct ReadSourcesError {
    path: PathBuf,
    source: io::Error,
}

fn read(path: &Path) -> Result<String, ReadSourcesError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(ReadSourcesError {
            path: path.to_owned(),
            source,
        }),
    }
}

fn listed(directory: &Path) -> Result<Vec<PathBuf>, ReadSourcesError> {
    let error = |source| ReadSourcesError {
        path: directory.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(error(source)),
    };
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<PathBuf>>>()
        .map_err(error)?;
    paths.sort();
    Ok(paths)
}

/// `deb [option=value …] URI suite component…`
fn one_line_entries(text: &str) -> Vec<PackageSource> {
    text.lines().filter_map(one_line_entry).collect()
}

fn one_line_entry(line: &str) -> Option<PackageSource> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?;
    if !rest.starts_with([' ', '\t', '[']) {
        return None;
    }
    let rest = rest.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let signed_by = options
        .split_whitespace()
        .find_map(|option| option.strip_prefix("signed-by="));
    let mut words = rest.split_whitespace().map(str::to_owned);
    let (address, suite) = (words.next()?, words.next()?);
    Some(PackageSource {
        address: without_slash(&address),
        suites: vec![suite],
        components: words.collect(),
        signed_by: signed_by.and_then(key_file),
    })
}

/// `[@TAG] ADDRESS/BRANCH/REPOSITORY`; a path of this machine is no mirror.
fn apk_entry(line: &str) -> Option<PackageSource> {
    let address = line
        .split('#')
        .next()?
        .split_whitespace()
        .find(|word| !word.starts_with('@'))?;
    if !address.starts_with("http://") && !address.starts_with("https://") {
        return None;
    }
    let (rest, repository) = address.trim_end_matches('/').rsplit_once('/')?;
    let (address, branch) = rest.rsplit_once('/')?;
    Some(PackageSource {
        address: without_slash(address),
        suites: vec![branch.to_owned()],
        components: vec![repository.to_owned()],
        signed_by: None,
    })
}

fn paragraph_entries(text: &str) -> Vec<PackageSource> {
    let mut entries = Vec::new();
    for paragraph in paragraphs(text) {
        let words = |name: &str| -> Vec<String> {
            paragraph
                .get(name)
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect()
        };
        let enabled = paragraph
            .get("Enabled")
            .is_none_or(|value| !matches!(value, "no" | "false" | "0"));
        if !enabled || !words("Types").iter().any(|word| word == "deb") {
            continue;
        }
        for address in words("URIs") {
            entries.push(PackageSource {
                address: without_slash(&address),
                suites: words("Suites"),
                components: words("Components"),
                signed_by: paragraph.get("Signed-By").and_then(key_file),
            });
        }
    }
    entries
}

/// `Signed-By` names a file, or holds fingerprints or a whole key; only a file is of use here.
fn key_file(value: &str) -> Option<PathBuf> {
    let first = value.split([',', ' ', '\n']).next()?.trim();
    first.starts_with('/').then(|| PathBuf::from(first))
}

fn without_slash(address: &str) -> String {
    address.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn main_archives(entries: &[PackageSource]) -> Vec<&str> {
        entries
            .iter()
            .filter(|entry| entry.is_debian_main())
            .map(|entry| entry.address.as_str())
            .collect()
    }

    #[test]
    fn both_styles_are_read_and_foreign_archives_are_told_apart() {
        let entries = one_line_entries(
            "# deb http://no.example/debian trixie main\n\
             deb-src http://src.example/debian trixie main\n\
             deb [arch=amd64 signed-by=/k/vendor.gpg] https://vendor.example/debian trixie main\n\
             deb http://tool.example/linux/debian trixie stable\n\
             deb http://security.example/debian-security trixie-security main\n\
             deb http://one.example/debian/ trixie main contrib # comment\n",
        );
        assert_eq!(entries.len(), 4);
        assert_eq!(main_archives(&entries), ["http://one.example/debian"]);
        let entries = paragraph_entries(
            "Types: deb deb-src\n# a comment\nURIs: http://two.example/debian\nSuites: trixie trixie-updates\n\
             Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
             Types: deb\nURIs: http://off.example/debian\nSuites: trixie\nComponents: main\nEnabled: no\n",
        );
        assert_eq!(main_archives(&entries), ["http://two.example/debian"]);
        assert_eq!(entries[0].suites, ["trixie", "trixie-updates"]);
    }

    #[test]
    fn a_system_without_package_sources_has_none() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(
            read_machine_sources(root.path()).unwrap(),
            MachineSources::default()
        );
    }

    #[test]
    fn an_alpine_system_names_its_mirror_and_keys() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc/apk/keys")).unwrap();
        std::fs::write(
            root.path().join("etc/apk/repositories"),
            "/media/cdrom/apks\n#http://no.example/alpine/v3.20/main\nhttps://one.example/alpine/v3.20/main\n\
             @testing https://one.example/alpine/edge/testing/\n",
        )
        .unwrap();
        let sources = read_machine_sources(root.path()).unwrap();
        let named: Vec<_> = sources
            .apk_entries
            .iter()
            .map(|entry| (entry.address.as_str(), &*entry.suites[0], &*entry.components[0]))
            .collect();
        assert_eq!(
            named,
            [
                ("https://one.example/alpine", "v3.20", "main"),
                ("https://one.example/alpine", "edge", "testing"),
            ]
        );
        assert_eq!(sources.apk_keys, [root.path().join("etc/apk/keys")]);
    }
}
