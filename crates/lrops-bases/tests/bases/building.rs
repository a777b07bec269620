//! What is built, reused and pinned.

use lrops_bases::{BaseError, BaseSpec, BuildBase, Freshness, Lock, MachineSources, PackageSource};
use lrops_model::blob::{MemoryStore, read_document};
use lrops_model::cancel::CancelToken;
use lrops_model::oci::{ImageConfig, Manifest};

use crate::scene::{Scene, packages};
use crate::support::{Archive, Key, Machine, keyring_bytes, layer_files, spec};

const DAY: i64 = 86_400;

#[test]
fn a_base_is_built_for_each_platform() {
    let scene = Scene::new();
    for (platform, architecture) in [
        ("linux/amd64", "amd64"),
        ("linux/arm64", "arm64"),
        ("linux/arm/v7", "armhf"),
    ] {
        let base = scene.machine.build(&scene.spec(), platform).unwrap();
        let files = layer_files(&scene.machine.store, &base.layer);
        assert_eq!(
            files["usr/bin/app"].content,
            format!("program for {architecture}").as_bytes()
        );
        assert_eq!(files["usr/lib/l.so"].link.as_deref(), Some("lib.so"));
        assert_eq!(files["bin"].link.as_deref(), Some("usr/bin"));
        assert_eq!(
            (files["tmp"].mode, files["usr/bin/app"].mtime),
            (0o1777, 1_700_000_000)
        );
        assert!(files.contains_key("usr/share/doc/app/copyright") && !files.contains_key("usr/share/man/a"));
        assert!(!files.contains_key("usr/bin/debconf"));
        let status = String::from_utf8(files["var/lib/dpkg/status"].content.clone()).unwrap();
        assert!(
            status.contains("Package: app\nStatus: install ok installed\nVersion: 1.0-1\n"),
            "{status}"
        );
        assert!(String::from_utf8_lossy(&files["usr/lib/os-release"].content).contains("VERSION_ID=\"13\""));

        let manifest: Manifest =
            serde_json::from_slice(&read_document(&scene.machine.store, &base.manifest).unwrap()).unwrap();
        assert_eq!(
            (&manifest.config, &manifest.layers[..]),
            (&base.config, &[base.layer.clone()][..])
        );
        let config: ImageConfig =
            serde_json::from_slice(&read_document(&scene.machine.store, &base.config).unwrap()).unwrap();
        assert_eq!(config.platform().to_string(), platform);
        assert_eq!(base.manifest.target_platform().unwrap().to_string(), platform);
        assert_eq!(base.scripts_not_run, ["app", "library"]);
    }
}

#[test]
fn users_files_links_and_settings_of_the_section_are_in_the_image() {
    let scene = Scene::new();
    std::fs::write(scene.machine.directory.path().join("motd"), "from a file").unwrap();
    let more = "
        users = [{ name = 'app', uid = 1000, home = '/srv/app' }]
        directories = [{ path = '/data', mode = '2770', owner = 'app:staff' }]
        files = [{ path = '/etc/motd', source = 'motd' }, { path = '/etc/x', content = 'y', mode = '0600', owner = 'app' }]
        links = { '/usr/local/bin/program' = '/bin/app' }
        env = { LANG = 'C.UTF-8' }
        command = ['app']
        user = 'app'
        working_dir = '/srv/app'
    ";
    let spec = spec(&scene.archive, &scene.keyring, "['app']", more);
    let base = scene.machine.build(&spec, "linux/amd64").unwrap();
    let files = layer_files(&scene.machine.store, &base.layer);
    assert!(String::from_utf8_lossy(&files["etc/passwd"].content).contains("app:x:1000:1000::/srv/app:"));
    assert_eq!(files["srv/app"].owner, (1000, 1000));
    assert_eq!((files["data"].mode, files["data"].owner), (0o2770, (1000, 50)));
    assert_eq!(files["etc/motd"].content, b"from a file");
    assert_eq!((files["etc/x"].mode, files["etc/x"].owner), (0o600, (1000, 1000)));
    assert_eq!(files["usr/local/bin/program"].link.as_deref(), Some("/bin/app"));
    let config: ImageConfig =
        serde_json::from_slice(&read_document(&scene.machine.store, &base.config).unwrap()).unwrap();
    assert!(config.config.env[0].starts_with("PATH=") && config.config.env[1] == "LANG=C.UTF-8");
    assert_eq!(
        (config.config.user.as_str(), config.config.working_dir.as_str()),
        ("app", "/srv/app")
    );
    assert_eq!(config.config.cmd.unwrap(), ["app"]);
}

