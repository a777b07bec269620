//! `lrops build`.

use std::time::Instant;

use lrops_buildx::Start;
use lrops_model::engine::{Delivered, Engine};
use lrops_model::event::{BuildEvent, StepName, StepOutcome};
use lrops_model::oci::Descriptor;
use lrops_remote::registry::PushEvent;
use lrops_store::layout::LayoutName;
use lrops_store::verify::Expectations;

use super::publishing::{self, Continuation, Published, Publishing};
use super::summary::{Summary, summary};
use super::{by_builder, check, metadata, plan, print, push, say, verify};
use crate::arguments::{BuildArguments, EngineName, ProgressMode};
use crate::delivery::Delivery;
use crate::early::EarlyWork;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::farm::{self, Farm};
use crate::image::{self, Row};
use crate::progress::Progress;
use crate::proof::{self, Proved};
use crate::publish::{Means, Publication, Tagging};
use crate::report;
use crate::request::{Destination, Intent, Method, Output, PublishWish, resolve};
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
        Method::Check(format) => check::of_build(intent, format, environment),
        Method::Plan(format) => plan::plan(&intent, format, environment),
        Method::Describe(ref method) => describe(&intent, method, environment),
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
        match intent.engine.engine {
            EngineName::Embedded => Use::Build(cancel),
            EngineName::Buildx => Use::Farm(cancel),
        },
    )?;
    let progress = Progress::begin(mode, intent.request.platforms.len());
    signals::watch(cancel, progress.notices())?;
    Ok((session, progress))
}

/// Prints what the builder's front end says of the Dockerfile.
fn describe(intent: &Intent, method: &str, environment: &Environment) -> Result<(), Failure> {
    let (session, progress) = open(intent, ProgressMode::Quiet, environment)?;
    let on_event = |event: BuildEvent| progress.event(&event);
    let farm = Farm::prepare(intent, &session, &progress, environment, Start::Later)?;
    let description = farm.describe(method, &on_event)?;
    progress.finish();
    print(&description)
}

fn build(intent: &Intent, environment: &Environment) -> Result<(), Failure> {
    let root = carry_out(intent, environment)?;
    // For programs the digest is the result. A person has read it in the summary.
    if writes_to_stdout(&intent.outputs) || (shows_summary(intent) && environment.data_terminal) {
        return Ok(());
    }
    print(&format!("{}\n", root.digest))
}

fn shows_summary(intent: &Intent) -> bool {
    !matches!(
        intent.progress,
        ProgressMode::Quiet | ProgressMode::None | ProgressMode::Rawjson
    )
}

