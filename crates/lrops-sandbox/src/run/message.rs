//! What the sandbox's processes tell one another: a request in, a report out.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::error::{CommandError, Step};
use super::spec::{Exit, RunSpec};

/// How long a request may be: room for secrets and for a script on standard input.
const REQUEST_BYTES_MAX: u64 = 256 << 20;

/// What the supervisor asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The supervisor's process id, to notice that it died before the child could tie itself to it.
    pub(crate) supervisor: u32,
    /// The run.
    pub(crate) spec: RunSpec,
}

/// What became of it; the first report counts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The command ended.
    Ended(Exit),
    /// The command could not be started.
    NotStarted(CommandError),
    /// A step failed.
    Failed(Failure),
}

/// A step that failed, as data.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The step.
    pub(crate) step: Step,
    /// The kernel's error number, where it was one.
    pub(crate) number: Option<i32>,
    /// The error's text, and more where it is known.
    pub(crate) message: String,
}

impl Failure {
    /// Returns what makes a failure of `step`.
    pub(crate) fn of<E: Into<io::Error>>(step: Step) -> impl FnOnce(E) -> Self {
        move |error| {
            let error = error.into();
            Self {
                step,
                number: error.raw_os_error(),
                message: error.to_string(),
            }
        }
    }

    /// Returns the error's cause.
    pub(crate) fn into_source(self) -> (Step, io::Error) {
        let plain = self.number.map(io::Error::from_raw_os_error);
        // A message that says more than the number is worth more.
        let source = plain.filter(|error| error.to_string() == self.message);
        (
            self.step,
            source.unwrap_or_else(|| io::Error::other(self.message)),
        )
    }
}

/// Sends a request.
pub(crate) fn send(mut channel: impl Write, request: &Request) -> io::Result<()> {
    let bytes = serde_json::to_vec(request)?;
    channel.write_all(&(bytes.len() as u64).to_le_bytes())?;
    channel.write_all(&bytes)
}

/// Receives a request.
pub(crate) fn receive(mut channel: impl Read) -> io::Result<Request> {
    let mut len = [0; 8];
    channel.read_exact(&mut len)?;
    let len = u64::from_le_bytes(len);
    if len > REQUEST_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is larger than {REQUEST_BYTES_MAX} bytes"),
        ));
    }
    let mut bytes = Vec::new();
    channel.take(len).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Sends a report, as one line.
pub(crate) fn report(mut channel: impl Write, report: &Report) {
    let mut line = serde_json::to_vec(report).expect("a report is JSON");
    line.push(b'\n');
    // When nobody listens any more there is nobody to tell.
    let _ = channel.write_all(&line);
}

/// Reads the first report of what was received.
pub(crate) fn first_report(received: &[u8]) -> Option<Report> {
    let line = received.split(|byte| *byte == b'\n').next()?;
    serde_json::from_slice(line).ok()
}
