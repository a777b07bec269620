//! What is built, reused and pinned.

use lrops_bases::{Freshness, Lock, MachineSources, PackageSource};
use lrops_model::blob::read_document;
use lrops_model::oci::{ImageConfig, Manifest};
use lrops_testkit::alpine::ARCHITECTURES;

use super::scene::{Scene, package};
use crate::support::{Machine, explained, layer_files};

#[test]
fn a_base_is_built_for_each_platform() {
    let scene = Scene::new();
    for (platform, architecture) in ARCHITECTURES {
        let spec = scene.spec("['app', 'alpine-baselayout']", "");
        let base = scene
            .machine
            .build(&spec, platform)
            .unwrap_or_else(|error| panic!("{}", explained(&error)));
        let files = layer_files(&scene.machine.store, &base.layer);
        let text = |path: &str| String::from_utf8(files[path].content.clone()).unwrap();
        assert_eq!(text("usr/bin/app"), format!("program for {architecture}"));
        assert_eq!(files["usr/bin/app"].mode, 0o755);
        assert_eq!(files["bin"].kind, tar::EntryType::Directory, "/usr is not merged");
        assert!(files.contains_key(&format!("lib/ld-musl-{architecture}.so.1")));
        assert_eq!(text("etc/apk/world"), "alpine-baselayout\napp\n");
        assert_eq!(text("etc/apk/arch"), format!("{architecture}\n"));
        assert_eq!(
            base.scripts_not_run,
            ["alpine-baselayout", "app", "app-extra", "busybox", "liba", "musl"]
        );
        let bytes = read_document(&scene.machine.store, &base.manifest).unwrap();
        let manifest: Manifest = serde_json::from_slice(&bytes).unwrap();
        let bytes = read_document(&scene.machine.store, &manifest.config).unwrap();
        let config: ImageConfig = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(
            format!("linux/{}", config.architecture),
            platform.trim_end_matches("/v7")
        );
    }
}

#[test]
fn another_machine_builds_the_same_bytes() {
    let scene = Scene::new();
    let spec = scene.spec("['app']", "");
    let first = scene.machine.build(&spec, "linux/arm64").unwrap();
    let second = Machine::new().build(&spec, "linux/arm64").unwrap();
    assert!(!second.from_cache);
    assert_eq!(first.manifest.digest, second.manifest.digest);
    assert!(scene.machine.build(&spec, "linux/arm64").unwrap().from_cache);
}

#[test]
fn a_lock_pins_package_files() {
    let scene = Scene::new();
    let spec = scene.spec("['app']", "");
    let first = scene.machine.build(&spec, "linux/amd64").unwrap();
    let mut lock = Lock::default();
    lock.insert("test", first.resolution.clone());
    let text = lock.to_text();
    assert!(!text.contains("127.0.0.1"), "a lock names no mirror: {text}");
    let lock = Lock::parse(&text).unwrap();
    let build = |machine: &Machine| machine.build_with(&spec, "linux/amd64", Freshness::Reuse, Some(&lock));

    // No index is asked.
    scene.archive.remove("APKINDEX.tar.gz");
    assert_eq!(build(&Machine::new()).unwrap().manifest, first.manifest);

    // Another file under the same name.
    let path = "v3.20/main/x86_64/app-1.0-r0.apk";
    let file = scene.archive.get(path);
    scene.archive.alter(path, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let error = explained(&build(&Machine::new()).unwrap_err());
    assert!(
        error.contains("is not what was promised: its digest is"),
        "{error}"
    );
    scene.archive.put(path, file);

    // A newer version took its place.
    scene.archive.remove("app-1.0-r0.apk");
    let error = build(&Machine::new()).unwrap_err();
    assert!(
        explained(&error).starts_with("the mirror no longer has app 1.0-r0 (http://"),
        "{}",
        explained(&error)
    );
    assert!(error.advice().unwrap().starts_with("run `lrops base lock` again"));
}

#[test]
fn a_newer_package_is_found_when_it_is_asked_for() {
    let scene = Scene::publishing(&[package("a", "1-r0")]);
    let spec = scene.spec("['a']", "");
    let build = |freshness| {
        let built = scene.machine.build_with(&spec, "linux/amd64", freshness, None);
        built.unwrap().resolution.packages[0].version.clone()
    };
    assert_eq!(build(Freshness::Reuse), "1-r0");
    scene.archive.publish("v3.20/main", &[package("a", "1-r1")]);
    assert_eq!(build(Freshness::Reuse), "1-r0", "for a day");
    assert_eq!(build(Freshness::Refresh), "1-r1");
}

#[test]
fn an_alpine_machine_names_its_own_mirror_and_keys() {
    let scene = Scene::new();
    let machine = Machine::with_sources(MachineSources {
        apk_entries: vec![PackageSource {
            address: scene.archive.address().to_owned(),
            suites: vec!["edge".to_owned()],
            components: vec!["main".to_owned()],
            signed_by: None,
        }],
        apk_keys: vec![scene.keys.clone()],
        ..MachineSources::default()
    });
    let spec = toml::from_str("distribution = 'alpine'\nsuite = '3.20'\npackages = ['musl']").unwrap();
    machine.build(&spec, "linux/amd64").unwrap();
    let error = scene.machine.build(&spec, "linux/amd64").unwrap_err();
    assert_eq!(explained(&error), "no mirror is known for 3.20");
    assert!(
        error
            .advice()
            .unwrap()
            .contains("mirror = \"https://HOST/debian\", or https://HOST/alpine")
    );
}

#[test]
fn several_repositories_and_further_branches_are_read() {
    let scene = Scene::publishing(&[package("a", "1-r0").with("D", "lib"), package("lib", "1-r0")]);
    scene
        .archive
        .publish("v3.20/community", &[package("c", "1-r0").with("D", "a")]);
    scene.archive.publish(
        "edge/main",
        &[
            package("a", "2-r0").with("D", "lib>=2 new"),
            package("lib", "2-r0"),
            package("new", "1-r0"),
            package("c", "9-r0"),
        ],
    );
    let both = "components = ['main', 'community']";
    assert_eq!(scene.names("['c']", both), ["a-1-r0", "c-1-r0", "lib-1-r0"]);
    let edge = "repositories = ['main']\nextra_suites = ['edge']";
    assert_eq!(
        scene.names("['a']", edge),
        ["a-1-r0", "lib-1-r0"],
        "only who is asked for"
    );
    assert_eq!(
        scene.names("['a@edge']", edge),
        ["a-2-r0", "lib-2-r0", "new-1-r0"]
    );
    assert_eq!(
        scene.names("['lib', 'a@edge']", edge),
        ["a-2-r0", "lib-2-r0", "new-1-r0"]
    );
    let text = scene.error("['new']", edge);
    assert!(
        text.contains("new is needed and cannot be had: the base asks for it; write new@edge"),
        "{text}"
    );
    let built = scene.build("['a']", "extra_suites = [{ suite = 'v9', optional = true }]");
    assert_eq!(built.findings[0].rule, "BaseSuiteLeftOut");
}
