//! Failures that people meet with docker, buildx and registries: recognised from what the programs say, and explained.
//!
//! The texts that they are recognised by were written down from real runs of docker 20.10 and 26.1 and of buildx 0.13,
//! and from the sources of docker's command line, buildx and BuildKit where another version words it otherwise.
//! `docs/guide.md` has a paragraph for each.

mod cure;
#[cfg(test)]
mod tests;

pub use cure::{Cure, Site};

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

/// How a failure is recognised: by any of these texts, in small letters.
type Row = (KnownFailure, &'static [&'static str]);

/// The first row counts of which a text is in what was said.
const SIGNS: &[Row] = &[
    (
        KnownFailure::BuildxMissing,
        &[
            "'buildx' is not a docker command",
            "unknown command: docker buildx",
        ],
    ),
    (
        KnownFailure::BuildxTooOld,
        &[
            "invalid progress mode rawjson",
            "unknown flag: --metadata-file",
            "unknown flag: --provenance",
            "unknown flag: --build-context",
            "oci-layout is not supported",
        ],
    ),
    (
        KnownFailure::DaemonForbidden,
        &[
            "permission denied while trying to connect to the docker daemon socket",
            "permission denied while trying to connect to the docker api",
        ],
    ),
    (
        KnownFailure::SshFailed,
        &[
            "permission denied (publickey",
            "host key verification failed",
            "exit status 255, please make sure the url is valid",
            "exit status 255, make sure the url is valid",
            "ssh: could not resolve hostname",
        ],
    ),
    (
        KnownFailure::DaemonUnreachable,
        &[
            "cannot connect to the docker daemon",
            "is the docker daemon running",
            "error during connect",
            "failed to connect to the docker api",
        ],
    ),
    (
        KnownFailure::ContextMissing,
        &[
            ": context not found",
            "unable to resolve docker endpoint: context",
        ],
    ),
    (
        KnownFailure::BuilderMissing,
        &["no builder \"", "no builder found"],
    ),
    (
        KnownFailure::MultiPlatformUnsupported,
        &[
            "multi-platform build is not supported for the docker driver",
            "multiple platforms feature is currently not supported for docker driver",
        ],
    ),
    (
        KnownFailure::ExporterUnsupported,
        &[
            "oci exporter is not supported for the docker driver",
            "oci exporter feature is currently not supported for docker driver",
            "exporter \"oci\" could not be found",
            "cache export is not supported for the docker driver",
            "push-by-digest is currently not implemented for docker driver",
            "attestation is not supported for the docker driver",
        ],
    ),
    (KnownFailure::MissingManifestDigest, &["missing manifest digest"]),
    (
        KnownFailure::CrossInstallWithGobin,
        &["cannot install cross-compiled binaries when gobin is set"],
    ),
    (
        KnownFailure::EmulationMissing,
        &[
            "exec format error",
            "no such file or directory: .buildkit_qemu_emulator",
        ],
    ),
    (
        KnownFailure::DiskFull,
        &["no space left on device", "disk quota exceeded"],
    ),
];

/// Rows that are looked for only when no command of the Dockerfile failed: a command's own words are its own.
const TRANSFER_SIGNS: &[Row] = &[
    (KnownFailure::NoActiveSession, &["no active session"]),
    (
        KnownFailure::RegistryBusy,
        &[
            "toomanyrequests",
            "429 too many requests",
            "500 internal server error",
            "502 bad gateway",
            "503 service unavailable",
            "504 gateway time",
        ],
    ),
    (
        KnownFailure::Unauthorized,
        &[
            "401 unauthorized",
            "403 forbidden",
            "unauthorized:",
            "authentication required",
            "authorization failed",
            "denied: ",
            "pull access denied",
            "no basic auth credentials",
            "incorrect username or password",
        ],
    ),
    (
        KnownFailure::TimeOut,
        &[
            "i/o timeout",
            "tls handshake timeout",
            "context deadline exceeded",
            "client.timeout exceeded",
            "timeout awaiting response headers",
            "operation timed out",
            "connection timed out",
        ],
    ),
    (
        KnownFailure::Network,
        &[
            "connection reset by peer",
            "connection refused",
            "broken pipe",
            "unexpected eof",
            ": eof",
            "no such host",
            "temporary failure in name resolution",
            "server misbehaving",
            "network is unreachable",
            "no route to host",
            "use of closed network connection",
            "http2: client connection lost",
            "server closed idle connection",
            "transport is closing",
            "connection error: desc",
            "closing transport",
        ],
    ),
];

