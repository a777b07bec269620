//! Images of a base from Alpine packages, out of a small signed archive of the tests' own.

use std::collections::BTreeMap;
use std::fs;

use lrops_testkit::alpine::{ApkArchive, ApkContent, ApkFile, ApkPackage};

use crate::laboratory::{Ended, Laboratory};
use crate::proof::program;

const PLATFORMS: &str = "linux/amd64,linux/arm64,linux/arm/v7";

/// An archive with a program for each platform, and Debian's static busybox for amd64's.
fn archive() -> ApkArchive {
    let laboratory = Laboratory::new();
    let programs = [("x86_64", "amd64"), ("aarch64", "arm64"), ("armv7", "arm")];
    let app: BTreeMap<_, _> = programs
        .iter()
        .map(|(alpine, go)| (*alpine, program(&laboratory, go)))
        .collect();
    let busybox = fs::read("/bin/busybox").expect("the package busybox-static is installed");
    let archive = ApkArchive::new();
    archive.publish(
        "v3.20/main",
        &[
            ApkPackage::new("alpine-baselayout", "3.6.5-r0")
                .text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
                .text("etc/group", "root:x:0:root\n")
                .text("etc/os-release", "ID=alpine\nVERSION_ID=3.20.1\n"),
            ApkPackage::new("app", "1.0-r0")
                .with("D", "app-data~1.0")
                .file_of(ApkFile::of("usr/bin/app", ApkContent::Programs(app)).mode(0o755)),
            ApkPackage::new("app-data", "1.0-r0").text("usr/share/app", "data for {arch}\n"),
            ApkPackage::new("busybox", "1.36.1-r29")
                .program("bin/busybox", busybox)
                .text("etc/busybox-paths.d/busybox", "/bin/sh\n/bin/cat\n/usr/bin/id\n"),
        ],
    );
    archive
}

/// A context whose base is made of these packages.
fn laboratory(archive: &ApkArchive, packages: &str) -> Laboratory {
    let laboratory = Laboratory::new();
    archive.write_key(&laboratory.context().join("keys"));
    laboratory.file("greeting", "hello\n").file(
        "lrops.toml",
        format!(
            "[bases.runtime]\ndistribution = \"alpine\"\nbranch = \"v3.20\"\npackages = {packages}\n\
             mirror = \"{}\"\nkeys = \"keys\"\nusers = [{{ name = \"app\", uid = 1001 }}]\nuser = \"app\"\n",
            archive.address()
        ),
    );
    laboratory
}

#[test]
fn three_platforms_are_built_from_alpine_packages_without_emulation() {
    let archive = archive();
    let build = || {
        let laboratory = laboratory(&archive, "[\"alpine-baselayout\", \"app\"]");
        laboratory.dockerfile("FROM runtime\nCOPY greeting /etc/greeting\nENTRYPOINT [\"/usr/bin/app\"]\n");
        let digest = laboratory.digest(&["--platform", PLATFORMS, "--emulation=deny", "--tag", "alpine-app"]);
        (laboratory, digest)
    };
    let (laboratory, digest) = build();
    let (_, again) = build();
    assert_eq!(
        digest, again,
        "the same request gives the same image in another place"
    );

    let out = laboratory.path("layout");
    let output = format!("type=oci,tar=false,dest={}", out.display());
    let arguments = ["--platform", PLATFORMS, "--emulation=deny", "--output", &output];
    laboratory.build(&arguments).succeeded();
    laboratory.run(["verify", out.to_str().unwrap()]).succeeded();
    let config = laboratory
        .run(["image", "inspect", "--format", "json", "alpine-app"])
        .succeeded()
        .stdout;
    assert!(
        config.contains("\"app\"") && config.contains("/usr/bin/app"),
        "{config}"
    );

    let files = laboratory.files(&["--platform", PLATFORMS, "--emulation=deny"]);
    for (directory, architecture) in [
        ("linux_amd64", "x86_64"),
        ("linux_arm64", "aarch64"),
        ("linux_arm_v7", "armv7"),
    ] {
        let text = |path: &str| fs::read_to_string(files.join(directory).join(path)).unwrap();
        assert_eq!(text("usr/share/app"), format!("data for {architecture}\n"));
        assert_eq!(text("etc/greeting"), "hello\n");
        assert_eq!(text("etc/apk/arch"), format!("{architecture}\n"));
        assert!(text("lib/apk/db/installed").contains("\nP:app-data\nV:1.0-r0\n"));
        assert!(text("etc/passwd").ends_with("app:x:1001:1001::/home/app:/usr/sbin/nologin\n"));
    }
}

