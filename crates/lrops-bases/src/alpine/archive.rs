//! Asking an Alpine archive which package files make up a base.
//!
//! An index names packages by the SHA-1 of their control stream, and a lock names files by SHA-256: so the files are
//! fetched and checked here, and are in the cache when they are unpacked.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;

use lrops_model::digest::{Digest, DigestWriter};

use super::architecture;
use super::index::{Index, Package};
use super::package::{check, rewound};
use super::resolver::{Wish, resolve};
use super::signature::Keys;
use crate::bases::BuildBase;
use crate::debian::package::PackageFault;
use crate::error::BaseError;
use crate::keys::specification;
use crate::parallel;
use crate::progress::BaseProgress;
use crate::resolution::{LockedPackage, Resolution};
use crate::suites::{Suite, SuiteReader};

/// Larger than any index, compressed: that of edge/community has 2 MB.
const INDEX_SIZE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Parallel downloads.
const DOWNLOADS_PARALLEL: usize = 6;

/// Returns the packages of a base.
pub(crate) fn ask(
    reader: &SuiteReader<'_>,
    request: &BuildBase<'_>,
    suites: &[Suite],
    on_progress: &(dyn Fn(BaseProgress) + Sync),
) -> Result<Resolution, BaseError> {
    let spec = request.spec;
    let architecture = architecture::of(request.platform).ok_or_else(|| BaseError::Platform {
        platform: request.platform.clone(),
        suite: spec.suite.clone(),
        architectures: Vec::new(),
    })?;
    let mut index = Index::default();
    for (number, suite) in suites.iter().enumerate() {
        on_progress(BaseProgress::Suite {
            suite: suite.name.clone(),
        });
        for repository in &suite.components {
            read_index(
                reader,
                suite,
                number,
                &format!("{}/{repository}/{architecture}", branch(&suite.name)),
                &mut index,
            )?;
        }
    }
    let names: Vec<&str> = suites.iter().map(|suite| suite.name.as_str()).collect();
    let wish = Wish {
        packages: &spec.packages,
        excluded: &spec.exclude_packages,
        suites: &names.join(", "),
        architecture,
    };
    let packages = resolve(&index, &wish).map_err(|source| BaseError::Resolve {
        suite: spec.suite.clone(),
        platform: request.platform.clone(),
        source: Box::new(source),
    })?;
    let packages = parallel::map(&packages, DOWNLOADS_PARALLEL, |package| {
        locked(reader, &suites[package.suite], package)
    })?;
    Ok(Resolution {
        platform: request.platform.clone(),
        codename: spec.suite.clone(),
        release: None,
        specification: specification(spec),
        findings: Vec::new(),
        packages,
    })
}

/// The archive's directory of a release: `v3.20` for `3.20`; `edge` is its own.
fn branch(suite: &str) -> String {
    if suite.starts_with(|c: char| c.is_ascii_digit()) {
        format!("v{suite}")
    } else {
        suite.to_owned()
    }
}

fn read_index(
    reader: &SuiteReader<'_>,
    suite: &Suite,
    number: usize,
    directory: &str,
    index: &mut Index,
) -> Result<(), BaseError> {
    let url = suite.url(&format!("{directory}/APKINDEX.tar.gz"));
    let bytes = reader
        .http
        .get(&url, INDEX_SIZE_BYTES_MAX, reader.cancel)
        .map_err(BaseError::from_download)?;
    let keys =
        Keys::read(&suite.keyrings).map_err(|(path, source)| BaseError::ReadKeyring { path, source })?;
    let signed = keys.verify(&bytes).map_err(|source| BaseError::Signature {
        url: url.clone(),
        source,
    })?;
    index
        .read(signed, number, directory)
        .map_err(|source| BaseError::Index { url, source })
}

/// Fetches a package file, checks it against the index, and names it by its digest.
fn locked(reader: &SuiteReader<'_>, suite: &Suite, package: &Package) -> Result<LockedPackage, BaseError> {
    let path = format!("{}/{}-{}.apk", package.directory, package.name, package.version);
    let url = suite.url(&path);
    let digest = match reader.cache.digest_of(&package.checksum) {
        Some(digest) if reader.cache.download(digest, package.size).is_some() => digest,
        _ => fetch(reader, &url, package)?,
    };
    Ok(LockedPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        digest,
        size: package.size,
        suite: suite.name.clone(),
        path,
    })
}

fn fetch(reader: &SuiteReader<'_>, url: &str, package: &Package) -> Result<Digest, BaseError> {
    let mut writer = DigestWriter::new(reader.cache.new_download()?);
    reader
        .http
        .get_to(url, &mut writer, reader.cancel, &mut |_| {})
        .map_err(BaseError::from_download)?;
    let (file, digest, size) = writer.finish();
    let checked = file
        .reopen()
        .and_then(rewound)
        .map_err(PackageFault::from)
        .and_then(|content: File| check(BufReader::with_capacity(256 * 1024, content), &package.checksum))
        .and_then(|()| {
            let wanted = package.size;
            if size == wanted {
                Ok(())
            } else {
                Err(PackageFault::Malformed(format!(
                    "it has {size} bytes, and the index says {wanted}"
                )))
            }
        });
    checked.map_err(|source| BaseError::Package {
        package: package.name.clone(),
        version: package.version.clone(),
        source,
    })?;
    reader.cache.keep_download(file, digest)?;
    reader.cache.keep_digest_of(&package.checksum, digest)?;
    Ok(digest)
}

/// What a package may do with a file that another one brought.
pub(crate) struct Claims(Vec<Claim>);

struct Claim {
    origin: String,
    replaces: BTreeSet<String>,
    priority: u32,
}

impl Claims {
    /// Reads them from the packages' paragraphs in apk's record.
    pub(crate) fn new(paragraphs: &[String]) -> Self {
        let claim = |text: &String| {
            let field = |letter: &str| {
                text.lines()
                    .find_map(|line| line.strip_prefix(letter))
                    .unwrap_or_default()
            };
            Claim {
                origin: field("o:").to_owned(),
                replaces: super::dependency::Dependency::all(field("r:"))
                    .map(|replaced| replaced.name.to_owned())
                    .collect(),
                priority: field("q:").parse().unwrap_or_default(),
            }
        };
        Self(paragraphs.iter().map(claim).collect())
    }

    /// Returns what happens to a file of `other` that `package` brings too.
    pub(crate) fn between(
        &self,
        package: usize,
        other: usize,
        names: &[LockedPackage],
    ) -> crate::tree::Overwrite {
        use crate::tree::Overwrite::{Conflicts, Takes, Yields};
        let says = |one: usize, two: usize| {
            let claim = &self.0[one];
            claim
                .replaces
                .contains(&names[two].name)
                .then_some(claim.priority)
        };
        match (says(package, other), says(other, package)) {
            (Some(own), Some(foreign)) if foreign > own => Yields,
            (Some(_), _) => Takes,
            (None, Some(_)) => Yields,
            (None, None)
                if !self.0[package].origin.is_empty() && self.0[package].origin == self.0[other].origin =>
            {
                Takes
            }
            (None, None) => Conflicts(names[other].name.clone()),
        }
    }
}
