//! The index of an Alpine repository (`APKINDEX`) for one architecture.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::dependency::Dependency;
use super::version;

/// A package of the index; fields that hold dependencies stay text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// `Q1` and the SHA-1 of the control stream in base64.
    pub(crate) checksum: String,
    pub(crate) size: u64,
    pub(crate) depends: String,
    pub(crate) provides: String,
    pub(crate) install_if: String,
    /// Preference among packages that provide the same name; none means that it must be asked for by name.
    pub(crate) provider_priority: Option<u32>,
    /// Which suite, and the directory of the repository below its address.
    pub(crate) suite: usize,
    pub(crate) directory: String,
}

impl Package {
    /// Returns the version under which it provides a name, if it does.
    pub(crate) fn provision(&self, name: &str) -> Option<Option<&str>> {
        if self.name == name {
            return Some(Some(&self.version));
        }
        Dependency::all(&self.provides)
            .find(|provided| provided.name == name)
            .map(|provided| provided.version())
    }

    /// Returns whether it meets a dependency.
    pub(crate) fn satisfies(&self, dependency: &Dependency<'_>) -> bool {
        self.provision(dependency.name)
            .is_some_and(|version| dependency.accepts(version))
    }
}

/// Packages of one or several repositories.
#[derive(Default)]
pub(crate) struct Index {
    pub(crate) packages: Vec<Package>,
    providers: BTreeMap<String, Vec<usize>>,
}

/// No honest index is larger, uncompressed.
const INDEX_SIZE_BYTES_MAX: u64 = 512 * 1024 * 1024;

impl Index {
    /// Adds the packages of an index: the gzip streams after its signature.
    pub(crate) fn read(&mut self, signed: &[u8], suite: usize, directory: &str) -> io::Result<()> {
        let gzip = flate2::bufread::MultiGzDecoder::new(signed).take(INDEX_SIZE_BYTES_MAX);
        let mut archive = tar::Archive::new(gzip);
        for entry in archive.entries()? {
            let mut entry = entry?;
            if &*entry.path_bytes() == b"APKINDEX" {
                let mut text = String::new();
                entry.read_to_string(&mut text)?;
                for paragraph in text.split("\n\n").filter(|text| !text.trim().is_empty()) {
                    let package = package(paragraph)?;
                    self.push(Package {
                        suite,
                        directory: directory.to_owned(),
                        ..package
                    });
                }
                return Ok(());
            }
        }
        Err(invalid("it holds no APKINDEX"))
    }

    fn push(&mut self, package: Package) {
        let number = self.packages.len();
        let provided = Dependency::all(&package.provides).map(|provided| provided.name);
        for name in provided.chain([package.name.as_str()]) {
            let providers = self.providers.entry(name.to_owned()).or_default();
            if providers.last() != Some(&number) {
                providers.push(number);
            }
        }
        self.packages.push(package);
    }

    /// Returns the packages that have or provide a name, the best first: by the version that they give the name, by
    /// their own version, by priority, and by the order of the repositories.
    pub(crate) fn providing(&self, name: &str) -> Vec<usize> {
        let mut found = self.providers.get(name).cloned().unwrap_or_default();
        found.sort_by(|a, b| {
            let (a, b) = (&self.packages[*a], &self.packages[*b]);
            let given = |package: &Package| package.provision(name).flatten().map(str::to_owned);
            let by_name = match (given(a), given(b)) {
                (Some(a), Some(b)) => version::compare(&b, &a),
                (a, b) => b.is_some().cmp(&a.is_some()),
            };
            let by_own = || {
                if a.name == b.name {
                    version::compare(&b.version, &a.version)
                } else {
                    std::cmp::Ordering::Equal
                }
            };
            by_name
                .then_with(by_own)
                .then_with(|| b.provider_priority.cmp(&a.provider_priority))
                .then_with(|| (b.name == name).cmp(&(a.name == name)))
        });
        found
    }

    /// Returns the names of packages, each once.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.providers
            .iter()
            .filter(|(name, providers)| providers.iter().any(|id| self.packages[*id].name == **name))
            .map(|(name, _)| name.as_str())
    }
}

fn package(paragraph: &str) -> io::Result<Package> {
    let mut package = Package::default();
    for line in paragraph.lines() {
        let Some((field, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.to_owned();
        match field {
            "P" => package.name = value,
            "V" => package.version = value,
            "C" => package.checksum = value,
            "S" => package.size = value.parse().unwrap_or_default(),
            "D" => package.depends = value,
            "p" => package.provides = value,
            "i" => package.install_if = value,
            "k" => package.provider_priority = value.parse().ok(),
            _ => {}
        }
    }
    let is_part =
        |text: &str| !text.is_empty() && !text.starts_with('.') && !text.contains(['/', '?', '#', ' ']);
    if !is_part(&package.name) || !is_part(&package.version) || !package.checksum.starts_with("Q1") {
        return Err(invalid("a package of it lacks a name, a version or a checksum"));
    }
    Ok(package)
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
