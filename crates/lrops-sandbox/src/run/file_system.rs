//! The file system that a command sees, built by process 1 before it changes its root.
//!
//! All mounts are made by descriptors and put on places looked up inside the tree, so that no link in an image leads
//! one astray.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, Uid};
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags};

use super::devices::{DEVICES, LINKS, device};
use super::error::Step;
use super::message::Failure;
use super::mount_points::{self, HOST_CA, HOSTS, PointKind, RESOLV_CONF};
use super::spec::{Mount, MountKind, RootAccess, RunSpec, Security};
use crate::inside::RootDirectory;
use crate::kernel::Reach;
use crate::mounts::{self, NO_DEVICES, NO_EXECUTION, NO_SET_ID, READ_ONLY};

/// Hidden from the command, as in Docker's and the OCI runtime specification's defaults.
const MASKED: [&str; 13] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/system/cpu/cpu0/thermal_throttle",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// For reading only, likewise.
const READ_ONLY_PATHS: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// How large `/dev` may grow: Docker's value.
const DEV_SIZE: &str = "65536k";

/// The group that owns terminals, in every distribution.
const TERMINAL_GROUP: &str = "5";

/// A file system that is being built.
pub(crate) struct FileSystem<'a> {
    spec: &'a RunSpec,
    root: RootDirectory,
    /// The tree of `/sys` of this machine, taken before anything covers it.
    host_sys: io::Result<OwnedFd>,
    /// What the command is to see of this machine, taken likewise.
    sources: Vec<(Mount, Option<OwnedFd>)>,
    /// A directory in memory: secrets, name servers, devices, and what covers masked paths.
    scratch: OwnedFd,
}

impl<'a> FileSystem<'a> {
    /// Builds it and makes it this process's root.
    pub(crate) fn build(spec: &'a RunSpec) -> Result<(), Failure> {
        let propagation = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", propagation).map_err(Failure::of(Step::Root))?;
        let name_servers = std::fs::read("/etc/resolv.conf").unwrap_or_default();
        let building = Self::start(spec)?;
        building.mount_proc()?;
        building.mount_sys()?;
        building.mount_dev()?;
        building.mount_requested()?;
        building.mount_files(&name_servers)?;
        building.mask()?;
        building.pivot()
    }

    fn start(spec: &'a RunSpec) -> Result<Self, Failure> {
        let root = mount_root(spec).map_err(Failure::of(Step::Root))?;
        let host_sys = mounts::clone_tree(CWD, "/sys", Reach::All);
        let sources = sources(spec)?;
        let mode = [("mode", "0755"), ("size", "64m")];
        let scratch = mounts::new_file_system("tmpfs", &mode, NO_SET_ID | NO_EXECUTION);
        let scratch = scratch.map_err(Failure::of(Step::Root))?;
        // A tree can be taken only from a file system that is mounted somewhere. Here nobody needs what it covers, and
        // it goes away with the machine's root.
        mounts::attach_at(&scratch, Path::new("/proc")).map_err(Failure::of(Step::Root))?;
        Ok(Self {
            spec,
            root,
            host_sys,
            sources,
            scratch,
        })
    }

    fn mount_proc(&self) -> Result<(), Failure> {
        let attributes = NO_SET_ID | NO_DEVICES | NO_EXECUTION;
        let mounted =
            mounts::new_file_system("proc", &[], attributes).and_then(|proc| self.put(&proc, "/proc"));
        mounted.map_err(|error| {
            let refused = error.raw_os_error() == Some(libc::EPERM);
            let mut failure = mount_failure(Path::new("/proc"))(error);
            if refused {
                failure.message += "; in a container whose /proc is partly covered the kernel allows no other: start \
                                    it with --security-opt systempaths=unconfined";
            }
            failure
        })
    }

