//! Disturbances, and which requests get them.

use std::time::Duration;

/// Which requests are disturbed, and how.
#[derive(Clone, Debug)]
pub struct Rule {
    method: Option<String>,
    part: String,
    skipped: usize,
    left: usize,
    disturbance: Disturbance,
}

/// What happens to a request or to its answer. A number of bytes counts those of the body.
#[derive(Clone, Debug)]
pub enum Disturbance {
    /// The client is reset, and the registry sees the connection's end, after so many bytes of the request.
    CutRequestAfter(u64),
    /// The client is reset after so many bytes of the answer, which had its whole length announced.
    CutAnswerAfter(u64),
    /// The proxy answers, and the registry is not asked.
    Answer {
        /// The HTTP status.
        status: u16,
        /// Headers besides the length.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// The registry does what is asked and answers, but the client is reset.
    DropAnswer,
    /// The request waits for so long before it goes on.
    StallRequest(Duration),
    /// The answer waits for so long before it goes on.
    StallAnswer(Duration),
    /// The answer goes in pieces of so many bytes, with a wait before each.
    SlowAnswer {
        /// The length of a piece.
        bytes: usize,
        /// The wait.
        every: Duration,
    },
    /// The answer is these bytes, repeated to its length.
    OtherBytes(Vec<u8>),
    /// The answer's bytes are changed by a function.
    ChangeAnswer(fn(&mut [u8])),
    /// The answer ends after so many bytes.
    TruncateAnswer {
        /// How many.
        bytes: u64,
        /// The length that its head has.
        announced: Announced,
    },
    /// The client is sent to the same path below this address, and the registry is not asked.
    RedirectTo(String),
}

/// Which length a truncated answer announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// That of the whole: the connection ends too early.
    Whole,
    /// The shorter one: only who knows the right length notices.
    Shortened,
}

impl Rule {
    /// Disturbs the next request whose target contains `part`.
    pub fn once(part: &str, disturbance: Disturbance) -> Self {
        Self {
            method: None,
            part: part.to_owned(),
            skipped: 0,
            left: 1,
            disturbance,
        }
    }

    /// Disturbs only requests of this method.
    pub fn method(self, method: &str) -> Self {
        Self {
            method: Some(method.to_owned()),
            ..self
        }
    }

    /// Lets so many such requests pass first.
    pub fn skip(self, requests: usize) -> Self {
        Self {
            skipped: requests,
            ..self
        }
    }

    /// Disturbs so many requests.
    pub fn times(self, requests: usize) -> Self {
        Self {
            left: requests,
            ..self
        }
    }

    /// Disturbs every such request.
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// Counts a request, and returns what happens to it.
    fn take(&mut self, method: &str, target: &str) -> Option<Disturbance> {
        let is_meant = self.left > 0
            && self.method.as_deref().is_none_or(|wanted| wanted == method)
            && target.contains(&self.part);
        if !is_meant {
            return None;
        }
        if self.skipped > 0 {
            self.skipped -= 1;
            return None;
        }
        self.left -= 1;
        Some(self.disturbance.clone())
    }
}

/// Returns what the first rule that is due does to a request.
pub(super) fn take(rules: &mut [Rule], method: &str, target: &str) -> Option<Disturbance> {
    rules.iter_mut().find_map(|rule| rule.take(method, target))
}
