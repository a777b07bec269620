//! What tests and the demonstration need from the distribution, installed when it is missing.
//!
//! The machine's own package sources are used as they are configured.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::programs;

/// A thing to be found on the machine, and the Debian package that brings it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    thing: Thing,
    package: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Thing {
    Program(&'static str),
    File(&'static str),
}

impl Thing {
    fn is_here(self) -> bool {
        match self {
            Self::Program(name) => programs::find(name).is_some(),
            Self::File(path) => Path::new(path).is_file(),
        }
    }
}

const fn program(name: &'static str, package: &'static str) -> Need {
    Need {
        thing: Thing::Program(name),
        package,
    }
}

const fn file(path: &'static str, package: &'static str) -> Need {
    Need {
        thing: Thing::File(path),
        package,
    }
}

/// Debian's keys, against which bases are verified.
const KEYRING: Need = file(
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "debian-archive-keyring",
);

/// Authorities that vouch for the servers from which packages and modules come.
const AUTHORITIES: Need = file("/etc/ssl/certs/ca-certificates.crt", "ca-certificates");

/// What `cargo xtask demo` needs beside Rust and a linker.
pub(crate) const FOR_DEMO: &[Need] = &[KEYRING, AUTHORITIES];

/// What the benchmarks are run beside.
pub(crate) const FOR_BENCHMARKS: &[Need] = &[
    KEYRING,
    program("skopeo", "skopeo"),
    program("docker-registry", "docker-registry"),
    program("buildah", "buildah"),
    // Docker's network.
    program("iptables", "iptables"),
    program("ip", "iproute2"),
    // Bare commands with a root of their own.
    program("unshare", "util-linux"),
    program("chroot", "coreutils"),
    program("mount", "mount"),
    program("kill", "procps"),
    // Packages for the mirror.
    program("curl", "curl"),
    program("qemu-aarch64-static", "qemu-user-static"),
];

/// What the tests need beside Rust and a linker.
pub(crate) const FOR_TESTS: &[Need] = &[
    KEYRING,
    AUTHORITIES,
    // Lists the files that tidy looks at.
    program("git", "git"),
    // Who reads completions and manual pages.
    program("zsh", "zsh"),
    program("fish", "fish"),
    program("mandoc", "mandoc"),
    // The programs in the tests' own images.
    file("/bin/busybox", "busybox-static"),
    // Users with and without subordinate ids, and namespaces for them.
    program("newuidmap", "uidmap"),
    program("useradd", "passwd"),
    program("unshare", "util-linux"),
    program("setpriv", "util-linux"),
    program("mount", "mount"),
    program("kill", "procps"),
    // Runs programs for other platforms.
    program("qemu-aarch64-static", "qemu-user-static"),
    program("qemu-arm-static", "qemu-user-static"),
    // Certificates for servers and clients of the tests.
    program("openssl", "openssl"),
    // Brings the device mapper's library too, without which dockerd does not start.
    program("skopeo", "skopeo"),
    program("umoci", "umoci"),
    program("file", "file"),
    program("docker-registry", "docker-registry"),
    // Looks at pages as people do.
    program("chromium", "chromium"),
    // The mirror of packages fetches with it.
    program("curl", "curl"),
    // Docker's networks, and a way to a daemon on another machine.
    program("iptables", "iptables"),
    program("ip", "iproute2"),
    program("ssh", "openssh-client"),
    program("ssh-keygen", "openssh-client"),
];

/// Makes sure that every need is met, installing packages when one is not.
pub(crate) fn install(needs: &[Need]) -> Result<(), Failure> {
    let missing = packages_of(needs, |need| !need.thing.is_here());
    if missing.is_empty() {
        return Ok(());
    }
    println!("missing on this machine: {}", missing.join(" "));
    if programs::find("apt-get").is_none() {
        return Err(Failure::new(format!(
            "this machine has no apt-get; install what these Debian packages contain, then try again: {}",
            missing.join(" ")
        )));
    }
    // A source that this program does not need may be broken; whether the packages can be had is for the next command.
    if let Err(failure) = programs::run(apt_get(&missing)?.arg("update")) {
        eprintln!("note: {failure}; going on with the package lists that are here");
    }
    programs::run(
        apt_get(&missing)?
            .args(["install", "--yes", "--no-install-recommends"])
            .args(&missing),
    )?;
    let still_missing = packages_of(needs, |need| !need.thing.is_here());
    if still_missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "installed, but without what is needed from them: {}",
        still_missing.join(" ")
    )))
}

fn packages_of(needs: &[Need], wanted: impl Fn(&Need) -> bool) -> Vec<&'static str> {
    let mut packages: Vec<_> = needs
        .iter()
        .filter(|need| wanted(need))
        .map(|need| need.package)
        .collect();
    packages.dedup();
    packages
}

/// Returns `apt-get` as root: directly, or by way of sudo.
fn apt_get(missing: &[&str]) -> Result<Command, Failure> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let mut command = if is_root {
        Command::new("env")
    } else if programs::find("sudo").is_some() {
        let mut command = Command::new("sudo");
        command.arg("env");
        command
    } else {
        return Err(Failure::new(format!(
            "only root may install packages and there is no sudo; run as root, then try again: apt-get install {}",
            missing.join(" ")
        )));
    };
    // Another apt may be running on a fresh machine; two minutes outlast its unattended first update.
    command.args([
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-o",
        "DPkg::Lock::Timeout=120",
    ]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(wanted: impl Fn(&Need) -> bool, expected: Expect) {
        expected.assert_eq(&packages_of(FOR_TESTS, wanted).join(" "));
    }

    #[test]
    fn a_package_is_named_once_however_many_of_its_programs_are_missing() {
        check(
            |need| need.package.starts_with("qemu"),
            expect!["qemu-user-static"],
        );
    }

    #[test]
    fn what_is_here_is_not_installed() {
        check(|_| false, expect![""]);
    }

    #[test]
    fn what_is_unpacked_beside_the_system_is_not_installed() {
        check(|need| need.package.starts_with("golang"), expect![""]);
    }

    #[test]
    fn a_program_that_nobody_has_is_missing() {
        assert!(!Thing::Program("no-such-program-anywhere").is_here());
        assert!(Thing::Program("sh").is_here());
    }
}
