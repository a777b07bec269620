//! A blob's bytes as they arrive, over as many connections as it takes.

use std::collections::VecDeque;
use std::io::{self, Read};

use lrops_model::cancel::CancelToken;
use lrops_model::digest::{Digest, DigestHasher};
use lrops_model::oci::Descriptor;
use ureq::BodyReader;

use super::attempts::{Attempts, Interruption};
use super::error::{RegistryError, RegistryProblem, Task};
use super::image::place;
use super::mirror::PassedMirrors;
use super::repository::{Question, Repository};
use crate::http::{HttpProblem, Method, PROGRESS_RENEWING_RETRIES_BYTES, range_start};

/// Bytes read over at a time, when a registry sends from the beginning again.
const SKIP_SIZE_BYTES: usize = 64 * 1024;

/// Reads exactly as many bytes as the descriptor says. Whether they are the right ones is the consumer's to verify.
pub(crate) struct BlobReader {
    repository: Repository,
    /// Where else the blob may be, when the repository fails.
    others: VecDeque<Repository>,
    passed: PassedMirrors,
    digest: Digest,
    /// What came until now. A mirror that sent something else is not asked again.
    came: Option<(DigestHasher, Vec<String>)>,
    tail: String,
    headers: Vec<(&'static str, String)>,
    size: u64,
    cancel: CancelToken,
    attempts: Attempts,
    /// The next byte to give.
    position: u64,
    /// Where retries were last renewed.
    renewed_at: u64,
    ranges: Ranges,
    body: Option<BodyReader<'static>>,
}

/// Whether the registry is asked for the end of a blob when its beginning is here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ranges {
    Asked,
    Refused,
}

impl BlobReader {
    /// Returns a reader, from an offset in bytes on, from the first of the sources that has the blob. The last one is the
    /// registry itself.
    pub(crate) fn new(
        sources: Vec<Repository>,
        descriptor: &Descriptor,
        offset: u64,
        cancel: &CancelToken,
    ) -> Self {
        let (tail, headers) = place(descriptor);
        let mut others = VecDeque::from(sources);
        let repository = others
            .pop_front()
            .expect("the registry itself is always a source");
        Self {
            attempts: Attempts::at(&repository, cancel),
            // From the middle on there is nothing to compare; whoever has the beginning does.
            came: repository
                .mirror()
                .filter(|_| offset == 0)
                .map(|_| (DigestHasher::new(), Vec::new())),
            repository,
            others,
            passed: PassedMirrors::default(),
            digest: descriptor.digest,
            tail,
            headers,
            size: descriptor.size,
            cancel: cancel.clone(),
            position: offset,
            renewed_at: offset,
            ranges: Ranges::Asked,
            body: None,
        }
    }

    /// Returns whether it is a mirror that is read.
    pub(crate) fn reads_mirror(&self) -> bool {
        self.repository.mirror().is_some()
    }

    /// Asks for the blob, so that a missing one is known before the first byte is wanted.
    pub(crate) fn connect(&mut self) -> Result<(), RegistryError> {
        // Behind the last byte there is nothing to ask for.
        while self.position < self.size || self.size == 0 {
            match self.request() {
                Ok(()) => break,
                Err(interruption) => self.recover(interruption)?,
            }
        }
        Ok(())
    }

    fn recover(&mut self, interruption: Interruption) -> Result<(), RegistryError> {
        self.body = None;
        if self.position >= self.renewed_at + PROGRESS_RENEWING_RETRIES_BYTES {
            self.renewed_at = self.position;
            self.attempts.renew();
        }
        let Err(problem) = self.attempts.wait_after(interruption) else {
            return Ok(());
        };
        if !problem.is_cancelled()
            && let Some(next) = self.others.pop_front()
        {
            // Content is named by its digest: the next place goes on where this one stopped.
            self.passed.add(&self.repository, &problem);
            self.attempts = Attempts::at(&next, &self.cancel);
            self.repository = next;
            self.ranges = Ranges::Asked;
            return Ok(());
        }
        Err(RegistryError {
            image: Box::new(self.repository.reference().clone()),
            task: Task::Read,
            attempts: self.attempts.made(),
            problem: std::mem::take(&mut self.passed).before(&self.repository, problem),
        })
    }