/// A command of the Dockerfile failed; the second is how docker 20.10 says it.
const COMMAND_FAILED: [&str; 2] = ["did not complete successfully", "executor failed running ["];

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

    /// Recognises a failure from what a program said.
    pub fn recognise(output: &str) -> Option<Self> {
        let said = output.to_lowercase();
        if Self::is_of_command(&said) {
            return Self::of_command(output);
        }
        of_boot(&said)
            .or_else(|| of_line(&said))
            .or_else(|| find(SIGNS, &said))
            .or_else(|| of_context(&said))
            .or_else(|| of_status(&said))
            .or_else(|| find(TRANSFER_SIGNS, &said))
    }

    /// Recognises a failure from what a command of a Dockerfile said before it failed. Its networks and daemons are its
    /// own: only what the builder has to do with is told.
    pub fn of_command(output: &str) -> Option<Self> {
        let found = find(SIGNS, &output.to_lowercase());
        found.filter(|found| {
            matches!(
                found,
                Self::CrossInstallWithGobin | Self::EmulationMissing | Self::DiskFull
            )
        })
    }

    /// Returns whether a command of the Dockerfile failed, and not what is around it.
    pub(crate) fn is_of_command(said: &str) -> bool {
        COMMAND_FAILED.iter().any(|words| said.contains(words))
    }

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

/// How buildx names the start of a builder, where it says which step failed.
pub(crate) const BOOT_MARK: &str = "> [internal] booting buildkit";

/// What is said where an image cannot be fetched.
const PULL_SIGNS: [&str; 5] = [
    "failed to resolve reference",
    "manifest unknown",
    "pull access denied",
    "failed to do request",
    "no such host",
];

/// Recognises a builder whose image cannot be fetched. One that does not start for another reason says it itself.
fn of_boot(said: &str) -> Option<KnownFailure> {
    let pulls = said.contains(BOOT_MARK) && PULL_SIGNS.iter().any(|sign| said.contains(sign));
    pulls.then_some(KnownFailure::BuilderImageMissing)
}

/// What passes of a line to a daemon by way of ssh.
const LINE_SIGNS: [&str; 6] = [
    "connection timed out",
    "operation timed out",
    "connection reset",
    "connection closed by remote host",
    "connection refused",
    ": eof",
];

/// Recognises a line to a daemon that failed for the moment, and not for good.
fn of_line(said: &str) -> Option<KnownFailure> {
    let of_client = said.contains("error during connect") || said.contains("exit status 255");
    let passes = of_client && LINE_SIGNS.iter().any(|sign| said.contains(sign));
    passes.then_some(KnownFailure::Network)
}

/// Recognises docker 20.10's words for a context that is not defined.
fn of_context(said: &str) -> Option<KnownFailure> {
    let missing = said.contains("context \"") && said.contains("\" does not exist");
    missing.then_some(KnownFailure::ContextMissing)
}

/// Recognises a registry's answer by its number: what follows the number are the registry's own words.
fn of_status(said: &str) -> Option<KnownFailure> {
    let (_, after) = said.rsplit_once("unexpected status")?;
    let mut words = after.split([' ', ':', ',']);
    let status: u16 =
        words.find_map(|word| word.parse().ok().filter(|status| (400..600).contains(status)))?;
    match status {
        401 | 403 => Some(KnownFailure::Unauthorized),
        408 | 429 | 500.. => Some(KnownFailure::RegistryBusy),
        _ => None,
    }
}

fn find(rows: &[Row], said: &str) -> Option<KnownFailure> {
    let found = |(_, signs): &&Row| signs.iter().any(|sign| said.contains(sign));
    rows.iter().find(found).map(|(failure, _)| *failure)
}
