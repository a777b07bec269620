//! Why a base cannot be made.

use std::io;
use std::path::PathBuf;

use lrops_model::blob::BlobError;
use lrops_model::cancel::Cancelled;
use lrops_model::digest::Digest;
use lrops_model::platform::Platform;
use lrops_remote::http::HttpError;

use crate::debian::release::ReleaseFault;
use crate::debian::signature::SignatureFault;
use crate::fixups::FixupFault;
use crate::resolver::ResolveError;
use crate::tree::MergeFault;
use crate::unpacked::PackageFault;

/// Why a base cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// The distribution, or the suite, has no packages for the platform.
    #[error("{suite} has no packages for {platform}{}", known(architectures))]
    Platform {
        /// The platform.
        platform: Platform,
        /// The suite.
        suite: String,
        /// The architectures that the suite has, when it was asked.
        architectures: Vec<String>,
    },
    /// The specification is wrong in a way that only its use shows.
    #[error("{0}")]
    Specification(String),
    /// Neither the configuration nor the machine names an archive.
    #[error("no mirror is known for {suite}")]
    NoMirror {
        /// The suite.
        suite: String,
    },
    /// Neither the configuration nor the machine has the archive's keys.
    #[error("no keyring is known for {suite}")]
    NoKeyring {
        /// The suite.
        suite: String,
    },
    /// A keyring cannot be read.
    #[error("failed to read the keyring {path}", path = path.display())]
    ReadKeyring {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file cannot be had from the mirror.
    #[error(transparent)]
    Download(#[from] HttpError),
    /// The index's signature does not count.
    #[error("the signature of {url} was refused")]
    Signature {
        /// The signed file.
        url: String,
        /// Why.
        source: SignatureFault,
    },
    /// The signed index does not count.
    #[error("{url} was refused")]
    Release {
        /// The signed file.
        url: String,
        /// Why.
        source: ReleaseFault,
    },
    /// The suite lacks an area.
    #[error("{suite} has no package index {path}: its components are {components}")]
    NoIndex {
        /// The suite.
        suite: String,
        /// The missing index.
        path: String,
        /// What it has.
        components: String,
    },
    /// The mirror has no such repository.
    #[error("there is no package index at {url}")]
    NoRepository {
        /// Where it should be.
        url: String,
        /// What the mirror answered.
        source: HttpError,
    },
    /// A downloaded file is not what was signed.
    #[error("{url} is not what was promised: its digest is {found}, not {expected}")]
    Altered {
        /// The file.
        url: String,
        /// What the signed index, or the lock, promises.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// A package index cannot be read.
    #[error("failed to read the package index {url}")]
    Index {
        /// The file.
        url: String,
        /// The cause.
        source: io::Error,
    },
    /// The wanted packages cannot be had together.
    #[error("the packages of {suite} for {platform} cannot be resolved")]
    Resolve {
        /// The suite.
        suite: String,
        /// The platform.
        platform: Platform,
        /// Why.
        source: Box<ResolveError>,
    },
    /// The lock does not hold the base for the platform.
    #[error("the lock file has no packages of {name} for {platform}")]
    NotLocked {
        /// The base.
        name: String,
        /// The platform.
        platform: Platform,
    },
    /// The specification was edited after the lock was written.
    #[error("the lock file's packages of {name} belong to another specification: it was edited since")]
    StaleLock {
        /// The base.
        name: String,
    },
    /// The mirror has dropped a package file.
    #[error("the mirror no longer has {package} {version} ({url})")]
    Gone {
        /// The package.
        package: String,
        /// Its version.
        version: String,
        /// Where it was.
        url: String,
    },
    /// A package file cannot be unpacked.
    #[error("failed to unpack {package} {version}")]
    Package {
        /// The package.
        package: String,
        /// Its version.
        version: String,
        /// Why.
        source: PackageFault,
    },
    /// Packages' files do not fit together.
    #[error("failed to put {package} in place")]
    Merge {
        /// The package.
        package: String,
        /// Why.
        source: MergeFault,
    },
    /// The tree cannot be finished.
    #[error("failed to finish the file tree")]
    Fixup(#[from] FixupFault),
    /// A file that the specification names cannot be read.
    #[error("failed to read {path}", path = path.display())]
    SourceFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The cache cannot be used.
    #[error("failed to use the cache of bases at {path}", path = path.display())]
    Cache {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The image cannot be stored.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

fn known(architectures: &[String]) -> String {
    if architectures.is_empty() {
        String::new()
    } else {
        format!(": it has {}", architectures.join(", "))
    }
}

impl BaseError {
    /// Returns what the user can do about it.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::NoMirror { .. } => Some(
                "name the archive: mirror = \"https://HOST/debian\", or https://HOST/alpine, in the base's section",
            ),
            Self::NoKeyring { .. } => Some(
                "name the archive's keys in the base's section: keyring = \"FILE\" (Debian: the package \
                 debian-archive-keyring has it), or \"DIRECTORY\" (Alpine: /usr/share/apk/keys of an Alpine system)",
            ),
            Self::Download(cause) => cause.advice(),
            Self::NoRepository { .. } => Some(
                "the mirror has no such branch (suite), repository (components) or architecture: see what it lists at \
                 this address",
            ),
            Self::Signature {
                source: SignatureFault::NotSigned(_),
                ..
            } => Some("an index without a signature is not used: sign it, or name another mirror"),
            Self::Signature {
                source: SignatureFault::UnknownKey { .. },
                ..
            } => Some(
                "if the archive is Debian's, this machine's debian-archive-keyring may be older than the suite; if it \
                 is another one, name its keys with keyring = \"PATH\"; Alpine's keys are files whose names the \
                 signature gives, and those of other architectures are in /usr/share/apk/keys of an Alpine system",
            ),
            Self::Signature {
                source: SignatureFault::Altered { .. },
                ..
            }
            | Self::Altered { .. } => Some(
                "the mirror, or something between it and this machine, altered the file, or is in the middle of an \
                 update: try again later, or name another mirror",
            ),
            Self::Release {
                source: ReleaseFault::Expired(_),
                ..
            } => Some(
                "the mirror may have stopped updating, or this machine's clock is wrong; for an archive that is meant \
                 to stay as it was, set check_valid_until = false",
            ),
            Self::Release {
                source: ReleaseFault::Future(_),
                ..
            } => Some("check this machine's clock"),
            Self::NotLocked { .. } | Self::StaleLock { .. } => Some("run `lrops base lock` again"),
            Self::Gone { .. } => Some(
                "run `lrops base lock` again, or keep the files on a mirror of your own and name it with mirror",
            ),
            _ => None,
        }
    }

    /// Returns the error of a download, with a stop on request as such.
    pub(crate) fn from_download(cause: HttpError) -> Self {
        if cause.is_cancelled() {
            Self::Cancelled(Cancelled)
        } else {
            Self::Download(cause)
        }
    }
}
