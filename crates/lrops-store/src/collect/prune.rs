//! Removing what was used least recently.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use lrops_model::digest::Digest;
use lrops_model::timestamp::Timestamp;
use serde::Serialize;

use super::inventory::{Inventory, Resource, Unit};
use super::{CollectError, Item, SnapshotKeeper};
use crate::durable;
use crate::store::{Store, StoreError};

/// What a collection should do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PruneRequest {
    /// Removing stops once the store takes no more bytes than this; 0 removes all that may go.
    pub keep_storage: u64,
    /// Only what was last used before this time may go, where it is given.
    pub unused_since: Option<Timestamp>,
    /// Whether the images in `index.json` may go as well.
    pub images: Images,
    /// What is remembered of uploads goes when it was last used before this time.
    pub uploads_used_since: Timestamp,
}

/// What becomes of the images in `index.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Images {
    /// They stay, with all their blobs.
    Keep,
    /// They go like everything else, when it is their turn.
    Remove,
}

/// What a collection did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// What was removed, sorted by kind and identity.
    pub removed: Vec<Item>,
    /// How many bytes the store takes now.
    pub size: u64,
}

impl Pruned {
    /// Returns how many bytes were removed.
    pub fn removed_size(&self) -> u64 {
        self.removed.iter().map(|item| item.size).sum()
    }
}

/// Removes what was used least recently, until the request is met or nothing is left that may go.
///
/// # Errors
/// [`CollectError::InUse`] when a build is running; otherwise what hindered removing. What was removed by then is gone.
pub fn prune(
    store: &Store,
    keeper: &dyn SnapshotKeeper,
    request: &PruneRequest,
) -> Result<Pruned, CollectError> {
    let Some(_lock) = store.exclusive_lock()? else {
        return Err(CollectError::InUse);
    };
    let inventory = Inventory::take(store, keeper)?;
    let plan = Plan::make(&inventory, request);
    plan.carry_out(store, keeper)?;
    forget_missing(store)?;
    store.uploads().forget_before(request.uploads_used_since)?;
    let removed = plan.freed.iter().map(|(resource, last_used)| {
        let thing = &inventory.things[*resource];
        Item {
            kind: resource.kind(),
            id: resource.id(),
            size: thing.size,
            last_used: *last_used,
            description: thing.description.clone(),
            reclaimable: true,
        }
    });
    Ok(Pruned {
        removed: removed.collect(),
        size: plan.size,
    })
}

/// What goes.
struct Plan<'i> {
    images: Vec<Digest>,
    /// What nothing holds any more, with its last use.
    freed: BTreeMap<&'i Resource, Timestamp>,
    /// How many bytes stay.
    size: u64,
}

impl<'i> Plan<'i> {
    fn make(inventory: &'i Inventory, request: &PruneRequest) -> Self {
        let mut holders: BTreeMap<&Resource, usize> = BTreeMap::new();
        for resource in inventory.units.iter().flat_map(|unit| &unit.holds) {
            *holders.entry(resource).or_default() += 1;
        }
        let size = inventory.things.values().map(|thing| thing.size).sum();
        let mut plan = Self {
            images: Vec::new(),
            freed: BTreeMap::new(),
            size,
        };
        for unit in candidates(inventory, request) {
            if plan.size <= request.keep_storage && request.keep_storage > 0 {
                break;
            }
            plan.images.extend(unit.image);
            for resource in &unit.holds {
                let count = holders
                    .get_mut(resource)
                    .expect("every held resource was counted");
                *count -= 1;
                if *count == 0 {
                    plan.size -= inventory.things[resource].size;
                    plan.freed.insert(resource, unit.last_used);
                }
            }
        }
        plan
    }

    fn carry_out(&self, store: &Store, keeper: &dyn SnapshotKeeper) -> Result<(), CollectError> {
        for image in &self.images {
            store.layout().forget(image)?;
        }
        let mut snapshots = Vec::new();
        for resource in self.freed.keys() {
            match resource {
                Resource::StepRecord(key) => store.records().remove(key)?,
                Resource::Snapshot(id) => snapshots.push(id.clone()),
                Resource::Blob(_) | Resource::CacheMount(_) | Resource::Base(_) | Resource::PastBuild(_) => {}
            }
        }
        let failed = |action| move |source| CollectError::Keeper { action, source };
        keeper.remove(&snapshots).map_err(failed("remove snapshots"))?;
        for resource in self.freed.keys() {
            match resource {
                Resource::Blob(digest) => store.layout().remove_blob(digest)?,
                Resource::CacheMount(name) => keeper
                    .remove_cache_mount(&store.cache_mounts().join(name))
                    .map_err(failed("remove a cache mount"))?,
                Resource::Base(name) => remove(&store.bases().join(name))?,
                Resource::PastBuild(name) => remove(&store.builds().join(name))?,
                Resource::Snapshot(_) | Resource::StepRecord(_) => {}
            }
        }
        Ok(())
    }
}

/// Forgets what was remembered of blobs that are not there, whoever removed them.
fn forget_missing(store: &Store) -> Result<(), CollectError> {
    for entry in store.readings().list()? {
        if !store.layout().blob_path(&entry.key).exists() {
            store.readings().remove(&entry.key)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), StoreError> {
    durable::remove_tree(path).map_err(|source| StoreError::Disk {
        action: "remove",
        path: path.to_owned(),
        source,
    })
}

/// Returns what may go, the least recently used first.
///
/// Steps of one build have the same time: those on top of others go first, because a record below another frees
/// nothing and its step would only have to run again.
fn candidates<'i>(inventory: &'i Inventory, request: &PruneRequest) -> Vec<&'i Unit> {
    let may_go = |unit: &&Unit| {
        (request.images == Images::Remove || !unit.is_image())
            && request.unused_since.is_none_or(|time| unit.last_used < time)
    };
    let mut units: Vec<&Unit> = inventory.units.iter().filter(may_go).collect();
    let depth = |unit: &Unit| {
        unit.holds
            .iter()
            .filter(|held| matches!(held, Resource::Snapshot(_)))
            .count()
    };
    units.sort_by_cached_key(|unit| {
        (
            unit.last_used,
            Reverse(depth(unit)),
            unit.holds.iter().next().cloned(),
        )
    });
    units
}
