use std::collections::BTreeMap;
use std::fs::{self, File};
use std::sync::Mutex;

use expect_test::{Expect, expect};
use lrops_model::cancel::CancelToken;
use lrops_model::digest::{DiffId, Digest};
use lrops_model::oci::MediaType;

use super::*;
use crate::records::{LayerRecord, StepRecord};
use crate::sample::{SampleImage, SamplePlatform};
use crate::store::Store;
use crate::transfer::copy_image;

/// Snapshots that exist in name only.
#[derive(Default)]
struct Names(Mutex<Vec<KeptSnapshot>>);

impl SnapshotKeeper for Names {
    fn list(&self) -> Result<Vec<KeptSnapshot>, KeeperError> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn size(&self, id: &str) -> Result<u64, KeeperError> {
        assert!(
            ["base", "two"].contains(&id),
            "{id} was measured although its record says its size"
        );
        Ok(10_000)
    }

    fn remove(&self, ids: &[String]) -> Result<(), KeeperError> {
        let mut snapshots = self.0.lock().unwrap();
        snapshots.retain(|snapshot| !ids.contains(&snapshot.id));
        let needed = snapshots
            .iter()
            .find(|snapshot| snapshot.chain.iter().any(|id| ids.contains(id)));
        needed.map_or(
            Ok(()),
            |snapshot| Err(format!("{} is broken", snapshot.id).into()),
        )
    }
}

/// A store with steps 1 and 2 on a base, a cache mount, a loose blob and a tagged image.
struct Fixture {
    _directory: tempfile::TempDir,
    store: Store,
    snapshots: Names,
    image: SampleImage,
}

fn key(name: &str) -> Digest {
    Digest::of(name)
}

fn set_time(path: &std::path::Path, seconds: u64) {
    File::open(path)
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
        .unwrap();
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("store")).unwrap();
        let image = SampleImage::new(&[SamplePlatform::new("linux/amd64").file("a", b"a")]);
        copy_image(&image.store, &image.root, store.layout(), &CancelToken::new()).unwrap();
        store.layout().tag("app", &image.root).unwrap();
        let fixture = Self {
            _directory: directory,
            store,
            snapshots: Names::default(),
            image,
        };
        fixture.snapshot("base", &[], 50);
        fixture.step("one", &["base"], 200);
        fixture.step("two", &["base", "one"], 200);
        fixture.step("other", &[], 300);
        let loose = fixture
            .store
            .layout()
            .put_bytes(MediaType::OCI_LAYER, &[0; 1000])
            .unwrap();
        set_time(&fixture.store.layout().blob_path(&loose.digest), 100);
        let cache = fixture.store.cache_mounts().join("go");
        fs::create_dir(&cache).unwrap();
        fs::write(fixture.store.cache_mounts().join("go.lock"), "").unwrap();
        set_time(&cache, 400);
        fixture
    }

    fn snapshot(&self, id: &str, chain: &[&str], created: i64) {
        self.snapshots.0.lock().unwrap().push(KeptSnapshot {
            id: id.to_owned(),
            chain: chain.iter().map(|&id| id.to_owned()).collect(),
            created: Timestamp(created),
        });
    }

    fn step(&self, id: &str, chain: &[&str], seconds: u64) {
        self.snapshot(id, chain, 1);
        let layer = self
            .store
            .layout()
            .put_bytes(MediaType::OCI_LAYER, id.repeat(100).as_bytes())
            .unwrap();
        let record = StepRecord {
            snapshot: id.to_owned(),
            created: Timestamp(1),
            description: format!("RUN {id}"),
            content: None,
            keeps_times_before: None,
            layers: BTreeMap::from([(
                "layer.v1".to_owned(),
                LayerRecord {
                    diff_id: DiffId(layer.digest),
                    descriptor: layer,
                },
            )]),
            size: if id == "two" { 0 } else { 10_000 },
        };
        self.store.records().put(&key(id), &record).unwrap();
        set_time(
            &self.store.root().join(format!("steps/{}.json", key(id).hex())),
            seconds,
        );
    }

    fn prune(&self, request: &PruneRequest) -> Pruned {
        prune(&self.store, &self.snapshots, request).unwrap()
    }

    fn check(&self, request: &PruneRequest, removed: &Expect) {
        let pruned = self.prune(request);
        let name = |item: &Item| match item.kind {
            ItemKind::Blob => format!("blob of {} bytes\n", item.size),
            ItemKind::StepRecord => format!("record of {}\n", item.description),
            ItemKind::Snapshot => format!("snapshot {}\n", item.id),
            ItemKind::CacheMount => format!("cache mount {}\n", item.id),
            ItemKind::Base => format!("base {}\n", item.id),
            ItemKind::PastBuild => format!("build {}\n", item.id),
        };
        removed.assert_eq(&pruned.removed.iter().map(name).collect::<String>());
        let left = usage(&self.store, &self.snapshots).unwrap();
        assert_eq!(left.size(), pruned.size);
    }
}

fn all() -> PruneRequest {
    PruneRequest {
        keep_storage: 0,
        unused_since: None,
        images: Images::Keep,
        uploads_used_since: Timestamp(0),
    }
}

#[test]
fn usage_says_what_may_go() {
    let fixture = Fixture::new();
    let usage = usage(&fixture.store, &fixture.snapshots).unwrap();
    assert_eq!(usage.size_of(ItemKind::Snapshot), 40_000);
    let held: u64 = usage
        .items
        .iter()
        .filter(|item| !item.reclaimable)
        .map(|item| item.size)
        .sum();
    assert_eq!(usage.size() - usage.reclaimable(), held);
    assert_eq!(
        usage.items.iter().filter(|item| !item.reclaimable).count(),
        fixture.image.blob_count()
    );
    let base = usage.items.iter().find(|item| item.id == "base").unwrap();
    assert_eq!(base.last_used, Timestamp(200));
}

