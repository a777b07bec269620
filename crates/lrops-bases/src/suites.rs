//! The suites of a base: where they are, who signs them, and what they offer.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use lrops_model::cancel::CancelToken;
use lrops_model::digest::{Digest, DigestWriter};
use lrops_model::finding::Finding;
use lrops_model::timestamp::Timestamp;
use lrops_remote::http::HttpClient;
use lzma_rust2::XzReader;

use crate::alpine::archive::branch;
use crate::bases::BasesSettings;
use crate::cache::Cache;
use crate::debian::index::Index;
use crate::debian::release::{IndexFile, Release, days_since_epoch};
use crate::debian::signature::Keyring;
use crate::error::BaseError;
use crate::sources::{MachineSources, PackageSource};
use crate::spec::{BaseSpec, Distribution, ExtraSuiteTable};

/// A suite of a base, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    pub(crate) name: String,
    /// The archive's address, without a trailing `/`.
    pub(crate) address: String,
    pub(crate) components: Vec<String>,
    pub(crate) keyrings: Vec<PathBuf>,
    pub(crate) optional: bool,
}

impl Suite {
    /// Returns the address of a file of the archive.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }
}

/// Finds the suites that a specification names, the main one first.
///
/// The machine's keyrings are named by whole paths; a specification's start from the directory of its file.
pub(crate) fn find(spec: &BaseSpec, settings: &BasesSettings) -> Result<Vec<Suite>, BaseError> {
    let machine = &settings.sources;
    let alpine = MachineSources {
        entries: machine.apk_entries.clone(),
        keyrings: machine.apk_keys.clone(),
        ..MachineSources::default()
    };
    let machine = match spec.distribution {
        Distribution::Debian => machine,
        Distribution::Alpine => {
            check_alpine(spec)?;
            &alpine
        }
    };
    let main = ExtraSuiteTable {
        suite: spec.suite.clone(),
        mirror: spec.mirror.clone(),
        components: None,
        keyring: spec.keyring.clone(),
        optional: false,
    };
    let mut suites = vec![place(&main, spec, machine)?];
    for extra in &spec.extra_suites {
        let mut extra = extra.to_table();
        let known_here = machine
            .entries
            .iter()
            .any(|entry| entry.suites.contains(&extra.suite));
        // A suite beside the main one is on the same mirror, unless the machine knows better.
        if extra.mirror.is_none() && (spec.mirror.is_some() || !known_here) {
            extra.mirror = Some(suites[0].address.clone());
        }
        extra.keyring = extra.keyring.or_else(|| spec.keyring.clone());
        suites.push(place(&extra, spec, machine)?);
    }
    for keyring in suites.iter_mut().flat_map(|suite| &mut suite.keyrings) {
        *keyring = settings.configuration.join(&*keyring);
    }
    Ok(suites)
}

fn place(table: &ExtraSuiteTable, spec: &BaseSpec, machine: &MachineSources) -> Result<Suite, BaseError> {
    let name = table.suite.clone();
    let good = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '/');
    if !good(&name) {
        return Err(BaseError::Specification(format!(
            "{name:?} is no name of a suite"
        )));
    }
    let entry = match spec.distribution {
        Distribution::Debian => machine_entry(&name, machine),
        Distribution::Alpine => alpine_entry(&name, machine),
    };
    let address = match (&table.mirror, entry) {
        (Some(mirror), _) => with_snapshot(mirror, spec)?,
        (None, Some(entry)) if spec.snapshot.is_none() => entry.address.clone(),
        (None, Some(_)) => {
            let message = "a snapshot needs a mirror whose address has {snapshot} in it";
            return Err(BaseError::Specification(message.to_owned()));
        }
        (None, None) => return Err(BaseError::NoMirror { suite: name }),
    };
    let signed_by = entry
        .filter(|_| table.mirror.is_none())
        .and_then(|entry| entry.signed_by.clone());
    let keyrings = match (&table.keyring, signed_by) {
        (Some(keyring), _) => vec![keyring.clone()],
        (None, Some(keyring)) => vec![keyring],
        (None, None) => machine.keyrings.clone(),
    };
    if keyrings.is_empty() {
        return Err(BaseError::NoKeyring { suite: name });
    }
    let components = table
        .components
        .clone()
        .unwrap_or_else(|| spec.components.clone());
    let is_alpine = spec.distribution == Distribution::Alpine;
    if is_alpine && (components.is_empty() || !components.iter().all(|name| good(name))) {
        return Err(BaseError::Specification(format!(
            "the components of {name} must be names such as \"main\", not {components:?}"
        )));
    }
    Ok(Suite {
        name,
        address: address.trim_end_matches('/').to_owned(),
        components,
        keyrings,
        optional: table.optional,
    })
}

