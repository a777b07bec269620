//! Publishing: an image's blobs may go early; its documents go when it is proved; its tags move last, and all.
//!
//! What proves an image is [`crate::proof::Proved`], which documents and tags cannot be published without.

mod board;

use std::collections::BTreeSet;

use lrops_model::blob::BlobSource;
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::image::ImageNode;
use lrops_model::oci::Descriptor;
use lrops_model::reference::Reference;
use lrops_model::upload::UploadJournal;
use lrops_remote::registry::{
    Push, PushError, PushEvent, PushSettings, Registry, RegistryError, TagExpectation, TagOutcome,
};

pub(crate) use board::{Board, Sent};

use crate::failure::registry_error;
use crate::proof::Proved;
use crate::version::is_version;

/// An image on its way to its names, which may be in several repositories.
pub(crate) struct Publication<'a> {
    groups: Vec<Group<'a>>,
    /// All names, in the order in which they move.
    names: Vec<Reference>,
    overwrite: Overwrite,
    tagging: Tagging,
}

/// Whether an image gets its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tagging {
    /// All of them.
    Names,
    /// None: it is asked for by its digest.
    DigestOnly,
}

/// The names in one repository.
struct Group<'a> {
    push: Push<'a>,
    names: Vec<Reference>,
}

impl Group<'_> {
    /// Returns whether a name is of this repository.
    fn has(&self, name: &Reference) -> bool {
        let known = &self.names[0];
        (known.registry(), known.repository()) == (name.registry(), name.repository())
    }
}

/// Whether a tag that looks like a version may be taken from the image that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overwrite {
    /// No: whoever pulled a version must get the same again.
    Refuse,
    /// Yes (`--force`).
    Force,
}

/// What a publication works with.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) settings: PushSettings,
    pub(crate) journal: &'a dyn UploadJournal,
    pub(crate) cancel: &'a CancelToken,
}

impl<'a> Publication<'a> {
    /// Plans to publish under these names, and tells `on_event`.
    pub(crate) fn new(
        means: Means<'a>,
        names: &[Reference],
        overwrite: Overwrite,
        on_event: &'a (dyn Fn(&PushEvent<'_>) + Send + Sync),
    ) -> Self {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for name in names {
            if let Some(group) = groups.iter_mut().find(|group| group.has(name)) {
                group.names.push(name.clone());
                continue;
            }
            let Means {
                registry,
                settings,
                journal,
                cancel,
            } = means;
            groups.push(Group {
                push: registry.push(name, settings, journal, cancel, on_event),
                names: vec![name.clone()],
            });
        }
        Self {
            groups,
            names: names.to_vec(),
            overwrite,
            tagging: Tagging::Names,
        }
    }

    /// Returns the same publication, perhaps without moving a tag.
    pub(crate) fn tagging(self, tagging: Tagging) -> Self {
        Self { tagging, ..self }
    }

    /// Makes sure that every repository lets us push, before anything is built for it.
    pub(crate) fn check_rights(&self) -> Result<(), PublishError> {
        for group in &self.groups {
            group.push.check_rights().map_err(PushError::from)?;
        }
        Ok(())
    }

    /// Returns the names that look like versions and name something already.
    pub(crate) fn taken_versions(&self) -> Result<Vec<(Reference, Digest)>, PublishError> {
        let mut taken = Vec::new();
        if self.overwrite == Overwrite::Force || self.tagging == Tagging::DigestOnly {
            return Ok(taken);
        }
        for group in &self.groups {
            for name in &group.names {
                let Some(tag) = name.tag().filter(|tag| is_version(tag)) else {
                    continue;
                };
                let there = group.push.tagged(tag).map_err(PushError::from)?;
                taken.extend(there.map(|there| (name.clone(), there)));
            }
        }
        Ok(taken)
    }

    /// Refuses to take a version from another image.
    pub(crate) fn check_versions(&self, root: Digest) -> Result<(), PublishError> {
        let mut taken = self.taken_versions()?.into_iter();
        match taken.find(|(_, there)| *there != root) {
            Some((name, there)) => Err(PublishError::Taken {
                name: Box::new(name),
                there,
                wanted: root,
            }),
            None => Ok(()),
        }
    }

    /// Brings one blob to every repository.
    pub(crate) fn blob(&self, source: &dyn BlobSource, descriptor: &Descriptor) -> Result<(), PushError> {
        for group in &self.groups {
            group.push.blob(source, descriptor)?;
        }
        Ok(())
    }

    /// Brings all blobs of an image to every repository.
    pub(crate) fn blobs(&self, source: &dyn BlobSource, tree: &ImageNode) -> Result<(), PublishError> {
        let parts = tree.parts();
        let blobs: Vec<&Descriptor> = parts
            .iter()
            .filter(|part| part.bytes.is_none())
            .map(|part| part.descriptor)
            .collect();
        for group in &self.groups {
            group.push.blobs(source, &blobs)?;
        }
        Ok(())
    }

    /// Publishes the documents of a proved image under their digests, in every repository.
    pub(crate) fn documents(&self, proved: &Proved) -> Result<(), PublishError> {
        for group in &self.groups {
            group.push.documents(proved.tree())?;
        }
        Ok(())
    }

    /// Moves all tags, in their order, to an image whose documents are in every repository.
    pub(crate) fn tags(&self, proved: &Proved) -> Result<Vec<(Reference, TagOutcome)>, PublishError> {
        let root = proved.tree().descriptor();
        let bytes = proved.tree().bytes().unwrap_or_default();
        let mut outcomes: Vec<(Reference, TagOutcome)> = Vec::new();
        if self.tagging == Tagging::DigestOnly {
            return Ok(outcomes);
        }
        for (index, name) in self.names.iter().enumerate() {
            let group = self.groups.iter().find(|group| group.has(name));
            let (Some(group), Some(tag)) = (group, name.tag()) else {
                continue;
            };
            match group.push.tag(tag, root, bytes, self.expectation(tag)) {
                Ok(outcome) => outcomes.push((name.clone(), outcome)),
                Err(source) => {
                    return Err(PublishError::Tags {
                        moved: outcomes.into_iter().map(|(name, _)| name).collect(),
                        left: self.names[index..].to_vec(),
                        source,
                    });
                }
            }
        }
        Ok(outcomes)
    }

    /// Returns what a tag may name before it is moved: a version that another push took meanwhile stays with that push.
    fn expectation(&self, tag: &str) -> TagExpectation {
        if self.overwrite == Overwrite::Refuse && is_version(tag) {
            TagExpectation::FreeOrSame
        } else {
            TagExpectation::Anything
        }
    }

    /// Returns the repositories, for people.
    pub(crate) fn places(&self) -> Vec<String> {
        let places: BTreeSet<String> = self.groups.iter().map(|group| place(&group.names[0])).collect();
        places.into_iter().collect()
    }
}