#[test]
fn two_machines_make_the_same_bytes() {
    let scene = Scene::new();
    let first = scene.machine.build(&scene.spec(), "linux/arm64").unwrap();
    let other = Machine::new();
    let keyring = other.keyring("other.gpg", &keyring_bytes(&scene.key.public()));
    let second = other
        .build(&spec(&scene.archive, &keyring, "['app']", ""), "linux/arm64")
        .unwrap();
    assert_eq!((first.manifest, first.key), (second.manifest, second.key));
}

#[test]
fn an_answer_is_reused_for_a_day_unless_refreshed() {
    let mut scene = Scene::new();
    let first = scene.machine.build(&scene.spec(), "linux/amd64").unwrap();
    assert_eq!(scene.archive.take_requests(), 4);
    let mut newer = packages();
    newer[0].version = "1.0-2".to_owned();
    scene.archive.publish("test", &newer, &scene.key, "");

    scene.machine.now.0 += DAY - 1;
    let again = scene.machine.build(&scene.spec(), "linux/amd64").unwrap();
    assert_eq!((again.manifest, again.from_cache), (first.manifest.clone(), true));
    assert_eq!(scene.archive.take_requests(), 0);

    let refreshed = scene
        .machine
        .build_with(&scene.spec(), "linux/amd64", Freshness::Refresh, None)
        .unwrap();
    assert_ne!(refreshed.manifest, first.manifest);
    assert_eq!(refreshed.resolution.packages[0].version, "1.0-2");
    assert_eq!(
        scene.archive.take_requests(),
        3,
        "the release, the index, and the one new package"
    );

    scene.machine.now.0 += DAY + 1;
    scene.machine.build(&scene.spec(), "linux/amd64").unwrap();
    assert_eq!(
        scene.archive.take_requests(),
        1,
        "the release alone: its index is known"
    );
}

#[test]
fn a_lost_image_is_made_again_from_the_cache() {
    let mut scene = Scene::new();
    let first = scene.machine.build(&scene.spec(), "linux/amd64").unwrap();
    scene.archive.take_requests();
    scene.machine.store = MemoryStore::new();
    let again = scene.machine.build(&scene.spec(), "linux/amd64").unwrap();
    assert_eq!((again.manifest, again.from_cache), (first.manifest, false));
    assert_eq!(scene.archive.take_requests(), 0);
}

#[test]
fn an_altered_file_in_the_cache_is_fetched_again() {
    let mut scene = Scene::new();
    let first = scene.machine.build(&scene.spec(), "linux/amd64").unwrap();
    scene.archive.take_requests();
    let downloads = scene.machine.directory.path().join("bases/downloads");
    for entry in std::fs::read_dir(downloads).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    scene.machine.store = MemoryStore::new();
    assert_eq!(
        scene
            .machine
            .build(&scene.spec(), "linux/amd64")
            .unwrap()
            .manifest,
        first.manifest
    );
    assert_eq!(scene.archive.take_requests(), 2);
}

#[test]
fn a_package_that_went_away_within_the_day_leads_to_a_new_answer() {
    let mut scene = Scene::new();
    let platform = "linux/amd64".parse().unwrap();
    let spec = scene.spec();
    let request = BuildBase {
        name: "test",
        spec: &spec,
        platform: &platform,
        freshness: Freshness::Reuse,
        lock: None,
        now: scene.machine.now,
    };
    scene
        .machine
        .bases
        .resolve(request, &CancelToken::new(), &|_| {})
        .unwrap();
    scene.archive.remove("app_1.0-1_amd64.deb");
    let mut newer = packages();
    newer[0].version = "1.0-2".to_owned();
    scene.archive.publish("test", &newer, &scene.key, "");
    scene.machine.now.0 += 60;
    let base = scene.machine.build(&spec, "linux/amd64").unwrap();
    assert_eq!(base.resolution.packages[0].version, "1.0-2");
}

