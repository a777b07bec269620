//! `lrops push`: publishes an image that is here already.

use lrops_model::cancel::CancelToken;
use lrops_model::event::BuildEvent;
use lrops_model::image::walk_image;
use lrops_model::reference::Reference;
use lrops_remote::registry::PushEvent;
use lrops_store::verify::Expectations;

use super::publishing::{Continuation, Published, Publishing, board, overwrite, push_settings};
use super::{print_json, verify};
use crate::arguments::{Format, PushArguments};
use crate::configuration::Configuration;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::image::{Lookup, Place, PlacedImage, parse_reference, store_name};
use crate::progress::Progress;
use crate::proof::{Proved, Verdict, failed, prove};
use crate::publish::{Means, Publication, Tagging};
use crate::request::{configuration_near, progress};
use crate::session::open_store;
use crate::{registries, signals};

/// Publishes an image.
///
/// # Errors
/// Whatever hinders it; what arrived by then stays, and the same command goes on.
pub(super) fn run(arguments: &PushArguments, environment: &Environment) -> Result<(), Failure> {
    let configuration = configuration_near(&arguments.places, &environment.directory, environment)?;
    let allow: Vec<String> = configuration
        .sections
        .verify
        .allow
        .iter()
        .chain(&arguments.allow)
        .cloned()
        .collect();
    let expectations = verify::expectations(Vec::new(), &allow)?;
    let mode = progress(arguments.progress, false, environment)?;
    let progress = Progress::begin(mode, 1);
    let cancel = CancelToken::new();
    signals::watch(&cancel, progress.notices())?;
    let published = push(
        arguments,
        &configuration,
        environment,
        &expectations,
        &progress,
        &cancel,
    );
    progress.finish();
    let published = published?;
    match arguments.format {
        Format::Json => print_json(&published),
        Format::Text => published.show(mode),
    }
}

fn push(
    arguments: &PushArguments,
    configuration: &Configuration,
    environment: &Environment,
    expectations: &Expectations,
    progress: &Progress,
    cancel: &CancelToken,
) -> Result<Published, Failure> {
    let root = environment.store_root(arguments.places.store.as_deref());
    let store = open_store(&root)?;
    let in_use = store.use_lock(cancel);
    let _in_use = in_use.map_err(|source| Failure::image("failed to use the store", source))?;
    let lookup = Lookup {
        store: &root,
        environment,
        registries: None,
        cancel,
    };
    let image = PlacedImage::find(&arguments.image, &lookup)?;
    let names = names(&arguments.tag, &image)?;
    let registry = registries::open(configuration, &arguments.registries, environment)?;
    let means = Means {
        registry: &registry,
        settings: push_settings(&arguments.publish, configuration)?,
        journal: store.uploads(),
        cancel,
    };
    let tagging = if arguments.by_digest {
        Tagging::DigestOnly
    } else {
        Tagging::Names
    };
    let continuation = Continuation {
        image: &arguments.image,
        names: &names,
        tagging,
        allow: &arguments.allow,
        publish: &arguments.publish,
        registries: &arguments.registries,
        store: arguments.places.store.as_deref(),
        configuration,
        directory: &environment.directory,
    }
    .command();
    let on_event = |event: BuildEvent| progress.event(&event);
    let board = board(&on_event, &names);
    let take = |event: &PushEvent<'_>| board.take(event);
    let publication = Publication::new(means, &names, overwrite(&arguments.publish), &take).tagging(tagging);
    let publishing = Publishing {
        publication: &publication,
        board: &board,
        source: image.source.as_ref(),
        cancel,
        continuation: &continuation,
    };
    publishing.end(publish(&publishing, &image, expectations, progress))
}

fn publish(
    publishing: &Publishing<'_>,
    image: &PlacedImage,
    expectations: &Expectations,
    progress: &Progress,
) -> Result<Published, Failure> {
    let source = image.source.as_ref();
    let tree = walk_image(source, &image.root, publishing.cancel)
        .map_err(|source| Failure::image("failed to read the image", source))?;
    let versions = publishing.publication.check_versions(image.root.digest);
    versions.map_err(|error| publishing.failed(error))?;
    let proved = publishing.send_while(&tree, |cancel| {
        let verdict = prove(source, &image.root, expectations, cancel)?;
        sound(verdict, progress)
    })?;
    publishing.finish(progress, &proved)
}

/// Shows what was found, and stops at what is broken.
pub(super) fn sound(verdict: Verdict, progress: &Progress) -> Result<Proved, Failure> {
    let report = match &verdict {
        Verdict::Proved(proved) => proved.report(),
        Verdict::Broken(report) => Some(report.as_ref()),
    };
    for finding in report.iter().flat_map(|report| &report.findings) {
        progress.event(&BuildEvent::Found {
            finding: finding.clone(),
        });
    }
    match verdict {
        Verdict::Proved(proved) => Ok(*proved),
        Verdict::Broken(report) => Err(failed(&report)),
    }
}

/// Returns the names to publish under: those that were typed, else the one that the image has in the store.
fn names(typed: &[String], image: &PlacedImage) -> Result<Vec<Reference>, Failure> {
    let mut names = Vec::new();
    for text in typed {
        let name = parse_reference(text)?;
        if name.digest().is_some() {
            return Err(Failure::usage(format!(
                "--tag: {text:?} has a digest; a digest cannot be chosen"
            )));
        }
        let name = store_name(&name);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if !names.is_empty() {
        return Ok(names);
    }
    let own = matches!(image.place, Place::Store(_)).then(|| image.name.parse::<Reference>());
    match own {
        Some(Ok(name)) if !image.name.starts_with("sha256:") => Ok(vec![store_name(&name)]),
        _ => Err(Failure::usage_advised(
            format!("{} has no name to be published under", image.name),
            "give it one: --tag registry.example/team/app:1.2.3",
        )),
    }
}
