//! What a run is asked for.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use lrops_model::platform::Platform;
use serde::{Deserialize, Serialize};

use crate::text;

/// All that a run needs to know. There is no default for any of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunSpec {
    /// The tree: the root of an [`crate::ActiveSnapshot`] or a [`crate::View`].
    #[serde(with = "text")]
    pub root: PathBuf,
    /// Whether the command may write to the tree.
    pub root_access: RootAccess,
    /// The program and its arguments. A program without `/` is looked for in the environment's `PATH`.
    #[serde(with = "text::list")]
    pub arguments: Vec<OsString>,
    /// The environment, all of it, in this order.
    pub environment: Vec<(String, String)>,
    /// Where the command starts: a directory that is there.
    #[serde(with = "text")]
    pub working_directory: PathBuf,
    /// Who runs it.
    pub user: UserSpec,
    /// What is mounted besides the usual. A shorter target is mounted before a longer one, whatever the order here.
    pub mounts: Vec<Mount>,
    /// What the command sees of the network.
    pub network: Network,
    /// How far the command is held back.
    pub security: Security,
    /// Whether programs may give the command more rights than it started with.
    pub new_privileges: NewPrivileges,
    /// The name of the machine that the command sees.
    pub host_name: String,
    /// Lines for `/etc/hosts` besides those of this machine.
    pub extra_hosts: Vec<ExtraHost>,
    /// A bundle of certificates that is shown at `/run/lrops/ca-certificates.crt`.
    #[serde(with = "optional_path")]
    pub host_ca: Option<PathBuf>,
    /// What runs programs of another platform, if that is allowed.
    pub emulator: Option<Emulator>,
    /// How large `/dev/shm` may grow.
    pub shared_memory_bytes: u64,
    /// What the command reads from its standard input; nothing when absent.
    pub input: Option<Vec<u8>>,
}

/// Whether the tree may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RootAccess {
    /// It may.
    ReadWrite,
    /// It may not. Mount points that it lacks cannot be made either.
    ReadOnly,
}

/// Numeric ids of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSpec {
    /// The user.
    pub uid: u32,
    /// The first group.
    pub gid: u32,
    /// All groups beside it.
    pub supplementary: Vec<u32>,
}

/// Something mounted into the tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mount {
    /// Where, as the command sees it. What is missing of the path is made, and removed afterwards.
    #[serde(with = "text")]
    pub target: PathBuf,
    /// What.
    pub kind: MountKind,
}

/// What is mounted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum MountKind {
    /// A directory or file of this machine; writes go through.
    BindReadWrite {
        /// The path outside.
        #[serde(with = "text")]
        source: PathBuf,
    },
    /// A directory or file of this machine, for reading.
    BindReadOnly {
        /// The path outside.
        #[serde(with = "text")]
        source: PathBuf,
    },
    /// An empty directory in memory.
    Tmpfs {
        /// How much it may hold; half of the machine's memory when absent.
        size_bytes: Option<u64>,
    },
    /// A file that is never on a disk.
    SecretFile {
        /// Its content.
        secret: Secret,
        /// Its permissions.
        mode: u32,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
    },
}

/// Bytes that no log and no error may show.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What the command sees of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// The machine's.
    Host,
    /// A loopback interface and nothing else.
    None,
}

/// How far the command is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Security {
    /// The capabilities, system calls and paths that containers usually have.
    Default,
    /// All capabilities and system calls, no path masked: `RUN --security=insecure`.
    Insecure,
}

/// Whether set-id programs and file capabilities work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NewPrivileges {
    /// They do, as in other builders.
    Allowed,
    /// They do not: `no_new_privs`.
    Refused,
}

/// A line for `/etc/hosts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
}

/// A program that runs those of another platform: QEMU's user emulation, statically linked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Emulator {
    /// The program on this machine; the tree needs no copy of it.
    #[serde(with = "text")]
    pub interpreter: PathBuf,
    /// The platform that it runs.
    pub platform: Platform,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with a code.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl Exit {
    /// Returns whether the command succeeded.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }

    /// Returns the code that a shell would give: 128 and the signal's number for a signal.
    pub fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Which of a command's outputs a chunk comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// An optional path in JSON.
mod optional_path {
    use std::ffi::OsString;
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub(super) fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_ref()
            .map(|path| crate::text::escape(path.as_os_str()))
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let name: Option<OsString> = text.and_then(|text| crate::text::unescape(&text));
        Ok(name.map(PathBuf::from))
    }
}
