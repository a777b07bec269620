//! Layers: what is written, and what comes back.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use lrops_model::cancel::CancelToken;
use lrops_model::change::{Change, ChangeKind};
use lrops_model::digest::Digest;
use lrops_model::oci::Compression;
use lrops_model::timestamp::Timestamp;

use super::header::{EntryHeader, write_end, write_padding};
use super::*;
use crate::tree::tests::{Detail, Place, describe};
use crate::tree::{OwnerStyle, RootDir, UnstoredOwner};

mod apply;
mod hostile;
mod namespaces;
mod round_trip;

/// Returns a header with ordinary values.
pub(crate) fn entry(flag: u8, name: &str) -> EntryHeader<'_> {
    EntryHeader {
        flag,
        name: name.as_bytes(),
        link: b"",
        mode: if flag == b'5' { 0o755 } else { 0o644 },
        uid: 0,
        gid: 0,
        size: 0,
        modified: 1000,
        device: (0, 0),
        attributes: &[],
    }
}

/// A tar in the making.
#[derive(Clone)]
pub(crate) struct Tar(Vec<u8>);

impl Tar {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn with(mut self, header: &EntryHeader<'_>, content: &str) -> Self {
        let header = EntryHeader {
            size: content.len() as u64,
            ..*header
        };
        header.write(&mut self.0).unwrap();
        self.0.extend(content.as_bytes());
        write_padding(&mut self.0, content.len() as u64).unwrap();
        self
    }

    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        self.with(&entry(b'0', name), content)
    }

    pub(crate) fn link(self, flag: u8, name: &str, target: &str) -> Self {
        self.with(
            &EntryHeader {
                link: target.as_bytes(),
                ..entry(flag, name)
            },
            "",
        )
    }

    pub(crate) fn attribute(self, name: &str, key: &str, value: &str) -> Self {
        let attributes = [(key.into(), value.as_bytes().to_vec())];
        self.with(
            &EntryHeader {
                attributes: &attributes,
                ..entry(b'0', name)
            },
            "",
        )
    }

    pub(crate) fn end(&self) -> Vec<u8> {
        let mut bytes = self.0.clone();
        write_end(&mut bytes).unwrap();
        bytes
    }
}

/// Returns a change for every path of the tree.
pub(super) fn all_changes(root: &RootDir, unstored: &[UnstoredOwner]) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for name in root.list(&directory).unwrap() {
            let path = directory.join(name);
            let metadata = root.metadata(&path, crate::tree::Follow::No).unwrap().unwrap();
            if metadata.kind == crate::tree::Kind::Directory {
                directories.push(path.clone());
            }
            let owner = unstored
                .iter()
                .find(|owner| owner.path == path)
                .map(|owner| owner.owner);
            changes.push(Change {
                path,
                kind: ChangeKind::Present { owner },
            });
        }
    }
    changes
}

pub(super) fn removed(path: &str) -> Change {
    Change {
        path: path.into(),
        kind: ChangeKind::Removed,
    }
}

/// Writes a layer into memory.
pub(super) fn write_layer(
    tree: &RootDir,
    changes: &[Change],
    times: LayerTimes,
    compression: CompressionSettings,
) -> Result<(Vec<u8>, WrittenLayer), WriteLayerError> {
    let cancel = CancelToken::new();
    let mut bytes = Vec::new();
    let request = WriteLayerRequest {
        tree,
        changes,
        times,
        compression,
        cancel: &cancel,
    };
    let layer = write(&request, &mut bytes)?;
    Ok((bytes, layer))
}

const PLAIN: CompressionSettings = CompressionSettings {
    compression: Compression::None,
    level: 0,
    threads: 1,
};

