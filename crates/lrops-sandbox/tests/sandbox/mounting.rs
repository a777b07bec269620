//! What is mounted into a tree, and that none of it stays.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use lrops_model::change::ChangeKind;
use lrops_sandbox::{Emulator, Mount, MountKind, RootAccess, RunSpec, Secret, Snapshotter};

use crate::Test;
use crate::fixture::{World, fresh_id, run_in, words};

pub(crate) const TESTS: &[Test] = &[
    ("directories_and_files_are_shown", directories_and_files_are_shown),
    (
        "a_secret_is_in_memory_with_its_mode",
        a_secret_is_in_memory_with_its_mode,
    ),
    (
        "a_directory_in_memory_has_its_size",
        a_directory_in_memory_has_its_size,
    ),
    (
        "a_mount_within_a_mount_works_in_any_order",
        a_mount_within_a_mount_works_in_any_order,
    ),
    (
        "a_link_in_the_tree_leads_nowhere_else",
        a_link_in_the_tree_leads_nowhere_else,
    ),
    (
        "nothing_of_the_sandbox_stays_in_the_tree",
        nothing_of_the_sandbox_stays_in_the_tree,
    ),
    (
        "what_the_command_makes_beside_a_mount_point_stays",
        what_the_command_makes_beside_a_mount_point_stays,
    ),
    (
        "a_mount_of_a_whole_directory_keeps_the_usual_files",
        a_mount_of_a_whole_directory_keeps_the_usual_files,
    ),
    (
        "the_machines_certificates_are_shown",
        the_machines_certificates_are_shown,
    ),
    (
        "a_tree_for_reading_cannot_be_written",
        a_tree_for_reading_cannot_be_written,
    ),
    (
        "programs_of_other_platforms_run_by_emulation",
        programs_of_other_platforms_run_by_emulation,
    ),
    (
        "32_bit_programs_run_under_the_filter",
        compatible_programs_run_under_the_filter,
    ),
];

fn mount(target: &str, kind: MountKind) -> Mount {
    Mount {
        target: target.into(),
        kind,
    }
}

fn secret(target: &str) -> Mount {
    let secret = Secret(b"hunter2".to_vec());
    assert!(!format!("{secret:?}").contains("hunter2") && !format!("{secret:?}").contains("104"));
    mount(
        target,
        MountKind::SecretFile {
            secret,
            mode: 0o400,
            uid: 0,
            gid: 0,
        },
    )
}

fn directories_and_files_are_shown(world: &World) {
    let source = world.directory();
    fs::write(source.join("file"), "content\n").unwrap();
    let outcome = world.shell_with(
        "cat /mnt/ro/file /mnt/file; echo x > /mnt/ro/new; echo x > /mnt/file; echo new > /mnt/rw/new; mount | wc -l >/dev/null",
        |spec| {
            spec.mounts = vec![
                mount("/mnt/ro", MountKind::BindReadOnly { source: source.clone() }),
                mount("/mnt/rw", MountKind::BindReadWrite { source: source.clone() }),
                mount("/mnt/file", MountKind::BindReadOnly { source: source.join("file") }),
            ];
        },
    );
    assert_eq!(outcome.stdout, "content\ncontent\n");
    assert_eq!(
        outcome.stderr.matches("Read-only file system").count(),
        2,
        "{}",
        outcome.stderr
    );
    assert_eq!(fs::read_to_string(source.join("new")).unwrap(), "new\n");
}

fn a_secret_is_in_memory_with_its_mode(world: &World) {
    let script = "cat /run/secrets/token; echo; stat -c '%a %u' /run/secrets/token; stat -f -c %T /run/secrets/token; \
                  grep -c 'run/secrets/token.* tmpfs ' /proc/self/mountinfo";
    let outcome = world.shell_with(script, |spec| spec.mounts = vec![secret("/run/secrets/token")]);
    assert_eq!(outcome.stdout, "hunter2\n400 0\ntmpfs\n1\n");
}

fn a_directory_in_memory_has_its_size(world: &World) {
    let script =
        "stat -c %a /data; ls /data; dd if=/dev/zero of=/data/f bs=1k count=200 2>&1 | grep -c 'No space'";
    let outcome = world.shell_with(script, |spec| {
        spec.mounts = vec![mount(
            "/data",
            MountKind::Tmpfs {
                size_bytes: Some(100 << 10),
            },
        )];
    });
    assert_eq!(outcome.stdout, "1777\n1\n", "{}", outcome.stderr);
}