#[test]
fn all_that_no_image_holds_can_go() {
    let fixture = Fixture::new();
    fixture.prune(&all());
    let left = usage(&fixture.store, &fixture.snapshots).unwrap();
    assert!(
        left.items
            .iter()
            .all(|item| !item.reclaimable && item.kind == ItemKind::Blob)
    );
    assert_eq!(left.items.len(), fixture.image.blob_count());
    assert!(fixture.store.layout().resolve("app").unwrap().is_some());
}

#[test]
fn images_go_when_that_is_asked() {
    let fixture = Fixture::new();
    let pruned = fixture.prune(&PruneRequest {
        images: Images::Remove,
        ..all()
    });
    assert_eq!(pruned.size, 0);
    assert!(fixture.store.layout().index().unwrap().manifests.is_empty());
    assert!(fixture.store.layout().blobs().unwrap().is_empty());
}

#[test]
fn what_was_not_used_since_a_time_goes() {
    let request = |time| PruneRequest {
        unused_since: Some(Timestamp(time)),
        ..all()
    };
    let fixture = Fixture::new();
    fixture.check(&request(100), &expect![""]);
    fixture.check(
        &request(101),
        &expect![[r"
            blob of 1000 bytes
        "]],
    );
    fixture.check(
        &request(300),
        &expect![[r"
        blob of 300 bytes
        blob of 300 bytes
        snapshot base
        snapshot one
        snapshot two
        record of RUN two
        record of RUN one
    "]],
    );
}

#[test]
fn the_least_recently_used_goes_first_and_no_more_than_needed() {
    let fixture = Fixture::new();
    let size = usage(&fixture.store, &fixture.snapshots).unwrap().size();
    let keep = |bytes| PruneRequest {
        keep_storage: bytes,
        ..all()
    };
    fixture.check(&keep(size), &expect![""]);
    fixture.check(
        &keep(size - 1),
        &expect![[r"
        blob of 1000 bytes
    "]],
    );
    fixture.check(
        &keep(size - 1001),
        &expect![[r"
        blob of 300 bytes
        snapshot two
        record of RUN two
    "]],
    );
    fixture.check(
        &keep(size - 12_000),
        &expect![[r"
        blob of 300 bytes
        snapshot base
        snapshot one
        record of RUN one
    "]],
    );
}

#[test]
fn downloads_of_bases_and_logs_of_builds_go_by_their_age() {
    let fixture = Fixture::new();
    let (bases, builds) = (fixture.store.bases(), fixture.store.builds());
    for (path, seconds) in [
        (bases.join("downloads/old"), 10),
        (bases.join("downloads/new"), 500),
    ] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "package").unwrap();
        set_time(&path, seconds);
    }
    for (name, seconds) in [("one", 20), ("two", 500)] {
        fs::create_dir(builds.join(name)).unwrap();
        fs::write(builds.join(name).join("1.log"), "log").unwrap();
        set_time(&builds.join(name), seconds);
    }
    let request = PruneRequest {
        unused_since: Some(Timestamp(100)),
        ..all()
    };
    fixture.check(
        &request,
        &expect![[r"
            base downloads/old
            build one
        "]],
    );
    let left = |path: &std::path::Path| fs::read_dir(path).unwrap().count();
    assert_eq!((left(&bases.join("downloads")), left(builds)), (1, 1));
}

#[test]
fn a_store_in_use_is_left_alone() {
    let fixture = Fixture::new();
    let _lock = fixture.store.use_lock(&CancelToken::new()).unwrap();
    let result = prune(&fixture.store, &fixture.snapshots, &all());
    assert!(matches!(result, Err(CollectError::InUse)));
    assert_eq!(fixture.snapshots.list().unwrap().len(), 4);
}

#[test]
fn a_blob_that_an_image_and_a_step_share_stays_for_the_image() {
    let fixture = Fixture::new();
    let layer = fixture.image.layers()[0].clone();
    let record = StepRecord {
        snapshot: "gone".to_owned(),
        created: Timestamp(1),
        description: String::new(),
        content: None,
        keeps_times_before: None,
        layers: BTreeMap::from([(
            String::new(),
            LayerRecord {
                diff_id: DiffId(layer.digest),
                descriptor: layer.clone(),
            },
        )]),
        size: 0,
    };
    fixture.store.records().put(&key("shared"), &record).unwrap();
    fixture.prune(&all());
    assert!(fixture.store.layout().blob_path(&layer.digest).exists());
}

#[test]
fn what_is_remembered_of_a_blob_counts_and_goes_with_it() {
    let fixture = Fixture::new();
    let size = |fixture: &Fixture| {
        let usage = usage(&fixture.store, &fixture.snapshots).unwrap();
        usage.items.iter().map(|item| item.size).sum::<u64>()
    };
    let before = size(&fixture);
    let kept = fixture.image.root.digest;
    let gone = key("a blob that another program removed");
    for digest in [kept, gone] {
        fixture.store.readings().put_hint(&digest, &"12345678").unwrap();
    }
    assert_eq!(size(&fixture) - before, 10, "of the one whose blob is there");
    fixture.prune(&all());
    let left = fixture.store.readings().list().unwrap();
    let left: Vec<Digest> = left.iter().map(|entry| entry.key).collect();
    assert_eq!(left, [kept]);
}
