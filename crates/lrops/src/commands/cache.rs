//! `lrops cache`: what the store holds, and freeing it.

use std::fs;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use lrops_model::timestamp::Timestamp;
use lrops_sandbox::{SnapshotId, Snapshotter};
use lrops_store::collect::{
    Images, ItemKind, KeeperError, KeptSnapshot, PruneRequest, SnapshotKeeper, Usage, prune, usage,
};

use super::{print, print_json, say};
use crate::amounts;
use crate::arguments::{CacheCommand, Format, PlaceArguments, RegistryArguments};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::fields;
use crate::request::configuration_near;
use crate::session::{Session, Use};
use crate::table::{Align, Table};

/// Carries out a command.
///
/// # Errors
/// When the store cannot be looked at, or is in use.
pub(super) fn run(command: CacheCommand, environment: &Environment) -> Result<(), Failure> {
    match command {
        CacheCommand::Du { format, places } => du(format, &places, environment),
        CacheCommand::Prune {
            all,
            keep_storage,
            filter,
            places,
            force: _,
        } => {
            let wish = Wish {
                all,
                keep_storage,
                filter,
            };
            prune_store(&wish, &places, environment)
        }
    }
}

fn open(places: &PlaceArguments, environment: &Environment) -> Result<Session, Failure> {
    let configuration = configuration_near(places, &environment.directory, environment)?;
    Session::open(
        &environment.store_root(places.store.as_deref()),
        configuration,
        &RegistryArguments::default(),
        environment,
        Use::Look,
    )
}

const KINDS: [(ItemKind, &str); 6] = [
    (ItemKind::Blob, "blobs"),
    (ItemKind::Snapshot, "snapshots"),
    (ItemKind::StepRecord, "records of steps"),
    (ItemKind::CacheMount, "cache mounts"),
    (ItemKind::Base, "packages of bases"),
    (ItemKind::PastBuild, "logs of builds"),
];

fn du(format: Format, places: &PlaceArguments, environment: &Environment) -> Result<(), Failure> {
    let session = open(places, environment)?;
    let used = usage(&session.store, &Keeper::of(&session)?);
    let used = used.map_err(|source| Failure::work("failed to look at the store", source))?;
    match format {
        Format::Json => print_json(&used),
        Format::Text => print(&format!(
            "{}\nin {}\n",
            usage_table(&used),
            session.store.root().display()
        )),
    }
}

fn usage_table(used: &Usage) -> Table {
    let heads = [
        ("what", Align::Left),
        ("count", Align::Right),
        ("size", Align::Right),
        ("could go", Align::Right),
    ];
    let mut table = Table::new(&heads);
    for (kind, name) in KINDS {
        let items = used.items.iter().filter(|item| item.kind == kind);
        let free: u64 = items
            .clone()
            .filter(|item| item.reclaimable)
            .map(|item| item.size)
            .sum();
        let cells = [
            name.to_owned(),
            items.count().to_string(),
            amounts::size(used.size_of(kind)),
            amounts::size(free),
        ];
        table.row(cells.into());
    }
    let count = used.items.len().to_string();
    table.row(vec![
        "all".to_owned(),
        count,
        amounts::size(used.size()),
        amounts::size(used.reclaimable()),
    ]);
    table
}

/// How long uploads are remembered: registries give open ones up after a week.
const UPLOADS_KEPT_SECONDS: i64 = 30 * 24 * 60 * 60;

/// What is wished of a pruning, as typed.
struct Wish {
    all: bool,
    keep_storage: Option<String>,
    filter: Vec<String>,
}

fn prune_store(wish: &Wish, places: &PlaceArguments, environment: &Environment) -> Result<(), Failure> {
    let typed = wish.keep_storage.as_deref().map(fields::bytes).transpose();
    let typed = typed.map_err(|error| Failure::usage(format!("--keep-storage: {error}")))?;
    let unused_since = unused_since(&wish.filter, environment.now)?;
    let session = open(places, environment)?;
    let configured = session.configuration().sections.store.keep.map(|keep| keep.0);
    let request = PruneRequest {
        keep_storage: typed.or(configured).unwrap_or(0),
        unused_since,
        images: if wish.all { Images::Remove } else { Images::Keep },
        uploads_used_since: Timestamp(environment.now.0 - UPLOADS_KEPT_SECONDS),
    };
    let pruned = prune(&session.store, &Keeper::of(&session)?, &request);
    let pruned = pruned.map_err(|source| Failure::work("failed to prune the store", source))?;
    say(&format!(
        "removed {}, {}; {} are left",
        amounts::count(pruned.removed.len(), "thing"),
        amounts::size(pruned.removed_size()),
        amounts::size(pruned.size)
    ));
    Ok(())
}

fn unused_since(filters: &[String], now: Timestamp) -> Result<Option<Timestamp>, Failure> {
    let mut since: Option<Timestamp> = None;
    for filter in filters {
        let Some(duration) = filter
            .strip_prefix("until=")
            .or_else(|| filter.strip_prefix("unused-for="))
        else {
            return Err(Failure::usage_advised(
                format!("--filter: {filter:?} means nothing here"),
                "known is until=DURATION, such as until=24h",
            ));
        };
        let seconds = fields::duration_seconds(duration);
        let seconds = seconds.map_err(|error| Failure::usage(format!("--filter: {error}")))?;
        let bound = Timestamp(now.0 - seconds);
        since = Some(since.map_or(bound, |since| since.min(bound)));
    }
    Ok(since)
}

/// Shows the sandbox's snapshots to the store, which knows neither their form nor how to remove them.
struct Keeper {
    snapshotter: Box<dyn Snapshotter>,
    snapshots: PathBuf,
}

impl Keeper {
    fn of(session: &Session) -> Result<Self, Failure> {
        Ok(Self {
            snapshotter: session.snapshotter()?,
            snapshots: session.store.snapshots().to_owned(),
        })
    }

    /// A snapshot's directory gets its name when it is committed, and its time with it.
    fn created(&self, id: &SnapshotId) -> Timestamp {
        let modified =
            fs::metadata(self.snapshots.join(id.as_str())).and_then(|metadata| metadata.modified());
        let since = modified
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Timestamp(since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX)))
    }
}

impl SnapshotKeeper for Keeper {
    fn list(&self) -> Result<Vec<KeptSnapshot>, KeeperError> {
        let kept = self.snapshotter.list()?.into_iter().map(|id| {
            let chain = self
                .snapshotter
                .chain(&id)?
                .iter()
                .map(|id| id.as_str().to_owned())
                .collect();
            Ok(KeptSnapshot {
                created: self.created(&id),
                id: id.as_str().to_owned(),
                chain,
            })
        });
        kept.collect()
    }

    fn size(&self, id: &str) -> Result<u64, KeeperError> {
        Ok(self.snapshotter.size(&id.parse()?)?)
    }

    fn remove(&self, ids: &[String]) -> Result<(), KeeperError> {
        let ids: Vec<SnapshotId> = ids.iter().map(|id| id.parse()).collect::<Result<_, _>>()?;
        Ok(self.snapshotter.remove(&ids)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_filters_the_strictest_counts() {
        let filters = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let now = Timestamp(1_000_000);
        assert_eq!(
            unused_since(&filters(&["until=1h", "until=2h"]), now).unwrap(),
            Some(Timestamp(992_800))
        );
        assert_eq!(unused_since(&[], now).unwrap(), None);
        assert!(unused_since(&filters(&["label=x"]), now).is_err());
    }
}
