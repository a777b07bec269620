//! What a base holds: packages' files, apk's records, and what scripts would have made.

use std::collections::BTreeMap;

use lrops_model::blob::{BlobSource, MemoryStore};
use lrops_model::oci::Descriptor;
use lrops_testkit::alpine::{ApkContent, ApkFile};

use super::scene::{Scene, package};
use crate::support::LayerFile;

fn text(files: &BTreeMap<String, LayerFile>, path: &str) -> String {
    let file = files.get(path).unwrap_or_else(|| panic!("there is no {path}"));
    String::from_utf8(file.content.clone()).unwrap()
}

/// Reads the extended headers of a layer's files.
fn extended_headers(store: &MemoryStore, layer: &Descriptor) -> BTreeMap<String, Vec<(String, Vec<u8>)>> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(store.open(layer).unwrap()));
    let mut headers = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let records = entry
            .pax_extensions()
            .unwrap()
            .into_iter()
            .flatten()
            .map(|record| {
                let record = record.unwrap();
                (record.key().unwrap().to_owned(), record.value_bytes().to_owned())
            });
        headers.insert(path, records.collect());
    }
    headers
}

#[test]
fn every_kind_of_file_comes_out_as_it_was_packed() {
    let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    let scene = Scene::publishing(&[package("a", "1-r0")
        .file_of(ApkFile {
            records: vec![("SCHILY.xattr.security.capability".to_owned(), capability.clone())],
            ..ApkFile::new("bin/ping", "ping").mode(0o755)
        })
        .file_of(ApkFile::new("bin/su", "su").mode(0o4755))
        .file_of(ApkFile::of(
            "bin/ping6",
            ApkContent::HardLink("bin/ping".to_owned()),
        ))
        .link("bin/p", "../bin/ping")
        .file_of(ApkFile::of("var/spool", ApkContent::Directory).mode(0o1777))
        .file_of(ApkFile {
            owner: (70, 71),
            ..ApkFile::of("var/lib/data", ApkContent::Directory).mode(0o700)
        })
        .text("usr/share/man/man1/a.1", "manual")
        .text(".hidden", "apk's own")]);
    let base = scene.build("['a']", "");
    let files = scene.files("['a']", "");
    assert_eq!(files["bin/su"].mode, 0o4755);
    assert_eq!(files["bin/ping6"].link.as_deref(), Some("bin/ping"));
    assert_eq!(files["bin/ping6"].kind, tar::EntryType::Link);
    assert_eq!(files["bin/p"].link.as_deref(), Some("../bin/ping"));
    assert_eq!(files["var/spool"].mode, 0o1777);
    assert_eq!(
        (files["var/lib/data"].mode, files["var/lib/data"].owner),
        (0o700, (70, 71))
    );
    assert_eq!(files["bin/su"].mtime, 1_700_000_000);
    assert!(!files.contains_key(".hidden"));
    assert!(
        !files.contains_key("usr/share/man/man1/a.1"),
        "manuals are left out"
    );
    let records = extended_headers(&scene.machine.store, &base.layer);
    assert_eq!(
        records["bin/ping"],
        [("SCHILY.xattr.security.capability".to_owned(), capability)]
    );
    let installed = text(&files, "lib/apk/db/installed");
    for line in [
        "F:var/lib/data\nM:70:71:700\n",
        "F:var/spool\nM:0:0:1777\n",
        "R:p\na:0:0:777\nZ:Q1",
        "R:su\na:0:0:4755\nZ:Q1",
    ] {
        assert!(installed.contains(line), "{line}: {installed}");
    }
    let checksum = |name: &str| {
        let rest = installed.split(&format!("R:{name}\n")).nth(1).unwrap();
        rest.lines()
            .find(|line| line.starts_with("Z:"))
            .unwrap()
            .to_owned()
    };
    assert_eq!(checksum("ping6"), checksum("ping"), "a hard link has its file's");
    assert!(
        !installed.contains("a.1"),
        "what is left out is not installed: {installed}"
    );
}

