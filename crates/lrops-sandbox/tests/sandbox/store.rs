//! Snapshots as a whole: chains, merging, removal, and how long things take.

use std::fs;
use std::time::{Duration, Instant};

use lrops_model::cancel::CancelToken;
use lrops_sandbox::{CopySnapshotter, SnapshotError, Snapshotter};

use crate::Test;
use crate::changes::lines;
use crate::fixture::{World, fresh_id, id, run_in, spec, words};

pub(crate) const TESTS: &[Test] = &[
    ("a_dropped_tree_is_gone", a_dropped_tree_is_gone),
    (
        "committing_twice_keeps_the_first",
        committing_twice_keeps_the_first,
    ),
    ("a_view_cannot_be_written", a_view_cannot_be_written),
    (
        "a_hundred_and_twenty_snapshots_make_one_tree",
        a_hundred_and_twenty_snapshots_make_one_tree,
    ),
    (
        "merging_lays_one_tree_over_another",
        merging_lays_one_tree_over_another,
    ),
    (
        "what_others_are_built_on_is_not_removed",
        what_others_are_built_on_is_not_removed,
    ),
    ("a_missing_snapshot_is_named", a_missing_snapshot_is_named),
    ("the_root_keeps_its_mode", the_root_keeps_its_mode),
    (
        "attributes_and_hard_links_survive_copying",
        attributes_and_hard_links_survive_copying,
    ),
    (
        "many_runs_at_once_do_not_disturb_one_another",
        many_runs_at_once_do_not_disturb_one_another,
    ),
];

fn a_dropped_tree_is_gone(world: &World) {
    for (name, snapshotter) in world.snapshotters() {
        let active = snapshotter.prepare(Some(&world.base)).unwrap();
        let root = active.root().to_owned();
        fs::write(root.join("data/new"), "x").unwrap();
        drop(active);
        assert!(!root.exists(), "{name}");
        let view = snapshotter.view(&world.base).unwrap();
        let root = view.root().to_owned();
        assert!(!root.join("data/new").exists(), "{name}");
        drop(view);
        assert!(!root.exists(), "{name}");
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let store = world.scratch.path().to_str().unwrap();
    assert_eq!(
        mounts.lines().filter(|line| line.contains(store)).count(),
        0,
        "nothing stays mounted"
    );
}

fn committing_twice_keeps_the_first(world: &World) {
    for (name, snapshotter) in world.snapshotters() {
        let id = fresh_id();
        for content in ["first", "second"] {
            let active = snapshotter.prepare(Some(&world.base)).unwrap();
            fs::write(active.root().join("file"), content).unwrap();
            snapshotter.commit(active, &id, Vec::new()).unwrap();
        }
        let view = snapshotter.view(&id).unwrap();
        assert_eq!(
            fs::read_to_string(view.root().join("file")).unwrap(),
            "first",
            "{name}"
        );
    }
}

fn a_view_cannot_be_written(world: &World) {
    for (name, snapshotter) in world.snapshotters() {
        let id = fresh_id();
        let active = snapshotter.prepare(Some(&world.base)).unwrap();
        fs::write(active.root().join("file"), "x").unwrap();
        snapshotter.commit(active, &id, Vec::new()).unwrap();
        for id in [&world.base, &id] {
            let view = snapshotter.view(id).unwrap();
            let error = fs::write(view.root().join("new"), "x").unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem, "{name}");
        }
    }
}

