//! An archive, a machine that trusts it, and what the machine builds.

use std::path::PathBuf;

use lrops_bases::{BaseError, BaseSpec};

use crate::support::{Archive, Key, Machine, TestPackage, keyring_bytes, package, spec};

/// An archive with two dependent packages, a machine that trusts it, and the usual specification.
pub(crate) struct Scene {
    pub(crate) archive: Archive,
    pub(crate) key: Key,
    pub(crate) machine: Machine,
    pub(crate) keyring: PathBuf,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::publishing(&packages(), "")
    }

    pub(crate) fn publishing(packages: &[TestPackage], release_fields: &str) -> Self {
        let (archive, key, machine) = (Archive::new(), Key::ed25519(), Machine::new());
        archive.publish("test", packages, &key, release_fields);
        let keyring = machine.keyring("test.gpg", &keyring_bytes(&key.public()));
        Self {
            archive,
            key,
            machine,
            keyring,
        }
    }

    pub(crate) fn spec(&self) -> BaseSpec {
        spec(&self.archive, &self.keyring, "['app']", "")
    }

    pub(crate) fn error(&self) -> BaseError {
        self.machine.build(&self.spec(), "linux/amd64").unwrap_err()
    }
}

pub(crate) fn packages() -> Vec<TestPackage> {
    vec![
        package(
            "app",
            "1.0-1",
            "Depends: library (>= 2), debconf (>= 0.5) | debconf-2.0\n",
            &[
                ("bin/app", "program for {arch}"),
                ("usr/share/doc/app/copyright", "licence"),
                ("usr/share/man/a", "x"),
            ],
        ),
        package(
            "library",
            "2.1",
            "",
            &[("lib/lib.so", "library for {arch}"), ("lib/l.so", "-> lib.so")],
        ),
        package("debconf", "1", "", &[("bin/debconf", "x")]),
    ]
}
