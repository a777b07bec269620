//! The upload of one blob, through every cut.
//!
//! Rules: OCI distribution spec 1.1, "Pushing Blobs". A blob that fits into one chunk goes in one request behind the one
//! that opens the session; a larger one in `PATCH`es, so that after a cut at most one chunk is sent again. After every
//! failure the registry is asked what it has, since an answer may have been lost on its way.

mod content;
mod setback;

use std::cell::Cell;
use std::io::{self, Read};
use std::time::Duration;

use lrops_model::blob::{BlobSource, open_verified};
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::oci::Descriptor;
use lrops_model::upload::{Upload, UploadClaim};

use content::{Content, Sending};
use setback::{Standing, is_digest_refusal};

use super::error::PushError;
use super::event::PushStep;
use super::habits::Way;
use super::session::Session;
use super::{BlobOutcome, Push};
use crate::http::{HttpProblem, Method, PROGRESS_RENEWING_RETRIES_BYTES, RequestBody};
use crate::registry::attempts::{Attempts, Interruption, Retry};
use crate::registry::error::{RegistryError, RegistryProblem, Task};
use crate::registry::repository::Question;

/// A registry that keeps what it got has to hash it and may have to copy it; this is slow for any of them.
const KEEPING_BYTES_PER_SECOND: u64 = 8 * 1024 * 1024;

/// How many repositories a mount is tried from.
const MOUNTS_MAX: usize = 3;

/// A registry that can only not mount is asked for an upload when mounting has failed this often.
const MOUNT_FAILURES_MAX: usize = 2;

/// One blob on its way.
pub(super) struct BlobUpload<'a> {
    push: &'a Push<'a>,
    source: &'a dyn BlobSource,
    content: Content<'a>,
    descriptor: &'a Descriptor,
    cancel: &'a CancelToken,
    claim: Box<dyn UploadClaim + 'a>,
    attempts: Attempts,
    chunk_size: u64,
    way: Way,
    /// The registry is asked whether it wants the body before the body is sent: the last one broke, and a refusal that
    /// comes in the middle of a body is lost with the connection.
    asks_first: bool,
    /// The most that the registry ever had.
    reached: u64,
    /// Where retries were last renewed.
    renewed_at: u64,
    setbacks: usize,
    standing: Standing,
    mount_failures: usize,
    sent: Cell<u64>,
}

/// What is known.
enum State {
    /// Whether the blob is there has to be asked; there may be a session.
    Look(Option<Session>),
    /// The blob is not there and there is no session.
    Begin,
    /// How much the session has must be asked.
    Doubtful(Session),
    /// The session has exactly `offset` bytes.
    Open(Session),
    /// The registry has the blob.
    Done(BlobOutcome),
}

impl<'a> BlobUpload<'a> {
    pub(super) fn new(
        push: &'a Push<'a>,
        source: &'a dyn BlobSource,
        descriptor: &'a Descriptor,
        cancel: &'a CancelToken,
    ) -> Result<Self, PushError> {
        let claim = push.journal.claim(&push.upload_of(descriptor.digest), cancel)?;
        Ok(Self {
            attempts: Attempts::at(&push.repository, cancel),
            chunk_size: push.settings.chunk_size.max(1),
            push,
            source,
            content: Content::new(source, descriptor),
            descriptor,
            cancel,
            claim,
            way: push.habits().way,
            asks_first: false,
            reached: 0,
            renewed_at: 0,
            setbacks: 0,
            standing: Standing::Working,
            mount_failures: 0,
            sent: Cell::new(0),
        })
    }

    /// Makes sure that the registry has the blob.
    pub(super) fn run(mut self) -> Result<BlobOutcome, PushError> {
        let remembered = self.claim.session();
        let remembered = remembered.as_ref().and_then(Session::remembered);
        if remembered.is_some() {
            self.standing = Standing::Remembered;
        }
        let mut state = State::Look(remembered);
        loop {
            state = match state {
                State::Done(outcome) => {
                    self.claim.forget()?;
                    self.push
                        .journal
                        .note(&self.push.upload_of(self.descriptor.digest));
                    // Before the claim ends: whoever waits for it then asks nothing.
                    self.push.there().insert(self.descriptor.digest);
                    return Ok(outcome);
                }
                state => self.step(state)?,
            };
        }
    }

    /// Goes one request further, or waits until the next attempt.
    fn step(&mut self, state: State) -> Result<State, PushError> {
        // What to go on from when this request fails: its answer may be lost, and its work done.
        let session = match &state {
            State::Look(session) => session.clone(),
            State::Doubtful(session) | State::Open(session) => Some(session.clone()),
            State::Begin | State::Done(_) => None,
        };
        let result = match state {
            State::Look(session) => self.look(session),
            State::Begin => self.begin(),
            State::Doubtful(session) => self.ask(session),
            State::Open(session) => self.send(session),
            State::Done(outcome) => Ok(State::Done(outcome)),
        };
        match result {
            Ok(state) => {
                self.keep(&state)?;
                Ok(state)
            }
            Err(interruption) => {
                self.recover(interruption)?;
                Ok(State::Look(session))
            }
        }
    }

