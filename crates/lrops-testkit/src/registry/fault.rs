//! Misbehaviours, and which requests get them.

use std::time::Duration;

/// A misbehaviour.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection ends after so many bytes of the answer's body, which had its whole length announced.
    CutAfter(usize),
    /// The request is read, and the answer is this instead of doing it.
    Answer {
        /// The HTTP status.
        status: u16,
        /// Headers besides the length.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// The same, but the request's body is not read, and the connection ends behind the answer.
    AnswerWithoutReading {
        /// The HTTP status.
        status: u16,
        /// Headers besides the length.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// The answer's body is other bytes; headers are those of the right ones, but for the length.
    OtherBytes(Vec<u8>),
    /// The request is redirected to the same path below this address, such as `http://127.0.0.1:1`.
    RedirectTo(String),
    /// A `Range` header is not looked at.
    IgnoreRange,
    /// The token is not accepted, as if all had been withdrawn.
    ForgetTokens,
    /// The connection is reset once so many bytes of the request's body were taken.
    CutRequestAfter(u64),
    /// Nothing is read or sent for so long; then the connection is reset.
    Stall(Duration),
    /// Both bodies go in pieces of so many bytes, with a wait before each.
    Slow {
        /// The length of a piece.
        bytes: usize,
        /// The wait.
        every: Duration,
    },
    /// The request is carried out, and the connection is reset before the answer.
    DropAnswer,
    /// `Docker-Content-Digest` is the digest of something else.
    WrongDigestHeader,
    /// The request is read, and answered with status 500: `no space left on device`.
    DiskFull,
}

/// Faults that wait for their requests.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<PlannedFault>);

#[derive(Debug)]
struct PlannedFault {
    method: Option<String>,
    part: String,
    left: usize,
    fault: Fault,
}

impl Faults {
    /// Plans a fault for the next `times` requests with a method, when one is given, and a part of the target.
    pub(super) fn plan(&mut self, times: usize, method: Option<&str>, part: &str, fault: Fault) {
        self.0.push(PlannedFault {
            method: method.map(str::to_owned),
            part: part.to_owned(),
            left: times,
            fault,
        });
    }

    /// Takes the first fault that is meant for a request.
    pub(super) fn take(
        &mut self,
        method: &str,
        target: &str,
        wanted: impl Fn(&Fault) -> bool,
    ) -> Option<Fault> {
        let planned = self.0.iter_mut().find(|planned| {
            planned.left > 0
                && planned.method.as_deref().is_none_or(|wanted| wanted == method)
                && target.contains(&planned.part)
                && wanted(&planned.fault)
        })?;
        planned.left -= 1;
        Some(planned.fault.clone())
    }
}
