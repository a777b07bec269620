//! What maintainer scripts would do, done here: no script of a package runs.
//!
//! Each fix-up looks at what the packages brought and adds what is missing; none overwrites a package's file, except
//! where the specification asks for it.

use std::io;
use std::path::Path;

use lrops_model::change::Owner;

use crate::accounts::{Accounts, home_of};
use crate::alpine::{architecture, fixups as alpine};
use crate::applets::applets;
use crate::resolution::Resolution;
use crate::spec::{BaseSpec, DEFAULT_EXCLUDE, DEFAULT_INCLUDE, Distribution};
use crate::tree::{Content, EntryKind, MergeFault, Pattern, Tree};

/// A file that a fix-up reads is small; busybox, the largest, has one or two megabytes.
pub(crate) const READ_SIZE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Why a base cannot be finished.
#[derive(Debug, thiserror::Error)]
pub enum FixupFault {
    /// The specification contradicts itself or the packages.
    #[error("{0}")]
    Specification(String),
    /// Paths do not fit together.
    #[error(transparent)]
    Merge(#[from] MergeFault),
    /// A package's content cannot be read back.
    #[error("failed to read back a package's content")]
    Read(#[from] io::Error),
}

/// Finishes a tree. `contents` gives the bytes of the specification's files, in their order.
pub(crate) fn finish(
    tree: &mut Tree,
    spec: &BaseSpec,
    resolution: &Resolution,
    controls: &[String],
    contents: Vec<Vec<u8>>,
) -> Result<(), FixupFault> {
    let mut accounts = match spec.distribution {
        Distribution::Debian => debian(tree, resolution, controls)?,
        Distribution::Alpine => alpine(tree, resolution)?,
    };
    exclude(tree, spec);
    if spec.distribution == Distribution::Alpine {
        let architecture = architecture::of(&resolution.platform).unwrap_or_default();
        alpine::records(tree, spec, architecture, controls)?;
    }
    specified_accounts(tree, spec, &mut accounts)?;
    specified_files(tree, spec, &accounts, contents)
}

fn debian(tree: &mut Tree, resolution: &Resolution, controls: &[String]) -> Result<Accounts, FixupFault> {
    directories(tree)?;
    let accounts = accounts(
        tree,
        "usr/share/base-passwd/passwd.master",
        "usr/share/base-passwd/group.master",
    )?;
    base_files(tree)?;
    os_release(tree, resolution)?;
    if certificates(tree)? {
        // Where Debian's OpenSSL looks.
        link_if_missing(tree, "usr/lib/ssl/cert.pem", "/etc/ssl/cert.pem")?;
        link_if_missing(tree, "usr/lib/ssl/certs", "/etc/ssl/certs")?;
    }
    time_zone(tree)?;
    name_services(tree)?;
    alternatives(tree)?;
    busybox(tree)?;
    tree.put_file("var/lib/dpkg/status", status(controls))?;
    Ok(accounts)
}

/// Alpine's packages bring most as it is: directories and accounts need no script.
fn alpine(tree: &mut Tree, resolution: &Resolution) -> Result<Accounts, FixupFault> {
    for path in ["dev", "etc", "proc", "run", "sys", "var"] {
        tree.ensure_directory(path)?;
    }
    if tree.get("tmp").is_none() {
        tree.put("tmp", EntryKind::Directory, 0o1777, Owner::ROOT)?;
    }
    let (passwd, group) = (text(tree, "etc/passwd")?, text(tree, "etc/group")?);
    let accounts = Accounts::new(passwd.as_deref(), group.as_deref());
    if passwd.is_none() || group.is_none() {
        write_accounts(tree, &accounts)?;
    }
    alpine::os_release(tree, &resolution.codename)?;
    // The package of the bundle alone brings it; the package with single certificates has a script for it.
    if tree.get("etc/ssl/certs/ca-certificates.crt").is_none() {
        certificates(tree)?;
    }
    alpine::busybox(tree)?;
    Ok(accounts)
}

/// The directories of the file system hierarchy, as `base-files` makes them.
fn directories(tree: &mut Tree) -> Result<(), FixupFault> {
    const PLAIN: [&str; 31] = [
        "boot",
        "dev",
        "etc",
        "home",
        "media",
        "mnt",
        "opt",
        "proc",
        "run",
        "srv",
        "sys",
        "usr/bin",
        "usr/games",
        "usr/include",
        "usr/lib",
        "usr/sbin",
        "usr/share",
        "usr/src",
        "usr/local/bin",
        "usr/local/etc",
        "usr/local/games",
        "usr/local/include",
        "usr/local/lib",
        "usr/local/sbin",
        "usr/local/share",
        "usr/local/src",
        "var/backups",
        "var/cache",
        "var/lib",
        "var/log",
        "var/spool",
    ];
    for path in PLAIN {
        tree.ensure_directory(path)?;
    }
    for (path, mode) in [
        ("root", 0o700),
        ("run/lock", 0o1777),
        ("tmp", 0o1777),
        ("var/tmp", 0o1777),
    ] {
        if !matches!(
            tree.get(path).map(|entry| &entry.kind),
            Some(EntryKind::Symlink(_))
        ) {
            tree.put(path, EntryKind::Directory, mode, Owner::ROOT)?;
        }
    }
    link_if_missing(tree, "var/run", "/run")?;
    link_if_missing(tree, "var/lock", "/run/lock")
}

pub(crate) fn link_if_missing(tree: &mut Tree, path: &str, target: &str) -> Result<(), FixupFault> {
    if tree.get(path).is_none() {
        tree.put_link(path, target)?;
    }
    Ok(())
}

pub(crate) fn text(tree: &Tree, path: &str) -> Result<Option<String>, FixupFault> {
    let bytes = tree.read(path, READ_SIZE_BYTES_MAX)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn accounts(tree: &mut Tree, passwd: &str, group: &str) -> Result<Accounts, FixupFault> {
    let passwd = text(tree, passwd)?;
    let group = text(tree, group)?;
    let accounts = Accounts::new(passwd.as_deref(), group.as_deref());
    write_accounts(tree, &accounts)?;
    Ok(accounts)
}

fn write_accounts(tree: &mut Tree, accounts: &Accounts) -> Result<(), FixupFault> {
    tree.put_file("etc/passwd", accounts.passwd())?;
    tree.put_file("etc/group", accounts.group())?;
    let shadow = Content::Bytes(accounts.shadow().into_bytes().into());
    let owner = Owner {
        uid: 0,
        gid: accounts.gid("shadow").unwrap_or(0),
    };
    Ok(tree.put("etc/shadow", EntryKind::File(shadow), 0o640, owner)?)
}

/// Files that `base-files` keeps as samples and its script copies.
fn base_files(tree: &mut Tree) -> Result<(), FixupFault> {
    for (sample, path) in [
        ("profile", "etc/profile"),
        ("dot.profile", "root/.profile"),
        ("dot.bashrc", "root/.bashrc"),
    ] {
        if tree.get(path).is_none()
            && let Some(content) = text(tree, &format!("usr/share/base-files/{sample}"))?
        {
            tree.put_file(path, content)?;
        }
    }
    Ok(())
}

/// What tells people and scanners which release this is; `base-files` brings its own.
fn os_release(tree: &mut Tree, resolution: &Resolution) -> Result<(), FixupFault> {
    if tree.get("etc/os-release").is_some() || tree.get("usr/lib/os-release").is_some() {
        return Ok(());
    }
    let codename = &resolution.codename;
    let name = match resolution
        .release
        .as_deref()
        .and_then(|version| version.split('.').next())
    {
        Some(major) => {
            let name = format!("{major} ({codename})");
            format!("PRETTY_NAME=\"Debian GNU/Linux {name}\"\nVERSION_ID=\"{major}\"\nVERSION=\"{name}\"\n")
        }
        None => format!("PRETTY_NAME=\"Debian GNU/Linux {codename}\"\n"),
    };
    let content = format!("{name}NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_CODENAME={codename}\n");
    tree.put_file("usr/lib/os-release", content)?;
    link_if_missing(tree, "etc/os-release", "../usr/lib/os-release")
}

/// The bundle of trusted certificate authorities, and the file in which OpenSSL looks for it; returns whether there are
/// any.
fn certificates(tree: &mut Tree) -> Result<bool, FixupFault> {
    const DIRECTORY: &str = "usr/share/ca-certificates/";
    let names: Vec<String> = tree
        .iter()
        .filter_map(|(path, _)| path.strip_prefix(DIRECTORY))
        .filter(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|extension| extension == "crt")
        })
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return Ok(false);
    }
    let mut bundle = String::new();
    for name in &names {
        bundle += &text(tree, &format!("{DIRECTORY}{name}"))?.unwrap_or_default();
        if !bundle.ends_with('\n') {
            bundle.push('\n');
        }
        let file = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".crt");
        link_if_missing(
            tree,
            &format!("etc/ssl/certs/{file}.pem"),
            &format!("/{DIRECTORY}{name}"),
        )?;
    }
    tree.put_file("etc/ssl/certs/ca-certificates.crt", bundle)?;
    if tree.get("etc/ca-certificates.conf").is_none() {
        tree.put_file("etc/ca-certificates.conf", names.join("\n") + "\n")?;
    }
    // OpenSSL looks up a directory by hashes of names, which only its own tool computes; its other default place is
    // this file, which Debian's OpenSSL reaches by a link.
    link_if_missing(tree, "etc/ssl/cert.pem", "certs/ca-certificates.crt")?;
    Ok(true)
}

