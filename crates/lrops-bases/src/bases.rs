//! The door: bases built, resolved and listed.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lrops_model::blob::BlobStore;
use lrops_model::cancel::CancelToken;
use lrops_model::digest::{DiffId, Digest};
use lrops_model::finding::Finding;
use lrops_model::oci::Descriptor;
use lrops_model::platform::Platform;
use lrops_model::timestamp::Timestamp;
use lrops_remote::http::HttpClient;

use crate::alpine;
use crate::assembly::{assemble, scripts_of};
use crate::cache::{Cache, CachedBase, ResolutionRecord};
use crate::debian::architecture;
use crate::debian::index::{Index, PackageId};
use crate::debian::package::unpack;
use crate::debian::release::Release;
use crate::error::BaseError;
use crate::image;
use crate::keys::{question, recipe, specification};
use crate::parallel;
use crate::progress::BaseProgress;
use crate::resolution::{Lock, LockedPackage, Resolution};
use crate::resolver::{Wish, resolve};
use crate::sources::MachineSources;
use crate::spec::{BaseSpec, Distribution, FileContent};
use crate::suites::{self, Suite, SuiteReader};
use crate::unpacked::{PackageFault, Unpacked};

/// Makes bases, with a cache and a network.
pub struct Bases {
    settings: BasesSettings,
    cache: Cache,
}

/// What making bases takes.
pub struct BasesSettings {
    /// The directory for downloads and records.
    pub cache: PathBuf,
    /// The directory that relative paths of a specification start from: the configuration file's.
    pub configuration: PathBuf,
    /// The machine's own package sources.
    pub sources: MachineSources,
    /// The network.
    pub http: Arc<HttpClient>,
    /// How many threads unpack.
    pub workers: usize,
}

/// Asks for a base for one platform.
#[derive(Clone, Copy)]
pub struct BuildBase<'a> {
    /// The base's name in the configuration.
    pub name: &'a str,
    /// What it is made of.
    pub spec: &'a BaseSpec,
    /// The platform.
    pub platform: &'a Platform,
    /// Whether an earlier resolution may be used.
    pub freshness: Freshness,
    /// The lock file, where there is one. A base that it names at all is built from it.
    pub lock: Option<&'a Lock>,
    /// The present time.
    pub now: Timestamp,
}

/// Whether an earlier answer of the archive may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Yes, for a day.
    Reuse,
    /// No: the archive is asked.
    Refresh,
}

/// A base in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltBase {
    /// The image's manifest, with its platform.
    pub manifest: Descriptor,
    /// The image's config.
    pub config: Descriptor,
    /// The image's one layer.
    pub layer: Descriptor,
    /// The layer's diff ID.
    pub diff_id: DiffId,
    /// The recipe: equal keys have equal images.
    pub key: Digest,
    /// The packages.
    pub resolution: Resolution,
    /// Packages whose scripts did not run; what well-known ones would do was done otherwise.
    pub scripts_not_run: Vec<String>,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// Whether the image was in the store already.
    pub from_cache: bool,
}

/// How long a resolution is reused. A day keeps builds of one day alike, and security updates come the next.
const RESOLUTION_AGE_SECONDS_MAX: i64 = 24 * 3600;

/// Parallel downloads. Mirrors answer more connections slower or not at all.
const DOWNLOADS_PARALLEL: usize = 6;

type OnProgress<'a> = &'a (dyn Fn(BaseProgress) + Sync);

impl Bases {
    /// Returns the door to bases with these settings.
    pub fn new(settings: BasesSettings) -> Self {
        let cache = Cache::new(settings.cache.clone());
        Self { settings, cache }
    }

    /// Makes sure that the base's image is in the store, and returns its descriptors.
    ///
    /// # Errors
    /// See [`BaseError`].
    pub fn build(
        &self,
        request: BuildBase<'_>,
        store: &dyn BlobStore,
        cancel: &CancelToken,
        on_progress: OnProgress<'_>,
    ) -> Result<BuiltBase, BaseError> {
        match self.build_once(request, store, cancel, on_progress) {
            // An update of the archive may have taken away a file of an earlier resolution.
            Err(BaseError::Gone { .. }) if request.freshness == Freshness::Reuse && !is_locked(&request) => {
                let request = BuildBase {
                    freshness: Freshness::Refresh,
                    ..request
                };
                self.build_once(request, store, cancel, on_progress)
            }
            other => other,
        }
    }

