//! The same layer as root, in a user namespace with many ids, and in one with a single id.

use std::process::{Child, Command, Stdio};

use super::*;

/// The tar that the child unpacks, and the one that it writes.
const INPUT: &str = "input.tar";
const OUTPUT: &str = "output.tar";

fn tar() -> Tar {
    let attributes = [
        (
            "security.capability".into(),
            b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00".to_vec(),
        ),
        ("user.note".into(), b"kept".to_vec()),
    ];
    let owned = |flag, name, link, mode, uid, gid| EntryHeader {
        link,
        mode,
        uid,
        gid,
        ..entry(flag, name)
    };
    Tar::new()
        .with(&owned(b'5', "d/", b"", 0o2750, 10, 20), "")
        .with(
            &EntryHeader {
                attributes: &attributes,
                ..owned(b'0', "d/capable", b"", 0o755, 10, 20)
            },
            "x",
        )
        .with(&owned(b'1', "d/capable-too", b"d/capable", 0o755, 10, 20), "")
        .with(&owned(b'0', "d/unreadable", b"", 0, 10, 20), "secret")
        .with(&owned(b'3', "dev-null", b"", 0o666, 5, 6).with_device(1, 3), "")
        .with(&owned(b'4', "disk", b"", 0o660, 0, 6).with_device(8, 1), "")
        .with(&owned(b'2', "link", b"d/capable", 0o777, 1000, 1000), "")
        .with(&owned(b'6', "pipe", b"", 0o622, 7, 8), "")
        .with(&owned(b'0', "root-owned", b"", 0o600, 0, 0), "")
        .with(&owned(b'0', "set-id", b"", 0o6755, 1000, 0), "program")
}

impl EntryHeader<'_> {
    fn with_device(mut self, major: u32, minor: u32) -> Self {
        self.device = (major, minor);
        self
    }
}

/// Unpacks the tar of this directory, and writes a layer of what came of it, and of a copy of it.
fn unpack_and_write(place: &Path, style: OwnerStyle) {
    let input = fs::read(place.join(INPUT)).unwrap();
    let unpacked = place.join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    let root = RootDir::open(&unpacked, style).unwrap();
    let cancel = CancelToken::new();
    let request = ApplyRequest {
        compression: Compression::None,
        diff_id: None,
        whiteouts: Whiteouts::Overlay,
        lower: None,
        limits: ExtractLimits::USUAL,
        cancel: &cancel,
    };
    let applied = super::super::apply(&root, input.as_slice(), &request).unwrap();
    let changes = all_changes(&root, &applied.unstored_owners);
    let (output, _) = write_layer(&root, &changes, LayerTimes::Keep, PLAIN).unwrap();
    fs::write(place.join(OUTPUT), output).unwrap();

    let copied = place.join("copied");
    fs::create_dir(&copied).unwrap();
    let target = RootDir::open(&copied, style).unwrap();
    let source = root.with_unstored_owners(applied.unstored_owners);
    let copy = crate::tree::copy(&crate::tree::CopyRequest {
        source_root: &source,
        source: Path::new("/"),
        target_root: &target,
        target: Path::new("/"),
        owners: crate::tree::Owners::Keep,
        chmod: None,
        filter: &|_, _| crate::tree::Keep::Take,
        cancel: &cancel,
    })
    .unwrap();
    let changes = all_changes(&target, &copy.unstored_owners);
    let (output, _) = write_layer(&target, &changes, LayerTimes::Keep, PLAIN).unwrap();
    fs::write(place.join("copy.tar"), output).unwrap();
}

/// Started by the tests below inside a namespace, in a directory that holds the input.
#[test]
#[ignore = "runs as the child of another test, in a user namespace"]
fn the_child_in_a_user_namespace() {
    let place = Path::new(".");
    let style = OwnerStyle::probe(place).unwrap();
    let expected = fs::read_to_string("expected-style").unwrap();
    assert_eq!(format!("{style:?}"), expected);
    unpack_and_write(place, style);
}

/// Starts the child above in a user namespace with ids 0 to `ids`, and waits for it.
#[expect(
    clippy::disallowed_methods,
    reason = "a namespace can only be entered by a process of one's own"
)]
fn run_in_namespace(place: &Path, ids: u32) {
    let module = module_path!().split_once("::").unwrap().1;
    let mut child = Command::new("unshare")
        .args(["--user", "sh", "-c", r#"read go && exec "$@""#, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--ignored",
            &format!("{module}::the_child_in_a_user_namespace"),
        ])
        .current_dir(place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    map_ids(&child, ids);
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"go\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn map_ids(child: &Child, ids: u32) {
    let process = format!("/proc/{}", child.id());
    let own = fs::read_link("/proc/self/ns/user").unwrap();
    while fs::read_link(format!("{process}/ns/user")).unwrap() == own {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("{process}/{map}"), format!("0 0 {ids}")).unwrap();
    }
}

fn check(ids: u32, style: OwnerStyle) {
    let native = Place::new();
    fs::write(native.path(INPUT), tar().end()).unwrap();
    unpack_and_write(native.directory.path(), OwnerStyle::Native);
    let expected = fs::read(native.path(OUTPUT)).unwrap();
    assert_eq!(expected, tar().end(), "the layer is what was unpacked");

    let place = Place::new();
    fs::write(place.path(INPUT), tar().end()).unwrap();
    fs::write(place.path("expected-style"), format!("{style:?}")).unwrap();
    run_in_namespace(place.directory.path(), ids);
    assert!(
        fs::read(place.path(OUTPUT)).unwrap() == expected,
        "the layers differ"
    );
    let copies = [&native, &place].map(|place| fs::read(place.path("copy.tar")).unwrap());
    assert!(copies[0] == copies[1], "the layers of the copies differ");
}

#[test]
fn a_namespace_with_one_id_gives_the_same_layers_as_root() {
    check(1, OwnerStyle::Attribute);
}

#[test]
fn a_namespace_with_many_ids_gives_the_same_layers_as_root() {
    check(65536, OwnerStyle::Native);
}
