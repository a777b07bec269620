//! What the store holds, and what holds what.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lrops_model::blob::read_document;
use lrops_model::digest::Digest;
use lrops_model::oci::{Descriptor, Index, Manifest};
use lrops_model::timestamp::Timestamp;
use serde::Serialize;

use super::{CollectError, SnapshotKeeper};
use crate::durable;
use crate::layout::Layout;
use crate::records::StepRecord;
use crate::store::{Store, StoreError};

/// Returns what the store holds.
///
/// # Errors
/// When the store cannot be read.
pub fn usage(store: &Store, keeper: &dyn SnapshotKeeper) -> Result<Usage, CollectError> {
    let inventory = Inventory::take(store, keeper)?;
    let images: BTreeSet<&Resource> = inventory
        .units
        .iter()
        .filter(|unit| unit.is_image())
        .flat_map(|unit| &unit.holds)
        .collect();
    let mut uses: BTreeMap<&Resource, Timestamp> = BTreeMap::new();
    for unit in &inventory.units {
        for resource in &unit.holds {
            let time = uses.entry(resource).or_insert(unit.last_used);
            *time = unit.last_used.max(*time);
        }
    }
    let mut items = Vec::new();
    for (resource, thing) in &inventory.things {
        items.push(Item {
            kind: resource.kind(),
            id: resource.id(),
            size: thing.size,
            last_used: uses.get(resource).copied().unwrap_or(thing.last_used),
            description: thing.description.clone(),
            reclaimable: !images.contains(resource),
        });
    }
    Ok(Usage { items })
}

/// What the store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Everything, sorted by kind and identity.
    pub items: Vec<Item>,
}

impl Usage {
    /// Returns the bytes of all items of a kind.
    pub fn size_of(&self, kind: ItemKind) -> u64 {
        self.items
            .iter()
            .filter(|item| item.kind == kind)
            .map(|item| item.size)
            .sum()
    }

    /// Returns the bytes of all items.
    pub fn size(&self) -> u64 {
        self.items.iter().map(|item| item.size).sum()
    }

    /// Returns the bytes of all items that may go while images stay.
    pub fn reclaimable(&self) -> u64 {
        self.items
            .iter()
            .filter(|item| item.reclaimable)
            .map(|item| item.size)
            .sum()
    }
}

/// Something in the store that takes space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// Its name: a digest, a snapshot's identity, a directory's name.
    pub id: String,
    /// How many bytes it takes on the disk.
    pub size: u64,
    /// When it, or what holds it, was last used.
    pub last_used: Timestamp,
    /// The instruction that made it, where that is known.
    pub description: String,
    /// Whether it may go while the images in `index.json` stay.
    pub reclaimable: bool,
}

/// The kinds of things in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemKind {
    /// A blob of the layout.
    Blob,
    /// A file tree.
    Snapshot,
    /// A record of a step.
    StepRecord,
    /// The directory of a cache mount.
    CacheMount,
    /// A download or a record of `bases/`.
    Base,
    /// What is kept of a past build: its logs, and what it saw of its context.
    PastBuild,
}

/// Something that takes space and can be removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resource {
    Blob(Digest),
    Snapshot(String),
    StepRecord(Digest),
    CacheMount(String),
    /// By its path below the store.
    Base(String),
    /// By its name in `builds/`.
    PastBuild(String),
}

impl Resource {
    pub(super) fn kind(&self) -> ItemKind {
        match self {
            Self::Blob(_) => ItemKind::Blob,
            Self::Snapshot(_) => ItemKind::Snapshot,
            Self::StepRecord(_) => ItemKind::StepRecord,
            Self::CacheMount(_) => ItemKind::CacheMount,
            Self::Base(_) => ItemKind::Base,
            Self::PastBuild(_) => ItemKind::PastBuild,
        }
    }

    pub(super) fn id(&self) -> String {
        match self {
            Self::Blob(digest) | Self::StepRecord(digest) => digest.to_string(),
            Self::Snapshot(name) | Self::CacheMount(name) | Self::Base(name) | Self::PastBuild(name) => {
                name.clone()
            }
        }
    }
}

/// What is known of a resource.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    pub(super) size: u64,
    pub(super) last_used: Timestamp,
    pub(super) description: String,
}

/// What holds resources and lets go of them all at once.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) last_used: Timestamp,
    pub(super) holds: BTreeSet<Resource>,
    /// The image of this unit, if it is one.
    pub(super) image: Option<Digest>,
}

impl Unit {
    pub(super) fn is_image(&self) -> bool {
        self.image.is_some()
    }
}

