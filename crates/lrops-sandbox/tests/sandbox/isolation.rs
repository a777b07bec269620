//! What a command cannot see and cannot do.

use std::fs;

use lrops_sandbox::{Mapping, Network, NewPrivileges, RunError, Security, Step, UserSpec};

use crate::Test;
use crate::fixture::{World, words};

pub(crate) const TESTS: &[Test] = &[
    (
        "the_machines_processes_are_not_seen",
        the_machines_processes_are_not_seen,
    ),
    (
        "the_machines_files_and_mounts_are_not_seen",
        the_machines_files_and_mounts_are_not_seen,
    ),
    (
        "without_network_there_is_only_loopback",
        without_network_there_is_only_loopback,
    ),
    (
        "with_the_hosts_network_it_is_the_hosts",
        with_the_hosts_network_it_is_the_hosts,
    ),
    (
        "root_has_the_capabilities_that_containers_have",
        root_has_the_capabilities_that_containers_have,
    ),
    (
        "another_user_has_no_capabilities",
        another_user_has_no_capabilities,
    ),
    (
        "dangerous_system_calls_are_refused",
        dangerous_system_calls_are_refused,
    ),
    (
        "insecure_means_that_nothing_is_refused",
        insecure_means_that_nothing_is_refused,
    ),
    (
        "kernel_files_are_masked_or_read_only",
        kernel_files_are_masked_or_read_only,
    ),
    (
        "devices_work_and_no_others_can_be_made",
        devices_work_and_no_others_can_be_made,
    ),
    (
        "the_machine_has_a_name_and_hosts",
        the_machine_has_a_name_and_hosts,
    ),
    (
        "no_new_privileges_is_set_where_asked",
        no_new_privileges_is_set_where_asked,
    ),
    (
        "no_descriptor_of_the_program_leaks",
        no_descriptor_of_the_program_leaks,
    ),
];

fn the_machines_processes_are_not_seen(world: &World) {
    let outcome = world.shell("ps -o pid,comm | wc -l; ls -d /proc/[0-9]* | wc -l");
    let counts: Vec<u32> = outcome
        .stdout
        .lines()
        .map(|line| line.trim().parse().unwrap())
        .collect();
    assert!(counts.iter().all(|count| *count <= 6), "{counts:?}");
}

fn the_machines_files_and_mounts_are_not_seen(world: &World) {
    world.check("ls / | tr '\\n' ' '", "bin data dev etc home proc sys tmp ");
    let outcome = world.shell("cat /proc/self/mountinfo");
    let mine = |line: &&str| {
        !["/ ", "/dev", "/proc", "/sys", "/etc/"].iter().any(|place| {
            line.split(' ')
                .nth(4)
                .is_some_and(|at| format!("{at} ").starts_with(place))
        })
    };
    let foreign: Vec<&str> = outcome.stdout.lines().filter(mine).collect();
    assert!(foreign.is_empty(), "{foreign:#?}");
    let store = world
        .scratch
        .path()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    world.check_refused(&format!("ls /tmp/{store}"), "No such file");
}

fn without_network_there_is_only_loopback(world: &World) {
    let outcome = world.shell_with(
        "grep -c : /proc/net/dev; ifconfig lo | grep -c UP; ls /sys/class/net",
        |spec| {
            spec.network = Network::None;
        },
    );
    assert_eq!(outcome.stdout, "1\n1\nlo\n", "{}", outcome.stderr);
}

fn with_the_hosts_network_it_is_the_hosts(world: &World) {
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    world.check("readlink /proc/self/ns/net", &format!("{}\n", own.display()));
}

fn root_has_the_capabilities_that_containers_have(world: &World) {
    // The value that `docker run` shows.
    let set = "00000000a80425fb";
    let text = format!(
        "CapInh:0000000000000000\nCapPrm:{set}\nCapEff:{set}\nCapBnd:{set}\nCapAmb:0000000000000000\n"
    );
    world.check("grep Cap /proc/self/status | tr -d '\\t'", &text);
}

fn another_user_has_no_capabilities(world: &World) {
    if matches!(world.identity.mapping, Mapping::Single { .. }) {
        let other = UserSpec {
            uid: 1000,
            gid: 1001,
            supplementary: vec![1001],
        };
        let error = world
            .run(|spec| spec.user = other)
            .expect_err("there is no other user");
        assert!(
            matches!(
                error,
                RunError::Step {
                    step: Step::User { uid: 1000, gid: 1001 },
                    ..
                }
            ),
            "{error:?}"
        );
        return;
    }
    let outcome = world.shell_with(
        "grep CapEff /proc/self/status | tr -d '\\t'; touch /etc/x",
        |spec| {
            spec.user = UserSpec {
                uid: 1000,
                gid: 1001,
                supplementary: vec![1001],
            };
        },
    );
    assert_eq!(outcome.stdout, "CapEff:0000000000000000\n");
    assert!(outcome.stderr.contains("Permission denied"), "{}", outcome.stderr);
}

