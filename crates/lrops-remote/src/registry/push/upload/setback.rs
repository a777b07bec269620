//! What goes wrong in an upload, and how it goes on: with the same session, with a new one, in smaller chunks, in one
//! piece, or not at all.

use super::{BlobUpload, State};
use crate::http::{HttpProblem, is_passing};
use crate::registry::attempts::Interruption;
use crate::registry::error::RegistryProblem;
use crate::registry::push::habits::Way;
use crate::registry::push::session::Session;

/// Smaller chunks are not tried when a registry or a proxy finds one too large: below, the protocol itself costs more.
const CHUNK_SIZE_BYTES_MIN: u64 = 1024 * 1024;

/// How often a session may get lost, or a chunk be refused, without a byte of progress between.
const SETBACKS_MAX: usize = 4;

/// How far the session that there is can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Another process remembered it, and its address was not asked yet.
    Remembered,
    /// The same, and the address could not be reached once.
    Unreachable,
    /// It was opened here, or has answered.
    Working,
}

impl BlobUpload<'_> {
    /// What a refused chunk means.
    pub(super) fn refused_chunk(
        &mut self,
        session: &Session,
        interruption: Interruption,
        length: u64,
    ) -> Result<State, Interruption> {
        self.asks_first = is_connection(&interruption);
        let status = refusal_status(&interruption);
        match status {
            Some(413) => self.shrink(session, interruption, length),
            Some(405 | 415 | 501) if session.offset == 0 => {
                self.push.learn_way(Way::Whole);
                Ok(self.send_whole(session))
            }
            // A token service's words are not about the chunk.
            status if !is_about_session(status) => Err(interruption),
            // It has other bytes than was thought, or does not want to be asked first.
            Some(416 | 417) if self.setbacks == 0 => self.doubt(session, interruption),
            _ if session.offset == 0 && self.setbacks > 0 => Ok(self.send_whole(session)),
            _ => self.lost_or(session, interruption),
        }
    }

    /// What a refused last request means.
    pub(super) fn refused_end(
        &mut self,
        session: &Session,
        interruption: Interruption,
        length: u64,
    ) -> Result<State, Interruption> {
        self.asks_first = is_connection(&interruption) && length > 0;
        let (Interruption::Final(problem) | Interruption::Transient { problem, .. }) = &interruption;
        // Once, something between may have altered the bytes; what is damaged here stays so.
        if is_digest_refusal(problem) && (self.setbacks > 0 || self.is_damaged()) {
            return Err(interruption);
        }
        match refusal_status(&interruption) {
            Some(413) if self.way == Way::Chunks && length > 0 => self.shrink(session, interruption, length),
            Some(417) => self.doubt(session, interruption),
            Some(400 | 404 | 410 | 416) => self.lost_or(session, interruption),
            _ => Err(interruption),
        }
    }

    /// Asks again how much the session has.
    fn doubt(&mut self, session: &Session, interruption: Interruption) -> Result<State, Interruption> {
        self.setback(interruption)?;
        Ok(State::Doubtful(session.clone()))
    }

    /// Goes on with smaller chunks, if there can be any.
    fn shrink(
        &mut self,
        session: &Session,
        interruption: Interruption,
        length: u64,
    ) -> Result<State, Interruption> {
        let smaller = (length / 4).max(CHUNK_SIZE_BYTES_MIN).max(session.chunk_min);
        if smaller >= length {
            return Err(interruption);
        }
        self.chunk_size = smaller;
        self.push.learn_chunk_size(smaller);
        Ok(State::Doubtful(session.clone()))
    }

    pub(super) fn send_whole(&mut self, session: &Session) -> State {
        self.way = Way::Whole;
        self.cancel_session(session);
        State::Begin
    }

    /// Begins anew when a refusal means that the session is gone.
    pub(super) fn lost_or(
        &mut self,
        session: &Session,
        interruption: Interruption,
    ) -> Result<State, Interruption> {
        if !is_about_session(refusal_status(&interruption)) {
            return Err(interruption);
        }
        self.setback(interruption)?;
        self.cancel_session(session);
        Ok(State::Look(None))
    }

    /// Begins anew when a session that another process remembered is of no use: its address may have been signed for some
    /// time only, or belong to a machine that is gone. Otherwise no later push would get past it either.
    pub(super) fn untried_or(
        &mut self,
        session: &Session,
        interruption: Interruption,
    ) -> Result<State, Interruption> {
        if is_connection(&interruption) {
            if self.standing == Standing::Remembered && self.can_wait_for(session) {
                self.standing = Standing::Unreachable;
                return Err(interruption);
            }
            self.setback(interruption)?;
            self.standing = Standing::Working;
            return Ok(State::Look(None));
        }
        if is_dead_end(&interruption) {
            self.setback(interruption)?;
            self.standing = Standing::Working;
            self.cancel_session(session);
            return Ok(State::Look(None));
        }
        self.lost_or(session, interruption)
    }

    /// Returns whether there is another attempt for a session that cannot be reached. Without any, one at the registry's own
    /// address still waits for the next push: the registry has just answered.
    fn can_wait_for(&self, session: &Session) -> bool {
        let repository = &self.push.repository;
        let is_own = || {
            repository
                .address("")
                .is_ok_and(|own| session.location.has_origin_of(&own))
        };
        let retries = &repository.registry().client().settings().retry_waits;
        !retries.is_empty() || is_own()
    }

    pub(super) fn lose(
        &mut self,
        session: &Session,
        problem: RegistryProblem,
    ) -> Result<State, Interruption> {
        self.setback(problem.into())?;
        self.cancel_session(session);
        Ok(State::Look(None))
    }

    /// Counts what went wrong without a byte of progress; too much of it is the end.
    pub(super) fn setback(&mut self, interruption: Interruption) -> Result<(), Interruption> {
        self.setbacks += 1;
        if self.setbacks > SETBACKS_MAX {
            return Err(match interruption {
                Interruption::Final(problem) | Interruption::Transient { problem, .. } => {
                    Interruption::Final(problem)
                }
            });
        }
        Ok(())
    }

    pub(super) fn cancel_session(&self, session: &Session) {
        self.push.give_up(session, self.cancel);
    }
}