#[test]
fn the_plan_shows_an_alpine_base() {
    let laboratory = laboratory(&archive(), "[\"app\"]");
    laboratory.dockerfile("FROM runtime\nCOPY greeting /etc/greeting\n");
    let plan = laboratory
        .run(["plan", "--platform", PLATFORMS, "--emulation=deny", "."])
        .succeeded()
        .stdout;
    assert!(plan.contains("FROM runtime"), "{plan}");
}

#[test]
fn keys_are_found_wherever_the_build_is_started() {
    let laboratory = laboratory(&archive(), "[\"app\"]");
    laboratory.dockerfile("FROM runtime\n");
    let context = laboratory.context();
    let arguments = ["build", "--platform", "linux/amd64", context.to_str().unwrap()];
    let built = laboratory.command(arguments).current_dir("/").output();
    Ended::of(built.unwrap()).succeeded();
}

#[test]
fn a_step_runs_in_an_alpine_base() {
    let laboratory = laboratory(&archive(), "[\"alpine-baselayout\", \"busybox\", \"app\"]");
    laboratory.dockerfile(
        "FROM runtime\nUSER root\nRUN app 2>/made && id -un >>/made && cat /etc/os-release >>/made\n",
    );
    let files = laboratory.files(&["--platform", "linux/amd64", "--emulation=deny"]);
    assert_eq!(
        fs::read_to_string(files.join("made")).unwrap(),
        "hello\nroot\nID=alpine\nVERSION_ID=3.20.1\n"
    );
}

#[test]
fn an_alpine_base_is_locked_listed_and_built_by_itself() {
    let archive = archive();
    let laboratory = laboratory(&archive, "[\"app\"]");
    laboratory.dockerfile("FROM runtime\n");
    let platforms = ["--platform", "linux/amd64,linux/arm64"];
    let base = |command: &str| {
        let mut arguments = vec!["base", command, "--progress=plain"];
        arguments.extend(platforms);
        laboratory.run(arguments)
    };
    base("lock").succeeded();
    let lock = fs::read_to_string(laboratory.context().join("lrops.lock")).unwrap();
    assert!(
        lock.contains("path = \"v3.20/main/aarch64/app-1.0-r0.apk\"") && !lock.contains("127.0.0.1"),
        "{lock}"
    );
    let built = base("build").succeeded().stdout;
    assert!(
        built.contains("linux/arm64") && built.contains("sha256:"),
        "{built}"
    );
    let listed = laboratory.run(["base", "ls"]).succeeded().stdout;
    assert!(
        listed.contains("v3.20") && listed.contains("linux/amd64, linux/arm64"),
        "{listed}"
    );

    // The mirror moves on: what was downloaded is still here, and another store says what is missing.
    archive.remove("app-1.0-r0.apk");
    laboratory.build(&platforms).succeeded();
    fs::remove_dir_all(laboratory.store()).unwrap();
    let text = base("build").failed(1).stderr;
    assert!(
        text.contains("failed to assemble the base \"runtime\" for linux/amd64")
            && text.contains("the mirror no longer has app 1.0-r0")
            && text.contains("lrops base lock"),
        "{text}"
    );
}

#[test]
fn an_alpine_index_that_no_known_key_signed_stops_the_build() {
    let laboratory = laboratory(&archive(), "[\"app\"]");
    laboratory.dockerfile("FROM runtime\n");
    let keys = laboratory.context().join("keys");
    fs::rename(keys.join(ApkArchive::KEY_NAME), keys.join("other.rsa.pub")).unwrap();
    let text = laboratory.build(&["--platform", "linux/arm64"]).failed(1).stderr;
    for part in [
        "runtime",
        "/v3.20/main/aarch64/APKINDEX.tar.gz was refused",
        "it is signed by packages@example.org-4a6a0840.rsa.pub, which the keyring does not hold",
        "/usr/share/apk/keys of an Alpine system",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_mistake_in_an_alpine_base_is_found_at_its_line() {
    let laboratory = laboratory(&archive(), "[\"app\"]");
    let path = laboratory.context().join("lrops.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("branch =", "brnach =")).unwrap();
    laboratory.dockerfile("FROM runtime\n");
    let text = laboratory.build(&[]).failed(2).stderr;
    assert!(
        text.contains("lrops.toml:3") && text.contains("brnach") && text.contains("did you mean branch?"),
        "{text}"
    );
}
