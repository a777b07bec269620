//! `lrops base`: bases without a build.

use std::fs;
use std::time::Instant;

use lrops_bases::{Bases, BuiltBase, Freshness, Lock, Resolution};
use lrops_model::cancel::CancelToken;
use lrops_model::event::{BuildEvent, StepName, StepNumber, StepOutcome};
use lrops_model::platform::Platform;
use serde::Serialize;

use super::{print, print_json, say};
use crate::amounts;
use crate::arguments::{BaseCommand, BaseSelection, Format, RegistryArguments};
use crate::configuration::FILE_NAME;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::request::{configuration_near, parse_platforms, progress};
use crate::session::{BaseFailure, BaseWanted, LOCK_FILE_NAME, Session, Use, worded};
use crate::signals;
use crate::table::{Align, Table};

/// Carries out a command.
///
/// # Errors
/// When there is no such base, or it cannot be assembled.
pub(super) fn run(command: BaseCommand, environment: &Environment) -> Result<(), Failure> {
    match command {
        BaseCommand::Build { selection, pull } => {
            let freshness = if pull {
                Freshness::Refresh
            } else {
                Freshness::Reuse
            };
            build(&Work::begin(&selection, environment)?, freshness)
        }
        BaseCommand::Ls { format, selection } => list(format, &selection, environment),
        BaseCommand::Lock { selection } => lock(&Work::begin(&selection, environment)?),
    }
}

/// Bases that are worked on.
struct Work {
    session: Session,
    bases: Bases,
    wanted: Vec<(String, Platform)>,
    progress: Progress,
    cancel: CancelToken,
}

impl Work {
    fn begin(selection: &BaseSelection, environment: &Environment) -> Result<Self, Failure> {
        let (configuration, wanted) = selected(selection, environment)?;
        let cancel = CancelToken::new();
        let mode = progress(selection.progress, false, environment)?;
        let store = environment.store_root(selection.places.store.as_deref());
        let session = Session::open(
            &store,
            configuration,
            &RegistryArguments::default(),
            environment,
            Use::Build(&cancel),
        )?;
        let progress = Progress::begin(mode, 1);
        signals::watch(&cancel, progress.notices())?;
        let bases = session.bases()?;
        Ok(Self {
            session,
            bases,
            wanted,
            progress,
            cancel,
        })
    }