fn a_hundred_and_twenty_snapshots_make_one_tree(world: &World) {
    let mut parent = world.base.clone();
    for number in 0..120 {
        let active = world.overlay.prepare(Some(&parent)).unwrap();
        fs::write(active.root().join(format!("data/{number:03}")), "x").unwrap();
        if number > 0 {
            fs::remove_file(active.root().join(format!("data/{:03}", number - 1))).unwrap();
        }
        parent = fresh_id();
        world.overlay.commit(active, &parent, Vec::new()).unwrap();
    }
    assert_eq!(world.overlay.chain(&parent).unwrap().len(), 121);
    assert_eq!(
        lines(&world.overlay.changes(&parent).unwrap().changes),
        "+data -data/118 +data/119"
    );
    let active = world.overlay.prepare(Some(&parent)).unwrap();
    let outcome = run_in(active.root(), |spec| spec.arguments = words(&["ls", "/data"])).unwrap();
    assert_eq!(outcome.stdout, "119\ndeep\nlink\none\ntwo\n");
}

fn merging_lays_one_tree_over_another(world: &World) {
    for (name, snapshotter) in world.snapshotters() {
        let (upper, merged, next) = (fresh_id(), fresh_id(), fresh_id());
        let active = snapshotter.prepare(None).unwrap();
        for (path, content) in [
            ("data/one", "other"),
            ("data/deep/new", "new"),
            ("home/a", "a"),
            ("app/b", "b"),
        ] {
            fs::create_dir_all(active.root().join(path).parent().unwrap()).unwrap();
            fs::write(active.root().join(path), content).unwrap();
        }
        snapshotter.commit(active, &upper, Vec::new()).unwrap();
        snapshotter.merge(Some(&world.base), &upper, &merged).unwrap();
        let view = snapshotter.view(&merged).unwrap();
        let read = |path: &str| fs::read_to_string(view.root().join(path)).unwrap();
        let contents = [
            "data/one",
            "data/two",
            "data/deep/three",
            "data/deep/new",
            "app/b",
        ]
        .map(read)
        .join(" ");
        assert_eq!(contents.replace('\n', ""), "other two three new b", "{name}");
        let expected = "+app +app/b +data +data/deep +data/deep/new +data/one +home +home/a";
        assert_eq!(
            lines(&snapshotter.changes(&merged).unwrap().changes),
            expected,
            "{name}"
        );
        let active = snapshotter.prepare(Some(&merged)).unwrap();
        fs::remove_file(active.root().join("home/a")).unwrap();
        snapshotter.commit(active, &next, Vec::new()).unwrap();
        assert_eq!(
            lines(&snapshotter.changes(&next).unwrap().changes),
            "+home -home/a",
            "{name}"
        );
        let error = snapshotter.merge(None, &next, &fresh_id()).unwrap_err();
        assert!(
            matches!(error, SnapshotError::UpperHasParent { .. }),
            "{name}: {error}"
        );
    }
}

fn what_others_are_built_on_is_not_removed(world: &World) {
    for (name, snapshotter) in world.snapshotters() {
        let (lower, upper) = (fresh_id(), fresh_id());
        let active = snapshotter.prepare(None).unwrap();
        fs::write(active.root().join("file"), vec![7; 100_000]).unwrap();
        snapshotter.commit(active, &lower, Vec::new()).unwrap();
        let active = snapshotter.prepare(Some(&lower)).unwrap();
        snapshotter.commit(active, &upper, Vec::new()).unwrap();
        assert!(snapshotter.size(&lower).unwrap() >= 100_000, "{name}");
        let error = snapshotter.remove(std::slice::from_ref(&lower)).unwrap_err();
        assert!(
            matches!(error, SnapshotError::StillNeeded { .. }),
            "{name}: {error}"
        );
        assert!(
            snapshotter.contains(&lower) && snapshotter.list().unwrap().contains(&upper),
            "{name}"
        );
        snapshotter
            .remove(&[lower.clone(), upper.clone(), fresh_id()])
            .unwrap();
        assert!(
            !snapshotter.contains(&lower) && !snapshotter.contains(&upper),
            "{name}"
        );
    }
}

fn a_missing_snapshot_is_named(world: &World) {
    for (_, snapshotter) in world.snapshotters() {
        let missing = id(99);
        for error in [
            snapshotter.prepare(Some(&missing)).unwrap_err(),
            snapshotter.view(&missing).unwrap_err(),
            snapshotter.changes(&missing).unwrap_err(),
            snapshotter.size(&missing).unwrap_err(),
        ] {
            assert_eq!(error.to_string(), format!("there is no snapshot {missing}"));
        }
    }
}

