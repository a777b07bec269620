//! What a snapshot changes in its parent: equal for both ways to keep trees.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use lrops_model::change::{Change, ChangeKind, Owner};
use lrops_sandbox::{Snapshotter, Whiteouts};

use crate::Test;
use crate::fixture::{World, fresh_id, run_in, words};

pub(crate) const TESTS: &[Test] = &[
    ("nothing_done_changes_nothing", nothing_done_changes_nothing),
    (
        "files_made_changed_and_removed_are_listed",
        files_made_changed_and_removed_are_listed,
    ),
    (
        "a_touched_file_is_listed_whatever_became_of_it",
        a_touched_file_is_listed_whatever_became_of_it,
    ),
    (
        "directories_count_for_more_than_their_times",
        directories_count_for_more_than_their_times,
    ),
    (
        "directories_made_anew_are_compared",
        directories_made_anew_are_compared,
    ),
    ("one_kind_replaces_another", one_kind_replaces_another),
    ("moved_things_are_gone_and_new", moved_things_are_gone_and_new),
    ("paths_are_sorted_by_their_bytes", paths_are_sorted_by_their_bytes),
    (
        "links_and_special_files_are_files",
        links_and_special_files_are_files,
    ),
    (
        "the_first_snapshot_has_everything",
        the_first_snapshot_has_everything,
    ),
    (
        "an_unpacked_layer_has_what_it_says",
        an_unpacked_layer_has_what_it_says,
    ),
    (
        "owners_that_the_tree_cannot_say_are_kept",
        owners_that_the_tree_cannot_say_are_kept,
    ),
];

/// Changes as text: `+path` is present, `-path` is removed.
pub(crate) fn lines(changes: &[Change]) -> String {
    let mark = |kind: &ChangeKind| if *kind == ChangeKind::Removed { '-' } else { '+' };
    let lines: Vec<String> = changes
        .iter()
        .map(|change| format!("{}{}", mark(&change.kind), change.path.display()))
        .collect();
    lines.join(" ")
}

/// Runs `before` on the base, commits, runs `script` on that, and checks the changes of the second.
#[track_caller]
fn check_after(world: &World, before: &str, script: &str, expected: &str) {
    for (name, snapshotter) in world.snapshotters() {
        let mut parent = world.base.clone();
        for (script, last) in [(before, false), (script, true)] {
            if script.is_empty() {
                continue;
            }
            let active = snapshotter.prepare(Some(&parent)).unwrap();
            let outcome = run_in(active.root(), |spec| {
                spec.arguments = words(&["sh", "-ec", script]);
            })
            .unwrap();
            assert!(outcome.exit.success(), "{name}: {script}: {outcome:?}");
            parent = fresh_id();
            snapshotter.commit(active, &parent, Vec::new()).unwrap();
            if last {
                let changes = snapshotter.changes(&parent).unwrap();
                assert_eq!(lines(&changes.changes), expected, "{name}: {script}");
                for change in changes
                    .changes
                    .iter()
                    .filter(|change| change.kind != ChangeKind::Removed)
                {
                    changes
                        .tree
                        .join(&change.path)
                        .symlink_metadata()
                        .expect("a present path is in the tree");
                }
            }
        }
    }
}

#[track_caller]
fn check(world: &World, script: &str, expected: &str) {
    check_after(world, "", script, expected);
}

fn nothing_done_changes_nothing(world: &World) {
    check(world, "true", "");
    check(world, "cat /data/one; ls /data", "");
    check(world, "touch /data/new; rm /data/new", "");
    check(world, "mkdir -p /data/a/b; rm -r /data/a", "");
}

fn files_made_changed_and_removed_are_listed(world: &World) {
    check(world, "echo x > /data/new", "+data +data/new");
    check(
        world,
        "echo x >> /data/deep/three",
        "+data +data/deep +data/deep/three",
    );
    check(world, "rm /data/one", "+data -data/one");
    check(world, "rm -r /data/deep", "+data -data/deep");
    check(world, "rm -r /data", "-data");
    check(world, "rm /data/one; echo again > /data/one", "+data +data/one");
    check(world, "mkdir /data/empty", "+data +data/empty");
}

