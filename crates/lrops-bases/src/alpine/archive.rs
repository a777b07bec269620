//! Asking an Alpine archive which package files make up a base.
//!
//! An index names packages by the SHA-1 of their control stream, and a lock names files by SHA-256: so the files are
//! fetched and checked here, and are in the cache when they are unpacked.

use std::io::{self, BufReader, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use lrops_model::digest::{Digest, DigestWriter};
use lrops_model::finding::Finding;

use super::architecture;
use super::dependency::Dependency;
use super::index::{Index, IndexPlace, Package};
use super::package::check;
use super::resolver::{Wanted, Wish, resolve};
use super::signature::Keys;
use crate::bases::BuildBase;
use crate::error::BaseError;
use crate::keys::specification;
use crate::parallel;
use crate::progress::BaseProgress;
use crate::resolution::{LockedPackage, Resolution};
use crate::spec::BaseSpec;
use crate::suites::{self, Suite, SuiteReader};
use crate::unpacked::{PackageFault, malformed};

/// Larger than any index, compressed: that of edge/community has 2 MB.
const INDEX_SIZE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Parallel downloads.
const DOWNLOADS_PARALLEL: usize = 6;

type OnProgress<'a> = &'a (dyn Fn(BaseProgress) + Sync);

/// Returns the packages of a base.
pub(crate) fn ask(
    reader: &SuiteReader<'_>,
    request: &BuildBase<'_>,
    suites: &[Suite],
    on_progress: OnProgress<'_>,
) -> Result<Resolution, BaseError> {
    let spec = request.spec;
    let architecture = architecture::of(request.platform).ok_or_else(|| BaseError::Platform {
        platform: request.platform.clone(),
        suite: format!("alpine {}", spec.suite),
        architectures: Vec::new(),
    })?;
    let packages = wanted(spec, suites)?;
    let (index, findings) = read_indexes(reader, suites, architecture, on_progress)?;
    let names: Vec<&str> = suites.iter().map(|suite| suite.name.as_str()).collect();
    let wish = Wish {
        packages,
        excluded: &spec.exclude_packages,
        suites: &names,
        architecture,
    };
    let packages = resolve(&index, &wish).map_err(|source| BaseError::Resolve {
        suite: spec.suite.clone(),
        platform: request.platform.clone(),
        source: Box::new(source),
    })?;
    let (done, total) = (AtomicUsize::new(0), packages.len());
    let packages = parallel::map(&packages, DOWNLOADS_PARALLEL, |package| {
        let locked = locked(reader, &suites[package.suite], package)?;
        on_progress(BaseProgress::Fetched {
            package: package.name.clone(),
            done: done.fetch_add(1, Ordering::Relaxed) + 1,
            total,
        });
        Ok::<_, BaseError>(locked)
    })?;
    Ok(Resolution {
        platform: request.platform.clone(),
        codename: spec.suite.clone(),
        release: None,
        specification: specification(spec),
        findings,
        packages,
    })
}

/// `NAME`, with a constraint or not, and `@SUITE` for a further suite.
fn wanted<'a>(spec: &'a BaseSpec, suites: &[Suite]) -> Result<Vec<Wanted<'a>>, BaseError> {
    let wanted = |text: &'a String| {
        let (text, suite) = text
            .split_once('@')
            .map_or((text.as_str(), None), |(text, suite)| (text, Some(suite)));
        let dependency = Dependency::parse(text);
        let is_name = |c: char| c.is_ascii_graphic();
        if dependency.name.is_empty() || !text.chars().all(is_name) {
            return Err(BaseError::Specification(format!(
                "{text:?} is no package: write NAME, NAME=VERSION, NAME~VERSION, NAME>=VERSION or !NAME"
            )));
        }
        let suite = match suite {
            None => 0,
            Some(name) => suites
                .iter()
                .position(|suite| suite.name == name)
                .ok_or_else(|| {
                    BaseError::Specification(format!(
                        "{text}@{name} is asked for, and {name} is not in extra_suites"
                    ))
                })?,
        };
        Ok(Wanted { dependency, suite })
    };
    spec.packages.iter().map(wanted).collect()
}

fn read_indexes(
    reader: &SuiteReader<'_>,
    suites: &[Suite],
    architecture: &str,
    on_progress: OnProgress<'_>,
) -> Result<(Index, Vec<Finding>), BaseError> {
    let (mut index, mut findings) = (Index::default(), Vec::new());
    for (number, suite) in suites.iter().enumerate() {
        on_progress(BaseProgress::Suite {
            suite: suite.name.clone(),
        });
        match suite_indexes(reader, suite, architecture) {
            Ok(files) => {
                for (directory, url, signed) in files {
                    let place = IndexPlace {
                        suite: number,
                        directory: &directory,
                        architecture,
                    };
                    index
                        .read(&signed, place)
                        .map_err(|source| BaseError::Index { url, source })?;
                }
            }
            Err(error) => findings.push(suites::finding_of_left_out(suite, &error).ok_or(error)?),
        }
    }
    Ok((index, findings))
}

