//! The way back: an answer, changed as told.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::exchange::Next;
use super::line::Line;
use super::rule::{Announced, Disturbance};
use crate::http::{AnswerHead, Body, Connections, Framing, wait};

/// How long the bytes before a cut have to arrive: a reset drops what is still on its way.
const CUT_GRACE: Duration = Duration::from_millis(50);

/// The way of an answer to the client.
pub(super) struct Relay<'a> {
    pub(super) client: &'a TcpStream,
    pub(super) line: &'a Line,
    pub(super) connections: &'a Connections,
    /// Whether the answer is the connection's last.
    pub(super) closes: bool,
}

/// What happens to an answer.
#[derive(Clone, Debug)]
pub(super) enum Manner {
    Whole,
    Stalled(Duration),
    Dropped,
    CutAfter(u64),
    Truncated(u64, Announced),
    Slow { bytes: usize, every: Duration },
    Other(Vec<u8>),
    Changed(fn(&mut [u8])),
}

impl Manner {
    /// Returns what a rule does to an answer.
    pub(super) fn of(disturbance: Option<Disturbance>) -> Self {
        match disturbance {
            Some(Disturbance::StallAnswer(duration)) => Self::Stalled(duration),
            Some(Disturbance::DropAnswer) => Self::Dropped,
            Some(Disturbance::CutAnswerAfter(bytes)) => Self::CutAfter(bytes),
            Some(Disturbance::TruncateAnswer { bytes, announced }) => Self::Truncated(bytes, announced),
            Some(Disturbance::SlowAnswer { bytes, every }) => Self::Slow { bytes, every },
            Some(Disturbance::OtherBytes(bytes)) => Self::Other(bytes),
            Some(Disturbance::ChangeAnswer(change)) => Self::Changed(change),
            Some(
                Disturbance::Answer { .. }
                | Disturbance::RedirectTo(_)
                | Disturbance::StallRequest(_)
                | Disturbance::CutRequestAfter(_),
            )
            | None => Self::Whole,
        }
    }

    fn is_for_the_whole_body(&self) -> bool {
        matches!(
            self,
            Self::Other(_) | Self::Changed(_) | Self::Truncated(_, Announced::Shortened)
        )
    }
}

impl Relay<'_> {
    /// Passes an answer on.
    pub(super) fn run(
        &self,
        method: &str,
        answers: &mut BufReader<&TcpStream>,
        manner: &Manner,
        buffer: &mut [u8],
    ) -> io::Result<Next> {
        let mut head = AnswerHead::read(answers)?;
        while matches!(head.status, 100..200) {
            head = AnswerHead::read(answers)?;
        }
        let framing = Framing::of_answer(method, head.status, &head.headers);
        let mut body = Body::new(answers, framing);
        match manner {
            Manner::Stalled(duration) => wait(*duration, || self.connections.is_stopped()),
            Manner::Dropped => {
                while body.read(buffer)? > 0 {}
                self.line.count_cut();
                return Ok(Next::Cut);
            }
            _ => {}
        }
        let ends = self.closes || framing == Framing::UntilEnd;
        head.headers.remove("Keep-Alive");
        head.headers
            .set("Connection", if ends { "close" } else { "keep-alive" });
        if manner.is_for_the_whole_body() && framing != Framing::Length(0) {
            return self.send_changed(head, body, manner, ends);
        }
        self.send(head.text().as_bytes())?;
        let next = self.copy(body, framing, manner, buffer)?;
        Ok(if ends && matches!(next, Next::Request) {
            Next::End
        } else {
            next
        })
    }

    /// Holds the whole body, to change it.
    fn send_changed(
        &self,
        mut head: AnswerHead,
        mut body: impl Read,
        manner: &Manner,
        ends: bool,
    ) -> io::Result<Next> {
        let mut bytes = Vec::new();
        body.read_to_end(&mut bytes)?;
        match manner {
            Manner::Other(others) => {
                for (byte, other) in bytes.iter_mut().zip(others.iter().cycle()) {
                    *byte = *other;
                }
            }
            Manner::Changed(change) => change(&mut bytes),
            Manner::Truncated(length, _) => bytes.truncate(usize::try_from(*length).unwrap_or(usize::MAX)),
            _ => {}
        }
        head.headers.remove("Transfer-Encoding");
        head.headers.set("Content-Length", bytes.len());
        self.send(head.text().as_bytes())?;
        self.send(&bytes)?;
        Ok(if ends { Next::End } else { Next::Request })
    }

    /// Copies a body, until it is cut.
    fn copy(
        &self,
        mut body: impl Read,
        framing: Framing,
        manner: &Manner,
        buffer: &mut [u8],
    ) -> io::Result<Next> {
        let mut left = match manner {
            Manner::CutAfter(bytes) | Manner::Truncated(bytes, _) => *bytes,
            _ => u64::MAX,
        };
        let piece = match manner {
            Manner::Slow { bytes, .. } => (*bytes).clamp(1, buffer.len()),
            _ => buffer.len(),
        };
        loop {
            if left == 0 {
                return Ok(self.cut(manner));
            }
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(piece);
            let read = body.read(&mut buffer[..length])?;
            if read == 0 {
                break;
            }
            if let Manner::Slow { every, .. } = manner {
                wait(*every, || self.connections.is_stopped());
            }
            if framing == Framing::Chunked {
                self.send(format!("{read:x}\r\n").as_bytes())?;
                self.send(&buffer[..read])?;
                self.send(b"\r\n")?;
            } else {
                self.send(&buffer[..read])?;
            }
            left -= read as u64;
        }
        if framing == Framing::Chunked {
            self.send(b"0\r\n\r\n")?;
        }
        Ok(Next::Request)
    }

    fn cut(&self, manner: &Manner) -> Next {
        self.line.count_cut();
        if matches!(manner, Manner::Truncated(..)) {
            return Next::End;
        }
        std::thread::sleep(CUT_GRACE);
        Next::Cut
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut client = self.client;
        client.write_all(bytes)?;
        self.line.count_answer(bytes.len());
        Ok(())
    }
}
