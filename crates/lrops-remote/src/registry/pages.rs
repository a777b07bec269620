//! Lists that a registry gives page by page.
//!
//! Rules: OCI distribution spec 1.1, "Content Discovery", and RFC 8288 for `Link`. Invariant: whoever decides by a list, such
//! as what to remove, never gets a part of it: it is whole, or an error.

use std::collections::BTreeSet;

use lrops_model::blob::DOCUMENT_SIZE_BYTES_MAX;
use lrops_model::cancel::CancelToken;
use ureq::http::HeaderMap;

use super::attempts::Interruption;
use super::error::{RegistryError, RegistryProblem, Task};
use super::repository::{Question, Repository};
use crate::http::{Address, Method};

/// More pages are not believed in: a registry that repeats itself would have no end.
const PAGES_MAX: usize = 1000;

/// More entries are not kept: no repository that people work with has as many.
const ENTRIES_MAX: usize = 100_000;

/// More bytes of all pages together are not kept.
const PAGES_SIZE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A list to be read.
pub(crate) struct List<'a, T> {
    pub(crate) task: Task,
    /// Where its first page is, below the repository.
    pub(crate) tail: &'a str,
    pub(crate) headers: &'a [(&'static str, String)],
    /// Statuses that mean at the first page that there is nothing to list; 200, when it is no page that can be read.
    pub(crate) nothing: &'a [u16],
    /// Reads the entries of a page; `None` when it is no such page.
    pub(crate) read: fn(&[u8]) -> Option<Vec<T>>,
    /// What an entry is known by, should it come again.
    pub(crate) key: fn(&T) -> String,
}

struct Page<T> {
    entries: Vec<T>,
    size_bytes: u64,
    next: Option<Address>,
}

impl<T> List<'_, T> {
    /// Reads all pages.
    pub(crate) fn read_all(
        &self,
        repository: &Repository,
        cancel: &CancelToken,
    ) -> Result<Vec<T>, RegistryError> {
        let failed = |problem| repository.failed(self.task, 1, problem);
        let (mut entries, mut seen, mut size_bytes) = (Vec::new(), BTreeSet::new(), 0);
        let (mut next, mut asked) = (None, BTreeSet::new());
        for _ in 0..PAGES_MAX {
            let page =
                repository.persist(self.task, cancel, || self.page(repository, next.as_ref(), cancel))?;
            size_bytes += page.size_bytes;
            let (known, is_empty) = (entries.len(), page.entries.is_empty());
            entries.extend(
                page.entries
                    .into_iter()
                    .filter(|entry| seen.insert((self.key)(entry))),
            );
            if entries.len() > ENTRIES_MAX || size_bytes > PAGES_SIZE_BYTES_MAX {
                return Err(failed(RegistryProblem::ListTooLong { limit: ENTRIES_MAX }));
            }
            let Some(address) = page.next else {
                return Ok(entries);
            };
            // A page may be empty where all its entries were hidden or removed; one that only repeats is a circle.
            if !asked.insert(address.target()) || (!is_empty && entries.len() == known) {
                break;
            }
            next = Some(address);
        }
        Err(failed(RegistryProblem::Protocol("the list has no end")))
    }

    /// Reads the page at an address, or the first one.
    fn page(
        &self,
        repository: &Repository,
        address: Option<&Address>,
        cancel: &CancelToken,
    ) -> Result<Page<T>, Interruption> {
        let first = repository.address(self.tail)?;
        let asked = address.unwrap_or(&first);
        let question = Question::at(Method::Get, asked).headers(self.headers);
        let answer = match repository.ask(&question, cancel) {
            Ok(answer) => answer,
            Err(Interruption::Final(problem)) if address.is_none() && self.is_nothing(&problem) => {
                return Ok(Page {
                    entries: Vec::new(),
                    size_bytes: 0,
                    next: None,
                });
            }
            Err(interruption) => return Err(interruption),
        };
        let next = next_page(asked, answer.headers())?;
        let bytes = answer.into_bytes(DOCUMENT_SIZE_BYTES_MAX)?;
        let entries = match (self.read)(&bytes) {
            Some(entries) => entries,
            None if address.is_none() && self.nothing.contains(&200) => Vec::new(),
            None => return Err(RegistryProblem::Protocol("a page of the list cannot be read").into()),
        };
        Ok(Page {
            entries,
            size_bytes: bytes.len() as u64,
            next,
        })
    }

    /// Returns whether the registry itself says that there is no such list.
    fn is_nothing(&self, problem: &RegistryProblem) -> bool {
        match problem {
            RegistryProblem::NotFound { .. } => self.nothing.contains(&404),
            RegistryProblem::Status { status, .. } => self.nothing.contains(status),
            _ => false,
        }
    }
}

