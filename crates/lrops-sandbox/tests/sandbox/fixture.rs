//! A small root file system, a store, and one door to run commands in them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use lrops_model::cancel::CancelToken;
use lrops_sandbox::{
    ActiveSnapshot, CopySnapshotter, Exit, Identity, Mapping, Network, NewPrivileges, OverlaySnapshotter,
    RootAccess, RunError, RunSpec, Security, SnapshotId, Snapshotter, Stream, UserSpec,
};
use tempfile::TempDir;

/// The programs of the root file system, all busybox.
const APPLETS: &str = "sh cat ls id env echo pwd touch mkdir rm rmdir mv cp ln chmod chown stat sleep kill true false \
                       mount umount unshare mknod head wc ps grep seq setsid hostname dd test tr sort printf readlink \
                       ifconfig find su od";

/// What every test has.
pub(crate) struct World {
    pub(crate) identity: Identity,
    pub(crate) overlay: OverlaySnapshotter,
    pub(crate) copy: CopySnapshotter,
    pub(crate) base: SnapshotId,
    pub(crate) scratch: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exit: Exit,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    /// Enters the namespaces, and fills a store.
    pub(crate) fn enter(identity_name: &str) -> Self {
        let identity = lrops_sandbox::enter().expect("the namespaces");
        match (identity_name, &identity.mapping) {
            ("root", Mapping::Root)
            | ("subordinate", Mapping::Subordinate { .. })
            | ("single", Mapping::Single { .. }) => {}
            ("own", mapping) => println!("this user's identity: {mapping:?}"),
            (name, mapping) => panic!("asked to be {name}, and became {mapping:?}"),
        }
        let scratch = tempfile::Builder::new()
            .prefix("lrops-world")
            .tempdir()
            .expect("a temporary directory");
        let overlay = OverlaySnapshotter::open(scratch.path()).expect("overlays");
        let copy = CopySnapshotter::open(scratch.path()).expect("a directory");
        let base = id(1);
        for snapshotter in [&overlay as &dyn Snapshotter, &copy] {
            let active = snapshotter.prepare(None).unwrap();
            fill(active.root());
            snapshotter.commit(active, &base, Vec::new()).unwrap();
        }
        Self {
            identity,
            overlay,
            copy,
            base,
            scratch,
        }
    }

    /// Both ways to keep snapshots.
    pub(crate) fn snapshotters(&self) -> [(&'static str, &dyn Snapshotter); 2] {
        [("overlay", &self.overlay), ("copy", &self.copy)]
    }

    /// A fresh tree of the base.
    pub(crate) fn tree(&self) -> ActiveSnapshot {
        self.overlay.prepare(Some(&self.base)).unwrap()
    }

    /// An empty directory outside.
    pub(crate) fn directory(&self) -> PathBuf {
        let path = self.scratch.path().join(format!("directory-{}", next_number()));
        fs::create_dir(&path).unwrap();
        path
    }

    /// Runs a shell script in a fresh tree.
    pub(crate) fn shell(&self, script: &str) -> Outcome {
        self.run(|spec| spec.arguments = words(&["sh", "-c", script]))
            .unwrap()
    }

    /// Runs a shell script in a fresh tree with a request changed.
    pub(crate) fn shell_with(&self, script: &str, change: impl FnOnce(&mut RunSpec)) -> Outcome {
        let run = self.run(|spec| {
            spec.arguments = words(&["sh", "-c", script]);
            change(spec);
        });
        run.unwrap()
    }

    /// Runs what a changed request says in a fresh tree.
    pub(crate) fn run(&self, change: impl FnOnce(&mut RunSpec)) -> Result<Outcome, RunError> {
        let tree = self.tree();
        run_in(tree.root(), change)
    }

    /// Checks what a script prints.
    #[track_caller]
    pub(crate) fn check(&self, script: &str, expected: &str) {
        let Outcome { exit, stdout, stderr } = self.shell(script);
        assert_eq!(stdout, expected, "{script}: {exit}, {stderr}");
    }

    /// Checks that a script fails, and what it says.
    #[track_caller]
    pub(crate) fn check_refused(&self, script: &str, message: &str) {
        let Outcome { exit, stdout, stderr } = self.shell(script);
        assert!(!exit.success(), "{script} printed {stdout}");
        assert!(stderr.contains(message), "{script}: {stderr}");
    }
}

/// Runs what a changed request says in a tree.
pub(crate) fn run_in(root: &Path, change: impl FnOnce(&mut RunSpec)) -> Result<Outcome, RunError> {
    let mut spec = spec(root);
    change(&mut spec);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut output = |stream: Stream, chunk: &[u8]| match stream {
        Stream::Stdout => stdout.extend_from_slice(chunk),
        Stream::Stderr => stderr.extend_from_slice(chunk),
    };
    let exit = lrops_sandbox::run(&spec, &mut output, &CancelToken::new())?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the test's commands print text");
    Ok(Outcome {
        exit,
        stdout: text(stdout),
        stderr: text(stderr),
    })
}

/// A request for nothing in particular.
pub(crate) fn spec(root: &Path) -> RunSpec {
    RunSpec {
        root: root.to_owned(),
        root_access: RootAccess::ReadWrite,
        arguments: words(&["true"]),
        environment: vec![("PATH".to_owned(), "/bin".to_owned())],
        working_directory: "/".into(),
        user: UserSpec {
            uid: 0,
            gid: 0,
            supplementary: vec![0],
        },
        mounts: Vec::new(),
        network: Network::Host,
        security: Security::Default,
        new_privileges: NewPrivileges::Allowed,
        host_name: "buildhost".to_owned(),
        extra_hosts: Vec::new(),
        host_ca: None,
        emulator: None,
        shared_memory_bytes: 64 << 20,
        input: None,
    }
}

/// Arguments of a command.
pub(crate) fn words(words: &[&str]) -> Vec<std::ffi::OsString> {
    words.iter().map(Into::into).collect()
}

/// A snapshot's identity.
pub(crate) fn id(number: u32) -> SnapshotId {
    format!("{number:064x}").parse().unwrap()
}

/// An identity that no other test has.
pub(crate) fn fresh_id() -> SnapshotId {
    id(1000 + next_number())
}

fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn fill(root: &Path) {
    for directory in ["bin", "etc", "home", "tmp", "data/deep"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox (Debian: apt install busybox-static)");
    for applet in APPLETS.split_whitespace() {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\nada:x:1000:1001::/home/ada:/bin/sh\n",
    )
    .unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\nada:x:1001:\nstaff:x:50:ada\n").unwrap();
    fs::write(root.join("data/one"), "one\n").unwrap();
    fs::write(root.join("data/two"), "two\n").unwrap();
    fs::write(root.join("data/deep/three"), "three\n").unwrap();
    symlink("one", root.join("data/link")).unwrap();
}
