//! What is refused, and how it is explained.

use lrops_bases::{BaseError, Freshness, SignatureFault};
use lrops_model::timestamp::Timestamp;
use pgp::composed::KeyType;

use crate::scene::{Scene, packages};
use crate::support::{Archive, Key, Machine, date, explained, keyring_bytes, now, package, spec};

const DAY: i64 = 86_400;

#[test]
fn rsa_and_both_forms_of_ed25519_are_verified_in_binary_and_armored_keyrings() {
    for kind in [KeyType::Rsa(2048), KeyType::Ed25519Legacy, KeyType::Ed25519] {
        let (archive, key, machine) = (Archive::new(), Key::new(kind), Machine::new());
        archive.publish("test", &packages(), &key, "");
        let armored = key
            .public()
            .to_armored_string(pgp::composed::ArmorOptions::default())
            .unwrap();
        for keyring in [keyring_bytes(&key.public()), armored.into_bytes()] {
            let keyring = machine.keyring("key", &keyring);
            let spec = spec(&archive, &keyring, "['app']", "");
            machine
                .build_with(&spec, "linux/amd64", Freshness::Refresh, None)
                .unwrap();
        }
    }
}

#[test]
fn a_key_that_is_not_in_the_keyring_is_refused() {
    let scene = Scene::new();
    scene
        .machine
        .keyring("test.gpg", &keyring_bytes(&Key::ed25519().public()));
    let error = scene.error();
    assert!(
        matches!(
            error,
            BaseError::Signature {
                source: SignatureFault::UnknownKey { .. },
                ..
            }
        ),
        "{}",
        explained(&error)
    );
    assert!(error.advice().unwrap().contains("keyring"));
}