/// Compares the entries of a layer, as an independent reader sees them.
fn check_entries(tree: &RootDir, changes: &[Change], times: LayerTimes, expected: &Expect) {
    use std::fmt::Write;
    let (bytes, layer) = write_layer(tree, changes, times, PLAIN).unwrap();
    assert_eq!(layer.descriptor.digest, layer.diff_id.0);
    assert_eq!(layer.size_uncompressed, bytes.len() as u64);
    let mut lines = String::new();
    for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
        let (mode, time, kind) = (
            header.mode().unwrap(),
            header.mtime().unwrap(),
            header.entry_type(),
        );
        assert!(
            header.username_bytes().is_none_or(<[u8]>::is_empty),
            "there is a user name"
        );
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        write!(lines, "{path} {kind:?} {mode:o} {uid}:{gid} @{time}").unwrap();
        if let Some(link) = entry.link_name_bytes() {
            write!(lines, " -> {}", String::from_utf8_lossy(&link)).unwrap();
        }
        if let Some(extensions) = entry.pax_extensions().unwrap() {
            for extension in extensions.map(Result::unwrap) {
                let (key, value) = (extension.key().unwrap(), extension.value_bytes());
                if key != "path" && key != "linkpath" {
                    write!(lines, " {key}={:?}", String::from_utf8_lossy(value)).unwrap();
                }
            }
        }
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        writeln!(lines, " {content:?}").unwrap();
    }
    expected.assert_eq(&lines);
}