/// All resources, and all that holds them.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    pub(super) things: BTreeMap<Resource, Thing>,
    pub(super) units: Vec<Unit>,
}

impl Inventory {
    pub(super) fn take(store: &Store, keeper: &dyn SnapshotKeeper) -> Result<Self, CollectError> {
        let mut inventory = Self::default();
        inventory.add_blobs(store)?;
        inventory.add_images(store.layout())?;
        let chains = inventory.add_snapshots(keeper)?;
        inventory.add_records(store, &chains)?;
        inventory.measure_snapshots(keeper)?;
        inventory.add_cache_mounts(store)?;
        inventory.add_bases(store)?;
        inventory.add_builds(store)?;
        inventory.add_loose(&chains);
        Ok(inventory)
    }

    fn add(&mut self, resource: Resource, size: u64, last_used: Timestamp) {
        self.things.insert(
            resource,
            Thing {
                size,
                last_used,
                description: String::new(),
            },
        );
    }

    /// Adds the blobs, each with what is remembered of it.
    fn add_blobs(&mut self, store: &Store) -> Result<(), CollectError> {
        let readings = store.readings().list()?;
        let readings: BTreeMap<_, _> = readings
            .into_iter()
            .map(|entry| (entry.key, entry.size))
            .collect();
        for blob in store.layout().blobs()? {
            let size = blob.size + readings.get(&blob.digest).copied().unwrap_or(0);
            self.add(Resource::Blob(blob.digest), size, blob.last_used);
        }
        Ok(())
    }

    fn add_images(&mut self, layout: &Layout) -> Result<(), CollectError> {
        for root in layout.index()?.manifests {
            let holds: BTreeSet<_> = reachable(layout, &root).into_iter().map(Resource::Blob).collect();
            let holds = self.present(holds);
            let last_used = self.last_used(&Resource::Blob(root.digest));
            self.units.push(Unit {
                last_used,
                holds,
                image: Some(root.digest),
            });
        }
        Ok(())
    }

    /// Returns what each snapshot needs, itself included.
    fn add_snapshots(&mut self, keeper: &dyn SnapshotKeeper) -> Result<Chains, CollectError> {
        let failed = |source| CollectError::Keeper {
            action: "list the snapshots",
            source,
        };
        let mut chains = Chains::new();
        for snapshot in keeper.list().map_err(failed)? {
            self.add(Resource::Snapshot(snapshot.id.clone()), 0, snapshot.created);
            let own = [snapshot.id.clone()];
            chains.insert(
                snapshot.id,
                snapshot
                    .chain
                    .into_iter()
                    .chain(own)
                    .map(Resource::Snapshot)
                    .collect(),
            );
        }
        Ok(chains)
    }

    fn add_records(&mut self, store: &Store, chains: &Chains) -> Result<(), CollectError> {
        for entry in store.records().list()? {
            let Some(record) = store.records().get::<StepRecord>(&entry.key) else {
                continue;
            };
            let own = Resource::StepRecord(entry.key);
            self.add(own.clone(), entry.size, entry.last_used);
            let mut holds = chains.get(&record.snapshot).cloned().unwrap_or_default();
            holds.extend(
                record
                    .layers
                    .values()
                    .map(|layer| Resource::Blob(layer.descriptor.digest)),
            );
            let mut holds = self.present(holds);
            self.describe(&own, &record.description);
            let snapshot = Resource::Snapshot(record.snapshot);
            self.describe(&snapshot, &record.description);
            if let Some(thing) = self.things.get_mut(&snapshot) {
                thing.size = thing.size.max(record.size);
            }
            holds.insert(own);
            self.units.push(Unit {
                last_used: entry.last_used,
                holds,
                image: None,
            });
        }
        Ok(())
    }

    fn describe(&mut self, resource: &Resource, description: &str) {
        if let Some(thing) = self.things.get_mut(resource) {
            description.clone_into(&mut thing.description);
        }
    }