    /// Remembers where to go on, or that there is nothing to go on with.
    fn keep(&mut self, state: &State) -> Result<(), PushError> {
        match state {
            State::Open(session) => {
                if session.offset > self.reached {
                    self.reached = session.offset;
                    self.setbacks = 0;
                }
                self.claim.keep(&session.to_remember())?;
            }
            State::Look(None) => self.claim.forget()?,
            State::Look(Some(_)) | State::Begin | State::Doubtful(_) | State::Done(_) => {}
        }
        Ok(())
    }

    /// Waits for the next attempt; gives the error when there is none.
    fn recover(&mut self, interruption: Interruption) -> Result<(), PushError> {
        if self.reached >= self.renewed_at + PROGRESS_RENEWING_RETRIES_BYTES {
            self.renewed_at = self.reached;
            self.attempts.renew();
        }
        let tell = |retry: &Retry<'_>| self.push.tell(self.descriptor, PushStep::Retrying(retry));
        match self.attempts.wait_after_telling(interruption, &tell) {
            Ok(()) => Ok(()),
            Err(RegistryProblem::Http(HttpProblem::ReadBody(source))) => {
                // Reading also ends when the work should.
                self.cancel.check()?;
                Err(PushError::Source {
                    digest: self.descriptor.digest,
                    source: Box::new(source),
                })
            }
            Err(problem) if is_digest_refusal(&problem) => Err(self.wrong_bytes(problem)),
            Err(problem) => Err(self.failed(problem).into()),
        }
    }

    fn failed(&self, problem: RegistryProblem) -> RegistryError {
        RegistryError {
            image: Box::new(self.push.repository.reference().clone()),
            task: Task::Upload,
            attempts: self.attempts.made(),
            problem,
        }
    }

    /// Says who is to blame for bytes with another digest: what was read here, or what lies between.
    fn wrong_bytes(&self, problem: RegistryProblem) -> PushError {
        if self.is_damaged() {
            PushError::Damaged {
                digest: self.descriptor.digest,
            }
        } else {
            self.failed(problem).into()
        }
    }

    /// Returns whether the bytes here are others than the descriptor promises.
    fn is_damaged(&self) -> bool {
        let read = open_verified(self.source, self.descriptor)
            .map(|mut reader| io::copy(&mut reader, &mut io::sink()));
        let wrong = [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof];
        matches!(read, Ok(Err(error)) if wrong.contains(&error.kind()))
    }

    fn look(&mut self, session: Option<Session>) -> Result<State, Interruption> {
        if self.push.has(self.descriptor, self.cancel)? {
            let sent = self.sent.get();
            return Ok(State::Done(if sent > 0 {
                BlobOutcome::Taken { sent }
            } else {
                BlobOutcome::There
            }));
        }
        Ok(session.map_or(State::Begin, State::Doubtful))
    }

    /// Opens a session, or has the registry take the blob from a repository that has it.
    fn begin(&mut self) -> Result<State, Interruption> {
        let mut sources = self.push.sources_of(self.descriptor.digest);
        if self.mount_failures == MOUNT_FAILURES_MAX {
            sources.clear();
        }
        let mut opened = None;
        for from in sources.iter().take(MOUNTS_MAX) {
            if let Some(session) = opened.take() {
                self.cancel_session(&session);
            }
            match self.mount(from) {
                Ok(Some(session)) => opened = Some(session),
                Ok(None) => {
                    return Ok(State::Done(BlobOutcome::Mounted { from: from.clone() }));
                }
                // Who may not read there may still upload here, and so may whoever does not understand the answer.
                Err(Interruption::Final(problem)) if !problem.is_cancelled() => {}
                Err(interruption) => {
                    self.mount_failures += 1;
                    return Err(interruption);
                }
            }
        }
        if let Some(session) = opened {
            return Ok(State::Open(session));
        }
        self.open_session("blobs/uploads/", &[])?
            .map(State::Open)
            .ok_or_else(|| unasked_answer().into())
    }

    fn mount(&self, from: &String) -> Result<Option<Session>, Interruption> {
        let tail = format!("blobs/uploads/?mount={}&from={from}", self.descriptor.digest);
        self.open_session(&tail, std::slice::from_ref(from))
    }

    /// Asks for a session; `None` when the registry has the blob instead.
    fn open_session(&self, tail: &str, sources: &[String]) -> Result<Option<Session>, Interruption> {
        let question = Question::of(Method::Post, tail).reading(sources);
        let answer = self.push.repository.ask(&question, self.cancel)?;
        if answer.status() == 201 {
            self.compare(answer.header("docker-content-digest"))?;
            return Ok(None);
        }
        let asked = self.push.repository.address(tail)?;
        Ok(Some(Session::opened(&asked, answer.headers())?))
    }

