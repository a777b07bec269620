//! The mirror, whose source is another mirror with a file that a test put there.

use std::fs;

use lrops_testkit::package_mirror::{PackageMirror, Sources};
use tempfile::TempDir;

use crate::client::{Answer, Client};

const DOCUMENT: &str = r#"{"name":"left","tarball":"SOURCE/left/-/left-1.0.0.tgz"}"#;

/// A mirror of a source that has one module's list, one package's document, and nothing else.
struct Mirrored {
    mirror: PackageMirror,
    source: Option<PackageMirror>,
    _directories: (TempDir, TempDir),
}

impl Mirrored {
    fn start() -> Self {
        let directories = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let nowhere = Sources {
            go: "http://127.0.0.1:1".to_owned(),
            npm: "http://127.0.0.1:1".to_owned(),
        };
        let source = PackageMirror::start(nowhere, directories.0.path());
        let npm = source.npm().trim_end_matches('/').to_owned();
        for (name, text) in [
            ("+go+example.com+a+@v+list", "v1.0.0\n"),
            ("+npm+left", &DOCUMENT.replace("SOURCE", &npm)),
        ] {
            fs::write(directories.0.path().join(name), text).unwrap();
        }
        let absent = directories.0.path().join("+go+example.com+b+@v+list.absent");
        fs::write(absent, "").unwrap();
        let sources = Sources { go: source.go(), npm };
        Self {
            mirror: PackageMirror::start(sources, directories.1.path()),
            source: Some(source),
            _directories: directories,
        }
    }

    fn ask(&self, target: &str) -> Answer {
        let address = self.mirror.go();
        let address = address.trim_start_matches("http://").trim_end_matches("/go");
        Client::new(address.parse().unwrap()).ask("GET", target, &[], b"")
    }
}

#[test]
fn what_was_asked_for_once_needs_no_source_any_more() {
    let mut mirrored = Mirrored::start();
    for _ in 0..2 {
        let answer = mirrored.ask("/go/example.com/a/@v/list");
        assert_eq!((answer.status, answer.text().as_str()), (200, "v1.0.0\n"));
        mirrored.source = None;
    }
    assert_eq!(mirrored.mirror.fetched(), 1);
}

#[test]
fn what_the_source_does_not_have_is_remembered_too() {
    let mut mirrored = Mirrored::start();
    for _ in 0..2 {
        assert_eq!(mirrored.ask("/go/example.com/b/@v/list").status, 404);
        mirrored.source = None;
    }
    assert_eq!(mirrored.mirror.fetched(), 1);
}

#[test]
fn a_document_of_npm_names_files_of_the_mirror() {
    let mirrored = Mirrored::start();
    let own = mirrored.mirror.npm();
    let expected = DOCUMENT.replace("SOURCE/", &own);
    assert_eq!(mirrored.ask("/npm/left").text(), expected);
}

#[test]
fn other_paths_are_not_asked_for() {
    let mirrored = Mirrored::start();
    assert_eq!(mirrored.ask("/elsewhere").status, 404);
    assert_eq!(mirrored.mirror.fetched(), 0);
}