#[test]
fn a_lock_pins_versions_and_says_when_it_does_not_fit() {
    let scene = Scene::new();
    let first = scene.machine.build(&scene.spec(), "linux/amd64").unwrap();
    let mut lock = Lock::default();
    lock.insert("test", first.resolution.clone());
    let lock = Lock::parse(&lock.to_text()).unwrap();

    let mut newer = packages();
    newer[0].version = "1.0-2".to_owned();
    scene.archive.publish("test", &newer, &scene.key, "");
    let build = |spec: &BaseSpec, platform: &str| {
        scene
            .machine
            .build_with(spec, platform, Freshness::Refresh, Some(&lock))
    };
    assert_eq!(
        build(&scene.spec(), "linux/amd64").unwrap().manifest,
        first.manifest
    );

    assert!(matches!(
        build(&scene.spec(), "linux/arm64").unwrap_err(),
        BaseError::NotLocked { .. }
    ));
    let edited = spec(&scene.archive, &scene.keyring, "['app', 'library']", "");
    assert!(matches!(
        build(&edited, "linux/amd64").unwrap_err(),
        BaseError::StaleLock { .. }
    ));

    let fresh = Machine::new();
    scene.archive.remove("app_1.0-1_amd64.deb");
    let error = fresh
        .build_with(&scene.spec(), "linux/amd64", Freshness::Reuse, Some(&lock))
        .unwrap_err();
    assert!(error.to_string().contains("no longer has app 1.0-1"), "{error}");
    assert!(error.advice().unwrap().contains("base lock"));
}

#[test]
fn the_lock_file_names_no_mirror() {
    let scene = Scene::new();
    let base = scene.machine.build(&scene.spec(), "linux/amd64").unwrap();
    let mut lock = Lock::default();
    lock.insert("test", base.resolution);
    let text = lock.to_text();
    assert!(
        text.contains("path = \"pool/app_1.0-1_amd64.deb\"") && !text.contains("127.0.0.1"),
        "{text}"
    );
    assert!(Lock::parse("version = 2").is_err());
}

#[test]
fn the_machines_own_sources_are_used_when_the_section_names_no_mirror() {
    let (archive, key) = (Archive::new(), Key::ed25519());
    archive.publish("stable", &packages(), &key, "");
    let directory = tempfile::tempdir().unwrap();
    let keyring = directory.path().join("debian-archive-test.gpg");
    std::fs::write(&keyring, keyring_bytes(&key.public())).unwrap();
    let source = PackageSource {
        address: archive.address.clone(),
        suites: vec!["stable".to_owned()],
        components: vec!["main".to_owned()],
        signed_by: Some(keyring),
    };
    let text = "distribution = 'debian'\nsuite = 'stable'\npackages = ['app']";
    let spec = toml::from_str(text).unwrap();
    let machine = Machine::with_sources(MachineSources {
        apk_entries: Vec::new(),
        entries: vec![source],
        keyrings: Vec::new(),
        apk_keys: Vec::new(),
    });
    machine.build(&spec, "linux/amd64").unwrap();
    let error = Machine::new().build(&spec, "linux/amd64").unwrap_err();
    assert!(matches!(error, BaseError::NoMirror { .. }) && error.advice().unwrap().contains("mirror ="));
}

#[test]
fn built_bases_are_listed() {
    let scene = Scene::new();
    assert!(scene.machine.bases.cached().unwrap().is_empty());
    let base = scene.machine.build(&scene.spec(), "linux/amd64").unwrap();
    let listed = scene.machine.bases.cached().unwrap();
    assert_eq!(
        (listed.len(), &listed[0].manifest, listed[0].packages),
        (1, &base.manifest, 2)
    );
}