fn time_zone(tree: &mut Tree) -> Result<(), FixupFault> {
    if tree.get("usr/share/zoneinfo/Etc/UTC").is_none() {
        return Ok(());
    }
    link_if_missing(tree, "etc/localtime", "/usr/share/zoneinfo/Etc/UTC")?;
    if tree.get("etc/timezone").is_none() {
        tree.put_file("etc/timezone", "Etc/UTC\n")?;
    }
    Ok(())
}

/// Where names are looked up: `libc-bin` or `base-files` bring a sample that a script copies.
fn name_services(tree: &mut Tree) -> Result<(), FixupFault> {
    const OWN: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n\
                       protocols: files\nservices: files\n";
    if tree.get("etc/nsswitch.conf").is_some() {
        return Ok(());
    }
    let sample = match text(tree, "usr/share/libc-bin/nsswitch.conf")? {
        Some(sample) => sample,
        None => text(tree, "usr/share/base-files/nsswitch.conf")?.unwrap_or_else(|| OWN.to_owned()),
    };
    Ok(tree.put_file("etc/nsswitch.conf", sample)?)
}

/// Commands for which packages register themselves (`update-alternatives`): the first one present is taken, in the
/// order of the priorities that the packages give.
const ALTERNATIVES: [(&str, &[&str]); 11] = [
    ("sh", &["dash", "bash"]),
    ("awk", &["gawk", "mawk", "original-awk"]),
    ("nawk", &["gawk", "mawk", "original-awk"]),
    ("which", &["which.debianutils", "which.gnu"]),
    ("cc", &["gcc", "clang"]),
    ("c++", &["g++", "clang++"]),
    ("c99", &["c99-gcc"]),
    ("pager", &["less", "more"]),
    ("editor", &["nano", "vim.basic", "vim.tiny"]),
    ("vi", &["vim.basic", "vim.tiny"]),
    ("nc", &["nc.openbsd", "nc.traditional"]),
];

