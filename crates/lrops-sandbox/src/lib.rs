//! The kernel: snapshots, isolated processes, user namespaces.
//!
//! [`enter`] moves the whole program into a mount namespace of its own (and, for an ordinary user, a user namespace),
//! so that everything below can mount without privilege and nothing it mounts is seen outside or outlives it.
//! [`Snapshotter`] keeps file trees; [`run`] starts one command in one of them.
//!
//! Invariants: this is the only crate with `unsafe`, and all of it is in one module · no process is forked from a
//! process with threads · a tree that was committed is never written again · what the sandbox itself puts into a tree
//! (mount points) is gone when the command has ended · overlay's own markers never leave this crate.
//!
//! The calling program has two duties, both at the start of `main` and before any thread: [`run_if_child`], then
//! [`enter`].

mod enter;
mod inside;
mod kernel;
mod mounts;
mod run;
mod snapshot;
mod text;
pub mod trial;
mod user_namespace;
pub mod users;

pub use enter::{EnterError, Identity, Mapping, NamespaceCause, SingleReason, enter};
pub use run::{
    CommandError, Emulator, Exit, ExtraHost, Mount, MountKind, Network, NewPrivileges, RootAccess, RunError,
    RunSpec, Secret, Security, Step, Stream, UserSpec, is_known, is_static, machine_emulates, run,
    run_if_child,
};
pub use snapshot::{
    ActiveSnapshot, Changes, CopySnapshotter, OverlaySnapshotter, ParseSnapshotIdError, SnapshotError,
    SnapshotId, Snapshotter, View, Whiteouts,
};