    /// A new one as root; the machine's own where its network is kept in a user namespace and the kernel refuses.
    fn mount_sys(&self) -> Result<(), Failure> {
        let attributes = NO_SET_ID | NO_DEVICES | NO_EXECUTION | READ_ONLY;
        let fail = || mount_failure(Path::new("/sys"));
        match mounts::new_file_system("sysfs", &[], attributes) {
            Ok(sys) => {
                self.put(&sys, "/sys").map_err(fail())?;
                self.mount_control_groups(attributes).map_err(fail())
            }
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                let sys = self.host_sys.as_ref().map_err(|_| fail()(error))?;
                mounts::restrict(sys, attributes, Reach::All).map_err(fail())?;
                self.put(sys, "/sys").map_err(fail())
            }
            Err(error) => Err(fail()(error)),
        }
    }

    /// Programs look there for how much memory and how many processors they have.
    fn mount_control_groups(&self, attributes: MountAttrFlags) -> io::Result<()> {
        let Ok(sys) = &self.host_sys else { return Ok(()) };
        let Ok(groups) = mounts::clone_tree(sys, "fs/cgroup", Reach::All)
            .or_else(|_| mounts::clone_tree(CWD, "/sys/fs/cgroup", Reach::All))
        else {
            return Ok(());
        };
        mounts::restrict(&groups, attributes, Reach::All)?;
        self.put(&groups, "/sys/fs/cgroup")
    }

    fn mount_dev(&self) -> Result<(), Failure> {
        let fail = || mount_failure(Path::new("/dev"));
        let options = [("mode", "0755"), ("size", DEV_SIZE)];
        let dev = mounts::new_file_system("tmpfs", &options, NO_SET_ID | NO_DEVICES | NO_EXECUTION);
        let dev = dev.map_err(fail())?;
        self.put(&dev, "/dev").map_err(fail())?;
        for (name, major, minor) in DEVICES {
            let node = device(&self.scratch, name, major, minor);
            node.and_then(|node| put_in_dev(&dev, name, &node, PointKind::File))
                .map_err(dev_failure(name))?;
        }
        for (name, target) in LINKS {
            rustix::fs::symlinkat(target, &dev, name).map_err(dev_failure(name))?;
        }
        let size = self.spec.shared_memory_bytes.to_string();
        let shared = [("mode", "1777"), ("size", size.as_str())];
        let attributes = NO_SET_ID | NO_DEVICES | NO_EXECUTION;
        let directories = [
            ("pts", terminals()),
            ("shm", mounts::new_file_system("tmpfs", &shared, attributes)),
            ("mqueue", mounts::new_file_system("mqueue", &[], attributes)),
        ];
        for (name, mount) in directories {
            let put = mount.and_then(|mount| put_in_dev(&dev, name, &mount, PointKind::Directory));
            put.map_err(dev_failure(name))?;
        }
        Ok(())
    }

    /// The files that a command finds whatever its image has, unless it was asked to mount others there.
    fn mount_files(&self, name_servers: &[u8]) -> Result<(), Failure> {
        for (target, name, content) in [
            (RESOLV_CONF, "resolv.conf", name_servers),
            (HOSTS, "hosts", hosts(self.spec).as_bytes()),
        ] {
            if self
                .sources
                .iter()
                .any(|(mount, _)| mount.target == Path::new(target))
            {
                continue;
            }
            self.mount_file(target, name, content)
                .map_err(mount_failure(Path::new(target)))?;
        }
        Ok(())
    }

    fn mount_file(&self, target: &str, name: &str, content: &[u8]) -> io::Result<()> {
        let file = self.scratch_file(name, content, (0o644, 0, 0))?;
        mounts::restrict(&file, READ_ONLY, Reach::One)?;
        match self.put_on_file(&file, Path::new(target)) {
            // What was asked to be mounted above it lacks the file and cannot be written: then there is none.
            Err(error) if error.raw_os_error() == Some(libc::EROFS) => Ok(()),
            result => result,
        }
    }

    fn mount_requested(&self) -> Result<(), Failure> {
        for (index, (mount, source)) in self.sources.iter().enumerate() {
            let tree = match (&mount.kind, source) {
                (
                    MountKind::SecretFile {
                        secret,
                        mode,
                        uid,
                        gid,
                    },
                    _,
                ) => self.scratch_file(&format!("secret-{index}"), &secret.0, (*mode, *uid, *gid)),
                (MountKind::Tmpfs { size_bytes }, _) => new_tmpfs(*size_bytes),
                (_, Some(source)) => source.try_clone(),
                (_, None) => unreachable!("a bind mount has a source"),
            };
            let put = tree.and_then(|tree| match mount.kind.point_kind()? {
                PointKind::Directory => self.put_on_directory(&tree, &mount.target),
                PointKind::File => self.put_on_file(&tree, &mount.target),
            });
            put.map_err(mount_failure(&mount.target))?;
        }
        Ok(())
    }

    fn mask(&self) -> Result<(), Failure> {
        if self.spec.security == Security::Insecure {
            return Ok(());
        }
        rustix::fs::mkdirat(&self.scratch, "empty", Mode::from_raw_mode(0o555))
            .map_err(mask_failure("/proc"))?;
        for path in MASKED {
            self.cover(path).map_err(mask_failure(path))?;
        }
        for path in READ_ONLY_PATHS {
            if self.kind_of(path).map_err(mask_failure(path))?.is_some() {
                self.freeze(path).map_err(mask_failure(path))?;
            }
        }
        Ok(())
    }

    fn cover(&self, path: &str) -> io::Result<()> {
        let cover = match self.kind_of(path)? {
            None => return Ok(()),
            Some(FileType::Directory) => {
                let cover = mounts::clone_tree(&self.scratch, "empty", Reach::One)?;
                mounts::restrict(&cover, READ_ONLY, Reach::One)?;
                cover
            }
            Some(_) => {
                let (name, major, minor) = DEVICES[0];
                mounts::clone_tree(&self.scratch, name, Reach::One)
                    .or_else(|_| device(&self.scratch, name, major, minor))?
            }
        };
        self.put(&cover, path)
    }

    fn freeze(&self, path: &str) -> io::Result<()> {
        let place = self
            .root
            .open_inside(Path::new(path), OFlags::PATH, Mode::empty())?;
        let tree = rustix::mount::open_tree(
            &place,
            "",
            rustix::mount::OpenTreeFlags::OPEN_TREE_CLONE
                | rustix::mount::OpenTreeFlags::OPEN_TREE_CLOEXEC
                | rustix::mount::OpenTreeFlags::AT_EMPTY_PATH
                | rustix::mount::OpenTreeFlags::AT_RECURSIVE,
        )?;
        mounts::restrict(
            &tree,
            READ_ONLY | NO_SET_ID | NO_DEVICES | NO_EXECUTION,
            Reach::All,
        )?;
        mounts::attach(&tree, &place)
    }

    fn kind_of(&self, path: &str) -> io::Result<Option<FileType>> {
        match self
            .root
            .open_inside(Path::new(path), OFlags::PATH, Mode::empty())
        {
            Ok(place) => Ok(Some(FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode))),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the tree the root: the machine's goes on top of it and is then let go (`pivot_root(2)`).
    fn pivot(&self) -> Result<(), Failure> {
        let fail = || Failure::of(Step::Pivot);
        rustix::process::fchdir(&self.root).map_err(fail())?;
        rustix::process::pivot_root(".", ".").map_err(fail())?;
        rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(fail())?;
        rustix::process::chdir("/").map_err(fail())
    }

    /// A file in memory, as a mount of its own.
    fn scratch_file(
        &self,
        name: &str,
        content: &[u8],
        (mode, uid, gid): (u32, u32, u32),
    ) -> io::Result<OwnedFd> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(
            &self.scratch,
            name,
            flags,
            Mode::from_raw_mode(0o600),
        )?);
        file.write_all(content)?;
        rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        mounts::clone_tree(&self.scratch, name, Reach::One)
    }

    /// Puts a mount on something that is there.
    fn put(&self, mount: &OwnedFd, target: impl AsRef<Path>) -> io::Result<()> {
        let place = self
            .root
            .open_inside(target.as_ref(), OFlags::PATH, Mode::empty())?;
        mounts::attach(mount, &place)
    }

    /// Puts a mount on a directory. Below another mount it may have to be made, and stays there as with other builders.
    fn put_on_directory(&self, mount: &OwnedFd, target: &Path) -> io::Result<()> {
        mount_points::make_missing(&self.root, target, PointKind::Directory)?;
        self.put_resolved(mount, target)
    }

    fn put_on_file(&self, mount: &OwnedFd, target: &Path) -> io::Result<()> {
        mount_points::make_missing(&self.root, target, PointKind::File)?;
        self.put_resolved(mount, target)
    }

    /// The same links are followed for making a place and for using it.
    fn put_resolved(&self, mount: &OwnedFd, target: &Path) -> io::Result<()> {
        self.put(mount, self.root.resolve(target)?.path)
    }
}

