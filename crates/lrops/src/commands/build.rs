//! `lrops build`.

use std::time::Instant;

use lrops_model::engine::{Delivered, Engine};
use lrops_model::event::{BuildEvent, StepName, StepOutcome};
use lrops_model::oci::Descriptor;
use lrops_store::layout::LayoutName;
use lrops_store::verify::{Report, verify_image};

use super::summary::{Summary, summary};
use super::{check, metadata, plan, print, say, verify};
use crate::arguments::{BuildArguments, ProgressMode};
use crate::delivery::Delivery;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::image;
use crate::progress::Progress;
use crate::report;
use crate::request::{Destination, Intent, Method, Output, resolve};
use crate::session::{Session, Use};
use crate::signals;

/// Builds, checks or plans, as the flags say.
///
/// # Errors
/// Whatever hinders it.
pub(super) fn run(arguments: &BuildArguments, environment: &Environment) -> Result<(), Failure> {
    let intent = resolve(arguments, environment)?;
    for notice in &intent.notices {
        say(&report::notice(notice));
    }
    match intent.method {
        Method::Check(format) => check::check(&intent, format, environment),
        Method::Plan(format) => plan::plan(&intent, format, environment),
        Method::Build => build(&intent, environment),
    }
}

/// Opens what a request needs, begins to show progress, and listens for Ctrl-C.
///
/// # Errors
/// When the machine does not allow it.
pub(super) fn open(
    intent: &Intent,
    mode: ProgressMode,
    environment: &Environment,
) -> Result<(Session, Progress), Failure> {
    let cancel = &intent.request.cancel;
    let session = Session::open(
        &intent.store,
        intent.configuration.clone(),
        &intent.registries,
        environment,
        Use::Build(cancel),
    )?;
    let progress = Progress::begin(mode, intent.request.platforms.len());
    signals::watch(cancel, progress.notices())?;
    Ok((session, progress))
}

fn build(intent: &Intent, environment: &Environment) -> Result<(), Failure> {
    let (session, progress) = open(intent, intent.progress, environment)?;
    let result = build_and_deliver(intent, &session, &progress);
    let elapsed = progress.elapsed();
    let tally = progress.finish();
    let built = result?;
    let rows = image::rows(session.store.layout(), &built.root, &intent.request.cancel)?;
    if let Some(path) = &intent.iidfile {
        metadata::write_image_id(path, &built.root, &rows)?;
    }
    if let Some(path) = &intent.metadata_file {
        metadata::write(path, &built.root, &rows, &intent.request.tags)?;
    }
    let shows_summary = !matches!(
        intent.progress,
        ProgressMode::Quiet | ProgressMode::None | ProgressMode::Rawjson
    );
    if shows_summary {
        say(&summary(&Summary {
            root: &built.root,
            rows: &rows,
            tags: &intent.request.tags,
            store: session.store.root(),
            places: &built.places,
            tally: &tally,
            programs: built
                .report
                .platforms
                .iter()
                .map(|platform| platform.programs)
                .sum(),
            elapsed,
        }));
    }
    // For programs the digest is the result. A person has read it in the summary.
    if writes_to_stdout(&intent.outputs) || (shows_summary && environment.data_terminal) {
        return Ok(());
    }
    print(&format!("{}\n", built.root.digest))
}

fn writes_to_stdout(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| {
        matches!(
            output,
            Output::Archive(Destination::Stdout)
                | Output::FilesArchive {
                    destination: Destination::Stdout,
                    ..
                }
        )
    })
}

/// What a build came to.
struct Built {
    root: Descriptor,
    report: Report,
    places: Vec<String>,
}

/// Builds, proves, and only then names and delivers.
fn build_and_deliver(intent: &Intent, session: &Session, progress: &Progress) -> Result<Built, Failure> {
    let request = &intent.request;
    let on_event = |event: BuildEvent| progress.event(&event);
    let delivered = session.with_engine(request, &on_event, |engine| {
        engine.build(request, session.store.layout(), &on_event)
    })??;
    let root = match delivered {
        Delivered::Stored(root) => root,
        Delivered::Pushed(digest) => {
            let message =
                format!("the engine pushed {digest} by itself, which the embedded engine never does");
            return Err(Failure::because(message));
        }
    };
    let report = activity(progress, "verifying the image", || prove(intent, session, &root))?;
    for finding in &report.findings {
        progress.event(&BuildEvent::Found {
            finding: finding.clone(),
        });
    }
    if !report.is_sound() {
        return Err(verify::failed(&report));
    }
    name(intent, session, &root)?;
    let delivery = Delivery {
        source: session.store.layout(),
        root: &root,
        names: &request.tags,
        temporary: session.store.tmp(),
        cancel: &request.cancel,
    };
    let mut places = Vec::new();
    for output in &intent.outputs {
        if matches!(output, Output::Store | Output::CacheOnly) {
            continue;
        }
        places.extend(activity(progress, "exporting", || delivery.deliver(output))?);
    }
    request.cancel.check()?;
    Ok(Built { root, report, places })
}

fn prove(intent: &Intent, session: &Session, root: &Descriptor) -> Result<Report, Failure> {
    let section = &intent.configuration.sections.verify;
    let expectations = verify::expectations(intent.request.platforms.clone(), &section.allow)?;
    verify_image(
        session.store.layout(),
        root,
        &expectations,
        &intent.request.cancel,
    )
    .map_err(verify::stopped)
}

/// Gives the image its names in the store. One without a name can be asked for by its digest until the store is pruned.
fn name(intent: &Intent, session: &Session, root: &Descriptor) -> Result<(), Failure> {
    if intent.outputs.contains(&Output::CacheOnly) {
        return Ok(());
    }
    let layout = session.store.layout();
    let failed = |source| Failure::work("failed to name the image in the store", source);
    for tag in &intent.request.tags {
        layout
            .tag(LayoutName::full(&image::store_name(tag)), root)
            .map_err(failed)?;
    }
    Ok(())
}

/// Shows work of this room as an activity among the engine's.
pub(super) fn activity<T>(
    progress: &Progress,
    name: &str,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let step = progress.next_number();
    let started = Instant::now();
    progress.event(&BuildEvent::Started {
        step,
        name: StepName::Activity(name.to_owned()),
    });
    let result = work();
    let outcome = match &result {
        Ok(_) => StepOutcome::Done,
        Err(Failure::Cancelled) => StepOutcome::Cancelled,
        Err(error) => StepOutcome::Failed {
            reason: error.to_string(),
        },
    };
    progress.event(&BuildEvent::Finished {
        step,
        outcome,
        seconds: started.elapsed().as_secs_f64(),
    });
    result
}
