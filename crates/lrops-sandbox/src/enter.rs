//! Entering the namespaces that the whole program works in.
//!
//! As root that is a mount namespace. An ordinary user gets a user namespace as well, in which the program is root:
//! with the user's subordinate ids (`subuid(5)`, `newuidmap(1)`) when there are any, else with the user's own id alone.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::{Pid, getgid, getuid};
use rustix::thread::{CapabilitySet, Gid, Uid, UnshareFlags, capabilities};
use serde::{Deserialize, Serialize};

use crate::kernel;
use crate::user_namespace::{self, IdRange, Refusal};

/// Who the program is after [`enter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user outside, whose files the program reads and writes.
    pub uid: u32,
    /// The group outside.
    pub gid: u32,
    /// Which ids exist inside.
    pub mapping: Mapping,
}

/// Which user and group ids exist in the namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mapping {
    /// All: the program is root and in no user namespace of its own.
    Root,
    /// 0 is the user, and the following ids are subordinate.
    Subordinate {
        /// How many user ids exist.
        uids: u32,
        /// How many group ids exist.
        gids: u32,
    },
    /// Only 0 exists, and is the user: `chown` to any other id fails.
    Single {
        /// Why there are no more.
        reason: SingleReason,
    },
}

/// Why an ordinary user has one id only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SingleReason {
    /// `/etc/subuid` or `/etc/subgid` gives the user no range.
    NoSubordinateIds,
    /// `newuidmap` and `newgidmap` are not installed (Debian's package `uidmap`).
    NoTools,
    /// The tools refused, or the container that the program runs in did.
    Refused {
        /// What was said.
        message: String,
    },
}

impl std::fmt::Display for SingleReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSubordinateIds => f.write_str("/etc/subuid and /etc/subgid give this user no ids"),
            Self::NoTools => {
                f.write_str("newuidmap and newgidmap are not installed (Debian: apt install uidmap)")
            }
            Self::Refused { message } => write!(f, "mapping more ids was refused: {message}"),
        }
    }
}

/// A namespace that could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The program has threads already.
    #[error("the namespaces must be entered before the program starts any thread")]
    Threads,
    /// The kernel gives no user namespace.
    #[error("this machine lets no ordinary user make a user namespace: {cause}")]
    UserNamespace {
        /// What forbids it, and the cure.
        cause: NamespaceCause,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The user namespace is there, but the ids could not be mapped.
    #[error("failed to map the user's ids into the user namespace")]
    Map(#[source] io::Error),
    /// The kernel gives no mount namespace.
    #[error("failed to make a mount namespace")]
    MountNamespace(#[source] io::Error),
    /// Something needed before could not be read.
    #[error("failed to read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What forbids user namespaces, and the cure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum NamespaceCause {
    /// Debian's switch.
    #[error(
        "kernel.unprivileged_userns_clone is 0; allow it with: sysctl -w kernel.unprivileged_userns_clone=1"
    )]
    Sysctl,
    /// Ubuntu's switch: namespaces can be made, but have no capabilities.
    #[error(
        "AppArmor restricts it; allow it for this program with an AppArmor profile that says `userns,`, or for all \
         with: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    )]
    AppArmor,
    /// The limit of namespaces is 0 or used up.
    #[error("user.max_user_namespaces is reached; raise it with: sysctl -w user.max_user_namespaces=10000")]
    Limit,
    /// Most likely the seccomp profile of a container.
    #[error(
        "a container's security profile seems to forbid it; run the container with --security-opt seccomp=unconfined, \
         or with --privileged"
    )]
    Container,
    /// The kernel was built without them.
    #[error("the kernel has no user namespaces (CONFIG_USER_NS)")]
    Missing,
}