/// The entry that has the branch, else the first one: a mirror has all of them.
fn alpine_entry<'a>(suite: &str, machine: &'a MachineSources) -> Option<&'a PackageSource> {
    let branch = branch(suite);
    let mut entries = machine.entries.iter();
    entries
        .find(|entry| entry.suites.contains(&branch))
        .or_else(|| machine.entries.first())
}

/// What means nothing for Alpine is refused rather than ignored.
fn check_alpine(spec: &BaseSpec) -> Result<(), BaseError> {
    if spec.check_valid_until {
        return Ok(());
    }
    let message = "check_valid_until means nothing for Alpine, whose indexes have no date at which they end";
    Err(BaseError::Specification(message.to_owned()))
}

/// The entry that has the suite, else the first one of Debian's main archive, which has all its suites.
fn machine_entry<'a>(suite: &str, machine: &'a MachineSources) -> Option<&'a PackageSource> {
    let main = || machine.entries.iter().filter(|entry| entry.is_debian_main());
    main()
        .find(|entry| entry.suites.iter().any(|name| name == suite))
        .or_else(|| main().next().filter(|_| !suite.ends_with("-security")))
        .or_else(|| {
            machine
                .entries
                .iter()
                .find(|entry| entry.suites.iter().any(|name| name == suite))
        })
}

fn with_snapshot(mirror: &str, spec: &BaseSpec) -> Result<String, BaseError> {
    let snapshot = spec.snapshot.as_deref();
    match (mirror.contains("{snapshot}"), snapshot) {
        (true, Some(snapshot)) => Ok(mirror.replace("{snapshot}", snapshot)),
        (true, None) => Err(BaseError::Specification(
            "the mirror has {snapshot} in it, and no snapshot is named".to_owned(),
        )),
        (false, Some(_)) => Err(BaseError::Specification(
            "a snapshot is named, and the mirror has no {snapshot} in it".to_owned(),
        )),
        (false, None) => Ok(mirror.to_owned()),
    }
}

/// Returns the time at which signatures and dates are checked: the snapshot's, else now.
pub(crate) fn time_of_check(spec: &BaseSpec, now: Timestamp) -> Result<Timestamp, BaseError> {
    let Some(snapshot) = &spec.snapshot else {
        return Ok(now);
    };
    snapshot_time(snapshot).ok_or_else(|| {
        BaseError::Specification(format!(
            "{snapshot:?} is no snapshot: write it as 20250520T000000Z"
        ))
    })
}

fn snapshot_time(text: &str) -> Option<Timestamp> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str, range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    if (date.len(), clock.len()) != (8, 6) {
        return None;
    }
    let days = days_since_epoch(number(date, 0..4)?, number(date, 4..6)?, number(date, 6..8)?);
    let seconds = number(clock, 0..2)? * 3600 + number(clock, 2..4)? * 60 + number(clock, 4..6)?;
    Some(Timestamp(days * 86_400 + seconds))
}

/// What reading suites takes.
pub(crate) struct SuiteReader<'a> {
    pub(crate) http: &'a HttpClient,
    pub(crate) cache: &'a Cache,
    pub(crate) cancel: &'a CancelToken,
    /// When signatures and dates are checked.
    pub(crate) now: Timestamp,
    pub(crate) check_valid_until: bool,
}

/// Larger than any release file: Debian's have 150 KB.
const RELEASE_SIZE_BYTES_MAX: u64 = 16 * 1024 * 1024;