fn a_mount_within_a_mount_works_in_any_order(world: &World) {
    let (outer, inner) = (world.directory(), world.directory());
    fs::write(inner.join("file"), "inner\n").unwrap();
    let outcome = world.shell_with("cat /cache/a/b/file; cat /cache/token", |spec| {
        spec.mounts = vec![
            mount(
                "/cache/a/b",
                MountKind::BindReadOnly {
                    source: inner.clone(),
                },
            ),
            secret("/cache/token"),
            mount(
                "/cache",
                MountKind::BindReadWrite {
                    source: outer.clone(),
                },
            ),
        ];
    });
    assert_eq!(outcome.stdout, "inner\nhunter2", "{}", outcome.stderr);
    assert_eq!(
        fs::read(outer.join("token")).unwrap(),
        b"",
        "only the mount point is on the disk"
    );
}

fn a_link_in_the_tree_leads_nowhere_else(world: &World) {
    let tree = world.tree();
    let outside = world.directory();
    std::os::unix::fs::symlink(&outside, tree.root().join("out")).unwrap();
    std::os::unix::fs::symlink("../../../../../../../..", tree.root().join("up")).unwrap();
    std::os::unix::fs::symlink("/run/nowhere/resolv.conf", tree.root().join("etc/resolv.conf")).unwrap();
    let outcome = run_in(tree.root(), |spec| {
        spec.arguments = words(&[
            "sh",
            "-c",
            "cat /out/token /up/token; cat /etc/resolv.conf | wc -c",
        ]);
        spec.mounts = vec![secret("/out/token"), secret("/up/token")];
    });
    let outcome = outcome.unwrap();
    let servers = fs::read("/etc/resolv.conf").unwrap_or_default().len();
    assert_eq!(
        outcome.stdout,
        format!("hunter2hunter2{servers}\n"),
        "{}",
        outcome.stderr
    );
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert!(!tree.root().join("run").exists() && !tree.root().join("token").exists());
}

/// The changes that a run makes to the base, as `+path` and `-path`.
fn changes_of(world: &World, change: impl FnOnce(&mut RunSpec)) -> Vec<String> {
    let tree = world.tree();
    run_in(tree.root(), change).unwrap();
    let id = fresh_id();
    world.overlay.commit(tree, &id, Vec::new()).unwrap();
    let changes = world.overlay.changes(&id).unwrap().changes;
    let mark = |kind: &ChangeKind| if *kind == ChangeKind::Removed { '-' } else { '+' };
    changes
        .iter()
        .map(|change| format!("{}{}", mark(&change.kind), change.path.display()))
        .collect()
}

fn nothing_of_the_sandbox_stays_in_the_tree(world: &World) {
    let source = world.directory();
    let changes = changes_of(world, |spec| {
        spec.mounts = vec![
            mount(
                "/mnt/a/b",
                MountKind::BindReadOnly {
                    source: source.clone(),
                },
            ),
            mount("/data/cache", MountKind::Tmpfs { size_bytes: None }),
            secret("/run/secrets/token"),
        ];
        spec.host_ca = Some(PathBuf::from("/etc/passwd"));
    });
    assert!(changes.is_empty(), "{changes:?}");
    let tree = world.tree();
    let time = |path: &str| {
        tree.root()
            .join(path)
            .metadata()
            .map(|found| (found.mtime(), found.mtime_nsec()))
            .unwrap()
    };
    let before = (time("etc"), time(""));
    run_in(tree.root(), |_| ()).unwrap();
    assert_eq!(
        (time("etc"), time("")),
        before,
        "the directories have their times again"
    );
}

fn what_the_command_makes_beside_a_mount_point_stays(world: &World) {
    let changes = changes_of(world, |spec| {
        spec.arguments = words(&[
            "sh",
            "-c",
            "echo x > /run/mine; echo y > /etc/hosts2; rm /data/one",
        ]);
        spec.mounts = vec![secret("/run/secrets/token")];
    });
    assert_eq!(
        changes,
        ["+data", "-data/one", "+etc", "+etc/hosts2", "+run", "+run/mine"]
    );
}

