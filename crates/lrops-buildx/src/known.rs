//! Failures that people meet with docker, buildx and registries: recognised from what the programs say, and explained.
//!
//! The texts that they are recognised by were written down from real runs of docker 20.10 and 26.1 and of buildx 0.13,
//! and from the sources of docker's command line, buildx and BuildKit where another version words it otherwise.
//! `docs/guide.md` has a paragraph for each.

mod cure;
mod signs;
#[cfg(test)]
mod tests;

pub use cure::{Cure, Site};
pub(crate) use signs::BOOT_MARK;

/// A failure whose cause and cure are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KnownFailure {
    /// The program `docker` is not there.
    DockerMissing,
    /// docker has no buildx plugin.
    BuildxMissing,
    /// buildx does not know a flag that is needed.
    BuildxTooOld,
    /// The docker context is not defined.
    ContextMissing,
    /// The builder is not defined.
    BuilderMissing,
    /// The daemon does not answer, or is on another machine than the context says.
    DaemonUnreachable,
    /// The daemon's socket is not for this user.
    DaemonForbidden,
    /// The host of a context over ssh cannot be logged in to.
    SshFailed,
    /// The image that a builder runs in cannot be fetched.
    BuilderImageMissing,
    /// The `docker` driver with the classic image store builds one platform at a time.
    MultiPlatformUnsupported,
    /// The `docker` driver with the classic image store cannot export as asked.
    ExporterUnsupported,
    /// Tags for single platforms were put together by hand, and the registry found no digest.
    MissingManifestDigest,
    /// `go install` for another platform while `GOBIN` is set.
    CrossInstallWithGobin,
    /// A program of another platform was run where nothing emulates it.
    EmulationMissing,
    /// A disk is full.
    DiskFull,
    /// The registry refuses who asks.
    Unauthorized,
    /// The client and the builder lost each other.
    NoActiveSession,
    /// The registry is overloaded or broken for a moment.
    RegistryBusy,
    /// Something took too long.
    TimeOut,
    /// A connection failed or was cut.
    Network,
}

impl KnownFailure {
    /// All of them, in the order of `docs/guide.md`.
    pub const ALL: [Self; 20] = [
        Self::DockerMissing,
        Self::BuildxMissing,
        Self::BuildxTooOld,
        Self::ContextMissing,
        Self::BuilderMissing,
        Self::DaemonUnreachable,
        Self::DaemonForbidden,
        Self::SshFailed,
        Self::BuilderImageMissing,
        Self::MultiPlatformUnsupported,
        Self::ExporterUnsupported,
        Self::MissingManifestDigest,
        Self::CrossInstallWithGobin,
        Self::EmulationMissing,
        Self::DiskFull,
        Self::Unauthorized,
        Self::NoActiveSession,
        Self::RegistryBusy,
        Self::TimeOut,
        Self::Network,
    ];

    /// Returns whether the same command may succeed a little later.
    pub fn can_retry(self) -> bool {
        matches!(
            self,
            Self::BuilderImageMissing
                | Self::NoActiveSession
                | Self::RegistryBusy
                | Self::TimeOut
                | Self::Network
        )
    }

    /// Returns whether the machine or its set-up has to be mended, and not the project.
    pub fn is_environment(self) -> bool {
        matches!(
            self,
            Self::DockerMissing
                | Self::BuildxMissing
                | Self::BuildxTooOld
                | Self::ContextMissing
                | Self::BuilderMissing
                | Self::DaemonUnreachable
                | Self::DaemonForbidden
                | Self::SshFailed
                | Self::BuilderImageMissing
                | Self::MultiPlatformUnsupported
                | Self::ExporterUnsupported
                | Self::EmulationMissing
                | Self::DiskFull
        )
    }

    /// Returns its name for programs: the heading in `docs/guide.md`.
    pub fn name(self) -> &'static str {
        match self {
            Self::DockerMissing => "docker-missing",
            Self::BuildxMissing => "buildx-missing",
            Self::BuildxTooOld => "buildx-too-old",
            Self::ContextMissing => "context-missing",
            Self::BuilderMissing => "builder-missing",
            Self::DaemonUnreachable => "daemon-unreachable",
            Self::DaemonForbidden => "daemon-forbidden",
            Self::SshFailed => "ssh-failed",
            Self::BuilderImageMissing => "builder-image-missing",
            Self::MultiPlatformUnsupported => "multi-platform-unsupported",
            Self::ExporterUnsupported => "exporter-unsupported",
            Self::MissingManifestDigest => "missing-manifest-digest",
            Self::CrossInstallWithGobin => "cross-install-with-gobin",
            Self::EmulationMissing => "emulation-missing",
            Self::DiskFull => "disk-full",
            Self::Unauthorized => "unauthorized",
            Self::NoActiveSession => "no-active-session",
            Self::RegistryBusy => "registry-busy",
            Self::TimeOut => "time-out",
            Self::Network => "network",
        }
    }

    /// Returns the likely cause, as a sentence without its full stop.
    pub fn cause(self) -> &'static str {
        match self {
            Self::DockerMissing => "there is no program `docker` on PATH",
            Self::BuildxMissing => "docker is here, but its plugin buildx is not",
            Self::BuildxTooOld => "this buildx does not know a flag that lrops needs (0.10 or newer does)",
            Self::ContextMissing => "the docker context is not defined on this machine",
            Self::BuilderMissing => "the builder is not defined for this user",
            Self::DaemonUnreachable => "no docker daemon answers where the context or the builder points to",
            Self::DaemonForbidden => "the docker daemon runs, but its socket is not for this user",
            Self::SshFailed => "the context's host cannot be logged in to over ssh without a question",
            Self::BuilderImageMissing => {
                "the builder runs in an image (moby/buildkit on Docker Hub, unless another is named) that its host cannot fetch"
            }
            Self::MultiPlatformUnsupported => {
                "the builder uses the `docker` driver on the daemon's classic image store, which holds one platform an image"
            }
            Self::ExporterUnsupported => {
                "the builder uses the `docker` driver on the daemon's classic image store, which can only load its result into the daemon"
            }
            Self::MissingManifestDigest => {
                "a tag was put together from tags for single platforms (as with `docker manifest create`), and the registry found one without a digest"
            }
            Self::CrossInstallWithGobin => {
                "`go install` refuses to put a program of another platform into GOBIN, which golang images set"
            }
            Self::EmulationMissing => {
                "a program of another platform was started where no emulator is registered: a stage lacks `--platform=$BUILDPLATFORM`, or the builder lacks binfmt"
            }
            Self::DiskFull => "a disk of the builder, or of this machine, is full",
            Self::Unauthorized => {
                "the registry does not accept this user's credentials, or there are none for it"
            }
            Self::NoActiveSession => {
                "the connection between this machine and the builder was lost during the build"
            }
            Self::RegistryBusy => "the registry asks to slow down, or fails by itself for the moment",
            Self::TimeOut => "an answer took too long: the network or the other side is slow",
            Self::Network => "a connection could not be made, or was cut",
        }
    }
}