    fn build_once(
        &self,
        request: BuildBase<'_>,
        store: &dyn BlobStore,
        cancel: &CancelToken,
        on_progress: OnProgress<'_>,
    ) -> Result<BuiltBase, BaseError> {
        let resolution = self.resolve(request, cancel, on_progress)?;
        let contents = self.source_files(request.spec)?;
        let key = recipe(request.spec, &resolution, &contents);
        if let Some(record) = self.cache.image(key)
            && all_present(&record, store)?
        {
            return Ok(built(record, resolution, true));
        }
        let packages = self.fetch_packages(request, &resolution, cancel, on_progress)?;
        let unpacked = self.unpack_packages(request.spec, &resolution, packages, cancel)?;
        let scripts_not_run = scripts_of(&resolution, &unpacked);
        let tree = assemble(request.spec, &resolution, unpacked, contents)?;
        on_progress(BaseProgress::Writing { entries: tree.len() });
        let temporary = self.cache.temporary()?;
        let blobs = image::write(
            &tree,
            request,
            image::Place {
                temporary: &temporary,
                store,
                workers: self.settings.workers,
            },
            cancel,
        )?;
        let record = CachedBase {
            name: request.name.to_owned(),
            platform: request.platform.clone(),
            suite: request.spec.suite.clone(),
            packages: resolution.packages.len(),
            built_at: request.now,
            key,
            manifest: blobs.manifest,
            config: blobs.config,
            layer: blobs.layer,
            diff_id: blobs.diff_id,
            scripts_not_run,
            findings: resolution.findings.clone(),
        };
        self.cache.keep_image(&record)?;
        Ok(built(record, resolution, false))
    }

    /// Returns the images that were built here and may still be in a store.
    ///
    /// # Errors
    /// When the cache cannot be read.
    pub fn cached(&self) -> Result<Vec<CachedBase>, BaseError> {
        self.cache.images()
    }

    /// Returns which packages make up a base: from the lock, from an answer of the last day, or from the archive.
    ///
    /// # Errors
    /// See [`BaseError`].
    pub fn resolve(
        &self,
        request: BuildBase<'_>,
        cancel: &CancelToken,
        on_progress: OnProgress<'_>,
    ) -> Result<Resolution, BaseError> {
        let resolution = match request.lock.filter(|lock| lock.names(request.name)) {
            Some(lock) => locked(&request, lock)?,
            None => self.resolve_unlocked(&request, cancel, on_progress)?,
        };
        let (packages, bytes) = (resolution.packages.len(), resolution.download_size());
        on_progress(BaseProgress::Resolved { packages, bytes });
        Ok(resolution)
    }

    fn resolve_unlocked(
        &self,
        request: &BuildBase<'_>,
        cancel: &CancelToken,
        on_progress: OnProgress<'_>,
    ) -> Result<Resolution, BaseError> {
        let suites = suites::find(request.spec, &self.settings)?;
        let key = question(request, &suites);
        if request.freshness == Freshness::Reuse
            && let Some(record) = self.cache.resolution(key)
            && (0..RESOLUTION_AGE_SECONDS_MAX).contains(&(request.now.0 - record.resolved_at.0))
        {
            return Ok(record.resolution);
        }
        let resolution = self.ask_archive(request, &suites, cancel, on_progress)?;
        let record = ResolutionRecord {
            resolved_at: request.now,
            resolution,
        };
        self.cache.keep_resolution(key, &record)?;
        Ok(record.resolution)
    }

