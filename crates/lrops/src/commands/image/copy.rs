//! `lrops image tag` and `lrops image copy`: the same bytes under another name, or in another place.

use lrops_model::cancel::CancelToken;
use lrops_model::event::BuildEvent;
use lrops_model::reference::Reference;
use lrops_model::request::LayoutSelector;
use lrops_remote::registry::PushEvent;
use lrops_store::layout::{Layout, LayoutName};
use lrops_store::store::{Store, UseLock};
use lrops_store::transfer::copy_image;

use crate::arguments::{CopyArguments, ProgressMode, TagArguments, TransferArguments};
use crate::commands::publishing::{Published, Publishing, board, overwrite, push_settings};
use crate::commands::{print, pull, push, verify};
use crate::configuration::{Configuration, ContextPlace};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::image::{Lookup, Place, PlacedImage, registry_name, store_name};
use crate::progress::Progress;
use crate::proof::{Proved, prove, taken_as_it_is};
use crate::publish::{Means, Publication};
use crate::request::{configuration_near, progress};
use crate::session::open_store;
use crate::{registries, signals};

/// What a transfer works with.
pub(super) struct Transfer<'a> {
    pub(super) arguments: &'a TransferArguments,
    pub(super) environment: &'a Environment,
    pub(super) configuration: Configuration,
    pub(super) store: Store,
    _in_use: UseLock,
    pub(super) mode: ProgressMode,
    pub(super) progress: Progress,
    pub(super) cancel: CancelToken,
    /// The command as it was typed, to be repeated when it ends early.
    pub(super) command: String,
}

impl<'a> Transfer<'a> {
    /// Opens what is needed, begins to show progress, and listens for Ctrl-C.
    pub(super) fn begin(
        arguments: &'a TransferArguments,
        environment: &'a Environment,
    ) -> Result<Self, Failure> {
        let configuration = configuration_near(&arguments.places, &environment.directory, environment)?;
        let mode = progress(arguments.progress, false, environment)?;
        let store = open_store(&environment.store_root(arguments.places.store.as_deref()))?;
        let progress = Progress::begin(mode, 1);
        let cancel = CancelToken::new();
        signals::watch(&cancel, progress.notices())?;
        let in_use = store.use_lock(&cancel);
        Ok(Self {
            _in_use: in_use.map_err(|source| Failure::image("failed to use the store", source))?,
            arguments,
            environment,
            configuration,
            store,
            mode,
            progress,
            cancel,
            command: environment.command_line(),
        })
    }

    /// Finds an image; with `only_registry` nowhere else than in a registry.
    pub(super) fn find(&self, text: &str, only_registry: bool) -> Result<PlacedImage, Failure> {
        let open = || registries::open(&self.configuration, &self.arguments.registries, self.environment);
        let lookup = Lookup {
            store: self.store.root(),
            environment: self.environment,
            registries: Some(&open),
            cancel: &self.cancel,
        };
        if only_registry {
            return lookup.in_registry(&registry_name(text)?);
        }
        PlacedImage::find(text, &lookup)
    }

    /// Answers for an image: what a registry has, whoever published it has answered for; all else is proved here.
    pub(super) fn answered_for(&self, image: &PlacedImage) -> Result<Proved, Failure> {
        let source = image.source.as_ref();
        if let Place::Registry(reference) = &image.place {
            let taken = taken_as_it_is(source, &image.root, &self.cancel)?;
            pull::note(&self.store, reference, taken.tree());
            return Ok(taken);
        }
        let allow = &self.configuration.sections.verify.allow;
        let expectations = verify::expectations(Vec::new(), allow)?;
        let verdict = prove(source, &image.root, &expectations, &self.cancel)?;
        push::sound(verdict, &self.progress)
    }

    /// Publishes an image byte for byte.
    pub(super) fn publish(&self, image: &PlacedImage, names: &[Reference]) -> Result<Published, Failure> {
        let proved = self.answered_for(image)?;
        self.publish_proved(image, &proved, names)
    }

