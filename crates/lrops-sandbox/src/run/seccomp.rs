//! The system calls that a command is refused.
//!
//! Docker's default profile lists what is allowed; what it leaves out is, on today's kernels, what is listed here. A
//! list of refusals does not break a program that uses a call newer than the list. The calls of the machine's compatible
//! architecture (32-bit x86 on amd64, 32-bit ARM on arm64) have numbers of their own and are refused alike.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use super::error::Step;
use super::message::Failure;
use super::spec::{RunSpec, Security};

/// Installs the filter, unless the command is to be held back by nothing.
pub(crate) fn limit_system_calls(spec: &RunSpec) -> Result<(), Failure> {
    if spec.security == Security::Insecure {
        return Ok(());
    }
    let fail = |error: String| Failure::of(Step::SystemCalls)(std::io::Error::other(error));
    let program = program().map_err(|error| fail(error.to_string()))?;
    install(&program).map_err(Failure::of(Step::SystemCalls))
}

/// seccompiler's own call would set `no_new_privs` first, which takes set-id programs away from the command.
fn install(program: &[sock_filter]) -> std::io::Result<()> {
    crate::kernel::install_filter(program)
}

/// Loads of the fields of `struct seccomp_data`, jumps and returns, in classic BPF.
mod bpf {
    use seccompiler::sock_filter;

    const LOAD_WORD: u16 = 0x20;
    const JUMP: u16 = 0x05;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;

    const fn statement(code: u16, k: u32) -> sock_filter {
        sock_filter {
            code,
            jt: 0,
            jf: 0,
            k,
        }
    }

    /// Loads the system call's number.
    pub(super) const fn load_number() -> sock_filter {
        statement(LOAD_WORD, 0)
    }

    /// Loads the architecture.
    pub(super) const fn load_architecture() -> sock_filter {
        statement(LOAD_WORD, 4)
    }

    /// Passes over the next instruction unless the value is `k`.
    pub(super) const fn skip_unless_equal(k: u32) -> sock_filter {
        sock_filter {
            code: JUMP_IF_EQUAL,
            jt: 0,
            jf: 1,
            k,
        }
    }

    /// Passes over the next instruction unless the value is `k` or more.
    pub(super) const fn skip_if_below(k: u32) -> sock_filter {
        sock_filter {
            code: JUMP_IF_AT_LEAST,
            jt: 0,
            jf: 1,
            k,
        }
    }

    /// Goes `count` instructions further than the next.
    pub(super) const fn jump(count: u32) -> sock_filter {
        statement(JUMP, count)
    }

    /// Ends with an error number for the caller.
    pub(super) const fn refuse(errno: i32) -> sock_filter {
        const SECCOMP_RET_ERRNO: u32 = 0x0005_0000;
        statement(RETURN, SECCOMP_RET_ERRNO | errno.cast_unsigned())
    }
}

/// The architectures whose programs a machine runs, by their audit numbers (`linux/audit.h`).
#[cfg(target_arch = "x86_64")]
mod machine {
    pub(super) const TARGET: seccompiler::TargetArch = seccompiler::TargetArch::x86_64;
    pub(super) const NATIVE: u32 = 0xC000_003E;
    pub(super) const COMPATIBLE: u32 = 0x4000_0003;
    pub(super) const COMPATIBLE_CALLS: &[i64] = super::CALLS_386;
    /// From here on the numbers are those of the x32 ABI, which has another number for everything.
    pub(super) const FOREIGN_FROM: u32 = 0x4000_0000;
}

#[cfg(target_arch = "aarch64")]
mod machine {
    pub(super) const TARGET: seccompiler::TargetArch = seccompiler::TargetArch::aarch64;
    pub(super) const NATIVE: u32 = 0xC000_00B7;
    pub(super) const COMPATIBLE: u32 = 0x4000_0028;
    pub(super) const COMPATIBLE_CALLS: &[i64] = super::CALLS_ARM;
    pub(super) const FOREIGN_FROM: u32 = u32::MAX;
}

/// The number of `clone3`, the same everywhere. Its flags are behind a pointer, where a filter cannot look; programs
/// that hear that it does not exist use `clone`.
const CLONE3: u32 = 435;

/// The whole filter: which architecture it is, and then its own part.
fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let native = [
        vec![
            bpf::load_number(),
            bpf::skip_if_below(machine::FOREIGN_FROM),
            bpf::refuse(libc::ENOSYS),
            bpf::skip_unless_equal(CLONE3),
            bpf::refuse(libc::ENOSYS),
        ],
        part(
            calls_native(),
            libc::SYS_clone,
            libc::SYS_personality,
            Some(libc::SYS_socket),
        )?,
    ]
    .concat();
    let compatible = [
        vec![
            bpf::load_number(),
            bpf::skip_unless_equal(CLONE3),
            bpf::refuse(libc::ENOSYS),
        ],
        part(
            machine::COMPATIBLE_CALLS.to_vec(),
            CLONE_COMPATIBLE,
            PERSONALITY_COMPATIBLE,
            None,
        )?,
    ]
    .concat();
    let native_len = u32::try_from(native.len()).expect("a filter has at most 4096 instructions");
    let head = vec![
        bpf::load_architecture(),
        bpf::skip_unless_equal(machine::NATIVE),
        bpf::jump(3),
        bpf::skip_unless_equal(machine::COMPATIBLE),
        bpf::jump(native_len + 1),
        bpf::refuse(libc::ENOSYS),
    ];
    Ok([head, native, compatible].concat())
}

