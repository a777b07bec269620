//! Programs of other platforms: QEMU registered with the kernel, for one sandbox alone.
//!
//! Since Linux 6.7 every user namespace can have its own table of binary formats (`binfmt_misc`). The sandbox gets a
//! user namespace of its own, in which each id stands for itself, and a table that holds one entry. The machine's own
//! table is not touched, and the entry is gone when process 1 ends, which holds the table's only mount.
//!
//! Without a table of its own, a namespace looks things up in the machine's. What is registered there serves as well,
//! if the kernel keeps its interpreter open, for then the tree needs no copy of it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use lrops_model::platform::Platform;
use rustix::fs::{Mode, OFlags};
use rustix::thread::UnshareFlags;

use super::command;
use super::error::Step;
use super::message::Failure;
use super::spec::Emulator;
use crate::user_namespace::{self, Refusal};
use crate::{kernel, mounts};

/// Where the machine's own table is mounted.
const MACHINE_TABLE: &str = "/proc/sys/fs/binfmt_misc";

/// Returns whether the machine's own table has a platform's programs emulated in any tree.
pub fn machine_emulates(platform: &Platform) -> bool {
    let table = Path::new(MACHINE_TABLE);
    let Some((magic, _)) = pattern(platform) else {
        return false;
    };
    let on = fs::read_to_string(table.join("status")).is_ok_and(|status| status.trim() == "enabled");
    let entries = fs::read_dir(table).into_iter().flatten().flatten();
    let texts = entries.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    on && texts.into_iter().any(|text| serves(&text, &magic))
}

/// Returns whether an entry of the table, as the kernel shows it, takes a program that begins so, in any tree.
fn serves(entry: &str, program: &[u8]) -> bool {
    let value = |name: &str| {
        entry
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    let bytes = |text: &str| -> Option<Vec<u8>> {
        let pair = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
        (0..text.len()).step_by(2).map(pair).collect()
    };
    let Some(magic) = value("magic ").and_then(bytes) else {
        return false;
    };
    let mask = value("mask ")
        .and_then(bytes)
        .unwrap_or_else(|| vec![0xff; magic.len()]);
    let matches = magic.len() <= program.len()
        && magic
            .iter()
            .zip(&mask)
            .zip(program)
            .all(|((magic, mask), byte)| magic & mask == byte & mask);
    matches
        && entry.starts_with("enabled")
        && value("offset ") == Some("0")
        && value("flags:").is_some_and(|flags| flags.contains('F'))
}

/// Returns whether it is known how the kernel recognises a platform's programs.
pub fn is_known(platform: &Platform) -> bool {
    pattern(platform).is_some()
}

/// Returns whether a program runs in any tree: it is there, and needs no loader or libraries, as static linking makes it.
pub fn is_static(program: &Path) -> bool {
    program.is_file() && command::loader(program).is_none()
}

/// Moves this process into a user namespace with the same ids.
pub(crate) fn enter_user_namespace() -> Result<(), Failure> {
    let fail = || Failure::of(Step::UserNamespace);
    let uids = user_namespace::identity_ranges("uid_map").map_err(fail())?;
    let gids = user_namespace::identity_ranges("gid_map").map_err(fail())?;
    let map = |target| user_namespace::write_maps(target, &uids, &gids);
    let mapped = user_namespace::unshare_mapped(UnshareFlags::empty(), map).map_err(fail())?;
    mapped.map_err(|Refusal(message)| fail()(io::Error::other(message)))
}

/// Tries that this process can have a user namespace of its own with a table of binary formats, and stays in it.
pub(crate) fn try_table() -> io::Result<()> {
    enter_user_namespace().map_err(|failure| failure.into_source().1)?;
    // Only in a mount namespace of the same user namespace may anything be mounted.
    kernel::unshare(UnshareFlags::NEWNS)?;
    mounts::new_file_system("binfmt_misc", &[], rustix::mount::MountAttrFlags::empty()).map(drop)
}

/// Registers an emulator in the table of this process's user namespace, for as long as the descriptor is open.
pub(crate) fn register(emulator: &Emulator) -> Result<OwnedFd, Failure> {
    let table = mounts::new_file_system("binfmt_misc", &[], rustix::mount::MountAttrFlags::empty());
    let table = table.map_err(|error| {
        let mut failure = Failure::of(Step::Emulation)(error);
        failure.message = format!(
            "{}; a table of binary formats for each user namespace needs Linux 6.7",
            failure.message
        );
        failure
    })?;
    let line = registration(emulator).map_err(Failure::of(Step::Emulation))?;
    let file = rustix::fs::openat(
        &table,
        "register",
        OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(Failure::of(Step::Emulation))?;
    File::from(file)
        .write_all(&line)
        .map_err(Failure::of(Step::Emulation))?;
    Ok(table)
}

/// The line that the kernel reads (kernel documentation, `admin-guide/binfmt-misc.rst`).
///
/// `P` keeps the program's own first argument, `O` and `C` hand it over open and with its own rights, and `F` opens the
/// interpreter now, so that the tree needs no copy.
fn registration(emulator: &Emulator) -> io::Result<Vec<u8>> {
    let (magic, mask) = pattern(&emulator.platform).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::Unsupported,
            format!("programs for {} are not known", emulator.platform),
        )
    })?;
    let hexadecimal = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "\\x{byte:02x}").expect("writing to a string succeeds");
            text
        })
    };
    let mut line = format!(":lrops:M::{}:{}:", hexadecimal(&magic), hexadecimal(&mask)).into_bytes();
    line.extend_from_slice(emulator.interpreter.as_os_str().as_bytes());
    line.extend_from_slice(b":POCF");
    Ok(line)
}