fn alternatives(tree: &mut Tree) -> Result<(), FixupFault> {
    for (name, programs) in ALTERNATIVES {
        let program = programs
            .iter()
            .find(|program| tree.get(&format!("usr/bin/{program}")).is_some());
        if let Some(program) = program {
            link_if_missing(tree, &format!("usr/bin/{name}"), program)?;
        }
    }
    Ok(())
}

/// A link for each command of busybox that no other package brings.
fn busybox(tree: &mut Tree) -> Result<(), FixupFault> {
    let Some(program) = tree.read("usr/bin/busybox", READ_SIZE_BYTES_MAX)? else {
        return Ok(());
    };
    for name in applets(&program) {
        if tree.get(&format!("usr/sbin/{name}")).is_none() {
            link_if_missing(tree, &format!("usr/bin/{name}"), "busybox")?;
        }
    }
    Ok(())
}

/// The package manager's record, by which scanners know what is in an image (`dpkg-query(1)`).
fn status(controls: &[String]) -> String {
    let mut status = String::new();
    for control in controls {
        for (number, line) in control.trim_end().lines().enumerate() {
            status += line;
            status.push('\n');
            if number == 0 {
                status += "Status: install ok installed\n";
            }
        }
        status.push('\n');
    }
    status
}

fn exclude(tree: &mut Tree, spec: &BaseSpec) {
    let patterns = |given: &Option<Vec<String>>, usual: &[&str]| -> Vec<Pattern> {
        match given {
            Some(patterns) => patterns.iter().map(|text| Pattern::new(text)).collect(),
            None => usual.iter().map(|text| Pattern::new(text)).collect(),
        }
    };
    let exclude = patterns(&spec.exclude, &DEFAULT_EXCLUDE);
    tree.remove_matching(&exclude, &patterns(&spec.include, &DEFAULT_INCLUDE));
}

fn specified_accounts(tree: &mut Tree, spec: &BaseSpec, accounts: &mut Accounts) -> Result<(), FixupFault> {
    if spec.users.is_empty() && spec.groups.is_empty() {
        return Ok(());
    }
    for group in &spec.groups {
        accounts.add_group(group).map_err(FixupFault::Specification)?;
    }
    for user in &spec.users {
        accounts.add_user(user).map_err(FixupFault::Specification)?;
        let home = home_of(user);
        if tree.get(&home).is_none() {
            let owner = Owner {
                uid: user.uid,
                gid: user.gid.unwrap_or(user.uid),
            };
            tree.put(&home, EntryKind::Directory, 0o755, owner)?;
        }
    }
    write_accounts(tree, accounts)
}

fn specified_files(
    tree: &mut Tree,
    spec: &BaseSpec,
    accounts: &Accounts,
    contents: Vec<Vec<u8>>,
) -> Result<(), FixupFault> {
    let owner = |owner: &Option<String>| match owner {
        Some(text) => accounts.owner(text).map_err(FixupFault::Specification),
        None => Ok(Owner::ROOT),
    };
    for directory in &spec.directories {
        let mode = directory.mode.map_or(0o755, |mode| mode.0);
        tree.put(
            directory.path.below_root(),
            EntryKind::Directory,
            mode,
            owner(&directory.owner)?,
        )?;
    }
    for (file, content) in spec.files.iter().zip(contents) {
        let mode = file.mode.map_or(0o644, |mode| mode.0);
        let kind = EntryKind::File(Content::Bytes(content.into()));
        tree.put(file.path.below_root(), kind, mode, owner(&file.owner)?)?;
    }
    for (path, target) in &spec.links {
        tree.put_link(path.below_root(), target)?;
    }
    Ok(())
}
