//! Everything that work on the store takes, put together: namespaces, store, snapshots, bases, registries.
//!
//! Opened before any thread: entering the namespaces comes first, where work needs them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use lrops_bases::{
    BaseProgress, Bases, BasesSettings, BuildBase, BuiltBase, Freshness, Lock, read_machine_sources,
};
use lrops_engine::{EmbeddedEngine, EngineSettings};
use lrops_model::cancel::CancelToken;
use lrops_model::event::BuildEvent;
use lrops_model::platform::Platform;
use lrops_model::request::{BuildRequest, PullPolicy};
use lrops_model::timestamp::Timestamp;
use lrops_remote::registry::Registry;
use lrops_sandbox::{CopySnapshotter, OverlaySnapshotter, Snapshotter};
use lrops_store::store::{Store, UseLock};

use crate::arguments::RegistryArguments;
use crate::configuration::Configuration;
use crate::environment::Environment;
use crate::failure::{Cause, Failure};
use crate::registries::Registries;

/// The lock file's name; it lies beside `lrops.toml`.
pub(crate) const LOCK_FILE_NAME: &str = "lrops.lock";

/// What work on the store takes.
pub(crate) struct Session {
    /// The store.
    pub(crate) store: Store,
    configuration: Configuration,
    registries: Registries,
    lock: Option<Lock>,
    now: Timestamp,
    _in_use: Option<UseLock>,
}

