//! Bases from a small signed Alpine archive, made here in the bytes of apk format 2.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lrops_bases::{BaseError, BaseSpec, Freshness, Lock, SignatureFault};
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use rsa::sha2::Sha256;
use rsa::{RsaPrivateKey, RsaPublicKey};
use sha1::{Digest as _, Sha1};

use crate::support::{Archive, Machine, explained, layer_files};

const ARCHITECTURES: [(&str, &str); 3] = [
    ("linux/amd64", "x86_64"),
    ("linux/arm64", "aarch64"),
    ("linux/arm/v7", "armv7"),
];

/// Name and version, fields of the index, and files: path and content.
type Apk<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)]);

const PACKAGES: [Apk<'_>; 6] = [
    (
        "alpine-baselayout",
        "3.6.5-r0",
        "",
        &[
            ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
            ("etc/group", "root:x:0:root\n"),
            ("etc/os-release", "ID=alpine\n"),
        ],
    ),
    (
        "app",
        "1.0-r0",
        "D:so:liba.so.1>=1.2 musl cmd:sh",
        &[("usr/bin/app", "program for {arch}")],
    ),
    (
        "liba",
        "1.2.3-r1",
        "p:so:liba.so.1=1.2.3\nD:app",
        &[("usr/lib/liba.so.1", "library for {arch}")],
    ),
    (
        "musl",
        "1.2.5-r0",
        "p:so:libc.musl-x86_64.so.1=1",
        &[("lib/ld-musl-{arch}.so.1", "loader")],
    ),
    (
        "busybox",
        "1.36.1-r29",
        "p:cmd:sh=1.36.1-r29",
        &[
            ("bin/busybox", "busybox for {arch}"),
            ("etc/busybox-paths.d/busybox", "/bin/sh\n/usr/bin/wget\n"),
        ],
    ),
    (
        "app-extra",
        "1.0-r0",
        "i:app=1.0-r0 busybox",
        &[("usr/share/extra", "x")],
    ),
];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A tar without its end, as abuild cuts it, unless it is the last.
fn tar(files: &[(String, Vec<u8>)], last: bool) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_mtime(1_700_000_000);
        header.set_size(content.len() as u64);
        if last {
            let sum: String = Sha1::digest(content)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            builder
                .append_pax_extensions([("APK-TOOLS.checksum.SHA1", sum.as_bytes())])
                .unwrap();
        }
        builder.append_data(&mut header, path, &content[..]).unwrap();
    }
    let mut bytes = builder.into_inner().unwrap();
    if !last {
        bytes.truncate(bytes.len() - 1024);
    }
    bytes
}

struct Scene {
    archive: Archive,
    key: RsaPrivateKey,
    machine: Machine,
    keys: PathBuf,
}

impl Scene {
    fn new() -> Self {
        Self::publishing(&PACKAGES)
    }

    fn publishing(packages: &[Apk<'_>]) -> Self {
        let key = RsaPrivateKey::new(&mut rand::thread_rng(), 2048).unwrap();
        let machine = Machine::new();
        let keys = machine.directory.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        let public = RsaPublicKey::from(&key)
            .to_public_key_pem(LineEnding::LF)
            .unwrap();
        std::fs::write(keys.join("test.rsa.pub"), public).unwrap();
        let scene = Self {
            archive: Archive::new(),
            key,
            machine,
            keys,
        };
        scene.publish(packages);
        scene
    }

    fn signed(&self, content: &[u8]) -> Vec<u8> {
        let (kind, signature) = if content.len() % 2 == 0 {
            (
                "RSA",
                self.key.sign(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(content)),
            )
        } else {
            (
                "RSA256",
                self.key
                    .sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(content)),
            )
        };
        let name = format!(".SIGN.{kind}.test.rsa.pub");
        let mut file = gzip(&tar(&[(name, signature.unwrap())], false));
        file.extend_from_slice(content);
        file
    }