    /// Notes what is given, and at the end whether mirrors sent what was promised. The consumer verifies all again.
    fn note(&mut self, given: &[u8]) {
        let Some((hasher, mirrors)) = &mut self.came else {
            return;
        };
        hasher.update(given);
        if let Some(mirror) = self.repository.mirror()
            && mirrors.last().is_none_or(|last| last != mirror)
        {
            mirrors.push(mirror.to_owned());
        }
        if self.position == self.size
            && let Some((hasher, mirrors)) = self.came.take()
            && hasher.finish() != self.digest
        {
            for mirror in &mirrors {
                self.repository.registry().useless_mirrors().add(mirror);
            }
        }
    }

    /// Makes a connection whose next byte is the one at `position`.
    fn request(&mut self) -> Result<(), Interruption> {
        let mut headers = self.headers.clone();
        // Content is named by its digest, so the rest is the rest of the same: no validator is needed.
        if self.position > 0 && self.ranges == Ranges::Asked {
            headers.push(("Range", format!("bytes={}-", self.position)));
        }
        let question = Question::of(Method::Get, &self.tail).headers(&headers);
        let answer = self.repository.ask(&question, &self.cancel).inspect_err(|interruption| {
            if matches!(interruption, Interruption::Transient { problem, .. } if problem.status() == Some(416)) {
                self.ranges = Ranges::Refused;
            }
        })?;
        let start = match answer.status() {
            206 if range_start(answer.headers()) == Some(self.position) => self.position,
            206 => {
                self.ranges = Ranges::Refused;
                let problem = RegistryProblem::Status {
                    status: 206,
                    detail: None,
                };
                return Err(Interruption::passing(problem));
            }
            _ => 0,
        };
        let length = answer
            .header("content-length")
            .and_then(|length| length.parse::<u64>().ok());
        if let Some(found) = length
            .map(|length| start.saturating_add(length))
            .filter(|found| *found != self.size)
        {
            return Err(RegistryProblem::WrongLength {
                expected: self.size,
                found,
            }
            .into());
        }
        let mut body = answer.into_reader();
        self.skip(&mut body, self.position - start)?;
        self.body = Some(body);
        Ok(())
    }

    fn skip(&self, body: &mut impl Read, mut left: u64) -> Result<(), Interruption> {
        let mut buffer = vec![0; if left == 0 { 0 } else { SKIP_SIZE_BYTES }];
        while left > 0 {
            self.cancel.check().map_err(HttpProblem::from)?;
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            left -= read_some(body, &mut buffer[..want])? as u64;
        }
        Ok(())
    }

    fn give(&mut self, buffer: &mut [u8]) -> Result<usize, Interruption> {
        if self.body.is_none() {
            self.request()?;
        }
        let want = usize::try_from(self.size - self.position)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(body) = self.body.as_mut() else {
            return Ok(0);
        };
        read_some(body, &mut buffer[..want])
    }

    /// Reads the answer's end, which frees the connection for another request, and notices a longer blob.
    fn end(&mut self) -> io::Result<usize> {
        let Some(mut body) = self.body.take() else {
            return Ok(0);
        };
        match body.read(&mut [0]) {
            Ok(1..) => {
                let problem = RegistryProblem::WrongLength {
                    expected: self.size,
                    found: self.size + 1,
                };
                Err(io::Error::new(io::ErrorKind::InvalidData, problem))
            }
            Ok(0) | Err(_) => Ok(0),
        }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.position == self.size {
            // Of an empty blob nothing was given before its end.
            self.note(&[]);
            return self.end();
        }
        loop {
            self.cancel.check().map_err(io::Error::other)?;
            match self.give(buffer) {
                Ok(read) => {
                    self.position += read as u64;
                    self.note(&buffer[..read]);
                    return Ok(read);
                }
                Err(interruption) => self.recover(interruption).map_err(io::Error::other)?,
            }
        }
    }
}

/// Reads at least a byte; the end comes too early here.
fn read_some(body: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Interruption> {
    loop {
        let cause = match body.read(buffer) {
            Ok(0) => io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection ended before the blob did",
            ),
            Ok(read) => return Ok(read),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => cause,
        };
        return Err(HttpProblem::Connection(cause).into());
    }
}