/// Whether the store may be collected meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Use<'a> {
    /// No: something is built, until it is cancelled.
    Build(&'a CancelToken),
    /// No: something is built elsewhere, until it is cancelled. That needs no namespaces.
    Farm(&'a CancelToken),
    /// Yes: this session looks, or collects itself.
    Look,
}

impl Session {
    /// Enters the namespaces and opens everything.
    ///
    /// # Errors
    /// When the machine does not allow it, or the store cannot be opened.
    pub(crate) fn open(
        root: &Path,
        configuration: Configuration,
        registries: &RegistryArguments,
        environment: &Environment,
        how: Use<'_>,
    ) -> Result<Self, Failure> {
        if !matches!(how, Use::Farm(_)) {
            lrops_sandbox::enter()
                .map_err(|source| Failure::machine("failed to enter lrops' own namespaces", source))?;
        }
        let store = open_store(root)?;
        let in_use = match how {
            Use::Build(cancel) | Use::Farm(cancel) => {
                let lock = store.use_lock(cancel);
                Some(lock.map_err(|source| Failure::work("failed to use the store", source))?)
            }
            Use::Look => None,
        };
        let registries = Registries::open(&configuration, registries, environment)?;
        Ok(Self {
            registries,
            lock: read_lock(configuration.directory())?,
            now: environment.now,
            _in_use: in_use,
            configuration,
            store,
        })
    }

    /// Lets `work` use the engine. What the engine needs a base for is assembled then, and its findings are reported.
    pub(crate) fn with_engine<T>(
        &self,
        request: &BuildRequest,
        on_event: &(dyn Fn(BuildEvent) + Send + Sync),
        work: impl FnOnce(&EmbeddedEngine<'_>) -> T,
    ) -> Result<T, Failure> {
        let bases = if self.configuration.sections.bases.is_empty() {
            None
        } else {
            Some(self.bases()?)
        };
        let freshness = match request.pull {
            PullPolicy::Always => Freshness::Refresh,
            PullPolicy::Missing => Freshness::Reuse,
        };
        let provide = |name: &str, platform: &Platform, progress: &dyn Fn(&str, u64, Option<u64>)| {
            let Some(bases) = &bases else {
                return Err(format!("there is no base {name:?}").into());
            };
            let wanted = BaseWanted {
                name,
                platform,
                freshness,
                cancel: &request.cancel,
            };
            let built = self.build_base_showing(bases, wanted, progress);
            let built = built.map_err(|error| Box::new(error) as Cause)?;
            for finding in built.findings {
                on_event(BuildEvent::Found { finding });
            }
            Ok(built.manifest)
        };
        let snapshotter = self.snapshotter()?;
        let engine = EmbeddedEngine::new(EngineSettings {
            store: &self.store,
            snapshotter: snapshotter.as_ref(),
            provide_base: Some(&provide),
            registry: Some(&self.registries.registry),
            build_id: build_id(self.now),
        });
        Ok(work(&engine))
    }

    /// Returns the door to bases.
    ///
    /// # Errors
    /// When the machine's package sources cannot be read.
    pub(crate) fn bases(&self) -> Result<Bases, Failure> {
        let sources = read_machine_sources(Path::new("/"))
            .map_err(|source| Failure::work("failed to read this machine's package sources", source))?;
        Ok(Bases::new(BasesSettings {
            cache: self.store.bases(),
            configuration: self
                .configuration
                .directory()
                .map_or_else(PathBuf::new, Path::to_owned),
            sources,
            http: Arc::clone(&self.registries.http),
            workers: std::thread::available_parallelism().map_or(2, usize::from),
        }))
    }

    /// Assembles a base of the configuration.
    ///
    /// # Errors
    /// Whatever hinders it.
    pub(crate) fn build_base(
        &self,
        bases: &Bases,
        wanted: BaseWanted<'_>,
        on_progress: &(dyn Fn(BaseProgress) + Sync),
    ) -> Result<BuiltBase, BaseFailure> {
        let request = self.base_request(&wanted)?;
        Ok(bases.build(request, self.store.layout(), wanted.cancel, on_progress)?)
    }

    /// Returns where file trees are: overlays where the kernel mounts them, else copies.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub(crate) fn snapshotter(&self) -> Result<Box<dyn Snapshotter>, Failure> {
        snapshotter(&self.store)
    }

    /// As [`Session::build_base`], for a way to show progress that belongs to the calling thread.
    pub(crate) fn build_base_showing(
        &self,
        bases: &Bases,
        wanted: BaseWanted<'_>,
        progress: &dyn Fn(&str, u64, Option<u64>),
    ) -> Result<BuiltBase, BaseFailure> {
        let (sender, receiver) = mpsc::channel();
        std::thread::scope(|scope| {
            let building = scope.spawn(move || {
                self.build_base(bases, wanted, &|step| {
                    // Nobody listens only when the listener has panicked, which ends all.
                    let _ = sender.send(step);
                })
            });
            for step in receiver {
                let (what, current, total) = worded(&step);
                progress(&what, current, total);
            }
            building
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Returns the request for a base of the configuration.
    ///
    /// # Errors
    /// When there is none of the name.
    pub(crate) fn base_request<'a>(&'a self, wanted: &BaseWanted<'a>) -> Result<BuildBase<'a>, BaseFailure> {
        let spec = self.configuration.sections.bases.get(wanted.name);
        Ok(BuildBase {
            name: wanted.name,
            spec: spec.ok_or_else(|| BaseFailure::Unknown {
                name: wanted.name.to_owned(),
            })?,
            platform: wanted.platform,
            freshness: wanted.freshness,
            lock: self.lock.as_ref(),
            now: self.now,
        })
    }

    /// Returns the client for registries.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registries.registry
    }

    /// Returns what `lrops.lock` says, where there is one.
    pub(crate) fn lock(&self) -> Option<&Lock> {
        self.lock.as_ref()
    }

    /// Returns the configuration.
    pub(crate) fn configuration(&self) -> &Configuration {
        &self.configuration
    }
}

/// Which base, for which platform.
#[derive(Clone, Copy)]
pub(crate) struct BaseWanted<'a> {
    /// Its name in the configuration.
    pub(crate) name: &'a str,
    /// The platform.
    pub(crate) platform: &'a Platform,
    /// Whether an earlier resolution may be used.
    pub(crate) freshness: Freshness,
    /// Stops the work.
    pub(crate) cancel: &'a CancelToken,
}

/// Why a base could not be assembled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BaseFailure {
    /// There is none of the name.
    #[error("there is no base {name:?} in lrops.toml")]
    Unknown {
        /// The name.
        name: String,
    },
    /// What the bases say.
    #[error("{}{}", .0, .0.advice().map(|advice| format!("; {advice}")).unwrap_or_default())]
    Bases(#[from] lrops_bases::BaseError),
}

/// Says what a base is at.
pub(crate) fn worded(step: &BaseProgress) -> (String, u64, Option<u64>) {
    match step {
        BaseProgress::Suite { suite } => (format!("reading the suite {suite}"), 0, None),
        BaseProgress::Resolved { packages, bytes } => (format!("{packages} packages"), 0, Some(*bytes)),
        BaseProgress::Fetched { package, done, total } => {
            (format!("{done} of {total} packages: {package}"), 0, None)
        }
        BaseProgress::Writing { entries } => (format!("writing {entries} files"), 0, None),
    }
}

/// Opens the store.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn open_store(root: &Path) -> Result<Store, Failure> {
    Store::open(root).map_err(|source| Failure::machine("failed to open the store", source))
}

/// Overlays where the kernel mounts them, else copies.
fn snapshotter(store: &Store) -> Result<Box<dyn Snapshotter>, Failure> {
    match OverlaySnapshotter::open(store.root()) {
        Ok(overlay) => Ok(Box::new(overlay)),
        Err(_) => match CopySnapshotter::open(store.root()) {
            Ok(copy) => Ok(Box::new(copy)),
            Err(source) => Err(Failure::machine("failed to open the store's snapshots", source)),
        },
    }
}

fn read_lock(directory: Option<&Path>) -> Result<Option<Lock>, Failure> {
    let Some(path) = directory.map(|directory| directory.join(LOCK_FILE_NAME)) else {
        return Ok(None);
    };
    let failed = |source: Cause| Failure::work(format!("failed to read {}", path.display()), source);
    match fs::read_to_string(&path) {
        Ok(text) => Lock::parse(&text)
            .map(Some)
            .map_err(|error| failed(Box::new(error))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(Box::new(error))),
    }
}

/// Names a build by its time and process: builds of one store at one time are different processes.
fn build_id(now: Timestamp) -> String {
    format!("{}-{}", now.0, std::process::id())
}