#[test]
fn a_layer_holds_every_kind_of_change() {
    use crate::tree::Kind;
    let place = Place::new();
    place
        .file("d/file", "content", 0o4755)
        .owner("d/file", 1000, 100)
        .mode("d/file", 0o4755);
    place
        .attribute("d/file", "user.note", b"kept")
        .attribute("d/file", "user.lrops.owner", b"1:1");
    place
        .attribute("d", "user.overlay.opaque", b"y")
        .attribute("d", "trusted.secret", b"1");
    fs::hard_link(place.path("d/file"), place.path("d/again")).unwrap();
    place.link("d/link", "../file").owner("d/link", 7, 8);
    let node = |path: &str, kind| place.root.spot(Path::new(path)).unwrap().make_node(kind).unwrap();
    node("d/pipe", Kind::Fifo);
    node("d/null", Kind::CharDevice { major: 1, minor: 3 });
    node(
        "d/disk",
        Kind::BlockDevice {
            major: 259,
            minor: 300,
        },
    );
    drop(std::os::unix::net::UnixListener::bind(place.path("d/socket")).unwrap());
    place.time("d/file", 2_000_000_000).time("d", 500);
    let mut changes = all_changes(&place.root, &[]);
    changes.push(removed("d/gone"));
    changes.push(removed("also-gone"));
    let fixed = LayerTimes::Fixed(Timestamp(42));
    check_entries(
        &place.root,
        &changes,
        fixed,
        &expect![[r#"
            .wh.also-gone Regular 0 0:0 @42 ""
            d/ Directory 755 0:0 @42 ""
            d/again Regular 4755 1000:100 @42 SCHILY.xattr.user.note="kept" "content"
            d/disk Block 600 0:0 @42 ""
            d/file Link 4755 1000:100 @42 -> d/again ""
            d/.wh.gone Regular 0 0:0 @42 ""
            d/link Symlink 777 7:8 @42 -> ../file ""
            d/null Char 600 0:0 @42 ""
            d/pipe Fifo 600 0:0 @42 ""
        "#]],
    );
    let file = [Change {
        path: "d/file".into(),
        kind: ChangeKind::Present { owner: None },
    }];
    check_entries(
        &place.root,
        &file,
        LayerTimes::Keep,
        &expect![[r#"
        d/file Regular 4755 1000:100 @2000000000 SCHILY.xattr.user.note="kept" "content"
    "#]],
    );
    let clamped = LayerTimes::KeepOlder {
        since: Timestamp(1_000_000_000),
        fixed: Timestamp(1_000_000_000),
    };
    check_entries(
        &place.root,
        &changes[..1],
        clamped,
        &expect![[r#"
        d/ Directory 755 0:0 @500 ""
    "#]],
    );
}

#[test]
fn what_ustar_cannot_say_is_said_in_pax_records() {
    let place = Place::new();
    let split = format!("{}/{}", "p".repeat(120), "n".repeat(90));
    let long = format!("{}/{}", "q".repeat(120), "m".repeat(120));
    place
        .file(&split, "", 0o644)
        .file(&long, "", 0o644)
        .file("ünicode", "", 0o644);
    place
        .file("ids", "", 0o644)
        .owner("ids", 3_000_000, 4_000_000_000);
    place
        .link("link", &"t".repeat(101))
        .file("old", "", 0o644)
        .time("old", -5);
    place.dir("e".repeat(100).as_str(), 0o755);
    check_entries(
        &place.root,
        &all_changes(&place.root, &[]),
        LayerTimes::KeepOlder {
            since: Timestamp(10),
            fixed: Timestamp(10),
        },
        &expect![[r#"
            eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee/ Directory 755 0:0 @10 ""
            ids Regular 644 3000000:4000000000 @10 gid="4000000000" uid="3000000" ""
            link Symlink 777 0:0 @10 -> ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt ""
            old Regular 644 0:0 @0 mtime="-5" ""
            pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp/ Directory 755 0:0 @10 ""
            pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn Regular 644 0:0 @10 ""
            qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq/ Directory 755 0:0 @10 ""
            qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq/mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm Regular 644 0:0 @10 ""
            ünicode Regular 644 0:0 @10 ""
        "#]],
    );
    let (bytes, _) = write_layer(
        &place.root,
        &all_changes(&place.root, &[]),
        LayerTimes::Keep,
        PLAIN,
    )
    .unwrap();
    let mut entries = Entries::new(bytes.as_slice());
    let mut found = Vec::new();
    while let Some(header) = entries.next().unwrap() {
        let name = String::from_utf8(header.unsafe_name).unwrap();
        found.push((
            name,
            header.uid,
            header.gid,
            header.unsafe_link.len(),
            header.modified.seconds,
        ));
    }
    assert!(found.iter().any(|(name, ..)| *name == split));
    assert!(found.iter().any(|(name, ..)| *name == long));
    assert!(
        found
            .iter()
            .any(|(name, uid, gid, ..)| { name == "ids" && (*uid, *gid) == (3_000_000, 4_000_000_000) })
    );
    assert!(
        found
            .iter()
            .any(|(name, .., link, _)| name == "link" && *link == 101)
    );
    assert!(found.iter().any(|(name, .., time)| name == "old" && *time == -5));
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads_or_the_order_of_changes() {
    let place = Place::new();
    // Machine code, and more of it than one thread compresses in a go: texts are too regular to show a compressor
    // whose state is not what it should be.
    let program = fs::read(std::env::current_exe().unwrap()).unwrap();
    fs::write(place.path("program"), &program[..program.len().min(24 << 20)]).unwrap();
    place.mode("program", 0o755).file("a/file", "", 0o644);
    let mut changes = all_changes(&place.root, &[]);
    for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
        let mut digests = Vec::new();
        for threads in [1, 2, 5, 0] {
            changes.reverse();
            let settings = CompressionSettings::usual(compression, threads);
            let fixed = LayerTimes::Fixed(Timestamp(0));
            let (bytes, layer) = write_layer(&place.root, &changes, fixed, settings).unwrap();
            assert_eq!(layer.descriptor.digest, Digest::of(&bytes));
            assert_eq!(layer.descriptor.size, bytes.len() as u64);
            let mut tar = Vec::new();
            decompress(compression, bytes.as_slice())
                .unwrap()
                .read_to_end(&mut tar)
                .unwrap();
            assert_eq!(layer.diff_id.0, Digest::of(&tar));
            digests.push(layer);
        }
        assert!(
            digests.windows(2).all(|pair| pair[0] == pair[1]),
            "{compression:?}"
        );
    }
}

#[test]
fn an_empty_layer_is_a_valid_one() {
    let place = Place::new();
    for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
        let settings = CompressionSettings::usual(compression, 2);
        let (bytes, layer) = write_layer(&place.root, &[], LayerTimes::Keep, settings).unwrap();
        let mut tar = Vec::new();
        decompress(compression, bytes.as_slice())
            .unwrap()
            .read_to_end(&mut tar)
            .unwrap();
        assert_eq!(tar, [0; 1024]);
        assert_eq!(layer.diff_id.0, Digest::of(&tar));
    }
}

#[test]
fn what_a_layer_cannot_hold_is_refused() {
    let check = |changes: &[Change], place: &Place, expected: &Expect| {
        let error = write_layer(&place.root, changes, LayerTimes::Keep, PLAIN).unwrap_err();
        expected.assert_eq(&error.to_string());
    };
    let place = Place::new();
    place.file("d/.wh.x", "", 0o644);
    check(
        &all_changes(&place.root, &[]),
        &place,
        &expect!["a layer cannot hold d/.wh.x: names that begin with .wh. stand for removals"],
    );
    let absent = Change {
        path: "absent".into(),
        kind: ChangeKind::Present { owner: None },
    };
    check(
        &[absent],
        &place,
        &expect!["absent vanished while the layer was written"],
    );
}
