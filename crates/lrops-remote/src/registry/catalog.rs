//! What a repository lists, and what is removed from it.
//!
//! Rules: OCI distribution spec 1.1, "Content Discovery" and "Content Management".

use std::collections::BTreeSet;

use lrops_model::blob::DOCUMENT_SIZE_BYTES_MAX;
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::oci::{Descriptor, Index, MediaType};
use lrops_model::reference::Reference;
use serde::Deserialize;
use ureq::http::HeaderMap;

use super::attempts::Interruption;
use super::client::Registry;
use super::error::{RegistryError, RegistryProblem, Task};
use super::repository::{Question, Repository};
use crate::http::{Address, Method};

/// How many tags are asked for at a time; a registry gives fewer when it likes.
const TAGS_A_PAGE: usize = 1000;

/// More pages are not believed in: a registry that repeats itself would have no end.
const PAGES_MAX: usize = 1000;

impl Registry {
    /// Returns all tags of a repository, as the registry sorts them; none where there is no such repository.
    ///
    /// # Errors
    /// When the registry refuses, or cannot be reached.
    pub fn tags(&self, repository: &Reference, cancel: &CancelToken) -> Result<Vec<String>, RegistryError> {
        let repository = Repository::new(self, repository);
        let (mut tags, mut seen) = (Vec::new(), BTreeSet::new());
        let mut next = Some(None);
        for _ in 0..PAGES_MAX {
            let Some(address) = next else { break };
            let page = repository.persist(Task::ListTags, cancel, &|_| {}, || {
                tags_page(&repository, address.as_ref(), cancel)
            })?;
            let known = tags.len();
            tags.extend(page.tags.into_iter().filter(|tag| seen.insert(tag.clone())));
            next = page.next.map(Some);
            if tags.len() == known {
                break;
            }
        }
        // Who decides by a list, such as what to remove, must not get a part of it.
        if next.is_some() {
            return repository.persist(Task::ListTags, cancel, &|_| {}, || {
                Err(RegistryProblem::Protocol("its list of tags has no end").into())
            });
        }
        Ok(tags)
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
        repository.persist(Task::Look, cancel, &|_| {}, || {
            repository.digest_of(&tail, cancel)
        })
    }

    /// Removes what a reference names: by a tag only the tag, by a digest the manifest with all its tags.
    ///
    /// # Errors
    /// When the registry has no such thing, refuses, or cannot remove by a tag ([`RegistryError::cannot_delete`]).
    pub fn delete(&self, reference: &Reference, cancel: &CancelToken) -> Result<(), RegistryError> {
        let repository = Repository::new(self, reference);
        let tail = manifest_tail(reference);
        let mut tried = false;
        repository.persist(Task::Delete, cancel, &|_| {}, || {
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
    /// When the registry refuses, or cannot be reached.
    pub fn referrers(
        &self,
        repository: &Reference,
        subject: Digest,
        cancel: &CancelToken,
    ) -> Result<Vec<Descriptor>, RegistryError> {
        let repository = Repository::new(self, repository);
        let tail = format!("referrers/{subject}");
        repository.persist(Task::Look, cancel, &|_| {}, || {
            let question =
                Question::of(Method::Get, &tail).header("Accept", MediaType::OCI_INDEX.to_string());
            match repository.ask(&question, cancel) {
                Ok(answer) => {
                    let bytes = answer.into_bytes(DOCUMENT_SIZE_BYTES_MAX)?;
                    Ok(serde_json::from_slice::<Index>(&bytes)
                        .map_or_else(|_| Vec::new(), |index| index.manifests))
                }
                // A registry without the referrers API answers that there is no such page, or no such method.
                Err(Interruption::Final(problem)) if matches!(problem.status(), Some(400 | 404 | 405)) => {
                    Ok(Vec::new())
                }
                Err(interruption) => Err(interruption),
            }
        })
    }
}

impl RegistryError {
    /// Returns whether the registry says that it does not remove such a thing this way.
    pub fn cannot_delete(&self) -> bool {
        self.task == Task::Delete && matches!(self.problem.status(), Some(400 | 404 | 405 | 501))
    }
}

fn manifest_tail(reference: &Reference) -> String {
    match (reference.digest(), reference.tag_or_latest()) {
        (Some(digest), _) => format!("manifests/{digest}"),
        (None, tag) => format!("manifests/{}", tag.unwrap_or("latest")),
    }
}

struct TagsPage {
    tags: Vec<String>,
    next: Option<Address>,
}

fn tags_page(
    repository: &Repository,
    address: Option<&Address>,
    cancel: &CancelToken,
) -> Result<TagsPage, Interruption> {
    #[derive(Deserialize)]
    struct List {
        /// Some registries say `null` where there is no tag.
        #[serde(default)]
        tags: Option<Vec<String>>,
    }
    let first = repository.address(&format!("tags/list?n={TAGS_A_PAGE}"))?;
    let asked = address.unwrap_or(&first);
    let answer = match repository.ask(&Question::at(Method::Get, asked), cancel) {
        Ok(answer) => answer,
        Err(Interruption::Final(RegistryProblem::NotFound { .. })) => {
            return Ok(TagsPage {
                tags: Vec::new(),
                next: None,
            });
        }
        Err(interruption) => return Err(interruption),
    };
    let next = next_page(asked, answer.headers());
    let bytes = answer.into_bytes(DOCUMENT_SIZE_BYTES_MAX)?;
    let list: List = serde_json::from_slice(&bytes)
        .map_err(|_| RegistryProblem::Protocol("its list of tags cannot be read"))?;
    let tags = list.tags.unwrap_or_default();
    // An empty page has nothing behind it, whatever its header says.
    let next = next.filter(|_| !tags.is_empty());
    Ok(TagsPage { tags, next })
}

/// Returns where the next page is: `Link: </v2/a/tags/list?last=b&n=1>; rel="next"` (RFC 8288).
fn next_page(asked: &Address, headers: &HeaderMap) -> Option<Address> {
    let link = headers.get("link")?.to_str().ok()?;
    link.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|parameter| {
            let relation = parameter.trim().strip_prefix("rel=");
            relation.is_some_and(|relation| relation.trim_matches('"').eq_ignore_ascii_case("next"))
        });
        if is_next {
            asked.redirected(target).ok()
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(link: &str, expected: Option<&str>) {
        let asked = Address::parse("https://host/v2/a/tags/list?n=2").unwrap();
        let headers: HeaderMap = [("link".parse().unwrap(), link.parse().unwrap())]
            .into_iter()
            .collect();
        let next = next_page(&asked, &headers).map(|address| address.target());
        assert_eq!(next.as_deref(), expected, "{link}");
    }

    #[test]
    fn the_next_page_is_where_the_link_says() {
        check(
            r#"</v2/a/tags/list?last=x&n=2>; rel="next""#,
            Some("https://host/v2/a/tags/list?last=x&n=2"),
        );
        check(
            r"<https://host/v2/a/tags/list?last=x>;rel=next",
            Some("https://host/v2/a/tags/list?last=x"),
        );
        check(
            r#"</first>; rel="first", </second>; rel="next""#,
            Some("https://host/second"),
        );
        check(r#"</first>; rel="prev""#, None);
        check("nonsense", None);
    }
}
