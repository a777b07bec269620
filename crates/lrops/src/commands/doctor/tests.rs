//! Facts in, table out.

mod farm;

use expect_test::{Expect, expect};
use lrops_engine::emulator::{Means, NoEmulation};
use lrops_model::platform::Platform;
use lrops_model::request::EmulationPolicy;
use lrops_remote::registry::Reception;
use lrops_sandbox::trial::{Attempt, Entry, Trial};
use lrops_sandbox::{Mapping, NamespaceCause, SingleReason};

use super::disk::{self, Room, Sight, StoreFacts};
use super::embedded::{self, MachineFacts};
use super::emulation::Emulated;
use super::finding::Check;
use super::registries::{self, Greeting, Purpose};
use super::shown;
use crate::arguments::EngineName;
use crate::request::EngineChoice;

fn choice() -> EngineChoice {
    EngineChoice {
        engine: EngineName::Embedded,
        reason: "a test says so".to_owned(),
    }
}

/// Compares what a person sees, without colours.
#[track_caller]
fn check(checks: &[Check], expected: Expect) {
    let text = anstream::adapter::strip_str(&shown::text(&choice(), checks)).to_string();
    let (_, table) = text.split_once("found\n").unwrap();
    expected.assert_eq(table);
}

fn platforms(names: &[&str]) -> Vec<Platform> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn machine(entry: Entry) -> MachineFacts {
    MachineFacts {
        kernel: "6.12.1-amd64".to_owned(),
        trial: Ok(Trial {
            entry,
            overlay: Attempt::Works,
            emulation: Attempt::Works,
        }),
        switches: vec![("user.max_user_namespaces", "0".to_owned())],
        store: "/store".into(),
        emulated: Emulated {
            platforms: Some(Vec::new()),
            policy: EmulationPolicy::Warn,
        },
    }
}