impl SuiteReader<'_> {
    /// Gets a suite's release file, checks it, and returns it.
    pub(crate) fn release(&self, suite: &Suite) -> Result<Release, BaseError> {
        let url = suite.url(&format!("dists/{}/InRelease", suite.name));
        let bytes = self
            .http
            .get(&url, RELEASE_SIZE_BYTES_MAX, self.cancel)
            .map_err(BaseError::from_download)?;
        let text = String::from_utf8_lossy(&bytes);
        let keyring = read_keyrings(&suite.keyrings)?;
        let signed = keyring
            .verify(&text, self.now)
            .map_err(|source| BaseError::Signature {
                url: url.clone(),
                source,
            })?;
        let checked = Release::parse(&signed).and_then(|release| {
            release.check(&suite.name, self.now, self.check_valid_until)?;
            Ok(release)
        });
        checked.map_err(|source| BaseError::Release { url, source })
    }

    /// Adds a suite's packages for an architecture to an index.
    pub(crate) fn packages(
        &self,
        suite: &Suite,
        release: &Release,
        architecture: &str,
        index: &mut Index,
        number: u16,
    ) -> Result<(), BaseError> {
        // All files are fetched before the first is read, so that a suite that is left out leaves nothing behind.
        let mut files = Vec::new();
        for component in &suite.components {
            let directory = format!("{component}/binary-{architecture}");
            let Some((path, file)) = best_index(release, &directory) else {
                let components = release.components.join(", ");
                return Err(BaseError::NoIndex {
                    suite: suite.name.clone(),
                    path: directory,
                    components,
                });
            };
            let content = self.index_file(suite, release, &path, file)?;
            files.push((path, content));
        }
        for (path, content) in files {
            let mut reader = decompressed(&path, content);
            let url = suite.url(&format!("dists/{}/{path}", suite.name));
            index
                .read(&mut reader, number, !release.not_automatic)
                .map_err(|source| BaseError::Index { url, source })?;
        }
        Ok(())
    }

    /// An index file, from the cache, else by its digest, else by its name.
    fn index_file(
        &self,
        suite: &Suite,
        release: &Release,
        path: &str,
        file: IndexFile,
    ) -> Result<std::fs::File, BaseError> {
        if let Some(found) = self.cache.download(file.digest, file.size) {
            return Ok(found);
        }
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let by_digest = format!(
            "dists/{}/{directory}/by-hash/SHA256/{}",
            suite.name,
            file.digest.hex()
        );
        if release.by_digest {
            match self.fetch(&suite.url(&by_digest), file.digest) {
                // A mirror that does not serve the directory of digests may still have the file itself.
                Err(BaseError::Download(cause)) if matches!(cause.status(), Some(403 | 404 | 410)) => {}
                other => return other,
            }
        }
        self.fetch(&suite.url(&format!("dists/{}/{path}", suite.name)), file.digest)
    }

    /// Downloads a file whose digest is known, and keeps it.
    pub(crate) fn fetch(&self, url: &str, digest: Digest) -> Result<std::fs::File, BaseError> {
        let mut writer = DigestWriter::new(self.cache.new_download()?);
        self.http
            .get_to(url, &mut writer, self.cancel, &mut |_| {})
            .map_err(BaseError::from_download)?;
        let (file, found, _) = writer.finish();
        if found != digest {
            return Err(BaseError::Altered {
                url: url.to_owned(),
                expected: digest,
                found,
            });
        }
        self.cache.keep_download(file, digest)
    }
}

/// Returns whether an optional suite may be left out for this reason: it is not served soundly. A signature that does
/// not count is no such reason.
pub(crate) fn finding_of_left_out(suite: &Suite, error: &BaseError) -> Option<Finding> {
    let excused = matches!(
        error,
        BaseError::Download(_)
            | BaseError::Altered { .. }
            | BaseError::NoIndex { .. }
            | BaseError::NoRepository { .. }
            | BaseError::Release { .. }
            | BaseError::Platform { .. }
    );
    if !suite.optional || !excused {
        return None;
    }
    let message = format!("the optional suite {} was left out: {error}", suite.name);
    let advice = "its updates are missing from the base; build it again later with --pull";
    Some(Finding::warning("BaseSuiteLeftOut", message).advise(advice))
}

fn best_index(release: &Release, directory: &str) -> Option<(String, IndexFile)> {
    ["xz", "gz", ""].into_iter().find_map(|extension| {
        let separator = if extension.is_empty() { "" } else { "." };
        let path = format!("{directory}/Packages{separator}{extension}");
        let file = *release.indexes.get(&path)?;
        Some((path, file))
    })
}

fn decompressed(path: &str, file: std::fs::File) -> Box<dyn BufRead> {
    const BUFFER_SIZE_BYTES: usize = 256 * 1024;
    let file = BufReader::with_capacity(BUFFER_SIZE_BYTES, file);
    match Path::new(path)
        .extension()
        .and_then(|extension| extension.to_str())
    {
        Some("xz") => Box::new(BufReader::with_capacity(
            BUFFER_SIZE_BYTES,
            XzReader::new(file, true),
        )),
        Some("gz") => Box::new(BufReader::with_capacity(
            BUFFER_SIZE_BYTES,
            flate2::bufread::MultiGzDecoder::new(file),
        )),
        _ => Box::new(file),
    }
}

fn read_keyrings(paths: &[PathBuf]) -> Result<Keyring, BaseError> {
    let mut all: Option<Keyring> = None;
    for path in paths {
        let error = |source: Box<dyn std::error::Error + Send + Sync>| BaseError::ReadKeyring {
            path: path.clone(),
            source,
        };
        let bytes = std::fs::read(path).map_err(|cause| error(Box::new(cause)))?;
        let keyring = Keyring::parse(&bytes).map_err(|cause| error(Box::new(cause)))?;
        match &mut all {
            Some(all) => all.extend(keyring),
            None => all = Some(keyring),
        }
    }
    Ok(all.expect("a suite has a keyring; checked where it was placed"))
}