    /// Publishes an image that somebody answers for.
    pub(super) fn publish_proved(
        &self,
        image: &PlacedImage,
        proved: &Proved,
        names: &[Reference],
    ) -> Result<Published, Failure> {
        let arguments = self.arguments;
        let registry = registries::open(&self.configuration, &arguments.registries, self.environment)?;
        let means = Means {
            registry: &registry,
            settings: push_settings(&arguments.publish, &self.configuration)?,
            journal: self.store.uploads(),
            cancel: &self.cancel,
        };
        let on_event = |event: BuildEvent| self.progress.event(&event);
        let board = board(&on_event, names);
        let take = |event: &PushEvent<'_>| board.take(event);
        let publication = Publication::new(means, names, overwrite(&arguments.publish), &take);
        let publishing = Publishing {
            publication: &publication,
            board: &board,
            source: image.source.as_ref(),
            cancel: &self.cancel,
            continuation: &self.command,
        };
        let sent = publication
            .check_versions(image.root.digest)
            .and_then(|()| publication.blobs(publishing.source, proved.tree()))
            .map_err(|error| publishing.failed(error));
        publishing.end(sent.and_then(|()| publishing.finish(&self.progress, proved)))
    }

    /// Shows what was published: for people, and the names by digest for programs.
    pub(super) fn end(self, published: Result<Published, Failure>) -> Result<(), Failure> {
        self.progress.finish();
        published?.show(self.mode)
    }
}

/// Gives an image of a registry further names.
///
/// # Errors
/// When there is no such image, or a name cannot be given.
pub(super) fn tag(arguments: &TagArguments, environment: &Environment) -> Result<(), Failure> {
    let transfer = Transfer::begin(&arguments.transfer, environment)?;
    let published = transfer
        .find(&arguments.source, true)
        .and_then(|image| transfer.publish(&image, &names(&arguments.names, &image)?));
    transfer.end(published)
}

/// Reads names; `:TAG` alone means the image's own repository.
fn names(texts: &[String], image: &PlacedImage) -> Result<Vec<Reference>, Failure> {
    let names = texts.iter().map(|text| {
        let name = match (text.strip_prefix(':'), &image.place) {
            (Some(tag), Place::Registry(own)) => own
                .with_tag(tag)
                .map_err(|error| Failure::usage(error.to_string()))?,
            _ => destination(text)?,
        };
        Ok(name)
    });
    names.collect()
}

/// Reads a name that an image is to get.
pub(super) fn destination(text: &str) -> Result<Reference, Failure> {
    let name = registry_name(text)?;
    if name.digest().is_some() {
        return Err(Failure::usage(format!(
            "{text:?} has a digest; a digest cannot be chosen"
        )));
    }
    Ok(store_name(&name))
}

/// Copies an image.
///
/// # Errors
/// When there is no such image, or it does not arrive whole.
pub(super) fn copy(arguments: &CopyArguments, environment: &Environment) -> Result<(), Failure> {
    let transfer = Transfer::begin(&arguments.transfer, environment)?;
    if !arguments.destination.starts_with("oci-layout://") {
        let published = destination(&arguments.destination).and_then(|name| {
            let image = transfer.find(&arguments.source, false)?;
            transfer.publish(&image, &[name])
        });
        return transfer.end(published);
    }
    let place: ContextPlace = arguments.destination.parse().map_err(Failure::usage)?;
    let ContextPlace::Layout(path, selector) = place else {
        return Err(Failure::usage(format!("{} is no layout", arguments.destination)));
    };
    let image = transfer.find(&arguments.source, false)?;
    let path = environment.absolute(&path);
    let failed = |source: crate::failure::Cause| {
        Failure::image(format!("failed to write the image to {}", path.display()), source)
    };
    let layout = Layout::open_or_create(&path).map_err(|error| failed(error.into()))?;
    let copied = copy_image(image.source.as_ref(), &image.root, &layout, &transfer.cancel);
    transfer.progress.finish();
    copied.map_err(|error| failed(error.into()))?;
    let named = match selector {
        LayoutSelector::Tag(tag) => layout.tag(LayoutName::plain(tag), &image.root),
        LayoutSelector::Digest(_) | LayoutSelector::Only => layout.add(&image.root),
    };
    named.map_err(|error| failed(error.into()))?;
    print(&format!("{}\n", image.root.digest))
}