fn a_mount_of_a_whole_directory_keeps_the_usual_files(world: &World) {
    let source = world.directory();
    fs::write(source.join("mine"), "mine\n").unwrap();
    for kind in [
        MountKind::BindReadOnly {
            source: source.clone(),
        },
        MountKind::BindReadWrite {
            source: source.clone(),
        },
    ] {
        let outcome = world.shell_with("cat /etc/mine", |spec| {
            spec.mounts = vec![mount("/etc", kind.clone())];
        });
        assert_eq!(outcome.stdout, "mine\n", "{}", outcome.stderr);
    }
}

fn the_machines_certificates_are_shown(world: &World) {
    let file = world.directory().join("bundle");
    fs::write(&file, "certificates\n").unwrap();
    let outcome = world.shell_with(
        "cat /run/lrops/ca-certificates.crt; echo x > /run/lrops/ca-certificates.crt",
        |spec| {
            spec.host_ca = Some(file.clone());
        },
    );
    assert_eq!(outcome.stdout, "certificates\n");
    assert!(outcome.stderr.contains("Read-only"), "{}", outcome.stderr);
}

fn a_tree_for_reading_cannot_be_written(world: &World) {
    let outcome = world.shell_with("echo x > /data/new; echo fine", |spec| {
        spec.root_access = RootAccess::ReadOnly;
    });
    assert_eq!(outcome.stdout, "fine\n");
    assert!(
        outcome.stderr.contains("Read-only file system"),
        "{}",
        outcome.stderr
    );
}

fn programs_of_other_platforms_run_by_emulation(world: &World) {
    use std::os::unix::fs::PermissionsExt as _;
    let tree = world.tree();
    fs::write(tree.root().join("bin/foreign"), crate::errors::arm64_program()).unwrap();
    fs::set_permissions(tree.root().join("bin/foreign"), fs::Permissions::from_mode(0o755)).unwrap();
    let interpreter = PathBuf::from("/usr/bin/qemu-aarch64-static");
    assert!(
        interpreter.exists(),
        "qemu (Debian: apt install qemu-user-static)"
    );
    let emulator = Emulator {
        interpreter,
        platform: "linux/arm64".parse().unwrap(),
    };
    let outcome = run_in(tree.root(), |spec| {
        spec.arguments = words(&[
            "sh",
            "-c",
            "/bin/foreign; echo $?; id -u; touch /data/new; stat -c %u /data/one; ls /sys | wc -l",
        ]);
        spec.emulator = Some(emulator.clone());
    });
    let outcome = outcome.unwrap();
    assert!(outcome.stdout.starts_with("42\n0\n0\n"), "{outcome:?}");
    assert!(tree.root().join("data/new").exists());
    let error = run_in(tree.root(), |spec| spec.arguments = words(&["foreign"])).unwrap_err();
    assert!(
        crate::errors::messages(&error).contains("linux/arm64"),
        "the table belonged to the other sandbox"
    );
    let direct = run_in(tree.root(), |spec| {
        spec.arguments = words(&["foreign"]);
        spec.emulator = Some(emulator);
    });
    assert_eq!(direct.unwrap().exit, lrops_sandbox::Exit::Code(42));
}

fn compatible_programs_run_under_the_filter(world: &World) {
    // exit(7), in 32-bit x86: mov eax,1; mov ebx,7; int 0x80.
    let code = [0xb8, 1, 0, 0, 0, 0xbb, 7, 0, 0, 0, 0xcd, 0x80];
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend([2u16, 3].iter().flat_map(|value| value.to_le_bytes()));
    file.extend(
        [1u32, 0x0804_8054, 52, 0, 0]
            .iter()
            .flat_map(|value| value.to_le_bytes()),
    );
    file.extend(
        [52u16, 32, 1, 40, 0, 0]
            .iter()
            .flat_map(|value| value.to_le_bytes()),
    );
    let size = 84 + u32::try_from(code.len()).unwrap();
    file.extend(
        [1, 0, 0x0804_8000, 0x0804_8000, size, size, 5, 0x1000]
            .iter()
            .flat_map(|value: &u32| value.to_le_bytes()),
    );
    file.extend(code);
    let tree = world.tree();
    fs::write(tree.root().join("bin/narrow"), file).unwrap();
    let script = "chmod +x /bin/narrow; /bin/narrow; echo $?";
    let outcome = run_in(tree.root(), |spec| spec.arguments = words(&["sh", "-c", script])).unwrap();
    if cfg!(target_arch = "x86_64") {
        assert_eq!(outcome.stdout, "7\n", "{}", outcome.stderr);
    }
}
