//! Blobs as they are pushed.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lrops_model::digest::Digest;

use super::answer::Answer;
use super::connection::Exchange;
use super::incoming::Incoming;
use super::options::{Chunks, Locations, Mounts, Resumption, SinglePost};
use super::pull::unsupported;
use super::session::{Session, Writer};
use crate::http::encode;

const BUFFER_SIZE_BYTES: usize = 256 * 1024;
/// How long a request to an upload waits for another one whose connection is about to turn out as cut.
const WRITER_WAIT: Duration = Duration::from_millis(500);

/// An answer, or the refusal in its place.
type Answered = Result<Answer, Answer>;

impl Exchange<'_> {
    /// Opens an upload, mounts a blob, or takes a whole one.
    pub(super) fn uploads(&self, repository: &str, incoming: &mut Incoming<'_, '_>) -> io::Result<Answer> {
        if self.request.method != "POST" {
            return Ok(unsupported());
        }
        if let Some(answer) = self.mount(repository) {
            return Ok(answer);
        }
        match self.request.query("digest") {
            Some(digest) if self.registry.options.single_post == SinglePost::Accepted => {
                let Ok(digest) = digest.parse() else {
                    return Ok(invalid_digest());
                };
                let mut bytes = Vec::new();
                incoming.read_to_end(&mut bytes)?;
                Ok(self.keep(repository, digest, bytes))
            }
            _ => {
                incoming.discard_little()?;
                Ok(self.open(repository))
            }
        }
    }

    /// Goes on with an upload, tells how far it is, ends it, or gives it up.
    pub(super) fn upload(
        &self,
        repository: &str,
        id: &str,
        incoming: &mut Incoming<'_, '_>,
    ) -> io::Result<Answer> {
        let answered = match self.request.method.as_str() {
            "GET" => self.status(repository, id),
            "PATCH" => match self.accept_chunk(repository, id, incoming) {
                Ok(writer) => Ok(self.append(id, writer, incoming)?),
                Err(refusal) => Err(refusal),
            },
            "PUT" => match self.accept_end(repository, id, incoming) {
                Ok((writer, digest)) => {
                    self.receive(id, writer, incoming)?;
                    self.finish(repository, id, digest)
                }
                Err(refusal) => Err(refusal),
            },
            "DELETE" => self.cancel(repository, id),
            _ => Err(unsupported()),
        };
        Ok(answered.unwrap_or_else(|refusal| refusal))
    }

    /// Returns a `Location`.
    pub(super) fn location(&self, path: &str) -> String {
        match &self.registry.options.locations {
            Locations::Relative => path.to_owned(),
            Locations::Absolute => {
                let host = self.request.header("host").map(str::to_owned);
                format!(
                    "http://{}{path}",
                    host.unwrap_or_else(|| self.address.to_string())
                )
            }
            Locations::At(address) => format!("{address}{path}"),
        }
    }

    fn mount(&self, repository: &str) -> Option<Answer> {
        let digest: Digest = self.request.query("mount")?.parse().ok()?;
        let from = self.request.query("from")?;
        if self.registry.options.mounts == Mounts::NotOffered {
            return None;
        }
        let mut content = self.registry.content();
        let blob = content.blob(&from, &digest)?;
        content.repository(repository).blobs.insert(digest, blob);
        Some(self.kept(repository, digest))
    }

    fn open(&self, repository: &str) -> Answer {
        let mut content = self.registry.content();
        content.sessions_opened += 1;
        let id = format!("upload-{}", content.sessions_opened);
        let mut session = Session::new(repository);
        let mut answer = self.progress(202, &id, &mut session);
        content.sessions.insert(id, session);
        if let Some(bytes) = self.registry.options.chunk_bytes_min {
            answer = answer.header("OCI-Chunk-Min-Length", bytes);
        }
        answer
    }

    fn status(&self, repository: &str, id: &str) -> Answered {
        self.with_session(repository, id, |session| Ok(self.progress(204, id, session)))
    }

    /// Checks a chunk before its bytes.
    fn accept_chunk(
        &self,
        repository: &str,
        id: &str,
        incoming: &Incoming<'_, '_>,
    ) -> Result<Writer, Answer> {
        if let Chunks::Refused(status) = self.registry.options.chunks {
            return Err(Answer::refusal(status, "UNSUPPORTED", "no chunks here"));
        }
        self.with_session(repository, id, |session| {
            self.check_state(session)?;
            self.check_range(id, session, incoming)?;
            Ok(session.start_writing())
        })
    }

    fn append(&self, id: &str, writer: Writer, incoming: &mut Incoming<'_, '_>) -> io::Result<Answer> {
        let received = self.receive(id, writer, incoming)?;
        let is_short = self
            .registry
            .options
            .chunk_bytes_min
            .is_some_and(|min| received < min);
        let mut content = self.registry.content();
        let session = content.sessions.get_mut(id).ok_or_else(taken_over)?;
        session.has_short_chunk = is_short && self.request.header("content-range").is_some();
        Ok(self.progress(202, id, session))
    }

    /// Checks the last request of an upload before its bytes.
    fn accept_end(
        &self,
        repository: &str,
        id: &str,
        incoming: &Incoming<'_, '_>,
    ) -> Result<(Writer, Digest), Answer> {
        let digest = self
            .request
            .query("digest")
            .and_then(|digest| digest.parse().ok());
        self.with_session(repository, id, |session| {
            self.check_state(session)?;
            if !incoming.is_finished() {
                self.check_range(id, session, incoming)?;
            }
            let digest = digest.ok_or_else(invalid_digest)?;
            Ok((session.start_writing(), digest))
        })
    }

    fn finish(&self, repository: &str, id: &str, digest: Digest) -> Answered {
        let session = self
            .registry
            .content()
            .sessions
            .remove(id)
            .ok_or_else(unknown_upload)?;
        Ok(self.keep(repository, digest, session.bytes))
    }

    fn cancel(&self, repository: &str, id: &str) -> Answered {
        self.with_session(repository, id, |_| Ok(()))?;
        self.registry.content().sessions.remove(id);
        Ok(Answer::empty(204))
    }

    /// Adds the bytes of a request to an upload as they come, and returns how many they were.
    fn receive(&self, id: &str, writer: Writer, incoming: &mut Incoming<'_, '_>) -> io::Result<u64> {
        let mut buffer = vec![0; BUFFER_SIZE_BYTES];
        loop {
            let read = incoming.read(&mut buffer);
            let mut content = self.registry.content();
            let session = content.sessions.get_mut(id).ok_or_else(taken_over)?;
            if !session.is_written_by(writer) {
                return Err(taken_over());
            }
            if let Ok(length @ 1..) = read {
                session.bytes.extend_from_slice(&buffer[..length]);
            } else {
                session.stop_writing();
                return read.map(|_| incoming.received());
            }
        }
    }

    /// Does something with an upload once no other request adds to it, and keeps others from adding more.
    fn with_session<T>(
        &self,
        repository: &str,
        id: &str,
        what: impl FnOnce(&mut Session) -> Result<T, Answer>,
    ) -> Result<T, Answer> {
        let started = Instant::now();
        let mut content = self.registry.content();
        loop {
            let session = content
                .sessions
                .get(id)
                .filter(|session| session.repository == repository);
            if !session.ok_or_else(unknown_upload)?.is_written() || started.elapsed() > WRITER_WAIT {
                break;
            }
            drop(content);
            std::thread::sleep(Duration::from_millis(2));
            content = self.registry.content();
        }
        if self.is_forgotten(&content.sessions[id]) {
            content.sessions.remove(id);
            return Err(Answer::refusal(404, "BLOB_UPLOAD_INVALID", "blob upload invalid"));
        }
        let session = content.sessions.get_mut(id).ok_or_else(unknown_upload)?;
        session.stop_writing();
        what(session)
    }

    /// Returns whether a registry that does not resume has lost an upload of which it has other bytes than it told.
    fn is_forgotten(&self, session: &Session) -> bool {
        let state = self.request.query("_state").unwrap_or_default();
        let is_begun = matches!(self.request.method.as_str(), "GET" | "PATCH" | "PUT");
        self.registry.options.resumption == Resumption::ForgetsOnCut
            && is_begun
            && session.knows(&state)
            && !session.is_at_its_end(&state)
    }

    /// Only the newest `Location` goes on with an upload.
    fn check_state(&self, session: &Session) -> Result<(), Answer> {
        let state = self.request.query("_state").unwrap_or_default();
        if session.is_newest(&state) {
            return Ok(());
        }
        Err(Answer::refusal(
            400,
            "BLOB_UPLOAD_INVALID",
            "the location is not the newest of this upload",
        ))
    }

    /// Chunks come in order, without a gap, and none but the last is too short.
    fn check_range(
        &self,
        id: &str,
        session: &mut Session,
        incoming: &Incoming<'_, '_>,
    ) -> Result<(), Answer> {
        if self.registry.options.chunks == Chunks::RangeIgnored {
            return Ok(());
        }
        let text = match self.request.header("content-range") {
            None if !session.has_short_chunk => return Ok(()),
            text => text.unwrap_or_default(),
        };
        let range = text.split_once('-');
        let range =
            range.and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
        let is_next = range.is_some_and(|(first, last)| {
            let has_its_length = incoming.left_bytes().is_none_or(|left| first + left == last + 1);
            first == session.bytes.len() as u64 && first <= last && has_its_length
        });
        if is_next && !session.has_short_chunk {
            return Ok(());
        }
        Err(self.progress(416, id, session))
    }

    /// Tells how far an upload is.
    fn progress(&self, status: u16, id: &str, session: &mut Session) -> Answer {
        let state = encode(&session.issue(id));
        let path = format!("/v2/{}/blobs/uploads/{id}?_state={state}", session.repository);
        let answer = match status {
            416 => Answer::refusal(416, "RANGE_INVALID", "the chunk is not the next one"),
            _ => Answer::empty(status),
        };
        answer
            .header("Location", self.location(&path))
            .header("Range", session.range())
            .header("Docker-Upload-UUID", id)
    }

    /// Keeps a blob if it has this digest.
    fn keep(&self, repository: &str, digest: Digest, bytes: Vec<u8>) -> Answer {
        if Digest::of(&bytes) != digest {
            return invalid_digest();
        }
        let mut content = self.registry.content();
        content
            .repository(repository)
            .blobs
            .insert(digest, Arc::new(bytes));
        self.kept(repository, digest)
    }

    fn kept(&self, repository: &str, digest: Digest) -> Answer {
        Answer::empty(201)
            .header(
                "Location",
                self.location(&format!("/v2/{repository}/blobs/{digest}")),
            )
            .header("Docker-Content-Digest", digest)
    }
}

fn taken_over() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "another request took the upload over",
    )
}

fn invalid_digest() -> Answer {
    Answer::refusal(
        400,
        "DIGEST_INVALID",
        "provided digest did not match uploaded content",
    )
}

fn unknown_upload() -> Answer {
    Answer::refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
}