/// One architecture's part, without the check of the architecture that seccompiler puts before it: that one kills, and
/// knows no compatible architectures.
fn part(
    refused: Vec<i64>,
    clone: i64,
    personality: i64,
    socket: Option<i64>,
) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        refused.into_iter().map(|number| (number, Vec::new())).collect();
    rules.insert(clone, namespace_flags()?);
    rules.insert(personality, vec![other_personalities()?]);
    if let Some(socket) = socket {
        let family = SeccompCmpOp::Eq;
        let value = u64::from(libc::AF_VSOCK.unsigned_abs());
        let machine_sockets = SeccompCondition::new(0, SeccompCmpArgLen::Dword, family, value)?;
        rules.insert(socket, vec![SeccompRule::new(vec![machine_sockets])?]);
    }
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, target())?;
    let program = BpfProgram::try_from(filter)?;
    let body = program
        .iter()
        .position(|instruction| *instruction == bpf::load_number());
    let body = body.expect("a filter with rules loads the call's number");
    Ok(program[body..].to_vec())
}

fn target() -> TargetArch {
    machine::TARGET
}

/// `clone` with any flag for a new namespace.
fn namespace_flags() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let flags = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ];
    flags
        .into_iter()
        .map(|flag| {
            let flag = u64::from(flag.unsigned_abs());
            let set = SeccompCmpOp::MaskedEq(flag);
            SeccompRule::new(vec![SeccompCondition::new(
                0,
                SeccompCmpArgLen::Qword,
                set,
                flag,
            )?])
        })
        .collect()
}

/// `personality` with another value than Docker allows: Linux, 32-bit Linux, each with `UNAME26`, and the question.
fn other_personalities() -> Result<SeccompRule, seccompiler::BackendError> {
    let allowed = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];
    let differs = |value| SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value);
    SeccompRule::new(allowed.into_iter().map(differs).collect::<Result<_, _>>()?)
}