/// Builds, proves, delivers and publishes, tells people of it, and returns the image's root.
///
/// # Errors
/// Whatever hinders it.
pub(super) fn carry_out(intent: &Intent, environment: &Environment) -> Result<Descriptor, Failure> {
    let shows_summary = shows_summary(intent);
    if shows_summary && intent.engine.engine == EngineName::Buildx {
        say(&format!("engine: buildx, because {}", intent.engine.reason));
    }
    let (session, progress) = open(intent, intent.progress, environment)?;
    let result = build_and_deliver(intent, &session, &progress, environment);
    let elapsed = progress.elapsed();
    let tally = progress.finish();
    let built = result?;
    let rows = &built.rows;
    if let Some(path) = &intent.iidfile {
        metadata::write_image_id(path, &built.root, rows)?;
    }
    if let Some(path) = &intent.metadata_file {
        metadata::write(path, &built.root, rows, &intent.request.tags)?;
    }
    if shows_summary {
        say(&summary(&Summary {
            root: &built.root,
            rows,
            engine: &intent.engine,
            tags: &intent.request.tags,
            store: built.is_stored.then(|| session.store.root()),
            places: &built.places,
            tally: &tally,
            programs: built.programs,
            published: built.published.as_ref(),
            elapsed,
        }));
    }
    Ok(built.root)
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
pub(super) struct Built {
    pub(super) root: Descriptor,
    /// Whether it is in the store, and not in its registry alone.
    pub(super) is_stored: bool,
    pub(super) rows: Vec<Row>,
    pub(super) programs: usize,
    pub(super) places: Vec<String>,
    pub(super) published: Option<Published>,
}

/// Builds, proves, and only then names, delivers and publishes.
fn build_and_deliver(
    intent: &Intent,
    session: &Session,
    progress: &Progress,
    environment: &Environment,
) -> Result<Built, Failure> {
    let on_event = |event: BuildEvent| progress.event(&event);
    let carrier = Carrier::prepare(intent, session, progress, environment)?;
    let Some(wish) = &intent.publish else {
        let proved = build_and_prove(&carrier, intent, session, progress, &|_| {})?;
        let built = deliver(intent, session, progress, &proved)?;
        carrier.deliver_besides(intent, session, progress)?;
        return Ok(built);
    };
    let cancel = intent.request.cancel.child();
    let board = publishing::board(&on_event, &intent.request.tags);
    let take = |event: &PushEvent<'_>| board.take(event);
    let means = Means {
        registry: session.registry(),
        settings: wish.settings,
        journal: session.store.uploads(),
        cancel: &cancel,
    };
    let tagging = if wish.by_digest {
        Tagging::DigestOnly
    } else {
        Tagging::Names
    };
    let publication = Publication::new(means, &intent.request.tags, wish.overwrite, &take).tagging(tagging);
    // Until the image is in the store, the same command goes on; what was done is not done again.
    let again = intent.continuation.clone();
    let retyped = again.clone().unwrap_or_else(|| environment.command_line());
    let mut publishing = Publishing {
        publication: &publication,
        board: &board,
        source: session.store.layout(),
        cancel: &cancel,
        continuation: &retyped,
    };
    if let Some(farm) = carrier.pushing_farm() {
        let built = by_builder::build(farm, intent, session, progress, &publishing)?;
        carrier.deliver_besides(intent, session, progress)?;
        return Ok(built);
    }
    let proved = build_while_sending(&carrier, intent, session, progress, &publishing);
    let proved = publishing.end(proved)?;
    let continuation = again.unwrap_or_else(|| push_command(intent, wish, tagging, &proved, environment));
    publishing.continuation = &continuation;
    // Named here before it is named there: whatever happens on the way, the command that goes on finds it.
    let built = publishing.end(deliver(intent, session, progress, &proved))?;
    let published = publishing.end(publish(&publishing, progress, &proved))?;
    carrier.deliver_besides(intent, session, progress)?;
    Ok(Built {
        published: Some(published),
        ..built
    })
}

/// Returns the command that publishes what is in the store already.
fn push_command(
    intent: &Intent,
    wish: &PublishWish,
    tagging: Tagging,
    proved: &Proved,
    environment: &Environment,
) -> String {
    let image = proved.tree().descriptor().digest.to_string();
    Continuation {
        image: &image,
        names: &intent.request.tags,
        tagging,
        allow: &[],
        publish: &wish.flags,
        registries: &intent.registries,
        store: wish.places.store.as_deref(),
        configuration: &intent.configuration,
        directory: &environment.directory,
    }
    .command()
}

/// What carries out the request.
enum Carrier<'a> {
    Embedded,
    Farm(Box<Farm<'a>>),
}

impl<'a> Carrier<'a> {
    fn prepare(
        intent: &'a Intent,
        session: &Session,
        progress: &Progress,
        environment: &'a Environment,
    ) -> Result<Self, Failure> {
        Ok(match intent.engine.engine {
            EngineName::Embedded => Self::Embedded,
            EngineName::Buildx => {
                let farm = Farm::prepare(intent, session, progress, environment, Start::Now)?;
                Self::Farm(Box::new(farm))
            }
        })
    }

    /// Returns the farm whose builder pushes by itself.
    fn pushing_farm(&self) -> Option<&Farm<'a>> {
        match self {
            Self::Farm(farm) if farm.pushes() => Some(farm),
            _ => None,
        }
    }

    /// Has a proved image brought to where only the builder brings it, such as its daemon.
    fn deliver_besides(
        &self,
        intent: &Intent,
        session: &Session,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let Self::Farm(farm) = self else {
            return Ok(());
        };
        for flags in &intent.farm.besides {
            farm.build_besides(flags, session.store.layout(), progress)?;
        }
        Ok(())
    }

    /// Has the image built, and returns its root in the store.
    fn build_into_store(
        &self,
        intent: &Intent,
        session: &Session,
        on_event: &(dyn Fn(BuildEvent) + Send + Sync),
    ) -> Result<Descriptor, Failure> {
        let (request, store) = (&intent.request, session.store.layout());
        let delivered = match self {
            Self::Embedded => Some(
                session.with_engine(request, on_event, |engine| engine.build(request, store, on_event))??,
            ),
            Self::Farm(farm) => match farm.build(store, on_event)? {
                farm::Built::Stored(root) => return Ok(root),
                farm::Built::Pushed(_) => None,
            },
        };
        match delivered {
            Some(Delivered::Stored(root)) => Ok(root),
            _ => Err(Failure::because(
                "the engine pushed the image by itself, which was not asked for",
            )),
        }
    }
}

