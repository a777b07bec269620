//! What known failures are recognised by.

use super::KnownFailure;

/// How a failure is recognised: by any of these texts, in small letters.
pub(super) type Row = (KnownFailure, &'static [&'static str]);

/// The first row counts of which a text is in what was said.
pub(super) const SIGNS: &[Row] = &[
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
        ],
    ),
    (
        KnownFailure::DaemonForbidden,
        &[
            "permission denied while trying to connect to the docker daemon socket",
            "permission denied while trying to connect to the docker api",
        ],
    ),
    // ssh's own words stand behind these. Without them, it is git in a Dockerfile that could not log in.
    (
        KnownFailure::SshFailed,
        &[
            "exit status 255, please make sure the url is valid",
            "exit status 255, make sure the url is valid",
        ],
    ),
    (
        KnownFailure::DaemonUnreachable,
        &[
            "cannot connect to the docker daemon",
            "error during connect",
            "failed to connect to the docker api",
            "check if the server supports the requested api version",
        ],
    ),
    (KnownFailure::ContextMissing, &[": context not found"]),
    (KnownFailure::BuilderMissing, &["no builder \""]),
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
            "cache export feature is currently not supported for docker driver",
            "push-by-digest is currently not implemented for docker driver",
            "attestation is not supported for the docker driver",
        ],
    ),
    (KnownFailure::MissingManifestDigest, &["missing manifest digest"]),
    (
        KnownFailure::CrossInstallWithGobin,
        &["cannot install cross-compiled binaries when gobin is set"],
    ),
    (KnownFailure::EmulationMissing, &["exec format error"]),
    (
        KnownFailure::DiskFull,
        &["no space left on device", "disk quota exceeded"],
    ),
];

/// Rows that are looked for only when no command of the Dockerfile failed: a command's own words are its own. What is in
/// quotation marks does not count, since it is the name of something.
pub(super) const TRANSFER_SIGNS: &[Row] = &[
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
            ": unauthorized: ",
            "\nunauthorized: ",
            "authorization failed",
            // What was denied before a colon is access to a file.
            ": denied: ",
            "\ndenied: ",
            "pull access denied",
            "no basic auth credentials",
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
        ],
    ),
];

/// A command of the Dockerfile failed; the second is how docker 20.10 says it.
const COMMAND_FAILED: [&str; 2] = ["did not complete successfully", "executor failed running ["];

/// The Dockerfile has a mistake; what follows quotes it.
const PARSE_ERROR: &str = "dockerfile parse error";

/// How buildx names the start of a builder, where it says which step failed.
pub(crate) const BOOT_MARK: &str = "> [internal] booting buildkit";

/// What is said where an image cannot be fetched.
pub(super) const PULL_SIGNS: &[&str] = &[
    "failed to resolve reference",
    "manifest unknown",
    "pull access denied",
    "failed to do request",
    "toomanyrequests",
    // The daemon asked a registry, in the classic image store.
    "error response from daemon: get \"https://",
    // buildx does not look at what a pull says once it has begun, and misses its image afterwards.
    "no such image",
];

/// What passes of a line to a daemon by way of ssh.
pub(super) const LINE_SIGNS: &[&str] = &[
    "connection timed out",
    "operation timed out",
    "connection reset",
    "connection closed by",
    "connection refused",
    "network is unreachable",
    "no route to host",
    "temporary failure in name resolution",
    "not responding",
    "broken pipe",
    ": eof",
];

impl KnownFailure {
    /// Recognises a failure from what a program said.
    pub fn recognise(output: &str) -> Option<Self> {
        // A line that begins with a sign is one after a line.
        let said = format!("\n{}", output.to_lowercase());
        if Self::is_of_command(&said) {
            return Self::of_command(output);
        }
        if said.contains(PARSE_ERROR) {
            return None;
        }
        of_boot(&said)
            .or_else(|| of_line(&said))
            .or_else(|| of_help(&said))
            .or_else(|| find(SIGNS, &said))
            .or_else(|| of_context(&said))
            .or_else(|| of_status(&said))
            .or_else(|| find(TRANSFER_SIGNS, &unquoted(&said)))
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
}

/// Recognises a builder whose image cannot be fetched. One that does not start for another reason says it itself.
fn of_boot(said: &str) -> Option<KnownFailure> {
    let pulls = said.contains(BOOT_MARK) && PULL_SIGNS.iter().any(|sign| said.contains(sign));
    pulls.then_some(KnownFailure::BuilderImageMissing)
}

/// Recognises a line to a daemon that failed for the moment, and not for good.
fn of_line(said: &str) -> Option<KnownFailure> {
    let of_client = said.contains("error during connect") || said.contains("exit status 255");
    let passes = of_client && LINE_SIGNS.iter().any(|sign| said.contains(sign));
    passes.then_some(KnownFailure::Network)
}

/// Recognises docker that takes the flags of a plugin which it does not have for its own, and refers to its own help.
fn of_help(said: &str) -> Option<KnownFailure> {
    let missing = said.contains("unknown flag: --") && said.contains("'docker --help'");
    missing.then_some(KnownFailure::BuildxMissing)
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

/// Returns lines without what stands in quotation marks.
fn unquoted(said: &str) -> String {
    let line = |line: &str| -> String { line.replace(r#"\""#, "").split('"').step_by(2).collect() };
    said.split('\n').map(line).collect::<Vec<_>>().join("\n")
}
