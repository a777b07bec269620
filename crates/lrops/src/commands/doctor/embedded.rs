//! What the embedded engine needs of the machine.

use std::fs;
use std::path::{Path, PathBuf};

use lrops_engine::emulator;
use lrops_model::platform::Platform;
use lrops_model::request::EmulationPolicy;
use lrops_sandbox::trial::{Attempt, Entry, Trial, attempt};
use lrops_sandbox::{Mapping, NamespaceCause, SingleReason};
use lrops_store::store::Store;

use super::disk::existing;
use super::emulation::{Emulated, foreign_programs};
use super::finding::{Check, Remedy, State};
use crate::failure::one_line;

/// The oldest kernel that has the calls that the sandbox is made with.
const KERNEL_OLDEST: (u32, u32) = (5, 12);
/// The oldest kernel with a table of binary formats for each user namespace.
pub(super) const KERNEL_OF_EMULATION: (u32, u32) = (6, 7);

/// What forbids or limits user namespaces, where the kernel has it.
const SWITCHES: [(&str, &str); 3] = [
    ("user.max_user_namespaces", "/proc/sys/user/max_user_namespaces"),
    (
        "kernel.unprivileged_userns_clone",
        "/proc/sys/kernel/unprivileged_userns_clone",
    ),
    (
        "kernel.apparmor_restrict_unprivileged_userns",
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    ),
];

/// What is known of the machine.
#[derive(Clone, Debug)]
pub(super) struct MachineFacts {
    /// The kernel's release, such as `6.18.2-amd64`.
    pub(super) kernel: String,
    /// What was tried, or why nothing could be.
    pub(super) trial: Result<Trial, String>,
    /// The switches that the kernel has, with their values.
    pub(super) switches: Vec<(&'static str, String)>,
    /// Where the store is.
    pub(super) store: PathBuf,
    /// What the work would emulate.
    pub(super) emulated: Emulated,
}

/// What the work would emulate, and what happens then.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The platforms, when there is a Dockerfile.
    pub(super) platforms: Option<Vec<Platform>>,
    /// What happens to programs of foreign platforms.
    pub(super) policy: EmulationPolicy,
    /// Where emulators are looked for.
    pub(super) emulators: Vec<PathBuf>,
}

impl MachineFacts {
    /// Looks at the machine, and tries what it allows.
    pub(super) fn gather(store: &Path, wanted: Wanted) -> Self {
        let switch = |(name, path): &(&'static str, &str)| {
            let value = fs::read_to_string(path).ok()?;
            Some((*name, value.trim().to_owned()))
        };
        let mut trial = attempt(&existing(store)).map_err(|error| one_line(&error));
        if let Ok(trial) = &mut trial
            && Store::look(store).is_err()
        {
            trial.overlay = Attempt::Untried;
        }
        let table = trial.as_ref().map_or(&Attempt::Untried, |trial| &trial.emulation);
        let with_means = |platform: Platform| {
            let means = emulator::means(&platform, &wanted.emulators, table);
            (platform, means)
        };
        let platforms = wanted
            .platforms
            .map(|platforms| platforms.into_iter().map(with_means).collect());
        Self {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            trial,
            switches: SWITCHES.iter().filter_map(switch).collect(),
            store: store.to_owned(),
            emulated: Emulated {
                platforms,
                policy: wanted.policy,
            },
        }
    }
}

/// Judges the machine.
pub(super) fn judge(facts: &MachineFacts) -> Vec<Check> {
    let mut checks = vec![kernel(&facts.kernel)];
    match &facts.trial {
        Ok(trial) => {
            checks.push(namespaces(trial, &facts.switches));
            checks.push(subordinate_ids(&trial.entry));
            checks.push(overlay(&trial.overlay, &facts.store));
            checks.push(foreign_programs(&facts.emulated, &facts.kernel));
        }
        Err(problem) => checks.push(Check::ill(
            State::Broken,
            "user namespaces",
            problem.as_str(),
            Remedy::new(
                "user-namespaces",
                "lrops could not start itself to try what the machine allows",
            )
            .cure("see that /proc is mounted and that this user may start processes: ulimit -u"),
        )),
    }
    checks
}