fn dangerous_system_calls_are_refused(world: &World) {
    world.check("grep -w Seccomp /proc/self/status | tr -d '\\t'", "Seccomp:2\n");
    world.check_refused("mount -t tmpfs none /tmp", "permi");
    world.check_refused("umount /etc/hosts", "permi");
    world.check_refused("unshare -m true", "Operation not permitted");
    world.check_refused("unshare -U true", "Operation not permitted");
    world.check_refused("hostname other", "Operation not permitted");
}

fn insecure_means_that_nothing_is_refused(world: &World) {
    let outcome = world.shell_with(
        "mount -t tmpfs none /tmp && echo mounted; unshare -m echo unshared",
        |spec| {
            spec.security = Security::Insecure;
        },
    );
    assert_eq!(outcome.stdout, "mounted\nunshared\n", "{}", outcome.stderr);
}

fn kernel_files_are_masked_or_read_only(world: &World) {
    world.check_refused("echo 1 > /proc/sys/kernel/panic", "Read-only file system");
    world.check_refused("echo 1 > /proc/irq/default_smp_affinity", "Read-only file system");
    world.check(
        "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c",
        "0\n",
    );
    world.check(
        "ls /sys/firmware /proc/scsi 2>/dev/null | grep -v : | tr -d '\\n'",
        "",
    );
    world.check_refused("mkdir /sys/x || exit 1", "");
    world.check("touch /sys/kernel/x 2>&1 | grep -c 'Read-only'", "1\n");
}

fn devices_work_and_no_others_can_be_made(world: &World) {
    world.check(
        "echo x > /dev/null; head -c 3 /dev/zero | od -An -tx1; head -c 8 /dev/urandom | wc -c",
        " 00 00 00\n8\n",
    );
    world.check_refused("echo x > /dev/full", "No space left");
    world.check(
        "echo hi > /dev/shm/f && cat /dev/shm/f; echo out > /dev/stdout",
        "hi\nout\n",
    );
    world.check(
        "stat -c %a /dev/null; test -c /dev/ptmx && ls /dev/pts; ls /dev/mqueue",
        "666\nptmx\n",
    );
    let mounted = "grep -cE ' /dev/(shm .* tmpfs|pts .* devpts|mqueue .* mqueue) ' /proc/self/mountinfo";
    world.check(mounted, "3\n");
    for place in ["/tmp", "/dev", "/dev/shm"] {
        // Where the node can be made at all, it cannot be opened.
        world.check_refused(&format!("mknod {place}/node c 1 3 && cat {place}/node"), "ermi");
    }
}

fn the_machine_has_a_name_and_hosts(world: &World) {
    let outcome = world.shell_with("hostname; cat /etc/hosts", |spec| {
        spec.extra_hosts = vec![lrops_sandbox::ExtraHost {
            name: "db".to_owned(),
            address: "10.1.2.3".parse().unwrap(),
        }];
    });
    let hosts = "127.0.0.1\tlocalhost buildhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.1.2.3\tdb\n";
    assert_eq!(outcome.stdout, format!("buildhost\n{hosts}"));
    let own = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    world.check("cat /etc/resolv.conf", &own);
    world.check_refused("echo x > /etc/hosts", "Read-only file system");
}

fn no_new_privileges_is_set_where_asked(world: &World) {
    let script = "grep NoNewPrivs /proc/self/status | tr -d '\\t'";
    world.check(script, "NoNewPrivs:0\n");
    let outcome = world.shell_with(script, |spec| spec.new_privileges = NewPrivileges::Refused);
    assert_eq!(outcome.stdout, "NoNewPrivs:1\n");
}

fn no_descriptor_of_the_program_leaks(world: &World) {
    let ours = rustix::fs::open("/", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    // The fourth is the directory that `ls` itself reads.
    let outcome = world
        .run(|spec| spec.arguments = words(&["ls", "/proc/self/fd"]))
        .unwrap();
    drop(ours);
    assert_eq!(outcome.stdout, "0\n1\n2\n3\n");
}