/// Mounts the tree over itself, with the attributes that it needs here, and opens it.
fn mount_root(spec: &RunSpec) -> io::Result<RootDirectory> {
    let tree = mounts::clone_tree(CWD, &spec.root, Reach::One)?;
    let mut attributes = MountAttrFlags::empty();
    if spec.security == Security::Default {
        attributes |= NO_DEVICES;
    }
    if spec.root_access == RootAccess::ReadOnly {
        attributes |= READ_ONLY;
    }
    mounts::restrict(&tree, attributes, Reach::One)?;
    mounts::attach_at(&tree, &spec.root)?;
    RootDirectory::open(&spec.root)
}

/// New terminals, apart from the machine's.
fn terminals() -> io::Result<OwnedFd> {
    let new = |more: &[(&str, &str)]| {
        let options = [
            &[("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620")],
            more,
        ]
        .concat();
        mounts::new_file_system("devpts", &options, NO_SET_ID | NO_EXECUTION)
    };
    // A user namespace with one id does not have the group.
    new(&[("gid", TERMINAL_GROUP)]).or_else(|_| new(&[]))
}

/// Puts a mount into `/dev`, which is empty and nobody's but the sandbox's: no name there needs to be looked up.
fn put_in_dev(dev: &OwnedFd, name: &str, mount: &OwnedFd, kind: PointKind) -> io::Result<()> {
    match kind {
        PointKind::Directory => rustix::fs::mkdirat(dev, name, Mode::from_raw_mode(0o755))?,
        PointKind::File => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            drop(rustix::fs::openat(dev, name, flags, Mode::from_raw_mode(0o644))?);
        }
    }
    mounts::attach_in(mount, dev, name)
}

