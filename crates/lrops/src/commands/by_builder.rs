//! An image that the builder pushes by itself: proved in its registry, and only then called by its names.
//!
//! A builder that cannot push by digest moves the tags at once; then the proof comes after, and it is said.

use lrops_model::digest::Digest;
use lrops_model::event::BuildEvent;
use lrops_model::reference::Reference;

use super::build::{Built, activity, expectations_of};
use super::publishing::Publishing;
use super::{push, say};
use crate::failure::Failure;
use crate::farm::{self, Farm};
use crate::image::PlacedImage;
use crate::progress::Progress;
use crate::proof;
use crate::report;
use crate::request::{Intent, Output};
use crate::session::Session;

/// Has the image built and pushed by the builder, proves it where it arrived, and moves its tags.
///
/// # Errors
/// Whatever hinders it; when an image that failed to verify has its tags already, the error says so.
pub(super) fn build(
    farm: &Farm<'_>,
    intent: &Intent,
    session: &Session,
    progress: &Progress,
    publishing: &Publishing<'_>,
) -> Result<Built, Failure> {
    refuse_places(&intent.outputs)?;
    let publication = publishing.publication;
    let failed = |error| publishing.failed_before_all(error);
    publication.check_rights().map_err(failed)?;
    let taken = publication.taken_versions().map_err(failed)?;
    let moves_at_once = farm.moves_tags();
    if moves_at_once && intent.publish.as_ref().is_some_and(|wish| wish.by_digest) {
        return Err(Failure::usage_advised(
            "this builder pushes by tag alone: the `docker` driver cannot push by digest",
            "let lrops push: leave --deliver builder out; or set up another builder: lrops builder setup",
        ));
    }
    if let Some((name, there)) = taken.first().filter(|_| moves_at_once) {
        // The builder would take it before anything could be compared.
        return Err(Failure::usage_advised(
            format!("{} names {there} already", name.familiar()),
            "publish another version, say --force, or let lrops push: without --deliver builder it can compare first",
        ));
    }
    if moves_at_once {
        say(&report::notice(
            "this builder cannot push by digest: the tags move before the image is proved",
        ));
    }
    let on_event = |event: BuildEvent| progress.event(&event);
    let digests = match farm.build(session.store.layout(), &on_event)? {
        farm::Built::Pushed(digests) => digests,
        farm::Built::Stored(root) => vec![root.digest],
    };
    let image = in_registry(intent, session, &digests)?;
    let proved = activity(progress, "verifying the image in its registry", || {
        let expectations = expectations_of(intent)?;
        let cancel = &intent.request.cancel;
        let verdict = proof::prove(image.source.as_ref(), &image.root, &expectations, cancel)?;
        push::sound(verdict, progress)
    });
    let proved = proved.map_err(|failure| match failure {
        Failure::Verify { problems } if moves_at_once => Failure::Verify {
            problems: format!(
                "{problems}; its tags name it already: {}",
                named(&intent.request.tags)
            ),
        },
        other => other,
    })?;
    // Several repositories were pushed to; those that lack a part get it from the first.
    let sent = publication
        .check_versions(image.root.digest)
        .and_then(|()| publication.blobs(image.source.as_ref(), proved.tree()));
    let published = sent
        .map_err(|error| publishing.failed(error))
        .and_then(|()| publishing.finish(progress, &proved));
    let published = publishing.end(published)?;
    Ok(Built {
        root: image.root.clone(),
        is_stored: false,
        rows: image.rows(&intent.request.cancel)?,
        programs: proved.programs(),
        places: Vec::new(),
        published: Some(published),
    })
}

/// Places on this machine need the image here.
fn refuse_places(outputs: &[Output]) -> Result<(), Failure> {
    let elsewhere = |output: &Output| {
        matches!(
            output,
            Output::Registry { .. } | Output::Store | Output::CacheOnly
        )
    };
    if outputs.iter().all(elsewhere) {
        return Ok(());
    }
    Err(Failure::usage_advised(
        "--deliver builder: the image does not come to this machine, so that --output cannot write it here",
        "leave --deliver builder out, or --output",
    ))
}

/// Finds the image that the builder pushed, in the repository of its first name; what several nodes pushed is put
/// together.
fn in_registry(intent: &Intent, session: &Session, digests: &[Digest]) -> Result<PlacedImage, Failure> {
    let name = intent.request.tags.first().ok_or_else(|| {
        Failure::because("the builder pushed an image that has no name, so that it cannot be looked for")
    })?;
    // A mirror may not have it yet.
    let registry = session.registry().clone().without_mirrors();
    let find = |digest: &Digest| {
        PlacedImage::in_registry(&registry, &name.with_digest(*digest), &intent.request.cancel)
    };
    let images = digests.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    farm::together(images, &intent.request)
}

fn named(tags: &[Reference]) -> String {
    let names: Vec<String> = tags.iter().map(Reference::familiar).collect();
    names.join(", ")
}