/// All of a suite's indexes as they were signed, so that a suite that is left out leaves nothing behind: directory,
/// address, content.
fn suite_indexes(
    reader: &SuiteReader<'_>,
    suite: &Suite,
    architecture: &str,
) -> Result<Vec<(String, String, Vec<u8>)>, BaseError> {
    let keys = Keys::read(&suite.keyrings)?;
    let read = |repository: &String| {
        let directory = format!("{}/{repository}/{architecture}", branch(&suite.name));
        let url = suite.url(&format!("{directory}/APKINDEX.tar.gz"));
        let bytes = reader
            .http
            .get(&url, INDEX_SIZE_BYTES_MAX, reader.cancel)
            .map_err(|cause| match cause.status() {
                Some(403 | 404 | 410) => BaseError::NoRepository {
                    url: url.clone(),
                    source: cause,
                },
                _ => BaseError::from_download(cause),
            })?;
        match keys.verify(&bytes) {
            Ok(signed) => Ok((directory, url, signed.to_vec())),
            Err(source) => Err(BaseError::Signature { url, source }),
        }
    };
    suite.components.iter().map(read).collect()
}

/// The archive's directory of a release: `v3.20` for `3.20`; `edge` is its own.
pub(crate) fn branch(suite: &str) -> String {
    if suite.starts_with(|c: char| c.is_ascii_digit()) {
        format!("v{suite}")
    } else {
        suite.to_owned()
    }
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
    let mut sink = Bounded {
        inner: &mut writer,
        left: package.size,
    };
    let outcome = reader.http.get_to(url, &mut sink, reader.cancel, &mut |_| {});
    let left = sink.left;
    match outcome {
        Err(cause) if matches!(cause.status(), Some(404 | 410)) => {
            return Err(BaseError::Gone {
                package: package.name.clone(),
                version: package.version.clone(),
                url: cause.url,
            });
        }
        Err(cause) => return Err(BaseError::from_download(cause)),
        Ok(_) => {}
    }
    let (file, digest, size) = writer.finish();
    let checked = if left > 0 {
        let wanted = package.size;
        Err(malformed(format!(
            "it has {size} bytes, and the signed index says {wanted}"
        )))
    } else {
        file.reopen()
            .map_err(PackageFault::from)
            .and_then(|content| check(BufReader::with_capacity(256 * 1024, content), &package.checksum))
    };
    checked.map_err(|source| BaseError::Package {
        package: package.name.clone(),
        version: package.version.clone(),
        source,
    })?;
    reader.cache.keep_download(file, digest)?;
    reader.cache.keep_digest_of(&package.checksum, digest)?;
    Ok(digest)
}

/// A sink that takes no more than the index promises.
struct Bounded<W> {
    inner: W,
    left: u64,
}

impl<W: Write> Write for Bounded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is longer than the signed index says",
            ));
        }
        let written = self.inner.write(bytes)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// What a package may do with a file that another one brought.
pub(crate) struct Claims(Vec<Claim>);

struct Claim {
    origin: String,
    replaces: String,
    priority: u32,
    provides: String,
}

impl Claims {
    /// Reads them from the packages' paragraphs in apk's record.
    pub(crate) fn new(paragraphs: &[String]) -> Self {
        let claim = |text: &String| {
            let field = |letter: &str| {
                let mut lines = text.lines();
                lines
                    .find_map(|line| line.strip_prefix(letter))
                    .unwrap_or_default()
                    .to_owned()
            };
            Claim {
                origin: field("o:"),
                replaces: field("r:"),
                priority: field("q:").parse().unwrap_or_default(),
                provides: field("p:"),
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
        // `replaces` may name a version of the other, or what the other provides.
        let meets = |two: usize, replaced: &Dependency<'_>| {
            let named = names[two].name == replaced.name && replaced.accepts(Some(&names[two].version));
            named
                || Dependency::all(&self.0[two].provides)
                    .any(|provided| provided.name == replaced.name && replaced.accepts(provided.version()))
        };
        let says = |one: usize, two: usize| {
            let claim = &self.0[one];
            Dependency::all(&claim.replaces)
                .any(|replaced| meets(two, &replaced))
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