/// Moves the whole program into its own namespaces. To be called at the start of `main`, before any thread.
///
/// # Errors
/// When the program has threads, or the machine forbids the namespaces.
pub fn enter() -> Result<Identity, EnterError> {
    let read = |path: &str, source| EnterError::Read {
        path: path.into(),
        source,
    };
    if !kernel::is_single_threaded().map_err(|source| read("/proc/self/task", source))? {
        return Err(EnterError::Threads);
    }
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    let mapping = if may_mount() {
        kernel::unshare(UnshareFlags::NEWNS).map_err(EnterError::MountNamespace)?;
        Mapping::Root
    } else {
        let mapping = enter_user_namespace(uid, gid)?;
        become_root().map_err(EnterError::Map)?;
        mapping
    };
    separate_mounts(&mapping)?;
    Ok(Identity { uid, gid, mapping })
}

/// Whether this process may mount in a namespace that it makes without a user namespace.
fn may_mount() -> bool {
    getuid().is_root()
        && capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN))
}

fn enter_user_namespace(uid: u32, gid: u32) -> Result<Mapping, EnterError> {
    let plan = plan(uid, gid)?;
    let also = UnshareFlags::NEWNS;
    let refused = |source: io::Error| EnterError::UserNamespace {
        cause: namespace_cause(&source),
        source,
    };
    let (mapped, mapping) = match plan {
        Plan::Single(reason) => {
            kernel::unshare(UnshareFlags::NEWUSER | also).map_err(refused)?;
            (Err(Refusal(String::new())), Mapping::Single { reason })
        }
        Plan::Tools { uids, gids } => {
            let mapping = subordinate(&uids, &gids);
            let map = |target| run_tools(target, &uids, &gids);
            (
                user_namespace::unshare_mapped(also, map).map_err(refused)?,
                mapping,
            )
        }
        Plan::Direct { uids, gids } => {
            let mapping = subordinate(&uids, &gids);
            let map = |target| user_namespace::write_maps(target, &uids, &gids);
            (
                user_namespace::unshare_mapped(also, map).map_err(refused)?,
                mapping,
            )
        }
    };
    let Err(Refusal(message)) = mapped else {
        return Ok(mapping);
    };
    user_namespace::write_single_map(uid, gid).map_err(EnterError::Map)?;
    Ok(match mapping {
        Mapping::Single { .. } => mapping,
        _ => Mapping::Single {
            reason: SingleReason::Refused { message },
        },
    })
}

/// How the ids shall be mapped.
enum Plan {
    Single(SingleReason),
    Tools { uids: Vec<IdRange>, gids: Vec<IdRange> },
    Direct { uids: Vec<IdRange>, gids: Vec<IdRange> },
}

fn plan(uid: u32, gid: u32) -> Result<Plan, EnterError> {
    if uid == 0 {
        // Root in a container without CAP_SYS_ADMIN: it may still map the ids that it has.
        let ranges = |name: &str| {
            user_namespace::identity_ranges(name).map_err(|source| EnterError::Read {
                path: Path::new("/proc/self").join(name),
                source,
            })
        };
        return Ok(Plan::Direct {
            uids: ranges("uid_map")?,
            gids: ranges("gid_map")?,
        });
    }
    let names = [uid.to_string(), user_name(uid).unwrap_or_default()];
    let (uids, gids) = (
        subordinate_ids("/etc/subuid", uid, &names)?,
        subordinate_ids("/etc/subgid", gid, &names)?,
    );
    Ok(if uids.len() < 2 || gids.len() < 2 {
        Plan::Single(SingleReason::NoSubordinateIds)
    } else if tool("newuidmap").is_none() || tool("newgidmap").is_none() {
        Plan::Single(SingleReason::NoTools)
    } else {
        Plan::Tools { uids, gids }
    })
}

fn subordinate(uids: &[IdRange], gids: &[IdRange]) -> Mapping {
    let count = |ranges: &[IdRange]| {
        ranges
            .iter()
            .fold(0u32, |sum, range| sum.saturating_add(range.count))
    };
    Mapping::Subordinate {
        uids: count(uids),
        gids: count(gids),
    }
}

/// The user's name, from the machine's own list. Users of a directory service are found by id only.
fn user_name(uid: u32) -> Option<String> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// The user's own id as 0, then the ranges that the file gives (`NAME:START:COUNT`), one after the other.
fn subordinate_ids(path: &str, own: u32, names: &[String; 2]) -> Result<Vec<IdRange>, EnterError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(parse_subordinate_ids(&text, own, names)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(EnterError::Read {
            path: path.into(),
            source,
        }),
    }
}