/// Takes the trees of the bind mounts, shorter targets first, so that a mount may lie within another.
fn sources(spec: &RunSpec) -> Result<Vec<(Mount, Option<OwnedFd>)>, Failure> {
    let mut mounts = spec.mounts.clone();
    mounts.extend(spec.host_ca.clone().map(|source| Mount {
        target: PathBuf::from(HOST_CA),
        kind: MountKind::BindReadOnly { source },
    }));
    mounts.sort_by_key(|mount| mount.target.components().count());
    let take = |mount: Mount| {
        let tree = source(&mount.kind).map_err(mount_failure(&mount.target))?;
        Ok((mount, tree))
    };
    mounts.into_iter().map(take).collect()
}

fn source(kind: &MountKind) -> io::Result<Option<OwnedFd>> {
    match kind {
        MountKind::BindReadWrite { source } => {
            let tree = mounts::clone_tree(CWD, source, Reach::All)?;
            mounts::restrict(&tree, NO_DEVICES, Reach::All)?;
            Ok(Some(tree))
        }
        MountKind::BindReadOnly { source } => {
            let tree = mounts::clone_tree(CWD, source, Reach::All)?;
            mounts::restrict(&tree, NO_DEVICES | READ_ONLY, Reach::All)?;
            Ok(Some(tree))
        }
        MountKind::Tmpfs { .. } | MountKind::SecretFile { .. } => Ok(None),
    }
}

fn new_tmpfs(size_bytes: Option<u64>) -> io::Result<OwnedFd> {
    let size = size_bytes.map(|bytes| bytes.to_string());
    let mut options = vec![("mode", "1777")];
    options.extend(size.as_deref().map(|size| ("size", size)));
    mounts::new_file_system("tmpfs", &options, NO_SET_ID | NO_DEVICES)
}

fn hosts(spec: &RunSpec) -> String {
    let mut text = format!(
        "127.0.0.1\tlocalhost {name}\n::1\tlocalhost ip6-localhost ip6-loopback\n",
        name = spec.host_name
    );
    for host in &spec.extra_hosts {
        writeln!(text, "{}\t{}", host.address, host.name).expect("writing to a string succeeds");
    }
    text
}

fn mount_failure<E: Into<io::Error>>(target: &Path) -> impl FnOnce(E) -> Failure + use<E> {
    Failure::of(Step::Mount {
        target: target.display().to_string(),
    })
}

fn dev_failure<E: Into<io::Error>>(name: &str) -> impl FnOnce(E) -> Failure + use<E> {
    mount_failure(&Path::new("/dev").join(name))
}

fn mask_failure<E: Into<io::Error>>(target: &str) -> impl FnOnce(E) -> Failure + use<E> {
    Failure::of(Step::Mask {
        target: target.to_owned(),
    })
}