    fn ask_archive(
        &self,
        request: &BuildBase<'_>,
        suites: &[Suite],
        cancel: &CancelToken,
        on_progress: OnProgress<'_>,
    ) -> Result<Resolution, BaseError> {
        let spec = request.spec;
        let reader = self.suite_reader(request, cancel)?;
        if spec.distribution == Distribution::Alpine {
            return alpine::archive::ask(&reader, request, suites, on_progress);
        }
        let unsupported = |architectures: Vec<String>| BaseError::Platform {
            platform: request.platform.clone(),
            suite: spec.suite.clone(),
            architectures,
        };
        let architecture = architecture::of(request.platform).ok_or_else(|| unsupported(Vec::new()))?;
        let (mut index, mut findings, mut main) = (Index::default(), Vec::new(), None);
        for (number, suite) in suites.iter().enumerate() {
            on_progress(BaseProgress::Suite {
                suite: suite.name.clone(),
            });
            let number = u16::try_from(number).expect("a configuration file names few suites");
            let result = reader.release(suite).and_then(|release| {
                if !release.architectures.iter().any(|name| name == architecture) {
                    return Err(unsupported(release.architectures));
                }
                reader.packages(suite, &release, architecture, &mut index, number)?;
                Ok(release)
            });
            match result {
                Ok(release) => main = main.or(Some(release)),
                Err(error) => match suites::finding_of_left_out(suite, &error) {
                    Some(finding) => findings.push(finding),
                    None => return Err(error),
                },
            }
        }
        index.finish();
        let release = main.expect("the main suite is not optional");
        resolve_in(request, suites, &index, architecture, &release, findings)
    }

    fn suite_reader<'a>(
        &'a self,
        request: &BuildBase<'_>,
        cancel: &'a CancelToken,
    ) -> Result<SuiteReader<'a>, BaseError> {
        Ok(SuiteReader {
            http: &self.settings.http,
            cache: &self.cache,
            cancel,
            now: suites::time_of_check(request.spec, request.now)?,
            check_valid_until: request.spec.check_valid_until,
        })
    }

    fn fetch_packages(
        &self,
        request: BuildBase<'_>,
        resolution: &Resolution,
        cancel: &CancelToken,
        on_progress: OnProgress<'_>,
    ) -> Result<Vec<File>, BaseError> {
        let suites = suites::find(request.spec, &self.settings)?;
        let reader = self.suite_reader(&request, cancel)?;
        let (done, total) = (AtomicUsize::new(0), resolution.packages.len());
        parallel::map(&resolution.packages, DOWNLOADS_PARALLEL, |package| {
            let file = match self.cache.download(package.digest, package.size) {
                Some(file) => file,
                None => fetch_package(&reader, &suites, package)?,
            };
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            on_progress(BaseProgress::Fetched {
                package: package.name.clone(),
                done,
                total,
            });
            Ok(file)
        })
    }

    fn unpack_packages(
        &self,
        spec: &BaseSpec,
        resolution: &Resolution,
        files: Vec<File>,
        cancel: &CancelToken,
    ) -> Result<Vec<Unpacked>, BaseError> {
        let temporary = self.cache.temporary()?;
        let pairs: Vec<(&LockedPackage, File)> = resolution.packages.iter().zip(files).collect();
        parallel::map(&pairs, self.settings.workers, |(package, file)| {
            let file = std::io::BufReader::with_capacity(256 * 1024, file);
            let unpacked = match spec.distribution {
                Distribution::Debian => unpack(file, &temporary, cancel),
                Distribution::Alpine => alpine::package::unpack(file, &temporary, cancel),
            };
            unpacked.map_err(|source| match source {
                PackageFault::Cancelled(cancelled) => BaseError::Cancelled(cancelled),
                source => {
                    let (package, version) = (package.name.clone(), package.version.clone());
                    BaseError::Package {
                        package,
                        version,
                        source,
                    }
                }
            })
        })
    }

    fn source_files(&self, spec: &BaseSpec) -> Result<Vec<Vec<u8>>, BaseError> {
        let read = |content: &FileContent| match content {
            FileContent::Text(text) => Ok(text.clone().into_bytes()),
            FileContent::Source(path) => {
                let path = self.settings.configuration.join(path);
                std::fs::read(&path).map_err(|source| BaseError::SourceFile { path, source })
            }
        };
        spec.files.iter().map(|file| read(&file.content)).collect()
    }
}

fn is_locked(request: &BuildBase<'_>) -> bool {
    request.lock.is_some_and(|lock| lock.names(request.name))
}