/// Returns where the next page is: `Link: </v2/a/tags/list?last=b&n=1>; rel="next"`.
fn next_page(asked: &Address, headers: &HeaderMap) -> Result<Option<Address>, RegistryProblem> {
    for value in headers.get_all("link") {
        let value = String::from_utf8_lossy(value.as_bytes());
        let mut links = value.split('<').filter_map(|link| link.split_once('>'));
        if let Some((target, _)) = links.find(|(_, parameters)| is_next(parameters)) {
            let unusable =
                |_| RegistryProblem::Protocol("the list goes on at an address that cannot be used");
            return asked.linked(target.trim()).map(Some).map_err(unusable);
        }
    }
    Ok(None)
}

/// Returns whether the parameters of a link say that it leads to the next page. There may be several relations.
fn is_next(parameters: &str) -> bool {
    parameters.split([';', ',']).any(|parameter| {
        let (name, relations) = parameter.split_once('=').unwrap_or_default();
        let mut relations = relations.trim().trim_matches('"').split_ascii_whitespace();
        name.trim().eq_ignore_ascii_case("rel")
            && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(links: &[&str], expected: Option<&str>) {
        let asked = Address::parse("https://host/v2/a/tags/list?n=2").unwrap();
        let headers: HeaderMap = links
            .iter()
            .map(|link| ("link".parse().unwrap(), link.parse().unwrap()))
            .collect();
        let next = next_page(&asked, &headers).map(|address| address.map(|address| address.target()));
        assert_eq!(next.unwrap().as_deref(), expected, "{links:?}");
    }

    #[test]
    fn the_next_page_is_where_the_link_says() {
        check(
            &[r#"</v2/a/tags/list?last=x&n=2>; rel="next""#],
            Some("https://host/v2/a/tags/list?last=x&n=2"),
        );
        check(
            &[r"<https://host/v2/a/tags/list?last=x>;rel=next"],
            Some("https://host/v2/a/tags/list?last=x"),
        );
        check(
            &[r#"</first>; rel="first", </second?a=1,2>; title=x; REL = "last next""#],
            Some("https://host/second?a=1,2"),
        );
        check(
            &[r#"</first>; rel="first""#, r#"</second>; rel="next""#],
            Some("https://host/second"),
        );
        check(&[r#"</first>; rel="prev""#], None);
        check(&["nonsense"], None);
        check(&[], None);
    }

    #[test]
    fn a_registry_that_does_not_know_of_its_tls_proxy_is_understood() {
        check(
            &[r#"<http://host:80/v2/a/tags/list?last=x>; rel="next""#],
            Some("https://host/v2/a/tags/list?last=x"),
        );
    }

    #[test]
    fn a_next_page_that_cannot_be_asked_for_is_no_end() {
        let asked = Address::parse("https://host/v2/a/tags/list").unwrap();
        for target in ["http://other/x", "ftp://host/x", "/a b"] {
            let link = format!("<{target}>; rel=next");
            let headers: HeaderMap = [(
                "link".parse().unwrap(),
                ureq::http::HeaderValue::from_bytes(link.as_bytes()).unwrap(),
            )]
            .into_iter()
            .collect();
            assert!(next_page(&asked, &headers).is_err(), "{target}");
        }
    }
}
