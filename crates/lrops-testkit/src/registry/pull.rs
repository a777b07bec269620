//! Blobs and manifests as they are read.

use std::ops::Range;
use std::sync::Arc;

use lrops_model::digest::Digest;

use super::answer::Answer;
use super::connection::Exchange;
use super::options::Deletion;

impl Exchange<'_> {
    /// Reads or deletes a blob.
    pub(super) fn blob(&self, repository: &str, digest: &str) -> Answer {
        let Ok(digest) = digest.parse::<Digest>() else {
            return Answer::refusal(400, "DIGEST_INVALID", "no sha256 digest");
        };
        let unknown = || Answer::refusal(404, "BLOB_UNKNOWN", "unknown to registry");
        match self.request.method.as_str() {
            "GET" | "HEAD" => {
                let blob = self.registry.content().blob(repository, &digest);
                blob.map_or_else(unknown, |blob| {
                    self.bytes(blob)
                        .header("Content-Type", "application/octet-stream")
                        .header("Docker-Content-Digest", digest)
                })
            }
            "DELETE" if self.registry.options.deletion == Deletion::Nothing => unsupported(),
            "DELETE" => {
                let mut content = self.registry.content();
                match content.repository(repository).blobs.remove(&digest) {
                    Some(_) => Answer::empty(202),
                    None => unknown(),
                }
            }
            _ => unsupported(),
        }
    }

    /// The whole, or the range that was asked for.
    fn bytes(&self, bytes: Arc<Vec<u8>>) -> Answer {
        let length = bytes.len();
        let range = self
            .request
            .header("range")
            .filter(|_| self.request.method == "GET")
            .and_then(parse_range);
        let Some(range) = range else {
            return Answer::with_body(200, bytes).header("Accept-Ranges", "bytes");
        };
        if range.start >= length {
            return Answer::refusal(416, "RANGE_INVALID", "out of range")
                .header("Content-Range", format!("bytes */{length}"));
        }
        let range = range.start..range.end.min(length);
        let mut answer = Answer::with_body(206, bytes).header(
            "Content-Range",
            format!("bytes {}-{}/{length}", range.start, range.end - 1),
        );
        answer.range = range;
        answer
    }
}

/// Returns the answer to what is not done here.
pub(super) fn unsupported() -> Answer {
    Answer::refusal(405, "UNSUPPORTED", "the operation is unsupported")
}

/// Parses `bytes=N-` and `bytes=N-M`; any other range may be ignored.
fn parse_range(text: &str) -> Option<Range<usize>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let end = if last.is_empty() {
        usize::MAX
    } else {
        last.parse::<usize>().ok()?.checked_add(1)?
    };
    (first < end).then_some(first..end)
}
