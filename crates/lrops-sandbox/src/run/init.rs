//! The side of a run that is not the program any more: the child, and process 1 of the sandbox.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, getppid, pidfd_open, set_parent_process_death_signal,
    setsid, wait, waitpid,
};
use rustix::thread::UnshareFlags;

use super::error::Step;
use super::file_system::FileSystem;
use super::message::{self, Failure, Report, Request};
use super::spec::{Exit, Network, RunSpec};
use super::{command, emulation};
use crate::kernel::{self, Fork};
use crate::trial;

/// The name under which the program is executed as the sandbox's child.
pub(crate) const CHILD_NAME: &str = "lrops-sandbox-init";

/// Becomes the sandbox's child, or the one that tries what the machine allows, and never returns, if the process was
/// started as one; else returns at once.
///
/// To be called first in `main`, before any thread.
pub fn run_if_child() {
    trial::run_if_child();
    if std::env::args_os()
        .next()
        .is_some_and(|name| name.as_bytes() == CHILD_NAME.as_bytes())
    {
        let code = i32::from(child().is_err());
        kernel::exit_now(code);
    }
}

/// Makes the namespaces, starts process 1 in them, and waits for its end or the supervisor's word.
fn child() -> Result<(), ()> {
    let channel = match take_channel() {
        Ok(channel) => channel,
        Err(error) => {
            // Someone ran the program under this name by hand: there is nobody to report to.
            eprintln!("this is a part of lrops that only lrops starts: {error}");
            return Err(());
        }
    };
    let result = set_up(&channel).and_then(|(spec, init)| match init {
        Fork::Child => init_main(&channel, &spec),
        Fork::Parent(init) => wait_or_kill(&channel, init),
    });
    result.map_err(|failure| message::report(&channel, &Report::Failed(failure)))
}

/// The socket came as standard input, which is the one descriptor that needs no special way across `exec`.
fn take_channel() -> io::Result<UnixStream> {
    let channel = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let nothing = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    let channel = UnixStream::from(channel);
    channel.peer_addr()?;
    Ok(channel)
}

fn set_up(channel: &UnixStream) -> Result<(RunSpec, Fork), Failure> {
    follow_parent()?;
    let Request { supervisor, spec } = message::receive(channel).map_err(Failure::of(Step::ReadRequest))?;
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().get().unsigned_abs() != supervisor) {
        return Err(Failure::of(Step::FollowParent)(io::Error::other(
            "the parent is gone",
        )));
    }
    // Ctrl-C at the terminal is for the supervisor, which decides what it means.
    setsid().map_err(Failure::of(Step::FollowParent))?;
    if spec.emulator.is_some() {
        emulation::enter_user_namespace()?;
    }
    let mut flags = UnshareFlags::NEWNS | UnshareFlags::NEWPID | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    flags.set(UnshareFlags::NEWNET, spec.network == Network::None);
    kernel::unshare(flags).map_err(Failure::of(Step::Namespaces))?;
    let init = kernel::fork().map_err(Failure::of(Step::Fork))?;
    Ok((spec, init))
}

/// When the parent dies by whatever means, so does this process.
fn follow_parent() -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(Failure::of(Step::FollowParent))
}

/// Waits for process 1; kills it when the supervisor hangs up. All other processes inside die with it, and the kernel
/// lets it be waited for only after they did.
fn wait_or_kill(channel: &UnixStream, init: Pid) -> Result<(), Failure> {
    let handle = pidfd_open(init, PidfdFlags::empty()).map_err(Failure::of(Step::Wait))?;
    loop {
        let mut polled = [
            PollFd::new(&handle, PollFlags::IN),
            PollFd::from_borrowed_fd(channel.as_fd(), PollFlags::IN | PollFlags::RDHUP),
        ];
        match poll(&mut polled, None) {
            Err(rustix::io::Errno::INTR) => continue,
            result => result.map_err(Failure::of(Step::Wait))?,
        };
        if polled[0].revents().is_empty() {
            kill(&handle);
        }
        waitpid(Some(init), WaitOptions::empty()).map_err(Failure::of(Step::Wait))?;
        return Ok(());
    }
}

fn kill(handle: &OwnedFd) {
    // It fails only when the process has ended, which is what was wanted.
    let _ = rustix::process::pidfd_send_signal(handle, Signal::KILL);
}

/// The life of process 1: build the file system, start the command, collect what ends until the command does.
fn init_main(channel: &UnixStream, spec: &RunSpec) -> ! {
    let report = match start_command(channel, spec).and_then(|(command, kept)| {
        let exit = reap_until(command);
        // The emulator's registration lives as long as this descriptor.
        drop(kept);
        exit
    }) {
        // If the command could not be started its process has reported that, and the first report counts.
        Ok(exit) => Report::Ended(exit),
        Err(failure) => Report::Failed(failure),
    };
    message::report(channel, &report);
    kernel::exit_now(0)
}

fn start_command(channel: &UnixStream, spec: &RunSpec) -> Result<(Pid, Option<OwnedFd>), Failure> {
    follow_parent()?;
    exit_if_hung_up(channel);
    let kept = spec.emulator.as_ref().map(emulation::register).transpose()?;
    if spec.network == Network::None {
        kernel::bring_loopback_up().map_err(Failure::of(Step::Loopback))?;
    }
    FileSystem::build(spec)?;
    rustix::system::sethostname(spec.host_name.as_bytes()).map_err(Failure::of(Step::HostName))?;
    match kernel::fork().map_err(Failure::of(Step::Fork))? {
        Fork::Parent(command) => Ok((command, kept)),
        Fork::Child => {
            let Err(report) = command::become_command(spec);
            message::report(channel, &report);
            kernel::exit_now(command::NOT_STARTED)
        }
    }
}

/// The parent may have died before this process was tied to it: then the supervisor's end is closed, or soon will be.
fn exit_if_hung_up(channel: &UnixStream) {
    let mut polled = [PollFd::from_borrowed_fd(channel.as_fd(), PollFlags::RDHUP)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    if poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0) {
        kernel::exit_now(1);
    }
}

/// Collects every process that ends, as process 1 must, until the command itself does.
fn reap_until(command: Pid) -> Result<Exit, Failure> {
    loop {
        let (ended, status) = match wait(WaitOptions::empty()) {
            Err(rustix::io::Errno::INTR) | Ok(None) => continue,
            result => result.map_err(Failure::of(Step::Wait))?.expect("checked above"),
        };
        if ended == command {
            return Ok(exit_of(status));
        }
    }
}

fn exit_of(status: WaitStatus) -> Exit {
    match status.terminating_signal() {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Code(
            status
                .exit_status()
                .expect("a process ends by a signal or with a code"),
        ),
    }
}
