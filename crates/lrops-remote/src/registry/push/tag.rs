//! Tags: the last step of a push, and the only one that changes what others get.

use std::cell::Cell;

use lrops_model::digest::Digest;
use lrops_model::oci::Descriptor;

use super::{Push, PushError};
use crate::registry::attempts::Interruption;
use crate::registry::error::{RegistryError, RegistryProblem, Task};

/// What a tag may name before it is given to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagExpectation {
    /// Anything: the tag is taken from another image.
    Anything,
    /// Nothing, or the same image.
    FreeOrSame,
}

/// What giving a tag came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagOutcome {
    /// The tag named this image already.
    Already,
    /// It names it now.
    Moved,
}

/// What came of an attempt to give a tag.
enum Given {
    Before,
    Now,
    /// Another image has the tag, and may keep it.
    NotTakenFrom(Digest),
}

impl Push<'_> {
    /// Returns what a tag names, if there is such a tag.
    ///
    /// # Errors
    /// When the registry does not say.
    pub fn tagged(&self, tag: &str) -> Result<Option<Digest>, RegistryError> {
        self.repository
            .persist(Task::Look, &self.cancel, || self.named(tag))
    }

    /// Gives a tag to an image whose parts are all there, and makes sure that it names it. Registries cannot do this only if
    /// the tag names what is expected, so that is looked at in the last moment.
    ///
    /// # Errors
    /// When the registry refuses, when the tag names what it must not be taken from ([`PushError::Taken`]), and when it
    /// names something else afterwards.
    pub fn tag(
        &self,
        tag: &str,
        root: &Descriptor,
        bytes: &[u8],
        expected: TagExpectation,
    ) -> Result<TagOutcome, PushError> {
        let is_sent = Cell::new(false);
        let given = self.persist(root, Task::Tag, || {
            match self.named(tag)? {
                // An earlier attempt may have done it, and its answer got lost.
                Some(there) if there == root.digest && is_sent.get() => return Ok(Given::Now),
                Some(there) if there == root.digest => return Ok(Given::Before),
                Some(there) if expected == TagExpectation::FreeOrSame => {
                    return Ok(Given::NotTakenFrom(there));
                }
                Some(_) | None => is_sent.set(true),
            }
            self.put(&format!("manifests/{tag}"), root, bytes)?;
            Ok(Given::Now)
        })?;
        match given {
            Given::Before => return Ok(TagOutcome::Already),
            Given::NotTakenFrom(there) => {
                let tag = tag.to_owned();
                return Err(PushError::Taken { tag, there });
            }
            Given::Now => {}
        }
        self.persist(root, Task::Tag, || match self.named(tag)? {
            Some(found) if found == root.digest => Ok(()),
            // Of a registry of several machines, the one that is asked may not know yet what another has just taken.
            Some(found) => Err(Interruption::passing(RegistryProblem::TagMoved {
                tag: tag.to_owned(),
                found,
            })),
            None => Err(Interruption::passing(RegistryProblem::Protocol(
                "it took a tag, and does not know it",
            ))),
        })?;
        Ok(TagOutcome::Moved)
    }

    fn named(&self, tag: &str) -> Result<Option<Digest>, Interruption> {
        self.repository
            .digest_of(&format!("manifests/{tag}"), &self.cancel)
    }
}