/// Returns the status of a registry's refusal; `None` when there was none, or another server's.
fn refusal_status(interruption: &Interruption) -> Option<u16> {
    let (Interruption::Final(problem) | Interruption::Transient { problem, .. }) = interruption;
    match problem {
        RegistryProblem::Token { .. } => None,
        problem => problem.status(),
    }
}

/// Returns whether a failure stays, whoever asks at this address.
fn is_dead_end(interruption: &Interruption) -> bool {
    let (Interruption::Final(problem) | Interruption::Transient { problem, .. }) = interruption;
    match problem {
        RegistryProblem::Http(HttpProblem::Cancelled(_) | HttpProblem::Connection(_)) => false,
        RegistryProblem::Http(_) => true,
        _ => refusal_status(interruption)
            .is_some_and(|status| (400..500).contains(&status) && !is_passing(status)),
    }
}

/// Returns whether a refusal says something of the session: not that of another right, nor one that passes.
fn is_about_session(status: Option<u16>) -> bool {
    status.is_some_and(|status| ![401, 403].contains(&status) && !is_passing(status))
}

fn is_connection(interruption: &Interruption) -> bool {
    let (Interruption::Final(problem) | Interruption::Transient { problem, .. }) = interruption;
    matches!(problem, RegistryProblem::Http(HttpProblem::Connection(_)))
}

pub(super) fn is_digest_refusal(problem: &RegistryProblem) -> bool {
    match problem {
        RegistryProblem::WrongDigest { .. } => true,
        RegistryProblem::Status { status: 400, detail } => detail
            .as_deref()
            .is_some_and(|detail| detail.to_ascii_lowercase().contains("digest")),
        _ => false,
    }
}