fn locked(request: &BuildBase<'_>, lock: &Lock) -> Result<Resolution, BaseError> {
    let name = request.name.to_owned();
    match lock.get(request.name, request.platform) {
        None => Err(BaseError::NotLocked {
            name,
            platform: request.platform.clone(),
        }),
        Some(resolution) if resolution.specification != specification(request.spec) => {
            Err(BaseError::StaleLock { name })
        }
        Some(resolution) => Ok(resolution.clone()),
    }
}

/// Left out of bases although packages need it: it asks questions in scripts that do not run, and brings Perl.
const ALWAYS_EXCLUDED: &str = "debconf";

fn resolve_in(
    request: &BuildBase<'_>,
    suites: &[Suite],
    index: &Index,
    architecture: &str,
    release: &Release,
    findings: Vec<Finding>,
) -> Result<Resolution, BaseError> {
    let spec = request.spec;
    let mut excluded: BTreeSet<&str> = spec.exclude_packages.iter().map(String::as_str).collect();
    if !spec.packages.iter().any(|package| package == ALWAYS_EXCLUDED) {
        excluded.insert(ALWAYS_EXCLUDED);
    }
    let names = suites.iter().map(|suite| suite.name.as_str()).collect();
    let wish = Wish {
        packages: &spec.packages,
        excluded,
        suites: names,
    };
    let packages = resolve(index, &wish, architecture).map_err(|source| BaseError::Resolve {
        suite: spec.suite.clone(),
        platform: request.platform.clone(),
        source: Box::new(source),
    })?;
    let packages = packages
        .into_iter()
        .map(|id| locked_package(index, id, suites))
        .collect::<Result<_, _>>()?;
    Ok(Resolution {
        platform: request.platform.clone(),
        codename: release.codename.clone(),
        release: release.version.clone(),
        specification: specification(spec),
        findings,
        packages,
    })
}

fn locked_package(index: &Index, id: PackageId, suites: &[Suite]) -> Result<LockedPackage, BaseError> {
    let suite = &suites[usize::from(index.suite(id))];
    let invalid = |what: &str| BaseError::Index {
        url: suite.url(&format!("dists/{}", suite.name)),
        source: std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            format!("the {what} of {} cannot be used", index.name(id)),
        ),
    };
    let path = index.path(id);
    if path.starts_with('/') || path.split('/').any(|part| part == "..") || path.contains(['?', '#']) {
        return Err(invalid("path"));
    }
    Ok(LockedPackage {
        name: index.name(id).to_owned(),
        version: index.version(id).to_owned(),
        digest: Digest::from_hex(index.sha256(id)).map_err(|_| invalid("digest"))?,
        size: index.size(id).ok_or_else(|| invalid("size"))?,
        suite: suite.name.clone(),
        path: path.to_owned(),
    })
}

fn fetch_package(
    reader: &SuiteReader<'_>,
    suites: &[Suite],
    package: &LockedPackage,
) -> Result<File, BaseError> {
    let Some(suite) = suites.iter().find(|suite| suite.name == package.suite) else {
        let message = format!(
            "{} is of the suite {}, which the base no longer names",
            package.name, package.suite
        );
        return Err(BaseError::Specification(message));
    };
    // `+` and `~` stand in versions and so in paths; all else there needs no escape.
    let url = suite.url(&package.path);
    match reader.fetch(&url, package.digest) {
        Err(BaseError::Download(cause)) if matches!(cause.status(), Some(404 | 410)) => {
            Err(BaseError::Gone {
                package: package.name.clone(),
                version: package.version.clone(),
                url: cause.url,
            })
        }
        other => other,
    }
}

fn all_present(record: &CachedBase, store: &dyn BlobStore) -> Result<bool, BaseError> {
    for blob in [&record.manifest, &record.config, &record.layer] {
        if !store.contains(blob)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn built(record: CachedBase, resolution: Resolution, from_cache: bool) -> BuiltBase {
    BuiltBase {
        manifest: record.manifest,
        config: record.config,
        layer: record.layer,
        diff_id: record.diff_id,
        key: record.key,
        scripts_not_run: record.scripts_not_run,
        findings: resolution.findings.clone(),
        resolution,
        from_cache,
    }
}
