//! What is kept between builds: downloads by digest, resolutions by question, finished images by recipe.
//!
//! Everything is written under a temporary name and renamed. Nothing is synchronised to the disk: a download is
//! believed only after its digest was computed again, and a record that cannot be read counts as absent.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use lrops_model::digest::{DiffId, Digest, DigestHasher};
use lrops_model::finding::Finding;
use lrops_model::oci::Descriptor;
use lrops_model::platform::Platform;
use lrops_model::timestamp::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::BaseError;
use crate::resolution::Resolution;

/// The directory for bases in the store.
pub(crate) struct Cache {
    root: PathBuf,
}

/// A resolution that was made.
#[derive(Deserialize, Serialize)]
pub(crate) struct ResolutionRecord {
    pub(crate) resolved_at: Timestamp,
    pub(crate) resolution: Resolution,
}

/// A base whose image was built.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct CachedBase {
    /// The name under which it was built last.
    pub name: String,
    /// The platform.
    pub platform: Platform,
    /// The suite.
    pub suite: String,
    /// How many packages it has.
    pub packages: usize,
    /// When it was built.
    pub built_at: Timestamp,
    /// The recipe: specification, package files and the way of building.
    pub key: Digest,
    /// The image's manifest.
    pub manifest: Descriptor,
    /// The image's config.
    pub config: Descriptor,
    /// The image's one layer.
    pub layer: Descriptor,
    /// The layer's diff ID.
    pub diff_id: DiffId,
    /// Packages whose scripts did not run.
    pub scripts_not_run: Vec<String>,
    /// What a person should know.
    pub findings: Vec<Finding>,
}

const DOWNLOADS: &str = "downloads";
const RESOLUTIONS: &str = "resolutions";
const IMAGES: &str = "images";
const CHECKSUMS: &str = "checksums";
const TEMPORARY: &str = "tmp";

impl Cache {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Returns the directory for temporary files, on the same file system as all else.
    pub(crate) fn temporary(&self) -> Result<PathBuf, BaseError> {
        self.directory(TEMPORARY)
    }

    fn directory(&self, name: &str) -> Result<PathBuf, BaseError> {
        let path = self.root.join(name);
        fs::create_dir_all(&path).map_err(|source| BaseError::Cache {
            path: path.clone(),
            source,
        })?;
        Ok(path)
    }

    /// Returns the downloaded file with this digest and size, if it is there and unaltered.
    pub(crate) fn download(&self, digest: Digest, size: u64) -> Option<File> {
        let file = File::open(self.root.join(DOWNLOADS).join(digest.hex())).ok()?;
        if file.metadata().ok()?.len() != size || digest_of(&file).ok()? != digest {
            return None;
        }
        io::Seek::rewind(&mut &file).ok()?;
        Some(file)
    }

    /// Returns a new file to download into.
    pub(crate) fn new_download(&self) -> Result<tempfile::NamedTempFile, BaseError> {
        let directory = self.temporary()?;
        tempfile::NamedTempFile::new_in(&directory).map_err(|source| BaseError::Cache {
            path: directory,
            source,
        })
    }

    /// Keeps a download whose digest was checked.
    pub(crate) fn keep_download(
        &self,
        file: tempfile::NamedTempFile,
        digest: Digest,
    ) -> Result<File, BaseError> {
        let path = self.directory(DOWNLOADS)?.join(digest.hex());
        let mut file = file.persist(&path).map_err(|failed| BaseError::Cache {
            path: path.clone(),
            source: failed.error,
        })?;
        io::Seek::rewind(&mut file).map_err(|source| BaseError::Cache { path, source })?;
        Ok(file)
    }

    /// Returns the digest of the file that once had this checksum of an Alpine index.
    pub(crate) fn digest_of(&self, checksum: &str) -> Option<Digest> {
        self.read_record(CHECKSUMS, Digest::of(checksum))
    }

    pub(crate) fn keep_digest_of(&self, checksum: &str, digest: Digest) -> Result<(), BaseError> {
        self.write_record(CHECKSUMS, Digest::of(checksum), &digest)
    }

    pub(crate) fn resolution(&self, key: Digest) -> Option<ResolutionRecord> {
        self.read_record(RESOLUTIONS, key)
    }

    pub(crate) fn keep_resolution(&self, key: Digest, record: &ResolutionRecord) -> Result<(), BaseError> {
        self.write_record(RESOLUTIONS, key, record)
    }

    pub(crate) fn image(&self, key: Digest) -> Option<CachedBase> {
        self.read_record(IMAGES, key)
    }

    pub(crate) fn keep_image(&self, record: &CachedBase) -> Result<(), BaseError> {
        self.write_record(IMAGES, record.key, record)
    }

    /// Returns the images that were built, by name and platform.
    pub(crate) fn images(&self) -> Result<Vec<CachedBase>, BaseError> {
        let path = self.root.join(IMAGES);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(BaseError::Cache { path, source }),
        };
        let mut images: Vec<CachedBase> = entries
            .filter_map(|entry| read_json(&entry.ok()?.path()))
            .collect();
        images.sort_by(|a, b| (&a.name, &a.platform, a.built_at).cmp(&(&b.name, &b.platform, b.built_at)));
        Ok(images)
    }

    fn read_record<T: DeserializeOwned>(&self, kind: &str, key: Digest) -> Option<T> {
        read_json(&self.root.join(kind).join(key.hex()))
    }

    fn write_record(&self, kind: &str, key: Digest, record: &impl Serialize) -> Result<(), BaseError> {
        let path = self.directory(kind)?.join(key.hex());
        let error = |source| BaseError::Cache {
            path: path.clone(),
            source,
        };
        let mut file = tempfile::NamedTempFile::new_in(self.temporary()?).map_err(error)?;
        serde_json::to_writer(&mut file, record).map_err(|cause| error(cause.into()))?;
        file.persist(&path).map_err(|failed| error(failed.error))?;
        Ok(())
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_reader(BufReader::new(File::open(path).ok()?)).ok()
}

fn digest_of(mut file: &File) -> io::Result<Digest> {
    let mut hasher = DigestHasher::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}