/// Builds and proves, and meanwhile sends the layers that are ready.
fn build_while_sending(
    carrier: &Carrier<'_>,
    intent: &Intent,
    session: &Session,
    progress: &Progress,
    publishing: &Publishing<'_>,
) -> Result<Proved, Failure> {
    let publication = publishing.publication;
    let failed = |error| publishing.failed_before_all(error);
    publication.check_rights().map_err(failed)?;
    for (name, there) in publication.taken_versions().map_err(failed)? {
        publishing.board.line(&format!(
            "{} names {there} already: the build has to come to the same image, or --force it",
            name.familiar()
        ));
    }
    let parallel = intent.publish.as_ref().map_or(1, |wish| wish.settings.parallel);
    std::thread::scope(|scope| {
        let early = EarlyWork::start(scope, parallel, |layer| {
            publication.blob(session.store.layout(), layer).is_ok()
        });
        // The last layers are on their way while all is looked at.
        let proved = build_and_prove(carrier, intent, session, progress, &|layer| early.give(layer));
        if proved.is_err() {
            publishing.cancel.cancel();
        }
        early.finish();
        proved
    })
}

/// Builds and proves; layers are read while other steps still run.
fn build_and_prove(
    carrier: &Carrier<'_>,
    intent: &Intent,
    session: &Session,
    progress: &Progress,
    on_layer: &(dyn Fn(&Descriptor) + Send + Sync),
) -> Result<Proved, Failure> {
    let cancel = intent.request.cancel.child();
    std::thread::scope(|scope| {
        let reading = EarlyWork::start(scope, 1, |layer| proof::begin(&session.store, layer, &cancel));
        let on_event = |event: BuildEvent| {
            if let BuildEvent::Layer { descriptor } = &event {
                on_layer(descriptor);
                reading.give(descriptor);
            }
            progress.event(&event);
        };
        let root = carrier.build_into_store(intent, session, &on_event);
        let root = match root {
            Ok(root) => root,
            Err(failure) => {
                cancel.cancel();
                return Err(failure);
            }
        };
        activity(progress, "verifying the image", || {
            reading.finish();
            prove(intent, session, progress, &root)
        })
    })
}

/// Publishes an image that was proved and delivered.
fn publish(publishing: &Publishing<'_>, progress: &Progress, proved: &Proved) -> Result<Published, Failure> {
    let publication = publishing.publication;
    let root = proved.tree().descriptor().digest;
    let sent = publication
        .check_versions(root)
        .and_then(|()| publication.blobs(publishing.source, proved.tree()));
    sent.map_err(|error| publishing.failed(error))?;
    publishing.finish(progress, proved)
}

/// Names the image, and brings it to where it was asked for on this machine.
fn deliver(
    intent: &Intent,
    session: &Session,
    progress: &Progress,
    proved: &Proved,
) -> Result<Built, Failure> {
    let request = &intent.request;
    let root = proved.tree().descriptor();
    name(intent, session, root)?;
    let delivery = Delivery {
        source: session.store.layout(),
        root,
        names: &request.tags,
        temporary: session.store.tmp(),
        cancel: &request.cancel,
    };
    let mut places = Vec::new();
    for output in &intent.outputs {
        if matches!(
            output,
            Output::Store | Output::CacheOnly | Output::Registry { .. } | Output::Docker(_)
        ) {
            continue;
        }
        places.extend(activity(progress, "exporting", || delivery.deliver(output))?);
    }
    request.cancel.check()?;
    Ok(Built {
        root: root.clone(),
        rows: image::rows(session.store.layout(), root, &request.cancel)?,
        is_stored: true,
        programs: proved.programs(),
        places,
        published: None,
    })
}

fn prove(
    intent: &Intent,
    session: &Session,
    progress: &Progress,
    root: &Descriptor,
) -> Result<Proved, Failure> {
    let expectations = expectations_of(intent)?;
    let cancel = &intent.request.cancel;
    let verdict = proof::prove_built(&session.store, root, &expectations, cancel)?;
    push::sound(verdict, progress)
}

/// Returns what the image is expected to be.
pub(super) fn expectations_of(intent: &Intent) -> Result<Expectations, Failure> {
    let section = &intent.configuration.sections.verify;
    verify::expectations(intent.request.platforms.clone(), &section.allow)
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
