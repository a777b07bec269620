//! The system calls that have no safe wrapper elsewhere: all `unsafe` of the program.
//!
//! Each function here is safe to call: it upholds what its system calls ask, or asks the caller for nothing that the
//! type system cannot check. The one exception is said where it is: [`fork`] refuses a process with threads.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Which side of a fork this is.
pub(crate) enum Fork {
    /// The process that forked; the child's id.
    Parent(Pid),
    /// The new process.
    Child,
}

/// Forks a process without threads.
pub(crate) fn fork() -> io::Result<Fork> {
    if !is_single_threaded()? {
        return Err(io::Error::other("the process has threads"));
    }
    // SAFETY: the process has one thread, so the child's memory is in a consistent state: no lock is held by another.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(
            Pid::from_raw(pid).expect("fork returns a positive id to the parent"),
        )),
    }
}

/// Returns whether this process has one thread only.
pub(crate) fn is_single_threaded() -> io::Result<bool> {
    Ok(std::fs::read_dir("/proc/self/task")?.count() == 1)
}

/// Moves this process into new namespaces.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    assert!(
        !flags.contains(UnshareFlags::FILES),
        "descriptors stay shared between threads"
    );
    // SAFETY: only `CLONE_FILES` breaks what Rust assumes about descriptors, and it is not among the flags.
    unsafe { rustix::thread::unshare_unsafe(flags) }?;
    Ok(())
}

/// Ends this process at once, without running destructors or flushing buffers that a parent also holds.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Whether an attribute is set on one mount or on all below it too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Only the mount itself.
    One,
    /// The mount and those below it.
    All,
}

/// `struct mount_attr` of `mount_setattr(2)`.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Sets attributes (`MOUNT_ATTR_*`) on a mount: `mount_setattr(2)`, Linux 5.12.
pub(crate) fn set_mount_attributes(mount: BorrowedFd<'_>, attributes: u64, reach: Reach) -> io::Result<()> {
    let request = MountAttributes {
        set: attributes,
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    let recursive = if reach == Reach::All {
        libc::AT_RECURSIVE
    } else {
        0
    };
    // SAFETY: the path is an empty C string, the structure lives across the call and its true size is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const request,
            size_of::<MountAttributes>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Brings up the loopback interface of a new network namespace.
pub(crate) fn bring_loopback_up() -> io::Result<()> {
    // SAFETY: `socket` has no preconditions; its result is checked before use.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: an `ifreq` of zeros is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *place = byte.cast_signed();
    }
    let up = i16::try_from(libc::IFF_UP | libc::IFF_RUNNING).expect("the flags fit");
    request.ifr_ifru.ifru_flags = up;
    // SAFETY: the request outlives the call and names an interface by a terminated string.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Gives every signal its default action and blocks none, as a command expects that nobody's program started.
///
/// The calls are made directly: the C library hides two signals, which may be ignored by inheritance as any other.
pub(crate) fn reset_signals() {
    /// `struct sigaction` of the kernel is smaller on every architecture; zeros mean the default action.
    const DEFAULT_ACTION: [u64; 8] = [0; 8];
    const SIGNAL_SET_BYTES: usize = 8;
    let none: u64 = 0;
    for signal in 1..=64 {
        // SAFETY: the action is readable and says the default; the numbers that cannot be set are refused.
        unsafe {
            let nowhere = std::ptr::null_mut::<u64>();
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                DEFAULT_ACTION.as_ptr(),
                nowhere,
                SIGNAL_SET_BYTES,
            )
        };
    }
    // SAFETY: the set is as long as said, and lives across the call.
    unsafe {
        let nowhere = std::ptr::null_mut::<u64>();
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const none,
            nowhere,
            SIGNAL_SET_BYTES,
        )
    };
}

/// Replaces this process by a program; returns only when that failed.
///
/// The environment is passed in the order given, which `std` would sort.
pub(crate) fn execute(program: &CString, arguments: &[CString], environment: &[CString]) -> io::Error {
    let pointers = |texts: &[CString]| {
        texts
            .iter()
            .map(|text| text.as_ptr())
            .chain([std::ptr::null()])
            .collect::<Vec<_>>()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end with a null pointer and point to terminated strings that outlive the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Returns a C string of `text`.
pub(crate) fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|source| io::Error::new(io::ErrorKind::InvalidInput, source))
}

/// Installs a filter of system calls for this thread and what it executes.
///
/// The process must be root in its user namespace, or have `no_new_privs` set; this sets neither.
pub(crate) fn install_filter(program: &[seccompiler::sock_filter]) -> io::Result<()> {
    /// `struct sock_fprog`.
    #[repr(C)]
    struct Program {
        len: libc::c_ushort,
        instructions: *const seccompiler::sock_filter,
    }
    let len = program
        .len()
        .try_into()
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let request = Program {
        len,
        instructions: program.as_ptr(),
    };
    // SAFETY: the request says the true length of an array of the kernel's own layout (`sock_filter` is `repr(C)`),
    // and both outlive the call, which copies them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0 as libc::c_ulong,
            &raw const request,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Marks every descriptor but the standard ones to be closed when this process becomes another program.
pub(crate) fn close_descriptors_on_execution() -> io::Result<()> {
    // SAFETY: the call closes nothing now, so no owner of a descriptor is affected before `execve` ends them all.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
