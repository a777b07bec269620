//! Git's own programs, which have to end with it: the shell between `git submodule` and what it fetches with passes no
//! signal on, and a process group of their own would keep them from the terminal where they ask for passwords.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How often ending processes are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long git may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// How long the kernel may take to end what is not asked any more.
const KILL_GRACE: Duration = Duration::from_secs(1);

/// A process, told apart from a later one with its number by the time at which it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Process {
    id: i32,
    began: u64,
}

/// A process that has not ended, and the number of the one that started it.
#[derive(Debug, PartialEq, Eq)]
struct Running {
    process: Process,
    parent: i32,
}

/// Asks git to end, and what it started with it, and ends them when they do not.
pub(super) fn stop(child: &mut Child) {
    let mut family = BTreeSet::new();
    for (signal, grace) in [(Signal::TERM, GRACE), (Signal::KILL, KILL_GRACE)] {
        let mut told = BTreeSet::new();
        let begun = Instant::now();
        while begun.elapsed() < grace {
            // What a process starts before the signal reaches it is told in the next round.
            let living = living(&mut family, child.id());
            for process in living.difference(&told) {
                tell(*process, signal);
            }
            told.extend(&living);
            if living.is_empty() && !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Returns which of the family live, after those joined it whose parents are of it.
fn living(family: &mut BTreeSet<Process>, root: u32) -> BTreeSet<Process> {
    let running = running();
    // A number says nothing by itself: it goes to another process when its own has ended.
    let of_id: BTreeMap<i32, Process> = running.iter().map(|one| (one.process.id, one.process)).collect();
    let own = i32::try_from(std::process::id()).ok();
    loop {
        let size = family.len();
        for Running { process, parent } in &running {
            let is_root = u32::try_from(process.id) == Ok(root) && Some(*parent) == own;
            let is_child = of_id.get(parent).is_some_and(|parent| family.contains(parent));
            if is_root || is_child {
                family.insert(*process);
            }
        }
        if family.len() == size {
            break;
        }
    }
    let running: BTreeSet<Process> = running.iter().map(|one| one.process).collect();
    family.intersection(&running).copied().collect()
}

/// Returns all processes that have not ended.
fn running() -> Vec<Running> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = entries.filter_map(|entry| fs::read(entry.path().join("stat")).ok());
    // The kernel cuts names anywhere, also within a character.
    stats
        .filter_map(|stat| running_of(&String::from_utf8_lossy(&stat)))
        .collect()
}

/// Reads `/proc/PID/stat`, as `proc_pid_stat(5)` describes it: the second field is a name, and may hold anything.
fn running_of(stat: &str) -> Option<Running> {
    let (id, rest) = stat.split_once(" (")?;
    let mut fields = rest.rsplit_once(") ")?.1.split(' ');
    let has_ended = matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    let began = fields.nth(17)?.parse().ok()?;
    (!has_ended).then_some(Running {
        process: Process {
            id: id.parse().ok()?,
            began,
        },
        parent,
    })
}

fn tell(process: Process, signal: Signal) {
    if let Some(id) = Pid::from_raw(process.id) {
        // It may have ended meanwhile.
        let _ = kill_process(id, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let numbers = "0 0 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
        let stat = |name: &str, state: &str| format!("12 ({name}) {state} 7 1 1 {numbers}\n");
        let expected = Running {
            process: Process { id: 12, began: 777 },
            parent: 7,
        };
        for name in ["git", "a) R 3 (b", ""] {
            assert_eq!(running_of(&stat(name, "S")).as_ref(), Some(&expected), "{name}");
        }
        assert_eq!(running_of(&stat("git", "Z")), None);
        assert_eq!(running_of(""), None);
    }
}
