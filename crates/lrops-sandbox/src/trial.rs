//! What the machine allows, found out by trying.
//!
//! The trying is done by this same program executed afresh, which enters the namespaces, mounts, and ends: who asks may
//! have threads, enters nothing, and survives whatever happens. Nothing is written to any disk. So the writing side of an
//! overlay is not mounted but judged, by the kind of file system and its attributes.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::mount::MountAttrFlags;
use serde::{Deserialize, Serialize};

use crate::enter::{EnterError, Mapping, NamespaceCause, enter};
use crate::{kernel, mounts, run};

/// The name under which the program is executed to try.
const CHILD_NAME: &str = "lrops-sandbox-trial";

/// What the machine allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Whether the namespaces can be entered.
    pub entry: Entry,
    /// Whether snapshots can be overlays.
    pub overlay: Attempt,
    /// Whether a sandbox can have a table of binary formats of its own.
    pub emulation: Attempt,
}

/// How entering the namespaces went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// They were entered.
    Entered(Mapping),
    /// They were not.
    Refused {
        /// What went wrong.
        message: String,
        /// What forbids it, where that is known.
        cause: Option<NamespaceCause>,
    },
}

/// How something that was tried went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attempt {
    /// It works.
    Works,
    /// It does not.
    Fails {
        /// What went wrong.
        message: String,
    },
    /// Something before it failed.
    Untried,
}

/// The trying itself failed.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The program could not be executed afresh.
    #[error("failed to start lrops afresh")]
    Start(#[source] io::Error),
    /// It ended without an answer.
    #[error("what lrops started to try what the machine allows ended without an answer ({status})")]
    Answer {
        /// How it ended.
        status: String,
    },
}

/// Tries what the machine allows, with a directory that is there for the disk that snapshots would be on.
///
/// The program must have called [`crate::run_if_child`] at the start of its `main`.
///
/// # Errors
/// When nothing could be tried.
pub fn attempt(directory: &Path) -> Result<Trial, TrialError> {
    let output = Command::new("/proc/self/exe")
        .arg0(CHILD_NAME)
        .arg(directory)
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(TrialError::Start)?;
    serde_json::from_slice(&output.stdout).map_err(|_| TrialError::Answer {
        status: output.status.to_string(),
    })
}

/// Tries, says how it went, and never returns, if the process was started for that; else returns at once.
pub(crate) fn run_if_child() {
    let mut words = std::env::args_os();
    if words
        .next()
        .is_none_or(|name| name.as_bytes() != CHILD_NAME.as_bytes())
    {
        return;
    }
    let directory = words.next().map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let answer = serde_json::to_vec(&tried(&directory)).expect("a trial is plain data");
    let mut output = io::stdout();
    let written = output.write_all(&answer).and_then(|()| output.flush());
    kernel::exit_now(i32::from(written.is_err()));
}

fn tried(directory: &Path) -> Trial {
    let mapping = match enter() {
        Ok(identity) => identity.mapping,
        Err(error) => {
            return Trial {
                entry: refused(&error),
                overlay: Attempt::Untried,
                emulation: Attempt::Untried,
            };
        }
    };
    Trial {
        entry: Entry::Entered(mapping),
        overlay: Attempt::of(try_overlay(directory)),
        // Last, since it enters further namespaces.
        emulation: Attempt::of(run::try_table()),
    }
}

fn refused(error: &EnterError) -> Entry {
    let cause = match error {
        EnterError::UserNamespace { cause, .. } => Some(*cause),
        _ => None,
    };
    let mut message = error.to_string();
    if let Some(source) = std::error::Error::source(error) {
        message = format!("{message}: {source}");
    }
    Entry::Refused { message, cause }
}

impl Attempt {
    fn of(result: io::Result<()>) -> Self {
        match result {
            Ok(()) => Self::Works,
            Err(error) => Self::Fails {
                message: error.to_string(),
            },
        }
    }
}

/// File systems that the kernel takes below an overlay but not as the one that it writes to, or that lack what it needs
/// then: those that other machines or programs may change, other overlays, and those that ignore case (`ovl_get_upper`
/// and `ovl_mount_dir` in the kernel's `fs/overlayfs`).
const UNFIT: &[(u32, &str)] = &[
    (0x794c_7630, "an overlay"),
    (0x6969, "NFS"),
    (0x6573_5546, "FUSE"),
    (0xfe53_4d42, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x4d44, "FAT"),
    (0x2011_bab0, "exFAT"),
];

/// Mounts an overlay over the directory's disk, for reading, and judges whether it could also be written to.
fn try_overlay(directory: &Path) -> io::Result<()> {
    let opened = File::open(directory)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a kind is a number of 32 bits in a wider place"
    )]
    let kind = rustix::fs::fstatfs(&opened)?.f_type as u32;
    if let Some((_, name)) = UNFIT.iter().find(|(magic, _)| kind == *magic) {
        let message = format!("the disk is {name}, which no overlay can write to");
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    let lower = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    // The kernel answers alike for an attribute that is not there, and otherwise where there can be none.
    xattr::get(&lower, "user.overlay.test")?;
    // The mount points are made in memory. This mount hides the directory from this process alone.
    let memory = mounts::new_file_system("tmpfs", &[], MountAttrFlags::empty())?;
    mounts::attach_at(&memory, directory)?;
    let (root, empty) = (directory.join("root"), directory.join("empty"));
    std::fs::create_dir(&root)?;
    std::fs::create_dir(&empty)?;
    mounts::mount_overlay(&root, &[empty, lower], None)
}