    /// Asks for the size of snapshots where no record said it.
    fn measure_snapshots(&mut self, keeper: &dyn SnapshotKeeper) -> Result<(), CollectError> {
        for (resource, thing) in &mut self.things {
            if let (Resource::Snapshot(id), 0) = (resource, thing.size) {
                let failed = |source| CollectError::Keeper {
                    action: "measure a snapshot",
                    source,
                };
                thing.size = keeper.size(id).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn add_cache_mounts(&mut self, store: &Store) -> Result<(), CollectError> {
        for entry in entries(store.cache_mounts())? {
            // Beside the directories lie the files that their users lock.
            if entry.is_directory {
                let size = tree_size(&entry.path, &mut HashSet::new());
                self.add(Resource::CacheMount(entry.name), size, entry.modified);
            }
        }
        Ok(())
    }

    /// Adds what lies in the directories of `bases/`: the store does not know what it is, only that it can be had again.
    fn add_bases(&mut self, store: &Store) -> Result<(), CollectError> {
        for directory in entries(&store.bases())?
            .into_iter()
            .filter(|entry| entry.is_directory)
        {
            for entry in entries(&directory.path)? {
                let size = tree_size(&entry.path, &mut HashSet::new());
                let name = format!("{}/{}", directory.name, entry.name);
                self.add(Resource::Base(name), size, entry.modified);
            }
        }
        Ok(())
    }

    fn add_builds(&mut self, store: &Store) -> Result<(), CollectError> {
        for entry in entries(store.builds())? {
            let size = tree_size(&entry.path, &mut HashSet::new());
            self.add(Resource::PastBuild(entry.name), size, entry.modified);
        }
        Ok(())
    }

    /// Makes a unit of every resource that nothing holds.
    fn add_loose(&mut self, chains: &Chains) {
        let held: BTreeSet<Resource> = self
            .units
            .iter()
            .flat_map(|unit| unit.holds.iter().cloned())
            .collect();
        let loose: Vec<Resource> = self
            .things
            .keys()
            .filter(|resource| !held.contains(resource))
            .cloned()
            .collect();
        for resource in loose {
            let needed = match &resource {
                Resource::Snapshot(id) => chains.get(id).cloned().unwrap_or_default(),
                _ => BTreeSet::from([resource.clone()]),
            };
            let unit = Unit {
                last_used: self.last_used(&resource),
                holds: self.present(needed),
                image: None,
            };
            self.units.push(unit);
        }
    }

    /// Returns those resources that are really there.
    fn present(&self, resources: BTreeSet<Resource>) -> BTreeSet<Resource> {
        resources
            .into_iter()
            .filter(|resource| self.things.contains_key(resource))
            .collect()
    }

    fn last_used(&self, resource: &Resource) -> Timestamp {
        self.things
            .get(resource)
            .map_or(Timestamp::EPOCH, |thing| thing.last_used)
    }
}

type Chains = BTreeMap<String, BTreeSet<Resource>>;

/// Returns the digests of all blobs of an image, as far as its documents are there and can be read.
fn reachable(layout: &Layout, root: &Descriptor) -> BTreeSet<Digest> {
    let mut found = BTreeSet::new();
    let mut open = vec![root.clone()];
    while let Some(descriptor) = open.pop() {
        if !found.insert(descriptor.digest) {
            continue;
        }
        let document = |descriptor| read_document(layout, descriptor).unwrap_or_default();
        if descriptor.media_type.is_index() {
            let index = serde_json::from_slice::<Index>(&document(&descriptor));
            open.extend(index.into_iter().flat_map(|index| index.manifests));
        } else if descriptor.media_type.is_manifest() {
            let manifest = serde_json::from_slice::<Manifest>(&document(&descriptor));
            open.extend(
                manifest
                    .into_iter()
                    .flat_map(|manifest| manifest.layers.into_iter().chain([manifest.config])),
            );
        }
    }
    found
}

/// What lies in a directory.
struct Entry {
    name: String,
    path: PathBuf,
    is_directory: bool,
    modified: Timestamp,
}

/// Returns what lies in a directory; nothing where there is none.
fn entries(directory: &Path) -> Result<Vec<Entry>, StoreError> {
    let failed = |source| StoreError::Disk {
        action: "read",
        path: directory.to_owned(),
        source,
    };
    let read = match fs::read_dir(directory) {
        Ok(read) => read,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in read {
        let entry = entry.map_err(failed)?;
        // What went away meanwhile takes no space.
        if let Ok(metadata) = entry.metadata() {
            found.push(Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                path: entry.path(),
                is_directory: metadata.is_dir(),
                modified: durable::modified(&metadata),
            });
        }
    }
    Ok(found)
}

/// Returns what a tree takes on the disk; a file with several names counts once.
fn tree_size(path: &Path, seen: &mut HashSet<(u64, u64)>) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else {
        return 0;
    };
    if metadata.nlink() > 1 && !metadata.is_dir() && !seen.insert((metadata.dev(), metadata.ino())) {
        return 0;
    }
    let own = metadata.blocks() * 512;
    if !metadata.is_dir() {
        return own;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    own + entries.map(|entry| tree_size(&entry.path(), seen)).sum::<u64>()
}
