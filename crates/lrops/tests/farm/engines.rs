//! The same Dockerfile through both engines: the same files, modes, owners and settings.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use lrops_testkit::debian_registry::DebianRegistry;
use serde_json::Value;

use crate::workshop::{Workshop, copy, daemon};

const VERSION: &str = "--build-arg=VERSION=1.2.3";

#[test]
fn hello_through_both_engines_is_one_image() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hello");
    copy(&example, &workshop.laboratory.context());
    let registry = DebianRegistry::start();
    let name = format!("{}/team/hello:1.2.3", registry.name());
    build(&workshop, "buildx", &["--tag", &name, "--push"]);
    build(&workshop, "embedded", &[]);
    let (farm, own) = (Built::of(&workshop, "buildx"), Built::of(&workshop, "embedded"));
    assert_eq!(farm.files.len(), own.files.len());
    for (path, entry) in &own.files {
        assert_eq!(farm.files.get(path), Some(entry), "{path}");
    }
    assert_eq!(farm.settings, own.settings);
    assert_eq!(own.settings.len(), 3, "one platform each");
    workshop
        .run(&[
            "verify",
            "--platform=linux/amd64,linux/arm64,linux/arm/v7",
            &format!("docker://{name}"),
        ])
        .succeeded();
}

fn build(workshop: &Workshop<'_>, engine: &str, more: &[&str]) {
    let path = |kind: &str| workshop.laboratory.path(&format!("{engine}-{kind}"));
    let files = format!("--output=type=tar,dest={}", path("files").display());
    let layout = format!("--output=type=oci,tar=false,dest={}", path("layout").display());
    let engine = format!("--engine={engine}");
    let mut arguments = vec!["build", &engine, VERSION, &files, &layout];
    arguments.extend(more);
    arguments.push(".");
    workshop.run(&arguments).succeeded();
}

/// What a build came to, without what may differ: times, and how layers are cut.
struct Built {
    files: BTreeMap<String, String>,
    settings: BTreeMap<String, Value>,
}

impl Built {
    fn of(workshop: &Workshop<'_>, engine: &str) -> Self {
        let path = |kind: &str| workshop.laboratory.path(&format!("{engine}-{kind}"));
        Self {
            files: files(&path("files")),
            settings: settings(&path("layout")),
        }
    }
}

/// Returns every file of an archive: kind, mode, owner, target and content.
fn files(path: &Path) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        let said = format!(
            "{:?} {:o} {}:{} {:?} {}",
            header.entry_type(),
            header.mode().unwrap() & 0o7777,
            header.uid().unwrap(),
            header.gid().unwrap(),
            entry.link_name().unwrap(),
            content_mark(&content),
        );
        files.insert(entry.path().unwrap().display().to_string(), said);
    }
    files
}

/// A short form of a content, for the message when it differs.
fn content_mark(content: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("{} bytes {:x}", content.len(), hasher.finish())
}

/// Returns what each platform's config says of how the image runs.
fn settings(layout: &Path) -> BTreeMap<String, Value> {
    let read = |digest: &Value| -> Value {
        let name = digest.as_str().unwrap().replace(':', "/");
        serde_json::from_slice(&fs::read(layout.join("blobs").join(name)).unwrap()).unwrap()
    };
    let top: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let index = read(&top["manifests"][0]["digest"]);
    let manifests = index["manifests"].as_array().unwrap().iter();
    let settings = manifests.map(|manifest| {
        let config = read(&read(&manifest["digest"])["config"]["digest"]);
        (manifest["platform"].to_string(), config["config"].clone())
    });
    settings.collect()
}

#[test]
fn what_buildkit_warns_of_is_shown_once() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    workshop
        .laboratory
        .dockerfile("FROM scratch\nCOPY words \\\n\n    /words\n");
    let platforms = "--platform=linux/amd64,linux/arm64";
    let build = ["build", "--engine=buildx", "--progress=plain", platforms, "."];
    let said = workshop.run(&build).succeeded().stderr;
    let warnings: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("warning: "))
        .collect();
    assert_eq!(
        warnings,
        ["warning: BuildKit: Empty continuation line found in: COPY words     /words (line 4)"],
        "{said}"
    );
}

#[test]
fn lrops_own_rules_speak_before_every_build() {
    let daemon = daemon();
    let workshop = Workshop::new(daemon.client());
    workshop
        .laboratory
        .dockerfile("FROM scratch\nARG TARGETARCH=amd64\nCOPY words /\n");
    let warning =
        "warning: PlatformArgDefault: the default amd64 of TARGETARCH takes the place of the platform";
    let platforms = "--platform=linux/amd64,linux/arm64";
    for engine in ["--engine=embedded", "--engine=buildx"] {
        let said = workshop
            .run(&["build", engine, "--progress=plain", platforms, "."])
            .succeeded();
        assert_eq!(
            said.stderr.matches(warning).count(),
            1,
            "{engine}: {}",
            said.stderr
        );
        let planned = workshop.run(&["plan", engine, platforms, "."]).succeeded();
        assert_eq!(
            planned.stderr.matches("PlatformArgDefault").count(),
            1,
            "{engine}: {}",
            planned.stderr
        );
    }
    let checked = workshop.run(&["build", "--check", "."]).succeeded();
    assert!(
        checked.stdout.contains("PlatformArgDefault"),
        "{}{}",
        checked.stdout,
        checked.stderr
    );
}
