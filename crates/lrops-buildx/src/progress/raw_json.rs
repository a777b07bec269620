//! `--progress=rawjson`: BuildKit's own status documents (`client.SolveStatus`), one after the other.
//!
//! buildx 0.13 writes them over several lines each, later versions on one. They share standard error with what is said
//! to people, so what is no document is kept as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use lrops_model::event::OutputStream;
use serde::Deserialize;

use super::Steps;
use super::steps::Ending;
use super::warning::Warning;

/// No status document is longer: BuildKit cuts logs into pieces of some kilobytes.
const DOCUMENT_SIZE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// BuildKit's number for standard error.
const STDERR: u32 = 2;

#[derive(Debug, Deserialize)]
struct Status {
    #[serde(default)]
    vertexes: Vec<Vertex>,
    #[serde(default)]
    statuses: Vec<VertexStatus>,
    #[serde(default)]
    logs: Vec<VertexLog>,
    #[serde(default)]
    warnings: Vec<Warning>,
}

#[derive(Debug, Deserialize)]
struct Vertex {
    digest: String,
    #[serde(default)]
    name: String,
    started: Option<Timestamp>,
    completed: Option<Timestamp>,
    #[serde(default)]
    cached: bool,
    #[serde(default)]
    error: String,
}

#[derive(Debug, Deserialize)]
struct VertexStatus {
    vertex: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    current: i64,
    #[serde(default)]
    total: i64,
}

#[derive(Debug, Deserialize)]
struct VertexLog {
    vertex: String,
    #[serde(default)]
    stream: u32,
    #[serde(default)]
    data: String,
}

/// Reads the documents.
pub(crate) struct RawJson<'a> {
    steps: Steps<'a>,
    unread: Vec<u8>,
    text: String,
}

impl<'a> RawJson<'a> {
    pub(super) fn new(steps: Steps<'a>) -> Self {
        Self {
            steps,
            unread: Vec::new(),
            text: String::new(),
        }
    }

    pub(super) fn take(&mut self, piece: &[u8]) {
        self.unread.extend_from_slice(piece);
        while let Some(length) = self.read_one() {
            self.unread.drain(..length);
        }
    }

    pub(super) fn finish(mut self) -> (Steps<'a>, String) {
        let rest = String::from_utf8_lossy(&self.unread);
        self.text.push_str(&rest);
        (self.steps, self.text)
    }

    /// Reads one document or one line of text, and returns its length; none when it is not whole yet.
    fn read_one(&mut self) -> Option<usize> {
        let blank = self
            .unread
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        let rest = &self.unread[blank..];
        if *rest.first()? == b'{' {
            let mut documents = serde_json::Deserializer::from_slice(rest).into_iter::<Status>();
            match documents.next()? {
                Ok(status) => {
                    let length = blank + documents.byte_offset();
                    self.apply(&status);
                    return Some(length);
                }
                Err(error) if error.is_eof() && rest.len() < DOCUMENT_SIZE_BYTES_MAX => return None,
                Err(_) => {}
            }
        }
        // The blanks before it belong to a text: excerpts are indented.
        let from = if self.text.is_empty() { blank } else { 0 };
        let end = self.unread[blank..].iter().position(|byte| *byte == b'\n')? + blank + 1;
        self.text
            .push_str(&String::from_utf8_lossy(&self.unread[from..end]));
        Some(end)
    }

    fn apply(&mut self, status: &Status) {
        for vertex in &status.vertexes {
            if vertex.started.is_some() || vertex.cached || vertex.completed.is_some() {
                self.steps.started(&vertex.digest, &vertex.name);
            }
        }
        for status in &status.statuses {
            let number = |value: i64| u64::try_from(value).unwrap_or(0);
            let total = Some(number(status.total)).filter(|total| *total > 0);
            self.steps
                .progress(&status.vertex, &status.id, number(status.current), total);
        }
        for log in &status.logs {
            let stream = if log.stream == STDERR {
                OutputStream::Stderr
            } else {
                OutputStream::Stdout
            };
            if let Ok(bytes) = STANDARD.decode(&log.data) {
                self.steps
                    .output(&log.vertex, stream, &String::from_utf8_lossy(&bytes));
            }
        }
        for finding in status.warnings.iter().filter_map(Warning::finding) {
            self.steps.found(finding);
        }
        for vertex in &status.vertexes {
            let Some(completed) = vertex.completed else {
                continue;
            };
            let ending = if !vertex.error.is_empty() {
                Ending::Failed(&vertex.error)
            } else if vertex.cached {
                Ending::Cached
            } else {
                Ending::Done
            };
            let took = vertex
                .started
                .and_then(|started| completed.duration_since(started).try_into().ok());
            self.steps.ended(&vertex.digest, &ending, took);
        }
    }
}
