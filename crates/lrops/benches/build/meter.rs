//! Time, processor and memory of everything that runs for a program, its daemon included.
//!
//! The processor's time of a daemon is, over all living processes that descend from it, what each has used and what
//! its ended children had used when they were waited for: after minus before. Of commands it is what this process'
//! ended children have used. The kernel shows both in hundredths of a second. Memory is looked at again and again: the
//! largest sum over all processes of what is resident and belongs to no file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest time between two looks. At first they come faster, for programs that end soon.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a program took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// From start to end.
    pub(crate) wall: Duration,
    /// Of all processes, user and system.
    pub(crate) processor: Duration,
    /// The largest sum.
    pub(crate) memory_kib: u64,
}

/// A measurement that runs.
pub(crate) struct Meter {
    daemon: Option<u32>,
    started: Instant,
    ticks: u64,
    stop: Arc<AtomicBool>,
    looking: JoinHandle<u64>,
}

impl Meter {
    /// Starts; what this process starts from now on counts, and so does the daemon.
    pub(crate) fn start(daemon: Option<u32>) -> Self {
        let own = std::process::id();
        let mut others: BTreeSet<u32> = Processes::read().children(own).into_iter().collect();
        others.extend([own]);
        if let Some(daemon) = daemon {
            others.remove(&daemon);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let ticks = ticks(daemon);
        let started = Instant::now();
        let looking = std::thread::spawn(move || {
            let mut peak = 0;
            while !stopped.load(Ordering::SeqCst) {
                let processes = Processes::read();
                let memory = processes.below(own, &others).into_iter().map(memory_of).sum();
                peak = peak.max(memory);
                std::thread::sleep((started.elapsed() / 20).clamp(Duration::from_millis(2), LOOK_EVERY));
            }
            peak
        });
        Self {
            daemon,
            started,
            ticks,
            stop,
            looking,
        }
    }

    /// Ends; whatever was started has been waited for.
    pub(crate) fn stop(self) -> Figures {
        let wall = self.started.elapsed();
        self.stop.store(true, Ordering::SeqCst);
        let memory_kib = self.looking.join().expect("looking does not fail");
        let processor = Duration::from_millis(10 * (ticks(self.daemon).saturating_sub(self.ticks)));
        Figures {
            wall,
            processor,
            memory_kib,
        }
    }
}

/// Returns what ended children of this process have used, and all processes of a daemon.
fn ticks(daemon: Option<u32>) -> u64 {
    let processes = Processes::read();
    let own = processes
        .0
        .get(&std::process::id())
        .map_or(0, |process| process.ended_ticks);
    let of_daemon = daemon.map_or(0, |daemon| {
        let all = processes.below(daemon, &BTreeSet::new());
        let ticks = |number| {
            processes
                .0
                .get(&number)
                .map_or(0, |process: &Process| process.ticks + process.ended_ticks)
        };
        all.into_iter().map(ticks).sum()
    });
    own + of_daemon
}

struct Process {
    parent: u32,
    ticks: u64,
    ended_ticks: u64,
}

/// The machine's processes at one moment.
struct Processes(BTreeMap<u32, Process>);

impl Processes {
    fn read() -> Self {
        let entries = fs::read_dir("/proc").expect("/proc is mounted");
        let read = |entry: fs::DirEntry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let text = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name may hold anything, also parentheses.
            let fields: Vec<&str> = text.rsplit(") ").next()?.split(' ').collect();
            let number_at = |index: usize| fields.get(index)?.parse::<u64>().ok();
            let process = Process {
                parent: fields.get(1)?.parse().ok()?,
                ticks: number_at(11)? + number_at(12)?,
                ended_ticks: number_at(13)? + number_at(14)?,
            };
            Some((number, process))
        };
        Self(entries.flatten().filter_map(read).collect())
    }

    fn children(&self, parent: u32) -> Vec<u32> {
        let children = self.0.iter().filter(|(_, process)| process.parent == parent);
        children.map(|(number, _)| *number).collect()
    }

    /// Returns a process and all that descend from it, without those in `but` and, except for the first, theirs.
    fn below(&self, top: u32, but: &BTreeSet<u32>) -> Vec<u32> {
        let mut found = vec![top];
        let mut next = 0;
        while let Some(&number) = found.get(next) {
            next += 1;
            let children = self.children(number).into_iter();
            found.extend(children.filter(|child| !but.contains(child)));
        }
        found.retain(|number| !but.contains(number));
        found
    }
}

fn memory_of(number: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default();
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
            .unwrap_or(0)
    };
    of("RssAnon:") + of("RssShmem:")
}

/// Returns the bytes of the disk that a directory takes, files with several names once, and without those that also
/// have a name in one of the others.
pub(crate) fn disk_usage(directory: &Path, others: &[&Path]) -> u64 {
    let mut seen = BTreeSet::new();
    for other in others {
        count(other, &mut seen);
    }
    count(directory, &mut seen)
}

/// Returns the bytes of the files that were not seen yet.
fn count(directory: &Path, seen: &mut BTreeSet<(u64, u64)>) -> u64 {
    let mut waiting = vec![directory.to_owned()];
    let mut bytes = 0;
    while let Some(path) = waiting.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if !seen.insert((metadata.dev(), metadata.ino())) {
            continue;
        }
        bytes += metadata.blocks() * 512;
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            waiting.extend(entries.map(|entry| entry.path()));
        }
    }
    bytes
}
