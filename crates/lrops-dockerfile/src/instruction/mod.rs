//! Typed instructions: what each statement means, before anything is expanded.
//!
//! Invariants:
//! - Reading does not fail. A statement without meaning becomes a finding and is left out; a `FROM` that cannot be read
//!   still opens its stage, so that what follows is not reported as standing outside one. So a [`Dockerfile`] beside a
//!   finding of severity error is what could be read, and is not to be built.
//! - Values that the reference expands stay as they were written, quotes included, each with its place.
//! - Messages are worded as `BuildKit` words them, since people search for them.

mod arg;
mod copy;
mod csv;
mod device;
mod dockerfile;
mod exec;
mod flags;
mod from;
mod go_values;
mod healthcheck;
mod kinds;
mod metadata;
mod mount;
mod mount_fields;
mod onbuild;
mod origin;
mod pairs;
mod run;
mod suggestion;
#[cfg(test)]
mod tests;

pub use arg::{Arg, ArgDefinition};
pub use copy::{Add, Copy, InlineFile, Source};
pub use device::Device;
pub use dockerfile::{Dockerfile, Stage};
pub use exec::{Cmd, CommandLine, Entrypoint, Shell};
pub use from::From;
pub use healthcheck::{Healthcheck, HealthcheckProbe, HealthcheckTest};
pub use kinds::Instruction;
pub use metadata::{Expose, Maintainer, StopSignal, User, Volume, Workdir};
pub use mount::{
    BindMount, CacheMount, CacheSharing, FileOwner, InvalidMount, Mount, ResolveMountError, SecretMount,
    SshMount, TmpfsMount,
};
pub use mount_fields::MountFlag;
pub use onbuild::{Onbuild, parse_trigger};
pub use origin::Origin;
pub use pairs::{Env, Label};
pub use run::{Network, Run, Security};
pub use suggestion::suggestion;
