//! Waiting for an answer is not waiting within it: the limit for silence holds for bodies only.
//!
//! `ureq` limits every read alike, also the one that waits for the answer's head, so a server that thinks for longer than a
//! body may stop would be left. This takes the limit from that one wait, which has a limit of its own; it can go when `ureq`
//! tells the two apart. `ureq` may change what it calls `unversioned` in any release; the lock file keeps the one that fits.

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Error, Timeout};

/// Wraps every connection.
#[derive(Debug)]
pub(super) struct PatientConnector;

/// A connection that waits for an answer as long as an answer may take.
#[derive(Debug)]
pub(super) struct PatientTransport<T>(T);

impl<In: Transport> Connector<In> for PatientConnector {
    type Out = PatientTransport<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(PatientTransport))
    }
}

impl<T: Transport> Transport for PatientTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, Error> {
        if timeout.reason == Timeout::RecvResponse {
            timeout.per_read = None;
        }
        self.0.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}