fn a_touched_file_is_listed_whatever_became_of_it(world: &World) {
    check(
        world,
        "chmod 600 /data/one; chmod 644 /data/one",
        "+data +data/one",
    );
    check(world, "touch /data/one", "+data +data/one");
    check(
        world,
        "cp /data/one /tmp/x; cat /tmp/x > /data/one; rm /tmp/x",
        "+data +data/one",
    );
}

fn directories_count_for_more_than_their_times(world: &World) {
    check(world, "touch /data", "");
    check(world, "chmod 700 /data/deep", "+data +data/deep");
    check(world, "chmod 700 /data/deep; chmod 755 /data/deep", "");
}

fn directories_made_anew_are_compared(world: &World) {
    check(
        world,
        "rm -r /data; mkdir /data",
        "+data -data/deep -data/link -data/one -data/two",
    );
    check(
        world,
        "rm -r /data; mkdir /data; echo x > /data/two",
        "+data -data/deep -data/link -data/one +data/two",
    );
    check(
        world,
        "rm -r /data; mkdir -p /data/deep/more; echo x > /data/deep/x",
        "+data +data/deep +data/deep/more -data/deep/three +data/deep/x -data/link -data/one -data/two",
    );
    check(
        world,
        "rm -r /data/deep; mkdir /data/deep; chmod 700 /data/deep",
        "+data +data/deep -data/deep/three",
    );
    check_after(
        world,
        "mkdir /data/empty",
        "rmdir /data/empty; mkdir /data/empty",
        "",
    );
    check_after(
        world,
        "rm -r /data; mkdir -p /data/deep; echo x > /data/deep/x",
        "echo y > /data/deep/y",
        "+data +data/deep +data/deep/y",
    );
}

fn one_kind_replaces_another(world: &World) {
    check(
        world,
        "rm /data/one; mkdir /data/one; echo x > /data/one/x",
        "+data +data/one +data/one/x",
    );
    check(world, "rm -r /data/deep; echo x > /data/deep", "+data +data/deep");
    check(world, "rm /data/one; ln -s two /data/one", "+data +data/one");
    check(world, "rm /data/link; mkdir /data/link", "+data +data/link");
    check(world, "rm -r /data/deep; ln -s . /data/deep", "+data +data/deep");
}

fn moved_things_are_gone_and_new(world: &World) {
    check(world, "mv /data/one /data/uno", "+data -data/one +data/uno");
    check(world, "mv /data/one /data/two", "+data -data/one +data/two");
    check(
        world,
        "mv /data/deep /data/tief",
        "+data -data/deep +data/tief +data/tief/three",
    );
    check(
        world,
        "mkdir /tmp/new; echo x > /tmp/new/three; echo x > /tmp/new/four; rm -r /data/deep; mv /tmp/new /data/deep",
        "+data +data/deep +data/deep/four +data/deep/three",
    );
    // The same names, sizes and times in a directory that took another's place.
    check_after(
        world,
        "mkdir /home/a /home/b; echo 1 > /home/a/f; echo 2 > /home/b/f; touch -d '2001-01-01 00:00:00' /home/a/f /home/b/f",
        "mv /home/a /home/c; mv /home/b /home/a",
        "+home +home/a +home/a/f -home/b +home/c +home/c/f",
    );
}

fn paths_are_sorted_by_their_bytes(world: &World) {
    check(
        world,
        "mkdir /home/a; touch /home/a/x /home/a-b /home/a.c /home/B",
        "+home +home/B +home/a +home/a-b +home/a.c +home/a/x",
    );
}

fn links_and_special_files_are_files(world: &World) {
    check(world, "ln /data/one /data/uno", "+data +data/one +data/uno");
    check(
        world,
        "ln -s nowhere /data/dangling; mknod /data/pipe p",
        "+data +data/dangling +data/pipe",
    );
}

