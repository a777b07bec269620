//! Mounting, by descriptors: trees are made detached, given their attributes, and then put in their place.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::kernel::{self, Reach};

/// `MOUNT_ATTR_RDONLY`.
pub(crate) const READ_ONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY;
/// `MOUNT_ATTR_NOSUID`.
pub(crate) const NO_SET_ID: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID;
/// `MOUNT_ATTR_NODEV`.
pub(crate) const NO_DEVICES: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NODEV;
/// `MOUNT_ATTR_NOEXEC`.
pub(crate) const NO_EXECUTION: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOEXEC;

/// Makes a new file system, mounted nowhere yet.
pub(crate) fn new_file_system(
    kind: &str,
    parameters: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in parameters {
        if value.is_empty() {
            fsconfig_set_flag(&context, *key)?;
        } else {
            fsconfig_set_string(&context, *key, *value)?;
        }
    }
    fsconfig_create(&context)?;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Makes a second mount of what is at `path` below `directory`, mounted nowhere yet.
pub(crate) fn clone_tree(directory: impl AsFd, path: impl AsRef<Path>, reach: Reach) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_RECURSIVE, reach == Reach::All);
    Ok(open_tree(directory, path.as_ref(), flags)?)
}

/// Adds attributes to a mount.
pub(crate) fn restrict(mount: &OwnedFd, attributes: MountAttrFlags, reach: Reach) -> io::Result<()> {
    kernel::set_mount_attributes(mount.as_fd(), u64::from(attributes.bits()), reach)
}

/// Puts a detached mount on the file or directory that `place` is open at.
pub(crate) fn attach(mount: &OwnedFd, place: impl AsFd) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, "", place, "", flags)?)
}

/// Puts a detached mount on `path`.
pub(crate) fn attach_at(mount: &OwnedFd, path: &Path) -> io::Result<()> {
    Ok(move_mount(
        mount,
        "",
        CWD,
        path,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?)
}

/// Puts a detached mount on what `name` is in a directory.
pub(crate) fn attach_in(mount: &OwnedFd, directory: impl AsFd, name: &str) -> io::Result<()> {
    Ok(move_mount(
        mount,
        "",
        directory,
        name,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?)
}

/// Takes the mount at `path` away: at once when nobody uses it, else as soon as nobody does.
pub(crate) fn unmount(path: &Path) -> io::Result<()> {
    match rustix::mount::unmount(path, UnmountFlags::NOFOLLOW) {
        Err(rustix::io::Errno::BUSY) => Ok(rustix::mount::unmount(
            path,
            UnmountFlags::DETACH | UnmountFlags::NOFOLLOW,
        )?),
        result => Ok(result?),
    }
}

/// The directories that an overlay writes to.
#[derive(Clone, Copy)]
pub(crate) struct Upper<'a> {
    /// Takes the changes.
    pub(crate) changes: &'a Path,
    /// The kernel's scratch space, on the same file system.
    pub(crate) work: &'a Path,
}

/// Mounts an overlay on `target`; `lower` is the highest directory first.
///
/// `userxattr` is used by root too, so that both write the same form on disk. `volatile` leaves `fsync` to the commit
/// of the snapshot: what was not committed is thrown away anyhow.
pub(crate) fn mount_overlay(
    target: &Path,
    lower: &[impl AsRef<Path>],
    upper: Option<Upper<'_>>,
) -> io::Result<()> {
    let open = |path: &Path| {
        rustix::fs::openat(
            CWD,
            path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
    };
    // Paths by descriptor are short: neither the limit of 255 bytes a parameter nor the page that holds all options
    // of the older call stands in the way of long paths and chains, and no character needs an escape.
    let lower: Vec<OwnedFd> = lower
        .iter()
        .map(|path| open(path.as_ref()))
        .collect::<Result<_, _>>()?;
    let upper = upper
        .map(|upper| Ok::<_, io::Error>((open(upper.changes)?, open(upper.work)?)))
        .transpose()?;
    match mount_overlay_by_parameters(target, &lower, upper.as_ref()) {
        // Linux before 6.8 does not know `lowerdir+`, and before 6.5 not these calls for overlays.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            mount_overlay_by_options(target, &lower, upper.as_ref())
        }
        result => result,
    }
}

fn mount_overlay_by_parameters(
    target: &Path,
    lower: &[OwnedFd],
    upper: Option<&(OwnedFd, OwnedFd)>,
) -> io::Result<()> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_flag(&context, "userxattr")?;
    fsconfig_set_string(&context, "index", "off")?;
    for directory in lower {
        fsconfig_set_string(&context, "lowerdir+", descriptor_path(directory))?;
    }
    if let Some((changes, work)) = upper {
        fsconfig_set_string(&context, "upperdir", descriptor_path(changes))?;
        fsconfig_set_string(&context, "workdir", descriptor_path(work))?;
        fsconfig_set_flag(&context, "volatile")?;
    }
    fsconfig_create(&context)?;
    let mount = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    attach_at(&mount, target)
}

fn mount_overlay_by_options(
    target: &Path,
    lower: &[OwnedFd],
    upper: Option<&(OwnedFd, OwnedFd)>,
) -> io::Result<()> {
    let lower: Vec<String> = lower.iter().map(descriptor_path).collect();
    let upper = upper.map(|(changes, work)| {
        format!(
            ",upperdir={},workdir={},volatile",
            descriptor_path(changes),
            descriptor_path(work)
        )
    });
    let options = format!(
        "userxattr,index=off,lowerdir={}{}",
        lower.join(":"),
        upper.unwrap_or_default()
    );
    let options = std::ffi::CString::new(options).expect("the options hold no zero byte");
    Ok(rustix::mount::mount(
        "overlay",
        target,
        "overlay",
        MountFlags::empty(),
        Some(options.as_c_str()),
    )?)
}

fn descriptor_path(descriptor: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", descriptor.as_raw_fd())
}
