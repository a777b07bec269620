//! Making a user namespace whose ids are mapped from outside.
//!
//! Only a process outside a new user namespace may map more than one id into it. So a child is forked before, waits
//! until the parent is in the new namespace, writes the maps and ends.

use std::io::{self, Read, Write};
use std::path::Path;

use rustix::process::{Pid, WaitOptions, getpid, waitpid};
use rustix::thread::UnshareFlags;

use crate::kernel::{self, Fork};

/// A range of ids inside and what it stands for outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdRange {
    /// The first id inside the namespace.
    pub(crate) inside: u32,
    /// The first id outside.
    pub(crate) outside: u32,
    /// How many ids follow one another.
    pub(crate) count: u32,
}

impl std::fmt::Display for IdRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.inside, self.outside, self.count)
    }
}

/// What a helper outside the namespace said, when it failed.
pub(crate) struct Refusal(pub(crate) String);

/// Moves this process into a user namespace (and `also`), then lets `map` run in a child outside it.
///
/// `map` gets the id of the process to map for. The outer result is about the namespace, the inner one about the maps.
pub(crate) fn unshare_mapped(
    also: UnshareFlags,
    map: impl FnOnce(Pid) -> Result<(), String>,
) -> io::Result<Result<(), Refusal>> {
    let (go_reader, mut go_writer) = io::pipe()?;
    let (mut answer_reader, answer_writer) = io::pipe()?;
    let target = getpid();
    match kernel::fork()? {
        Fork::Child => {
            drop((go_writer, answer_reader));
            outside(target, go_reader, answer_writer, map)
        }
        Fork::Parent(child) => {
            drop((go_reader, answer_writer));
            let moved = kernel::unshare(UnshareFlags::NEWUSER | also);
            if moved.is_ok() {
                go_writer.write_all(b"g")?;
            }
            drop(go_writer);
            let mut answer = String::new();
            answer_reader.read_to_string(&mut answer)?;
            waitpid(Some(child), WaitOptions::empty())?;
            moved?;
            Ok(if answer == DONE {
                Ok(())
            } else {
                Err(Refusal(answer))
            })
        }
    }
}

/// The answer of a helper that mapped.
const DONE: &str = "done";

/// The helper's life: wait, map, answer, end.
fn outside(
    target: Pid,
    mut go: impl Read,
    mut answer: impl Write,
    map: impl FnOnce(Pid) -> Result<(), String>,
) -> ! {
    let mut byte = [0];
    // Without the byte the parent did not get its namespace, or is dead.
    if go.read_exact(&mut byte).is_ok() {
        let text = map(target).err().unwrap_or_else(|| DONE.to_owned());
        // If the parent is gone nobody needs the answer.
        let _ = answer.write_all(text.as_bytes());
    }
    kernel::exit_now(0)
}

/// Writes both maps of a process directly, as a process with capabilities over it may.
pub(crate) fn write_maps(target: Pid, uids: &[IdRange], gids: &[IdRange]) -> Result<(), String> {
    write_map(target, "uid_map", uids)?;
    write_map(target, "gid_map", gids)
}

/// Maps one user and one group to 0, as a process may for itself without any privilege.
pub(crate) fn write_single_map(uid: u32, gid: u32) -> io::Result<()> {
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// Returns the ranges that map every id of this process's namespace to itself.
pub(crate) fn identity_ranges(map_name: &str) -> io::Result<Vec<IdRange>> {
    let text = std::fs::read_to_string(Path::new("/proc/self").join(map_name))?;
    let range = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u32>);
        let (Some(Ok(inside)), Some(Ok(_)), Some(Ok(count))) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return None;
        };
        Some(IdRange {
            inside,
            outside: inside,
            count,
        })
    };
    text.lines()
        .map(range)
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{map_name} is not three numbers a line"),
            )
        })
}

fn write_map(target: Pid, map_name: &str, ranges: &[IdRange]) -> Result<(), String> {
    let path = format!("/proc/{}/{map_name}", target.as_raw_nonzero());
    let lines: Vec<String> = ranges.iter().map(IdRange::to_string).collect();
    std::fs::write(&path, lines.join("\n")).map_err(|error| format!("{path}: {error}"))
}