/// The beginning of an ELF program of a platform, and which of its bits count.
///
/// The version of the ABI may be any; the type may be a program or a shared object, which differ in one bit.
fn pattern(platform: &Platform) -> Option<([u8; 20], [u8; 20])> {
    const WIDE: u8 = 2;
    const NARROW: u8 = 1;
    let (class, little, machine): (u8, bool, u16) = match platform.architecture.as_str() {
        "386" => (NARROW, true, 3),
        "amd64" => (WIDE, true, 62),
        "arm" => (NARROW, true, 40),
        "arm64" => (WIDE, true, 183),
        "riscv64" => (WIDE, true, 243),
        "ppc64le" => (WIDE, true, 21),
        "s390x" => (WIDE, false, 22),
        "mips64le" => (WIDE, true, 8),
        "loong64" => (WIDE, true, 258),
        _ => return None,
    };
    let mut magic = [0; 20];
    magic[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, if little { 1 } else { 2 }, 1]);
    let number = |value: u16| {
        if little {
            value.to_le_bytes()
        } else {
            value.to_be_bytes()
        }
    };
    magic[16..18].copy_from_slice(&number(2));
    magic[18..].copy_from_slice(&number(machine));
    let mut mask = [0xff; 20];
    // The operating system's ABI: 0 for System V and 3 for GNU are both in use.
    mask[7] = 0;
    mask[16..18].copy_from_slice(&number(0xfffe));
    // The version of that ABI and the padding after it say nothing.
    mask[8..16].fill(0);
    Some((magic, mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(platform: &str, expected: &str) {
        let emulator = Emulator {
            interpreter: "/usr/bin/qemu".into(),
            platform: platform.parse().unwrap(),
        };
        let line = registration(&emulator)
            .map_or_else(|error| error.to_string(), |line| String::from_utf8(line).unwrap());
        assert_eq!(line.replace("\\x", ""), expected);
    }

    #[test]
    fn a_registration_matches_programs_and_shared_objects_of_one_machine() {
        let mask = "ffffffffffffff000000000000000000";
        check(
            "linux/arm64",
            &format!(":lrops:M::7f454c460201010000000000000000000200b700:{mask}feffffff:/usr/bin/qemu:POCF"),
        );
        check(
            "linux/s390x",
            &format!(":lrops:M::7f454c4602020100000000000000000000020016:{mask}fffeffff:/usr/bin/qemu:POCF"),
        );
        check("linux/sparc", "programs for linux/sparc are not known");
    }

    #[test]
    fn an_entry_of_the_machine_serves_when_it_matches_and_keeps_its_interpreter_open() {
        let (magic, _) = pattern(&"linux/arm64".parse().unwrap()).unwrap();
        let entry = "enabled\ninterpreter /usr/bin/qemu\nflags: OCF\noffset 0\n\
            magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";
        assert!(serves(entry, &magic));
        assert!(
            !serves(&entry.replace("OCF", "OC"), &magic),
            "it would be looked for in the tree"
        );
        assert!(!serves(&entry.replace("enabled", "disabled"), &magic));
        assert!(
            !serves(&entry.replace("b700", "2800"), &magic),
            "another machine's"
        );
        assert!(!serves(&entry.replace("offset 0", "offset 4"), &magic));
        assert!(!serves(
            "enabled\ninterpreter /x\nflags: F\nextension .py\n",
            &magic
        ));
        assert!(!serves("enabled\n", &magic));
    }
}
