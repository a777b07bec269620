//! What a repository lists, and what is removed from it.
//!
//! Rules: OCI distribution spec 1.1, "Content Discovery" and "Content Management".

use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::oci::{Descriptor, Index, MediaType};
use lrops_model::reference::Reference;
use serde::Deserialize;

use super::attempts::Interruption;
use super::client::Registry;
use super::error::{RegistryError, RegistryProblem, Task};
use super::pages::List;
use super::repository::{Question, Repository, manifest_tail};
use crate::http::Method;

/// How many tags are asked for at a time; a registry gives fewer when it likes.
const TAGS_A_PAGE: usize = 1000;

impl Registry {
    /// Returns all tags of a repository, as the registry sorts them; none where there is no such repository.
    ///
    /// # Errors
    /// When the registry refuses, cannot be reached, or lists without an end: there is no part of a list.
    pub fn tags(&self, repository: &Reference, cancel: &CancelToken) -> Result<Vec<String>, RegistryError> {
        let list = List {
            task: Task::ListTags,
            tail: &format!("tags/list?n={TAGS_A_PAGE}"),
            headers: &[],
            nothing: &[404],
            read: tags_of,
            key: String::clone,
        };
        list.read_all(&Repository::new(self, repository), cancel)
    }

    /// Returns the digest of what a reference names now, if there is such a thing.
    ///
    /// # Errors
    /// When the registry does not say.
    pub fn digest_of(
        &self,
        reference: &Reference,
        cancel: &CancelToken,
    ) -> Result<Option<Digest>, RegistryError> {
        let repository = Repository::new(self, reference);
        let tail = manifest_tail(reference);
        repository.persist(Task::Look, cancel, || repository.digest_of(&tail, cancel))
    }

    /// Removes what a reference names: by a tag only the tag, by a digest the manifest with all its tags.
    ///
    /// # Errors
    /// When the registry has no such thing, refuses, or cannot remove by a tag ([`RegistryError::cannot_delete`]).
    pub fn delete(&self, reference: &Reference, cancel: &CancelToken) -> Result<(), RegistryError> {
        let repository = Repository::new(self, reference);
        let tail = manifest_tail(reference);
        let mut tried = false;
        repository.persist(Task::Delete, cancel, || {
            let result = repository.ask(&Question::of(Method::Delete, &tail), cancel);
            // An earlier attempt may have done it, and its answer got lost.
            let again = std::mem::replace(&mut tried, true);
            match result {
                Err(Interruption::Final(RegistryProblem::NotFound { .. })) if again => Ok(()),
                result => result.map(drop),
            }
        })
    }

    /// Returns what refers to a manifest, such as signatures; nothing from a registry that does not know.
    ///
    /// # Errors
    /// When the registry refuses, cannot be reached, or lists without an end.
    pub fn referrers(
        &self,
        repository: &Reference,
        subject: Digest,
        cancel: &CancelToken,
    ) -> Result<Vec<Descriptor>, RegistryError> {
        let list = List {
            task: Task::Look,
            tail: &format!("referrers/{subject}"),
            headers: &[("Accept", MediaType::OCI_INDEX.to_string())],
            // A registry without the referrers API answers that there is no such page, or no such method, or with a page
            // for people.
            nothing: &[200, 400, 404, 405],
            read: referrers_of,
            key: |referrer| referrer.digest.to_string(),
        };
        list.read_all(&Repository::new(self, repository), cancel)
    }
}

impl RegistryError {
    /// Returns whether the registry says that it does not remove such a thing this way.
    pub fn cannot_delete(&self) -> bool {
        self.task == Task::Delete && matches!(self.problem.status(), Some(400 | 404 | 405 | 501))
    }
}

fn tags_of(page: &[u8]) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Tags {
        /// Some registries say `null` where there is no tag.
        #[serde(default)]
        tags: Option<Vec<String>>,
    }
    let page: Tags = serde_json::from_slice(page).ok()?;
    Some(page.tags.unwrap_or_default())
}

fn referrers_of(page: &[u8]) -> Option<Vec<Descriptor>> {
    let page: Index = serde_json::from_slice(page).ok()?;
    Some(page.manifests)
}
