//! What is written comes back: any tree, through a layer, is the same tree.

use std::os::unix::fs::MetadataExt;

use proptest::prelude::*;

use super::*;
use crate::tree::{Kind, Time};

#[derive(Clone, Debug)]
enum Made {
    File(String),
    Directory,
    Link(String),
    HardLink(usize),
    Pipe,
    Device,
}

#[derive(Clone, Debug)]
struct Item {
    path: String,
    made: Made,
    mode: u32,
    owner: (u32, u32),
    time: i64,
    note: Option<String>,
}

fn made() -> impl Strategy<Value = Made> {
    prop_oneof![
        4 => "[ -~]{0,600}".prop_map(Made::File),
        2 => Just(Made::Directory),
        1 => "[a-z/.]{1,150}".prop_map(Made::Link),
        2 => (0_usize..20).prop_map(Made::HardLink),
        1 => Just(Made::Pipe),
        1 => Just(Made::Device),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    let name = prop_oneof![6 => "[abc]", 1 => "[a-zé ]{1,20}", 1 => "[xy]{60,120}"];
    let path = proptest::collection::vec(name, 1..4).prop_map(|parts| parts.join("/"));
    let owner = prop_oneof![
        Just((0, 0)),
        (0_u32..5000, 0_u32..5000),
        Just((2_100_000, 3_000_000_000))
    ];
    let note = proptest::option::of("[a-z=\n ]{1,30}");
    (
        path,
        made(),
        0_u32..0o10000,
        owner,
        -100_i64..10_000_000_000,
        note,
    )
        .prop_map(|(path, made, mode, owner, time, note)| Item {
            path,
            made,
            mode,
            owner,
            time,
            note,
        })
}

/// Makes the items that can be made; what collides with an earlier one is left out.
fn make(items: &[Item]) -> Place {
    let place = Place::new();
    let mut files = Vec::new();
    for item in items {
        let path = place.path(&item.path);
        // Through a link made before, the standard library would leave the place.
        let names = item.path.match_indices('/').map(|(end, _)| &item.path[..end]);
        if names
            .map(|parent| place.path(parent))
            .any(|parent| parent.is_symlink())
        {
            continue;
        }
        let _ = fs::create_dir_all(path.parent().unwrap());
        let Ok(spot) = place.root.spot(Path::new(&item.path)) else {
            continue;
        };
        let made = match &item.made {
            Made::File(content) => fs::File::create_new(&path)
                .and_then(|mut file| std::io::Write::write_all(&mut file, content.as_bytes())),
            Made::Directory => fs::create_dir(&path),
            Made::Link(target) => std::os::unix::fs::symlink(target, &path),
            Made::HardLink(index) => match files.get(*index) {
                Some(file) => fs::hard_link(file, &path),
                None => continue,
            },
            Made::Pipe => spot.make_node(Kind::Fifo),
            Made::Device => spot.make_node(Kind::BlockDevice {
                major: 7,
                minor: item.mode,
            }),
        };
        if made.is_err() {
            continue;
        }
        spot.chown(item.owner.0, item.owner.1).unwrap();
        if !matches!(item.made, Made::Link(_)) {
            spot.chmod(item.mode).unwrap();
        }
        if let (Made::File(_) | Made::Directory, Some(note)) = (&item.made, &item.note) {
            place.attribute(&item.path, "user.note", note.as_bytes());
        }
        if let Made::File(_) = item.made {
            files.push(path);
        }
    }
    for item in items.iter().rev() {
        if let Ok(spot) = place.root.spot(Path::new(&item.path)) {
            let _ = spot.set_modified(Time::from_seconds(item.time));
        }
    }
    place
}

fn apply_blob(root: &RootDir, blob: &[u8], compression: Compression, diff_id: lrops_model::digest::DiffId) {
    let cancel = CancelToken::new();
    let request = ApplyRequest {
        compression,
        diff_id: Some(diff_id),
        whiteouts: Whiteouts::Overlay,
        lower: None,
        limits: ExtractLimits::USUAL,
        cancel: &cancel,
    };
    super::super::apply(root, blob, &request).unwrap();
}

proptest! {
    #[test]
    fn a_tree_comes_back_from_its_layer(items in proptest::collection::vec(item(), 0..20), choice in 0..3) {
        let compression = [Compression::None, Compression::Gzip, Compression::Zstd][usize::try_from(choice).unwrap()];
        let before = make(&items);
        let changes = all_changes(&before.root, &[]);
        let settings = CompressionSettings::usual(compression, 1);
        let (blob, layer) = write_layer(&before.root, &changes, LayerTimes::Keep, settings).unwrap();
        let after = Place::new();
        apply_blob(&after.root, &blob, compression, layer.diff_id);
        prop_assert_eq!(
            describe(&before.root, Detail::WithTimes),
            describe(&after.root, Detail::WithTimes)
        );
        let again = write_layer(&after.root, &all_changes(&after.root, &[]), LayerTimes::Keep, settings).unwrap();
        prop_assert_eq!(again.1, layer);
    }
}

#[test]
fn capabilities_survive() {
    let capability = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let (before, after) = (Place::new(), Place::new());
    before
        .file("a", "x", 0o755)
        .owner("a", 9, 9)
        .attribute("a", "security.capability", capability);
    fs::hard_link(before.path("a"), before.path("b")).unwrap();
    let changes = all_changes(&before.root, &[]);
    let (blob, layer) = write_layer(&before.root, &changes, LayerTimes::Keep, PLAIN).unwrap();
    apply_blob(&after.root, &blob, Compression::None, layer.diff_id);
    assert_eq!(
        xattr::get(after.path("b"), "security.capability")
            .unwrap()
            .unwrap(),
        capability
    );
    assert_eq!(fs::metadata(after.path("a")).unwrap().nlink(), 2);
}