    /// Asks how much the session has.
    fn ask(&mut self, session: Session) -> Result<State, Interruption> {
        let question = Question::at(Method::Get, &session.location).in_a_push();
        match self.push.repository.ask(&question, self.cancel) {
            Ok(answer) => {
                self.standing = Standing::Working;
                let session = match session.moved(answer.headers(), 0) {
                    Ok(session) => session,
                    Err(problem) => return self.lose(&session, problem),
                };
                if session.offset > self.descriptor.size {
                    return self.lose(
                        &session,
                        RegistryProblem::Protocol("it has more of the blob than there is"),
                    );
                }
                // It may have one byte or none: both are said with `0-0`. A new session is certain to have none.
                if session.offset == 0 {
                    self.cancel_session(&session);
                    return Ok(State::Begin);
                }
                self.push.tell(
                    self.descriptor,
                    PushStep::Resumed {
                        offset: session.offset,
                    },
                );
                Ok(State::Open(session))
            }
            Err(interruption) if self.standing == Standing::Working => self.lost_or(&session, interruption),
            Err(interruption) => self.untried_or(&session, interruption),
        }
    }

    /// Sends what the session wants next.
    fn send(&mut self, session: Session) -> Result<State, Interruption> {
        let size = self.descriptor.size;
        let chunk_size = self.chunk_size.min(self.push.habits().chunk_size_max);
        let chunk_size = chunk_size.max(session.chunk_min);
        match (session.offset, self.way) {
            (0, Way::Whole) => self.put(&session, 0),
            (0, Way::Chunks) if size <= chunk_size => self.put(&session, 0),
            (offset, _) if offset == size => self.put(&session, offset),
            (_, Way::Whole) => {
                self.cancel_session(&session);
                Ok(State::Begin)
            }
            (_, Way::Chunks) => self.patch(session, chunk_size),
        }
    }

    /// Sends a chunk.
    fn patch(&mut self, session: Session, chunk_size: u64) -> Result<State, Interruption> {
        let start = session.offset;
        let end = self.descriptor.size.min(start.saturating_add(chunk_size));
        let open = || Ok(self.read_from(start));
        let question = self
            .with_body(Question::at(Method::Patch, &session.location), end - start, &open)
            .header("Content-Range", format!("{start}-{}", end - 1));
        match self.push.repository.ask(&question, self.cancel) {
            Ok(answer) => {
                self.asks_first = false;
                let session = session.moved(answer.headers(), end)?;
                if session.offset > start && session.offset <= end {
                    return Ok(State::Open(session));
                }
                if start == 0 && self.setbacks > 0 {
                    return Ok(self.send_whole(&session));
                }
                let problem = "it took a chunk, and says that it has other bytes than it was sent";
                self.lose(&session, RegistryProblem::Protocol(problem))
            }
            Err(interruption) => self.refused_chunk(&session, interruption, end - start),
        }
    }

    /// Sends the last bytes, from an offset on, and has the blob kept.
    fn put(&mut self, session: &Session, offset: u64) -> Result<State, Interruption> {
        let length = self.descriptor.size - offset;
        let location = session
            .location
            .with_parameter("digest", &self.descriptor.digest.to_string());
        let open = || Ok(self.read_from(offset));
        let keeping = Duration::from_secs(self.descriptor.size / KEEPING_BYTES_PER_SECOND);
        let question = self
            .with_body(Question::at(Method::Put, &location), length, &open)
            .patient(keeping);
        match self.push.repository.ask(&question, self.cancel) {
            Ok(answer) => {
                self.compare(answer.header("docker-content-digest"))?;
                if offset == 0 && self.way == Way::Whole {
                    self.push.learn_way(Way::Whole);
                }
                Ok(State::Done(BlobOutcome::Taken {
                    sent: self.sent.get(),
                }))
            }
            Err(interruption) => self.refused_end(session, interruption, length),
        }
    }

    fn with_body<'q>(
        &self,
        question: Question<'q>,
        length: u64,
        open: &'q (dyn Fn() -> io::Result<Box<dyn Read + 'q>> + 'q),
    ) -> Question<'q> {
        let question = question
            .header("Content-Type", "application/octet-stream")
            .body(RequestBody::Stream { length, open });
        if self.asks_first && length > 0 {
            question.header("Expect", "100-continue")
        } else {
            question
        }
    }

    /// Returns what is sent from an offset on.
    fn read_from(&self, offset: u64) -> Box<dyn Read + '_> {
        Box::new(Sending { upload: self, offset })
    }

    fn compare(&self, digest: Option<&str>) -> Result<(), Interruption> {
        compare(digest, self.descriptor.digest)
    }
}

/// Compares a digest in an answer with what was sent. One of another algorithm says nothing.
pub(super) fn compare(answered: Option<&str>, expected: Digest) -> Result<(), Interruption> {
    match answered.and_then(|digest| digest.parse::<Digest>().ok()) {
        Some(found) if found != expected => Err(RegistryProblem::WrongDigest { expected, found }.into()),
        _ => Ok(()),
    }
}

fn unasked_answer() -> RegistryProblem {
    RegistryProblem::Protocol("it says that it made a blob of which it has no byte")
}

impl Push<'_> {
    /// Names a blob's way into this repository.
    pub(super) fn upload_of(&self, digest: Digest) -> Upload {
        let reference = self.repository.reference();
        Upload {
            registry: reference.registry().to_owned(),
            repository: reference.repository().to_owned(),
            digest,
        }
    }
}