/// Returns the registry and repository of a name, for people.
pub(crate) fn place(name: &Reference) -> String {
    format!("{}/{}", name.registry(), name.repository())
}

/// Why an image is not published, or not under all its names.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// Something did not arrive.
    #[error(transparent)]
    Push(#[from] PushError),
    /// A version names another image.
    #[error("{name} names another image already ({there}); nothing was published")]
    Taken {
        /// The version's name.
        name: Box<Reference>,
        /// What it names.
        there: Digest,
        /// What it should name.
        wanted: Digest,
    },
    /// Some tags moved, others did not.
    #[error("{}", tags_said(moved, left))]
    Tags {
        /// Those that name the image.
        moved: Vec<Reference>,
        /// Those that do not.
        left: Vec<Reference>,
        /// Why.
        source: PushError,
    },
}

fn tags_said(moved: &[Reference], left: &[Reference]) -> String {
    let list = |names: &[Reference]| {
        let names: Vec<String> = names.iter().map(Reference::familiar).collect();
        names.join(", ")
    };
    if moved.is_empty() {
        format!("the image arrived whole, but no tag moved: {}", list(left))
    } else {
        format!(
            "the image arrived whole; {} moved, but not {}",
            list(moved),
            list(left)
        )
    }
}

impl From<RegistryError> for PublishError {
    fn from(error: RegistryError) -> Self {
        Self::Push(error.into())
    }
}

impl PublishError {
    /// Returns the failed transfer behind it.
    pub(crate) fn push(&self) -> Option<&PushError> {
        match self {
            Self::Push(source) | Self::Tags { source, .. } => Some(source),
            Self::Taken { .. } => None,
        }
    }

    /// Returns whether the same command can go on where this one stopped.
    pub(crate) fn can_go_on(&self) -> bool {
        match self {
            Self::Taken { .. }
            | Self::Tags {
                source: PushError::Taken { .. },
                ..
            } => false,
            // Some tags moved and others did not.
            Self::Tags { .. } => true,
            // What is read from another registry may come the next time.
            Self::Push(PushError::Source { source, .. }) => registry_error(source.as_ref()).is_some(),
            Self::Push(error) => error.can_go_on(),
        }
    }

    /// Returns what a person can do about it.
    pub(crate) fn advice(&self) -> Option<String> {
        match self {
            Self::Taken { .. } => Some(
                "publish it as another version, or say --force to take this one from the image that has it"
                    .to_owned(),
            ),
            other => other.push().and_then(PushError::advice),
        }
    }
}