/// Returns the first two numbers of a release.
pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn kernel(release: &str) -> Check {
    let found = format!("Linux {release}");
    if version(release).is_none_or(|version| version >= KERNEL_OLDEST) {
        return Check::ok("kernel", found);
    }
    let (major, minor) = KERNEL_OLDEST;
    Check::ill(
        State::Broken,
        "kernel",
        found,
        Remedy::new(
            "kernel",
            format!("the sandbox needs Linux {major}.{minor} or newer"),
        )
        .cure("boot a newer kernel, or build elsewhere: --engine buildx"),
    )
}

fn namespaces(trial: &Trial, switches: &[(&str, String)]) -> Check {
    let (message, cause) = match &trial.entry {
        Entry::Entered(Mapping::Root) => {
            return Check::ok("user namespaces", "root, who needs none to mount");
        }
        Entry::Entered(_) => return Check::ok("user namespaces", "this user may make one"),
        Entry::Refused { message, cause } => (message, cause),
    };
    let mut found = "refused".to_owned();
    if !switches.is_empty() {
        let pairs: Vec<String> = switches
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        found = format!("refused; {}", pairs.join(", "));
    }
    let remedy = match cause {
        Some(cause) => forbidden(*cause),
        None => Remedy::new("user-namespaces", message.as_str()),
    };
    let remedy = remedy
        .cure("run lrops as root, which needs no user namespace")
        .cure("or build where a docker daemon runs: --engine buildx");
    Check::ill(State::Broken, "user namespaces", found, remedy)
}

/// The sandbox words a cause and its cure in one sentence.
fn forbidden(cause: NamespaceCause) -> Remedy {
    let words = cause.to_string();
    match words.split_once("; ") {
        Some((cause, cure)) => Remedy::new("user-namespaces", cause).cure(cure),
        None => Remedy::new("user-namespaces", words),
    }
}

fn subordinate_ids(entry: &Entry) -> Check {
    const NAME: &str = "subordinate ids";
    let reason = match entry {
        Entry::Entered(Mapping::Root) => return Check::not_needed(NAME, "root has all ids"),
        Entry::Entered(Mapping::Subordinate { uids, gids }) => {
            return Check::ok(NAME, format!("{uids} users and {gids} groups"));
        }
        Entry::Refused { .. } => return Check::not_needed(NAME, "not tried: user namespaces come first"),
        Entry::Entered(Mapping::Single { reason }) => reason,
    };
    let cure = match reason {
        SingleReason::NoSubordinateIds => {
            "give this user some: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"
        }
        SingleReason::NoTools => "install newuidmap and newgidmap: sudo apt install uidmap",
        SingleReason::Refused { .. } => {
            "see that /usr/bin/newuidmap and newgidmap are set-user-id root, and that no container forbids them"
        }
    };
    let remedy = Remedy::new("subordinate-ids", reason.to_string())
        .cure(cure)
        .cure("or leave it so, where no RUN changes owners and none runs as another user than root");
    Check::ill(State::Warning, NAME, "one id only: the user's own", remedy)
}

fn overlay(attempt: &Attempt, store: &Path) -> Check {
    match attempt {
        Attempt::Works => Check::ok("overlay", "snapshots on the store's disk can be overlays"),
        Attempt::Untried => Check::not_needed("overlay", "not tried: user namespaces and a store come first"),
        Attempt::Fails { message } => Check::ill(
            State::Warning,
            "overlay",
            "none can be mounted: each step begins with a copy of its whole tree",
            Remedy::new("overlay", message.as_str()).cure(format!(
                "have the store on a local disk such as ext4, xfs or btrfs instead of {}: --store DIR, or LROPS_ROOT=DIR",
                store.display()
            )),
        ),
    }
}