    fn publish(&self, packages: &[Apk<'_>]) {
        for (_, architecture) in ARCHITECTURES {
            let mut index = String::new();
            for (name, version, fields, files) in packages {
                let here = |text: &str| text.replace("{arch}", architecture);
                let files: Vec<(String, Vec<u8>)> = files
                    .iter()
                    .map(|(path, content)| (here(path), here(content).into_bytes()))
                    .collect();
                let data = gzip(&tar(&files, true));
                let mut info = format!("# made by a test\npkgname = {name}\npkgver = {version}\n");
                for line in fields.lines() {
                    let (letter, value) = line.split_once(':').unwrap();
                    let field = match letter {
                        "D" => "depend",
                        "p" => "provides",
                        "i" => "install_if",
                        "r" => "replaces",
                        "k" => "provider_priority",
                        other => panic!("{other}"),
                    };
                    for value in value.split(' ') {
                        writeln!(info, "{field} = {value}").unwrap();
                    }
                }
                let sum: String = Sha256::digest(&data)
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                writeln!(info, "datahash = {sum}").unwrap();
                let control = [
                    (".PKGINFO".to_owned(), info.into_bytes()),
                    (".post-install".to_owned(), b"#!/bin/sh\nexit 1\n".to_vec()),
                ];
                let control = gzip(&tar(&control, false));
                let checksum = STANDARD.encode(Sha1::digest(&control));
                let mut file = self.signed(&control);
                file.extend_from_slice(&data);
                writeln!(
                    index,
                    "C:Q1{checksum}\nP:{name}\nV:{version}\nS:{}\n{fields}\n",
                    file.len()
                )
                .unwrap();
                let path = format!("v3.20/main/{architecture}/{name}-{version}.apk");
                self.archive.files.lock().unwrap().insert(path, file);
            }
            let index = index.replace("\n\n\n", "\n\n");
            let content = [
                ("DESCRIPTION".to_owned(), b"test".to_vec()),
                ("APKINDEX".to_owned(), index.into_bytes()),
            ];
            let path = format!("v3.20/main/{architecture}/APKINDEX.tar.gz");
            let file = self.signed(&gzip(&tar(&content, true)));
            self.archive.files.lock().unwrap().insert(path, file);
        }
    }

    fn spec(&self, packages: &str) -> BaseSpec {
        let text = format!(
            "distribution = 'alpine'\nrelease = '3.20'\npackages = {packages}\nmirror = '{}'\nkeys = '{}'\n",
            self.archive.address,
            self.keys.display()
        );
        toml::from_str(&text).unwrap()
    }

    fn names(&self, packages: &str) -> Result<Vec<String>, String> {
        match self.machine.build(&self.spec(packages), "linux/amd64") {
            Ok(base) => Ok(base
                .resolution
                .packages
                .into_iter()
                .map(|package| package.name)
                .collect()),
            Err(error) => Err(explained(&error)),
        }
    }
}

#[test]
fn a_base_is_built_for_each_platform() {
    let scene = Scene::new();
    for (platform, architecture) in ARCHITECTURES {
        let spec = scene.spec("['alpine-baselayout', 'app']");
        let base = scene
            .machine
            .build(&spec, platform)
            .unwrap_or_else(|error| panic!("{}", explained(&error)));
        let files = layer_files(&scene.machine.store, &base.layer);
        assert_eq!(
            files["usr/bin/app"].content,
            format!("program for {architecture}").as_bytes()
        );
        assert_eq!(files["bin"].kind, tar::EntryType::Directory);
        assert!(files.contains_key(&format!("lib/ld-musl-{architecture}.so.1")));
        assert_eq!(files["bin/sh"].link.as_deref(), Some("/bin/busybox"));
        assert_eq!(files["usr/bin/wget"].link.as_deref(), Some("/bin/busybox"));
        let text = |path: &str| String::from_utf8(files[path].content.clone()).unwrap();
        assert!(text("etc/passwd").starts_with("root:x:0:0:root:/root:/bin/sh\n"));
        assert_eq!(text("etc/apk/world"), "alpine-baselayout\napp\n");
        assert_eq!(text("etc/apk/arch"), format!("{architecture}\n"));
        let installed = text("lib/apk/db/installed");
        let sum = STANDARD.encode(Sha1::digest(&files["usr/bin/app"].content));
        assert!(installed.contains("\nP:app\nV:1.0-r0\n"), "{installed}");
        assert!(
            installed.contains(&format!("F:usr/bin\nR:app\na:0:0:755\nZ:Q1{sum}\n")),
            "{installed}"
        );
        assert_eq!(base.scripts_not_run.len(), 6);
        assert!(
            base.resolution
                .packages
                .iter()
                .any(|package| package.name == "app-extra")
        );
    }
}

#[test]
fn a_lock_pins_package_files() {
    let scene = Scene::new();
    let spec = scene.spec("['app']");
    let first = scene.machine.build(&spec, "linux/amd64").unwrap();
    let mut lock = Lock::default();
    lock.insert("test", first.resolution.clone());
    let lock = Lock::parse(&lock.to_text()).unwrap();
    scene.archive.remove("APKINDEX.tar.gz");
    let other = Machine::new();
    let again = other
        .build_with(&spec, "linux/amd64", Freshness::Reuse, Some(&lock))
        .unwrap();
    assert_eq!(again.manifest, first.manifest);
}

#[test]
fn an_index_that_was_altered_or_signed_by_another_key_is_refused() {
    let scene = Scene::new();
    let error = |scene: &Scene| {
        scene
            .machine
            .build(&scene.spec("['app']"), "linux/amd64")
            .unwrap_err()
    };
    scene
        .archive
        .alter("x86_64/APKINDEX.tar.gz", |bytes| *bytes.last_mut().unwrap() ^= 1);
    let found = error(&scene);
    assert!(
        matches!(
            found,
            BaseError::Signature {
                source: SignatureFault::Altered { .. },
                ..
            }
        ),
        "{found:?}"
    );
    std::fs::rename(scene.keys.join("test.rsa.pub"), scene.keys.join("other.rsa.pub")).unwrap();
    let found = error(&scene);
    assert!(
        matches!(
            found,
            BaseError::Signature {
                source: SignatureFault::UnknownKey { .. },
                ..
            }
        ),
        "{found:?}"
    );
}

#[test]
fn an_altered_package_is_refused() {
    let scene = Scene::new();
    scene.archive.alter("x86_64/app-1.0-r0.apk", |bytes| {
        let header = bytes
            .windows(3)
            .rposition(|window| window == [0x1f, 0x8b, 8])
            .unwrap();
        // The time of the data stream's gzip header: no content changes.
        bytes[header + 4] ^= 1;
    });
    let text = scene.names("['app']").unwrap_err();
    assert!(
        text.contains("failed to unpack app 1.0-r0: the digest of its data is "),
        "{text}"
    );
    let other = Scene::new();
    let file = other.archive.files.lock().unwrap()["v3.20/main/x86_64/musl-1.2.5-r0.apk"].clone();
    other
        .archive
        .alter("x86_64/app-1.0-r0.apk", |bytes| *bytes = file);
    let text = other.names("['app']").unwrap_err();
    assert!(text.contains("the checksum of its control is Q1"), "{text}");
}

#[test]
fn dependencies_follow_apks_rules() {
    let scene = Scene::publishing(&[
        ("a", "1-r0", "D:mail b>=2", &[]),
        ("b", "1-r0", "", &[]),
        ("b", "2.1-r0", "", &[]),
        ("exim", "1-r0", "p:mail", &[]),
        ("postfix", "1-r0", "p:mail", &[]),
        ("c", "1-r0", "D:tool", &[]),
        ("tool-x", "1-r0", "p:tool\nk:10", &[]),
        ("tool-y", "1-r0", "p:tool\nk:20", &[]),
        ("d", "1-r0", "D:!b<3", &[]),
        ("e", "1-r0", "D:gone", &[]),
        ("f", "1-r0", "D:b~1", &[]),
    ]);
    assert_eq!(scene.names("['a', 'postfix']").unwrap(), ["a", "b", "postfix"]);
    assert_eq!(scene.names("['c']").unwrap(), ["c", "tool-y"]);
    assert_eq!(scene.names("['b', 'f']").unwrap(), ["b", "f"]);
    let error = |packages: &str| scene.names(packages).unwrap_err();
    assert!(
        error("['a']").ends_with("name one of these in packages: exim 1-r0, postfix 1-r0"),
        "{}",
        error("['a']")
    );
    assert!(
        error("['d', 'b']").contains("d cannot be with b: it conflicts with b<3"),
        "{}",
        error("['d', 'b']")
    );
    assert!(
        error("['e']").ends_with("gone is needed and cannot be had: e 1-r0"),
        "{}",
        error("['e']")
    );
    assert!(
        error("['nope']").contains("there is no package nope in 3.20 for x86_64"),
        "{}",
        error("['nope']")
    );
}

#[test]
fn files_of_two_packages_conflict_unless_one_replaces_the_other() {
    let files: &[(&str, &str)] = &[("etc/x", "one")];
    let others: &[(&str, &str)] = &[("etc/x", "two")];
    let scene = Scene::publishing(&[
        ("a", "1-r0", "", files),
        ("b", "1-r0", "", others),
        ("c", "1-r0", "r:a", others),
    ]);
    let text = scene.names("['a', 'b']").unwrap_err();
    assert!(
        text.ends_with("the file /etc/x is also in a, and neither package replaces the other"),
        "{text}"
    );
    let base = scene
        .machine
        .build(&scene.spec("['a', 'c']"), "linux/amd64")
        .unwrap();
    assert_eq!(
        layer_files(&scene.machine.store, &base.layer)["etc/x"].content,
        b"two"
    );
}