fn the_root_keeps_its_mode(world: &World) {
    use std::os::unix::fs::PermissionsExt as _;
    for (name, snapshotter) in world.snapshotters() {
        let mut parent = None;
        for step in 0..3 {
            let active = snapshotter.prepare(parent.as_ref()).unwrap();
            if step == 0 {
                fs::set_permissions(active.root(), fs::Permissions::from_mode(0o711)).unwrap();
            }
            assert_eq!(
                active.root().metadata().unwrap().permissions().mode() & 0o7777,
                0o711,
                "{name}"
            );
            let id = fresh_id();
            snapshotter.commit(active, &id, Vec::new()).unwrap();
            parent = Some(id);
        }
    }
}

fn attributes_and_hard_links_survive_copying(world: &World) {
    use std::os::unix::fs::MetadataExt as _;
    let (first, second) = (fresh_id(), fresh_id());
    let active = world.copy.prepare(None).unwrap();
    fs::write(active.root().join("a"), "x").unwrap();
    fs::hard_link(active.root().join("a"), active.root().join("b")).unwrap();
    xattr::set(active.root().join("a"), "user.lrops.owner", b"5:6").unwrap();
    world.copy.commit(active, &first, Vec::new()).unwrap();
    let active = world.copy.prepare(Some(&first)).unwrap();
    let inode = |name: &str| active.root().join(name).metadata().unwrap().ino();
    assert_eq!(inode("a"), inode("b"));
    assert_eq!(
        xattr::get(active.root().join("b"), "user.lrops.owner")
            .unwrap()
            .as_deref(),
        Some(&b"5:6"[..])
    );
    world.copy.commit(active, &second, Vec::new()).unwrap();
    assert_eq!(lines(&world.copy.changes(&second).unwrap().changes), "");
}

fn many_runs_at_once_do_not_disturb_one_another(world: &World) {
    std::thread::scope(|scope| {
        for worker in 0..4 {
            scope.spawn(move || {
                for round in 0..10 {
                    let outcome = world.shell(&format!("echo {worker}.{round} > /data/one; cat /data/one"));
                    assert_eq!(
                        outcome.stdout,
                        format!("{worker}.{round}\n"),
                        "{}",
                        outcome.stderr
                    );
                }
            });
        }
    });
}

/// Prints how long a start and a commit take; run by hand, on a quiet machine, with `--measure`.
pub(crate) fn measure() -> u8 {
    let world = World::enter("own");
    let time = |work: &mut dyn FnMut()| {
        let one = || {
            let start = Instant::now();
            work();
            start.elapsed()
        };
        let mut times: Vec<Duration> = std::iter::repeat_with(one).take(300).collect();
        times.sort();
        format!(
            "{:?} at best, {:?} in the middle",
            times[0],
            times[times.len() / 2]
        )
    };
    let tree = world.tree();
    let request = spec(tree.root());
    let run = time(&mut || {
        lrops_sandbox::run(&request, &mut |_, _| (), &CancelToken::new()).unwrap();
    });
    println!("run true                      {run}");
    let whole = time(&mut || drop(world.shell("true")));
    println!("prepare, run sh -c true, drop {whole}");
    let prepare = time(&mut || drop(world.tree()));
    println!("prepare, drop                 {prepare}");
    let commit = time(&mut || {
        world
            .overlay
            .commit(world.tree(), &fresh_id(), Vec::new())
            .unwrap();
    });
    println!("prepare, commit (syncfs)      {commit}");
    let copy = CopySnapshotter::open(world.scratch.path()).unwrap();
    let copied = time(&mut || drop(copy.prepare(Some(&world.base)).unwrap()));
    println!("prepare by copying, drop      {copied}");
    0
}