    /// Works on each wanted base, shown as an activity.
    fn each<T>(
        &self,
        verb: &str,
        freshness: Freshness,
        work: impl Fn(BaseWanted<'_>, StepNumber) -> Result<T, BaseFailure>,
    ) -> Result<Vec<T>, Failure> {
        let mut done = Vec::new();
        for (name, platform) in &self.wanted {
            let step = self.progress.next_number();
            let started = Instant::now();
            let title = StepName::Activity(format!("[{name} {platform}] {verb}"));
            self.progress.event(&BuildEvent::Started { step, name: title });
            let result = work(
                BaseWanted {
                    name,
                    platform,
                    freshness,
                    cancel: &self.cancel,
                },
                step,
            );
            let outcome = match &result {
                Ok(_) => StepOutcome::Done,
                Err(error) => StepOutcome::Failed {
                    reason: error.to_string(),
                },
            };
            let seconds = started.elapsed().as_secs_f64();
            self.progress.event(&BuildEvent::Finished {
                step,
                outcome,
                seconds,
            });
            self.cancel.check()?;
            done.push(result.map_err(|error| failed(name, platform, error))?);
        }
        Ok(done)
    }

    fn show(&self, step: StepNumber, progress: &lrops_bases::BaseProgress) {
        let (what, current, total) = worded(progress);
        self.progress.event(&BuildEvent::Progress {
            step,
            what,
            current,
            total,
        });
    }
}

fn failed(name: &str, platform: &Platform, error: BaseFailure) -> Failure {
    Failure::work(
        format!("failed to assemble the base {name:?} for {platform}"),
        error,
    )
}

/// Returns the configuration, and which of its bases are meant, for which platforms.
fn selected(
    selection: &BaseSelection,
    environment: &Environment,
) -> Result<(crate::configuration::Configuration, Vec<(String, Platform)>), Failure> {
    let configuration = configuration_near(&selection.places, &environment.directory, environment)?;
    let known = &configuration.sections.bases;
    if known.is_empty() {
        return Err(Failure::usage(format!(
            "there is no {FILE_NAME} with [bases] here or above"
        )));
    }
    let names: Vec<String> = if selection.names.is_empty() {
        known.keys().cloned().collect()
    } else {
        selection.names.clone()
    };
    if let Some(unknown) = names.iter().find(|name| !known.contains_key(*name)) {
        let known: Vec<&str> = known.keys().map(String::as_str).collect();
        let message = format!("there is no base {unknown:?} in {FILE_NAME}");
        return Err(Failure::usage_advised(
            message,
            format!("there are {}", known.join(", ")),
        ));
    }
    let configured = &configuration.sections.build.platforms;
    let platforms = match (selection.platform.is_empty(), configured.is_empty()) {
        (false, _) => parse_platforms("--platform", &selection.platform)?,
        (true, false) => configured.clone(),
        (true, true) => vec![Platform::host()],
    };
    let pairs = names.iter().flat_map(|name| {
        platforms
            .iter()
            .map(move |platform| (name.clone(), platform.clone()))
    });
    let wanted = pairs.collect();
    Ok((configuration, wanted))
}

fn build(work: &Work, freshness: Freshness) -> Result<(), Failure> {
    let built = work.each("assembling", freshness, |wanted, step| {
        let built = work
            .session
            .build_base(&work.bases, wanted, &|progress| work.show(step, &progress))?;
        for finding in &built.findings {
            work.progress.event(&BuildEvent::Found {
                finding: finding.clone(),
            });
        }
        Ok(built)
    })?;
    let heads = [
        ("base", Align::Left),
        ("platform", Align::Left),
        ("manifest", Align::Left),
        ("size", Align::Right),
        ("packages", Align::Right),
        ("from", Align::Left),
    ];
    let mut table = Table::new(&heads);
    for (
        (name, platform),
        BuiltBase {
            manifest,
            layer,
            resolution,
            from_cache,
            ..
        },
    ) in work.wanted.iter().zip(&built)
    {
        table.row(vec![
            name.clone(),
            platform.to_string(),
            manifest.digest.to_string(),
            amounts::size(layer.size),
            resolution.packages.len().to_string(),
            if *from_cache {
                "cache".to_owned()
            } else {
                "packages".to_owned()
            },
        ]);
    }
    print(&table.to_string())
}

#[derive(Serialize)]
struct Listed {
    name: String,
    suite: String,
    packages: Vec<String>,
    built: Vec<ListedBuild>,
}

#[derive(Serialize)]
struct ListedBuild {
    platform: Platform,
    manifest: lrops_model::oci::Descriptor,
    packages: usize,
    built_at: String,
}

fn list(format: Format, selection: &BaseSelection, environment: &Environment) -> Result<(), Failure> {
    let (configuration, wanted) = selected(selection, environment)?;
    let store = environment.store_root(selection.places.store.as_deref());
    let session = Session::open(
        &store,
        configuration,
        &RegistryArguments::default(),
        environment,
        Use::Look,
    )?;
    let cached = session
        .bases()?
        .cached()
        .map_err(|source| Failure::work("failed to read the cached bases", source))?;
    let mut names: Vec<&String> = wanted.iter().map(|(name, _)| name).collect();
    names.dedup();
    let listed = names.into_iter().map(|name| {
        let spec = &session.configuration().sections.bases[name];
        let mut built: Vec<_> = cached.iter().filter(|base| base.name == *name).collect();
        // The newest of each platform.
        built.sort_by_key(|base| (base.platform.clone(), std::cmp::Reverse(base.built_at)));
        built.dedup_by_key(|base| base.platform.clone());
        let built = built.into_iter().map(|base| ListedBuild {
            platform: base.platform.clone(),
            manifest: base.manifest.clone(),
            packages: base.packages,
            built_at: base.built_at.to_string(),
        });
        Listed {
            name: name.clone(),
            suite: spec.suite.clone(),
            packages: spec.packages.clone(),
            built: built.collect(),
        }
    });
    let listed: Vec<Listed> = listed.collect();
    if format == Format::Json {
        return print_json(&listed);
    }
    let heads = [
        ("base", Align::Left),
        ("suite", Align::Left),
        ("asks for", Align::Right),
        ("built for", Align::Left),
    ];
    let mut table = Table::new(&heads);
    for base in listed {
        let built: Vec<String> = base
            .built
            .iter()
            .map(|built| built.platform.to_string())
            .collect();
        let built = if built.is_empty() {
            "nothing yet".to_owned()
        } else {
            built.join(", ")
        };
        table.row(vec![
            base.name,
            base.suite,
            amounts::count(base.packages.len(), "package"),
            built,
        ]);
    }
    print(&table.to_string())
}

fn lock(work: &Work) -> Result<(), Failure> {
    let Some(directory) = work.session.configuration().directory() else {
        return Err(Failure::usage(format!(
            "there is no {FILE_NAME} that a lock file could stand beside"
        )));
    };
    let path = directory.join(LOCK_FILE_NAME);
    let resolutions: Vec<Resolution> = work.each("resolving", Freshness::Refresh, |wanted, step| {
        let mut request = work.session.base_request(&wanted)?;
        // What is locked now must not decide what will be.
        request.lock = None;
        Ok(work
            .bases
            .resolve(request, wanted.cancel, &|progress| work.show(step, &progress))?)
    })?;
    let mut lock = work.session.lock().cloned().unwrap_or_else(Lock::default);
    for ((name, _), resolution) in work.wanted.iter().zip(resolutions) {
        lock.insert(name, resolution);
    }
    let temporary = path.with_extension("lock.new");
    fs::write(&temporary, lock.to_text()).map_err(|source| Failure::write(&temporary, source))?;
    fs::rename(&temporary, &path).map_err(|source| Failure::write(&path, source))?;
    say(&format!("wrote {}", path.display()));
    Ok(())
}
