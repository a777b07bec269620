//! The index of an Alpine repository (`APKINDEX`) for one architecture.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::{self, Read};

use super::dependency::Dependency;
use super::version;
use crate::limited::Limited;

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

/// A name that a package provides, with a version or without.
#[derive(Clone, Copy)]
pub(crate) struct Provision<'a> {
    pub(crate) version: Option<&'a str>,
}

impl Package {
    /// Returns how it provides a name, if it does.
    pub(crate) fn provision(&self, name: &str) -> Option<Provision<'_>> {
        if self.name == name {
            let version = Some(self.version.as_str());
            return Some(Provision { version });
        }
        let mut provided = Dependency::all(&self.provides);
        let provided = provided.find(|provided| provided.name == name)?;
        Some(Provision {
            version: provided.version(),
        })
    }

    /// Returns whether it meets a dependency.
    pub(crate) fn satisfies(&self, dependency: &Dependency<'_>) -> bool {
        self.provision(dependency.name)
            .is_some_and(|provision| dependency.accepts(provision.version))
    }
}

/// Packages of one or several repositories.
#[derive(Default)]
pub(crate) struct Index {
    pub(crate) packages: Vec<Package>,
    providers: BTreeMap<String, Vec<usize>>,
}

/// No honest index is larger, uncompressed: that of edge/community has 12 MB.
const INDEX_SIZE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Where an index was read from.
#[derive(Clone, Copy)]
pub(crate) struct IndexPlace<'a> {
    pub(crate) suite: usize,
    /// The directory of the repository below the suite's address.
    pub(crate) directory: &'a str,
    pub(crate) architecture: &'a str,
}

impl Index {
    /// Adds the packages of an index: the gzip streams after its signature.
    pub(crate) fn read(&mut self, signed: &[u8], place: IndexPlace<'_>) -> io::Result<()> {
        let gzip = flate2::bufread::MultiGzDecoder::new(signed);
        let mut archive = tar::Archive::new(Limited::new(gzip, INDEX_SIZE_BYTES_MAX));
        for entry in archive.entries()? {
            let mut entry = entry?;
            if &*entry.path_bytes() == b"APKINDEX" {
                let mut text = String::new();
                entry.read_to_string(&mut text)?;
                for paragraph in text.split("\n\n").filter(|text| !text.trim().is_empty()) {
                    self.push(package(paragraph, place)?);
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
    /// priority, those of the name itself before others, by their own version, and by the order of the repositories.
    pub(crate) fn providing(&self, name: &str) -> Vec<usize> {
        let mut found = self.providers.get(name).cloned().unwrap_or_default();
        found.sort_by(|a, b| self.compare(name, *a, *b));
        found
    }

    /// The order is total, whatever an index says.
    fn compare(&self, name: &str, a: usize, b: usize) -> Ordering {
        let (one, other) = (&self.packages[a], &self.packages[b]);
        let given = |provision: Option<Provision<'_>>| provision?.version.map(str::to_owned);
        let by_name = match (given(one.provision(name)), given(other.provision(name))) {
            (Some(one), Some(other)) => version::compare(&other, &one),
            (one, other) => other.is_some().cmp(&one.is_some()),
        };
        by_name
            .then_with(|| other.provider_priority.cmp(&one.provider_priority))
            .then_with(|| (other.name == name).cmp(&(one.name == name)))
            .then_with(|| one.name.cmp(&other.name))
            .then_with(|| version::compare(&other.version, &one.version))
            .then_with(|| a.cmp(&b))
    }

    /// Returns the names of packages, each once.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.providers
            .iter()
            .filter(|(name, providers)| providers.iter().any(|id| self.packages[*id].name == **name))
            .map(|(name, _)| name.as_str())
    }
}

fn package(paragraph: &str, place: IndexPlace<'_>) -> io::Result<Package> {
    let mut package = Package {
        suite: place.suite,
        directory: place.directory.to_owned(),
        ..Package::default()
    };
    let (mut size, mut architecture) = (None, place.architecture);
    for (field, value) in paragraph.lines().filter_map(|line| line.split_once(':')) {
        let text = || value.to_owned();
        match field {
            "P" => package.name = text(),
            "V" => package.version = text(),
            "A" => architecture = value,
            "C" => package.checksum = text(),
            "S" => size = value.parse().ok(),
            "D" => package.depends = text(),
            "p" => package.provides = text(),
            "i" => package.install_if = text(),
            "k" => package.provider_priority = value.parse().ok(),
            _ => {}
        }
    }
    let name = &package.name;
    if !is_part(name) || !is_part(&package.version) {
        return Err(invalid(&format!(
            "the name or the version of {name:?} {:?} cannot be used",
            package.version
        )));
    }
    if !package.checksum.starts_with("Q1") {
        return Err(invalid(&format!("{name} has no SHA-1 checksum (C:Q1…)")));
    }
    package.size = size.ok_or_else(|| invalid(&format!("{name} has no size (S:)")))?;
    if !["noarch", "all", place.architecture].contains(&architecture) {
        return Err(invalid(&format!(
            "{name} is for {architecture}, and this should be the index for {}",
            place.architecture
        )));
    }
    Ok(package)
}

/// Names and versions become parts of addresses and of apk's record.
fn is_part(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('.')
        && !text.contains(|c: char| c.is_control() || c.is_whitespace() || "/?#%\\".contains(c))
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
