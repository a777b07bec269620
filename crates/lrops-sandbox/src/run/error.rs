//! What can go wrong with a run.

use std::fmt;
use std::io;
use std::path::PathBuf;

use lrops_model::cancel::Cancelled;
use lrops_model::platform::Platform;
use serde::{Deserialize, Serialize};

/// A run that gave no exit.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Someone asked to stop; everything was killed.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The command is there in name only.
    #[error("failed to start {program}", program = program.display())]
    Command {
        /// What was to be run.
        program: PathBuf,
        /// Why not.
        source: CommandError,
    },
    /// The sandbox could not be made.
    #[error("the sandbox failed to {step}")]
    Step {
        /// The step that failed.
        step: Step,
        /// Why.
        source: io::Error,
    },
    /// A mount point could not be made in the tree, or not be removed again.
    #[error("failed to {action} the mount point {target}", target = target.display())]
    MountPoint {
        /// `make` or `remove`.
        action: &'static str,
        /// Where, as the command sees it.
        target: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program could not be executed again as the sandbox's child.
    #[error("failed to start the sandbox's process")]
    Start(#[source] io::Error),
    /// The sandbox's own process ended without a word: killed by someone, or out of memory.
    #[error("the sandbox's process ended unexpectedly ({status}); the machine may be out of memory")]
    Vanished {
        /// How it ended.
        status: String,
    },
}

/// Why a command could not be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum CommandError {
    /// No arguments were given.
    #[error("no command was given")]
    Empty,
    /// No directory of `PATH` has it.
    #[error("there is no such program in PATH ({path})")]
    NotInPath {
        /// The value of `PATH`.
        path: String,
    },
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// The file is there, and is not executable for this user, or is a directory.
    #[error("it is not executable for user {uid}")]
    PermissionDenied {
        /// The user.
        uid: u32,
    },
    /// The file is no program that this machine runs.
    #[error("it is a program for {platform}, which this machine runs only by emulation")]
    ForeignPlatform {
        /// The platform that it is for.
        platform: Platform,
    },
    /// The file is no program, and says no interpreter.
    #[error("it is neither a program nor a script whose first line begins with #!")]
    NoProgram,
    /// The interpreter of a script, or the loader of a program, is not there.
    #[error("it needs {interpreter}, which is not there")]
    MissingInterpreter {
        /// What the file asks for.
        interpreter: String,
    },
    /// The kernel refused for another reason.
    #[error("{message}")]
    Other {
        /// What the kernel answered.
        message: String,
    },
}

/// The steps of making a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Reading the request.
    ReadRequest,
    /// Tying the process to its parent.
    FollowParent,
    /// Making the user namespace that emulation needs.
    UserNamespace,
    /// Making the other namespaces.
    Namespaces,
    /// Starting a process.
    Fork,
    /// Bringing the loopback interface up.
    Loopback,
    /// Registering the emulator.
    Emulation,
    /// Mounting the tree.
    Root,
    /// Mounting something at a path.
    Mount {
        /// The path as the command sees it.
        target: String,
    },
    /// Hiding a path of `/proc` or `/sys`.
    Mask {
        /// The path.
        target: String,
    },
    /// Making the tree the root.
    Pivot,
    /// Naming the machine.
    HostName,
    /// Giving the command its standard input.
    Input,
    /// Going to the working directory.
    WorkingDirectory {
        /// The path.
        path: String,
    },
    /// Giving up capabilities.
    Capabilities,
    /// Limiting the system calls.
    SystemCalls,
    /// Becoming the user.
    User {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
    /// Waiting for the command.
    Wait,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadRequest => f.write_str("read its request"),
            Self::FollowParent => f.write_str("tie its process to its parent"),
            Self::UserNamespace => f.write_str("make a user namespace for the emulation"),
            Self::Namespaces => f.write_str("make its namespaces"),
            Self::Fork => f.write_str("start a process"),
            Self::Loopback => f.write_str("bring up the loopback interface"),
            Self::Emulation => f.write_str("register the emulator"),
            Self::Root => f.write_str("mount the root file system"),
            Self::Mount { target } => write!(f, "mount {target}"),
            Self::Mask { target } => write!(f, "mask {target}"),
            Self::Pivot => f.write_str("change the root"),
            Self::HostName => f.write_str("set the host name"),
            Self::Input => f.write_str("open the standard input"),
            Self::WorkingDirectory { path } => write!(f, "change to the working directory {path}"),
            Self::Capabilities => f.write_str("give up capabilities"),
            Self::SystemCalls => f.write_str("limit the system calls"),
            Self::User { uid, gid } => write!(f, "become user {uid}:{gid}"),
            Self::Wait => f.write_str("wait for the command"),
        }
    }
}