#[test]
fn an_expired_key_is_refused() {
    let mut scene = Scene::new();
    scene
        .machine
        .keyring("test.gpg", &keyring_bytes(&scene.key.public_ending_after(3600)));
    scene.machine.build(&scene.spec(), "linux/amd64").unwrap();
    scene.machine.now.0 += 2 * DAY;
    let error = scene.error();
    assert!(
        matches!(
            error,
            BaseError::Signature {
                source: SignatureFault::Expired { .. },
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn a_revoked_key_is_refused() {
    let scene = Scene::new();
    scene
        .machine
        .keyring("test.gpg", &keyring_bytes(&scene.key.public_revoked()));
    let error = scene.error();
    assert!(
        matches!(
            error,
            BaseError::Signature {
                source: SignatureFault::Revoked { .. },
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn an_altered_release_is_refused() {
    let scene = Scene::new();
    scene.archive.alter("InRelease", |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace("Components: main", "Components: evil").into_bytes();
    });
    let error = scene.error();
    assert!(
        matches!(
            error,
            BaseError::Signature {
                source: SignatureFault::Altered { .. },
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn an_unsigned_release_and_text_around_the_signed_one_are_refused() {
    let scene = Scene::new();
    let signed = scene.archive.files.lock().unwrap()["dists/test/InRelease"].clone();
    scene
        .archive
        .alter("InRelease", |bytes| *bytes = b"Suite: test\n".to_vec());
    assert!(matches!(
        scene.error(),
        BaseError::Signature {
            source: SignatureFault::NotSigned(_),
            ..
        }
    ));
    scene.archive.alter("InRelease", |bytes| {
        *bytes = [b"Suite: evil\n\n", &signed[..]].concat();
    });
    assert!(matches!(
        scene.error(),
        BaseError::Signature {
            source: SignatureFault::NotSigned(_),
            ..
        }
    ));
}

#[test]
fn an_altered_index_is_refused() {
    let scene = Scene::new();
    scene.archive.alter("binary-amd64/Packages.xz", |bytes| {
        *bytes.last_mut().unwrap() ^= 1;
    });
    let error = scene.error();
    assert!(matches!(error, BaseError::Altered { .. }), "{error:?}");
    assert!(
        explained(&error).contains("Packages.xz is not what was promised"),
        "{}",
        explained(&error)
    );
}

#[test]
fn an_altered_package_is_refused() {
    let scene = Scene::new();
    scene
        .archive
        .alter("app_1.0-1_amd64.deb", |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert!(explained(&scene.error()).contains("app_1.0-1_amd64.deb is not what was promised"));
    scene
        .archive
        .alter("app_1.0-1_amd64.deb", |bytes| bytes.truncate(10));
    assert!(matches!(scene.error(), BaseError::Altered { .. }));
}

#[test]
fn a_release_past_its_time_or_from_the_future_is_refused() {
    let past = format!("Valid-Until: {}\n", date(Timestamp(now().0 - 60)));
    let scene = Scene::publishing(&packages(), &past);
    assert!(
        explained(&scene.error()).contains("it was valid until"),
        "{}",
        explained(&scene.error())
    );
    let spec = spec(
        &scene.archive,
        &scene.keyring,
        "['app']",
        "check_valid_until = false",
    );
    scene.machine.build(&spec, "linux/amd64").unwrap();

    let mut scene = Scene::new();
    scene.machine.now.0 -= DAY;
    assert!(
        explained(&scene.error()).contains("future"),
        "{}",
        explained(&scene.error())
    );
}

#[test]
fn a_release_of_another_suite_is_refused() {
    let scene = Scene::new();
    let mut files = scene.archive.files.lock().unwrap();
    let other = files["dists/test/InRelease"].clone();
    files.insert("dists/wanted/InRelease".to_owned(), other);
    drop(files);
    let mut spec = scene.spec();
    spec.suite = "wanted".to_owned();
    let error = scene.machine.build(&spec, "linux/amd64").unwrap_err();
    assert!(
        explained(&error).contains("it is of the suite test (test)"),
        "{}",
        explained(&error)
    );
}

#[test]
fn a_missing_package_a_missing_need_and_a_foreign_platform_are_explained() {
    let scene = Scene::publishing(&[package("app", "1", "Depends: gone (>= 3)\n", &[])], "");
    let error = |packages: &str, platform: &str| {
        let spec = spec(&scene.archive, &scene.keyring, packages, "");
        explained(&scene.machine.build(&spec, platform).unwrap_err())
    };
    let text = error("['apq']", "linux/amd64");
    assert!(
        text.ends_with("there is no package apq in test for amd64; did you mean app?"),
        "{text}"
    );
    let text = error("['app']", "linux/amd64");
    assert!(
        text.ends_with("gone (>= 3) is needed and cannot be had: app 1"),
        "{text}"
    );
    let text = error("['app']", "linux/s390x");
    assert!(
        text.ends_with("test has no packages for linux/s390x: it has all, amd64, arm64, armhf"),
        "{text}"
    );
    let text = error("['app']", "windows/amd64");
    assert!(text.ends_with("test has no packages for windows/amd64"), "{text}");
}

#[test]
fn an_optional_suite_that_is_not_sound_is_left_out_with_a_finding() {
    let scene = Scene::new();
    let newer = [package("app", "9", "", &[("bin/app", "newer")])];
    scene.archive.publish("extra", &newer, &scene.key, "");
    let build = |optional: bool| {
        let more = format!("extra_suites = [{{ suite = 'extra', optional = {optional} }}]");
        let spec = spec(&scene.archive, &scene.keyring, "['app']", &more);
        scene
            .machine
            .build_with(&spec, "linux/amd64", Freshness::Refresh, None)
    };
    let base = build(true).unwrap();
    assert_eq!(
        (base.resolution.packages[0].version.as_str(), base.findings.len()),
        ("9", 0)
    );
    scene
        .archive
        .alter("dists/extra/main/binary-amd64/Packages.xz", |bytes| {
            bytes[20] ^= 1;
        });
    std::fs::remove_dir_all(scene.machine.directory.path().join("bases/downloads")).unwrap();
    let base = build(true).unwrap();
    assert_eq!(base.resolution.packages[0].version, "1.0-1");
    assert_eq!(base.findings[0].rule, "BaseSuiteLeftOut");
    assert!(matches!(build(false).unwrap_err(), BaseError::Altered { .. }));
    scene.archive.publish("extra", &newer, &Key::ed25519(), "");
    assert!(matches!(build(true).unwrap_err(), BaseError::Signature { .. }));
}