/// The calls refused on this machine's own architecture.
fn calls_native() -> Vec<i64> {
    let mut calls = vec![
        libc::SYS_acct,
        libc::SYS_add_key,
        libc::SYS_bpf,
        libc::SYS_clock_settime,
        libc::SYS_delete_module,
        libc::SYS_fanotify_init,
        libc::SYS_finit_module,
        libc::SYS_get_mempolicy,
        libc::SYS_init_module,
        libc::SYS_kcmp,
        libc::SYS_kexec_load,
        libc::SYS_keyctl,
        libc::SYS_mbind,
        libc::SYS_migrate_pages,
        libc::SYS_mount,
        libc::SYS_move_pages,
        libc::SYS_nfsservctl,
        libc::SYS_open_by_handle_at,
        libc::SYS_perf_event_open,
        libc::SYS_pivot_root,
        libc::SYS_quotactl,
        libc::SYS_reboot,
        libc::SYS_request_key,
        libc::SYS_set_mempolicy,
        libc::SYS_setdomainname,
        libc::SYS_sethostname,
        libc::SYS_setns,
        libc::SYS_settimeofday,
        libc::SYS_swapoff,
        libc::SYS_swapon,
        libc::SYS_syslog,
        libc::SYS_umount2,
        libc::SYS_unshare,
        libc::SYS_userfaultfd,
        libc::SYS_vhangup,
        libc::SYS_kexec_file_load,
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend([
        libc::SYS__sysctl,
        libc::SYS_ioperm,
        libc::SYS_iopl,
        libc::SYS_lookup_dcookie,
        libc::SYS_sysfs,
        libc::SYS_uselib,
        libc::SYS_ustat,
    ]);
    calls.extend(CALLS_SINCE_424);
    calls
}

/// Calls whose number is the same on every architecture: `io_uring_*`, the mount calls, `quotactl_fd`,
/// `set_mempolicy_home_node`, `statmount`, `listmount`, `open_tree_attr`.
const CALLS_SINCE_424: [i64; 14] = [
    425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 443, 450, 457, 467,
];

/// `clone` and `personality` have the same numbers on 32-bit x86 and 32-bit ARM.
const CLONE_COMPATIBLE: i64 = 120;
const PERSONALITY_COMPATIBLE: i64 = 136;

/// The same list in the numbers of 32-bit x86, in the order of the numbers (`arch/x86/entry/syscalls/syscall_32.tbl`).
#[cfg(target_arch = "x86_64")]
const CALLS_386: &[i64] = &[
    21, 22, 25, 51, 52, 62, 74, 79, 86, 87, 88, 101, 103, 110, 111, 113, 115, 121, 127, 128, 129, 130, 131,
    135, 149, 166, 167, 169, 217, 253, 264, 274, 275, 276, 283, 286, 287, 288, 294, 310, 317, 336, 338, 342,
    346, 349, 350, 357, 374, 404, 425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 443, 450, 457, 467,
];

/// The same list in the numbers of 32-bit ARM (`arch/arm/tools/syscall.tbl`).
#[cfg(target_arch = "aarch64")]
const CALLS_ARM: &[i64] = &[
    21, 51, 52, 62, 74, 79, 86, 87, 88, 103, 111, 115, 121, 128, 129, 131, 135, 149, 169, 218, 249, 262, 309,
    310, 311, 319, 320, 321, 337, 344, 347, 364, 367, 371, 375, 378, 379, 386, 388, 400, 401, 404, 425, 426,
    427, 428, 429, 430, 431, 432, 433, 442, 443, 450, 457, 467,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel would, on the instructions that it is made of.
    fn outcome(architecture: u32, number: u32, argument: u64) -> u32 {
        let program = program().unwrap();
        let mut data = [0u8; 64];
        data[..4].copy_from_slice(&number.to_le_bytes());
        data[4..8].copy_from_slice(&architecture.to_le_bytes());
        data[16..24].copy_from_slice(&argument.to_le_bytes());
        let (mut at, mut value) = (0, 0u32);
        loop {
            let sock_filter { code, jt, jf, k } = program[at].clone();
            at += 1;
            let branch = |taken: bool| usize::from(if taken { jt } else { jf });
            match code {
                0x20 => value = u32::from_le_bytes(data[k as usize..k as usize + 4].try_into().unwrap()),
                0x54 => value &= k,
                0x05 => at += k as usize,
                0x15 => at += branch(value == k),
                0x25 => at += branch(value > k),
                0x35 => at += branch(value >= k),
                0x06 => return k,
                other => panic!("an instruction that this filter does not use: {other:#x}"),
            }
        }
    }

    #[track_caller]
    fn check(architecture: u32, number: i64, argument: u64, expected: Result<(), i32>) {
        let expected = expected.map_or_else(|errno| 0x0005_0000 | errno.cast_unsigned(), |()| 0x7fff_0000);
        assert_eq!(
            outcome(architecture, u32::try_from(number).unwrap(), argument),
            expected,
            "call {number}"
        );
    }

    #[test]
    fn ordinary_calls_pass_and_dangerous_ones_are_refused() {
        check(machine::NATIVE, libc::SYS_read, 0, Ok(()));
        check(machine::NATIVE, libc::SYS_execve, 0, Ok(()));
        check(machine::NATIVE, libc::SYS_ptrace, 0, Ok(()));
        for call in calls_native() {
            check(machine::NATIVE, call, 0, Err(libc::EPERM));
        }
        check(machine::NATIVE, 435, 0, Err(libc::ENOSYS));
    }

    #[test]
    fn the_compatible_architecture_has_its_own_numbers() {
        check(machine::COMPATIBLE, 3, 0, Ok(()));
        check(machine::COMPATIBLE, 21, 0, Err(libc::EPERM));
        check(machine::COMPATIBLE, 435, 0, Err(libc::ENOSYS));
        check(
            machine::COMPATIBLE,
            CLONE_COMPATIBLE,
            0x1000_0000,
            Err(libc::EPERM),
        );
        check(machine::COMPATIBLE, CLONE_COMPATIBLE, 0x11, Ok(()));
    }

    #[test]
    fn an_unknown_architecture_has_no_calls() {
        check(0x1234, 0, 0, Err(libc::ENOSYS));
        #[cfg(target_arch = "x86_64")]
        check(machine::NATIVE, 0x4000_0000 + 165, 0, Err(libc::ENOSYS));
    }

    #[test]
    fn arguments_decide_for_some_calls() {
        check(machine::NATIVE, libc::SYS_clone, 0x11, Ok(()));
        check(machine::NATIVE, libc::SYS_clone, 0x1000_0011, Err(libc::EPERM));
        check(machine::NATIVE, libc::SYS_clone, 0x0002_0011, Err(libc::EPERM));
        check(machine::NATIVE, libc::SYS_personality, 0, Ok(()));
        check(machine::NATIVE, libc::SYS_personality, 0xffff_ffff, Ok(()));
        check(
            machine::NATIVE,
            libc::SYS_personality,
            0x0004_0000,
            Err(libc::EPERM),
        );
        check(machine::NATIVE, libc::SYS_socket, 2, Ok(()));
        check(machine::NATIVE, libc::SYS_socket, 40, Err(libc::EPERM));
    }
}
