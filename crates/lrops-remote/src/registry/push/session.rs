//! An upload session: where the registry wants the next bytes, and how many it has.
//!
//! Rules: OCI distribution spec 1.1, "Pushing a blob in chunks". A registry may name another location with every answer,
//! absolute or relative, and the last one counts.

use lrops_model::upload::UploadSession;
use ureq::http::HeaderMap;

use crate::http::Address;
use crate::registry::error::RegistryProblem;

/// An open session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) location: Address,
    /// How many bytes the registry has.
    pub(super) offset: u64,
    /// The registry takes no smaller chunk but as the last (`OCI-Chunk-Min-Length`).
    pub(super) chunk_min: u64,
}

impl Session {
    /// Returns the session that an answer to a request for `asked` opened.
    pub(super) fn opened(asked: &Address, headers: &HeaderMap) -> Result<Self, RegistryProblem> {
        let missing = RegistryProblem::Protocol("it opened an upload without saying where");
        Ok(Self {
            location: location(asked, headers)?.ok_or(missing)?,
            offset: 0,
            chunk_min: text(headers, "oci-chunk-min-length")
                .and_then(|length| length.trim().parse().ok())
                .unwrap_or(0),
        })
    }

    /// Returns the session that another process remembered.
    pub(super) fn remembered(session: &UploadSession) -> Option<Self> {
        Some(Self {
            location: Address::parse(&session.location).ok()?,
            offset: session.offset,
            chunk_min: session.chunk_min,
        })
    }

    pub(super) fn to_remember(&self) -> UploadSession {
        UploadSession {
            location: self.location.target(),
            offset: self.offset,
            chunk_min: self.chunk_min,
        }
    }

    /// Returns the session after an answer that may name another location and another range.
    pub(super) fn moved(&self, headers: &HeaderMap, offset_otherwise: u64) -> Result<Self, RegistryProblem> {
        Ok(Self {
            location: location(&self.location, headers)?.unwrap_or_else(|| self.location.clone()),
            offset: range_length(headers).unwrap_or(offset_otherwise),
            chunk_min: self.chunk_min,
        })
    }
}

/// Returns where the answer's `Location` points, seen from the address that was asked.
fn location(asked: &Address, headers: &HeaderMap) -> Result<Option<Address>, RegistryProblem> {
    let Some(location) = text(headers, "location") else {
        return Ok(None);
    };
    let unusable = |_| RegistryProblem::Protocol("the upload location that it names cannot be used");
    asked.linked(location).map(Some).map_err(unusable)
}

/// Returns how many bytes a `Range: 0-1023` says are there.
///
/// `0-0` means one byte, and is also what registries say of none: what can be sent again safely is taken.
fn range_length(headers: &HeaderMap) -> Option<u64> {
    let range = text(headers, "range")?.trim();
    let range = range.strip_prefix("bytes=").unwrap_or(range);
    let (start, end) = range.split_once('-')?;
    if start.trim() != "0" {
        return None;
    }
    match end.trim().parse::<u64>().ok()? {
        0 => Some(0),
        end => end.checked_add(1),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[track_caller]
    fn check_location(asked: &str, location: &str, expected: Option<&str>) {
        let asked = Address::parse(asked).unwrap();
        let found = Session::opened(&asked, &headers(&[("location", location)]));
        assert_eq!(
            found.ok().map(|session| session.location.target()).as_deref(),
            expected,
            "{location}"
        );
    }

    #[test]
    fn a_location_is_seen_from_what_was_asked() {
        let asked = "https://host:5000/v2/a/blobs/uploads/";
        check_location(asked, "/v2/a/x?s=1", Some("https://host:5000/v2/a/x?s=1"));
        check_location(asked, "x", Some("https://host:5000/v2/a/blobs/uploads/x"));
        check_location(
            asked,
            "https://store.example/x?sig=1",
            Some("https://store.example/x?sig=1"),
        );
        check_location(asked, "ftp://host/x", None);
    }

    #[test]
    fn a_registry_that_does_not_know_of_its_tls_proxy_is_understood() {
        let asked = "https://host/v2/a/blobs/uploads/";
        check_location(asked, "http://host/v2/x", Some("https://host/v2/x"));
        check_location(asked, "http://host:80/v2/x", Some("https://host/v2/x"));
        check_location(
            "https://host:5000/v2/",
            "http://host/v2/x",
            Some("https://host:5000/v2/x"),
        );
        check_location(asked, "http://other/v2/x", None);
    }

    #[test]
    fn a_range_says_how_much_is_there() {
        let check = |range: &str, expected: Option<u64>| {
            assert_eq!(range_length(&headers(&[("range", range)])), expected, "{range}");
        };
        check("0-1023", Some(1024));
        check("bytes=0-1023", Some(1024));
        check("0-0", Some(0));
        check("5-9", None);
        check("0-", None);
        check("0-18446744073709551615", None);
        assert_eq!(range_length(&headers(&[])), None);
    }

    #[test]
    fn the_smallest_chunk_is_remembered_through_a_session() {
        let asked = Address::parse("http://host/v2/").unwrap();
        let session = Session::opened(
            &asked,
            &headers(&[("location", "/x"), ("oci-chunk-min-length", "5000000")]),
        );
        let moved = session
            .unwrap()
            .moved(&headers(&[("location", "/y"), ("range", "0-9")]), 0)
            .unwrap();
        assert_eq!((moved.chunk_min, moved.offset), (5_000_000, 10));
        assert!(Session::opened(&asked, &headers(&[])).is_err());
    }

    #[test]
    fn a_session_that_is_written_down_does_not_show_what_lets_one_write() {
        let asked = Address::parse("http://user:secret@host/v2/").unwrap();
        let session = Session::opened(&asked, &headers(&[("location", "/x?_state=secret")]));
        let text = format!("{:?}", session.unwrap());
        assert!(text.contains("host/x") && !text.contains("secret"), "{text}");
    }
}