#[test]
fn the_record_of_what_is_installed_is_apks() {
    let scene = Scene::publishing(&[
        package("lib", "1.2-r0"),
        package("app", "1.0-r0")
            .with("T", "An application")
            .with("U", "https://example.org/app")
            .with("L", "MIT")
            .with("o", "app")
            .with("D", "lib so:l.so.1")
            .with("p", "cmd:app=1.0-r0 so:l.so.1=1")
            .with("r", "older")
            .with("q", "2")
            .text("etc/app.conf", "x"),
    ]);
    let files = scene.files("['app']", "");
    let installed = text(&files, "lib/apk/db/installed");
    let app = installed.split("\n\n").next().unwrap();
    let lines: Vec<&str> = app
        .lines()
        .filter(|line| !line.starts_with("C:") && !line.starts_with("S:") && !line.starts_with("I:"))
        .collect();
    assert_eq!(
        lines,
        [
            "P:app",
            "V:1.0-r0",
            "A:x86_64",
            "T:An application",
            "U:https://example.org/app",
            "L:MIT",
            "o:app",
            "D:lib so:l.so.1",
            "p:cmd:app=1.0-r0 so:l.so.1=1",
            "r:older",
            "q:2",
            "F:etc",
            "R:app.conf",
            "Z:Q1EfatjsUqKYSrqv18O1FlA3hcIHI="
        ]
    );
    let file = scene.archive.get("v3.20/main/x86_64/app-1.0-r0.apk");
    assert!(app.contains(&format!("\nS:{}\n", file.len())));
    assert!(
        installed.contains("\n\nC:Q1") && installed.ends_with("\n\n"),
        "{installed:?}"
    );
    assert_eq!(files["lib/apk/db/scripts.tar"].content.len(), 1024);
}

#[test]
fn files_of_two_packages_conflict_unless_one_replaces_the_other() {
    let with = |name: &str, content: &str| package(name, "1-r0").text("etc/x", content);
    let scene = Scene::publishing(&[
        with("a", "a"),
        with("b", "b"),
        with("c", "c").with("r", "a"),
        with("d", "d").with("r", "a<1"),
        with("e", "e").with("r", "c").with("q", "5"),
        with("f", "f").with("r", "e").with("q", "3"),
        with("g", "g").with("o", "one"),
        with("h", "h").with("o", "one"),
    ]);
    for packages in ["['a', 'b']", "['a', 'd']"] {
        let text = scene.error(packages, "");
        assert!(
            text.contains("the file /etc/x is also in a, and neither package replaces the other"),
            "{text}"
        );
    }
    for (packages, content) in [
        ("['a', 'c']", "c"),
        ("['c', 'e']", "e"),
        ("['e', 'f']", "f"),
        ("['g', 'h']", "h"),
    ] {
        let files = scene.files(packages, "");
        assert_eq!(text(&files, "etc/x"), content, "{packages}");
        let installed = text(&files, "lib/apk/db/installed");
        assert_eq!(
            installed.matches("R:x\n").count(),
            1,
            "one package has it: {installed}"
        );
        let owner = installed.split("\n\n").find(|package| package.contains("R:x\n"));
        assert!(owner.unwrap().contains(&format!("P:{content}\n")), "{installed}");
    }
}

#[test]
fn busyboxes_commands_are_linked_where_no_package_has_them() {
    let scene = Scene::publishing(&[
        package("busybox", "1-r0").program("bin/busybox", "b").text(
            "etc/busybox-paths.d/busybox",
            "/bin/sh\nbin/mount\n/bin/grep\n/usr/bin/telnet\n",
        ),
        package("busybox-extras", "1-r0")
            .program("bin/busybox-extras", "e")
            .text("etc/busybox-paths.d/busybox-extras", "/usr/bin/telnet\n"),
        package("busybox-suid", "1-r0")
            .file_of(ApkFile::new("bin/bbsuid", "\0/bin/bbsuid\0/bin/mount\0").mode(0o4111)),
        package("grep", "1-r0").program("usr/bin/grep", "real"),
    ]);
    let files = scene.files("['busybox', 'busybox-extras', 'busybox-suid', 'grep']", "");
    let link = |path: &str| files.get(path).and_then(|file| file.link.clone());
    assert_eq!(link("bin/sh").as_deref(), Some("/bin/busybox"));
    assert_eq!(link("bin/mount").as_deref(), Some("/bin/bbsuid"));
    assert_eq!(link("usr/bin/telnet").as_deref(), Some("/bin/busybox-extras"));
    assert!(!files.contains_key("bin/grep"));
}

