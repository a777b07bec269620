//! Running one command in a tree, apart from the machine.
//!
//! Three processes stand behind a [`run`]: the *supervisor's child*, this same program executed afresh (so that it has
//! one thread and may fork), which makes the namespaces; the *init*, process 1 inside, which builds the file system and
//! then collects what ends; and the command. Each dies with the one before it, and with the init all that the command
//! left behind. The supervisor and the others talk through one socket pair: the [`RunSpec`] goes in, one
//! [`message::Report`] comes out, and when the supervisor closes its end all is killed.

mod capabilities;
mod command;
mod devices;
mod emulation;
mod error;
mod file_system;
mod init;
mod message;
mod mount_points;
mod seccomp;
mod spec;
mod supervisor;

pub(crate) use emulation::try_table;
pub use emulation::{is_known, is_static, machine_emulates};
pub use error::{CommandError, RunError, Step};
pub use init::run_if_child;
pub use spec::{
    Emulator, Exit, ExtraHost, Mount, MountKind, Network, NewPrivileges, RootAccess, RunSpec, Secret,
    Security, Stream, UserSpec,
};
pub use supervisor::run;
