//! What is refused, and in which words.

use lrops_bases::{BaseError, SignatureFault};
use lrops_testkit::alpine::{ApkArchive, ApkContent, ApkFile, ApkSignature};

use super::scene::{Scene, package};
use crate::support::{Machine, explained};

const INDEX: &str = "v3.20/main/x86_64/APKINDEX.tar.gz";
const PACKAGE: &str = "v3.20/main/x86_64/a-1-r0.apk";

fn one() -> Scene {
    Scene::publishing(&[
        package("a", "1-r0").text("etc/a", "content"),
        package("b", "1-r0"),
    ])
}

#[test]
fn an_index_is_signed_over_sha1_or_sha256() {
    for signature in [ApkSignature::Rsa, ApkSignature::Rsa256] {
        let scene = one();
        scene
            .archive
            .publish_signed("v3.20/main", &[package("a", "1-r0")], signature);
        assert_eq!(scene.names("['a']", ""), ["a-1-r0"]);
    }
}

#[test]
fn an_index_that_was_altered_is_refused() {
    let scene = one();
    scene
        .archive
        .alter(INDEX, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let error = scene
        .machine
        .build(&scene.spec("['a']", ""), "linux/amd64")
        .unwrap_err();
    assert!(
        matches!(&error, BaseError::Signature { source: SignatureFault::Altered { key }, .. } if key == ApkArchive::KEY_NAME),
        "{error:?}"
    );
    let text = scene.error("['a']", "");
    assert!(
        text.starts_with("the signature of http://")
            && text.contains("/v3.20/main/x86_64/APKINDEX.tar.gz was refused"),
        "{text}"
    );
}

#[test]
fn an_index_signed_by_another_key_is_refused() {
    let scene = one();
    let known = scene.keys.join(ApkArchive::KEY_NAME);
    std::fs::rename(&known, scene.keys.join("other.rsa.pub")).unwrap();
    let text = scene.error("['a']", "");
    let expected = format!(
        "it is signed by {}, which the keyring does not hold",
        ApkArchive::KEY_NAME
    );
    assert!(text.contains(&expected), "{text}");
    assert!(
        text.contains("Alpine's keys are files whose names the signature gives"),
        "{text}"
    );
}

#[test]
fn an_index_without_a_signature_is_refused() {
    let scene = one();
    scene
        .archive
        .publish_signed("v3.20/main", &[package("a", "1-r0")], ApkSignature::None);
    let text = scene.error("['a']", "");
    assert!(
        text.contains("it is not signed: its first stream holds no signature"),
        "{text}"
    );
    scene.archive.put(INDEX, b"<html>not here</html>".to_vec());
    let text = scene.error("['a']", "");
    assert!(text.contains("it is not signed: "), "{text}");
}

#[test]
fn a_package_that_is_not_the_indexs_is_refused() {
    let altered = |change: &dyn Fn(&mut Vec<u8>)| {
        let scene = one();
        scene.archive.alter(PACKAGE, change);
        scene.error("['a']", "")
    };
    let data_start = |bytes: &[u8]| {
        bytes
            .windows(3)
            .rposition(|part| part == [0x1f, 0x8b, 8])
            .unwrap()
    };
    // The time in the header of the data's gzip stream: no content changes.
    let text = altered(&|bytes| {
        let start = data_start(bytes);
        bytes[start + 4] ^= 1;
    });
    assert!(
        text.starts_with("failed to unpack a 1-r0: the digest of its data is "),
        "{text}"
    );
    let text = altered(&|bytes| {
        let control = 3 + bytes[3..]
            .windows(3)
            .position(|part| part == [0x1f, 0x8b, 8])
            .unwrap();
        bytes[control + 4] ^= 1;
    });
    assert!(
        text.contains("the checksum of its control is Q1") && text.contains("and the signed index says Q1"),
        "{text}"
    );
    let text = altered(&|bytes| bytes.truncate(bytes.len() - 1));
    assert!(text.contains("bytes, and the signed index says"), "{text}");
    let text = altered(&|bytes| bytes.push(0));
    assert!(text.contains("it is longer than the signed index says"), "{text}");
    let scene = one();
    let other = scene.archive.get("v3.20/main/aarch64/a-1-r0.apk");
    scene.archive.put(PACKAGE, other);
    let text = scene.error("['a']", "");
    assert!(
        text.starts_with("failed to unpack a 1-r0") || text.contains("longer than"),
        "{text}"
    );
}

#[test]
fn a_package_whose_control_does_not_vouch_for_its_data_is_refused() {
    let scene = Scene::publishing(&[package("a", "1-r0").text("x", "y").without_datahash()]);
    let text = scene.error("['a']", "");
    assert!(
        text.contains(
            "failed to unpack a 1-r0: its control has no datahash, so nothing vouches for its data"
        ),
        "{text}"
    );
}

#[test]
fn paths_that_lead_out_of_a_package_are_refused() {
    for file in [
        ApkFile::new("../escape", "x"),
        ApkFile::new("etc/../../escape", "x"),
        ApkFile::of("etc/x", ApkContent::HardLink("../../etc/shadow".to_owned())),
    ] {
        let scene = Scene::publishing(&[package("a", "1-r0").file_of(file)]);
        let text = scene.error("['a']", "");
        assert!(text.contains("leads out of the package"), "{text}");
    }
    // An absolute path is one below the image's root, and a link stays within it.
    let scene = Scene::publishing(&[
        package("a", "1-r0")
            .text("/etc/x", "x")
            .link("out", "../../../etc"),
        package("b", "1-r0").text("out/y", "y"),
    ]);
    let files = scene.files("['a', 'b']", "");
    assert!(
        files.contains_key("etc/x") && files.contains_key("etc/y"),
        "{:?}",
        files.keys()
    );
}

#[test]
fn a_repository_that_the_mirror_lacks_is_named_with_its_architecture() {
    let scene = one();
    for (platform, architecture) in [
        ("linux/arm/v6", "armhf"),
        ("linux/386", "x86"),
        ("linux/ppc64le", "ppc64le"),
        ("linux/s390x", "s390x"),
        ("linux/riscv64", "riscv64"),
        ("linux/loong64", "loongarch64"),
    ] {
        let text = scene.error_for(platform, "['a']", "");
        let end = format!("/v3.20/main/{architecture}/APKINDEX.tar.gz");
        assert!(
            text.starts_with("there is no package index at http://") && text.contains(&end),
            "{text}"
        );
        assert!(
            text.contains("no such branch (suite), repository (components) or architecture"),
            "{text}"
        );
    }
    let text = scene.error_for("linux/mips64le", "['a']", "");
    assert!(
        text.starts_with("alpine v3.20 has no packages for linux/mips64le"),
        "{text}"
    );
    let text = scene.error("['a']", "components = ['main', 'comunity']");
    assert!(text.contains("/v3.20/comunity/x86_64/APKINDEX.tar.gz"), "{text}");
}

#[test]
fn an_index_of_another_architecture_is_refused() {
    let scene = one();
    let other = scene.archive.get("v3.20/main/aarch64/APKINDEX.tar.gz");
    scene.archive.put(INDEX, other);
    let text = scene.error("['a']", "");
    assert!(
        text.contains("a is for aarch64, and this should be the index for x86_64"),
        "{text}"
    );
}

#[test]
fn mistakes_of_the_configuration_are_named() {
    let scene = one();
    for (packages, more, expected) in [
        (
            "['a']",
            "check_valid_until = false",
            "check_valid_until means nothing for Alpine",
        ),
        (
            "['a']",
            "components = ['../main']",
            "the components of v3.20 must be names such as \"main\"",
        ),
        (
            "['a']",
            "components = []",
            "the components of v3.20 must be names such as \"main\"",
        ),
        (
            "['a@edge']",
            "",
            "a@edge is asked for, and edge is not in extra_suites",
        ),
        ("['a b']", "", "\"a b\" is no package: write NAME"),
        ("['=1']", "", "\"=1\" is no package: write NAME"),
    ] {
        let text = scene.error(packages, more);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn keys_that_cannot_be_used_are_named() {
    let scene = one();
    let mut spec = scene.spec("['a']", "");
    spec.keyring = Some(scene.machine.directory.path().join("empty"));
    std::fs::create_dir(spec.keyring.as_ref().unwrap()).unwrap();
    let error = |spec: &_| explained(&scene.machine.build(spec, "linux/amd64").unwrap_err());
    assert!(
        error(&spec).ends_with("/empty: it holds no file NAME.pub"),
        "{}",
        error(&spec)
    );
    std::fs::write(spec.keyring.as_ref().unwrap().join("bad.pub"), "no key").unwrap();
    assert!(
        error(&spec).starts_with("failed to read the keyring"),
        "{}",
        error(&spec)
    );
    assert!(error(&spec).contains("/empty/bad.pub: "), "{}", error(&spec));
    spec.keyring = None;
    let error = Machine::new().build(&spec, "linux/amd64").unwrap_err();
    assert_eq!(explained(&error), "no keyring is known for v3.20");
    assert!(
        error
            .advice()
            .unwrap()
            .contains("/usr/share/apk/keys of an Alpine system")
    );
}