fn the_first_snapshot_has_everything(world: &World) {
    for (name, snapshotter) in world.snapshotters() {
        let changes = snapshotter.changes(&world.base).unwrap().changes;
        let text = lines(&changes);
        assert!(
            text.contains("+data +data/deep +data/deep/three +data/link +data/one +data/two +etc"),
            "{name}: {text}"
        );
        assert!(!text.contains('-'), "{name}: {text}");
    }
}

fn an_unpacked_layer_has_what_it_says(world: &World) {
    for (name, snapshotter) in world.snapshotters() {
        let active = snapshotter.prepare_layer(Some(&world.base)).unwrap();
        let root = active.root().to_owned();
        let whiteouts = active.whiteouts();
        let remove = |path: &str| match whiteouts {
            Whiteouts::Remove if root.join(path).is_dir() => {
                std::fs::remove_dir_all(root.join(path)).unwrap();
            }
            Whiteouts::Remove => drop(std::fs::remove_file(root.join(path))),
            Whiteouts::Overlay => {
                let kind = rustix::fs::FileType::CharacterDevice;
                rustix::fs::mknodat(
                    rustix::fs::CWD,
                    root.join(path),
                    kind,
                    rustix::fs::Mode::empty(),
                    0,
                )
                .unwrap();
            }
        };
        std::fs::create_dir_all(root.join("data/deep")).unwrap();
        std::fs::write(root.join("data/new"), "new").unwrap();
        for path in ["data/one", "data/never", "home"] {
            remove(path);
        }
        if whiteouts == Whiteouts::Overlay {
            xattr::set(root.join("data/deep"), "user.overlay.opaque", b"y").unwrap();
        } else {
            std::fs::remove_file(root.join("data/deep/three")).unwrap();
        }
        let id = fresh_id();
        snapshotter.commit(active, &id, Vec::new()).unwrap();
        let changes = snapshotter.changes(&id).unwrap().changes;
        let expected = "+data +data/deep -data/deep/three +data/new -data/one -home";
        assert_eq!(lines(&changes), expected, "{name}");
        let view = snapshotter.view(&id).unwrap();
        assert!(
            !view.root().join("data/one").exists() && view.root().join("data/two").exists(),
            "{name}"
        );
        check_bottom_layer(snapshotter, name);
    }
}

/// A layer without a parent may say that things are removed which never were.
fn check_bottom_layer(snapshotter: &dyn Snapshotter, name: &str) {
    let active = snapshotter.prepare_layer(None).unwrap();
    std::fs::write(active.root().join("file"), "x").unwrap();
    if active.whiteouts() == Whiteouts::Overlay {
        let path = active.root().join("gone");
        let kind = rustix::fs::FileType::CharacterDevice;
        rustix::fs::mknodat(rustix::fs::CWD, path, kind, rustix::fs::Mode::empty(), 0).unwrap();
    }
    let id = fresh_id();
    snapshotter.commit(active, &id, Vec::new()).unwrap();
    assert_eq!(
        lines(&snapshotter.changes(&id).unwrap().changes),
        "+file",
        "{name}"
    );
    let view = snapshotter.view(&id).unwrap();
    assert_eq!(
        std::fs::read_dir(view.root()).unwrap().count(),
        1,
        "{name}: no marker is seen"
    );
}

fn owners_that_the_tree_cannot_say_are_kept(world: &World) {
    for (name, snapshotter) in world.snapshotters() {
        let active = snapshotter.prepare(None).unwrap();
        let odd = PathBuf::from(OsString::from_vec(b"li\xffnk%".to_vec()));
        std::os::unix::fs::symlink("x", active.root().join(&odd)).unwrap();
        let owner = Owner { uid: 1000, gid: 7 };
        let id = fresh_id();
        snapshotter
            .commit(active, &id, vec![(odd.clone(), owner)])
            .unwrap();
        let changes = snapshotter.changes(&id).unwrap().changes;
        assert_eq!(
            changes,
            [Change {
                path: odd,
                kind: ChangeKind::Present { owner: Some(owner) }
            }],
            "{name}"
        );
    }
}