#[test]
fn certificates_are_bundled_where_no_package_brings_the_bundle() {
    let certificates = package("ca-certificates", "1-r0")
        .text("usr/share/ca-certificates/mozilla/One.crt", "ONE\n")
        .text("usr/share/ca-certificates/mozilla/Two.crt", "TWO\n");
    let bundle = package("ca-certificates-bundle", "1-r0")
        .text("etc/ssl/certs/ca-certificates.crt", "BUNDLE\n")
        .link("etc/ssl/cert.pem", "certs/ca-certificates.crt");
    let scene = Scene::publishing(&[certificates, bundle]);
    let files = scene.files("['ca-certificates']", "");
    assert_eq!(text(&files, "etc/ssl/certs/ca-certificates.crt"), "ONE\nTWO\n");
    assert_eq!(
        files["etc/ssl/cert.pem"].link.as_deref(),
        Some("certs/ca-certificates.crt")
    );
    let files = scene.files("['ca-certificates', 'ca-certificates-bundle']", "");
    assert_eq!(text(&files, "etc/ssl/certs/ca-certificates.crt"), "BUNDLE\n");
    assert!(!files.contains_key("usr/lib/ssl"), "that is Debian's place");
}

#[test]
fn accounts_stay_as_packed_until_the_base_adds_some() {
    let scene = Scene::new();
    let files = scene.files("['alpine-baselayout']", "");
    assert_eq!(text(&files, "etc/shadow"), "root:*::0:::::\n");
    assert_eq!(
        (files["etc/shadow"].mode, files["etc/shadow"].owner),
        (0o640, (0, 42))
    );
    let installed = text(&files, "lib/apk/db/installed");
    assert!(installed.contains("R:shadow\na:0:42:640\n"), "{installed}");
    let users = "users = [{ name = 'app', uid = 1001, shell = '/bin/sh' }]\nuser = 'app'\n\
                 directories = [{ path = '/data', owner = 'app' }]";
    let files = scene.files("['alpine-baselayout']", users);
    assert_eq!(
        text(&files, "etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\napp:x:1001:1001::/home/app:/bin/sh\n"
    );
    assert_eq!(files["data"].owner, (1001, 1001));
    assert_eq!(files["home/app"].owner, (1001, 1001));
}

#[test]
fn a_merged_usr_is_what_the_base_layout_says() {
    let scene = Scene::publishing(&[
        package("alpine-baselayout", "3.7-r0")
            .link("bin", "usr/bin")
            .link("lib", "usr/lib")
            .file_of(ApkFile::of("usr/bin", ApkContent::Directory))
            .file_of(ApkFile::of("usr/lib", ApkContent::Directory)),
        package("a-tool", "1-r0").program("bin/tool", "x"),
    ]);
    let files = scene.files("['a-tool', 'alpine-baselayout']", "");
    assert_eq!(files["bin"].link.as_deref(), Some("usr/bin"));
    assert_eq!(text(&files, "usr/bin/tool"), "x");
    assert!(text(&files, "usr/lib/apk/db/installed").contains("F:bin\nR:tool\n"));
}

#[test]
fn a_base_without_a_release_file_says_which_release_it_is() {
    let scene = Scene::publishing(&[package("a", "1-r0")]);
    let files = scene.files("['a']", "");
    assert!(text(&files, "etc/os-release").contains("ID=alpine\nVERSION_ID=3.20\n"));
    assert_eq!(files["tmp"].mode, 0o1777);
    assert!(text(&files, "etc/passwd").starts_with("root:x:0:0:"));
}
