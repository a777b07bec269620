//! The store: whether it can be opened, and whether its disk has room.

use std::path::{Path, PathBuf};

use lrops_buildx::KnownFailure;
use lrops_store::store::Store;

use super::finding::{Check, Remedy, State};
use crate::amounts;
use crate::failure::one_line;

/// A small image needs less; a build with tool chains needs as much.
const BYTES_ENOUGH: u64 = 5 << 30;
/// With less, most builds fail before their first layer.
const BYTES_MIN: u64 = 1 << 30;
/// Tool chains and dependencies of a web interface come with this many files.
const FILES_ENOUGH: u64 = 200_000;
/// A single small base has some thousand files.
const FILES_MIN: u64 = 10_000;

/// What is known of the store and its disk.
#[derive(Clone, Debug)]
pub(super) struct StoreFacts {
    /// Its directory.
    pub(super) root: PathBuf,
    /// Whether it is there and can be written, or else could be made; or why not.
    pub(super) sight: Result<Sight, String>,
    /// The room on its disk, or why it is not known.
    pub(super) room: Result<Room, String>,
}

/// Whether there is a store already.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sight {
    There,
    WouldBeMade,
}

/// The room that a disk has for this user.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) bytes_free: u64,
    pub(super) bytes: u64,
    pub(super) files_free: u64,
    /// 0 where the file system does not limit them.
    pub(super) files: u64,
}

impl StoreFacts {
    /// Looks at a store, or at where it would be made.
    pub(super) fn gather(root: &Path) -> Self {
        let sight = Store::look(root).map(|sight| {
            if sight.is_there {
                Sight::There
            } else {
                Sight::WouldBeMade
            }
        });
        Self {
            room: Room::of(&existing(root)),
            sight: sight.map_err(|error| one_line(&error)),
            root: root.to_owned(),
        }
    }
}

impl Room {
    fn of(directory: &Path) -> Result<Self, String> {
        let status = rustix::fs::statvfs(directory).map_err(|error| error.to_string())?;
        Ok(Self {
            bytes_free: status.f_bavail.saturating_mul(status.f_frsize),
            bytes: status.f_blocks.saturating_mul(status.f_frsize),
            files_free: status.f_favail,
            files: status.f_files,
        })
    }
}

/// Returns the nearest directory, from a path upward, that is there.
pub(super) fn existing(path: &Path) -> PathBuf {
    let found = path.ancestors().find(|path| path.is_dir());
    found.unwrap_or(Path::new("/")).to_owned()
}

/// Judges the store and its disk.
pub(super) fn judge(facts: &StoreFacts) -> Vec<Check> {
    let root = facts.root.display();
    let store = match &facts.sight {
        Ok(Sight::There) => Check::ok("store", format!("{root}")),
        Ok(Sight::WouldBeMade) => Check::ok("store", format!("{root}, which the first build makes")),
        Err(problem) => Check::ill(
            State::Broken,
            "store",
            problem.as_str(),
            Remedy::new("store", format!("there can be no store at {root}"))
                .cure("name a directory that this user may write to: --store DIR, or LROPS_ROOT=DIR"),
        ),
    };
    let mut checks = vec![store];
    match &facts.room {
        Ok(room) => checks.extend([space(*room), files(*room)]),
        Err(problem) => checks.push(Check::ill(
            State::Warning,
            "disk space",
            problem.as_str(),
            Remedy::new(
                "disk-full",
                format!("the disk of {root} does not say what is free"),
            )
            .cure(format!("look by hand: df {root}")),
        )),
    }
    checks
}

fn state(free: u64, min: u64, enough: u64) -> State {
    match free {
        free if free < min => State::Broken,
        free if free < enough => State::Warning,
        _ => State::Ok,
    }
}

fn space(room: Room) -> Check {
    let found = format!(
        "{} of {} are free",
        amounts::size(room.bytes_free),
        amounts::size(room.bytes)
    );
    match state(room.bytes_free, BYTES_MIN, BYTES_ENOUGH) {
        State::Ok => Check::ok("disk space", found),
        ill => {
            let least = if ill == State::Broken {
                BYTES_MIN
            } else {
                BYTES_ENOUGH
            };
            let cause = format!("the store's disk has less than {} free", amounts::size(least));
            Check::ill(ill, "disk space", found, more_room(cause))
        }
    }
}

fn files(room: Room) -> Check {
    if room.files == 0 {
        return Check::ok("inodes", "the disk does not limit the number of files");
    }
    let found = format!("{} of {} are free", room.files_free, room.files);
    match state(room.files_free, FILES_MIN, FILES_ENOUGH) {
        State::Ok => Check::ok("inodes", found),
        ill => {
            let least = if ill == State::Broken {
                FILES_MIN
            } else {
                FILES_ENOUGH
            };
            let cause = format!("the store's disk takes less than {least} further files");
            Check::ill(ill, "inodes", found, more_room(cause))
        }
    }
}

fn more_room(cause: String) -> Remedy {
    Remedy::new(KnownFailure::DiskFull.name(), cause)
        .cure("see and free what lrops keeps: lrops cache du; lrops cache prune")
        .cure("have the store on another disk: --store DIR, or LROPS_ROOT=DIR")
}