#[test]
fn a_healthy_machine_needs_nothing() {
    let entry = Entry::Entered(Mapping::Subordinate {
        uids: 65537,
        gids: 65537,
    });
    check(
        &embedded::judge(&machine(entry)),
        expect![[r"
            kernel           ok          Linux 6.12.1-amd64
            user namespaces  ok          this user may make one
            subordinate ids  ok          65537 users and 65537 groups
            overlay          ok          snapshots on the store's disk can be overlays
            emulation        not needed  no line would run a foreign program
        "]],
    );
}

#[test]
fn forbidden_namespaces_are_broken_and_what_follows_is_not_tried() {
    let mut facts = machine(Entry::Refused {
        message: "this machine lets no ordinary user make a user namespace".to_owned(),
        cause: Some(NamespaceCause::Limit),
    });
    let trial = facts.trial.as_mut().unwrap();
    (trial.overlay, trial.emulation) = (Attempt::Untried, Attempt::Untried);
    facts.kernel = "5.4.0-generic".to_owned();
    check(
        &embedded::judge(&facts),
        expect![[r"
        kernel           broken      Linux 5.4.0-generic
        user namespaces  broken      refused; user.max_user_namespaces = 0
        subordinate ids  not needed  not tried: user namespaces come first
        overlay          not needed  not tried: user namespaces and a store come first
        emulation        not needed  no line would run a foreign program

        kernel: broken
          cause: the sandbox needs Linux 5.12 or newer
          cure:  boot a newer kernel, or build elsewhere: --engine buildx
          guide: docs/guide.md#kernel

        user namespaces: broken
          cause: user.max_user_namespaces is reached
          cure:  raise it with: sysctl -w user.max_user_namespaces=10000
                 run lrops as root, which needs no user namespace
                 or build where a docker daemon runs: --engine buildx
          guide: docs/guide.md#user-namespaces
    "]],
    );
}

#[test]
fn what_is_slower_or_less_is_a_warning() {
    let mut facts = machine(Entry::Entered(Mapping::Single {
        reason: SingleReason::NoTools,
    }));
    facts.trial.as_mut().unwrap().overlay = Attempt::Fails {
        message: "the disk is NFS, which no overlay can write to".to_owned(),
    };
    facts.emulated.platforms = Some(vec![("linux/arm64".parse().unwrap(), Ok(Means::Machine))]);
    check(
        &embedded::judge(&facts),
        expect![[r"
        kernel           ok       Linux 6.12.1-amd64
        user namespaces  ok       this user may make one
        subordinate ids  warning  one id only: the user's own
        overlay          warning  none can be mounted: each step begins with a copy of its whole tree
        emulation        warning  some lines would run programs of linux/arm64

        subordinate ids: warning
          cause: newuidmap and newgidmap are not installed (Debian: apt install uidmap)
          cure:  install newuidmap and newgidmap: sudo apt install uidmap
                 or leave it so, where no RUN changes owners and none runs as another user than root
          guide: docs/guide.md#subordinate-ids

        overlay: warning
          cause: the disk is NFS, which no overlay can write to
          cure:  have the store on a local disk such as ext4, xfs or btrfs instead of /store: --store DIR, or LROPS_ROOT=DIR
          guide: docs/guide.md#overlay

        emulation: warning
          cause: they can, and take 10 to 35 times as long
          cure:  give the stages that run tools `FROM --platform=$BUILDPLATFORM`, and let them cross-compile; lrops plan shows the lines
                 or say that it is meant so: --emulation=allow
          guide: docs/guide.md#emulation-missing
    "]],
    );
}

#[test]
fn emulation_is_broken_only_where_it_is_needed_and_cannot_be() {
    let judge = |policy, means, kernel: &str| {
        let emulated = Emulated {
            platforms: Some(vec![("linux/arm64".parse().unwrap(), means)]),
            policy,
        };
        super::emulation::foreign_programs(&emulated, kernel)
    };
    let no_table = || {
        Err(NoEmulation::NoTable {
            message: "No such device".to_owned(),
        })
    };
    let no_program = Err(NoEmulation::NoProgram {
        name: "qemu-aarch64-static".to_owned(),
        directories: vec!["/usr/bin".into(), "/opt/bin".into()],
    });
    let program = || Ok(Means::Program("/usr/bin/qemu-aarch64-static".into()));
    check(
        &[
            judge(EmulationPolicy::Deny, program(), "6.12"),
            judge(EmulationPolicy::Warn, no_program, "6.12"),
            judge(EmulationPolicy::Allow, no_table(), "6.1.0"),
            judge(EmulationPolicy::Allow, no_table(), "6.12.0"),
            judge(EmulationPolicy::Allow, program(), "6.12.0"),
        ],
        expect![[r#"
            emulation  broken  some lines would run programs of linux/arm64
            emulation  broken  some lines would run programs of linux/arm64
            emulation  broken  some lines would run programs of linux/arm64
            emulation  broken  some lines would run programs of linux/arm64
            emulation  ok      some lines would run programs of linux/arm64, and can

            emulation: broken
              cause: emulation is denied, so that the build stops before it begins
              cure:  give the stages that run tools `FROM --platform=$BUILDPLATFORM`, and let them cross-compile; lrops plan shows the lines
                     or allow it: emulation = "warn" in lrops.toml's [build], or --emulation=warn
              guide: docs/guide.md#emulation-missing

            emulation: broken
              cause: there is no qemu-aarch64-static in /usr/bin, /opt/bin
              cure:  give the stages that run tools `FROM --platform=$BUILDPLATFORM`, and let them cross-compile; lrops plan shows the lines
                     where emulation is really wanted, install it: sudo apt install qemu-user-static
                     or name the directory that has it: --qemu DIR
              guide: docs/guide.md#emulation-missing

            emulation: broken
              cause: emulation without a set-up by root needs Linux 6.7 or newer, and this is 6.1.0
              cure:  give the stages that run tools `FROM --platform=$BUILDPLATFORM`, and let them cross-compile; lrops plan shows the lines
                     or have root register QEMU for the whole machine: sudo apt install qemu-user-static binfmt-support
                     or build where the builder emulates: --engine buildx
              guide: docs/guide.md#emulation-missing

            emulation: broken
              cause: the kernel gives a sandbox no table of binary formats of its own: No such device
              cure:  give the stages that run tools `FROM --platform=$BUILDPLATFORM`, and let them cross-compile; lrops plan shows the lines
                     load what the kernel needs for it: sudo modprobe binfmt_misc
              guide: docs/guide.md#emulation-missing
        "#]],
    );
}

#[test]
fn a_disk_is_judged_by_what_is_free() {
    let judge = |bytes_free: u64, files_free: u64, sight| {
        disk::judge(&StoreFacts {
            root: "/store".into(),
            sight,
            room: Ok(Room {
                bytes_free,
                bytes: 100 << 30,
                files_free,
                files: 1_000_000,
            }),
        })
    };
    let mut checks = judge(50 << 30, 900_000, Ok(Sight::There));
    checks.extend(judge(3 << 30, 100_000, Ok(Sight::WouldBeMade)));
    let file = "the store cannot be at /store: that is no directory".to_owned();
    checks.extend(judge(1 << 20, 12, Err(file)));
    check(
        &checks,
        expect![[r"
        store       ok       /store
        disk space  ok       53.7 GB of 107 GB are free
        inodes      ok       900000 of 1000000 are free
        store       ok       /store, which the first build makes
        disk space  warning  3.22 GB of 107 GB are free
        inodes      warning  100000 of 1000000 are free
        store       broken   the store cannot be at /store: that is no directory
        disk space  broken   1.05 MB of 107 GB are free
        inodes      broken   12 of 1000000 are free

        disk space: warning
          cause: the store's disk has less than 5.37 GB free
          cure:  see and free what lrops keeps: lrops cache du; lrops cache prune
                 have the store on another disk: --store DIR, or LROPS_ROOT=DIR
          guide: docs/guide.md#disk-full

        inodes: warning
          cause: the store's disk takes less than 200000 further files
          cure:  see and free what lrops keeps: lrops cache du; lrops cache prune
                 have the store on another disk: --store DIR, or LROPS_ROOT=DIR
          guide: docs/guide.md#disk-full

        store: broken
          cause: there can be no store at /store
          cure:  name a directory that this user may write to: --store DIR, or LROPS_ROOT=DIR
          guide: docs/guide.md#store

        disk space: broken
          cause: the store's disk has less than 1.07 GB free
          cure:  see and free what lrops keeps: lrops cache du; lrops cache prune
                 have the store on another disk: --store DIR, or LROPS_ROOT=DIR
          guide: docs/guide.md#disk-full

        inodes: broken
          cause: the store's disk takes less than 10000 further files
          cure:  see and free what lrops keeps: lrops cache du; lrops cache prune
                 have the store on another disk: --store DIR, or LROPS_ROOT=DIR
          guide: docs/guide.md#disk-full
    "]],
    );
}

#[test]
fn a_registry_that_refuses_is_broken_for_who_pushes() {
    let refused = Greeting::Refused {
        said: "unauthorized".to_owned(),
        advice: None,
    };
    let unreachable = Greeting::Unreachable {
        said: "the connection failed".to_owned(),
        advice: None,
    };
    let judge = |purpose, greeting: &Greeting| registries::judge("r.example", purpose, greeting);
    check(
        &[
            judge(Purpose::Publish, &Greeting::Received(Reception::Open)),
            judge(Purpose::Publish, &Greeting::Received(Reception::Accepted)),
            judge(Purpose::Publish, &Greeting::Received(Reception::Anonymous)),
            judge(Purpose::Name, &Greeting::Received(Reception::Anonymous)),
            judge(Purpose::Publish, &refused),
            judge(Purpose::Name, &refused),
            judge(Purpose::Mirror, &unreachable),
        ],
        expect![[r"
            registry r.example  ok       it answers, and asks nobody for credentials
            registry r.example  ok       it answers, and accepts the credentials
            registry r.example  warning  it answers; there are no credentials for it
            registry r.example  ok       it answers; there are no credentials for it, and none are needed to read
            registry r.example  broken   unauthorized
            registry r.example  warning  unauthorized
            mirror r.example    warning  the connection failed

            registry r.example: warning
              cause: it lets everybody in to read, and wants credentials from those who push, as a rule
              cure:  lrops login r.example
              guide: docs/guide.md#unauthorized

            registry r.example: broken
              cause: the registry does not accept this user's credentials, or there are none for it
              cure:  lrops login r.example
              guide: docs/guide.md#unauthorized

            registry r.example: warning
              cause: the registry does not accept this user's credentials, or there are none for it
              cure:  lrops login r.example
              guide: docs/guide.md#unauthorized

            mirror r.example: warning
              cause: the mirror cannot be asked, and is passed over
              cure:  check the registry's name, the network, and the proxy settings
              guide: docs/guide.md#network
        "]],
    );
}

#[test]
fn programs_read_json() {
    let checks = [
        Check::ok("kernel", "Linux 6.12"),
        registries::judge(
            "r.example",
            Purpose::Publish,
            &Greeting::Refused {
                said: "unauthorized".to_owned(),
                advice: None,
            },
        ),
    ];
    let text = serde_json::to_string_pretty(&shown::Document::of(&choice(), &checks)).unwrap();
    expect![[r#"
        {
          "engine": "embedded",
          "reason": "a test says so",
          "healthy": false,
          "checks": [
            {
              "name": "kernel",
              "state": "ok",
              "found": "Linux 6.12"
            },
            {
              "name": "registry r.example",
              "state": "broken",
              "found": "unauthorized",
              "cause": "the registry does not accept this user's credentials, or there are none for it",
              "cures": [
                "lrops login r.example"
              ],
              "guide": "unauthorized"
            }
          ]
        }"#]]
    .assert_eq(&text);
}