fn parse_subordinate_ids(text: &str, own: u32, names: &[String; 2]) -> Vec<IdRange> {
    let mut ranges = vec![IdRange {
        inside: 0,
        outside: own,
        count: 1,
    }];
    let mut inside = 1u32;
    for line in text.lines() {
        let mut fields = line.trim().split(':');
        let (Some(name), Some(start), Some(count)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let (Ok(outside), Ok(count)) = (start.parse(), count.parse::<u32>()) else {
            continue;
        };
        let known = !name.is_empty() && names.iter().any(|own_name| own_name == name);
        let Some(next) = inside.checked_add(count).filter(|_| known && count > 0) else {
            continue;
        };
        ranges.push(IdRange {
            inside,
            outside,
            count,
        });
        inside = next;
    }
    ranges
}

/// Where a tool is: only places that root writes to, since it runs with the user's trust.
fn tool(name: &str) -> Option<PathBuf> {
    let places = [
        "/usr/bin",
        "/bin",
        "/usr/local/bin",
        "/usr/sbin",
        "/sbin",
        "/run/wrappers/bin",
    ];
    places
        .iter()
        .map(|place| Path::new(place).join(name))
        .find(|path| path.exists())
}

fn run_tools(target: Pid, uids: &[IdRange], gids: &[IdRange]) -> Result<(), String> {
    for (name, ranges) in [("newuidmap", uids), ("newgidmap", gids)] {
        let path = tool(name).ok_or_else(|| format!("{name} is gone"))?;
        let numbers = ranges
            .iter()
            .flat_map(|range| [range.inside, range.outside, range.count]);
        let output = Command::new(path)
            .arg(target.as_raw_nonzero().to_string())
            .args(numbers.map(|number| number.to_string()))
            .output()
            .map_err(|error| format!("{name}: {error}"))?;
        if !output.status.success() {
            return Err(format!(
                "{name}: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ));
        }
    }
    Ok(())
}

/// Takes the id 0 that now exists. Without it, files made would have the owner that the map gives this process: the
/// same; but children and `access(2)` look at the real id.
fn become_root() -> io::Result<()> {
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    Ok(())
}

/// Mounts made from here on stay here; those that the machine makes or takes away later are followed.
fn separate_mounts(mapping: &Mapping) -> Result<(), EnterError> {
    let flags = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", flags).map_err(|source| {
        let source = io::Error::from(source);
        match mapping {
            Mapping::Root => EnterError::MountNamespace(source),
            _ => EnterError::UserNamespace {
                cause: namespace_cause(&source),
                source,
            },
        }
    })
}

fn namespace_cause(error: &io::Error) -> NamespaceCause {
    let is = |path: &str, value: &str| std::fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EUSERS) => NamespaceCause::Limit,
        Some(libc::EINVAL | libc::ENOSYS) => NamespaceCause::Missing,
        _ if is("/proc/sys/kernel/unprivileged_userns_clone", "0") => NamespaceCause::Sysctl,
        _ if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") => NamespaceCause::AppArmor,
        _ if is("/proc/sys/user/max_user_namespaces", "0") => NamespaceCause::Limit,
        _ => NamespaceCause::Container,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(u32, u32, u32)]) {
        let names = ["1000".to_owned(), "ada".to_owned()];
        let ranges = parse_subordinate_ids(text, 1000, &names);
        let found: Vec<_> = ranges
            .iter()
            .map(|range| (range.inside, range.outside, range.count))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn ranges_are_found_by_name_and_by_id_and_follow_one_another() {
        check(
            "bob:1:2\nada:100000:65536\n1000:300000:10\n",
            &[(0, 1000, 1), (1, 100_000, 65536), (65537, 300_000, 10)],
        );
    }

    #[test]
    fn lines_that_mean_nothing_are_passed_over() {
        check("# ada:1:1\nada\nada:x:1\nada:5:0\n:5:5\n\n", &[(0, 1000, 1)]);
        check("ada:5:4294967295\n", &[(0, 1000, 1)]);
    }
}
