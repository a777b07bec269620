use std::collections::BTreeMap;
use std::io::Write;

use lrops_model::blob::{BlobError, BlobSource, BlobStore, read_document};
use lrops_model::oci::{Descriptor, MediaType};
use lrops_model::reference::Reference;

use super::*;

struct Fixture {
    directory: tempfile::TempDir,
    layout: Layout,
}

fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::open_or_create(directory.path().join("layout")).unwrap();
    Fixture { directory, layout }
}

fn image(text: &str) -> Descriptor {
    Descriptor::of(MediaType::OCI_INDEX, text.as_bytes())
}

fn index_text(layout: &Layout) -> String {
    fs::read_to_string(layout.root().join("index.json")).unwrap()
}

fn files_in(path: &Path) -> usize {
    fs::read_dir(path).unwrap().count()
}

#[test]
fn a_new_layout_is_what_the_spec_says() {
    let Fixture {
        layout,
        directory: _directory,
    } = fixture();
    let text = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    assert_eq!(index_text(&layout), text);
    let version = fs::read_to_string(layout.root().join("oci-layout")).unwrap();
    assert_eq!(version, r#"{"imageLayoutVersion":"1.0.0"}"#);
    assert_eq!(files_in(layout.root()), 3);
}

#[test]
fn what_is_no_layout_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let check = |expected: &str| {
        assert_eq!(
            Layout::open(directory.path())
                .unwrap_err()
                .to_string()
                .replace(&directory.path().display().to_string(), "DIR"),
            expected
        );
    };
    check("DIR is no OCI image layout: it has no oci-layout file");
    fs::write(
        directory.path().join("oci-layout"),
        r#"{"imageLayoutVersion":"2.0.0"}"#,
    )
    .unwrap();
    check("DIR is an OCI image layout of version \"2.0.0\"; only 1.0.0 is understood");
    fs::write(directory.path().join("oci-layout"), "nonsense").unwrap();
    check("DIR/oci-layout is malformed");
}

#[test]
fn a_blob_is_there_whole_or_not_at_all() {
    let Fixture {
        layout,
        directory: _directory,
    } = fixture();
    let descriptor = image("hello");
    for wrong in [&b"hellO"[..], b"hell", b"hello!"] {
        assert!(matches!(
            layout.put(&descriptor, &mut &wrong[..]),
            Err(BlobError::Read { .. })
        ));
    }
    assert!(matches!(layout.open(&descriptor), Err(BlobError::Missing { .. })));
    layout.put(&descriptor, &mut &b"hello"[..]).unwrap();
    layout.put(&descriptor, &mut &b"not even read"[..]).unwrap();
    assert_eq!(read_document(&layout, &descriptor).unwrap(), b"hello");
    assert_eq!((files_in(layout.root()), layout.blobs().unwrap().len()), (3, 1));
}

#[test]
fn a_blob_that_was_cut_short_is_written_again() {
    let Fixture {
        layout,
        directory: _directory,
    } = fixture();
    let descriptor = layout.put_bytes(MediaType::OCI_CONFIG, b"hello").unwrap();
    fs::write(layout.blob_path(&descriptor.digest), "hel").unwrap();
    assert!(!layout.contains(&descriptor).unwrap());
    layout.put(&descriptor, &mut &b"hello"[..]).unwrap();
    assert_eq!(read_document(&layout, &descriptor).unwrap(), b"hello");
}

#[test]
fn many_writers_of_one_blob_do_not_hinder_each_other() {
    let Fixture {
        layout,
        directory: _directory,
    } = fixture();
    let bytes = vec![7; 300_000];
    let descriptor = Descriptor::of(MediaType::OCI_LAYER, &bytes);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| layout.put(&descriptor, &mut &bytes[..]).unwrap());
            scope.spawn(|| {
                let mut writer = layout.writer().unwrap();
                bytes
                    .chunks(1000)
                    .for_each(|chunk| writer.write_all(chunk).unwrap());
                assert_eq!(writer.finish(MediaType::OCI_LAYER).unwrap(), descriptor);
            });
        }
    });
    assert_eq!(read_document(&layout, &descriptor).unwrap(), bytes);
    assert_eq!(files_in(layout.root()), 3);
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let Fixture {
        layout,
        directory: _directory,
    } = fixture();
    let mut writer = layout.writer().unwrap();
    writer.write_all(&vec![1; 1_000_000]).unwrap();
    drop(writer);
    assert_eq!((files_in(layout.root()), layout.blobs().unwrap().len()), (3, 0));
}

