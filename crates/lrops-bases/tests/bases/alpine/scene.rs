//! An Alpine archive, a machine that trusts it, and what the machine builds.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lrops_bases::{BaseSpec, BuiltBase};
use lrops_testkit::alpine::{ApkArchive, ApkFile, ApkPackage};

use crate::support::{LayerFile, Machine, explained, layer_files};

pub(super) struct Scene {
    pub(super) archive: ApkArchive,
    pub(super) machine: Machine,
    pub(super) keys: PathBuf,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::publishing(&packages())
    }

    pub(super) fn publishing(packages: &[ApkPackage]) -> Self {
        let (archive, machine) = (ApkArchive::new(), Machine::new());
        let keys = machine.directory.path().join("keys");
        archive.write_key(&keys);
        archive.publish("v3.20/main", packages);
        Self {
            archive,
            machine,
            keys,
        }
    }

    /// A specification with these packages, and more keys.
    pub(super) fn spec(&self, packages: &str, more: &str) -> BaseSpec {
        let text = format!(
            "distribution = 'alpine'\nbranch = 'v3.20'\npackages = {packages}\nmirror = '{}'\nkeys = '{}'\n{more}",
            self.archive.address(),
            self.keys.display()
        );
        toml::from_str(&text).unwrap()
    }

    /// Builds for amd64.
    #[track_caller]
    pub(super) fn build(&self, packages: &str, more: &str) -> BuiltBase {
        let built = self.machine.build(&self.spec(packages, more), "linux/amd64");
        built.unwrap_or_else(|error| panic!("{}", explained(&error)))
    }

    /// Builds for amd64 and returns the files.
    #[track_caller]
    pub(super) fn files(&self, packages: &str, more: &str) -> BTreeMap<String, LayerFile> {
        layer_files(&self.machine.store, &self.build(packages, more).layer)
    }

    /// Builds for amd64 and returns the packages, as `NAME-VERSION`.
    #[track_caller]
    pub(super) fn names(&self, packages: &str, more: &str) -> Vec<String> {
        let resolution = self.build(packages, more).resolution;
        let packages = resolution.packages.into_iter();
        packages
            .map(|package| format!("{}-{}", package.name, package.version))
            .collect()
    }

    /// Returns what a build for amd64 fails with.
    #[track_caller]
    pub(super) fn error(&self, packages: &str, more: &str) -> String {
        self.error_for("linux/amd64", packages, more)
    }

    #[track_caller]
    pub(super) fn error_for(&self, platform: &str, packages: &str, more: &str) -> String {
        let error = self
            .machine
            .build(&self.spec(packages, more), platform)
            .unwrap_err();
        let advice = error.advice().unwrap_or_default();
        format!("{}; {advice}", explained(&error))
    }
}

/// A package without files.
pub(super) fn package(name: &str, version: &str) -> ApkPackage {
    ApkPackage::new(name, version)
}

/// What stands for Alpine's own packages.
fn packages() -> Vec<ApkPackage> {
    vec![
        package("alpine-baselayout", "3.6.5-r0")
            .text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
            .text("etc/group", "root:x:0:root\nshadow:x:42:\n")
            .file_of(ApkFile {
                owner: (0, 42),
                ..ApkFile::new("etc/shadow", "root:*::0:::::\n").mode(0o640)
            })
            .text("etc/os-release", "ID=alpine\n"),
        package("app", "1.0-r0")
            .with("D", "so:liba.so.1>=1.2 musl cmd:sh")
            .with("p", "cmd:app=1.0-r0")
            .program("usr/bin/app", "program for {arch}"),
        package("liba", "1.2.3-r1")
            .with("p", "so:liba.so.1=1.2.3 pc:a=1.2.3")
            .with("D", "app")
            .file_of(ApkFile::new("usr/lib/liba.so.1", "library for {arch}")),
        package("musl", "1.2.5-r0")
            .with("p", "so:libc.musl-{arch}.so.1=1")
            .program("lib/ld-musl-{arch}.so.1", "loader"),
        package("busybox", "1.36.1-r29")
            .with("p", "cmd:sh=1.36.1-r29")
            .program("bin/busybox", "busybox for {arch}")
            .text(
                "etc/busybox-paths.d/busybox",
                "/bin/sh\n/bin/mount\n/usr/bin/wget\n",
            ),
        package("app-extra", "1.0-r0")
            .with("i", "app=1.0-r0 busybox")
            .text("usr/share/extra", "x"),
    ]
}