#[test]
fn names_are_given_moved_and_taken() {
    let Fixture {
        layout,
        directory: _directory,
    } = fixture();
    layout.tag("v1", &image("one")).unwrap();
    layout.tag("v2", &image("one")).unwrap();
    layout.tag("v1", &image("two")).unwrap();
    let digest = |name| layout.resolve(name).unwrap().map(|found| found.digest);
    assert_eq!(
        (digest("v1"), digest("v2")),
        (Some(image("two").digest), Some(image("one").digest))
    );
    assert!(layout.untag("v1").unwrap());
    assert!(!layout.untag("v1").unwrap());
    assert_eq!((digest("v1"), layout.tags().unwrap().len()), (None, 1));
}

#[test]
fn a_reference_is_found_by_what_skopeo_and_what_docker_look_for() {
    let Fixture {
        layout,
        directory: _directory,
    } = fixture();
    let reference: Reference = "registry.example.com/team/app:1.0".parse().unwrap();
    layout
        .tag(LayoutName::exported(&reference), &image("one"))
        .unwrap();
    let found = layout.resolve("1.0").unwrap().unwrap();
    let expected = BTreeMap::from([
        ("io.containerd.image.name".to_owned(), reference.to_string()),
        ("org.opencontainers.image.ref.name".to_owned(), "1.0".to_owned()),
    ]);
    assert_eq!(found.annotations, expected);
    assert_eq!(
        layout.resolve(&reference.to_string()).unwrap().unwrap().digest,
        image("one").digest
    );
    let untagged: Reference = "app".parse().unwrap();
    layout.tag(&untagged, &image("two")).unwrap();
    assert_eq!(
        layout
            .resolve("docker.io/library/app:latest")
            .unwrap()
            .unwrap()
            .digest,
        image("two").digest
    );
}

#[test]
fn an_image_without_a_name_is_listed_once_and_may_get_one() {
    let Fixture {
        layout,
        directory: _directory,
    } = fixture();
    layout.add(&image("one")).unwrap();
    layout.add(&image("one")).unwrap();
    assert_eq!(
        (
            layout.index().unwrap().manifests.len(),
            layout.tags().unwrap().len()
        ),
        (1, 0)
    );
    layout.tag("v1", &image("one")).unwrap();
    assert_eq!(
        (
            layout.index().unwrap().manifests.len(),
            layout.tags().unwrap().len()
        ),
        (1, 1)
    );
}

#[test]
fn the_order_of_events_does_not_show_in_the_index() {
    let (one, other) = (fixture(), fixture());
    for name in ["b", "a", "c"] {
        one.layout.tag(name, &image("x")).unwrap();
    }
    for name in ["c", "z", "b", "a"] {
        other.layout.tag(name, &image("x")).unwrap();
    }
    other.layout.untag("z").unwrap();
    assert_eq!(index_text(&one.layout), index_text(&other.layout));
}

#[test]
fn what_others_wrote_into_the_index_stays() {
    let Fixture {
        layout,
        directory: _directory,
    } = fixture();
    let foreign = r#"{"schemaVersion":2,"x":{"z":1,"a":2},"manifests":[{"digest":"sha512:00","size":1,"urls":["u"],"more":1},{"mediaType":"m","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0,"artifactType":"t","annotations":{"org.opencontainers.image.ref.name":"theirs"}}]}"#;
    fs::write(layout.root().join("index.json"), foreign).unwrap();
    layout.tag("ours", &image("one")).unwrap();
    assert_eq!(layout.index().unwrap().manifests.len(), 2);
    layout.untag("ours").unwrap();
    assert_eq!(index_text(&layout), foreign);
}

#[test]
fn many_writers_of_names_lose_none() {
    let Fixture {
        layout,
        directory: _directory,
    } = fixture();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let layout = &layout;
            scope.spawn(move || {
                for number in 0..5 {
                    layout
                        .tag(format!("t{thread}-{number}").as_str(), &image("one"))
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(layout.tags().unwrap().len(), 20);
}

#[test]
fn an_index_that_is_none_is_refused_and_kept() {
    let Fixture { layout, directory } = fixture();
    for text in ["[]", "{", r#"{"manifests":{}}"#] {
        fs::write(layout.root().join("index.json"), text).unwrap();
        assert!(
            matches!(layout.tag("a", &image("one")), Err(LayoutError::Malformed { .. })),
            "{text}"
        );
        assert_eq!(index_text(&layout), text);
    }
    drop(directory);
}
